/* SPDX-License-Identifier: BSD-3-Clause */
/* The wrappers' guards (wrappers.tbl): each a few instructions when the call is not for us. */
#ifndef PRELOAD_GUARD_H
#define PRELOAD_GUARD_H

#include <linux/vfio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "base/fd.h"
#include "file/file.h"
#include "preload/dir.h"
#include "preload/door.h"
#include "preload/fdset.h"
#include "preload/huge.h"
#include "preload/kvm.h"
#include "preload/path.h"
#include "preload/stdio_door.h"
#include "preload/uevent.h"

static inline bool door_fd(int fd)
{
	return file_fd_maybe(fd) && lib_depth == 0;
}

/* Files of huge pages as well. */
static inline bool door_fd_pages(int fd)
{
	return lib_depth == 0 && (file_fd_maybe(fd) || fdset_has(&fdset_huge, fd));
}

static inline bool door_fd_dir(int fd)
{
	return fdset_has(&fdset_dirs, fd) && lib_depth == 0;
}

/* Whether there is a file of ours, or any number is known: the counts are 0 nearly always. */
static inline bool door_files_known(void)
{
	return unlikely(atomic_load_explicit(&file_fd_count, memory_order_relaxed));
}

static inline bool door_fds_known(void)
{
	return unlikely(atomic_load_explicit(&file_fd_count, memory_order_relaxed) |
			atomic_load_explicit(&fdset_total, memory_order_relaxed) |
			atomic_load_explicit(&fd_own_count, memory_order_relaxed));
}

static inline bool door_fd_close(int fd)
{
	return door_fds_known() && lib_depth == 0 &&
	       (file_fd_maybe(fd) || fdset_has(&fdset_dirs, fd) || fdset_has(&fdset_uevents, fd) ||
		fdset_has(&fdset_huge, fd) || fdset_has(&fdset_kvm, fd) || fd_is_own(fd));
}

static inline bool door_fd_any(int fd)
{
	return door_fds_known() && lib_depth == 0 &&
	       (file_fd_maybe(fd) || fdset_has(&fdset_dirs, fd) || fdset_has(&fdset_uevents, fd) ||
		fdset_has(&fdset_huge, fd) || fdset_has(&fdset_kvm, fd));
}

/* Whether the end of a directory stream is of interest. */
static inline bool door_streams(void)
{
	return lib_depth == 0 &&
	       (unlikely(atomic_load_explicit(&fdset_dirs.count, memory_order_relaxed)) ||
		door_lists());
}

static inline bool door_waits(void)
{
	return lib_depth == 0 && atomic_load_explicit(&file_waiting, memory_order_relaxed) > 0;
}

/* An fd of ours that came past libc is found out by its first command. */
static inline bool door_wants_ioctl(int fd, unsigned long cmd)
{
	if (lib_depth > 0)
		return false;
	return file_fd_maybe(fd) || (_IOC_TYPE(cmd) == VFIO_TYPE && door_on()) ||
	       kvm_wants_ioctl(fd, cmd);
}

/* A message may take an fd of ours along. */
static inline bool door_wants_sendmsg(int fd)
{
	return (door_files_known() && lib_depth == 0) || door_fd_uevent(fd);
}

/* A new number from libc: whatever was known of it is over. */
static inline int door_fresh_fd(int fd)
{
	if (unlikely(fdset_has(&fdset_dirs, fd)) && lib_depth == 0)
		fdset_remove(&fdset_dirs, fd);
	if (unlikely(fdset_has(&fdset_huge, fd)) && lib_depth == 0)
		fdset_remove(&fdset_huge, fd);
	if (unlikely(fdset_has(&fdset_kvm, fd)) && lib_depth == 0)
		kvm_fd_stale(fd);
	return fd;
}

/* Below the session's sudo (identity.c). */
extern atomic_bool identity_given;

static inline bool door_identity(void)
{
	return lib_depth == 0 && atomic_load_explicit(&identity_given, memory_order_relaxed);
}

static inline bool door_wants_seccomp(int option)
{
	return option == PR_SET_SECCOMP && door_on();
}

static inline bool door_wants_mmap(int flags, int fd)
{
	if (unlikely(huge_wants_mmap(flags, fd)))
		return true;
	if (!door_machine_lives())
		return false;
	return (flags & MAP_FIXED) || (!(flags & MAP_ANONYMOUS) && fd >= 0);
}

#endif
