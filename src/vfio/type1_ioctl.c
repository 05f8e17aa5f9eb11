/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI of type1: VFIO_TYPE1_IOMMU (version 1) and VFIO_TYPE1v2_IOMMU. The dispatcher copies the
 * fixed part of an argument and checks argsz and flags, then runs the row's function under
 * iommu->lock.
 */
#include "vfio/type1_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"

union type1_arg {
	struct {
		uint32_t argsz, flags;
	};
	struct vfio_iommu_type1_info info;
	struct vfio_iommu_type1_dma_map map;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_iommu_type1_dirty_bitmap dirty;
	uint8_t bytes[32];
};

static long check_extension(struct vfio_iommu *iommu, unsigned long arg)
{
	struct vfio_domain *d;

	switch (arg) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_UPDATE_VADDR:
		/* Emulated devices cannot wait for a new address. */
		return iommu && list_empty(&iommu->emulated_groups);
	case VFIO_DMA_CC_IOMMU:
		if (!iommu)
			return 0;
		list_for_each_entry(d, &iommu->domains, node)
			if (!d->enforce_cache_coherency)
				return 0;
		return 1;
	default:
		return 0;
	}
}

static long locked_check_extension(struct vfio_iommu *iommu, unsigned long arg)
{
	long ret;

	if (!iommu)
		return check_extension(NULL, arg);
	pthread_mutex_lock(&iommu->lock);
	ret = check_extension(iommu, arg);
	pthread_mutex_unlock(&iommu->lock);
	return ret;
}

/* ---- GET_INFO -------------------------------------------------------------------------------- */

static int add_migration_cap(const struct vfio_iommu *iommu, struct vfio_info_cap *caps)
{
	struct vfio_iommu_type1_info_cap_migration cap = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, .version = 1 },
		.pgsize_bitmap = vfio_iommu_pgsize(iommu),
		.max_dirty_bitmap_size = DIRTY_BITMAP_SIZE_MAX,
	};

	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static int add_dma_avail_cap(const struct vfio_iommu *iommu, struct vfio_info_cap *caps)
{
	struct vfio_iommu_type1_info_dma_avail cap = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1 },
		.avail = iommu->dma_avail,
	};

	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static int add_iova_range_cap(const struct vfio_iommu *iommu, struct vfio_info_cap *caps)
{
	const size_t ranges = iommu->iovas.count * sizeof(struct vfio_iova_range);
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	int ret;

	/* Emulated groups alone have no limits. */
	if (!ranges)
		return 0;
	cap = FAIL_POINT() ? NULL : calloc(1, sizeof(*cap) + ranges);
	if (!cap)
		return -ENOMEM;
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->nr_iovas = (uint32_t)iommu->iovas.count;
	memcpy(cap->iova_ranges, iommu->iovas.ranges, ranges);
	ret = vfio_info_add_capability(caps, &cap->header, sizeof(*cap) + ranges);
	free(cap);
	return ret;
}

static long get_info(struct vfio_iommu *iommu, union type1_arg *a, uintptr_t arg)
{
	struct vfio_info_cap caps = { NULL, 0 };
	int ret;

	a->info.flags = VFIO_IOMMU_INFO_PGSIZES;
	a->info.iova_pgsizes = iommu->pgsize_bitmap;
	ret = add_migration_cap(iommu, &caps);
	if (!ret)
		ret = add_dma_avail_cap(iommu, &caps);
	if (!ret)
		ret = add_iova_range_cap(iommu, &caps);
	if (ret) {
		vfio_info_cap_free(&caps);
		return ret;
	}
	return vfio_info_copy_to_user(arg, a, VFIO_IOMMU_TYPE1_INFO_SIZE, &a->info.cap_offset,
				      VFIO_IOMMU_INFO_CAPS, &caps);
}

/* ---- the other rows' functions --------------------------------------------------------------- */

static long map_dma(struct vfio_iommu *iommu, union type1_arg *a, uintptr_t arg)
{
	return vfio_dma_do_map(iommu, &a->map);
}

static long unmap_dma(struct vfio_iommu *iommu, union type1_arg *a, uintptr_t arg)
{
	const uint32_t exclusive = VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR;
	struct vfio_bitmap bitmap;
	int ret;

	if (a->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) {
		if (a->flags & exclusive || a->argsz < sizeof(a->unmap) + sizeof(bitmap))
			return -EINVAL;
		if (copy_from_user(&bitmap, arg + sizeof(a->unmap), sizeof(bitmap)))
			return -EFAULT;
		ret = vfio_dirty_check_bitmap(&bitmap, a->unmap.size);
		if (ret)
			return ret;
	}
	ret = vfio_dma_do_unmap(iommu, &a->unmap, &bitmap);
	if (ret)
		return ret;
	return copy_to_user(arg, &a->unmap, sizeof(a->unmap));
}

static long dirty_pages(struct vfio_iommu *iommu, union type1_arg *a, uintptr_t arg)
{
	return vfio_dirty_pages(iommu, &a->dirty, arg);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static const struct type1_ioctl_op {
	unsigned int cmd;
	const char *name;
	size_t minsz;
	uint32_t flags; /* allowed; what GET_INFO finds there is not looked at */
	int v1_error;	/* what version 1 answers whatever the argument; 0: it has the command */
	long (*fn)(struct vfio_iommu *iommu, union type1_arg *a, uintptr_t arg);
} type1_ioctls[] = {
	{ VFIO_IOMMU_GET_INFO, "GET_INFO", offsetof(struct vfio_iommu_type1_info, cap_offset),
	  UINT32_MAX, 0, get_info },
	{ VFIO_IOMMU_MAP_DMA, "MAP_DMA", sizeof(struct vfio_iommu_type1_dma_map),
	  VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE | VFIO_DMA_MAP_FLAG_VADDR, 0, map_dma },
	{ VFIO_IOMMU_UNMAP_DMA, "UNMAP_DMA", sizeof(struct vfio_iommu_type1_dma_unmap),
	  VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL |
		  VFIO_DMA_UNMAP_FLAG_VADDR,
	  0, unmap_dma },
	{ VFIO_IOMMU_DIRTY_PAGES, "DIRTY_PAGES", sizeof(struct vfio_iommu_type1_dirty_bitmap),
	  VFIO_IOMMU_DIRTY_PAGES_FLAG_START | VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP |
		  VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
	  -EACCES, dirty_pages },
};

static long type1_ioctl(struct vfio_core *core, void *data, unsigned int cmd, unsigned long arg)
{
	const struct type1_ioctl_op *op = type1_ioctls;
	struct vfio_iommu *iommu = data;
	union type1_arg a;
	long ret;

	if (cmd == VFIO_CHECK_EXTENSION)
		return locked_check_extension(iommu, arg);
	while (op < type1_ioctls + ARRAY_SIZE(type1_ioctls) && op->cmd != cmd)
		op++;
	if (op == type1_ioctls + ARRAY_SIZE(type1_ioctls))
		return -ENOTTY;
	if (!iommu->v2 && op->v1_error)
		return op->v1_error;
	memset(&a, 0, sizeof(a));
	if (copy_from_user(&a, arg, op->minsz))
		return -EFAULT;
	if (a.argsz < op->minsz || a.flags & ~op->flags)
		return -EINVAL;
	pthread_mutex_lock(&iommu->lock);
	ret = op->fn(iommu, &a, arg);
	pthread_mutex_unlock(&iommu->lock);
	return ret;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static int type1_open(struct vfio_core *core, unsigned long arg, void **data)
{
	struct vfio_iommu *iommu;

	if (arg != VFIO_TYPE1_IOMMU && arg != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	iommu = FAIL_POINT() ? NULL : calloc(1, sizeof(*iommu));
	if (!iommu)
		return -ENOMEM;
	iommu->core = core;
	iommu->v2 = arg == VFIO_TYPE1v2_IOMMU;
	iommu->dma_avail = core->env.dma_entry_limit(core->env.arg);
	pthread_mutex_init(&iommu->lock, NULL);
	pthread_mutex_init(&iommu->domains_lock, NULL);
	pthread_mutex_init(&iommu->device_list_lock, NULL);
	pthread_cond_init(&iommu->settled, NULL);
	list_init(&iommu->domains);
	list_init(&iommu->emulated_groups);
	list_init(&iommu->leaked);
	list_init(&iommu->devices);
	vfio_update_pgsize_bitmap(iommu);
	*data = iommu;
	return 0;
}

static void type1_release(void *data)
{
	struct vfio_iommu *iommu = data;

	/* All groups have left, and with the last of them went the mappings. */
	vfio_iova_list_free(&iommu->iovas);
	pthread_cond_destroy(&iommu->settled);
	pthread_mutex_destroy(&iommu->device_list_lock);
	pthread_mutex_destroy(&iommu->domains_lock);
	pthread_mutex_destroy(&iommu->lock);
	free(iommu);
}

static int type1_attach_group(void *data, struct iommu_group *group, enum vfio_group_type type)
{
	struct vfio_iommu *iommu = data;
	int ret;

	pthread_mutex_lock(&iommu->lock);
	ret = vfio_iommu_attach_group(iommu, group, type);
	pthread_mutex_unlock(&iommu->lock);
	return ret;
}

static void type1_detach_group(void *data, struct iommu_group *group)
{
	struct vfio_iommu *iommu = data;

	pthread_mutex_lock(&iommu->lock);
	vfio_iommu_detach_group(iommu, group);
	pthread_mutex_unlock(&iommu->lock);
}

static struct iommu_domain *type1_group_iommu_domain(void *data, struct iommu_group *group)
{
	struct vfio_iommu *iommu = data;
	struct iommu_domain *domain;

	pthread_mutex_lock(&iommu->lock);
	domain = vfio_iommu_find_domain(iommu, group);
	pthread_mutex_unlock(&iommu->lock);
	return domain;
}

static int type1_pin_pages(void *data, struct vfio_device *vdev, iova_t iova, int npage, int prot,
			   paddr_t *pages)
{
	return vfio_type1_pin_pages(data, vdev, iova, npage, prot, pages);
}

static void type1_unpin_pages(void *data, struct vfio_device *vdev, iova_t iova, int npage)
{
	vfio_type1_unpin_pages(data, vdev, iova, npage);
}

static void type1_register_device(void *data, struct vfio_device *vdev)
{
	vfio_type1_register_device(data, vdev);
}

static void type1_unregister_device(void *data, struct vfio_device *vdev)
{
	vfio_type1_unregister_device(data, vdev);
}

static int type1_dma_rw(void *data, iova_t iova, void *buf, size_t len, bool write)
{
	return vfio_type1_dma_rw(data, iova, buf, len, write);
}

const struct vfio_iommu_driver_ops vfio_iommu_driver_ops_type1 = {
	.name = "vfio-iommu-type1",
	.open = type1_open,
	.release = type1_release,
	.ioctl = type1_ioctl,
	.attach_group = type1_attach_group,
	.detach_group = type1_detach_group,
	.pin_pages = type1_pin_pages,
	.unpin_pages = type1_unpin_pages,
	.dma_rw = type1_dma_rw,
	.register_device = type1_register_device,
	.unregister_device = type1_unregister_device,
	.group_iommu_domain = type1_group_iommu_domain,
};
