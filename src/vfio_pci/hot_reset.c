/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_GET_PCI_HOT_RESET_INFO and VFIO_DEVICE_PCI_HOT_RESET (the kernel's vfio_pci_core.c).
 *
 * A hot reset takes everything below the function's port with it, so the user must name groups that
 * it owns. The port here offers no reset of its slot: after all checks the reset itself is refused with
 * ENOTTY, as the kernel does below an emulated root port.
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
static int functions_below(struct pci_dev *pdev, struct vfio_pci_dependent_device *rows, unsigned int max)
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

/* Whether @fd is a group's: 0, -EBADF, -EINVAL. */
static int check_group_fd(int32_t fd)
{
	struct file *file = file_from_fd(fd);
	int ret;

	if (!file)
		return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EINVAL;
	ret = strcmp(file->ops->name, "vfio-group") ? -EINVAL : 0;
	file_put(file);
	return ret;
}

long vfio_pci_hot_reset(struct vfio_pci_device *vpd, unsigned long arg)
{
	const size_t minsz = offsetof(struct vfio_pci_hot_reset, group_fds);
	struct vfio_pci_dependent_device rows[MAX_FUNCTIONS];
	int32_t fds[MAX_FUNCTIONS];
	struct vfio_pci_hot_reset hdr;
	int n, ret;

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
	for (unsigned int i = 0; i < hdr.count; i++) {
		ret = check_group_fd(fds[i]);
		if (ret)
			return ret;
	}
	return -ENOTTY;
}
