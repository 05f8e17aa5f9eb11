/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What overlaps what: a fixed set of mappings over 24 pages, then one more MAP or one UNMAP of
 * pages [from, from + count). Afterwards each page is tried with a MAP of its own, and "1" in the
 * string of 24 characters says that it was still taken. Both type1 (which may unmap more than
 * asked) and type1v2.
 *
 *	0   4   8   12  16  20
 *	AAAABBBB.CCD.EEEEEE.FFF.
 */
#include "probe.h"

#define PAGES 24
#define RW    (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static const struct {
	unsigned from, count;
} layout[] = { { 0, 4 }, { 4, 4 }, { 9, 2 }, { 11, 1 }, { 13, 6 }, { 20, 3 } };

static const struct {
	unsigned from, count;
} ranges[] = {
	{ 0, 4 },  /* exactly A */
	{ 0, 8 },  /* A and B */
	{ 0, 1 },  /* the head of A */
	{ 3, 1 },  /* its tail */
	{ 1, 2 },  /* its middle */
	{ 3, 2 },  /* the tail of A and the head of B */
	{ 2, 6 },  /* the tail of A, all of B */
	{ 0, 6 },  /* all of A, the head of B */
	{ 8, 1 },  /* a hole */
	{ 8, 4 },  /* a hole, C and D */
	{ 8, 3 },  /* a hole and C */
	{ 9, 3 },  /* C and D */
	{ 10, 2 }, /* the tail of C and D */
	{ 12, 8 }, /* E and the holes around it */
	{ 14, 4 }, /* the middle of E */
	{ 12, 3 }, /* a hole and the head of E */
	{ 17, 3 }, /* the tail of E and a hole */
	{ 17, 5 }, /* the tail of E, a hole, the head of F */
	{ 0, 24 }, /* all */
	{ 23, 1 }, /* behind all */
	{ 19, 1 }, /* between E and F */
	{ 4, 8 },  /* B, a hole, C, D */
	{ 5, 7 },  /* the tail of B, a hole, C, D */
};

static struct ctx setup_layout(unsigned iommu, char **mem)
{
	struct ctx ctx = setup_iommu(iommu);

	*mem = memory(PAGES * PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(layout); i++)
		if (dma_map(ctx.container, RW, *mem + layout[i].from * PAGE,
			    IOVA + layout[i].from * PAGE, layout[i].count * PAGE))
			setup_failed("MAP_DMA");
	return ctx;
}

static void say_pages(struct ctx *ctx, char *mem)
{
	char pages[PAGES + 1] = { 0 };

	for (unsigned i = 0; i < PAGES; i++) {
		int ret = dma_map(ctx->container, RW, mem + i * PAGE, IOVA + i * PAGE, PAGE);

		pages[i] = ret == 0 ? '0' : errno == EEXIST ? '1' : '?';
	}
	say(" %s", pages);
}

static void range_unmap(unsigned iommu, const char *what, long i)
{
	uint64_t size;
	char *mem;
	struct ctx ctx = setup_layout(iommu, &mem);

	result(what, dma_unmap(ctx.container, 0, IOVA + ranges[i].from * PAGE,
			       ranges[i].count * PAGE, &size));
	say(" size=%#lx", size);
	say_pages(&ctx, mem);
}

static void unmap_v1(long i)
{
	range_unmap(VFIO_TYPE1_IOMMU, "unmap", i);
}

static void unmap_v2(long i)
{
	range_unmap(VFIO_TYPE1v2_IOMMU, "unmap", i);
}

static void map_v2(long i)
{
	char *mem;
	struct ctx ctx = setup_layout(VFIO_TYPE1v2_IOMMU, &mem);

	result("map", dma_map(ctx.container, RW, mem, IOVA + ranges[i].from * PAGE,
			      ranges[i].count * PAGE));
	say_pages(&ctx, mem);
}

/* Large mappings, where the IOMMU may use large pages: v1 unmaps what it has to. */
static void unmap_inside_large(long version)
{
	struct ctx ctx = setup_iommu(version == 1 ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU);
	char *mem = memory(8ul << 20);
	char *aligned = (char *)(((uintptr_t)mem + (2ul << 20) - 1) & ~((2ul << 20) - 1));
	uint64_t size;

	result("map", dma_map(ctx.container, RW, aligned, 1ul << 30, 4ul << 20));
	result("page", dma_unmap(ctx.container, 0, (1ul << 30) + 16 * PAGE, PAGE, &size));
	say(" multiple=%d", (int)(size % PAGE == 0));
	result("all", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0, &size));
}

static const struct probe table[] = {
	{ "unmap-range-v1", unmap_v1, 0, ARRAY_SIZE(ranges) },
	{ "unmap-range-v2", unmap_v2, 0, ARRAY_SIZE(ranges) },
	{ "map-range", map_v2, 0, ARRAY_SIZE(ranges) },
	{ "unmap-inside-large-v", unmap_inside_large, 1, 2 },
};

PROBE_SET(range_probes, table);
