/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables against a flat map: what is mapped stands in a short list of extents, and after each
 * operation the table must say the same, at the edges of what was touched and at addresses from the
 * input. Failed allocations are part of the input.
 */
#include <errno.h>
#include "base/failpoint.h"
#include "input.h"
#include "pgtable/pgtable.h"

#define PAGE	4096ULL
#define EXTENTS 512
#define OPS	48

struct extent {
	uint64_t iova, size, paddr;
	unsigned int prot;
	bool hole; /* may be missing: a rewrite ran out of memory */
};

static struct extent map[EXTENTS];
static unsigned int extents;

/* Where leaves and tables of each level begin and end. */
static const uint64_t places[] = {
	0,
	BIT_ULL(21),
	BIT_ULL(30),
	BIT_ULL(30) - BIT_ULL(21),
	BIT_ULL(39) - BIT_ULL(30),
	BIT_ULL(39),
	BIT_ULL(47),
	BIT_ULL(48) - BIT_ULL(31),
};

static uint64_t take_iova(struct input *in)
{
	uint64_t iova = places[below(in, ARRAY_SIZE(places))];

	switch (below(in, 4)) {
	case 0:
		return iova + take8(in) * PAGE;
	case 1:
		return iova - take8(in) * PAGE;
	case 2:
		return iova + take8(in) * BIT_ULL(21);
	default:
		return iova + take16(in) * PAGE;
	}
}

static uint64_t take_size(struct input *in)
{
	switch (below(in, 5)) {
	case 0:
		return (1 + below(in, 8)) * PAGE;
	case 1:
		return take16(in) * PAGE;
	case 2:
		return (1 + below(in, 16)) * BIT_ULL(21);
	case 3:
		return (1 + below(in, 3)) * BIT_ULL(30);
	default:
		return take8(in) * PAGE + BIT_ULL(30);
	}
}

static uint64_t take_paddr(struct input *in, uint64_t iova)
{
	uint64_t base = BIT_ULL(44);

	switch (below(in, 4)) {
	case 0:
		return base + take16(in) * PAGE;
	case 1: /* as aligned as it gets */
		return base + iova;
	case 2:
		return base + (iova & (BIT_ULL(30) - 1)) + BIT_ULL(30) * take8(in);
	default:
		return base + (iova & (BIT_ULL(21) - 1)) + BIT_ULL(21) * take8(in);
	}
}

static const struct extent *find(uint64_t iova)
{
	for (unsigned int i = 0; i < extents; i++)
		if (iova - map[i].iova < map[i].size)
			return &map[i];
	return NULL;
}

static bool overlaps(uint64_t iova, uint64_t size)
{
	for (unsigned int i = 0; i < extents; i++)
		if (map[i].iova < iova + size && iova < map[i].iova + map[i].size)
			return true;
	return false;
}

/* Makes @iova a boundary between extents. */
static void cut(uint64_t iova)
{
	for (unsigned int i = 0; i < extents; i++) {
		struct extent *e = &map[i];
		uint64_t off = iova - e->iova;

		if (!off || off >= e->size)
			continue;
		map[extents] = *e;
		map[extents].iova = iova;
		map[extents].size = e->size - off;
		map[extents++].paddr = e->paddr + off;
		e->size = off;
		return;
	}
}

static void check(struct pgtable *pt, uint64_t iova)
{
	const struct extent *e = find(iova);
	struct pgtable_leaf leaf = { 0 };
	bool present;

	if (iova >> 48)
		return;
	present = pgtable_lookup(pt, iova, &leaf);
	if (!present) {
		must(!e || e->hole, "%#llx is missing", (unsigned long long)iova);
		return;
	}
	must(e, "%#llx is there", (unsigned long long)iova);
	must(leaf.paddr == e->paddr + (iova - e->iova), "%#llx leads to %#llx",
	     (unsigned long long)iova, (unsigned long long)leaf.paddr);
	must(leaf.prot == e->prot, "%#llx has prot %u, not %u", (unsigned long long)iova, leaf.prot,
	     e->prot);
	must(leaf.contig, "%#llx covers nothing", (unsigned long long)iova);
	/* A leaf never covers what was not mapped with it. */
	if (leaf.contig > e->iova + e->size - iova) {
		uint64_t end = e->iova + e->size;
		const struct extent *next = find(end);

		must(next && next->paddr == e->paddr + e->size && next->prot == e->prot,
		     "the leaf of %#llx goes past its mapping", (unsigned long long)iova);
	}
}

static void op_map(struct pgtable *pt, struct input *in)
{
	uint64_t iova = take_iova(in), size = take_size(in), paddr = take_paddr(in, iova);
	unsigned int prot = below(in, 4);
	bool in_space = iova < BIT_ULL(48) && size <= BIT_ULL(48) - iova;
	int ret = pgtable_map(pt, iova, paddr, size, prot);

	if (!size || !prot)
		must(ret == -EINVAL || (!in_space && ret == -ERANGE), "an empty map gave %d", ret);
	else if (!in_space)
		must(ret == -ERANGE, "a map outside the space gave %d", ret);
	else if (ret == -ENOMEM)
		must(failpoint_fired(), "no memory");
	else if (overlaps(iova, size))
		must(ret == -EEXIST || !ret, "a map over another gave %d", ret);
	else
		must(!ret, "a map gave %d", ret);
	if (!ret) {
		/* Only what a failed rewrite had cleared may have been free. */
		for (unsigned int i = 0; i < extents; i++)
			must(map[i].hole || !(map[i].iova < iova + size &&
					      iova < map[i].iova + map[i].size),
			     "mapped twice");
		cut(iova);
		cut(iova + size);
		for (unsigned int i = 0; i < extents; i++)
			if (map[i].iova - iova < size)
				map[i--] = map[--extents];
		map[extents++] = (struct extent){ iova, size, paddr, prot, false };
	}
	check(pt, iova);
	check(pt, iova + size - 1);
	check(pt, iova - 1);
	check(pt, iova + size);
}

static void op_unmap(struct pgtable *pt, struct input *in)
{
	uint64_t iova = take_iova(in), size = take_size(in), want = 0, holes = 0, got;

	if (iova >> 48 || !size)
		return;
	/* An unmap splits what it covers in part; only a split beforehand may run out of memory. */
	if (pgtable_split(pt, iova) ||
	    (iova + size < BIT_ULL(48) && pgtable_split(pt, iova + size))) {
		must(failpoint_fired(), "a split failed");
		return;
	}
	failpoint_arm(0);
	cut(iova);
	cut(iova + size);
	for (unsigned int i = 0; i < extents; i++) {
		if (map[i].iova - iova >= size)
			continue;
		*(map[i].hole ? &holes : &want) += map[i].size;
		map[i--] = map[--extents];
	}
	got = pgtable_unmap(pt, iova, size);
	must(got >= want && got <= want + holes, "unmapped %#llx, not %#llx",
	     (unsigned long long)got, (unsigned long long)want);
	check(pt, iova);
	check(pt, iova + size / 2);
	check(pt, iova - 1);
	check(pt, iova + size);
}

static void op_rewrite(struct pgtable *pt, struct input *in, bool freeze)
{
	uint64_t iova = take_iova(in), size = take_size(in), paddr = take_paddr(in, iova);
	bool fired;

	if (iova >> 48 || !size || size > BIT_ULL(48) - iova)
		return;
	if (freeze)
		pgtable_freeze(pt, iova, size);
	else
		pgtable_replace(pt, iova, size, paddr);
	fired = failpoint_fired();
	cut(iova);
	cut(iova + size);
	for (unsigned int i = 0; i < extents; i++) {
		if (fired && map[i].iova < iova + size + BIT_ULL(30) &&
		    iova < map[i].iova + map[i].size + BIT_ULL(30))
			map[i].hole = true; /* a split leaf may have gone with what it covered */
		if (map[i].iova - iova >= size)
			continue;
		if (freeze) {
			map[i].prot |= PGTABLE_FROZEN;
		} else {
			map[i].prot &= ~PGTABLE_FROZEN;
			map[i].paddr = paddr + (map[i].iova - iova);
		}
	}
	check(pt, iova);
	check(pt, iova + size - 1);
	check(pt, iova - 1);
	check(pt, iova + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	enum pgtable_format format = take8(&in) & 1 ? PGTABLE_VTDSS : PGTABLE_AMDV1;
	struct pgtable *pt;

	extents = 0;
	failpoint_arm(0);
	must(!pgtable_create(format, 48, &pt), "no table");
	for (unsigned int ops = 0; in.size && ops < OPS && extents < EXTENTS - 8; ops++) {
		uint8_t op = take8(&in);

		failpoint_arm(op & 0x80 ? 1 + below(&in, 8) : 0);
		switch (op & 7) {
		case 0:
		case 1:
		case 2:
			op_map(pt, &in);
			break;
		case 3:
		case 4:
			op_unmap(pt, &in);
			break;
		case 5:
			op_rewrite(pt, &in, true);
			break;
		case 6:
			op_rewrite(pt, &in, false);
			break;
		default:
			check(pt, take_iova(&in));
			break;
		}
		failpoint_arm(0);
		if (pgtable_needs_reclaim(pt))
			pgtable_reclaim(pt);
	}
	for (unsigned int i = 0; i < extents; i++) {
		check(pt, map[i].iova);
		check(pt, map[i].iova + map[i].size - 1);
	}
	pgtable_destroy(pt);
	return 0;
}
