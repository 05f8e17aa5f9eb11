/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool of huge pages of one size, and which pages of a file are charged to it.
 *
 * A page is charged when it is reserved or allocated; Linux tells the two apart only by what it
 * says of free and reserved pages (huge_pool_count()). The pool holds no memory: pages are those of
 * sparse memfds, and the pool decides who may have them. No locks: one thread owns a pool.
 */
#ifndef HUGETLB_POOL_H
#define HUGETLB_POOL_H

#include "hugetlb/hugetlb.h"

struct huge_pool {
	uint64_t node[HUGE_NODES]; /* persistent pages of each node */
	unsigned int nodes;	   /* at least 1 */
	uint64_t overcommit;
	uint64_t max;	  /* the host could not give more */
	uint64_t charged; /* may be above the persistent pages: the rest are surplus pages */
};

void huge_pool_init(struct huge_pool *pool, unsigned int nodes, uint64_t max);
uint64_t huge_pool_persistent(const struct huge_pool *pool);
/* nr_hugepages: as many of @pages as there can be, spread over the nodes. */
void huge_pool_resize(struct huge_pool *pool, uint64_t pages);
/* The same for one node; the others keep theirs. -EINVAL: no such node. */
int huge_pool_resize_node(struct huge_pool *pool, unsigned int node, uint64_t pages);
/* Takes @pages, all or (-ENOMEM) none. */
int huge_pool_charge(struct huge_pool *pool, uint64_t pages);
/* Cannot fail: pages that came into being without a reservation. */
void huge_pool_force(struct huge_pool *pool, uint64_t pages);
void huge_pool_uncharge(struct huge_pool *pool, uint64_t pages);
/* The counters when @allocated of the charged pages have been touched. */
void huge_pool_count(const struct huge_pool *pool, uint64_t allocated, struct huge_counters *out);

/* The pages of a file that are charged, by number. All zeroes: none. */
struct huge_map {
	uint64_t *words;
	size_t num_words;
	uint64_t set; /* how many */
};

/* Beyond this page no file is mapped: 128 TiB of 2 MiB pages. */
#define HUGE_MAP_MAX (1ULL << 26)

void huge_map_free(struct huge_map *map);
bool huge_map_has(const struct huge_map *map, uint64_t page);
/* How many of [@first, @end) are not in the map. */
uint64_t huge_map_missing(const struct huge_map *map, uint64_t first, uint64_t end);
/* Puts [@first, @end) in. -ENOMEM: the map is as it was. */
int huge_map_add(struct huge_map *map, uint64_t first, uint64_t end);
/* Takes [@first, @end) out; how many were in. */
uint64_t huge_map_remove(struct huge_map *map, uint64_t first, uint64_t end);

#endif
