/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instances of other people's parents: the operations that vfio_mdev calls. What a parent says in
 * tables (regions, interrupts) is answered and checked here, so that its operations see only what
 * lies inside their regions.
 *
 * An open device has a memfd, region i at i << PARENT_REGION_SHIFT, of which the user maps pages
 * and which holds the memory of regions with MMAP.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "drivers/module/parent_priv.h"
#include "uapi/vfio.h"

/* ---- the session's side ---------------------------------------------------------------------- */

static unsigned int parent_available(struct mdev_type *type)
{
	struct module_parent *parent = to_module_parent(type->parent);

	return parent->pub.ops->available(&parent->pub,
					  &parent->pub.ops->types[type - parent->types]);
}

static ssize_t parent_description(struct mdev_type *type, char *buf, size_t size)
{
	struct module_parent *parent = to_module_parent(type->parent);
	const char *text = parent->pub.ops->types[type - parent->types].description;

	return snprintf(buf, size, "%s\n", text ? text : "");
}

/* An instance that has no object of the parent's yet, or no longer. */
static void init_pub(struct mdev_device *mdev, struct module_device *dev)
{
	struct module_parent *parent = to_module_parent(mdev->type->parent);

	memset(dev, 0, sizeof(*dev));
	dev->mdev = mdev;
	dev->memfd = -1;
	dev->pub = (struct uvfio_mdev){
		.host = &parent_host,
		.parent = &parent->pub,
		.type = &parent->pub.ops->types[mdev->type - parent->types],
		.uuid = mdev->dev.name,
		.state = mdev->state,
	};
}

static int parent_create(struct mdev_device *mdev)
{
	struct module_device dev;

	init_pub(mdev, &dev);
	return ops_of(&dev)->create(&dev.pub);
}

static void parent_destroy(struct mdev_device *mdev)
{
	struct module_device dev;

	init_pub(mdev, &dev);
	ops_of(&dev)->destroy(&dev.pub);
}

static void parent_recover(struct mdev_parent *parent, struct mdev_device *mdev)
{
	struct module_parent *mine = to_module_parent(parent);
	struct module_device dev;

	if (mdev)
		init_pub(mdev, &dev);
	mine->pub.ops->recover(&mine->pub, mdev ? &dev.pub : NULL);
}

/* ---- a process' side ------------------------------------------------------------------------- */

/* What is told of unmapped memory is told by vfio_mdev, which traces it. */
static void nothing_unmapped(struct vfio_device *vdev, iova_t iova, uint64_t len)
{
}

static void parent_moving(struct vfio_device *vdev, iova_t iova)
{
	struct module_device *dev = module_device_of(vdev->priv);

	ops_of(dev)->dma_moved(&dev->pub, iova);
}

static const struct vfio_pin_ops parent_pin_ops = { .unmap = nothing_unmapped,
						    .moving = parent_moving };

static int parent_probe(struct mdev_device *mdev)
{
	struct module_device *dev = FAIL_POINT() ? NULL : malloc(sizeof(*dev));
	const struct uvfio_mdev_ops *ops;
	int ret;

	if (!dev)
		return -ENOMEM;
	init_pub(mdev, dev);
	ops = ops_of(dev);
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->irq_lock, NULL);
	mdev->drvdata = dev;
	if (ops->dma_unmap && ops->dma_moved)
		mdev_vfio_device(mdev)->pin_ops = &parent_pin_ops;
	ret = parent_irqs_init(dev);
	if (!ret && ops->probe)
		ret = ops->probe(&dev->pub);
	if (!ret)
		return 0;
	parent_irqs_destroy(dev);
	pthread_mutex_destroy(&dev->irq_lock);
	pthread_mutex_destroy(&dev->lock);
	mdev->drvdata = NULL;
	free(dev);
	return ret;
}

static void parent_remove(struct mdev_device *mdev)
{
	struct module_device *dev = module_device_of(mdev);

	if (ops_of(dev)->remove)
		ops_of(dev)->remove(&dev->pub);
	parent_irqs_destroy(dev);
	pthread_mutex_destroy(&dev->irq_lock);
	pthread_mutex_destroy(&dev->lock);
	mdev->drvdata = NULL;
	free(dev);
}

/* ---- open and close -------------------------------------------------------------------------- */

static void unmap_regions(struct module_device *dev)
{
	const struct uvfio_mdev_ops *ops = ops_of(dev);

	for (unsigned int i = 0; i < ops->num_regions; i++) {
		if (dev->mem[i])
			munmap(dev->mem[i], ALIGN_UP(ops->regions[i].size, HOST_PAGE_SIZE));
		dev->mem[i] = NULL;
	}
	mdev_vfio_device(dev->mdev)->memfd = -1;
	fd_close(dev->memfd);
	dev->memfd = -1;
}

static int map_regions(struct module_device *dev)
{
	const struct uvfio_mdev_ops *ops = ops_of(dev);
	void *mem;

	dev->memfd = FAIL_POINT() ? -ENOMEM
				  : fd_memfd("uvfio-mdev",
					     (uint64_t)PARENT_REGIONS << PARENT_REGION_SHIFT);
	if (dev->memfd < 0)
		return dev->memfd;
	for (unsigned int i = 0; i < ops->num_regions; i++) {
		if (!ops->regions[i].size || !(ops->regions[i].flags & UVFIO_REGION_MMAP))
			continue;
		mem = mmap(NULL, ALIGN_UP(ops->regions[i].size, HOST_PAGE_SIZE),
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, dev->memfd,
			   (off_t)i << PARENT_REGION_SHIFT);
		if (mem == MAP_FAILED) {
			unmap_regions(dev);
			return -ENOMEM;
		}
		dev->mem[i] = mem;
	}
	mdev_vfio_device(dev->mdev)->memfd = dev->memfd;
	return 0;
}

static int parent_open(struct mdev_device *mdev)
{
	struct module_device *dev = module_device_of(mdev);
	int ret = map_regions(dev);

	if (!ret && ops_of(dev)->open) {
		ret = ops_of(dev)->open(&dev->pub);
		if (ret)
			unmap_regions(dev);
	}
	return ret;
}

static void parent_close(struct mdev_device *mdev)
{
	struct module_device *dev = module_device_of(mdev);

	if (ops_of(dev)->close)
		ops_of(dev)->close(&dev->pub);
	parent_irqs_close(dev);
	unmap_regions(dev);
}

static int parent_reset(struct mdev_device *mdev)
{
	struct module_device *dev = module_device_of(mdev);
	int ret;

	pthread_mutex_lock(&dev->lock);
	ret = ops_of(dev)->reset(&dev->pub);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

/* ---- what it is ------------------------------------------------------------------------------ */

static int parent_get_info(struct mdev_device *mdev, struct vfio_device_info *info,
			   struct vfio_info_cap *caps)
{
	static const struct {
		const char *api;
		uint32_t flag;
	} kinds[] = { { VFIO_DEVICE_API_PCI_STRING, VFIO_DEVICE_FLAGS_PCI },
		      { VFIO_DEVICE_API_PLATFORM_STRING, VFIO_DEVICE_FLAGS_PLATFORM },
		      { VFIO_DEVICE_API_AMBA_STRING, VFIO_DEVICE_FLAGS_AMBA },
		      { VFIO_DEVICE_API_CCW_STRING, VFIO_DEVICE_FLAGS_CCW },
		      { VFIO_DEVICE_API_AP_STRING, VFIO_DEVICE_FLAGS_AP } };
	struct module_parent *parent = to_module_parent(mdev->type->parent);
	const struct uvfio_mdev_ops *ops = parent->pub.ops;

	info->flags = ops->reset ? VFIO_DEVICE_FLAGS_RESET : 0;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(parent->ops.device_api, kinds[i].api))
			info->flags |= kinds[i].flag;
	info->num_regions = ops->num_regions;
	info->num_irqs = ops->num_irqs;
	return 0;
}

static int parent_get_region_info(struct mdev_device *mdev, struct vfio_region_info *info,
				  struct vfio_info_cap *caps)
{
	const struct uvfio_mdev_ops *ops = ops_of(module_device_of(mdev));

	if (info->index >= ops->num_regions)
		return -EINVAL;
	info->offset = (uint64_t)info->index << PARENT_REGION_SHIFT;
	info->size = ops->regions[info->index].size;
	info->flags = info->size ? ops->regions[info->index].flags : 0;
	return 0;
}

static void parent_request(struct mdev_device *mdev, unsigned int count)
{
	struct module_device *dev = module_device_of(mdev);

	if (ops_of(dev)->request)
		ops_of(dev)->request(&dev->pub, count);
	else
		parent_irq_raise(&dev->pub, PARENT_REQUEST_IRQ, 0);
}

static void parent_dma_unmap(struct mdev_device *mdev, iova_t iova, uint64_t len)
{
	struct module_device *dev = module_device_of(mdev);

	ops_of(dev)->dma_unmap(&dev->pub, iova, len);
}

/* ---- regions --------------------------------------------------------------------------------- */

/* The part of an access that lies in the region: bytes, or -EINVAL. */
static ssize_t clip(const struct uvfio_mdev_ops *ops, unsigned int region, uint64_t off,
		    size_t count, uint32_t need)
{
	if (region >= ops->num_regions || off >= ops->regions[region].size ||
	    !(ops->regions[region].flags & need))
		return -EINVAL;
	return (ssize_t)MIN((uint64_t)count, ops->regions[region].size - off);
}

static ssize_t parent_read(struct mdev_device *mdev, unsigned int region, uint64_t off, void *buf,
			   size_t count)
{
	struct module_device *dev = module_device_of(mdev);
	const struct uvfio_mdev_ops *ops = ops_of(dev);
	ssize_t ret = clip(ops, region, off, count, UVFIO_REGION_READ);

	if (ret < 0)
		return ret;
	if (dev->mem[region]) {
		/* (Memory may be short.) */
		return copy_nofault(buf, (const char *)dev->mem[region] + off, (size_t)ret)
			       ? -EFAULT
			       : ret;
	}
	if (!ops->read)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	ret = ops->read(&dev->pub, region, off, buf, (size_t)ret);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

static ssize_t parent_write(struct mdev_device *mdev, unsigned int region, uint64_t off,
			    const void *buf, size_t count)
{
	struct module_device *dev = module_device_of(mdev);
	const struct uvfio_mdev_ops *ops = ops_of(dev);
	ssize_t ret = clip(ops, region, off, count, UVFIO_REGION_WRITE);

	if (ret < 0)
		return ret;
	if (dev->mem[region]) {
		return copy_nofault((char *)dev->mem[region] + off, buf, (size_t)ret) ? -EFAULT
										      : ret;
	}
	if (!ops->write)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	ret = ops->write(&dev->pub, region, off, buf, (size_t)ret);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

static int parent_mmap(struct mdev_device *mdev, unsigned int region, uint64_t off, uint64_t len,
		       int prot, int flags)
{
	struct module_device *dev = module_device_of(mdev);
	const struct uvfio_mdev_ops *ops = ops_of(dev);
	const uint32_t need = (prot & PROT_WRITE) ? UVFIO_REGION_WRITE : 0;
	uint64_t size;

	if (region >= ops->num_regions || !(ops->regions[region].flags & UVFIO_REGION_MMAP) ||
	    (ops->regions[region].flags & need) != need || (flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	size = ALIGN_UP(ops->regions[region].size, HOST_PAGE_SIZE);
	if (off > size || len > size - off)
		return -EINVAL;
	return ops->mmap ? ops->mmap(&dev->pub, region, off, len, prot) : 0;
}

void parent_set_ops(struct module_parent *parent)
{
	const struct uvfio_mdev_ops *ops = parent->pub.ops;
	bool described = false;

	for (uint32_t i = 0; i < ops->num_types; i++)
		described |= ops->types[i].description != NULL;
	parent->ops = (struct mdev_parent_ops){
		.name = ops->name,
		.device_api = ops->device_api ? ops->device_api : VFIO_DEVICE_API_PCI_STRING,
		.max_instances = ops->max_instances,
		.parent_state_size = ops->parent_state_size,
		.state_size = ops->state_size,
		.get_available = ops->available ? parent_available : NULL,
		.show_description = described ? parent_description : NULL,
		.create = ops->create ? parent_create : NULL,
		.destroy = ops->destroy ? parent_destroy : NULL,
		.recover = ops->recover ? parent_recover : NULL,
		.probe = parent_probe,
		.remove = parent_remove,
		.open_device = parent_open,
		.close_device = parent_close,
		.get_info = parent_get_info,
		.get_region_info = parent_get_region_info,
		.get_irq_info = parent_get_irq_info,
		.set_irqs = parent_set_irqs,
		.reset = ops->reset ? parent_reset : NULL,
		.region_read = parent_read,
		.region_write = parent_write,
		.mmap = parent_mmap,
		.request = parent_request,
		.dma_unmap = ops->dma_unmap ? parent_dma_unmap : NULL,
	};
}
