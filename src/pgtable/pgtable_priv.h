/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the formats' instances of the walker (walker_priv.h) share: the page table object, and the
 * life of a table.
 *
 * A table that becomes empty first goes on the empty list, where it stays linked: mapping and
 * unmapping the same page again and again then allocates nothing. The oldest of more than
 * PGTABLE_MAX_EMPTY is unlinked and goes on the pending list until pgtable_reclaim().
 */
#ifndef PGTABLE_PGTABLE_PRIV_H
#define PGTABLE_PGTABLE_PRIV_H

#include "pgtable/pgtable.h"
#include "pgtable/table_priv.h"

#define PGTABLE_MAX_EMPTY   64
#define PGTABLE_MAX_PENDING 64

#define LEVEL_SHIFT(level) (HOST_PAGE_SHIFT + 9 * ((level)-1))
#define LEVEL_SIZE(level)  (1ULL << LEVEL_SHIFT(level))
/* 4 KiB, 2 MiB and 1 GiB. */
#define MAX_LEAF_LEVEL 3

struct pgtable_ops {
	int (*map)(struct pgtable *pt, iova_t iova, paddr_t paddr, uint64_t size,
		   unsigned int prot);
	uint64_t (*unmap)(struct pgtable *pt, iova_t iova, iova_t last);
	int (*split)(struct pgtable *pt, iova_t iova);
	void (*freeze)(struct pgtable *pt, iova_t iova, iova_t last);
	void (*replace)(struct pgtable *pt, iova_t iova, iova_t last, paddr_t paddr);
	bool (*lookup)(const struct pgtable *pt, iova_t iova, struct pgtable_leaf *leaf,
		       struct pgtable_ref *ref);
	bool (*decode)(uint64_t entry, iova_t iova, uint64_t leaf_size, struct pgtable_leaf *leaf);
	struct pgtable_bits (*bits)(void);
	bool dynamic_top;
};

struct pgtable {
	const struct pgtable_ops *ops;
	/* Address of the top table | its level: readers take both at once. */
	_Atomic uintptr_t top;
	iova_t last; /* of the IOVA space */
	struct table_pool pool;
	struct list_head empty, pending;
	size_t nr_empty, nr_pending;
};

extern const struct pgtable_ops pgtable_ops_amdv1, pgtable_ops_vtdss;

static inline pte_t *top_table(uintptr_t top)
{
	return (pte_t *)(top & HOST_PAGE_MASK);
}

static inline unsigned int top_level(uintptr_t top)
{
	return (unsigned int)(top & ~HOST_PAGE_MASK);
}

/* The first IOVA that a top table of @level does not reach, minus one. */
static inline iova_t level_last(unsigned int level)
{
	unsigned int bits = LEVEL_SHIFT(level + 1);

	return bits >= 64 ? UINT64_MAX : (1ULL << bits) - 1;
}

/* A linked table without entries may go from now on. */
static inline void table_mark_empty(struct pgtable *pt, struct table_desc *desc)
{
	if (desc->count || desc->state != TABLE_LINKED || !desc->slot)
		return;
	desc->state = TABLE_EMPTY;
	list_add_tail(&desc->node, &pt->empty);
	pt->nr_empty++;
}

/* It is about to get an entry. */
static inline void table_use(struct pgtable *pt, struct table_desc *desc)
{
	if (desc->state != TABLE_EMPTY)
		return;
	list_del(&desc->node);
	pt->nr_empty--;
	desc->state = TABLE_LINKED;
}

/* Clears the entry that points to an empty table. The parent may become empty by it. */
static inline void table_unlink(struct pgtable *pt, struct table_desc *desc)
{
	struct table_desc *parent = table_of_slot(desc->slot);

	table_use(pt, desc);
	atomic_store_explicit(desc->slot, 0, memory_order_release);
	parent->count--;
	table_mark_empty(pt, parent);
	desc->slot = NULL;
	desc->state = TABLE_PENDING;
	list_add_tail(&desc->node, &pt->pending);
	pt->nr_pending++;
}

#endif
