/* SPDX-License-Identifier: BSD-3-Clause */
/* The offered functions: checks, the choice of the format, the life of tables. */
#include "pgtable/pgtable.h"

#include <errno.h>
#include <stdlib.h>

#include "base/overflow.h"
#include "pgtable/pgtable_priv.h"

int pgtable_create(enum pgtable_format format, unsigned int bits, struct pgtable **out)
{
	const struct pgtable_ops *ops = format == PGTABLE_AMDV1 ? &pgtable_ops_amdv1
								: &pgtable_ops_vtdss;
	struct table_desc *top;
	struct pgtable *pt;
	unsigned int level;

	if (bits != 39 && bits != 48 && bits != 57 && !(bits == 64 && ops->dynamic_top))
		return -EINVAL;
	/* A small tree is a short walk: one that can grow starts with three levels. */
	level = ops->dynamic_top ? 3 : (bits - HOST_PAGE_SHIFT) / 9;

	pt = calloc(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	pt->ops = ops;
	pt->last = bits == 64 ? UINT64_MAX : (1ULL << bits) - 1;
	table_pool_init(&pt->pool);
	list_init(&pt->empty);
	list_init(&pt->pending);
	top = table_alloc(&pt->pool, level, false);
	if (!top) {
		free(pt);
		return -ENOMEM;
	}
	atomic_store_explicit(&pt->top, (uintptr_t)table_of_desc(top) | level,
			      memory_order_release);
	*out = pt;
	return 0;
}

void pgtable_destroy(struct pgtable *pt)
{
	if (!pt)
		return;
	table_pool_destroy(&pt->pool);
	free(pt);
}

struct pgtable_bits pgtable_bits(const struct pgtable *pt)
{
	return pt->ops->bits();
}

/* Unlinks the oldest empty tables until few are left. */
static void trim_empty(struct pgtable *pt)
{
	while (pt->nr_empty > PGTABLE_MAX_EMPTY)
		table_unlink(pt, list_first_entry(&pt->empty, struct table_desc, node));
}

/* The inclusive end of a page-aligned, non-empty range inside the IOVA space. */
static int check_range(const struct pgtable *pt, iova_t iova, uint64_t size, iova_t *last)
{
	if (!size || !IS_ALIGNED(iova | size, HOST_PAGE_SIZE))
		return -EINVAL;
	if (!range_last(iova, size, last) || *last > pt->last)
		return -ERANGE;
	return 0;
}

int pgtable_map(struct pgtable *pt, iova_t iova, paddr_t paddr, uint64_t size, unsigned int prot)
{
	iova_t last;
	int ret = check_range(pt, iova, size, &last);

	if (ret)
		return ret;
	if (!(prot & (PGTABLE_READ | PGTABLE_WRITE)) || !IS_ALIGNED(paddr, HOST_PAGE_SIZE))
		return -EINVAL;
	ret = pt->ops->map(pt, iova, paddr, size, prot);
	if (ret)
		trim_empty(pt);
	return ret;
}

/* Cuts @last to the IOVA space and completes its page, so that ~0 as a size means all of 64 bits;
 * false: nothing of the range is in the space. */
static bool clip_range(const struct pgtable *pt, iova_t iova, uint64_t size, iova_t *last)
{
	if (!size || iova > pt->last)
		return false;
	if (!range_last(iova, size, last) || *last > pt->last)
		*last = pt->last;
	*last |= HOST_PAGE_SIZE - 1;
	return true;
}

uint64_t pgtable_unmap(struct pgtable *pt, iova_t iova, uint64_t size)
{
	uint64_t bytes;
	iova_t last;

	if (!clip_range(pt, iova, size, &last))
		return 0;
	bytes = pt->ops->unmap(pt, iova, last);
	trim_empty(pt);
	return bytes;
}

int pgtable_split(struct pgtable *pt, iova_t iova)
{
	if (iova > pt->last)
		return 0;
	return pt->ops->split(pt, ALIGN_DOWN(iova, HOST_PAGE_SIZE));
}

void pgtable_freeze(struct pgtable *pt, iova_t iova, uint64_t size)
{
	iova_t last;

	if (clip_range(pt, iova, size, &last))
		pt->ops->freeze(pt, iova, last);
}

void pgtable_replace(struct pgtable *pt, iova_t iova, uint64_t size, paddr_t paddr)
{
	iova_t last;

	if (clip_range(pt, iova, size, &last))
		pt->ops->replace(pt, iova, last, paddr);
}

bool pgtable_needs_reclaim(const struct pgtable *pt)
{
	return pt->nr_pending > PGTABLE_MAX_PENDING;
}

void pgtable_reclaim(struct pgtable *pt)
{
	struct table_desc *desc, *tmp;

	list_for_each_entry_safe(desc, tmp, &pt->pending, node) {
		list_del(&desc->node);
		table_free(&pt->pool, desc);
	}
	pt->nr_pending = 0;
}

bool pgtable_lookup(const struct pgtable *pt, iova_t iova, struct pgtable_leaf *leaf)
{
	return pt->ops->lookup(pt, iova, leaf, NULL);
}

bool pgtable_lookup_ref(const struct pgtable *pt, iova_t iova, struct pgtable_leaf *leaf,
			struct pgtable_ref *ref)
{
	return pt->ops->lookup(pt, iova, leaf, ref);
}

bool pgtable_decode(const struct pgtable *pt, uint64_t entry, iova_t iova, uint64_t leaf_size,
		    struct pgtable_leaf *leaf)
{
	return pt->ops->decode(entry, iova, leaf_size, leaf);
}

size_t pgtable_bytes(const struct pgtable *pt)
{
	return pt->pool.nr_used * HOST_PAGE_SIZE;
}

uint64_t pgtable_pgsizes(enum pgtable_format format)
{
	return LEVEL_SIZE(1) | LEVEL_SIZE(2) | LEVEL_SIZE(3);
}
