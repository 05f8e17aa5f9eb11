/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Areas: where pages of the program go when the program unmaps them while a device may reach them.
 */
#ifndef HOSTMEM_ASIDE_PRIV_H
#define HOSTMEM_ASIDE_PRIV_H

#include "base/types.h"
#include "hostmem/pool_priv.h"

struct hostmem_area {
	uintptr_t addr; /* the pages */
	uintptr_t map;	/* the reservation they lie in */
	size_t map_len;
	unsigned int refs; /* segments */
};

_Static_assert(sizeof(struct hostmem_area) <= POOL_OBJECT, "comes from the pool");

/*
 * Moves [@addr, @addr + @len) aside with its data; the range itself stays mapped and empty, or at
 * least reserved. A page that cannot be moved is copied; one that cannot be copied (a hole) is
 * inaccessible in the area. NULL: no memory or address space for an area, nothing was moved.
 */
struct hostmem_area *area_create(struct pool *pool, uintptr_t addr, size_t len);
void area_get(struct hostmem_area *area);
void area_put(struct pool *pool, struct hostmem_area *area);

#endif
