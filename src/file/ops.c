/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checks that stand before a file's operations, in the order of the kernel's fs/read_write.c
 * and fs/ioctl.c: whether the file was opened for it, whether it can do it at all, whether the
 * buffer may be an address of the program's, whether the position is one. A file that was inherited
 * over a fork is dead: EIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/sysraw.h"
#include "file/file_priv.h"

/* The kernel moves at most this much in one call. */
#define MAX_RW_COUNT (INT_MAX & HOST_PAGE_MASK)
/* The end of user addresses with 4-level page tables. */
#define TASK_SIZE_MAX 0x7ffffffff000UL

static bool is_dead(struct file *file)
{
	return atomic_load_explicit(&file_obj(file)->dead, memory_order_relaxed);
}

static bool access_ok(uintptr_t ubuf, size_t count)
{
	return count <= TASK_SIZE_MAX && ubuf <= TASK_SIZE_MAX - count;
}

static ssize_t do_rw(struct file *file, bool write, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	ssize_t (*op)(struct file *, uintptr_t, size_t, uint64_t *) = write ? file->ops->write
									    : file->ops->read;
	int mode = file->oflags & O_ACCMODE;

	if (mode == (write ? O_RDONLY : O_WRONLY))
		return -EBADF;
	if (!op)
		return -EINVAL;
	if (!access_ok(ubuf, count))
		return -EFAULT;
	if (*pos > INT64_MAX || count > SSIZE_MAX)
		return -EINVAL;
	if (is_dead(file))
		return -EIO;
	return op(file, ubuf, MIN(count, MAX_RW_COUNT), pos);
}

ssize_t file_pread(struct file *file, uintptr_t ubuf, size_t count, uint64_t pos)
{
	if (pos > INT64_MAX)
		return -EINVAL;
	return do_rw(file, false, ubuf, count, &pos);
}

ssize_t file_pwrite(struct file *file, uintptr_t ubuf, size_t count, uint64_t pos)
{
	if (pos > INT64_MAX)
		return -EINVAL;
	return do_rw(file, true, ubuf, count, &pos);
}

static ssize_t rw_at_pos(struct file *file, bool write, uintptr_t ubuf, size_t count)
{
	struct file_obj *obj = file_obj(file);
	ssize_t ret;

	pthread_mutex_lock(&obj->pos_lock);
	ret = do_rw(file, write, ubuf, count, &file->pos);
	pthread_mutex_unlock(&obj->pos_lock);
	return ret;
}

ssize_t file_read(struct file *file, uintptr_t ubuf, size_t count)
{
	return rw_at_pos(file, false, ubuf, count);
}

ssize_t file_write(struct file *file, uintptr_t ubuf, size_t count)
{
	return rw_at_pos(file, true, ubuf, count);
}

static int64_t memfd_size(struct file *file)
{
	struct stat st;
	int ret = raw_fstat(file->memfd, &st);

	return ret ? ret : st.st_size;
}

atomic_uint file_waiting;

bool file_waits(const struct file *file)
{
	return file->ops->poll != NULL;
}

int file_poll(struct file *file)
{
	if (is_dead(file))
		return POLLERR;
	return file->ops->poll ? file->ops->poll(file) : POLLIN | POLLOUT;
}

int64_t file_lseek(struct file *file, int64_t off, int whence)
{
	struct file_obj *obj = file_obj(file);
	int64_t size = 0, pos;

	if (whence < SEEK_SET || whence > SEEK_HOLE)
		return -EINVAL;
	if (file->ops->lseek && !is_dead(file)) {
		pthread_mutex_lock(&obj->pos_lock);
		pos = file->ops->lseek(file, off, whence);
		pthread_mutex_unlock(&obj->pos_lock);
		return pos;
	}
	/* Device nodes and device fds have no position that can be set. */
	if (!S_ISREG(file->mode))
		return -ESPIPE;
	if (whence >= SEEK_END) {
		size = memfd_size(file);
		if (size < 0)
			return size;
	}
	pthread_mutex_lock(&obj->pos_lock);
	pos = off;
	if (whence == SEEK_CUR)
		pos = (int64_t)(file->pos + (uint64_t)off);
	else if (whence == SEEK_END)
		pos = (int64_t)((uint64_t)size + (uint64_t)off);
	else if (whence == SEEK_HOLE)
		pos = size;
	if (whence >= SEEK_DATA && (off < 0 || off >= size))
		pos = -ENXIO;
	else if (pos < 0)
		pos = -EINVAL;
	else
		file->pos = (uint64_t)pos;
	pthread_mutex_unlock(&obj->pos_lock);
	return pos;
}

int file_stat(struct file *file, struct stat *st)
{
	int ret = raw_fstat(file->memfd, st);

	if (ret)
		return ret;
	st->st_mode = file->mode;
	st->st_rdev = file->rdev;
	st->st_blocks = 0;
	if (!S_ISREG(file->mode))
		st->st_size = 0;
	return 0;
}

long file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (!file->ops->ioctl)
		return -ENOTTY;
	if (is_dead(file))
		return -EIO;
	return file->ops->ioctl(file, cmd, arg);
}
