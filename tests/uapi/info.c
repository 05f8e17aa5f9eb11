/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_IOMMU_GET_INFO: how argsz grows, and the chain of capabilities. */
#include "probe.h"

#define INFO_ROOM 4096

static const uint32_t info_sizes[] = {
	0, 8, 15, 16, 17, 20, 23, 24, 25, 28, 40, 64, 100, 128, 4096
};

static void say_chain(const char *info, uint32_t size, uint32_t off)
{
	while (off) {
		const struct vfio_info_cap_header *cap;

		if (off + sizeof(*cap) > size || off < sizeof(struct vfio_iommu_type1_info)) {
			say(" cap@%u", off);
			return;
		}
		cap = (const struct vfio_info_cap_header *)(info + off);
		say(" cap{@%u id=%u v=%u", off, cap->id, cap->version);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
			const struct vfio_iommu_type1_info_cap_iova_range *r = (const void *)cap;

			for (uint32_t i = 0; i < r->nr_iovas; i++)
				say(" %#llx-%#llx", r->iova_ranges[i].start, r->iova_ranges[i].end);
		} else if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION) {
			const struct vfio_iommu_type1_info_cap_migration *m = (const void *)cap;

			say(" flags=%#x pgsize=%#llx max=%#llx", m->flags, m->pgsize_bitmap,
			    m->max_dirty_bitmap_size);
		} else if (cap->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) {
			const struct vfio_iommu_type1_info_dma_avail *a = (const void *)cap;

			say(" avail=%u", a->avail);
		}
		say("}");
		off = cap->next;
	}
}

static void say_info(int container, uint32_t argsz)
{
	char *buf = calloc(1, INFO_ROOM + 64);
	struct vfio_iommu_type1_info *info = (void *)buf;
	size_t touched = 0;

	memset(buf, 0xa5, INFO_ROOM + 64);
	info->argsz = argsz;
	info->flags = 0;
	if (result("info", ioctl(container, VFIO_IOMMU_GET_INFO, info)) == 0) {
		say(" argsz=%u flags=%#x", info->argsz, info->flags);
		if (argsz >= 16)
			say(" pgsizes=%#llx", info->iova_pgsizes);
		if (argsz >= 24) {
			say(" cap_offset=%u", info->cap_offset);
			say_chain(buf, INFO_ROOM, info->cap_offset);
		}
	}
	for (size_t i = sizeof(uint32_t); i < INFO_ROOM + 64; i++)
		if ((unsigned char)buf[i] != 0xa5 && (i < 4 || i >= 8))
			touched = i + 1;
	if (touched > argsz && touched > 8)
		say(" written=%zu", touched);
	free(buf);
}

static void info_size(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);

	say_info(ctx.container, info_sizes[i]);
}

static void info_size_v2(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	say_info(ctx.container, 4096);
	result("bad pointer", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, BAD_PTR));
	result("null", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, NULL));
}

static void info_pointer_end(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_iommu_type1_info *info = (void *)(pages + PAGE - 24);

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	info->argsz = 24;
	result("exact", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, info));
	info->argsz = 4096;
	result("chain does not fit", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, info));
	info = (void *)(pages + PAGE - 16);
	info->argsz = 16;
	result("head", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, info));
	info = (void *)(pages + PAGE - 8);
	info->argsz = 16;
	result("head does not fit", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, info));
	info = (void *)(pages);
	info->argsz = 24;
	mprotect(pages, PAGE, PROT_READ);
	result("read-only", ioctl(ctx.container, VFIO_IOMMU_GET_INFO, info));
}

static void info_avail(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(8 * PAGE);

	for (unsigned i = 0; i < 3; i++)
		result("map", dma_map(ctx.container, 3, p, IOVA + 2 * i * PAGE, PAGE));
	say_info(ctx.container, 4096);
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 8 * PAGE, NULL));
	say_info(ctx.container, 4096);
}

static const struct probe table[] = {
	{ "iommu-info-argsz", info_size, 0, ARRAY_SIZE(info_sizes) },
	{ "iommu-info-v2", info_size_v2, 0, 0 },
	{ "iommu-info-pointer-end", info_pointer_end, 0, 0 },
	{ "iommu-info-avail", info_avail, 0, 0 },
};

PROBE_SET(info_probes, table);
