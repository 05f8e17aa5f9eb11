/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving pages aside: mremap(MREMAP_DONTUNMAP) takes the pages of any mapping but hugetlb with
 * their data and leaves the mapping empty. What it refuses is tried in halves, because kernels
 * before 6.17 move one mapping at a time, then by other means:
 *
 * - shared mappings on kernels before 5.13: a second mapping of the same pages (old length 0);
 * - hugetlb: a plain move of whole huge pages, with plain memory left in their place;
 * - a single page that nothing moves: a copy.
 */
#include "hostmem/aside_priv.h"

#include <sys/mman.h>

#include "base/copy.h"
#include "base/sysraw.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* New places keep the offset inside a huge page, so that large IOMMU leaves stay large. */
#define HUGE_SIZE 0x200000UL

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static bool move_to(uintptr_t from, size_t old_len, size_t len, int flags, uintptr_t to)
{
	return raw_mremap((void *)from, old_len, len, MREMAP_MAYMOVE | MREMAP_FIXED | flags,
			  (void *)to) == (long)to;
}

static void copy_page(uintptr_t from, uintptr_t to)
{
	long ret = raw_mmap((void *)to, HOST_PAGE_SIZE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED,
			    -1, 0);

	if (ret == (long)to && copy_nofault((void *)to, (const void *)from, HOST_PAGE_SIZE))
		raw_mprotect((void *)to, HOST_PAGE_SIZE, PROT_NONE);
}

static bool move_huge(uintptr_t from, uintptr_t to, size_t len)
{
	if (!IS_ALIGNED(from | to | len, HUGE_SIZE) || !move_to(from, len, len, 0, to))
		return false;
	/* Nobody else may be given the place before the program's own call. */
	raw_mmap((void *)from, len, PROT_READ | PROT_WRITE,
		 ANON | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return true;
}

static void move_range(uintptr_t from, uintptr_t to, size_t len)
{
	size_t half;

	if (move_to(from, len, len, MREMAP_DONTUNMAP, to) || move_to(from, 0, len, 0, to))
		return;
	if (len == HOST_PAGE_SIZE) {
		copy_page(from, to);
		return;
	}
	if (len == HUGE_SIZE && move_huge(from, to, len))
		return;
	/* Halves end at the boundaries of huge pages as long as there are any. */
	half = ALIGN_UP(len / 2, HOST_PAGE_SIZE);
	if (len > HUGE_SIZE) {
		uintptr_t cut = ALIGN_DOWN(from + half, HUGE_SIZE);

		half = cut > from ? cut - from : ALIGN_UP(from + 1, HUGE_SIZE) - from;
	}
	move_range(from, to, half);
	move_range(from + half, to + half, len - half);
}

struct hostmem_area *area_create(struct pool *pool, uintptr_t addr, size_t len)
{
	size_t map_len = len >= HUGE_SIZE ? len + HUGE_SIZE : len;
	struct hostmem_area *area;
	long map;

	area = pool_alloc(pool);
	if (!area)
		return NULL;
	map = raw_mmap(NULL, map_len, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	if (map < 0) {
		pool_free(pool, area);
		return NULL;
	}
	area->map = (uintptr_t)map;
	area->map_len = map_len;
	area->addr = area->map;
	if (map_len > len)
		area->addr += (addr - area->map) & (HUGE_SIZE - 1);
	area->refs = 1;
	move_range(addr, area->addr, len);
	return area;
}

void area_get(struct hostmem_area *area)
{
	area->refs++;
}

void area_put(struct pool *pool, struct hostmem_area *area)
{
	if (--area->refs)
		return;
	raw_munmap((void *)area->map, area->map_len);
	pool_free(pool, area);
}
