/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_IOMMU_UNMAP_DMA: the request's form, overflow, UNMAP_ALL. */
#include "probe.h"

#define RW  (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define ALL VFIO_DMA_UNMAP_FLAG_ALL

static const uint32_t unmap_sizes[] = { 0, 8, 23, 24, 25, 100 };

static void unmap_argsz(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		char more[128];
	} arg = { .unmap = { .argsz = unmap_sizes[i], .iova = IOVA, .size = PAGE } };

	result("map", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("unmap", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, &arg));
	say(" argsz=%u flags=%#x size=%#llx", arg.unmap.argsz, arg.unmap.flags, arg.unmap.size);
}

static void unmap_flags(long flags)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	uint64_t size;

	result("map", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("unmap", dma_unmap(ctx.container, (uint32_t)flags, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("zero range", dma_unmap(ctx.container, (uint32_t)flags, 0, 0, &size));
	say(" size=%#lx", size);
}

static const struct {
	const char *name;
	uint32_t flags;
	uint64_t iova, size;
} requests[] = {
	{ "size 0", 0, IOVA, 0 },
	{ "size 1", 0, IOVA, 1 },
	{ "size 4097", 0, IOVA, 4097 },
	{ "iova+1", 0, IOVA + 1, PAGE },
	{ "iova+512", 0, IOVA + 512, 512 },
	{ "everything but a page", 0, 0, ~0ul - PAGE + 1 },
	{ "max", 0, 0, ~0ul },
	{ "to the end", 0, IOVA, ~0ul - IOVA + 1 },
	{ "wraps to 0", 0, ~0ul - PAGE + 1, PAGE },
	{ "wraps", 0, ~0ul - PAGE + 1, 2 * PAGE },
	{ "wraps far", 0, IOVA, ~0ul - PAGE + 1 },
	{ "beyond the aperture", 0, 1ul << 60, PAGE },
	{ "half", 0, 0, 1ul << 63 },
	{ "reserved", 0, 0xfee00000, PAGE },
	{ "all", ALL, 0, 0 },
	{ "all, iova", ALL, IOVA, 0 },
	{ "all, size", ALL, 0, PAGE },
	{ "all, max", ALL, 0, ~0ul },
	{ "unknown flag", 1u << 3, IOVA, PAGE },
	{ "high flag", 1u << 31, IOVA, PAGE },
	{ "all, unknown flag", ALL | 1u << 3, 0, 0 },
	{ "all, dirty", ALL | VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, 0, 0 },
	{ "all, vaddr", ALL | VFIO_DMA_UNMAP_FLAG_VADDR, 0, 0 },
};

static void unmap_request(unsigned iommu, long i)
{
	struct ctx ctx = setup_iommu(iommu);
	char *p = memory(4 * PAGE);
	uint64_t size;

	say(" %s:", requests[i].name);
	result("map", dma_map(ctx.container, RW, p, IOVA, PAGE));
	result("map", dma_map(ctx.container, RW, p, IOVA + 4 * PAGE, 2 * PAGE));
	result("unmap", dma_unmap(ctx.container, requests[i].flags, requests[i].iova,
				  requests[i].size, &size));
	say(" size=%#lx", size);
	result("left", dma_unmap(ctx.container, ALL, 0, 0, &size));
	say(" size=%#lx", size);
}

static void unmap_v1(long i)
{
	unmap_request(VFIO_TYPE1_IOMMU, i);
}

static void unmap_v2(long i)
{
	unmap_request(VFIO_TYPE1v2_IOMMU, i);
}

static void unmap_nothing(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	uint64_t size;

	result("page", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("all", dma_unmap(ctx.container, ALL, 0, 0, &size));
	say(" size=%#lx", size);
	result("half", dma_unmap(ctx.container, 0, 0, 1ul << 63, &size));
	say(" size=%#lx", size);
}

static void unmap_twice(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	uint64_t size;

	result("map", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("map", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
}

static void unmap_pointer(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_iommu_type1_dma_unmap *unmap = (void *)(pages + PAGE - sizeof(*unmap));
	uint64_t size;

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	result("map", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("bad", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, BAD_PTR));
	result("null", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, NULL));
	*unmap = (struct vfio_iommu_type1_dma_unmap){ .argsz = 24, .iova = IOVA, .size = PAGE };
	mprotect(pages, PAGE, PROT_READ);
	result("read-only", ioctl(ctx.container, VFIO_IOMMU_UNMAP_DMA, unmap));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
}

/* The program's memory has gone before the device's mapping. */
static void unmap_after_munmap(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(16 * PAGE);
	uint64_t size;

	result("map", dma_map(ctx.container, RW, p, IOVA, 16 * PAGE));
	munmap(p, 16 * PAGE);
	result("map again", dma_map(ctx.container, RW, p, IOVA + 32 * PAGE, PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 16 * PAGE, &size));
	say(" size=%#lx", size);
}

static const struct probe table[] = {
	{ "unmap-argsz", unmap_argsz, 0, ARRAY_SIZE(unmap_sizes) },
	{ "unmap-flags", unmap_flags, 0, 9 },
	{ "unmap-request-v1", unmap_v1, 0, ARRAY_SIZE(requests) },
	{ "unmap-request-v2", unmap_v2, 0, ARRAY_SIZE(requests) },
	{ "unmap-nothing", unmap_nothing, 0, 0 },
	{ "unmap-twice", unmap_twice, 0, 0 },
	{ "unmap-pointer", unmap_pointer, 0, 0 },
	{ "unmap-after-munmap", unmap_after_munmap, 0, 0 },
};

PROBE_SET(unmap_probes, table);
