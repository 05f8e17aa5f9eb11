/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DMA_*_FLAG_VADDR: taking a mapping's address away and giving it another one. */
#include "probe.h"

#define RW    (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define M_VA  VFIO_DMA_MAP_FLAG_VADDR
#define U_VA  VFIO_DMA_UNMAP_FLAG_VADDR
#define U_ALL VFIO_DMA_UNMAP_FLAG_ALL

static struct ctx setup_mapping(char **mem)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	*mem = memory(8 * PAGE);
	result("map", dma_map(ctx.container, RW, *mem, IOVA, 4 * PAGE));
	return ctx;
}

static void unmap_vaddr(struct ctx *ctx, const char *what, uint32_t flags, uint64_t iova,
			uint64_t size)
{
	result(what, dma_unmap(ctx->container, U_VA | flags, iova, size, &size));
	say(" size=%#lx", size);
}

static void vaddr_update(long arg)
{
	char *mem;
	struct ctx ctx = setup_mapping(&mem);
	uint64_t size;

	result("too early", dma_map(ctx.container, M_VA, mem, IOVA, 4 * PAGE));
	unmap_vaddr(&ctx, "invalidate", 0, IOVA, 4 * PAGE);
	unmap_vaddr(&ctx, "twice", 0, IOVA, 4 * PAGE);
	result("map elsewhere", dma_map(ctx.container, RW, mem, IOVA + 16 * PAGE, PAGE));
	result("map here", dma_map(ctx.container, RW, mem, IOVA, 4 * PAGE));
	result("wrong size", dma_map(ctx.container, M_VA, mem, IOVA, 2 * PAGE));
	result("wrong iova", dma_map(ctx.container, M_VA, mem, IOVA + PAGE, 3 * PAGE));
	result("no mapping", dma_map(ctx.container, M_VA, mem, IOVA + 64 * PAGE, 4 * PAGE));
	result("with rw", dma_map(ctx.container, M_VA | RW, mem, IOVA, 4 * PAGE));
	result("update", dma_map(ctx.container, M_VA, mem, IOVA, 4 * PAGE));
	result("again", dma_map(ctx.container, M_VA, mem, IOVA, 4 * PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 32 * PAGE, &size));
	say(" size=%#lx", size);
}

static void vaddr_unmap_invalid(long arg)
{
	char *mem;
	struct ctx ctx = setup_mapping(&mem);
	uint64_t size;

	unmap_vaddr(&ctx, "invalidate", 0, IOVA, 4 * PAGE);
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 4 * PAGE, &size));
	say(" size=%#lx", size);
	result("update", dma_map(ctx.container, M_VA, mem, IOVA, 4 * PAGE));
	result("map", dma_map(ctx.container, RW, mem, IOVA, 4 * PAGE));
}

static void vaddr_ranges(long arg)
{
	char *mem;
	struct ctx ctx = setup_mapping(&mem);

	result("map", dma_map(ctx.container, RW, mem + 4 * PAGE, IOVA + 8 * PAGE, 2 * PAGE));
	unmap_vaddr(&ctx, "head", 0, IOVA, 2 * PAGE);
	unmap_vaddr(&ctx, "tail", 0, IOVA + 2 * PAGE, 2 * PAGE);
	unmap_vaddr(&ctx, "middle", 0, IOVA + PAGE, 2 * PAGE);
	unmap_vaddr(&ctx, "hole", 0, IOVA + 5 * PAGE, PAGE);
	unmap_vaddr(&ctx, "size 0", 0, IOVA, 0);
	unmap_vaddr(&ctx, "both", 0, IOVA, 10 * PAGE);
	result("update first", dma_map(ctx.container, M_VA, mem, IOVA, 4 * PAGE));
	unmap_vaddr(&ctx, "all, one invalid", U_ALL, 0, 0);
	result("update second",
	       dma_map(ctx.container, M_VA, mem + 4 * PAGE, IOVA + 8 * PAGE, 2 * PAGE));
	unmap_vaddr(&ctx, "all", U_ALL, 0, 0);
	unmap_vaddr(&ctx, "all, iova", U_ALL, IOVA, PAGE);
}

static void vaddr_bad(long arg)
{
	char *mem;
	struct ctx ctx = setup_mapping(&mem);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = 24, .flags = M_VA, .iova = IOVA, .size = 4 * PAGE
	};

	unmap_vaddr(&ctx, "with dirty", VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, IOVA, 4 * PAGE);
	unmap_vaddr(&ctx, "invalidate", 0, IOVA, 4 * PAGE);
	result("argsz", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, &map));
	result("unaligned vaddr", dma_map(ctx.container, M_VA, mem + 1, IOVA, 4 * PAGE));
	result("unaligned iova", dma_map(ctx.container, M_VA, mem, IOVA + 1, 4 * PAGE));
	result("unaligned size", dma_map(ctx.container, M_VA, mem, IOVA, 4 * PAGE - 1));
	result("size 0", dma_map(ctx.container, M_VA, mem, IOVA, 0));
	result("null vaddr", dma_map(ctx.container, M_VA, NULL, IOVA, 4 * PAGE));
}

/* A container that has a mapping without address can be closed; closing is not undone by fork. */
static void vaddr_close(long arg)
{
	char *mem;
	struct ctx ctx = setup_mapping(&mem);

	unmap_vaddr(&ctx, "invalidate", 0, IOVA, 4 * PAGE);
	result("close group", close(ctx.group));
	result("close container", close(ctx.container));
	ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	result("map", dma_map(ctx.container, RW, mem, IOVA, 4 * PAGE));
}

static const struct probe table[] = {
	{ "vaddr-update", vaddr_update, 0, 0 },
	{ "vaddr-unmap-invalid", vaddr_unmap_invalid, 0, 0 },
	{ "vaddr-ranges", vaddr_ranges, 0, 0 },
	{ "vaddr-bad", vaddr_bad, 0, 0 },
	{ "vaddr-close", vaddr_close, 0, 0 },
};

PROBE_SET(vaddr_probes, table);
