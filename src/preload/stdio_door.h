/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stdio on attributes (design D3): a store happens when the program writes, with the kernel's
 * errno.
 *
 * A stream that the program opens on an attribute is one of ours, whose write function is
 * file_write(). A stream that is there already (a shell's stdout, moved onto an attribute by dup2)
 * is libc's and writes into the memfd behind our back, where the memfd's own position stands. file/
 * keeps that position at a fixed place, so that what lies between this place and the position is
 * what has been written; every door that the fd passes next (fflush above all, which a shell calls
 * after each of its commands) picks it up and stores it.
 */
#ifndef PRELOAD_STDIO_DOOR_H
#define PRELOAD_STDIO_DOOR_H

#include <stdio.h>
#include "preload/door.h"
#include "preload/fdset.h"

struct file;

/* Before @file, a writable attribute, gets its first fd. */
void stdio_prepare(struct file *file);
/* Stores what libc wrote into the fd by itself. 0 or -errno of the store. Depth raised. */
int stdio_store(int fd);
/* A stream over the fd of a file of ours; NULL with errno. Depth raised. */
FILE *stdio_stream(int fd, const char *how);

static inline bool door_attrs(void)
{
	return lib_depth == 0 &&
	       atomic_load_explicit(&fdset_attrs.count, memory_order_relaxed) != 0;
}

#endif
