/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers: /dev/vfio/vfio (the kernel's drivers/vfio/container.c).
 *
 * A container is an address space that groups join. It does nothing itself: SET_IOMMU picks the
 * first registered IOMMU driver that supports the number and the groups, and every other command
 * goes there. A container without groups is unprivileged, so the last group that leaves takes the
 * driver along.
 *
 * container->lock is held for reading while the IOMMU driver works: its data cannot go away under
 * it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "vfio/vfio_priv.h"

static void container_put(struct vfio_container *container)
{
	if (atomic_fetch_sub(&container->refs, 1) != 1)
		return;
	pthread_rwlock_destroy(&container->lock);
	free(container);
}

int vfio_register_iommu_driver(struct vfio_core *core, const struct vfio_iommu_driver_ops *ops)
{
	struct vfio_iommu_driver *driver, *other;
	int ret = 0;

	driver = FAIL_POINT() ? NULL : calloc(1, sizeof(*driver));
	if (!driver)
		return -ENOMEM;
	driver->ops = ops;
	pthread_mutex_lock(&core->lock);
	list_for_each_entry(other, &core->iommu_drivers, node)
		if (other->ops == ops)
			ret = -EBUSY;
	if (!ret)
		list_add_tail(&driver->node, &core->iommu_drivers);
	pthread_mutex_unlock(&core->lock);
	if (ret)
		free(driver);
	return ret;
}

void vfio_unregister_iommu_driver(struct vfio_core *core, const struct vfio_iommu_driver_ops *ops)
{
	struct vfio_iommu_driver *driver, *tmp;

	pthread_mutex_lock(&core->lock);
	list_for_each_entry_safe(driver, tmp, &core->iommu_drivers, node) {
		if (driver->ops != ops)
			continue;
		list_del(&driver->node);
		free(driver);
	}
	pthread_mutex_unlock(&core->lock);
}

/* Only no-IOMMU containers can use noiommu, and they can use nothing else. */
static bool driver_allowed(const struct vfio_container *container,
			   const struct vfio_iommu_driver *driver)
{
	return container->noiommu == (driver->ops == &vfio_iommu_driver_ops_noiommu);
}

/*
 * Drivers come with the machine and leave with it, when no file is open any more: the list may be
 * walked without core->lock, which must not be held over a driver's operation.
 */
static long check_extension(struct vfio_container *container, unsigned long arg)
{
	const struct vfio_iommu_driver *driver = container->iommu_driver;
	struct vfio_core *core = container->core;
	long ret = 0;

	if (driver)
		return driver->ops->ioctl(core, container->iommu_data, VFIO_CHECK_EXTENSION, arg);
	list_for_each_entry(driver, &core->iommu_drivers, node) {
		/* What the container may become: with groups, that is known. */
		if (!list_empty(&container->groups) && !driver_allowed(container, driver))
			continue;
		ret = driver->ops->ioctl(core, NULL, VFIO_CHECK_EXTENSION, arg);
		if (ret > 0)
			break;
	}
	return ret;
}

static int attach_all(struct vfio_container *container, const struct vfio_iommu_driver_ops *ops,
		      void *data)
{
	struct vfio_group *group, *failed;
	int ret;

	list_for_each_entry(group, &container->groups, container_node) {
		ret = ops->attach_group(data, group->iommu_group, group->type);
		if (ret)
			goto out_detach;
	}
	return 0;
out_detach:
	failed = group;
	list_for_each_entry(group, &container->groups, container_node) {
		if (group == failed)
			break;
		ops->detach_group(data, group->iommu_group);
	}
	return ret;
}

static long set_iommu(struct vfio_container *container, unsigned long arg)
{
	const struct vfio_iommu_driver *driver;
	long ret = -ENODEV;
	void *data;

	if (list_empty(&container->groups) || container->iommu_driver)
		return -EINVAL;
	list_for_each_entry(driver, &container->core->iommu_drivers, node) {
		if (!driver_allowed(container, driver) ||
		    driver->ops->ioctl(container->core, NULL, VFIO_CHECK_EXTENSION, arg) <= 0)
			continue;
		ret = driver->ops->open(container->core, arg, &data);
		if (ret)
			continue;
		ret = attach_all(container, driver->ops, data);
		if (ret) {
			driver->ops->release(data);
			continue;
		}
		container->iommu_driver = driver;
		container->iommu_data = data;
		break;
	}
	return ret;
}

static long container_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_container *container = file->priv;
	const struct vfio_iommu_driver *driver;
	long ret = -EINVAL;

	switch (cmd) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_SET_IOMMU:
		pthread_rwlock_wrlock(&container->lock);
		ret = set_iommu(container, arg);
		pthread_rwlock_unlock(&container->lock);
		return ret;
	case VFIO_CHECK_EXTENSION:
		pthread_rwlock_rdlock(&container->lock);
		ret = check_extension(container, arg);
		pthread_rwlock_unlock(&container->lock);
		return ret;
	default:
		pthread_rwlock_rdlock(&container->lock);
		driver = container->iommu_driver;
		if (driver)
			ret = driver->ops->ioctl(container->core, container->iommu_data, cmd, arg);
		pthread_rwlock_unlock(&container->lock);
		vfio_p2p_put_found(container->core);
		return ret;
	}
}

static void container_release(struct file *file)
{
	container_put(file->priv);
}

const struct file_operations vfio_container_fops = {
	.name = "vfio",
	.kind = FILE_CONTAINER,
	.release = container_release,
	.ioctl = container_ioctl,
};

int vfio_container_open(struct vfio_core *core, int oflags, struct file **out)
{
	struct vfio_container *container;
	int ret;

	container = FAIL_POINT() ? NULL : calloc(1, sizeof(*container));
	if (!container)
		return -ENOMEM;
	container->core = core;
	atomic_init(&container->refs, 1);
	list_init(&container->groups);
	pthread_rwlock_init(&container->lock, NULL);
	ret = file_alloc(&vfio_container_fops, container, oflags, 0, out);
	if (ret)
		container_put(container);
	return ret;
}

/* Real groups and such as are made for a device without an IOMMU do not mix. */
static int check_mix(const struct vfio_container *container, const struct vfio_group *group)
{
	return list_empty(&container->groups) ||
			       container->noiommu == (group->type == VFIO_NO_IOMMU)
		       ? 0
		       : -EPERM;
}

int vfio_container_attach_group(struct vfio_container *container, struct vfio_group *group)
{
	const struct vfio_group_type_ops *type = vfio_group_type(group);
	const struct vfio_iommu_driver *driver;
	int ret = vfio_group_check_user(group);

	if (ret)
		return ret;
	pthread_rwlock_wrlock(&container->lock);
	driver = container->iommu_driver;
	ret = check_mix(container, group);
	if (!ret && type->attach)
		ret = type->attach(container->core, group);
	if (!ret && driver)
		ret = driver->ops->attach_group(container->iommu_data, group->iommu_group,
						group->type);
	if (!ret) {
		group->container = container;
		group->container_users = 1;
		container->noiommu = group->type == VFIO_NO_IOMMU;
		list_add(&group->container_node, &container->groups);
		atomic_fetch_add(&container->refs, 1);
	}
	pthread_rwlock_unlock(&container->lock);
	return ret;
}

void vfio_group_detach_container(struct vfio_group *group)
{
	struct vfio_container *container = group->container;
	const struct vfio_iommu_driver *driver;

	pthread_rwlock_wrlock(&container->lock);
	driver = container->iommu_driver;
	if (driver)
		driver->ops->detach_group(container->iommu_data, group->iommu_group);
	group->container = NULL;
	group->container_users = 0;
	list_del(&group->container_node);
	if (driver && list_empty(&container->groups)) {
		driver->ops->release(container->iommu_data);
		container->iommu_driver = NULL;
		container->iommu_data = NULL;
	}
	pthread_rwlock_unlock(&container->lock);
	container_put(container);
}

int vfio_group_use_container(struct vfio_group *group, bool first)
{
	bool ready;
	int ret;

	pthread_rwlock_rdlock(&group->container->lock);
	ready = group->container->iommu_driver;
	pthread_rwlock_unlock(&group->container->lock);
	if (!ready)
		return -EINVAL;
	ret = first ? vfio_group_check_user(group) : 0;
	if (ret)
		return ret;
	group->container_users++;
	return 0;
}

/* ---- the DMA of emulated devices ------------------------------------------------------------- */

/*
 * A device is open only while its group's container has an IOMMU driver, and both stay until it is
 * closed: nothing here takes the container's lock.
 */
void vfio_device_container_register(struct vfio_device *vdev)
{
	struct vfio_container *container = vdev->group->container;
	const struct vfio_iommu_driver_ops *ops = container->iommu_driver->ops;

	atomic_store_explicit(&vdev->container, container, memory_order_release);
	if (ops->register_device)
		ops->register_device(container->iommu_data, vdev);
	/* Not before it is told of unmaps. */
	atomic_store(&vdev->may_pin, true);
}

void vfio_device_container_unregister(struct vfio_device *vdev)
{
	struct vfio_container *container = vdev->group->container;
	const struct vfio_iommu_driver_ops *ops = container->iommu_driver->ops;

	/* What is pinned is let go now, and nothing more comes. */
	atomic_store(&vdev->may_pin, false);
	if (ops->unregister_device)
		ops->unregister_device(container->iommu_data, vdev);
	atomic_store_explicit(&vdev->container, NULL, memory_order_release);
}

static struct vfio_container *open_container(struct vfio_device *vdev)
{
	return atomic_load_explicit(&vdev->container, memory_order_acquire);
}

static bool hears_of_unmaps(const struct vfio_device *vdev)
{
	return vdev->ops->dma_unmap || vdev->pin_ops;
}

int vfio_device_container_pin_pages(struct vfio_device *vdev, iova_t iova, int npage, int prot,
				    paddr_t *pages)
{
	const struct vfio_container *container = open_container(vdev);
	const struct vfio_iommu_driver_ops *ops;

	if (!container || !pages || !npage || !hears_of_unmaps(vdev) ||
	    !atomic_load(&vdev->may_pin))
		return -EINVAL;
	if (npage > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -E2BIG;
	ops = container->iommu_driver->ops;
	if (!ops->pin_pages)
		return -ENOTTY;
	return ops->pin_pages(container->iommu_data, vdev, iova, npage, prot, pages);
}

int vfio_pin_pages(struct vfio_device *vdev, iova_t iova, int npage, int prot, paddr_t *pages)
{
	int ret = vfio_device_container_pin_pages(vdev, iova, npage, prot, pages);

	return ret == -ENXIO ? -EINVAL : ret;
}

void vfio_unpin_pages(struct vfio_device *vdev, iova_t iova, int npage)
{
	const struct vfio_container *container = open_container(vdev);
	const struct vfio_iommu_driver_ops *ops;

	if (!container || npage <= 0 || npage > VFIO_PIN_PAGES_MAX_ENTRIES)
		return;
	ops = container->iommu_driver->ops;
	if (ops->unpin_pages)
		ops->unpin_pages(container->iommu_data, vdev, iova, npage);
}

int vfio_dma_rw(struct vfio_device *vdev, iova_t iova, void *data, size_t len, bool write)
{
	const struct vfio_container *container = open_container(vdev);
	const struct vfio_iommu_driver_ops *ops;

	if (!container || !data || !len)
		return -EINVAL;
	ops = container->iommu_driver->ops;
	if (!ops->dma_rw)
		return -ENOTTY;
	return ops->dma_rw(container->iommu_data, iova, data, len, write);
}
