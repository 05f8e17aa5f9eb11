/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generic driver of mediated devices (Linux' drivers/vfio/mdev/vfio_mdev.c, up to 5.15): it
 * takes every instance whose parent gives operations, makes a vfio_device of it and does nothing
 * itself: whatever the user asks for is handed on to the parent, which may have no idea that VFIO
 * is there. Each hand-over is an event (mdev/trace.h).
 *
 * An operation that the parent has not is missing in the vfio_device, too: the VFIO core then
 * answers as it does for any driver without. The tables are made from the same list.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "mdev/mdev_priv.h"
#include "mdev/trace.h"

/* Of one instance in this process: the device, and the operations that its parent has. */
struct vfio_mdev {
	struct vfio_device vdev;
	struct vfio_device_ops ops;
};

static struct mdev_device *mdev_of(const struct vfio_device *vdev)
{
	return vdev->priv;
}

static const struct mdev_parent_ops *ops_of(const struct vfio_device *vdev)
{
	return mdev_of(vdev)->parent->ops;
}

struct vfio_device *mdev_vfio_device(struct mdev_device *mdev)
{
	return mdev->vdev;
}

/* ---- handing on ------------------------------------------------------------------------------ */

static int vfio_mdev_open_device(struct vfio_device *vdev)
{
	struct mdev_device *mdev = mdev_of(vdev);

	trace_mdev(mdev, MDEV_OPEN_DEVICE, 0, 0);
	return (int)trace_mdev_result(mdev, MDEV_OPEN_DEVICE, ops_of(vdev)->open_device(mdev));
}

static void vfio_mdev_close_device(struct vfio_device *vdev)
{
	trace_mdev(mdev_of(vdev), MDEV_CLOSE_DEVICE, 0, 0);
	ops_of(vdev)->close_device(mdev_of(vdev));
}

static int vfio_mdev_get_info(struct vfio_device *vdev, struct vfio_device_info *info,
			      struct vfio_info_cap *caps)
{
	trace_mdev(mdev_of(vdev), MDEV_GET_INFO, 0, 0);
	return ops_of(vdev)->get_info(mdev_of(vdev), info, caps);
}

static int vfio_mdev_get_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
				     struct vfio_info_cap *caps)
{
	trace_mdev(mdev_of(vdev), MDEV_GET_REGION_INFO, info->index, 0);
	return ops_of(vdev)->get_region_info(mdev_of(vdev), info, caps);
}

static int vfio_mdev_get_irq_info(struct vfio_device *vdev, struct vfio_irq_info *info)
{
	trace_mdev(mdev_of(vdev), MDEV_GET_IRQ_INFO, info->index, 0);
	return ops_of(vdev)->get_irq_info(mdev_of(vdev), info);
}

static int vfio_mdev_set_irqs(struct vfio_device *vdev, uint32_t flags, unsigned int index,
			      unsigned int start, unsigned int count, const void *data)
{
	struct mdev_device *mdev = mdev_of(vdev);

	trace_mdev(mdev, MDEV_SET_IRQS, index, count);
	return (int)trace_mdev_result(
		mdev, MDEV_SET_IRQS,
		ops_of(vdev)->set_irqs(mdev, flags, index, start, count, data));
}

static int vfio_mdev_reset(struct vfio_device *vdev)
{
	struct mdev_device *mdev = mdev_of(vdev);

	trace_mdev(mdev, MDEV_RESET, 0, 0);
	return (int)trace_mdev_result(mdev, MDEV_RESET, ops_of(vdev)->reset(mdev));
}

static ssize_t vfio_mdev_region_read(struct vfio_device *vdev, unsigned int region, uint64_t off,
				     void *buf, size_t count)
{
	trace_mdev(mdev_of(vdev), MDEV_REGION_READ, (uint64_t)region << 40 | off, count);
	return ops_of(vdev)->region_read(mdev_of(vdev), region, off, buf, count);
}

static ssize_t vfio_mdev_region_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
				      const void *buf, size_t count)
{
	trace_mdev(mdev_of(vdev), MDEV_REGION_WRITE, (uint64_t)region << 40 | off, count);
	return ops_of(vdev)->region_write(mdev_of(vdev), region, off, buf, count);
}

static int vfio_mdev_mmap(struct vfio_device *vdev, unsigned int region, uint64_t off, uint64_t len,
			  int prot, int flags)
{
	trace_mdev(mdev_of(vdev), MDEV_MMAP, (uint64_t)region << 40 | off, len);
	return ops_of(vdev)->mmap(mdev_of(vdev), region, off, len, prot, flags);
}

static uint64_t vfio_mdev_mmio_read(struct vfio_device *vdev, unsigned int region, uint64_t off,
				    unsigned int width, bool nested)
{
	trace_mdev(mdev_of(vdev), MDEV_MMIO_READ, (uint64_t)region << 40 | off, width);
	return ops_of(vdev)->mmio_read(mdev_of(vdev), region, off, width, nested);
}

static void vfio_mdev_mmio_write(struct vfio_device *vdev, unsigned int region, uint64_t off,
				 unsigned int width, uint64_t value, bool nested)
{
	trace_mdev(mdev_of(vdev), MDEV_MMIO_WRITE, (uint64_t)region << 40 | off, width);
	ops_of(vdev)->mmio_write(mdev_of(vdev), region, off, width, value, nested);
}

static void vfio_mdev_request(struct vfio_device *vdev, unsigned int count)
{
	trace_mdev(mdev_of(vdev), MDEV_REQUEST, count, 0);
	ops_of(vdev)->request(mdev_of(vdev), count);
}

static int vfio_mdev_device_feature(struct vfio_device *vdev, uint32_t flags, uint32_t feature,
				    void *data, size_t size)
{
	struct mdev_device *mdev = mdev_of(vdev);

	trace_mdev(mdev, MDEV_DEVICE_FEATURE, feature, flags);
	return (int)trace_mdev_result(
		mdev, MDEV_DEVICE_FEATURE,
		ops_of(vdev)->device_feature(mdev, flags, feature, data, size));
}

static void vfio_mdev_dma_unmap(struct vfio_device *vdev, iova_t iova, uint64_t len)
{
	trace_mdev(mdev_of(vdev), MDEV_DMA_UNMAP, iova, len);
	ops_of(vdev)->dma_unmap(mdev_of(vdev), iova, len);
}

static long vfio_mdev_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	trace_mdev(mdev_of(vdev), MDEV_IOCTL, cmd, 0);
	return ops_of(vdev)->ioctl(mdev_of(vdev), cmd, arg);
}

/* The operations of @from that @to shall have. */
static void take_ops(const struct mdev_parent_ops *from, struct vfio_device_ops *to)
{
	to->name = "vfio-mdev";
#define TAKE(op) to->op = from->op ? vfio_mdev_##op : NULL
	TAKE(open_device);
	TAKE(close_device);
	TAKE(get_info);
	TAKE(get_region_info);
	TAKE(get_irq_info);
	TAKE(set_irqs);
	TAKE(reset);
	TAKE(region_read);
	TAKE(region_write);
	TAKE(mmap);
	TAKE(mmio_read);
	TAKE(mmio_write);
	TAKE(request);
	TAKE(device_feature);
	TAKE(dma_unmap);
	TAKE(ioctl);
#undef TAKE
}

/* ---- the driver ------------------------------------------------------------------------------ */

static int vfio_mdev_probe(struct mdev_device *mdev)
{
	const struct mdev_parent_ops *ops = mdev->parent->ops;
	struct vfio_mdev *vm = FAIL_POINT() ? NULL : calloc(1, sizeof(*vm));
	int ret;

	if (!vm)
		return -ENOMEM;
	take_ops(ops, &vm->ops);
	ret = vfio_init_device(&vm->vdev, &mdev->dev, &vm->ops, mdev);
	if (ret)
		goto out_free;
	mdev->vdev = &vm->vdev;
	ret = ops->probe ? ops->probe(mdev) : 0;
	if (ret)
		goto out_lock;
	ret = vfio_register_group_dev(&vm->vdev, VFIO_EMULATED_IOMMU);
	if (!ret)
		return 0;
	if (ops->remove)
		ops->remove(mdev);
out_lock:
	pthread_mutex_destroy(&vm->vdev.lock);
out_free:
	mdev->vdev = NULL;
	free(vm);
	return ret;
}

static void vfio_mdev_remove(struct mdev_device *mdev)
{
	const struct mdev_parent_ops *ops = mdev->parent->ops;
	struct vfio_device *vdev = mdev->vdev;

	vfio_unregister_group_dev(vdev);
	if (ops->remove)
		ops->remove(mdev);
	mdev->vdev = NULL;
	free(container_of(vdev, struct vfio_mdev, vdev));
}

struct mdev_driver vfio_mdev_driver = {
	.driver = { .name = "vfio_mdev", .module = "vfio_mdev" },
	.probe = vfio_mdev_probe,
	.remove = vfio_mdev_remove,
};

int vfio_mdev_init(void)
{
	return mdev_register_driver(&vfio_mdev_driver);
}

void vfio_mdev_exit(void)
{
	mdev_unregister_driver(&vfio_mdev_driver);
}
