/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes and commands to files of ours. The program's pointers are only handed on: the operations
 * copy with base/copy.h. read and write stay cancellation points: the door itself is passed with
 * cancellation off, because locks are taken behind it.
 */
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/copy.h"
#include "file/file.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/huge.h"
#include "preload/kvm.h"
#include "preload/stdio_door.h"

#define IOV_ON_STACK 8
/* No attribute takes more in one write. */
#define GATHER_MAX 65536U

/* Enters the door for @fd; NULL: not a file of ours, the door is left again. */
static struct file *enter(struct door *door, int fd, bool cancellable)
{
	struct file *file;

	if (cancellable)
		pthread_testcancel();
	door_enter(door);
	/* First what libc wrote here by itself. */
	if (unlikely(fdset_has(&fdset_attrs, fd)))
		stdio_store(fd);
	file = file_from_fd(fd);
	if (!file)
		door_leave(door);
	return file;
}

static long leave(struct door *door, struct file *file, long ret)
{
	file_put(file);
	return door_return(door, ret);
}

/* Commands that the kernel carries out for every descriptor, whatever is behind it. */
static bool of_every_fd(unsigned long cmd)
{
	return cmd == FIOCLEX || cmd == FIONCLEX || cmd == FIONBIO || cmd == FIOASYNC;
}

/* The open file is told, as well as the memfd: F_GETFL asks the former. */
static void note_nonblock(int fd, unsigned long arg)
{
	struct door door;
	struct file *file = enter(&door, fd, false);
	int on;

	if (!file)
		return;
	if (!copy_from_user(&on, arg, sizeof(on)))
		file->oflags = on ? file->oflags | O_NONBLOCK : file->oflags & ~O_NONBLOCK;
	leave(&door, file, 0);
}

/* A command of VFIO's to an fd of which nothing is known: another process' file, that came past the
 * doors. */
static bool came_unseen(int fd, unsigned long cmd)
{
	struct door door;
	bool ret;

	if (_IOC_TYPE(cmd) != VFIO_TYPE)
		return false;
	door_enter(&door);
	ret = message_adopt(fd);
	door_leave(&door);
	return ret;
}

bool door_ioctl(int *ret, int fd, unsigned long cmd, unsigned long arg)
{
	struct door door;
	struct file *file;

	if (kvm_wants_ioctl(fd, cmd))
		return kvm_door_ioctl(ret, fd, cmd, arg);
	if (cmd == FIONBIO)
		note_nonblock(fd, arg);
	if (of_every_fd(cmd))
		return false;
	file = enter(&door, fd, false);
	if (!file && came_unseen(fd, cmd))
		file = enter(&door, fd, false);
	if (!file)
		return false;
	*ret = (int)leave(&door, file, file_ioctl(file, (unsigned int)cmd, arg));
	return true;
}

bool door_read(ssize_t *ret, int fd, void *buf, size_t count)
{
	struct door door;
	struct file *file = enter(&door, fd, true);

	if (!file)
		return false;
	*ret = leave(&door, file, file_read(file, (uintptr_t)buf, count));
	return true;
}

bool door_write(ssize_t *ret, int fd, const void *buf, size_t count)
{
	struct door door;
	struct file *file;

	if (huge_refuses_write(ret, fd))
		return true;
	file = enter(&door, fd, true);
	if (!file)
		return false;
	*ret = leave(&door, file, file_write(file, (uintptr_t)buf, count));
	return true;
}

bool door_pread(ssize_t *ret, int fd, void *buf, size_t count, off_t pos)
{
	struct door door;
	struct file *file = enter(&door, fd, true);

	if (!file)
		return false;
	*ret = leave(&door, file,
		     pos < 0 ? -EINVAL : file_pread(file, (uintptr_t)buf, count, (uint64_t)pos));
	return true;
}

bool door_pwrite(ssize_t *ret, int fd, const void *buf, size_t count, off_t pos)
{
	struct door door;
	struct file *file;

	if (huge_refuses_write(ret, fd))
		return true;
	file = enter(&door, fd, true);
	if (!file)
		return false;
	*ret = leave(&door, file,
		     pos < 0 ? -EINVAL : file_pwrite(file, (uintptr_t)buf, count, (uint64_t)pos));
	return true;
}

/* ---- vectors ----------------------------------------------------------------------------- */

struct vector {
	struct iovec stack[IOV_ON_STACK], *iov;
	int n;
};

static void vector_put(struct vector *v)
{
	if (v->iov != v->stack)
		free(v->iov);
}

static int vector_get(struct vector *v, const struct iovec *iov, int n)
{
	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	v->n = n;
	v->iov = v->stack;
	if (n > IOV_ON_STACK) {
		v->iov = malloc((size_t)n * sizeof(*iov));
		if (!v->iov)
			return -ENOMEM;
	}
	if (copy_from_user(v->iov, (uintptr_t)iov, (size_t)n * sizeof(*iov))) {
		vector_put(v);
		return -EFAULT;
	}
	for (n = 0; n < v->n; n++) {
		if ((ssize_t)v->iov[n].iov_len < 0) {
			vector_put(v);
			return -EINVAL;
		}
	}
	return 0;
}

/* An attribute takes all pieces as one write. */
static ssize_t gather(struct file *file, const struct vector *v, off_t pos)
{
	char *buf = malloc(GATHER_MAX);
	size_t len = 0, piece;
	ssize_t ret = 0;
	int i;

	if (!buf)
		return -ENOMEM;
	for (i = 0; i < v->n && !ret && len < GATHER_MAX; i++) {
		piece = MIN(v->iov[i].iov_len, GATHER_MAX - len);
		ret = copy_from_user(buf + len, (uintptr_t)v->iov[i].iov_base, piece);
		len += piece;
	}
	if (!ret)
		ret = pos < 0 ? file_write(file, (uintptr_t)buf, len)
			      : file_pwrite(file, (uintptr_t)buf, len, (uint64_t)pos);
	free(buf);
	return ret;
}

static ssize_t one_piece(struct file *file, const struct iovec *iov, bool write, off_t pos)
{
	uintptr_t base = (uintptr_t)iov->iov_base;

	if (pos < 0)
		return write ? file_write(file, base, iov->iov_len)
			     : file_read(file, base, iov->iov_len);
	return write ? file_pwrite(file, base, iov->iov_len, (uint64_t)pos)
		     : file_pread(file, base, iov->iov_len, (uint64_t)pos);
}

static ssize_t each_piece(struct file *file, const struct vector *v, bool write, off_t pos)
{
	ssize_t done = 0, ret;
	int i;

	for (i = 0; i < v->n; i++) {
		ret = one_piece(file, &v->iov[i], write, pos < 0 ? pos : pos + done);
		if (ret < 0)
			return done ? done : ret;
		done += ret;
		if ((size_t)ret < v->iov[i].iov_len)
			break;
	}
	return done;
}

static bool vectored(ssize_t *ret, int fd, const struct iovec *iov, int n, bool write, off_t pos)
{
	struct door door;
	struct file *file;
	struct vector v;
	ssize_t done;

	if (write && huge_refuses_write(ret, fd))
		return true;
	file = enter(&door, fd, true);
	if (!file)
		return false;
	done = vector_get(&v, iov, n);
	if (!done) {
		if (write && S_ISREG(file->mode))
			done = gather(file, &v, pos);
		else
			done = each_piece(file, &v, write, pos);
		vector_put(&v);
	}
	*ret = leave(&door, file, done);
	return true;
}

bool door_readv(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos)
{
	return vectored(ret, fd, iov, n, false, pos);
}

bool door_writev(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos)
{
	return vectored(ret, fd, iov, n, true, pos);
}

/* preadv(2) and pwritev(2) know no "at the position". */
static bool bad_pos(ssize_t *ret, int fd, off_t pos)
{
	if (pos >= 0)
		return false;
	errno = EINVAL;
	*ret = -1;
	return true;
}

bool door_preadv(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos)
{
	return bad_pos(ret, fd, pos) || vectored(ret, fd, iov, n, false, pos);
}

bool door_pwritev(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos)
{
	return bad_pos(ret, fd, pos) || vectored(ret, fd, iov, n, true, pos);
}

/* ---- the rest ---------------------------------------------------------------------------- */

bool door_lseek(off_t *ret, int fd, off_t off, int whence)
{
	struct door door;
	struct file *file = enter(&door, fd, false);

	if (!file)
		return false;
	*ret = leave(&door, file, file_lseek(file, off, whence));
	return true;
}

/* A device has no size to change, an attribute's does not matter. */
bool door_ftruncate_file(int *ret, int fd, off_t len)
{
	struct door door;
	struct file *file = enter(&door, fd, false);

	if (!file)
		return false;
	*ret = (int)leave(&door, file, S_ISREG(file->mode) && len >= 0 ? 0 : -EINVAL);
	return true;
}

/* Returns its error, and glibc would write zeroes to a file that cannot do it. */
bool door_posix_fallocate_file(int *ret, int fd)
{
	struct door door;
	struct file *file = enter(&door, fd, false);

	if (!file)
		return false;
	*ret = S_ISCHR(file->mode) ? ENODEV : EOPNOTSUPP;
	leave(&door, file, 0);
	return true;
}

bool door_vdprintf(int *ret, int fd, const char *format, va_list ap)
{
	struct door door;
	struct file *file = enter(&door, fd, true);
	char *text = NULL;
	long len;

	if (!file)
		return false;
	len = vasprintf(&text, format, ap);
	if (len >= 0)
		len = file_write(file, (uintptr_t)text, (size_t)len);
	else
		len = -ENOMEM;
	free(text);
	*ret = (int)leave(&door, file, len);
	return true;
}
