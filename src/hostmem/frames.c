/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table that devices look addresses up in, and the numbers of private pages.
 *
 * Three levels: a GiB, 2 MiB of it (a block, or the entry of a huge page), a page. Tables come and
 * never go, so that a device may look at any time; entries are 64-bit atomics. Whoever takes an
 * entry away then waits for the devices (frames_pages.c).
 *
 * Private frames are given out once: the even ones of a block, scattered. When a process has used
 * many blocks, the oldest of them without a present page is given out again, and what its frames
 * were is forgotten.
 */
#include "hostmem/frames_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sysraw.h"

#define CHUNK_PAGES   16
#define SMALL_FRAMES  (BLOCK_FRAMES / 2) /* of a block: those between are nobody's */
#define EXTENT_BLOCKS (GIB_FRAMES / BLOCK_FRAMES)

/* ---- memory ---------------------------------------------------------------------------------- */

static void *map_chunk(size_t size)
{
	long map;

	if (FAIL_POINT())
		return NULL;
	map = raw_mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return map < 0 ? NULL : (void *)map;
}

void *table_page(struct frames *frames)
{
	char *chunk;
	void *page;

	if (!frames->free_pages) {
		chunk = map_chunk((CHUNK_PAGES + 1) * HOST_PAGE_SIZE);
		if (!chunk)
			return NULL;
		*(void **)chunk = frames->chunks;
		frames->chunks = chunk;
		for (unsigned int i = 1; i <= CHUNK_PAGES; i++)
			table_page_free(frames, chunk + i * HOST_PAGE_SIZE);
	}
	page = frames->free_pages;
	frames->free_pages = *(void **)page;
	memset(page, 0, HOST_PAGE_SIZE);
	return page;
}

void table_page_free(struct frames *frames, void *page)
{
	*(void **)page = frames->free_pages;
	frames->free_pages = page;
}

/* ---- entries --------------------------------------------------------------------------------- */

static struct frame_gib *gib_of(const struct frames *frames, uint64_t frame)
{
	return atomic_load_explicit(&frames->gibs[frame / GIB_FRAMES], memory_order_acquire);
}

static const struct frames_ref nowhere;

static inline uint64_t look_up(const struct frames *frames, uint64_t frame, struct frames_ref *ref)
{
	const struct frame_gib *gib;
	const struct frame_block *block;
	uint64_t entry;

	*ref = nowhere;
	if (unlikely(frame >= (uint64_t)GIBS * GIB_FRAMES))
		return 0;
	gib = gib_of(frames, frame);
	if (unlikely(!gib))
		return 0;
	ref->table = &gib->blocks[frame / BLOCK_FRAMES % BLOCK_FRAMES];
	ref->page_mask = HUGE_SIZE - 1;
	entry = atomic_load_explicit(ref->table, memory_order_acquire);
	if ((entry & ENTRY_LARGE) || !entry)
		return entry & ~ENTRY_LARGE;
	block = (const struct frame_block *)entry;
	*ref = (struct frames_ref){ block->entries, BLOCK_FRAMES - 1, HOST_PAGE_SIZE - 1 };
	return atomic_load_explicit(&block->entries[frame % BLOCK_FRAMES], memory_order_acquire);
}

uint64_t entry_at(const struct frames *frames, uint64_t frame, bool *large)
{
	struct frames_ref ref;
	uint64_t entry = look_up(frames, frame, &ref);

	*large = ref.page_mask == HUGE_SIZE - 1;
	return entry;
}

static struct frame_gib *make_gib(struct frames *frames, uint64_t frame)
{
	const size_t size = ALIGN_UP(sizeof(struct frame_gib) + 64, HOST_PAGE_SIZE);
	struct frame_gib *gib = gib_of(frames, frame);
	char *chunk;

	if (gib)
		return gib;
	chunk = map_chunk(size);
	if (!chunk)
		return NULL;
	*(void **)chunk = frames->gib_chunks;
	frames->gib_chunks = chunk;
	gib = (struct frame_gib *)(chunk + 64);
	atomic_store_explicit(&frames->gibs[frame / GIB_FRAMES], gib, memory_order_release);
	return gib;
}

_Atomic uint64_t *large_place(struct frames *frames, uint64_t frame)
{
	struct frame_gib *gib = make_gib(frames, frame);
	_Atomic uint64_t *place = gib ? &gib->blocks[frame / BLOCK_FRAMES % BLOCK_FRAMES] : NULL;
	uint64_t entry = place ? atomic_load_explicit(place, memory_order_relaxed) : 0;

	/* A block of small pages stays one. */
	return entry && !(entry & ENTRY_LARGE) ? NULL : place;
}

_Atomic uint64_t *entry_place(struct frames *frames, uint64_t frame)
{
	struct frame_gib *gib = make_gib(frames, frame);
	_Atomic uint64_t *place = gib ? &gib->blocks[frame / BLOCK_FRAMES % BLOCK_FRAMES] : NULL;
	uint64_t entry = place ? atomic_load_explicit(place, memory_order_relaxed) : 0;
	struct frame_block *block;

	if (!place || (entry & ENTRY_LARGE))
		return NULL;
	block = (struct frame_block *)entry;
	if (!block) {
		block = table_page(frames);
		if (!block)
			return NULL;
		atomic_store_explicit(place, (uint64_t)(uintptr_t)block, memory_order_release);
	}
	return &block->entries[frame % BLOCK_FRAMES];
}

void entry_set(struct frames *frames, uint64_t frame, _Atomic uint64_t *place, uint64_t value)
{
	uint16_t *live = &gib_of(frames, frame)->live[frame / BLOCK_FRAMES % BLOCK_FRAMES];
	bool was = atomic_load_explicit(place, memory_order_relaxed) & ENTRY_PRESENT;
	bool is = value & ENTRY_PRESENT;

	atomic_store_explicit(place, value, memory_order_release);
	if (was == is)
		return;
	*live = (uint16_t)(is ? *live + 1 : *live - 1);
	if (frame_is_private(frame))
		frames->private_pages += is ? 1 : (size_t)-1;
}

/* ---- private frames -------------------------------------------------------------------------- */

/* @count neighbouring blocks of the process' own, aligned to their size. 0: there are none. */
static uint32_t new_blocks(struct frames *frames, uint32_t count)
{
	uint32_t first = ALIGN_UP(frames->next_block, count), extent = 0;

	if (!frames->extent || first + count > EXTENT_BLOCKS) {
		extent = frames->extents < MAX_EXTENTS ? shared_extent(frames) : 0;
		if (!extent)
			return 0;
		frames->extents++;
		frames->extent = extent;
		first = 0;
	}
	frames->next_block = first + count;
	return frames->extent * EXTENT_BLOCKS + first;
}

/* The oldest block of single frames, when none of its pages is there; 0: it is needed. */
static uint32_t old_block(struct frames *frames)
{
	uint32_t block = frames->history[frames->history_first];
	struct frame_gib *gib = gib_of(frames, (uint64_t)block * BLOCK_FRAMES);
	struct frame_block *entries;

	/* It goes to the end of the ring in any case. */
	frames->history_first = (frames->history_first + 1) % HISTORY_BLOCKS;
	/* Without memory for its table it was never used. */
	if (!gib)
		return block;
	if (gib->live[block % BLOCK_FRAMES])
		return 0;
	entries = (struct frame_block *)atomic_load_explicit(&gib->blocks[block % BLOCK_FRAMES],
							     memory_order_relaxed);
	for (unsigned int i = 0; entries && i < BLOCK_FRAMES; i++)
		atomic_store_explicit(&entries->entries[i], 0, memory_order_relaxed);
	return block;
}

static uint32_t next_small_block(struct frames *frames)
{
	uint32_t block = 0;

	for (unsigned int i = 0; frames->history_count == HISTORY_BLOCKS && !block && i < 8; i++)
		block = old_block(frames);
	if (block)
		return block;
	block = new_blocks(frames, 1);
	if (!block)
		return 0;
	/* Beyond the ring's size blocks are not given out again. */
	if (frames->history_count < HISTORY_BLOCKS)
		frames->history[frames->history_count++] = block;
	return block;
}

uint64_t private_frame(struct frames *frames, size_t size)
{
	/* A huge page has a block behind it that is nobody's. */
	const uint32_t blocks = (uint32_t)(size / HUGE_SIZE);
	uint32_t block;

	if (size > HOST_PAGE_SIZE) {
		block = new_blocks(frames, MIN(2 * blocks, EXTENT_BLOCKS));
		return (uint64_t)block * BLOCK_FRAMES;
	}
	if (!frames->block || frames->block_used == SMALL_FRAMES) {
		frames->block = next_small_block(frames);
		frames->block_used = 0;
	}
	if (!frames->block)
		return 0;
	block = frames->block_used++;
	return (uint64_t)frames->block * BLOCK_FRAMES + 2 * ((block * 101 + 17) % SMALL_FRAMES);
}

/* ---- what devices ask ------------------------------------------------------------------------ */

struct find_page {
	struct file_page page;
	const struct frames *frames;
	uintptr_t addr; /* 0: not mapped */
	bool write, huge;
};

static bool maps_page(const struct map_range *map, void *arg)
{
	struct find_page *find = arg;
	uint64_t first = map->off >> HOST_PAGE_SHIFT;
	uint64_t last = first + ((map->end - map->start) >> HOST_PAGE_SHIFT) - 1;
	uintptr_t addr;

	if (!map->shared || map->ino != find->page.ino || map->dev != find->page.dev ||
	    find->page.page < first || find->page.page > last)
		return false;
	addr = map->start + ((find->page.page - first) << HOST_PAGE_SHIFT);
	if (pages_leave(find->frames, addr, addr + 1) || (find->addr && !map->write) ||
	    (find->huge && !map_has_huge(map, addr, find->page.page % BLOCK_FRAMES)))
		return false;
	find->addr = addr;
	find->write = map->write;
	return map->write;
}

/* A page of a file that nobody asked for through a mapping that is still there: any will do. Lock
 * held. */
static bool find_mapping(struct frames *frames, uint64_t frame)
{
	struct find_page find = { .frames = frames };
	unsigned char resident = 1;

	if (!shared_page(frames, frame, &find.page, &find.huge))
		return false;
	maps_each(frames->maps_fd, 0, maps_page, &find);
	if (!find.addr)
		return false;
	if (find.huge) {
		frame -= find.page.page % BLOCK_FRAMES;
		find.addr -= find.page.page % BLOCK_FRAMES * HOST_PAGE_SIZE;
		return page_publish(frames, find.addr, frame, true, !find.write);
	}
	/* A hole in the file has no page. */
	if (sysraw3(SYS_mincore, (long)find.addr, (long)HOST_PAGE_SIZE, (long)&resident) ||
	    !(resident & 1))
		return false;
	return page_publish(frames, find.addr, frame, false, !find.write);
}

static __attribute__((noinline)) int translate_slow(struct frames *frames, uint64_t addr,
						    uint64_t entry)
{
	struct file_page page;
	bool huge, found;

	if (entry & ENTRY_FROZEN)
		return -EAGAIN;
	if (atomic_load_explicit(&frames->dead, memory_order_relaxed) ||
	    !shared_page(frames, addr >> HOST_PAGE_SHIFT, &page, &huge))
		return -EFAULT;
	/* The holder may be waiting for this very device. */
	if (pthread_mutex_trylock(&frames->lock))
		return -EAGAIN;
	found = find_mapping(frames, addr >> HOST_PAGE_SHIFT);
	pthread_mutex_unlock(&frames->lock);
	return found ? 0 : -EFAULT;
}

int frames_translate(struct frames *frames, uint64_t addr, bool write, paddr_t *host,
		     uint64_t *contig, struct frames_ref *ref)
{
	uint64_t entry, off;
	int ret;

	for (;;) {
		entry = look_up(frames, addr >> HOST_PAGE_SHIFT, ref);
		if (likely((entry & (FRAMES_CLEAR | FRAMES_NEED_READ)) == FRAMES_NEED_READ))
			break;
		ret = translate_slow(frames, addr, entry);
		if (ret)
			return ret;
	}
	if (unlikely(write && !(entry & ENTRY_WRITE)))
		return -EACCES;
	off = addr & ref->page_mask;
	*host = (entry & ENTRY_ADDR) + off;
	*contig = ref->page_mask + 1 - off;
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int open_own(const char *name)
{
	int fd = (int)sysraw4(SYS_openat, AT_FDCWD, (long)name, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? fd : fd_move_high(fd);
}

int frames_create(struct frames_shared *shared, int fd, const struct frames_ops *ops, void *arg,
		  struct frames **out)
{
	struct frames *frames = map_chunk(sizeof(*frames));
	int ret = -ENOMEM;

	if (!frames)
		return -ENOMEM;
	frames->shared = shared;
	frames->fd = fd;
	frames->ops = ops;
	frames->arg = arg;
	frames->maps_fd = -1;
	frames->pagemap_fd = -1;
	list_init(&frames->leaving);
	pthread_mutex_init(&frames->lock, NULL);
	frames->gibs = map_chunk(GIBS * sizeof(*frames->gibs));
	if (!frames->gibs)
		goto fail;
	ret = frames->maps_fd = open_own("/proc/self/maps");
	if (ret >= 0)
		ret = frames->pagemap_fd = open_own("/proc/self/pagemap");
	if (ret < 0)
		goto fail;
	*out = frames;
	return 0;
fail:
	frames_destroy(frames);
	return ret;
}

static void unmap_chunks(void *chunk, size_t size)
{
	while (chunk) {
		void *next = *(void **)chunk;

		raw_munmap(chunk, size);
		chunk = next;
	}
}

void frames_destroy(struct frames *frames)
{
	if (!frames)
		return;
	if (frames->maps_fd >= 0)
		fd_close(frames->maps_fd);
	if (frames->pagemap_fd >= 0)
		fd_close(frames->pagemap_fd);
	unmap_chunks(frames->chunks, (CHUNK_PAGES + 1) * HOST_PAGE_SIZE);
	unmap_chunks(frames->gib_chunks, ALIGN_UP(sizeof(struct frame_gib) + 64, HOST_PAGE_SIZE));
	if (frames->gibs)
		raw_munmap(frames->gibs, GIBS * sizeof(*frames->gibs));
	pool_destroy(&frames->pool);
	pthread_mutex_destroy(&frames->lock);
	raw_munmap(frames, sizeof(*frames));
}

int frames_pagemap_fd(const struct frames *frames)
{
	return frames->pagemap_fd;
}

void frames_set_huge(struct frames *frames, size_t (*huge_size)(uintptr_t addr))
{
	pthread_mutex_lock(&frames->lock);
	frames->huge_size = huge_size;
	pthread_mutex_unlock(&frames->lock);
}
