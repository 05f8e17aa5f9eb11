/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directory streams whose entries are ours (design D3): host directories with entries of the
 * session's in them, and directories of the tree with device nodes, whose d_type would be wrong.
 *
 * The stream itself is libc's (dirfd and closedir work on it); a list beside it, found by the
 * stream's address, holds the entries.
 */
#ifndef PRELOAD_DIR_H
#define PRELOAD_DIR_H

#include <stdatomic.h>
#include "base/depth.h"
#include "base/types.h"

/* Streams with a list, in the process. */
extern atomic_uint dir_lists;
/* In the child of a fork. */
void dir_after_fork(void);

static inline bool door_lists(void)
{
	return atomic_load_explicit(&dir_lists, memory_order_relaxed) != 0 && lib_depth == 0;
}

#endif
