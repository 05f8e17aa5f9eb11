/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_IOMMU_DIRTY_PAGES, and the bitmap that UNMAP_DMA may return. */
#include "probe.h"

#define RW    (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define START VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET   VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

static int dirty(int container, uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flags };

	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static void dirty_get(int container, const char *what, uint64_t iova, uint64_t size,
		      uint64_t pgsize, uint64_t bitmap_size)
{
	uint64_t bits[64] = { 0 };
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {
		.head = { .argsz = sizeof(arg), .flags = GET },
		.get = { .iova = iova,
			 .size = size,
			 .bitmap = { .pgsize = pgsize, .size = bitmap_size, .data = (void *)bits } }
	};

	if (result(what, ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg)) == 0)
		say(" bits=%#lx,%#lx", bits[0], bits[1]);
}

static void dirty_flags(long flags)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("idle", dirty(ctx.container, (uint32_t)flags));
	result("start", dirty(ctx.container, START));
	result("started", dirty(ctx.container, (uint32_t)flags));
	result("stop", dirty(ctx.container, STOP));
}

static void dirty_argsz(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	struct vfio_iommu_type1_dirty_bitmap dirty_arg = { .flags = START };

	for (uint32_t size = 0; size <= 16; size += 4) {
		dirty_arg.argsz = size;
		result("start", ioctl(ctx.container, VFIO_IOMMU_DIRTY_PAGES, &dirty_arg));
	}
	dirty_arg.flags = GET;
	dirty_arg.argsz = 8;
	result("get 8", ioctl(ctx.container, VFIO_IOMMU_DIRTY_PAGES, &dirty_arg));
	result("bad pointer", ioctl(ctx.container, VFIO_IOMMU_DIRTY_PAGES, BAD_PTR));
}

static void dirty_v1(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1_IOMMU);

	result("start", dirty(ctx.container, START));
	result("stop", dirty(ctx.container, STOP));
}

static void dirty_start_stop(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("stop first", dirty(ctx.container, STOP));
	result("start", dirty(ctx.container, START));
	result("start again", dirty(ctx.container, START));
	result("stop", dirty(ctx.container, STOP));
	result("stop again", dirty(ctx.container, STOP));
	dirty_get(ctx.container, "get stopped", IOVA, PAGE, PAGE, 8);
}

static void dirty_get_bits(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(80 * PAGE);

	result("map", dma_map(ctx.container, RW, p, IOVA, 70 * PAGE));
	result("map r",
	       dma_map(ctx.container, VFIO_DMA_MAP_FLAG_READ, p, IOVA + 100 * PAGE, 2 * PAGE));
	result("start", dirty(ctx.container, START));
	dirty_get(ctx.container, "get", IOVA, 70 * PAGE, PAGE, 16);
	dirty_get(ctx.container, "again", IOVA, 70 * PAGE, PAGE, 16);
	dirty_get(ctx.container, "read-only", IOVA + 100 * PAGE, 2 * PAGE, PAGE, 8);
	result("map later", dma_map(ctx.container, RW, p, IOVA + 200 * PAGE, 3 * PAGE));
	dirty_get(ctx.container, "later", IOVA + 200 * PAGE, 3 * PAGE, PAGE, 8);
	dirty_get(ctx.container, "hole", IOVA + 300 * PAGE, 3 * PAGE, PAGE, 8);
	dirty_get(ctx.container, "and hole", IOVA + 200 * PAGE, 8 * PAGE, PAGE, 8);
	dirty_get(ctx.container, "head", IOVA, 8 * PAGE, PAGE, 8);
	dirty_get(ctx.container, "tail", IOVA + 62 * PAGE, 8 * PAGE, PAGE, 8);
	result("stop", dirty(ctx.container, STOP));
}

static void dirty_get_bad(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("map", dma_map(ctx.container, RW, memory(8 * PAGE), IOVA, 8 * PAGE));
	result("start", dirty(ctx.container, START));
	dirty_get(ctx.container, "pgsize 0", IOVA, 8 * PAGE, 0, 8);
	dirty_get(ctx.container, "pgsize 2048", IOVA, 8 * PAGE, 2048, 8);
	dirty_get(ctx.container, "pgsize 8192", IOVA, 8 * PAGE, 8192, 8);
	dirty_get(ctx.container, "pgsize 2M", IOVA, 8 * PAGE, 2ul << 20, 8);
	dirty_get(ctx.container, "bitmap 0", IOVA, 8 * PAGE, PAGE, 0);
	dirty_get(ctx.container, "bitmap 4", IOVA, 8 * PAGE, PAGE, 4);
	dirty_get(ctx.container, "bitmap 64", IOVA, 8 * PAGE, PAGE, 64);
	dirty_get(ctx.container, "bitmap huge", IOVA, 8 * PAGE, PAGE, 1ul << 40);
	dirty_get(ctx.container, "size 0", IOVA, 0, PAGE, 8);
	dirty_get(ctx.container, "size odd", IOVA, 100, PAGE, 8);
	dirty_get(ctx.container, "iova odd", IOVA + 100, PAGE, PAGE, 8);
	dirty_get(ctx.container, "wraps", ~0ul - PAGE + 1, 2 * PAGE, PAGE, 8);
	dirty_get(ctx.container, "to the end", ~0ul - PAGE + 1, PAGE, PAGE, 8);
}

static void unmap_with_bitmap(long started)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	uint64_t bits[8] = { 0 };
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} arg = { .unmap = { .argsz = sizeof(arg),
			     .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			     .iova = IOVA,
			     .size = 8 * PAGE },
		  .bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)bits } };

	result("map", dma_map(ctx.container, RW, memory(8 * PAGE), IOVA, 8 * PAGE));
	if (started)
		result("start", dirty(ctx.container, START));
	result("unmap", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, &arg));
	say(" size=%#llx bits=%#lx", arg.unmap.size, bits[0]);
	result("map", dma_map(ctx.container, RW, memory(8 * PAGE), IOVA, 8 * PAGE));
	arg.unmap.size = 8 * PAGE;
	arg.unmap.argsz = 24;
	result("argsz 24", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, &arg));
	arg.unmap.argsz = sizeof(arg);
	arg.bitmap.pgsize = 8192;
	result("pgsize", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, &arg));
	arg.bitmap.pgsize = PAGE;
	arg.bitmap.size = 0;
	result("bitmap 0", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, &arg));
	arg.bitmap.size = 8;
	arg.bitmap.data = BAD_PTR;
	result("bad bitmap", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, &arg));
	say(" size=%#llx", arg.unmap.size);
}

static const struct probe table[] = {
	{ "dirty-flags", dirty_flags, 0, 9 },
	{ "dirty-argsz", dirty_argsz, 0, 0 },
	{ "dirty-v1", dirty_v1, 0, 0 },
	{ "dirty-start-stop", dirty_start_stop, 0, 0 },
	{ "dirty-get", dirty_get_bits, 0, 0 },
	{ "dirty-get-bad", dirty_get_bad, 0, 0 },
	{ "unmap-dirty-bitmap", unmap_with_bitmap, 0, 2 },
};

PROBE_SET(dirty_probes, table);
