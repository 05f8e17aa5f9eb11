/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which addresses of this process are mappings of huge pages: a sorted table, for the rules that
 * Linux has for such mappings (they are cut at huge pages only) and for what is said about them in
 * /proc. No locks: the caller has one.
 */
#ifndef HUGETLB_RANGES_H
#define HUGETLB_RANGES_H

#include "hugetlb/hugetlb.h"

struct huge_range {
	uintptr_t start, end;
	enum huge_size size;
	uint64_t ino;	/* of the file's memfd; 0: none, or not known */
	bool private;	/* the process' own pages, charged by address */
	bool inherited; /* came over fork: the pages are the parent's to account for */
};

struct huge_ranges {
	struct huge_range *entries;
	size_t count, room;
};

void huge_ranges_free(struct huge_ranges *table);
/* The first entry that ends behind @addr; NULL: none. */
const struct huge_range *huge_ranges_above(const struct huge_ranges *table, uintptr_t addr);
/* The entry with @addr in it, or NULL. */
const struct huge_range *huge_ranges_at(const struct huge_ranges *table, uintptr_t addr);
/* Whether [@start, @end) can be cut out: no entry would be cut inside a huge page. */
bool huge_ranges_cuttable(const struct huge_ranges *table, uintptr_t start, uintptr_t end);
/* Makes sure that the next removal and the next addition need no memory. -ENOMEM. */
int huge_ranges_reserve(struct huge_ranges *table);
/* Forgets [@start, @end); after huge_ranges_reserve(). */
void huge_ranges_remove(struct huge_ranges *table, uintptr_t start, uintptr_t end);
/* Adds @range, which overlaps no other; after huge_ranges_reserve(). */
void huge_ranges_add(struct huge_ranges *table, const struct huge_range *range);

#endif
