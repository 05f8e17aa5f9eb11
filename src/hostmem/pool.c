/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects of one size from chunks that are mapped, never given back before the end. */
#include "hostmem/pool_priv.h"

#include <string.h>
#include <sys/mman.h>

#include "base/failpoint.h"
#include "base/sysraw.h"

#define CHUNK_SIZE (4 * HOST_PAGE_SIZE)

static bool pool_grow(struct pool *pool)
{
	long map = raw_mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	char *chunk = (char *)map;
	size_t off;

	if (map < 0)
		return false;
	/* The first object's place holds the list of chunks. */
	*(void **)chunk = pool->chunks;
	pool->chunks = chunk;
	for (off = POOL_OBJECT; off < CHUNK_SIZE; off += POOL_OBJECT)
		pool_free(pool, chunk + off);
	return true;
}

void *pool_alloc(struct pool *pool)
{
	void *object;

	if (FAIL_POINT() || (!pool->free && !pool_grow(pool)))
		return NULL;
	object = pool->free;
	pool->free = *(void **)object;
	memset(object, 0, POOL_OBJECT);
	return object;
}

void pool_free(struct pool *pool, void *object)
{
	*(void **)object = pool->free;
	pool->free = object;
}

void pool_destroy(struct pool *pool)
{
	void *chunk, *next;

	for (chunk = pool->chunks; chunk; chunk = next) {
		next = *(void **)chunk;
		raw_munmap(chunk, CHUNK_SIZE);
	}
	pool->chunks = NULL;
	pool->free = NULL;
}
