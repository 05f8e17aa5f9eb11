/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small objects for the bookkeeping behind the program's munmap(). The program's allocator may be
 * what unmaps, with its lock held: malloc() must not be called there. The hostmem's lock guards it.
 */
#ifndef HOSTMEM_POOL_PRIV_H
#define HOSTMEM_POOL_PRIV_H

#include "base/types.h"

#define POOL_OBJECT 128 /* bytes */

struct pool {
	void *free;   /* each object's first word leads to the next */
	void *chunks; /* likewise */
};

/* An object of POOL_OBJECT bytes, all zero, or NULL. */
void *pool_alloc(struct pool *pool);
void pool_free(struct pool *pool, void *object);
/* No object is in use. */
void pool_destroy(struct pool *pool);

#endif
