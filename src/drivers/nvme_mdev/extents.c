/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of extents (extents.h), in no order. An entry becomes valid and invalid with its state,
 * which is written last and first: whoever dies in the middle leaves no half one.
 */
#include "drivers/nvme_mdev/extents.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gap {
	uint64_t start, size;
};

static int by_start(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* What is not free, in order of place. Dirty stretches are taken, too. */
static unsigned int taken(const struct extents *table, struct gap *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < EXTENTS_MAX; i++)
		if (table->extent[i].state != EXTENT_FREE)
			out[n++] = (struct gap){ table->extent[i].start, table->extent[i].size };
	qsort(out, n, sizeof(*out), by_start);
	return n;
}

/* The gaps between @n extents, of which there are at most one more. @at is overwritten. */
static unsigned int gaps(struct gap *at, unsigned int n, uint64_t total)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i <= n; i++) {
		uint64_t next = i < n ? at[i].start : total;
		uint64_t after = i < n ? at[i].start + at[i].size : total;

		at[i] = (struct gap){ end, next > end ? next - end : 0 };
		end = after;
	}
	return n + 1;
}

unsigned int extents_available(const struct extents *table, uint64_t total, uint64_t size)
{
	struct gap at[EXTENTS_MAX + 1];
	unsigned int n = taken(table, at), room = EXTENTS_MAX - n;
	uint64_t sum = 0;

	n = gaps(at, n, total);
	for (unsigned int i = 0; i < n; i++)
		sum += at[i].size / size;
	return (unsigned int)MIN(sum, (uint64_t)room);
}

static struct extent *find_free(struct extents *table)
{
	for (unsigned int i = 0; i < EXTENTS_MAX; i++)
		if (table->extent[i].state == EXTENT_FREE)
			return &table->extent[i];
	return NULL;
}

int extents_take(struct extents *table, uint64_t total, uint64_t size, const char *owner)
{
	struct gap at[EXTENTS_MAX + 1];
	struct extent *e = find_free(table);
	const struct gap *best = NULL;
	unsigned int n;

	if (!e)
		return -ENOSPC;
	n = gaps(at, taken(table, at), total);
	for (unsigned int i = 0; i < n; i++)
		if (at[i].size >= size && (!best || at[i].size < best->size))
			best = &at[i];
	if (!best)
		return -ENOSPC;
	e->start = best->start;
	e->size = size;
	snprintf(e->owner, sizeof(e->owner), "%s", owner);
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint32_t *)&e->state = EXTENT_USED;
	return (int)(e - table->extent);
}

int extents_find(const struct extents *table, const char *owner)
{
	for (int i = 0; i < EXTENTS_MAX; i++)
		if (table->extent[i].state == EXTENT_USED && !strcmp(table->extent[i].owner, owner))
			return i;
	return -ENOENT;
}

void extents_drop(struct extents *table, unsigned int n)
{
	*(volatile uint32_t *)&table->extent[n].state = EXTENT_DIRTY;
}

void extents_clean(struct extents *table, int (*clear)(void *arg, uint64_t start, uint64_t size),
		   void *arg)
{
	for (unsigned int i = 0; i < EXTENTS_MAX; i++) {
		struct extent *e = &table->extent[i];

		if (e->state == EXTENT_DIRTY && clear(arg, e->start, e->size) == 0)
			*(volatile uint32_t *)&e->state = EXTENT_FREE;
	}
}
