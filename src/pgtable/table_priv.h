/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table pages and what is known about each.
 *
 * Pages come from chunks of 64, aligned to their size, whose first page holds a descriptor for each
 * of the others: a table's descriptor is found by arithmetic. A free page is all zero: tables are
 * only freed when their last entry has been cleared.
 */
#ifndef PGTABLE_TABLE_PRIV_H
#define PGTABLE_TABLE_PRIV_H

#include <stdatomic.h>
#include "base/list.h"
#include "base/types.h"

#define TABLE_ENTRIES 512
#define TABLE_CHUNK   (64 * HOST_PAGE_SIZE)
/* Pages that only splits may take, so that a split rarely fails: two boundaries, two levels. */
#define TABLE_RESERVE 4

typedef _Atomic uint64_t pte_t;

enum table_state {
	TABLE_FREE,    /* in the pool */
	TABLE_LINKED,  /* an entry points to it */
	TABLE_EMPTY,   /* linked, without entries, on the list of those that may go */
	TABLE_PENDING, /* unlinked; a reader may still be in it */
};

struct table_desc {
	struct list_head node; /* of the pool's free list, the empty list or the pending list */
	pte_t *slot;	       /* the entry that points here; NULL: the top */
	uint16_t count;	       /* entries present */
	uint8_t level;
	uint8_t state;
	uint8_t pad[36];
};

_Static_assert(sizeof(struct table_desc) * TABLE_CHUNK / HOST_PAGE_SIZE == HOST_PAGE_SIZE,
	       "the descriptors of a chunk fill its first page");

struct table_pool {
	struct list_head free;
	struct list_head chunks; /* descriptor 0 of each */
	size_t nr_free, nr_used, nr_chunks;
};

static inline struct table_desc *table_desc(const void *table)
{
	uintptr_t addr = (uintptr_t)table;
	struct table_desc *chunk = (struct table_desc *)ALIGN_DOWN(addr, TABLE_CHUNK);

	return &chunk[addr % TABLE_CHUNK / HOST_PAGE_SIZE];
}

static inline pte_t *table_of_desc(const struct table_desc *desc)
{
	uintptr_t addr = (uintptr_t)desc;
	uintptr_t chunk = ALIGN_DOWN(addr, TABLE_CHUNK);

	return (pte_t *)(chunk + (addr - chunk) / sizeof(*desc) * HOST_PAGE_SIZE);
}

/* The table in which an entry lies. */
static inline struct table_desc *table_of_slot(const pte_t *slot)
{
	return table_desc(slot);
}

void table_pool_init(struct table_pool *pool);
/* Gives every page back, whatever its state. */
void table_pool_destroy(struct table_pool *pool);
/* An empty table, or NULL. @split: may use the reserve. */
struct table_desc *table_alloc(struct table_pool *pool, unsigned int level, bool split);
/* The table must be all zero and on no list. */
void table_free(struct table_pool *pool, struct table_desc *desc);

#endif
