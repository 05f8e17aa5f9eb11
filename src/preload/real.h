/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's own functions behind the interposed ones: found by dlsym(RTLD_NEXT) at the first use and
 * kept in a table of atomic pointers. Early constructors and sanitizer runtimes call wrappers
 * before any constructor of ours, so nothing here needs one.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utime.h>
#include <wordexp.h>
#include "base/types.h"

typedef int (*dirent_filter_fn)(const struct dirent *entry);
typedef int (*dirent_compare_fn)(const struct dirent **a, const struct dirent **b);
typedef int (*glob_error_fn)(const char *path, int error);
typedef int (*ftw_fn)(const char *path, const struct stat *st, int type);
typedef int (*nftw_fn)(const char *path, const struct stat *st, int type, struct FTW *ftw);

extern _Atomic(void *) real_functions[];

/* Finds @name in the libraries behind ours. A function that libc does not have (an older one) fails
 * with ENOSYS when called: -1, or NULL for one that returns a @pointer. */
void *real_resolve(unsigned int index, const char *name, int pointer);

/* NULL: nobody has asked yet. */
static inline void *real_known(unsigned int index)
{
	return atomic_load_explicit(&real_functions[index], memory_order_relaxed);
}

static inline void *real_get(unsigned int index, const char *name, int pointer)
{
	void *fn = atomic_load_explicit(&real_functions[index], memory_order_relaxed);

	return likely(fn != NULL) ? fn : real_resolve(index, name, pointer);
}

#endif
