/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File descriptors that come and go. A number is forgotten before the system call that frees it, as
 * another thread may get it at once. The library's own fds are not the program's to close.
 */
#include <linux/close_range.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "machine/share.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/huge.h"
#include "preload/kvm.h"
#include "preload/stdio_door.h"
#include "preload/uevent.h"
#include "preload/wrappers.h"

/* What libc wrote into @fd by itself is stored before its number means something else. */
static void settle(int fd)
{
	if (fdset_has(&fdset_attrs, fd))
		stdio_store(fd);
}

/* A file that is in two processes may be closed in a moment. */
static void tell_soon(void)
{
	struct uvfio_machine *machine = atomic_load(&door_machine_ptr);

	if (machine)
		share_sweep_soon(machine);
}

/* @fd is about to be closed or replaced. Depth raised. */
static void forget(int fd)
{
	settle(fd);
	if (fdset_has(&fdset_attrs, fd))
		fdset_remove(&fdset_attrs, fd);
	if (fdset_has(&fdset_served, fd))
		fdset_remove(&fdset_served, fd);
	if (fdset_has(&fdset_dirs, fd))
		fdset_remove(&fdset_dirs, fd);
	if (fdset_has(&fdset_uevents, fd))
		fdset_remove(&fdset_uevents, fd);
	if (fdset_has(&fdset_huge, fd))
		fdset_remove(&fdset_huge, fd);
	kvm_fd_forget(fd);
	if (!file_fd_maybe(fd))
		return;
	file_fd_close(fd);
	if (unlikely(atomic_load_explicit(&share_count, memory_order_relaxed)))
		tell_soon();
}

/* @to is now what @from is. */
static void learn(int from, int to)
{
	if (file_fd_maybe(from))
		file_fd_dup(from, to);
	if (fdset_has(&fdset_attrs, from))
		fdset_add(&fdset_attrs, to);
	if (fdset_has(&fdset_served, from))
		fdset_add(&fdset_served, to);
	if (fdset_has(&fdset_huge, from))
		fdset_add(&fdset_huge, to);
	else if (fdset_has(&fdset_huge, to))
		fdset_remove(&fdset_huge, to);
	if (fdset_has(&fdset_dirs, from))
		fdset_add(&fdset_dirs, to);
	else if (fdset_has(&fdset_dirs, to))
		fdset_remove(&fdset_dirs, to);
	if (fdset_has(&fdset_uevents, from))
		fdset_add(&fdset_uevents, to);
	if (fdset_has(&fdset_kvm, from))
		kvm_fd_dup(from, to);
	else
		kvm_fd_forget(to);
}

static bool known(int fd)
{
	return file_fd_maybe(fd) || fdset_has(&fdset_dirs, fd) || fdset_has(&fdset_uevents, fd) ||
	       fdset_has(&fdset_huge, fd) || fdset_has(&fdset_kvm, fd);
}

/* When close returns, a file that is in two processes is released if nobody else holds it: the
 * number goes first, then its file. */
static int close_shared(int fd)
{
	struct uvfio_machine *machine = atomic_load(&door_machine_ptr);
	struct file *file = file_from_fd(fd);
	int ret;

	forget(fd);
	ret = raw_close(fd);
	if (file)
		file_put(file);
	if (machine)
		share_sweep(machine);
	return ret;
}

bool door_close(int *ret, int fd)
{
	struct door door;

	if (fd_is_own(fd)) {
		errno = EBADF;
		*ret = -1;
		return true;
	}
	door_enter(&door);
	if (huge_fd_known(fd)) {
		*ret = (int)door_return(&door, huge_close(fd));
		return true;
	}
	if (unlikely(atomic_load_explicit(&share_count, memory_order_relaxed)) &&
	    file_fd_maybe(fd)) {
		*ret = (int)door_return(&door, close_shared(fd));
		return true;
	}
	forget(fd);
	door_leave(&door);
	/* libc's, a cancellation point. */
	return false;
}

/* Closes what is in [first, last] and not the library's own. 0 or -errno. */
static int close_others(unsigned int first, unsigned int last, unsigned int flags)
{
	long own, ret = 0;

	while (first <= last && !ret) {
		own = first <= INT32_MAX ? fd_next_own((int)first) : -1;
		if (own < 0 || (unsigned int)own > last)
			return (int)sysraw3(SYS_close_range, first, last, flags);
		if ((unsigned int)own > first)
			ret = sysraw3(SYS_close_range, first, own - 1, flags);
		first = (unsigned int)own + 1;
	}
	return (int)ret;
}

static void forget_range(unsigned int first, unsigned int last)
{
	const struct fdset *const sets[] = { &fdset_attrs,   &fdset_served, &fdset_dirs,
					     &fdset_uevents, &fdset_huge,   &fdset_kvm };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sets); i++)
		for (fd = fdset_next(sets[i], (int)first); fd >= 0 && (unsigned int)fd <= last;
		     fd = fdset_next(sets[i], fd + 1))
			forget(fd);
	file_fd_close_range(first, last);
}

bool door_close_range(int *ret, unsigned int first, unsigned int last, int flags)
{
	struct door door;

	if (first > last || (flags & CLOSE_RANGE_CLOEXEC))
		return false;
	door_enter(&door);
	if (first <= INT32_MAX)
		forget_range(first, last);
	*ret = (int)door_return(&door, close_others(first, last, (unsigned int)flags));
	return true;
}

bool door_closefrom(int first)
{
	struct rlimit limit = { 1024, 1024 };
	unsigned int from = (unsigned int)MAX(first, 0), fd;
	struct door door;

	door_enter(&door);
	forget_range(from, UINT32_MAX);
	if (close_others(from, UINT32_MAX, 0)) {
		getrlimit(RLIMIT_NOFILE, &limit);
		for (fd = from; fd < limit.rlim_cur; fd++)
			if (!fd_is_own((int)fd))
				raw_close((int)fd);
	}
	door_leave(&door);
	return true;
}

bool door_dup(int *ret, int fd)
{
	struct door door;
	int to;

	door_enter(&door);
	settle(fd);
	to = dup(fd);
	if (to >= 0)
		learn(fd, to);
	*ret = (int)door_return(&door, to < 0 ? -errno : to);
	return true;
}

/* A device is no text, and a page map has no end. */
static bool is_text(const struct file *file)
{
	const char *name = strrchr(file->path, '/');

	return strncmp(file->path, "/dev/", 5) != 0 && (!name || strcmp(name, "/pagemap") != 0);
}

int fd_plain_copy(int fd)
{
	struct file *file = fdset_has(&fdset_served, fd) ? file_from_fd(fd) : NULL;
	uint64_t pos = 0;
	ssize_t n = -EINVAL;
	char buf[4096];
	int copy = -EBADF;

	if (!file)
		return -EBADF;
	if ((file->oflags & O_ACCMODE) == O_RDONLY && is_text(file))
		copy = raw_memfd_create("sysfs", MFD_CLOEXEC);
	while (copy >= 0 && (n = file_pread(file, (uintptr_t)buf, sizeof(buf), pos)) > 0) {
		n = raw_pwrite(copy, buf, (size_t)n, pos);
		if (n <= 0)
			break;
		pos += (uint64_t)n;
	}
	file_put(file);
	if (copy >= 0 && n < 0) {
		raw_close(copy);
		copy = (int)n;
	}
	return copy;
}

/* An attribute becomes stdin: libc will read there by itself. */
static int dup_to_stdin(int copy)
{
	int fd;

	/* The shell has closed it before, and the copy took its place. */
	if (copy == STDIN_FILENO) {
		raw_fcntl(copy, F_SETFD, 0);
		return copy;
	}
	if (known(STDIN_FILENO))
		forget(STDIN_FILENO);
	fd = dup2(copy, STDIN_FILENO);
	raw_close(copy);
	return fd < 0 ? -errno : fd;
}

bool door_dup3(int *ret, int from, int to, int flags)
{
	struct door door;
	int fd;

	if (from == to || (!known(from) && !known(to) && !fd_is_own(to)))
		return false;
	door_enter(&door);
	if (fd_is_own(to)) {
		*ret = (int)door_return(&door, -EBUSY);
		return true;
	}
	settle(from);
	fd = to == STDIN_FILENO && flags <= 0 ? fd_plain_copy(from) : -EINVAL;
	if (fd >= 0) {
		*ret = (int)door_return(&door, dup_to_stdin(fd));
		return true;
	}
	/* A bad @from leaves @to as it is. */
	if (known(to) && fcntl(from, F_GETFD) >= 0)
		forget(to);
	fd = flags < 0 ? dup2(from, to) : dup3(from, to, flags);
	if (fd >= 0)
		learn(from, to);
	*ret = (int)door_return(&door, fd < 0 ? -errno : fd);
	return true;
}

/* The status flags are the open file's, which a memfd does not know. */
static long status_flags(int fd, int cmd, unsigned long arg)
{
	const int settable = O_APPEND | O_NONBLOCK;
	struct file *file = file_from_fd(fd);
	long ret = 0;

	if (!file)
		return -EBADF;
	if (cmd == F_GETFL)
		/* open() adds the kernel's O_LARGEFILE; an anonymous inode's file has none. */
		ret = (file->oflags & (O_ACCMODE | settable)) | (file->mode & S_IFMT ? 0x8000 : 0);
	else
		file->oflags = (file->oflags & ~settable) | ((int)arg & settable);
	file_put(file);
	return ret;
}

bool door_fcntl(int *ret, int fd, int cmd, unsigned long arg)
{
	struct door door;
	long to;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		door_enter(&door);
		settle(fd);
		to = fcntl(fd, cmd, arg);
		if (to >= 0)
			learn(fd, (int)to);
		*ret = (int)door_return(&door, to < 0 ? -errno : to);
		return true;
	case F_GETFL:
	case F_SETFL:
		door_enter(&door);
		to = status_flags(fd, cmd, arg);
		if (to == -EBADF) {
			door_leave(&door);
			return false;
		}
		*ret = (int)door_return(&door, to);
		return true;
	default:
		return false;
	}
}
