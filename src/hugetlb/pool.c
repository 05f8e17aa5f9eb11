/* SPDX-License-Identifier: BSD-3-Clause */
#include "hugetlb/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"

void huge_pool_init(struct huge_pool *pool, unsigned int nodes, uint64_t max)
{
	*pool = (struct huge_pool){ .nodes = MIN(MAX(nodes, 1U), HUGE_NODES), .max = max };
}

uint64_t huge_pool_persistent(const struct huge_pool *pool)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < pool->nodes; i++)
		pages += pool->node[i];
	return pages;
}

/* Pages go to and come from the nodes one at a time, in turn. */
void huge_pool_resize(struct huge_pool *pool, uint64_t pages)
{
	uint64_t have = huge_pool_persistent(pool), share, rest;

	pages = MIN(pages, pool->max);
	if (pages == have)
		return;
	share = pages / pool->nodes;
	rest = pages % pool->nodes;
	for (unsigned int i = 0; i < pool->nodes; i++)
		pool->node[i] = share + (i < rest);
}

int huge_pool_resize_node(struct huge_pool *pool, unsigned int node, uint64_t pages)
{
	uint64_t others;

	if (node >= pool->nodes)
		return -EINVAL;
	others = huge_pool_persistent(pool) - pool->node[node];
	pool->node[node] = MIN(pages, pool->max - MIN(others, pool->max));
	return 0;
}

int huge_pool_charge(struct huge_pool *pool, uint64_t pages)
{
	uint64_t limit = huge_pool_persistent(pool) + pool->overcommit;

	if (pages > limit || pool->charged > limit - pages)
		return pages ? -ENOMEM : 0;
	pool->charged += pages;
	return 0;
}

void huge_pool_force(struct huge_pool *pool, uint64_t pages)
{
	pool->charged += pages;
}

void huge_pool_uncharge(struct huge_pool *pool, uint64_t pages)
{
	pool->charged -= MIN(pages, pool->charged);
}

void huge_pool_count(const struct huge_pool *pool, uint64_t allocated, struct huge_counters *out)
{
	uint64_t used = MIN(allocated, pool->charged), left, take;

	*out = (struct huge_counters){ .persistent = huge_pool_persistent(pool),
				       .overcommit = pool->overcommit };
	if (pool->charged > out->persistent)
		out->surplus = pool->charged - out->persistent;
	out->total = out->persistent + out->surplus;
	out->free = out->total - used;
	out->reserved = pool->charged - used;
	/* Which node a page came from is not known: the first ones are used first. */
	out->node_surplus[0] = out->surplus;
	left = used;
	for (unsigned int i = 0; i < pool->nodes; i++) {
		out->node_total[i] = pool->node[i] + out->node_surplus[i];
		take = MIN(left, out->node_total[i]);
		out->node_free[i] = out->node_total[i] - take;
		left -= take;
	}
}

/* ---- the pages of a file --------------------------------------------------------------------- */

void huge_map_free(struct huge_map *map)
{
	free(map->words);
	*map = (struct huge_map){ 0 };
}

bool huge_map_has(const struct huge_map *map, uint64_t page)
{
	return page / 64 < map->num_words && (map->words[page / 64] >> (page % 64) & 1);
}

uint64_t huge_map_missing(const struct huge_map *map, uint64_t first, uint64_t end)
{
	uint64_t missing = 0;

	for (; first < end; first++)
		missing += !huge_map_has(map, first);
	return missing;
}

static int grow(struct huge_map *map, uint64_t end)
{
	size_t want = (size_t)(end + 63) / 64, n;
	uint64_t *words;

	if (want <= map->num_words)
		return 0;
	if (end > HUGE_MAP_MAX)
		return -ENOMEM;
	n = MIN(MAX(want, 2 * map->num_words), (size_t)(HUGE_MAP_MAX / 64));
	words = FAIL_POINT() ? NULL : realloc(map->words, n * sizeof(*words));
	if (!words)
		return -ENOMEM;
	memset(words + map->num_words, 0, (n - map->num_words) * sizeof(*words));
	map->words = words;
	map->num_words = n;
	return 0;
}

int huge_map_add(struct huge_map *map, uint64_t first, uint64_t end)
{
	int ret = first < end ? grow(map, end) : 0;

	for (; first < end && !ret; first++) {
		map->set += !huge_map_has(map, first);
		map->words[first / 64] |= 1ULL << (first % 64);
	}
	return ret;
}

uint64_t huge_map_remove(struct huge_map *map, uint64_t first, uint64_t end)
{
	uint64_t removed = 0;

	end = MIN(end, (uint64_t)map->num_words * 64);
	for (; first < end; first++) {
		removed += huge_map_has(map, first);
		map->words[first / 64] &= ~(1ULL << (first % 64));
	}
	map->set -= removed;
	return removed;
}
