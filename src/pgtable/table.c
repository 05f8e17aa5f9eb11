/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool of table pages. No locks: it belongs to one page table with one writer. */
#include "pgtable/table_priv.h"

#include <sys/mman.h>

#include "base/failpoint.h"

void table_pool_init(struct table_pool *pool)
{
	list_init(&pool->free);
	list_init(&pool->chunks);
	pool->nr_free = 0;
	pool->nr_used = 0;
	pool->nr_chunks = 0;
}

void table_pool_destroy(struct table_pool *pool)
{
	struct table_desc *chunk, *tmp;

	list_for_each_entry_safe(chunk, tmp, &pool->chunks, node)
		munmap(chunk, TABLE_CHUNK);
	table_pool_init(pool);
}

/* @populate: a table that needed several chunks is going to fill this one too. */
static void *chunk_map(bool populate)
{
	uintptr_t addr, base;
	void *map;

	map = mmap(NULL, 2 * TABLE_CHUNK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	addr = (uintptr_t)map;
	base = ALIGN_UP(addr, TABLE_CHUNK);
	if (base > addr)
		munmap(map, base - addr);
	if (addr + TABLE_CHUNK > base)
		munmap((void *)(base + TABLE_CHUNK), addr + TABLE_CHUNK - base);
#ifdef MADV_POPULATE_WRITE
	if (populate)
		madvise((void *)base, TABLE_CHUNK, MADV_POPULATE_WRITE);
#endif
	return (void *)base;
}

static bool pool_grow(struct table_pool *pool)
{
	struct table_desc *chunk = chunk_map(pool->nr_chunks > 0);
	size_t i;

	if (!chunk)
		return false;
	list_add(&chunk->node, &pool->chunks);
	pool->nr_chunks++;
	for (i = 1; i < TABLE_CHUNK / HOST_PAGE_SIZE; i++)
		list_add_tail(&chunk[i].node, &pool->free);
	pool->nr_free += i - 1;
	return true;
}

struct table_desc *table_alloc(struct table_pool *pool, unsigned int level, bool split)
{
	struct table_desc *desc;

	if (FAIL_POINT())
		return NULL;
	if (pool->nr_free <= TABLE_RESERVE && !pool_grow(pool) && (!split || !pool->nr_free))
		return NULL;
	desc = list_first_entry(&pool->free, struct table_desc, node);
	list_del(&desc->node);
	pool->nr_free--;
	pool->nr_used++;
	desc->slot = NULL;
	desc->count = 0;
	desc->level = (uint8_t)level;
	desc->state = TABLE_LINKED;
	return desc;
}

void table_free(struct table_pool *pool, struct table_desc *desc)
{
	desc->state = TABLE_FREE;
	list_add(&desc->node, &pool->free);
	pool->nr_free++;
	pool->nr_used--;
}
