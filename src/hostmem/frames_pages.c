/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which frame each page of this process has, as far as anybody asked: by 2 MiB of addresses; and
 * what happens to frames when the program takes pages away or moves them.
 */
#include <string.h>

#include "base/sysraw.h"
#include "hostmem/frames_priv.h"

static struct page_block *block_of(struct itree_node *node)
{
	return node ? container_of(node, struct page_block, node) : NULL;
}

static struct page_block *find_block(struct frames *frames, uintptr_t addr)
{
	return block_of(itree_first(&frames->blocks, addr, addr));
}

static unsigned int page_in_block(uintptr_t addr)
{
	return (addr >> HOST_PAGE_SHIFT) % BLOCK_FRAMES;
}

uint64_t page_frame(struct frames *frames, uintptr_t addr)
{
	const struct page_block *block = find_block(frames, addr);

	if (!block)
		return 0;
	if (block->large)
		return block->large + page_in_block(addr);
	return block->frames ? block->frames[page_in_block(addr)] : 0;
}

static struct page_block *make_block(struct frames *frames, uintptr_t addr)
{
	struct page_block *block = find_block(frames, addr);

	if (block)
		return block;
	block = pool_alloc(&frames->pool);
	if (!block)
		return NULL;
	block->node.start = ALIGN_DOWN(addr, HUGE_SIZE);
	block->node.last = block->node.start + HUGE_SIZE - 1;
	itree_insert(&frames->blocks, &block->node);
	return block;
}

static void drop_block(struct frames *frames, struct page_block *block)
{
	if (block->large || block->live)
		return;
	itree_remove(&frames->blocks, &block->node);
	if (block->frames)
		table_page_free(frames, block->frames);
	pool_free(&frames->pool, block);
}

/* ---- publishing and withdrawing ------------------------------------------------------------- */

static void set_entry(struct frames *frames, uintptr_t addr, uint64_t frame, bool large,
		      _Atomic uint64_t *place, bool read_only)
{
	uint64_t was = atomic_load_explicit(place, memory_order_relaxed);
	uint64_t value = addr | ENTRY_PRESENT | (read_only ? 0 : ENTRY_WRITE) |
			 (large ? ENTRY_LARGE : 0);

	/* Any mapping of a shared page will do, but one that can be written is better. */
	if ((was & ENTRY_PRESENT) && !(was & ENTRY_LEAVING) && (was & ENTRY_ADDR) != addr &&
	    (read_only || (was & ENTRY_WRITE)))
		return;
	entry_set(frames, frame, place, value);
}

/* Enters @frame as that of the page at @addr. The entry's place, or NULL: no memory, or the 2 MiB
 * are known as what they no longer are. */
static _Atomic uint64_t *claim_page(struct frames *frames, uintptr_t addr, uint64_t frame,
				    bool large)
{
	struct page_block *block = make_block(frames, addr);
	_Atomic uint64_t *place = NULL;

	if (!block)
		return NULL;
	if (large) {
		if (!block->live && (!block->large || block->large == frame))
			place = large_place(frames, frame);
		if (place)
			block->large = frame;
	} else if (!block->large) {
		if (!block->frames)
			block->frames = table_page(frames);
		place = block->frames ? entry_place(frames, frame) : NULL;
		if (place && !block->frames[page_in_block(addr)])
			block->live++;
		if (place)
			block->frames[page_in_block(addr)] = frame;
	}
	drop_block(frames, block);
	return place;
}

bool page_publish(struct frames *frames, uintptr_t addr, uint64_t frame, bool large, bool read_only)
{
	_Atomic uint64_t *place = claim_page(frames, addr, frame, large);

	if (place)
		set_entry(frames, addr, frame, large, place, read_only);
	return place != NULL;
}

static void withdraw_entry(struct frames *frames, uint64_t frame, bool large, uintptr_t addr,
			   enum frames_gone how)
{
	_Atomic uint64_t *place = large ? large_place(frames, frame) : entry_place(frames, frame);
	uint64_t entry = place ? atomic_load_explicit(place, memory_order_relaxed) : 0;

	/* Another mapping of the page serves. */
	if (!(entry & ENTRY_PRESENT) || (entry & ENTRY_ADDR) != addr)
		return;
	entry_set(frames, frame, place,
		  addr | (uint64_t)how << ENTRY_GONE_SHIFT | (large ? ENTRY_LARGE : 0));
	frames->withdrew = true;
}

static void withdraw_page(struct frames *frames, struct page_block *block, uintptr_t addr,
			  enum frames_gone how)
{
	uint64_t *frame = &block->frames[page_in_block(addr)];

	if (!*frame)
		return;
	withdraw_entry(frames, *frame, false, addr, how);
	*frame = 0;
	block->live--;
}

/* What is mapped at @addr, as long as it is. */
static void mapping_name(const struct frames *frames, uintptr_t addr, char *out)
{
	struct map_range map = { .start = 0 };

	if (!maps_find(frames->maps_fd, addr, &map))
		map.name[0] = '\0';
	memcpy(out, map.name, GONE_NAME);
}

static const struct frames_leaving *leaving_at(const struct frames *frames, uintptr_t start,
					       uintptr_t end)
{
	const struct frames_leaving *leaving;

	list_for_each_entry(leaving, &frames->leaving, link)
		if (leaving->start < end && start < leaving->end)
			return leaving;
	return NULL;
}

bool pages_leave(const struct frames *frames, uintptr_t start, uintptr_t end)
{
	return leaving_at(frames, start, end) != NULL;
}

void pages_wait(struct frames *frames, uintptr_t start, uintptr_t end)
{
	while (leaving_at(frames, start, end)) {
		pthread_mutex_unlock(&frames->lock);
		raw_sched_yield();
		pthread_mutex_lock(&frames->lock);
	}
}

/* What the range was, for reports. Readers come without lock. */
static void remember(struct frames *frames, uintptr_t start, uintptr_t end)
{
	const struct frames_leaving *leaving;
	char name[GONE_NAME];
	struct gone_record *record = &frames->gone[frames->gone_next++ % GONE_RECORDS];
	uint64_t words[GONE_NAME / 8];

	leaving = leaving_at(frames, start, end);
	if (leaving && leaving->named)
		memcpy(name, leaving->name, sizeof(name));
	else
		mapping_name(frames, start, name);
	memcpy(words, name, sizeof(words));
	atomic_fetch_add(&record->seq, 1);
	atomic_store(&record->start, start);
	atomic_store(&record->end, end);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		atomic_store(&record->name[i], words[i]);
	atomic_fetch_add(&record->seq, 1);
}

void pages_withdraw(struct frames *frames, uintptr_t start, uintptr_t end, enum frames_gone how,
		    bool (*want)(uint64_t frame))
{
	struct itree_node *node = itree_first(&frames->blocks, start, end - 1), *next;
	uintptr_t addr, last, first = node ? MAX(start, node->start) : start;
	bool before = frames->withdrew;

	frames->withdrew = false;
	for (; node; node = next) {
		struct page_block *block = block_of(node);

		next = itree_next(node, start, end - 1);
		if (block->large && (!want || want(block->large))) {
			withdraw_entry(frames, block->large, true, block->node.start, how);
			block->large = 0;
		}
		addr = MAX(start, block->node.start);
		last = MIN(end - 1, block->node.last);
		for (; block->frames && block->live && addr <= last; addr += HOST_PAGE_SIZE)
			if (!want || want(block->frames[page_in_block(addr)]))
				withdraw_page(frames, block, addr, how);
		drop_block(frames, block);
	}
	if (frames->withdrew)
		remember(frames, first, end);
	frames->withdrew |= before;
}

void pages_sync(struct frames *frames)
{
	if (!frames->withdrew)
		return;
	frames->withdrew = false;
	if (frames->ops->sync)
		frames->ops->sync(frames->arg);
}

/* ---- what doors see ------------------------------------------------------------------------- */

/* The pages of a call; false: it fails by itself, or takes nothing. */
static bool call_pages(uintptr_t addr, size_t len, uintptr_t *end)
{
	if (!IS_ALIGNED(addr, HOST_PAGE_SIZE) || !len || len > USER_END || addr > USER_END - len)
		return false;
	*end = ALIGN_UP(addr + len, HOST_PAGE_SIZE);
	return true;
}

/* Sets @mark in the entries of a range, or takes it away. An entry that leads to another mapping of
 * the same page stays as it is. True: there are some. */
static bool mark_pages(struct frames *frames, uintptr_t start, uintptr_t end, uint64_t mark,
		       bool set)
{
	struct itree_node *node;
	bool any = false;

	itree_for_each(node, &frames->blocks, start, end - 1) {
		const struct page_block *block = block_of(node);
		uintptr_t addr = block->large ? block->node.start : MAX(start, block->node.start);
		uintptr_t last = MIN(end - 1, block->node.last);

		for (; addr <= last; addr += block->large ? HUGE_SIZE : HOST_PAGE_SIZE) {
			uint64_t frame = block->large	 ? block->large
					 : block->frames ? block->frames[page_in_block(addr)]
							 : 0;
			_Atomic uint64_t *place = !frame	 ? NULL
						  : block->large ? large_place(frames, frame)
								 : entry_place(frames, frame);

			if (!place || (atomic_load(place) & ENTRY_ADDR) != addr)
				continue;
			if (set)
				atomic_fetch_or(place, mark);
			else
				atomic_fetch_and(place, ~mark);
			any = true;
		}
	}
	frames->withdrew |= any && set;
	return any;
}

void frames_unmap_begin(struct frames *frames, struct frames_leaving *leaving, uintptr_t addr,
			size_t len)
{
	uintptr_t end;

	leaving->start = leaving->end = 0;
	leaving->named = false;
	if (!call_pages(addr, len, &end))
		return;
	pthread_mutex_lock(&frames->lock);
	pages_wait(frames, addr, end);
	leaving->start = addr;
	leaving->end = end;
	list_add(&leaving->link, &frames->leaving);
	if (mark_pages(frames, addr, end, ENTRY_LEAVING, true)) {
		const struct itree_node *node = itree_first(&frames->blocks, addr, end - 1);

		mapping_name(frames, MAX(addr, node->start), leaving->name);
		leaving->named = true;
	}
	pages_sync(frames);
	pthread_mutex_unlock(&frames->lock);
}

static void end_leaving(struct frames *frames, struct frames_leaving *leaving, enum frames_gone how,
			bool done)
{
	if (leaving->start == leaving->end)
		return;
	if (done)
		pages_withdraw(frames, leaving->start, leaving->end, how, NULL);
	else
		mark_pages(frames, leaving->start, leaving->end, ENTRY_LEAVING, false);
	/* What is gone now was waited for. */
	frames->withdrew = false;
	list_del(&leaving->link);
	leaving->start = leaving->end;
}

void frames_unmap_end(struct frames *frames, struct frames_leaving *leaving, enum frames_gone how,
		      bool done)
{
	pthread_mutex_lock(&frames->lock);
	end_leaving(frames, leaving, how, done);
	pthread_mutex_unlock(&frames->lock);
}

void frames_move_begin(struct frames *frames, uintptr_t addr, size_t len)
{
	uintptr_t end;

	pthread_mutex_lock(&frames->lock);
	if (!call_pages(addr, len, &end))
		return;
	pages_wait(frames, addr, end);
	mark_pages(frames, addr, end, ENTRY_FROZEN, true);
	pages_sync(frames);
}

/* The frame of one page, small or huge, goes along to its new place. */
static void move_page(struct frames *frames, uint64_t frame, bool large, uintptr_t from,
		      uintptr_t to)
{
	_Atomic uint64_t *place;
	uint64_t entry = entry_at(frames, frame, &large);

	/* It is served by another mapping: there is nothing to move. */
	if ((entry & ENTRY_ADDR) != from)
		return;
	if (large && !IS_ALIGNED(to, HUGE_SIZE))
		place = NULL;
	else
		place = claim_page(frames, to, frame, large);
	if (place)
		entry_set(frames, frame, place,
			  to | ENTRY_PRESENT | (entry & ENTRY_WRITE) | (large ? ENTRY_LARGE : 0));
	else
		withdraw_entry(frames, frame, large, from, FRAMES_MREMAP);
}

static void move_range(struct frames *frames, uintptr_t start, uintptr_t end, uintptr_t to)
{
	struct itree_node *node = itree_first(&frames->blocks, start, end - 1), *next;

	for (; node; node = next) {
		struct page_block *block = block_of(node);
		uintptr_t addr = MAX(start, block->node.start);
		uintptr_t last = MIN(end - 1, block->node.last);

		next = itree_next(node, start, end - 1);
		if (block->large) {
			uint64_t frame = block->large;

			block->large = 0;
			move_page(frames, frame, true, addr, addr - start + to);
		}
		for (; block->frames && block->live && addr <= last; addr += HOST_PAGE_SIZE) {
			uint64_t frame = block->frames[page_in_block(addr)];

			if (!frame)
				continue;
			block->frames[page_in_block(addr)] = 0;
			block->live--;
			move_page(frames, frame, false, addr, addr - start + to);
		}
		drop_block(frames, block);
	}
}

void frames_move_end(struct frames *frames, uintptr_t addr, size_t len, size_t new_len,
		     uintptr_t new_addr, struct frames_leaving *replaced)
{
	uintptr_t end, new_end, kept;

	if (replaced)
		end_leaving(frames, replaced, FRAMES_MREMAP, new_addr != 0);
	if (!new_addr) {
		if (call_pages(addr, len, &end))
			mark_pages(frames, addr, end, ENTRY_FROZEN, false);
	} else if (call_pages(addr, len, &end) && call_pages(new_addr, new_len, &new_end)) {
		kept = MIN(end, addr + (new_end - new_addr));
		if (kept < end)
			pages_withdraw(frames, kept, end, FRAMES_MREMAP, NULL);
		if (new_addr == addr) {
			mark_pages(frames, addr, kept, ENTRY_FROZEN, false);
		} else {
			pages_withdraw(frames, new_addr, new_end, FRAMES_MREMAP, NULL);
			move_range(frames, addr, kept, new_addr);
		}
	}
	/* What no door had seen go from the new place was not waited for. */
	pages_sync(frames);
	if (frames->ops->thaw)
		frames->ops->thaw(frames->arg);
	pthread_mutex_unlock(&frames->lock);
}

struct run {
	uintptr_t start, end;
	uint64_t dev, ino, next;
};

static bool extend(const struct map_range *map, void *arg)
{
	struct run *run = arg;

	if (run->end && (map->start != run->end || map->dev != run->dev || map->ino != run->ino ||
			 map->off != run->next))
		return true;
	if (!run->end && map->start != run->start)
		return true;
	run->end = map->end;
	run->dev = map->dev;
	run->ino = map->ino;
	run->next = map->off + (map->end - map->start);
	return false;
}

size_t frames_mapping_length(struct frames *frames, uintptr_t addr)
{
	struct run run = { .start = addr };

	maps_each(frames->maps_fd, addr, extend, &run);
	return run.end ? run.end - addr : 0;
}
