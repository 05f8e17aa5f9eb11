/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_GET_PCI_HOT_RESET_INFO and VFIO_DEVICE_PCI_HOT_RESET (the kernel's vfio_pci_core.c).
 *
 * A hot reset takes everything below the function's port with it, so the user must show the groups
 * of all functions there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "file/file.h"
#include "vfio_pci/vfio_pci_priv.h"

#define MAX_FUNCTIONS 256

/* Fills up to @max rows with the functions below the port; how many there are, or -ENODEV. */
static int functions_below(struct pci_dev *pdev, struct vfio_pci_dependent_device *rows,
			   unsigned int max)
{
	struct device *port = pdev->dev.parent;
	struct device_core *core = pdev->dev.bus->core;
	struct device *child;
	int n = 0;

	/* On the root bus there is no port to reset. */
	if (!port || port->bus != pdev->dev.bus)
		return -ENODEV;
	device_core_lock(core);
	list_for_each_entry(child, &port->children, child_node) {
		const struct pci_dev *fn = container_of(child, struct pci_dev, dev);
		struct iommu_group *group = fn->iommu ? iommu_group_of(fn->iommu) : NULL;

		if (!group) {
			n = -EPERM;
			break;
		}
		if ((unsigned int)n < max)
			rows[n] = (struct vfio_pci_dependent_device){
				.group_id = iommu_group_id(group),
				.segment = (uint16_t)(fn->rid >> 16),
				.bus = (uint8_t)(fn->rid >> 8),
				.devfn = (uint8_t)fn->rid,
			};
		n++;
	}
	device_core_unlock(core);
	return n;
}

long vfio_pci_hot_reset_info(struct vfio_pci_device *vpd, unsigned long arg)
{
	const size_t minsz = offsetof(struct vfio_pci_hot_reset_info, devices);
	struct vfio_pci_dependent_device rows[MAX_FUNCTIONS];
	struct vfio_pci_hot_reset_info hdr;
	unsigned int room;
	int n;

	if (copy_from_user(&hdr, arg, minsz))
		return -EFAULT;
	if (hdr.argsz < minsz)
		return -EINVAL;
	n = functions_below(vpd->pdev, rows, MAX_FUNCTIONS);
	if (n < 0)
		return n;
	room = (unsigned int)((hdr.argsz - minsz) / sizeof(rows[0]));
	hdr.flags = 0;
	hdr.count = (uint32_t)n;
	if (copy_to_user(arg, &hdr, minsz))
		return -EFAULT;
	if ((unsigned int)n > room || n > MAX_FUNCTIONS)
		return -ENOSPC;
	return copy_to_user(arg + minsz, rows, (size_t)n * sizeof(rows[0])) ? -EFAULT : 0;
}

/* The groups that the user showed. */
struct owned {
	struct file *files[MAX_FUNCTIONS];
	unsigned int n;
};

static void owned_put(struct owned *owned)
{
	while (owned->n)
		file_put(owned->files[--owned->n]);
}

static int owned_add(struct owned *owned, int32_t fd)
{
	struct file *file = file_from_fd(fd);

	if (!file)
		return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EINVAL;
	if (!vfio_file_is_group(file)) {
		file_put(file);
		return -EINVAL;
	}
	owned->files[owned->n++] = file;
	return 0;
}

static bool is_owned(const struct owned *owned, const struct vfio_device *vdev)
{
	for (unsigned int i = 0; i < owned->n; i++)
		if (vfio_file_has_dev(owned->files[i], vdev))
			return true;
	return false;
}

/* One that nobody has open goes back to sleep. */
static int reset_one(struct vfio_pci_device *vpd)
{
	int ret;

	if (vpd->config.image) {
		vfio_pci_set_power_state(vpd, 0);
		ret = pci_reset_through_port(vpd->pdev);
		vfio_pci_memory_update(vpd);
		return ret;
	}
	vfio_pci_wake(vpd);
	ret = pci_reset_through_port(vpd->pdev);
	vfio_pci_sleep(vpd);
	return ret;
}

/* Every function below the port must be this driver's and in a group that was shown; then all are
 * reset. An open one keeps its state as with VFIO_DEVICE_RESET. */
static int reset_all(struct vfio_pci_device *vpd, const struct owned *owned)
{
	struct device *dev = &vpd->pdev->dev, *child;
	struct device_core *core = dev->bus->core;
	int ret = 0;

	device_core_lock(core);
	list_for_each_entry(child, &dev->parent->children, child_node) {
		struct vfio_pci_device *other = child->drvdata;

		if (child->driver != dev->driver || !other || !is_owned(owned, &other->vdev))
			ret = -EINVAL;
	}
	list_for_each_entry(child, &dev->parent->children, child_node) {
		struct vfio_pci_device *other = child->drvdata;

		if (ret)
			break;
		pthread_mutex_lock(&other->memory_lock);
		ret = reset_one(other);
		pthread_mutex_unlock(&other->memory_lock);
	}
	device_core_unlock(core);
	return ret;
}

long vfio_pci_hot_reset(struct vfio_pci_device *vpd, unsigned long arg)
{
	const size_t minsz = offsetof(struct vfio_pci_hot_reset, group_fds);
	struct vfio_pci_dependent_device rows[MAX_FUNCTIONS];
	struct owned owned = { .n = 0 };
	int32_t fds[MAX_FUNCTIONS];
	struct vfio_pci_hot_reset hdr;
	int n, ret = 0;

	if (copy_from_user(&hdr, arg, minsz))
		return -EFAULT;
	/* No groups at all is for devices that were opened without one. */
	if (hdr.argsz < minsz || hdr.flags || !hdr.count)
		return -EINVAL;
	n = functions_below(vpd->pdev, rows, MAX_FUNCTIONS);
	if (n < 0)
		return n;
	if (hdr.count > (unsigned int)n || hdr.count > MAX_FUNCTIONS)
		return -EINVAL;
	if (copy_from_user(fds, arg + minsz, hdr.count * sizeof(fds[0])))
		return -EFAULT;
	for (unsigned int i = 0; i < hdr.count && !ret; i++)
		ret = owned_add(&owned, fds[i]);
	if (!ret)
		ret = reset_all(vpd, &owned);
	owned_put(&owned);
	return ret;
}
