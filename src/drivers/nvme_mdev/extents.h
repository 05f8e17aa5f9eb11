/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which stretches of a medium belong to which instance. Pointer-free; the caller holds the lock of
 * the state that the table stands in.
 *
 * An extent is contiguous. What an instance leaves behind is dirty until it has been cleared, and
 * nobody gets it before; a process that dies in between leaves it dirty for the next one to clear.
 */
#ifndef DRIVERS_NVME_MDEV_EXTENTS_H
#define DRIVERS_NVME_MDEV_EXTENTS_H

#include "base/types.h"

#define EXTENTS_MAX  1024
#define EXTENT_OWNER 37 /* a UUID with its NUL */

enum extent_state { EXTENT_FREE, EXTENT_USED, EXTENT_DIRTY };

struct extent {
	uint64_t start, size; /* bytes */
	uint32_t state;
	char owner[EXTENT_OWNER];
};

struct extents {
	struct extent extent[EXTENTS_MAX];
};

/* How many of @size bytes could be taken one after the other, of a medium of @total bytes. */
unsigned int extents_available(const struct extents *table, uint64_t total, uint64_t size);
/* The smallest gap that has room gets it: its number, or -ENOSPC. */
int extents_take(struct extents *table, uint64_t total, uint64_t size, const char *owner);
/* -ENOENT: @owner has none. */
int extents_find(const struct extents *table, const char *owner);
/* Its owner is gone. */
void extents_drop(struct extents *table, unsigned int n);
/* Clears what is dirty by @clear, which returns 0 or -errno; what cannot be cleared stays. */
void extents_clean(struct extents *table, int (*clear)(void *arg, uint64_t start, uint64_t size),
		   void *arg);

#endif
