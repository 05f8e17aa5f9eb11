/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors of the library's own: never low numbers, always close-on-exec. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdatomic.h>
#include <sys/uio.h>
#include "base/types.h"

/* Moves @fd above the numbers that programs use and sets FD_CLOEXEC; takes @fd in any case.
 * Returns the new fd or -errno. */
int fd_move_high(int fd);
/* A sealed-less memfd of @size bytes with a high number; -errno on failure. */
int fd_memfd(const char *name, uint64_t size);
/* ftruncate() that the program's RLIMIT_FSIZE does not end; -EFBIG where it cannot be helped. */
int fd_set_size(int fd, uint64_t size);
/* writev() that the program does not die of: a reader that has gone is -EPIPE without SIGPIPE, a
 * file that may not grow -EFBIG without SIGXFSZ. Bytes or -errno. */
long fd_writev_quietly(int fd, const struct iovec *pieces, unsigned int count);
/* close() without touching errno and without passing an interposer; -1 is ignored. */
void fd_close(int fd);
/* Whether @fd is one of the library's own (close_range and friends must leave it alone). One
 * atomic load. */
bool fd_look_own(int fd);
extern atomic_uint fd_own_count; /* how many there are */

static inline bool fd_is_own(int fd)
{
	return unlikely(atomic_load_explicit(&fd_own_count, memory_order_relaxed)) &&
	       fd_look_own(fd);
}

/* The lowest own fd that is not below @fd, or -1: for walking around them in close_range. */
int fd_next_own(int fd);

#endif
