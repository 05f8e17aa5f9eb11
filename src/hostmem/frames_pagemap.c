/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a pagemap entry becomes (Linux: fs/proc/task_mmu.c). The host's entry says what is there,
 * and the flags; the frame is ours.
 *
 * A page of a file has its frame from the session's table, a private one its own. Until a private
 * page is this process' alone (it is the file's, the zero page, or shared with a forked process),
 * devices may read it only: a write of the program's gives it another frame, as copy on write does.
 */
#include "base/log.h"
#include "base/sysraw.h"
#include "hostmem/frames_priv.h"

/* A question may be about a whole huge page. */
#define MAX_HUGE (1UL << GIB_SHIFT)

struct pagemap {
	struct frames *frames;
	int maps_fd; /* the frames' own, or another process' */
	bool own;
	struct map_range map; /* of the last page, or what is free around it */
	bool gap;
};

static bool first_map(const struct map_range *map, void *arg)
{
	*(struct map_range *)arg = *map;
	return true;
}

/* The mapping with @addr in it. The gap before the next one is remembered as well. */
static bool find_map(struct pagemap *pm, uintptr_t addr)
{
	struct map_range next;

	if (addr >= pm->map.start && addr < pm->map.end)
		return !pm->gap;
	if (!maps_each(pm->maps_fd, addr, first_map, &next))
		next.start = next.end = USER_END;
	pm->gap = next.start > addr;
	pm->map = next;
	if (pm->gap)
		pm->map = (struct map_range){ .start = addr, .end = next.start };
	return !pm->gap;
}

static void tell_full(struct frames *frames)
{
	if (!frames->told_full)
		pr_err("no frame numbers are left: pagemap shows 0");
	frames->told_full = true;
}

static struct file_page file_page_at(const struct map_range *map, uintptr_t addr)
{
	return (struct file_page){ .dev = map->dev,
				   .ino = map->ino,
				   .page = (map->off + (addr - map->start)) >> HOST_PAGE_SHIFT };
}

static void withdraw_one(struct frames *frames, uintptr_t addr, enum frames_gone how)
{
	addr = ALIGN_DOWN(addr, HOST_PAGE_SIZE);
	if (page_frame(frames, addr))
		pages_withdraw(frames, addr, addr + HOST_PAGE_SIZE, how, NULL);
}

static uint64_t file_frame(struct pagemap *pm, uintptr_t addr)
{
	const struct file_page at = file_page_at(&pm->map, addr);
	struct frames *frames = pm->frames;
	uint64_t frame, in_huge, known = pm->own ? page_frame(frames, addr) : 0;
	bool huge = false;

	if (!pm->map.ino)
		return 0;
	frame = shared_frame(frames, &at, &huge, addr);
	if (!frame)
		tell_full(frames);
	if (!frame || !pm->own)
		return frame;
	if (known && known != frame)
		withdraw_one(frames, addr, FRAMES_UNSEEN);
	/* A huge page in a mapping of which nobody said so. */
	in_huge = huge ? at.page % BLOCK_FRAMES : 0;
	if (huge && !map_has_huge(&pm->map, addr, in_huge))
		return 0;
	if (!page_publish(frames, addr - in_huge * HOST_PAGE_SIZE, frame - in_huge, huge,
			  !pm->map.shared || !pm->map.write))
		return 0;
	return frame;
}

static uint64_t new_private(struct frames *frames, uintptr_t addr, size_t size)
{
	uint64_t frame = private_frame(frames, size);

	if (frame == addr >> HOST_PAGE_SHIFT)
		frame = private_frame(frames, size);
	if (!frame)
		tell_full(frames);
	return frame;
}

static uint64_t anonymous_frame(struct pagemap *pm, uintptr_t addr, bool exclusive)
{
	struct frames *frames = pm->frames;
	bool read_only = !exclusive || !pm->map.write, large = false;
	uint64_t known, entry;

	if (!pm->own)
		return 0;
	known = page_frame(frames, addr);
	entry = known ? entry_at(frames, known, &large) : 0;
	/* A file's page, or one that was shared, has been copied since. */
	if (known &&
	    (!frame_is_private(known) || large || (!(entry & ENTRY_WRITE) && !read_only))) {
		withdraw_one(frames, addr, FRAMES_COPIED);
		known = 0;
	}
	if (!known)
		known = new_private(frames, addr, HOST_PAGE_SIZE);
	return known && page_publish(frames, addr, known, false, read_only) ? known : 0;
}

static uint64_t small_entry(struct pagemap *pm, uintptr_t addr, uint64_t entry)
{
	uint64_t flags = entry & ~PAGEMAP_FRAME, frame = 0;

	/* What the host swapped out is there for a device, which brings it back. */
	if ((flags & PAGEMAP_SWAPPED) && pm->own)
		frame = page_frame(pm->frames, addr);
	if (frame)
		return (flags & ~PAGEMAP_SWAPPED) | PAGEMAP_PRESENT | frame;
	if (!(flags & PAGEMAP_PRESENT)) {
		if (pm->own && frame_is_private(page_frame(pm->frames, addr)))
			withdraw_one(pm->frames, addr, FRAMES_UNSEEN);
		return flags;
	}
	if (!find_map(pm, addr))
		return flags;
	if (flags & PAGEMAP_FILE)
		frame = file_frame(pm, addr);
	else
		frame = anonymous_frame(pm, addr, flags & PAGEMAP_EXCLUSIVE);
	return flags | frame;
}

/* ---- huge pages ----------------------------------------------------------------------------- */

/* The flags of the first small page of a huge one that is there; 0: none is. The host's huge pages
 * are wholly there; those of the session's are where they were touched. */
static uint64_t huge_flags(struct pagemap *pm, uintptr_t head, size_t size)
{
	uint64_t entries[BLOCK_FRAMES / 4];
	uintptr_t addr = head;

	while (addr < head + size) {
		ssize_t n = raw_pread(pm->frames->pagemap_fd, entries, sizeof(entries),
				      (addr >> HOST_PAGE_SHIFT) * sizeof(entries[0]));

		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(entries[0]); i++)
			if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
				return (entries[i] & ~(PAGEMAP_FRAME | PAGEMAP_SWAPPED)) |
				       PAGEMAP_PRESENT;
		if (n <= 0)
			break;
		addr += sizeof(entries) / sizeof(entries[0]) * HOST_PAGE_SIZE;
	}
	return 0;
}

/* Each 2 MiB of the page at @head. */
static bool publish_huge(struct frames *frames, uintptr_t head, size_t size, uint64_t frame,
			 bool read_only)
{
	for (size_t off = 0; off < size; off += HUGE_SIZE)
		if (!page_publish(frames, head + off, frame + (off >> HOST_PAGE_SHIFT), true,
				  read_only))
			return false;
	return true;
}

/* A private huge page's frame moved to another one when it had been read only. */
static uint64_t private_huge(struct pagemap *pm, uintptr_t head, size_t size, bool read_only)
{
	struct frames *frames = pm->frames;
	uint64_t frame = page_frame(frames, head);
	bool large;

	if (frame && (!frame_is_private(frame) ||
		      (!read_only && !(entry_at(frames, frame, &large) & ENTRY_WRITE)))) {
		pages_withdraw(frames, head, head + size, FRAMES_COPIED, NULL);
		frame = 0;
	}
	if (!frame)
		frame = new_private(frames, head, size);
	return frame && publish_huge(frames, head, size, frame, read_only) ? frame : 0;
}

/* The first frame of the huge page at @head, and its flags in *@flags. */
static uint64_t huge_frame(struct pagemap *pm, uintptr_t head, size_t size, uint64_t *flags)
{
	struct file_page at = file_page_at(&pm->map, head);
	bool file, huge = true, read_only;
	uint64_t frame;

	if (!(*flags & PAGEMAP_PRESENT))
		*flags = pm->own ? huge_flags(pm, head, size) : 0;
	*flags &= ~PAGEMAP_FRAME;
	if (!(*flags & PAGEMAP_PRESENT))
		return 0;
	file = pm->map.shared || (*flags & PAGEMAP_FILE);
	read_only = !pm->map.write || (!pm->map.shared && !(*flags & PAGEMAP_EXCLUSIVE)) ||
		    (file && !pm->map.shared);
	if (!file)
		return pm->own ? private_huge(pm, head, size, read_only) : 0;
	frame = shared_frame(pm->frames, &at, &huge, head);
	if (!frame || !huge) {
		if (!frame)
			tell_full(pm->frames);
		return 0;
	}
	if (pm->own && !publish_huge(pm->frames, head, size, frame, read_only)) {
		pages_withdraw(pm->frames, head, head + size, FRAMES_UNSEEN, NULL);
		if (!publish_huge(pm->frames, head, size, frame, read_only))
			return 0;
	}
	return frame;
}

/* The entries of @count pages from @addr on, all of the huge page at @head. */
static void huge_entries(struct pagemap *pm, uintptr_t addr, uintptr_t head, size_t size,
			 uint64_t *entries, size_t count)
{
	uint64_t flags = entries[0];
	uint64_t frame = huge_frame(pm, head, size, &flags);

	for (size_t i = 0; i < count; i++)
		entries[i] = flags | (frame ? frame + ((addr - head) >> HOST_PAGE_SHIFT) + i : 0);
}

/* The session's own huge pages, which the host takes for small ones, come first: it is quicker. */
static size_t huge_size_at(struct pagemap *pm, uintptr_t addr)
{
	size_t size = pm->own && pm->frames->huge_size ? pm->frames->huge_size(addr) : 0;

	if (!size)
		size = pm->map.page = maps_page_size(&pm->map);
	return size;
}

static void fill(struct pagemap *pm, uintptr_t addr, uint64_t *entries, size_t count)
{
	size_t i = 0, n, size;

	for (; i < count && addr < USER_END; i += n, addr += n * HOST_PAGE_SIZE) {
		n = 1;
		if (!find_map(pm, addr)) {
			/* Nothing is here, nor up to the next mapping. */
			n = MIN(count - i, (pm->map.end - addr) >> HOST_PAGE_SHIFT);
			n = MAX(n, (size_t)1);
			for (size_t j = 0; j < n; j++)
				entries[i + j] &= ~PAGEMAP_FRAME;
			continue;
		}
		size = huge_size_at(pm, addr);
		if (size >= HUGE_SIZE) {
			uintptr_t head = ALIGN_DOWN(addr, size);

			n = MIN(count - i, (head + size - addr) >> HOST_PAGE_SHIFT);
			huge_entries(pm, addr, head, size, entries + i, n);
		} else {
			entries[i] = small_entry(pm, addr, entries[i]);
		}
	}
	for (; i < count; i++)
		entries[i] &= ~PAGEMAP_FRAME;
}

void frames_pagemap(struct frames *frames, uintptr_t addr, uint64_t *entries, size_t count)
{
	struct pagemap pm = { .frames = frames, .maps_fd = frames->maps_fd, .own = true };

	addr = ALIGN_DOWN(addr, HOST_PAGE_SIZE);
	pthread_mutex_lock(&frames->lock);
	pages_wait(frames, addr, addr + MAX(count * HOST_PAGE_SIZE, MAX_HUGE));
	fill(&pm, addr, entries, count);
	pages_sync(frames);
	pthread_mutex_unlock(&frames->lock);
}

void frames_pagemap_of(struct frames *frames, int maps_fd, uintptr_t addr, uint64_t *entries,
		       size_t count)
{
	struct pagemap pm = { .frames = frames, .maps_fd = maps_fd };

	pthread_mutex_lock(&frames->lock);
	fill(&pm, ALIGN_DOWN(addr, HOST_PAGE_SIZE), entries, count);
	pthread_mutex_unlock(&frames->lock);
}
