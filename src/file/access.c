/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The access map of a file: sorted ranges that do not overlap, with gaps that mean PAGE_DIRECT.
 *
 * Traps read it in signal context, hence without a lock. Changing the access of whole ranges, which
 * is what opening and closing a doorbell page does, is an atomic store in place; only a change that
 * cuts a range builds a new map. Old maps and old mapping tables are freed at a moment when no
 * reader is inside; a reader counts itself before it loads a pointer, a writer looks at the count
 * after it has published (both sequentially consistent).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/overflow.h"
#include "file/file_priv.h"

struct access_range {
	uint64_t start, last;
	atomic_int access;
};

struct access_map {
	struct retired retired;
	size_t count;
	struct access_range ranges[];
};

static atomic_uint readers;
static struct retired *retired_list; /* mappings_lock */

void access_read_begin(void)
{
	atomic_fetch_add(&readers, 1);
}

void access_read_end(void)
{
	atomic_fetch_sub_explicit(&readers, 1, memory_order_release);
}

void access_fork_child(void)
{
	atomic_store(&readers, 0);
}

void access_retire(struct retired *r)
{
	if (r) {
		r->next = retired_list;
		retired_list = r;
	}
	if (atomic_load(&readers))
		return;
	while (retired_list) {
		r = retired_list;
		retired_list = r->next;
		free(r);
	}
}

enum page_access access_at(const struct file_obj *obj, uint64_t off, uint64_t *last)
{
	struct access_map *map = atomic_load(&obj->access);
	size_t i;

	*last = UINT64_MAX;
	if (!map)
		return PAGE_DIRECT;
	for (i = 0; i < map->count; i++) {
		const struct access_range *r = &map->ranges[i];

		if (off < r->start) {
			*last = r->start - 1;
			return PAGE_DIRECT;
		}
		if (off <= r->last) {
			*last = r->last;
			return (enum page_access)atomic_load_explicit(&r->access,
								      memory_order_acquire);
		}
	}
	return PAGE_DIRECT;
}

/* What has been trapped once: ranges that may overlap, none inside of another one before it. */
struct trapped {
	uint64_t start, last;
};

bool access_trapped(const struct file_obj *obj, uint64_t off, uint64_t last)
{
	for (size_t i = 0; i < obj->trapped_count; i++)
		if (obj->trapped[i].start <= last && off <= obj->trapped[i].last)
			return true;
	return false;
}

static int note_trapped(struct file_obj *obj, uint64_t off, uint64_t last)
{
	struct trapped *more;

	for (size_t i = 0; i < obj->trapped_count; i++)
		if (obj->trapped[i].start <= off && last <= obj->trapped[i].last)
			return 0;
	more = FAIL_POINT() ? NULL
			    : realloc(obj->trapped, (obj->trapped_count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[obj->trapped_count++] = (struct trapped){ .start = off, .last = last };
	obj->trapped = more;
	return 0;
}

/*
 * Changes [@off, @last] in place when it is a union of ranges without gaps. -1: it is not; else
 * whether anything changed. (A gap that is to be PAGE_DIRECT is right as it is.)
 */
static int change_in_place(struct access_map *map, uint64_t off, uint64_t last,
			   enum page_access access)
{
	size_t first, i;
	int changed = 0;
	uint64_t next = off; /* all below is covered */
	bool whole = false;

	for (first = 0; map && first < map->count && map->ranges[first].last < off; first++)
		;
	for (i = first; map && i < map->count && map->ranges[i].start <= last; i++) {
		struct access_range *r = &map->ranges[i];
		bool differs = atomic_load(&r->access) != (int)access;

		if (r->start > next && access != PAGE_DIRECT)
			return -1;
		if (differs && (r->start < off || r->last > last))
			return -1;
		whole = r->last >= last;
		next = whole ? last : r->last + 1;
	}
	if (!whole && access != PAGE_DIRECT)
		return -1;
	for (i = first; map && i < map->count && map->ranges[i].start <= last; i++)
		changed |= atomic_exchange(&map->ranges[i].access, (int)access) != (int)access;
	return changed;
}

static void append(struct access_map *map, uint64_t start, uint64_t last, int access)
{
	struct access_range *r = &map->ranges[map->count++];

	r->start = start;
	r->last = last;
	atomic_init(&r->access, access);
}

int access_change(struct file_obj *obj, uint64_t off, uint64_t last, enum page_access access)
{
	struct access_map *old = atomic_load(&obj->access), *new;
	size_t count = old ? old->count : 0, i;
	bool placed = false;
	int ret = 0;

	if (access == PAGE_TRAP_WRITE || access == PAGE_TRAP_ALL)
		ret = note_trapped(obj, off, last);
	if (ret)
		return ret;
	ret = change_in_place(old, off, last, access);
	if (ret >= 0)
		return ret;
	/* One more range, and one that may be cut into two. */
	new = FAIL_POINT() ? NULL : malloc(sizeof(*new) + (count + 2) * sizeof(new->ranges[0]));
	if (!new)
		return -ENOMEM;
	new->count = 0;
	for (i = 0; i < count; i++) {
		struct access_range *r = &old->ranges[i];
		int was = atomic_load(&r->access);

		if (r->start < off)
			append(new, r->start, MIN(r->last, off - 1), was);
		if (r->last >= off && !placed) {
			append(new, off, last, (int)access);
			placed = true;
		}
		if (r->last > last)
			append(new, MAX(r->start, last + 1), r->last, was);
	}
	if (!placed)
		append(new, off, last, (int)access);
	atomic_store(&obj->access, new);
	access_retire(old ? &old->retired : NULL);
	return 1;
}

void access_free(struct file_obj *obj)
{
	struct access_map *map = atomic_exchange(&obj->access, NULL);

	access_retire(map ? &map->retired : NULL);
	free(obj->trapped);
	obj->trapped = NULL;
	obj->trapped_count = 0;
}
