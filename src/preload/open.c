/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening names of the tree.
 *
 * Directories, and attributes whose file in the tree holds their value (machine/tree.h), are opened
 * where they are: reading them builds no machine. All else is a file of the machine's. stdio over
 * such a file is a stream of its own kind, because libc writes inside itself.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "file/file.h"
#include "machine/kmsg.h"
#include "machine/machine.h"
#include "machine/pagemap.h"
#include "machine/session.h"
#include "machine/shared.h"
#include "machine/tree.h"
#include "machine/uevent_host.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/huge.h"
#include "preload/kvm.h"
#include "preload/path.h"
#include "preload/stdio_door.h"

/* A name that is not there: the kernel's file systems create nothing. */
static int missing(int error, int flags, const char *real)
{
	return error == -ENOENT && (flags & O_CREAT) && path_has_parent(real) ? -EACCES : error;
}

static int open_real(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags, mode);

	return fd < 0 ? -errno : fd;
}

/* What open_machine() gives for a file that is to be opened where it is: no fd, and no -errno. */
#define NOT_THE_MACHINES INT_MAX

static int open_machine(const char *path, int flags)
{
	struct file *file;
	bool attribute, writable;
	int ret;

	ret = door_open_file(path, flags, &file);
	if (ret)
		return ret > 0 ? NOT_THE_MACHINES : ret;
	attribute = S_ISREG(file->mode);
	writable = attribute && (flags & O_ACCMODE) != O_RDONLY;
	if (writable)
		stdio_prepare(file);
	ret = file_install(file, flags);
	if (ret < 0) {
		file_put(file);
		return ret;
	}
	if (attribute)
		fdset_add(&fdset_served, ret);
	if (writable)
		fdset_add(&fdset_attrs, ret);
	return ret;
}

/* @tp is in the tree. The fd or -errno. */
static int open_tree(struct tree_path *tp, int flags, mode_t mode)
{
	struct stat st;
	int ret;

	/* Behind the session's commands stands this program's own file. */
	if ((flags & O_ACCMODE) != O_RDONLY && session_elsewhere(tp->logical))
		return -EACCES;
	if (huge_path(tp))
		return huge_open(tp, flags, mode);
	ret = path_canonical(tp, !(flags & O_NOFOLLOW));
	if (ret)
		return missing(ret, flags, tp->real);
	if (!tp->tree)
		return open_real(tp->real, flags, 0);
	if (lstat(tp->real, &st))
		return -errno;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	flags &= ~(O_CREAT | O_EXCL | O_TRUNC);
	if (!(flags & O_PATH) && S_ISREG(st.st_mode)) {
		if (flags & O_DIRECTORY)
			return -ENOTDIR;
		if ((flags & O_ACCMODE) != O_RDONLY || (st.st_mode & TREE_SERVED)) {
			ret = open_machine(tp->logical, flags);
			if (ret != NOT_THE_MACHINES)
				return ret;
		}
	}
	ret = open_real(tp->real, flags, 0);
	if (ret >= 0 && S_ISDIR(st.st_mode))
		fdset_add(&fdset_dirs, ret);
	return ret;
}

/* Whether the host's @path matters: a directory with parts of the tree in or below it, or KVM. */
static bool matters(const char *path)
{
	return !strcmp(path, "/") || !strcmp(path, "/dev") || !strcmp(path, "/dev/kvm") ||
	       !strcmp(path, "/proc") || !strncmp(path, "/proc/s", 7) || !strcmp(path, "/run") ||
	       !strcmp(path, "/sys") || !strncmp(path, "/sys/", 5);
}

/* A name of the host's that the machine serves when it is opened so. */
static bool machine_wants(const char *path, int flags)
{
	return uevent_host_wants(path, flags) || pagemap_wants(door_session(), path, flags);
}

static int open_host(const struct tree_path *tp, int dirfd, const char *path, int flags,
		     mode_t mode)
{
	struct stat st;
	int fd;

	if (machine_wants(tp->logical, flags))
		return open_machine(tp->logical, flags);
	fd = openat(dirfd, path, flags, mode);
	if (fd < 0)
		return -errno;
	if (!strcmp(tp->logical, "/dev/kvm")) {
		door_kvm_opened();
		kvm_fd_add(fd, KVM_FD_SYSTEM, NULL);
	}
	if (matters(tp->logical) && !fstat(fd, &st) && S_ISDIR(st.st_mode))
		fdset_add(&fdset_dirs, fd);
	return fd;
}

/* A file of ours by the name of its fd. The kernel opens what is behind the fd anew; an anonymous
 * inode cannot be opened. False: @logical names none of ours. */
static bool open_again(const char *logical, int flags, int *ret)
{
	int fd = path_named_fd(logical);
	struct file *file = fd >= 0 && file_fd_maybe(fd) ? file_from_fd(fd) : NULL;
	struct tree_path tp;

	if (!file)
		return false;
	strcpy(tp.logical, file->path);
	file_put(file);
	tp.tree = session_translate(door_session(), tp.logical, tp.real, sizeof(tp.real));
	*ret = tp.tree ? open_tree(&tp, flags, 0) : -ENXIO;
	return true;
}

bool door_open(int *ret, int dirfd, const char *path, int flags, mode_t mode)
{
	struct tree_path tp;
	struct door door;
	int fd;

	if (path_resolve(dirfd, path, &tp)) {
		/* The kernel's open() of such files does not wait: nothing to cancel. */
		door_enter(&door);
		if (tp.tree)
			fd = open_tree(&tp, flags, mode);
		else
			fd = open_host(&tp, AT_FDCWD, tp.real, flags, mode);
	} else {
		if (!door_session() || path_by_real_name(dirfd, path) ||
		    path_logical(dirfd, path, &tp))
			return false;
		door_enter(&door);
		if (open_again(tp.logical, flags, &fd)) {
			*ret = (int)door_return(&door, fd);
			return true;
		}
		if (!matters(tp.logical) && !machine_wants(tp.logical, flags)) {
			door_leave(&door);
			return false;
		}
		fd = open_host(&tp, dirfd, path, flags, mode);
	}
	*ret = (int)door_return(&door, fd);
	return true;
}

bool door_klogctl(int *ret, int type, char *buf, int len)
{
	struct session *session = door_session();
	struct door door;

	if (!session || !session_shared(session))
		return false;
	door_enter(&door);
	*ret = (int)door_return(&door, kmsg_syslog(session, type, buf, len));
	return true;
}

/* ---- stdio ------------------------------------------------------------------------------- */

/* fopen()'s second argument as open()'s; -1: not a valid one. */
static int mode_flags(const char *how)
{
	int flags;

	switch (*how++) {
	case 'r':
		flags = O_RDONLY;
		break;
	case 'w':
		flags = O_WRONLY | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = O_WRONLY | O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	for (; *how && *how != ','; how++) {
		if (*how == '+')
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		else if (*how == 'e')
			flags |= O_CLOEXEC;
		else if (*how == 'x')
			flags |= O_EXCL;
	}
	return flags;
}

/* A stream on the open @fd; libc's own unless the fd is a file of ours. */
static FILE *stream_on(int fd, const char *how)
{
	struct file *file = file_from_fd(fd);
	FILE *stream;

	if (!file)
		return fdopen(fd, how);
	file_put(file);
	stream = stdio_stream(fd, how);
	return stream;
}

/* A name of the tree (@tp->tree), one of the host's that the machine serves, or one that libc is
 * to be given in another form. */
static bool is_ours(const char *path, int flags, struct tree_path *tp)
{
	if (path_resolve(AT_FDCWD, path, tp))
		return true;
	tp->tree = false;
	return door_session() && !path_logical(AT_FDCWD, path, tp) &&
	       machine_wants(tp->logical, flags);
}

bool door_fopen(FILE **ret, const char *path, const char *how)
{
	int fd, flags = mode_flags(how), error;
	struct tree_path tp;
	struct door door;

	if (flags < 0 || !is_ours(path, flags, &tp))
		return false;
	door_enter(&door);
	if (!tp.tree && !machine_wants(tp.logical, flags)) {
		*ret = fopen(tp.real, how);
		door_return(&door, *ret ? 0 : -errno);
		return true;
	}
	*ret = NULL;
	fd = tp.tree ? open_tree(&tp, flags, 0666) : open_machine(tp.logical, flags);
	if (fd >= 0) {
		*ret = stream_on(fd, how);
		error = errno;
		if (!*ret) {
			if (file_fd_maybe(fd))
				file_fd_close(fd);
			close(fd);
			fd = -error;
		}
	}
	door_return(&door, MIN(fd, 0));
	return true;
}

/* A file whose reads fail with EIO, whoever makes them: the memory at address 0. */
static int open_unreadable(void)
{
	return open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
}

bool door_freopen(FILE **ret, const char *path, const char *how, FILE *stream)
{
	int fd, plain, to = fileno(stream), flags = mode_flags(how);
	struct tree_path tp;
	struct door door;

	if (flags < 0 || to < 0 || !path_resolve(AT_FDCWD, path, &tp))
		return false;
	if (!tp.tree) {
		door_enter(&door);
		*ret = freopen(tp.real, how, stream);
		door_return(&door, *ret ? 0 : -errno);
		return true;
	}
	/* The stream stays libc's; what stands behind its fd becomes the tree's file. */
	door_enter(&door);
	fflush(stream);
	fd = open_tree(&tp, flags, 0666);
	plain = fd >= 0 ? fd_plain_copy(fd) : -EBADF;
	if (plain == -EIO)
		plain = open_unreadable();
	door_leave(&door);
	if (fd < 0) {
		fclose(stream);
		errno = -fd;
		*ret = NULL;
		return true;
	}
	/* As a program would: through the doors, so that the new number is known. */
	*ret = freopen("/dev/null", how, stream);
	if (*ret && fileno(*ret) >= 0 && dup2(plain < 0 ? fd : plain, fileno(*ret)) < 0)
		*ret = NULL;
	if (plain >= 0)
		close(plain);
	close(fd);
	return true;
}

bool door_fdopen(FILE **ret, int fd, const char *how)
{
	struct file *file;
	struct door door;

	door_enter(&door);
	file = file_from_fd(fd);
	*ret = file ? stdio_stream(fd, how) : NULL;
	if (file)
		file_put(file);
	door_return(&door, file && !*ret ? -errno : 0);
	return file != NULL;
}
