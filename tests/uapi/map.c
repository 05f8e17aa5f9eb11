/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_IOMMU_MAP_DMA: sizes and flags of the request, and what memory may be mapped. */
#include <sys/resource.h>
#include <sys/syscall.h>
#include "probe.h"

#define R  VFIO_DMA_MAP_FLAG_READ
#define W  VFIO_DMA_MAP_FLAG_WRITE
#define RW (R | W)

static const uint32_t map_sizes[] = { 0, 8, 31, 32, 33, 100 };

static void map_argsz(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	struct {
		struct vfio_iommu_type1_dma_map map;
		char more[128];
	} arg = { .map = { .argsz = map_sizes[i],
			   .flags = RW,
			   .vaddr = (uintptr_t)memory(PAGE),
			   .iova = IOVA,
			   .size = PAGE } };

	result("map", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, &arg));
	say(" argsz=%u", arg.map.argsz);
	result("unmap", dma_unmap(ctx.container, 0, IOVA, PAGE, NULL));
}

static void map_flags(long flags)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("map", dma_map(ctx.container, (uint32_t)flags, memory(PAGE), IOVA, PAGE));
}

static void map_flags_high(long bit)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);

	result("map", dma_map(ctx.container, RW | 1u << bit, memory(PAGE), IOVA, PAGE));
	result("alone", dma_map(ctx.container, 1u << bit, memory(PAGE), IOVA, PAGE));
}

struct request {
	const char *name;
	uint64_t vaddr; /* added to the memory's address */
	uint64_t iova;
	uint64_t size;
};

/* Alignment and zero sizes; the memory has 16 pages. */
static const struct request odd_requests[] = {
	{ "size 0", 0, IOVA, 0 },
	{ "size 1", 0, IOVA, 1 },
	{ "size 4095", 0, IOVA, 4095 },
	{ "size 4097", 0, IOVA, 4097 },
	{ "size 512", 0, IOVA, 512 },
	{ "iova+1", 0, IOVA + 1, PAGE },
	{ "iova+512", 0, IOVA + 512, PAGE },
	{ "vaddr+1", 1, IOVA, PAGE },
	{ "vaddr+512", 512, IOVA, PAGE },
	{ "both+512", 512, IOVA + 512, PAGE },
	{ "all+512", 512, IOVA + 512, 512 },
	{ "iova 0", 0, 0, PAGE },
	{ "fine", 0, IOVA, PAGE },
};

static void map_odd(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	const struct request *r = &odd_requests[i];
	char *p = memory(16 * PAGE);

	say(" %s:", r->name);
	result("map", dma_map(ctx.container, RW, p + r->vaddr, r->iova, r->size));
	result("v1 flags 0", dma_map(ctx.container, 0, p + r->vaddr, r->iova, r->size));
}

/* Ends of the address spaces. The memory is mapped at an absolute vaddr where one is given. */
static const struct request edge_requests[] = {
	{ "iova wraps to 0", 0, ~0ul - PAGE + 1, PAGE },
	{ "iova wraps", 0, ~0ul - PAGE + 1, 2 * PAGE },
	{ "iova wraps far", 0, 1ul << 63, 1ul << 63 },
	{ "size max", 0, IOVA, ~0ul - PAGE + 1 },
	{ "size max, iova 0", 0, 0, ~0ul - PAGE + 1 },
	{ "iova 2^47", 0, 1ul << 47, PAGE },
	{ "iova 2^48 - 1 page", 0, (1ul << 48) - PAGE, PAGE },
	{ "iova across 2^48", 0, (1ul << 48) - PAGE, 2 * PAGE },
	{ "iova 2^48", 0, 1ul << 48, PAGE },
	{ "iova 2^52", 0, 1ul << 52, PAGE },
	{ "iova 2^57", 0, 1ul << 57, PAGE },
	{ "iova 2^63", 0, 1ul << 63, PAGE },
	{ "iova 2^39", 0, 1ul << 39, PAGE },
	{ "before msi", 0, 0xfedff000, PAGE },
	{ "msi", 0, 0xfee00000, PAGE },
	{ "into msi", 0, 0xfedff000, 2 * PAGE },
	{ "out of msi", 0, 0xfeeff000, 2 * PAGE },
	{ "after msi", 0, 0xfef00000, PAGE },
	{ "around msi", 0, 0xfed00000, 0x300000 },
	{ "ht", 0, 0xfd00000000, PAGE },
	{ "before ht", 0, 0xfcfffff000, PAGE },
	{ "after ht", 0, 0x10000000000, PAGE },
};

static void map_edge(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	const struct request *r = &edge_requests[i];
	char *p = memory(0x300000);

	say(" %s:", r->name);
	result("map", dma_map(ctx.container, RW, p, r->iova, r->size));
	result("unmap", dma_unmap(ctx.container, 0, r->iova, r->size, NULL));
}

static const struct request vaddr_requests[] = {
	{ "null", 0, IOVA, PAGE },
	{ "low", 0x1000, IOVA, PAGE },
	{ "kernel", 0xffff888000000000, IOVA, PAGE },
	{ "not canonical", 0x0001000000000000, IOVA, PAGE },
	{ "last user page", 0x7ffffffff000, IOVA, PAGE },
	{ "wraps to 0", ~0ul - PAGE + 1, IOVA, PAGE },
	{ "wraps", ~0ul - PAGE + 1, IOVA, 2 * PAGE },
	{ "not mapped", 0x100000000000, IOVA, PAGE },
};

static void map_vaddr(long i)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	const struct request *r = &vaddr_requests[i];

	say(" %s:", r->name);
	result("map", dma_map(ctx.container, RW, (void *)r->vaddr, r->iova, r->size));
	result("read-only", dma_map(ctx.container, R, (void *)r->vaddr, r->iova, r->size));
	result("free again", dma_map(ctx.container, RW, memory(PAGE), r->iova, PAGE));
}

static void map_protection(long prot)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE };
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	void *p = memory(PAGE);

	mprotect(p, PAGE, prots[prot]);
	result("r", dma_map(ctx.container, R, p, IOVA, PAGE));
	result("w", dma_map(ctx.container, W, p, IOVA + PAGE, PAGE));
	result("rw", dma_map(ctx.container, RW, p, IOVA + 2 * PAGE, PAGE));
}

/* The second half cannot be pinned: nothing may stay mapped. */
static void map_hole(long how)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(8 * PAGE);
	uint64_t size;

	if (how == 0)
		munmap(p + 4 * PAGE, 4 * PAGE);
	else if (how == 1)
		mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ);
	else
		mprotect(p + 4 * PAGE, 4 * PAGE, PROT_NONE);
	result("map", dma_map(ctx.container, RW, p, IOVA, 8 * PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 8 * PAGE, &size));
	say(" size=%#lx", size);
	result("first half", dma_map(ctx.container, RW, p, IOVA, 4 * PAGE));
}

/* Memory of many kinds. */
static void map_untouched(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	void *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	result("private", dma_map(ctx.container, RW, p, IOVA, 64 * PAGE));
	p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	result("shared", dma_map(ctx.container, RW, p, IOVA + 64 * PAGE, 64 * PAGE));
	p = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	result("read-only", dma_map(ctx.container, R, p, IOVA + 128 * PAGE, 64 * PAGE));
}

static void map_memfd(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	int fd = memfd_create("probe", 0);
	char *p;

	if (fd < 0 || ftruncate(fd, 4 * PAGE))
		setup_failed("memfd");
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	result("inside", dma_map(ctx.container, RW, p, IOVA, 4 * PAGE));
	result("beyond the end", dma_map(ctx.container, RW, p + 4 * PAGE, IOVA + 4 * PAGE, PAGE));
	result("across the end", dma_map(ctx.container, RW, p, IOVA + 8 * PAGE, 8 * PAGE));
	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	result("read-only mapping, w", dma_map(ctx.container, RW, p, IOVA + 16 * PAGE, PAGE));
	result("read-only mapping, r", dma_map(ctx.container, R, p, IOVA + 16 * PAGE, PAGE));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	result("private", dma_map(ctx.container, RW, p, IOVA + 32 * PAGE, 4 * PAGE));
}

/* Several mappings of the program make one of the device; it may be the same page twice. */
static void map_patchwork(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(8 * PAGE);

	for (unsigned i = 1; i < 8; i += 2)
		if (mmap(p + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			setup_failed("mmap");
	result("patchwork", dma_map(ctx.container, RW, p, IOVA, 8 * PAGE));
	result("same page", dma_map(ctx.container, RW, p, IOVA + 16 * PAGE, PAGE));
	result("once more", dma_map(ctx.container, R, p, IOVA + 17 * PAGE, PAGE));
	munmap(p, 8 * PAGE);
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 32 * PAGE, NULL));
}

static void map_large(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(64ul << 20);
	uint64_t size;

	result("64 MiB", dma_map(ctx.container, RW, p, 1ul << 30, 64ul << 20));
	result("odd", dma_map(ctx.container, RW, p + PAGE, 2ul << 30, (64ul << 20) - 3 * PAGE));
	result("unmap", dma_unmap(ctx.container, 0, 1ul << 30, 64ul << 20, &size));
	say(" size=%#lx", size);
	result("unmap", dma_unmap(ctx.container, 0, 2ul << 30, 64ul << 20, &size));
	say(" size=%#lx", size);
}

static void map_pointer(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_iommu_type1_dma_map *map = (void *)(pages + PAGE - sizeof(*map));

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	result("bad", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, BAD_PTR));
	result("null", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, NULL));
	*map = (struct vfio_iommu_type1_dma_map){ 4096, RW, (uintptr_t)memory(PAGE), IOVA, PAGE };
	result("up to the last byte", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, map));
	result("over the end", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, (char *)map + 8));
	mprotect(pages, PAGE, PROT_READ);
	map = (void *)(pages + PAGE - sizeof(*map));
	result("read-only", ioctl(ctx.container, VFIO_IOMMU_MAP_DMA, map));
}

/* 65,535 mappings and no more. */
static void map_entry_limit(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	char *p = memory(PAGE);
	unsigned long n = 0;
	uint64_t size;

	while (n < 70000 && dma_map(ctx.container, RW, p, IOVA + 2 * n * PAGE, PAGE) == 0)
		n++;
	say(" maps=%lu errno=%s", n, strerrorname_np(errno));
	result("unmap one", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	result("map", dma_map(ctx.container, RW, p, IOVA + 2 * n * PAGE, PAGE));
	result("map", dma_map(ctx.container, RW, p, IOVA, PAGE));
	result("exists", dma_map(ctx.container, RW, p, IOVA + 2 * PAGE, PAGE));
	result("unmap all", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0, &size));
	say(" size=%#lx", size);
}

/* RLIMIT_MEMLOCK does not bind one who has CAP_IPC_LOCK. */
static void map_memlock(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	struct rlimit limit = { 0, 0 };

	result("setrlimit", setrlimit(RLIMIT_MEMLOCK, &limit));
	result("map", dma_map(ctx.container, RW, memory(16 * PAGE), IOVA, 16 * PAGE));
}

static const struct probe table[] = {
	{ "map-argsz", map_argsz, 0, ARRAY_SIZE(map_sizes) },
	{ "map-flags", map_flags, 0, 8 },
	{ "map-flags-high-bit", map_flags_high, 3, 3 },
	{ "map-flags-bit", map_flags_high, 31, 1 },
	{ "map-odd", map_odd, 0, ARRAY_SIZE(odd_requests) },
	{ "map-edge", map_edge, 0, ARRAY_SIZE(edge_requests) },
	{ "map-vaddr", map_vaddr, 0, ARRAY_SIZE(vaddr_requests) },
	{ "map-protection", map_protection, 0, 4 },
	{ "map-hole", map_hole, 0, 3 },
	{ "map-untouched", map_untouched, 0, 0 },
	{ "map-memfd", map_memfd, 0, 0 },
	{ "map-patchwork", map_patchwork, 0, 0 },
	{ "map-large", map_large, 0, 0 },
	{ "map-pointer", map_pointer, 0, 0 },
	{ "map-entry-limit", map_entry_limit, 0, 0 },
	{ "map-memlock", map_memlock, 0, 0 },
};

PROBE_SET(map_probes, table);
