/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walker: included once by each format's source file behind the format's header, which gives
 * fmt_*() and FMT_*. Levels count from 1, the table of 4 KiB leaves; a level's table has 512
 * entries of 9 bits of the IOVA each.
 *
 * Invariants: a table is filled before the entry that points to it is stored (release; readers load
 * with acquire). An entry changes by one store: absent, leaf, leaf with other attributes, or table.
 * A leaf that becomes a table maps the same addresses before and after.
 */
#include <errno.h>

#include "pgtable/pgtable_priv.h"

static inline unsigned int level_index(iova_t iova, unsigned int level)
{
	return (unsigned int)(iova >> LEVEL_SHIFT(level)) & (TABLE_ENTRIES - 1);
}

static inline uint64_t pte_load(const pte_t *slot)
{
	return atomic_load_explicit(slot, memory_order_acquire);
}

static inline void pte_store(pte_t *slot, uint64_t entry)
{
	atomic_store_explicit(slot, entry, memory_order_release);
}

static inline struct table_desc *child_of(uint64_t entry)
{
	return table_desc((const void *)(entry & FMT_ADDR));
}

/* ---- mapping --------------------------------------------------------------------------------- */

struct map_args {
	iova_t iova; /* what is left to do */
	paddr_t paddr;
	uint64_t size;
	unsigned int prot;
};

static void map_advance(struct map_args *args, uint64_t bytes)
{
	args->iova += bytes;
	args->paddr += bytes;
	args->size -= bytes;
}

static int map_table(struct pgtable *pt, struct table_desc *desc, unsigned int level,
		     struct map_args *args);

static int map_pages(struct table_desc *desc, struct map_args *args)
{
	unsigned int first = level_index(args->iova, 1);
	uint64_t left = args->size >> HOST_PAGE_SHIFT;
	unsigned int n = left < TABLE_ENTRIES - first ? (unsigned int)left : TABLE_ENTRIES - first;
	pte_t *slot = table_of_desc(desc) + first;
	uint64_t leaf = fmt_leaf(args->paddr, args->prot, 1);
	unsigned int i;

	for (i = 0; i < n; i++, leaf += HOST_PAGE_SIZE) {
		if (fmt_present(pte_load(&slot[i])))
			break;
		pte_store(&slot[i], leaf);
	}
	desc->count = (uint16_t)(desc->count + i);
	map_advance(args, (uint64_t)i << HOST_PAGE_SHIFT);
	return i < n ? -EEXIST : 0;
}

/* Unlinks empty tables below @desc; true when nothing is left in it. */
static bool prune(struct pgtable *pt, struct table_desc *desc, unsigned int level)
{
	pte_t *table = table_of_desc(desc);
	unsigned int i;

	if (level == 1)
		return desc->count == 0;
	for (i = 0; i < TABLE_ENTRIES && desc->count; i++) {
		uint64_t entry = pte_load(&table[i]);

		if (!fmt_present(entry))
			continue;
		if (fmt_is_leaf(entry, level) || !prune(pt, child_of(entry), level - 1))
			return false;
		table_unlink(pt, child_of(entry));
	}
	return true;
}

static int map_large(struct pgtable *pt, struct table_desc *desc, pte_t *slot, unsigned int level,
		     struct map_args *args)
{
	uint64_t entry = pte_load(slot);

	if (fmt_present(entry)) {
		if (fmt_is_leaf(entry, level) || !prune(pt, child_of(entry), level - 1))
			return -EEXIST;
		table_unlink(pt, child_of(entry));
		table_use(pt, desc);
	}
	pte_store(slot, fmt_leaf(args->paddr, args->prot, level));
	desc->count++;
	map_advance(args, LEVEL_SIZE(level));
	return 0;
}

static int map_below(struct pgtable *pt, struct table_desc *desc, pte_t *slot, unsigned int level,
		     struct map_args *args)
{
	uint64_t entry = pte_load(slot);
	struct table_desc *child;
	int ret;

	if (!fmt_present(entry)) {
		child = table_alloc(&pt->pool, level - 1, false);
		if (!child)
			return -ENOMEM;
		child->slot = slot;
		pte_store(slot, fmt_table((uintptr_t)table_of_desc(child), level));
		desc->count++;
	} else if (fmt_is_leaf(entry, level)) {
		return -EEXIST;
	} else {
		child = child_of(entry);
		table_use(pt, child);
	}
	ret = map_table(pt, child, level - 1, args);
	if (ret)
		table_mark_empty(pt, child);
	return ret;
}

/* Maps as much of what is left as this table reaches. */
static int map_table(struct pgtable *pt, struct table_desc *desc, unsigned int level,
		     struct map_args *args)
{
	pte_t *table = table_of_desc(desc);
	unsigned int i = level_index(args->iova, level);
	int ret = 0;

	if (level == 1)
		return map_pages(desc, args);
	for (; i < TABLE_ENTRIES && args->size && !ret; i++) {
		if (level <= MAX_LEAF_LEVEL && args->size >= LEVEL_SIZE(level) &&
		    IS_ALIGNED(args->iova | args->paddr, LEVEL_SIZE(level)))
			ret = map_large(pt, desc, &table[i], level, args);
		else
			ret = map_below(pt, desc, &table[i], level, args);
	}
	return ret;
}

#if FMT_DYNAMIC_TOP
/* Puts tables above the top until @last is reached. */
static int grow_top(struct pgtable *pt, iova_t last)
{
	uintptr_t top = atomic_load_explicit(&pt->top, memory_order_relaxed);

	while (last > level_last(top_level(top))) {
		struct table_desc *old = table_desc(top_table(top));
		unsigned int level = top_level(top) + 1;
		struct table_desc *desc = table_alloc(&pt->pool, level, false);

		if (!desc)
			return -ENOMEM;
		old->slot = table_of_desc(desc);
		pte_store(old->slot, fmt_table((uintptr_t)top_table(top), level));
		desc->count = 1;
		table_mark_empty(pt, old);
		top = (uintptr_t)table_of_desc(desc) | level;
		atomic_store_explicit(&pt->top, top, memory_order_release);
	}
	return 0;
}
#else
static int grow_top(struct pgtable *pt, iova_t last)
{
	return 0;
}
#endif

static uint64_t walk_unmap(struct pgtable *pt, iova_t iova, iova_t last);

static int walk_map(struct pgtable *pt, iova_t iova, paddr_t paddr, uint64_t size,
		    unsigned int prot)
{
	struct map_args args = { .iova = iova, .paddr = paddr, .size = size, .prot = prot };
	uintptr_t top;
	int ret = grow_top(pt, iova + size - 1);

	if (ret)
		return ret;
	top = atomic_load_explicit(&pt->top, memory_order_relaxed);
	ret = map_table(pt, table_desc(top_table(top)), top_level(top), &args);
	if (ret && args.iova != iova)
		walk_unmap(pt, iova, args.iova - 1);
	return ret;
}

/* ---- changing what is mapped ----------------------------------------------------------------- */

/* Replaces a large leaf by a table of leaves with the same addresses and attributes. */
static bool split_leaf(struct pgtable *pt, pte_t *slot, uint64_t entry, unsigned int level)
{
	struct table_desc *child = table_alloc(&pt->pool, level - 1, true);
	unsigned int prot = fmt_prot(entry);
	paddr_t paddr = entry & FMT_ADDR;
	pte_t *table;
	unsigned int i;

	if (!child)
		return false;
	table = table_of_desc(child);
	for (i = 0; i < TABLE_ENTRIES; i++, paddr += LEVEL_SIZE(level - 1))
		atomic_store_explicit(&table[i], fmt_leaf(paddr, prot, level - 1),
				      memory_order_relaxed);
	child->count = TABLE_ENTRIES;
	child->slot = slot;
	pte_store(slot, fmt_table((uintptr_t)table, level));
	return true;
}

static int walk_split(struct pgtable *pt, iova_t iova)
{
	uintptr_t top = atomic_load_explicit(&pt->top, memory_order_relaxed);
	unsigned int level = top_level(top);
	pte_t *table = top_table(top);

	if (iova > level_last(level))
		return 0;
	for (; level > 1 && !IS_ALIGNED(iova, LEVEL_SIZE(level)); level--) {
		pte_t *slot = &table[level_index(iova, level)];
		uint64_t entry = pte_load(slot);

		if (!fmt_present(entry))
			return 0;
		if (fmt_is_leaf(entry, level) && !split_leaf(pt, slot, entry, level))
			return -ENOMEM;
		table = table_of_desc(child_of(pte_load(slot)));
	}
	return 0;
}

enum visit_op { VISIT_UNMAP, VISIT_FREEZE, VISIT_REPLACE };

struct visit {
	struct pgtable *pt;
	enum visit_op op;
	uint64_t bytes; /* unmapped */
	iova_t iova;	/* replace: @paddr belongs to this */
	paddr_t paddr;
};

static void visit_table(struct visit *v, struct table_desc *desc, unsigned int level, iova_t iova,
			iova_t last);

static void visit_leaf(struct visit *v, struct table_desc *desc, pte_t *slot, uint64_t entry,
		       unsigned int level, iova_t iova)
{
	switch (v->op) {
	case VISIT_UNMAP:
		pte_store(slot, 0);
		desc->count--;
		v->bytes += LEVEL_SIZE(level);
		break;
	case VISIT_FREEZE:
		pte_store(slot, entry | FMT_FROZEN);
		break;
	case VISIT_REPLACE:
		pte_store(slot, fmt_leaf(v->paddr + (iova - v->iova),
					 fmt_prot(entry) & ~PGTABLE_FROZEN, level));
		break;
	}
}

/* Whether a leaf at @iova can be treated as one. */
static bool visit_whole(const struct visit *v, unsigned int level, iova_t iova, iova_t last)
{
	if (last - iova != LEVEL_SIZE(level) - 1)
		return false;
	return v->op != VISIT_REPLACE || IS_ALIGNED(v->paddr + (iova - v->iova), LEVEL_SIZE(level));
}

/* [@iova, @last] lies inside the entry. */
static void visit_entry(struct visit *v, struct table_desc *desc, pte_t *slot, unsigned int level,
			iova_t iova, iova_t last)
{
	uint64_t entry = pte_load(slot);
	struct table_desc *child;

	if (!fmt_present(entry))
		return;
	if (fmt_is_leaf(entry, level)) {
		if (visit_whole(v, level, iova, last)) {
			visit_leaf(v, desc, slot, entry, level, iova);
			return;
		}
		if (!split_leaf(v->pt, slot, entry, level)) {
			pte_store(slot, 0);
			desc->count--;
			v->bytes += last - iova + 1;
			return;
		}
		entry = pte_load(slot);
	}
	child = child_of(entry);
	visit_table(v, child, level - 1, iova, last);
	table_mark_empty(v->pt, child);
}

/* [@iova, @last] lies inside what the table reaches. */
static void visit_table(struct visit *v, struct table_desc *desc, unsigned int level, iova_t iova,
			iova_t last)
{
	pte_t *table = table_of_desc(desc);

	while (desc->count) {
		iova_t part = MIN(last, iova | (LEVEL_SIZE(level) - 1));

		visit_entry(v, desc, &table[level_index(iova, level)], level, iova, part);
		if (part == last)
			break;
		iova = part + 1;
	}
}

static void visit_top(struct visit *v, iova_t iova, iova_t last)
{
	uintptr_t top = atomic_load_explicit(&v->pt->top, memory_order_relaxed);
	unsigned int level = top_level(top);

	if (iova <= level_last(level))
		visit_table(v, table_desc(top_table(top)), level, iova,
			    MIN(last, level_last(level)));
}

static uint64_t walk_unmap(struct pgtable *pt, iova_t iova, iova_t last)
{
	struct visit v = { .pt = pt, .op = VISIT_UNMAP };

	visit_top(&v, iova, last);
	return v.bytes;
}

static void walk_freeze(struct pgtable *pt, iova_t iova, iova_t last)
{
	struct visit v = { .pt = pt, .op = VISIT_FREEZE };

	visit_top(&v, iova, last);
}

static void walk_replace(struct pgtable *pt, iova_t iova, iova_t last, paddr_t paddr)
{
	struct visit v = { .pt = pt, .op = VISIT_REPLACE, .iova = iova, .paddr = paddr };

	visit_top(&v, iova, last);
}

/* ---- readers --------------------------------------------------------------------------------- */

static void leaf_fill(struct pgtable_leaf *leaf, uint64_t entry, iova_t iova, uint64_t size)
{
	uint64_t off = iova & (size - 1);

	leaf->paddr = ((entry & FMT_ADDR) & ~(size - 1)) + off;
	leaf->contig = size - off;
	leaf->prot = fmt_prot(entry);
}

static bool walk_lookup(const struct pgtable *pt, iova_t iova, struct pgtable_leaf *leaf,
			struct pgtable_ref *ref)
{
	uintptr_t top = atomic_load_explicit(&pt->top, memory_order_acquire);
	unsigned int level = top_level(top);
	const pte_t *table = top_table(top);

	if (unlikely(iova > level_last(level)))
		return false;
	for (;; level--) {
		const pte_t *slot = &table[level_index(iova, level)];
		uint64_t entry = pte_load(slot);

		if (!fmt_present(entry))
			return false;
		if (!fmt_is_leaf(entry, level)) {
			table = (const pte_t *)(entry & FMT_ADDR);
			continue;
		}
		leaf_fill(leaf, entry, iova, LEVEL_SIZE(level));
		if (ref) {
			ref->table = level == 1 ? table : slot;
			ref->mask = level == 1 ? TABLE_ENTRIES - 1 : 0;
			ref->page_mask = LEVEL_SIZE(level) - 1;
			ref->set = fmt_leaf_set(level);
		}
		return true;
	}
}

static bool walk_decode(uint64_t entry, iova_t iova, uint64_t leaf_size, struct pgtable_leaf *leaf)
{
	unsigned int level = (unsigned int)(__builtin_ctzll(leaf_size) - HOST_PAGE_SHIFT) / 9 + 1;

	if (!fmt_present(entry) || !fmt_is_leaf(entry, level))
		return false;
	leaf_fill(leaf, entry, iova, leaf_size);
	return true;
}

#define WALKER_CONCAT_(a, b) a##b
#define WALKER_CONCAT(a, b)  WALKER_CONCAT_(a, b)

const struct pgtable_ops WALKER_CONCAT(pgtable_ops_, FMT_NAME) = {
	.map = walk_map,
	.unmap = walk_unmap,
	.split = walk_split,
	.freeze = walk_freeze,
	.replace = walk_replace,
	.lookup = walk_lookup,
	.decode = walk_decode,
	.bits = fmt_bits,
	.dynamic_top = FMT_DYNAMIC_TOP,
};
