/* SPDX-License-Identifier: BSD-3-Clause */
/* A life's DMA: memory and another device's BAR in the container, dirty pages, an admin command of
 * the NVMe controller, a copy of the DMA engine. */
#include <time.h>

#include "life.h"
#include "life_priv.h"

#define BAR_IOVA 0x4000000u
#define RW	 (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

/* Offsets into the memory. */
enum {
	ADMIN_SQ = 0,
	ADMIN_CQ = 0x1000,
	IDENTIFY = 0x2000,
	DESC = 0x3000,
	DONE = 0x4000,
	SOURCE = 0x5000,
	TARGET = 0x6000
};

static int step_memory(void)
{
	void *mem =
		mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	life.memory = mem;
	return 0;
}

static int map(void *vaddr, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map arg = { .argsz = sizeof(arg),
						.flags = RW,
						.vaddr = (uintptr_t)vaddr,
						.iova = iova,
						.size = size };

	return door_ioctl(life.container, VFIO_IOMMU_MAP_DMA, &arg);
}

static int unmap(uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap arg = { .argsz = sizeof(arg),
						  .iova = iova,
						  .size = size };
	int ret = door_ioctl(life.container, VFIO_IOMMU_UNMAP_DMA, &arg);

	return ret ? ret : arg.size == size ? 0 : -EIO;
}

static int step_map(void)
{
	return map(life.memory, MEM_IOVA, MEM_SIZE);
}

/* As large as tables of several levels. */
static int step_map_far(void)
{
	return map(life.memory, 1ULL << 38, MEM_SIZE);
}

static int step_map_bar(void)
{
	return map(life.bar[0], BAR_IOVA, PAGE);
}

static int step_unmap_bar(void)
{
	return unmap(BAR_IOVA, PAGE);
}

static int step_unmap_far(void)
{
	return unmap(1ULL << 38, MEM_SIZE);
}

static int step_unmap(void)
{
	return unmap(MEM_IOVA, MEM_SIZE);
}

/* ---- dirty pages ---------------------------------------------------------------------------- */

static int dirty(uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flags };

	return door_ioctl(life.container, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static int step_dirty(void)
{
	return dirty(VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int step_bitmap(void)
{
	uint64_t bits = 0;
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = { .head = { .argsz = sizeof(arg), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP },
		  .get = { .iova = MEM_IOVA,
			   .size = MEM_SIZE,
			   .bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)&bits } } };
	int ret = door_ioctl(life.container, VFIO_IOMMU_DIRTY_PAGES, &arg);

	return ret ? ret : bits == UINT64_MAX ? 0 : -EIO;
}

static int step_clean(void)
{
	return dirty(VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

/* ---- the NVMe controller -------------------------------------------------------------------- */

static uint32_t nvme_read(unsigned int off)
{
	return *(volatile uint32_t *)((char *)life.bar[0] + off);
}

static void nvme_write(unsigned int off, uint32_t value)
{
	*(volatile uint32_t *)((char *)life.bar[0] + off) = value;
}

/* Until it reads so; false after three seconds. */
static bool await(volatile uint32_t *word, uint32_t mask, uint32_t value)
{
	static const struct timespec pause = { .tv_nsec = 100000 };

	for (int i = 0; i < 20000; i++) {
		if ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & mask) == value)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* NVM Express 1.4, 3.1 and 5.15: Identify Controller. */
static int step_identify(void)
{
	volatile uint32_t *csts = (void *)((char *)life.bar[0] + 0x1c);
	uint32_t command[16] = { [0] = 0x06, [6] = MEM_IOVA + IDENTIFY, [10] = 1 };
	uint16_t vendor;

	nvme_write(0x14, 0);
	if (!await(csts, 1, 0))
		return -EIO;
	memset(life.memory, 0, IDENTIFY + PAGE);
	nvme_write(0x24, 3u << 16 | 3u);
	nvme_write(0x28, MEM_IOVA + ADMIN_SQ);
	nvme_write(0x2c, 0);
	nvme_write(0x30, MEM_IOVA + ADMIN_CQ);
	nvme_write(0x34, 0);
	nvme_write(0x14, 0x00460001);
	if (!await(csts, 3, 1))
		return nvme_read(0x1c) & 2 ? -EAGAIN : -EIO;
	memcpy(life.memory + ADMIN_SQ, command, sizeof(command));
	nvme_write(0x1000, 1);
	if (!await((void *)(life.memory + ADMIN_CQ + 12), 1u << 16, 1u << 16))
		return -EIO;
	memcpy(&vendor, life.memory + IDENTIFY, 2);
	return vendor == 0x1b36 ? 0 : -EIO;
}

/* ---- the DMA engine ------------------------------------------------------------------------- */

/* Crystal Beach DMA: channel 0's registers follow those of the function. */
static int step_copy(void)
{
	char *chan = (char *)life.bar[1] + 0x80;
	uint64_t *desc = (void *)(life.memory + DESC);
	volatile uint32_t *done = (void *)(life.memory + DONE);

	*(volatile uint8_t *)(chan + 0x04) = 0x20; /* reset */
	if (!await((void *)(chan + 0x04), 0x20, 0))
		return -EIO;
	memset(life.memory + DESC, 0, TARGET + PAGE - DESC);
	memset(life.memory + SOURCE, 0x5a, PAGE);
	desc[0] = PAGE | 8ull << 32; /* size; the completion is written */
	desc[1] = MEM_IOVA + SOURCE;
	desc[2] = MEM_IOVA + TARGET;
	desc[3] = MEM_IOVA + DESC;
	*(volatile uint64_t *)(chan + 0x18) = MEM_IOVA + DONE;
	*(volatile uint64_t *)(chan + 0x10) = MEM_IOVA + DESC;
	*(volatile uint16_t *)(chan + 0x06) = 1;
	if (!await(done, ~63u, MEM_IOVA + DESC))
		return *(volatile uint32_t *)(chan + 0x28) ? -EAGAIN : -EIO;
	return memcmp(life.memory + SOURCE, life.memory + TARGET, PAGE) ? -EIO : 0;
}

/* Not the memory: a life's end takes it. */
static int step_unmap_bars(void)
{
	int ret = 0;

	if (life.bar[0])
		ret = door_munmap(life.bar[0], 2 * PAGE);
	if (ret)
		return ret;
	life.bar[0] = NULL;
	ret = life.bar[1] ? door_munmap(life.bar[1], PAGE) : 0;
	if (!ret)
		life.bar[1] = NULL;
	return ret;
}

static int step_free(void)
{
	return door_munmap(life.memory, MEM_SIZE);
}

/* A device that was short of something: a fatal status, an error in its register. */
static const int hardware[] = { EAGAIN, 0 };

const struct life_step life_dma_steps[] = {
	{ "memory", step_memory, NULL },
	{ "map", step_map, NULL },
	{ "map far", step_map_far, NULL },
	{ "map bar", step_map_bar, NULL },
	{ "dirty", step_dirty, NULL },
	{ "bitmap", step_bitmap, NULL },
	{ "clean", step_clean, NULL },
	{ "identify", step_identify, hardware },
	{ "copy", step_copy, hardware },
	{ "unmap bar", step_unmap_bar, NULL },
	{ "unmap far", step_unmap_far, NULL },
	{ "unmap", step_unmap, NULL },
	{ "unmap bars", step_unmap_bars, NULL },
	{ "free", step_free, NULL },
	{ NULL, NULL, NULL },
};
