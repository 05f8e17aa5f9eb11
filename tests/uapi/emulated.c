/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Containers that have an emulated group, which has no domain: what they say of themselves, which
 * mappings they take without looking at them, dirty pages of a device that pins nothing, and what
 * changes when a real group joins and leaves.
 */
#include "mdev.h"

#define RW    (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define VADDR VFIO_DMA_MAP_FLAG_VADDR

#define START VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET   VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

#define MSI_WINDOW 0xfee00000ul

static struct ctx start(unsigned iommu)
{
	mdev_setup("mtty-1", MDEV_ONE);
	return mdev_open(MDEV_ONE, iommu);
}

static void done(struct ctx *ctx)
{
	teardown(ctx);
	mdev_remove(MDEV_ONE);
}

static void info(int container, const char *what)
{
	union {
		struct vfio_iommu_type1_info info;
		struct {
			uint32_t argsz, flags;
			uint64_t pgsizes;
			uint32_t cap_offset, pad;
		};
		char bytes[1024];
	} a;
	const struct vfio_info_cap_header *cap;

	memset(&a, 0, sizeof(a));
	a.argsz = sizeof(a);
	result(what, ioctl(container, VFIO_IOMMU_GET_INFO, &a));
	say(" flags=%#x pgsizes=%#lx caps:", a.flags, a.pgsizes);
	for (uint32_t at = a.cap_offset; at; at = cap->next) {
		cap = (void *)(a.bytes + at);
		say(" %u.%u", cap->id, cap->version);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
			say("=%u", ((struct vfio_iommu_type1_info_dma_avail *)cap)->avail);
	}
	a.argsz = 24;
	result("short", ioctl(container, VFIO_IOMMU_GET_INFO, &a));
	say(" argsz=%u", a.argsz);
}

static void extensions(int container)
{
	for (int i = 1; i <= 11; i++)
		say(" %d", ioctl(container, VFIO_CHECK_EXTENSION, i));
}

static void emulated_info(long iommu)
{
	struct ctx ctx = start((unsigned)iommu);

	info(ctx.container, "info");
	say(" extensions:");
	extensions(ctx.container);
	dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE);
	info(ctx.container, "mapped");
	done(&ctx);
}

/* Nothing looks at the memory, and every IOVA will do. */
static void emulated_map(long iommu)
{
	struct ctx ctx = start((unsigned)iommu);
	char *p = memory(4 * PAGE), *gone = memory(PAGE);
	uint64_t size = 0;

	munmap(gone, PAGE);
	result("map", dma_map(ctx.container, RW, p, IOVA, 4 * PAGE));
	result("again", dma_map(ctx.container, RW, p, IOVA + PAGE, PAGE));
	result("no memory", dma_map(ctx.container, RW, gone, IOVA + 8 * PAGE, PAGE));
	result("null", dma_map(ctx.container, RW, NULL, IOVA + 9 * PAGE, PAGE));
	result("kernel", dma_map(ctx.container, RW, (void *)-(1ul << 40), IOVA + 10 * PAGE, PAGE));
	result("msi", dma_map(ctx.container, RW, p, MSI_WINDOW, PAGE));
	result("high", dma_map(ctx.container, RW, p, 1ul << 62, PAGE));
	result("last", dma_map(ctx.container, RW, p, -PAGE, PAGE));
	result("huge", dma_map(ctx.container, RW, p, 1ul << 44, 1ul << 43));
	result("odd size", dma_map(ctx.container, RW, p, IOVA + 16 * PAGE, 100));
	result("odd vaddr", dma_map(ctx.container, RW, p + 8, IOVA + 16 * PAGE, PAGE));
	result("no right", dma_map(ctx.container, 0, p, IOVA + 16 * PAGE, PAGE));
	result("write", dma_map(ctx.container, VFIO_DMA_MAP_FLAG_WRITE, p, IOVA + 16 * PAGE, PAGE));
	info(ctx.container, "info");
	result("unmap part", dma_unmap(ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 4 * PAGE, &size));
	say(" size=%#lx", size);
	result("unmap many", dma_unmap(ctx.container, 0, IOVA + 8 * PAGE, 16 * PAGE, &size));
	say(" size=%#lx", size);
	result("unmap all", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0, &size));
	say(" size=%#lx", size);
	info(ctx.container, "info");
	done(&ctx);
}

static void emulated_vaddr(long arg)
{
	struct ctx ctx = start(VFIO_TYPE1v2_IOMMU);
	char *p = memory(PAGE);
	uint64_t size = 0;

	result("map", dma_map(ctx.container, RW, p, IOVA, PAGE));
	result("take", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, PAGE, &size));
	result("odd", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA + 1, PAGE, &size));
	result("all", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_VADDR | VFIO_DMA_UNMAP_FLAG_ALL,
				0, 0, &size));
	result("give", dma_map(ctx.container, VADDR, p, IOVA, PAGE));
	result("give nothing", dma_map(ctx.container, VADDR, p, IOVA + PAGE, PAGE));
	done(&ctx);
}

/* ---- dirty pages ----------------------------------------------------------------------------- */

static int dirty(int container, uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flags };

	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static void dirty_get(int container, const char *what, uint64_t iova, uint64_t size)
{
	uint64_t bits[4] = { 5, 0, 0, 0 };
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = { .head = { .argsz = sizeof(arg), .flags = GET },
		  .get = { .iova = iova,
			   .size = size,
			   .bitmap = { .pgsize = PAGE, .size = 32, .data = (void *)bits } } };

	if (result(what, ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &arg)) == 0)
		say(" bits=%#lx,%#lx", bits[0], bits[1]);
}

static void unmap_dirty(int container, uint64_t iova, uint64_t size)
{
	uint64_t bits[4] = { 5, 0, 0, 0 };
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} arg = { .unmap = { .argsz = sizeof(arg),
			     .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			     .iova = iova,
			     .size = size },
		  .bitmap = { .pgsize = PAGE, .size = 32, .data = (void *)bits } };

	result("unmap", ioctl(container, VFIO_IOMMU_UNMAP_DMA, &arg));
	say(" size=%#llx bits=%#lx,%#lx", arg.unmap.size, bits[0], bits[1]);
}

static void emulated_dirty(long arg)
{
	struct ctx ctx = start(VFIO_TYPE1v2_IOMMU);
	char *p = memory(80 * PAGE);

	result("map", dma_map(ctx.container, RW, p, IOVA, 70 * PAGE));
	dirty_get(ctx.container, "stopped", IOVA, 70 * PAGE);
	result("start", dirty(ctx.container, START));
	dirty_get(ctx.container, "get", IOVA, 70 * PAGE);
	dirty_get(ctx.container, "part", IOVA, 8 * PAGE);
	result("map later", dma_map(ctx.container, RW, p, IOVA + 100 * PAGE, 3 * PAGE));
	dirty_get(ctx.container, "later", IOVA + 99 * PAGE, 8 * PAGE);
	result("too large", dma_map(ctx.container, RW, p, 1ul << 44, 1ul << 43));
	result("largest", dma_map(ctx.container, RW, p, 1ul << 45, (1ul << 43) - PAGE));
	unmap_dirty(ctx.container, IOVA, 70 * PAGE);
	result("stop", dirty(ctx.container, STOP));
	result("large", dma_map(ctx.container, RW, p, 1ul << 44, 1ul << 43));
	result("start", dirty(ctx.container, START));
	dirty_get(ctx.container, "not started", IOVA + 100 * PAGE, 3 * PAGE);
	done(&ctx);
}

/* ---- groups of both kinds -------------------------------------------------------------------- */

static int real_group(void)
{
	return open_group();
}

static void joins(struct ctx *ctx, int group, const char *what)
{
	result(what, ioctl(group, VFIO_GROUP_SET_CONTAINER, &ctx->container));
}

static void emulated_first(long arg)
{
	struct ctx ctx = start(VFIO_TYPE1v2_IOMMU);
	char *p = memory(8 * PAGE), *gone = memory(2 * PAGE);
	int group = real_group();
	uint64_t size = 0;

	munmap(gone + PAGE, PAGE);
	result("map", dma_map(ctx.container, RW, p, IOVA, 8 * PAGE));
	result("map msi", dma_map(ctx.container, RW, p, MSI_WINDOW, PAGE));
	joins(&ctx, group, "join with msi");
	result("unmap", dma_unmap(ctx.container, 0, MSI_WINDOW, PAGE, &size));
	result("map gone", dma_map(ctx.container, RW, gone, IOVA + 16 * PAGE, 2 * PAGE));
	joins(&ctx, group, "join with a hole");
	result("unmap", dma_unmap(ctx.container, 0, IOVA + 16 * PAGE, 2 * PAGE, &size));
	joins(&ctx, group, "join");
	say(" extensions:");
	extensions(ctx.container);
	result("map msi", dma_map(ctx.container, RW, p, MSI_WINDOW, PAGE));
	result("map gone", dma_map(ctx.container, RW, gone, IOVA + 16 * PAGE, 2 * PAGE));
	result("take", dma_unmap(ctx.container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, 8 * PAGE, &size));
	result("start", dirty(ctx.container, START));
	dirty_get(ctx.container, "get", IOVA, 8 * PAGE);
	result("leave", ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	dirty_get(ctx.container, "left", IOVA, 8 * PAGE);
	dirty_get(ctx.container, "again", IOVA, 8 * PAGE);
	result("still mapped", dma_map(ctx.container, RW, p, IOVA, PAGE));
	result("map msi", dma_map(ctx.container, RW, p, MSI_WINDOW, PAGE));
	info(ctx.container, "info");
	joins(&ctx, group, "join with msi");
	close(group);
	done(&ctx);
}

static void emulated_second(long arg)
{
	struct ctx real = setup_iommu(VFIO_TYPE1v2_IOMMU), ctx;
	char *p = memory(8 * PAGE);
	uint64_t size = 0;

	result("map", dma_map(real.container, RW, p, IOVA, 8 * PAGE));
	result("take", dma_unmap(real.container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, 8 * PAGE, &size));
	mdev_setup("mtty-1", MDEV_ONE);
	ctx = (struct ctx){ real.container, mdev_open_group(MDEV_ONE), -1 };
	joins(&ctx, ctx.group, "join without address");
	result("give", dma_map(real.container, VADDR, p, IOVA, 8 * PAGE));
	joins(&ctx, ctx.group, "join");
	joins(&ctx, ctx.group, "twice");
	ctx.device = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE);
	result_fd("device", ctx.device);
	result("take", dma_unmap(real.container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, 8 * PAGE, &size));
	info(real.container, "info");
	result("leave", ioctl(real.group, VFIO_GROUP_UNSET_CONTAINER));
	result("still mapped", dma_map(real.container, RW, p, IOVA, PAGE));
	result("emulated busy", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	close(ctx.device);
	ctx.device = -1;
	result("emulated leaves", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("nobody", dma_map(real.container, RW, p, IOVA, PAGE));
	joins(&ctx, ctx.group, "join again");
	result("iommu", ioctl(real.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	result("mappings are gone", dma_map(real.container, RW, p, IOVA, PAGE));
	close(ctx.group);
	close(real.group);
	close(real.container);
	mdev_remove(MDEV_ONE);
}

static void emulated_noiommu(long arg)
{
	int container = open_container();

	mdev_setup("mtty-1", MDEV_ONE);
	struct ctx ctx = { container, mdev_open_group(MDEV_ONE), -1 };

	joins(&ctx, ctx.group, "join");
	result("noiommu", ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	result("device", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, MDEV_ONE));
	result("v1", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result("again", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	done(&ctx);
}

static const struct probe probes[] = {
	{ "emulated-info", emulated_info, VFIO_TYPE1_IOMMU, 1 },
	{ "emulated-info", emulated_info, VFIO_TYPE1v2_IOMMU, 1 },
	{ "emulated-map", emulated_map, VFIO_TYPE1_IOMMU, 1 },
	{ "emulated-map", emulated_map, VFIO_TYPE1v2_IOMMU, 1 },
	{ "emulated-vaddr", emulated_vaddr, 0, 0 },
	{ "emulated-dirty", emulated_dirty, 0, 0 },
	{ "emulated-first", emulated_first, 0, 0 },
	{ "emulated-second", emulated_second, 0, 0 },
	{ "emulated-noiommu", emulated_noiommu, 0, 0 },
};

PROBE_SET(emulated_probes, probes);
