/* SPDX-License-Identifier: BSD-3-Clause */
/* What the library does for other people's parents: the functions of <uvfio/mdev.h>. */
#include <errno.h>

#include "base/copy.h"
#include "base/depth.h"
#include "base/log.h"
#include "drivers/module/parent_priv.h"
#include "iommu/iommu.h"
#include "vfio/vfio_device.h"

static struct module_device *device_of(struct uvfio_mdev *pub)
{
	return container_of(pub, struct module_device, pub);
}

/* NULL: in create() and destroy(). */
static struct vfio_device *vdev_of(struct uvfio_mdev *pub)
{
	return mdev_vfio_device(device_of(pub)->mdev);
}

/* A parent's own thread is none of the library's: what follows is the library's work. */
static int host_pin(struct uvfio_mdev *pub, uint64_t iova, int num, int writable, void **pages)
{
	const struct uvfio_mdev_ops *ops = pub->parent->ops;
	paddr_t found[VFIO_PIN_PAGES_MAX_ENTRIES];
	int ret;

	if (!vdev_of(pub) || !ops->dma_unmap || !ops->dma_moved || num <= 0 ||
	    num > VFIO_PIN_PAGES_MAX_ENTRIES)
		return -EINVAL;
	depth_enter();
	ret = vfio_pin_pages(vdev_of(pub), iova, num, IOMMU_READ | (writable ? IOMMU_WRITE : 0),
			     found);
	depth_leave();
	if (ret < 0)
		return ret;
	for (int i = 0; i < num; i++)
		pages[i] = (void *)(uintptr_t)found[i];
	return 0;
}

static void host_unpin(struct uvfio_mdev *pub, uint64_t iova, int num)
{
	if (!vdev_of(pub))
		return;
	depth_enter();
	vfio_unpin_pages(vdev_of(pub), iova, num);
	depth_leave();
}

static int host_copy(void *to, const void *from, size_t len)
{
	return copy_nofault(to, from, len) ? -EFAULT : 0;
}

static int host_dma_rw(struct uvfio_mdev *pub, uint64_t iova, void *data, size_t len, int write)
{
	int ret;

	if (!vdev_of(pub))
		return -EINVAL;
	depth_enter();
	ret = vfio_dma_rw(vdev_of(pub), iova, data, len, write);
	depth_leave();
	return ret;
}

static void *host_memory(struct uvfio_mdev *pub, unsigned int region)
{
	return region < PARENT_REGIONS ? device_of(pub)->mem[region] : NULL;
}

static void host_lock(struct uvfio_mdev *pub)
{
	mdev_lock(device_of(pub)->mdev);
}

static void host_unlock(struct uvfio_mdev *pub)
{
	mdev_unlock(device_of(pub)->mdev);
}

static void host_parent_lock(struct uvfio_mdev_parent *pub)
{
	mdev_parent_lock(&container_of(pub, struct module_parent, pub)->mdev);
}

static void host_parent_unlock(struct uvfio_mdev_parent *pub)
{
	mdev_parent_unlock(&container_of(pub, struct module_parent, pub)->mdev);
}

static void host_log(const char *text)
{
	depth_enter();
	pr_info("%s", text);
	depth_leave();
}

const struct uvfio_mdev_host parent_host = {
	.version = UVFIO_MDEV_VERSION,
	.size = sizeof(struct uvfio_mdev_host),
	.pin = host_pin,
	.unpin = host_unpin,
	.copy = host_copy,
	.dma_rw = host_dma_rw,
	.irq_raise = parent_irq_raise,
	.irq_lower = parent_irq_lower,
	.memory = host_memory,
	.lock = host_lock,
	.unlock = host_unlock,
	.parent_lock = host_parent_lock,
	.parent_unlock = host_parent_unlock,
	.log = host_log,
};
