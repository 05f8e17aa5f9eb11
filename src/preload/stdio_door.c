/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/stdio_door.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "file/file.h"
#include "preload/doors.h"
#include "preload/stream.h"
#include "preload/wrappers.h"

/* More than this the kernel does not take for an attribute in one write. */
#define STORE_MAX 65536

void stdio_prepare(struct file *file)
{
	raw_ftruncate(file->memfd, 0);
}

static long position(int fd)
{
	return sysraw3(SYS_lseek, fd, 0, SEEK_CUR);
}

int stdio_store(int fd)
{
	long end = position(fd), start;
	struct file *file = file_from_fd(fd); /* puts the position back where it belongs */
	ssize_t ret = 0;
	char *buf;

	if (!file)
		return 0;
	start = position(fd);
	if (end > start && end - start <= STORE_MAX) {
		buf = malloc(STORE_MAX);
		ret = buf ? raw_pread(fd, buf, (size_t)(end - start), (uint64_t)start) : -ENOMEM;
		raw_ftruncate(fd, 0);
		if (ret > 0)
			ret = file_write(file, (uintptr_t)buf, (size_t)ret);
		free(buf);
	}
	file_put(file);
	return ret < 0 ? (int)ret : 0;
}

/* ---- streams of our own ------------------------------------------------------------------ */

static struct file *cookie_file(void *cookie)
{
	return file_from_fd((int)(intptr_t)cookie);
}

/* libc calls these at whatever depth the program's stdio call has: 0, or ours. */
static ssize_t cookie_read(void *cookie, char *buf, size_t count)
{
	return read((int)(intptr_t)cookie, buf, count);
}

static ssize_t cookie_write(void *cookie, const char *buf, size_t count)
{
	struct file *file;
	struct door door;
	ssize_t ret;

	door_enter(&door);
	file = cookie_file(cookie);
	ret = file ? file_write(file, (uintptr_t)buf, count) : -EBADF;
	if (file)
		file_put(file);
	ret = door_return(&door, ret);
	return ret < 0 ? STREAM_WRITE_ERROR : ret;
}

static int cookie_seek(void *cookie, off64_t *off, int whence)
{
	off_t ret = lseek((int)(intptr_t)cookie, *off, whence);

	if (ret < 0)
		return -1;
	*off = ret;
	return 0;
}

static int cookie_close(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

FILE *stdio_stream(int fd, const char *how)
{
	cookie_io_functions_t functions = {
		.read = cookie_read,
		.write = cookie_write,
		.seek = cookie_seek,
		.close = cookie_close,
	};
	FILE *stream = fopencookie((void *)(intptr_t)fd, how, functions);

	/* So that fileno() answers; libc itself does not use the number of such a stream. */
	if (stream)
		stream_set_fd(stream, fd);
	return stream;
}

/* ---- streams that were there ------------------------------------------------------------- */

static int store_all(void)
{
	int fd, error = 0, ret;

	for (fd = fdset_next(&fdset_attrs, 0); fd >= 0; fd = fdset_next(&fdset_attrs, fd + 1)) {
		ret = stdio_store(fd);
		if (ret)
			error = ret;
	}
	return error;
}

/* What libc's flush of @stream (NULL: all) left in memfds: 0 or -errno. */
static int store_flushed(FILE *stream)
{
	int fd, ret = 0;

	if (!stream)
		return store_all();
	fd = fileno_unlocked(stream);
	if (fd >= 0 && fdset_has(&fdset_attrs, fd))
		ret = stdio_store(fd);
	if (ret)
		stream_set_error(stream);
	return ret;
}

bool door_fflush(int *ret, FILE *stream)
{
	struct door door;
	int error;

	/* At depth 0: a stream of our own ends in the program's doors. */
	*ret = real_fflush(stream);
	error = errno;
	door_enter(&door);
	if (!*ret)
		error = -store_flushed(stream);
	door_leave(&door);
	if (*ret || error) {
		*ret = EOF;
		errno = error;
	}
	return true;
}

bool door_fclose(int *ret, FILE *stream)
{
	int fd = fileno_unlocked(stream), error;
	struct door door;

	if (fd < 0 || !fdset_has(&fdset_attrs, fd))
		return false;
	error = real_fflush(stream) ? errno : 0;
	door_enter(&door);
	if (!error)
		error = -store_flushed(stream);
	/* Streams of our own close the fd through the door, libc's do it inside. */
	fdset_remove(&fdset_attrs, fd);
	fdset_remove(&fdset_served, fd);
	if (file_fd_maybe(fd))
		file_fd_close(fd);
	*ret = real_fclose(stream);
	if (*ret && !error)
		error = errno;
	door_leave(&door);
	if (error) {
		*ret = EOF;
		errno = error;
	}
	return true;
}

/* exit() flushes after the last destructor; what is still in buffers then must have been stored. */
static __attribute__((destructor)) void store_at_exit(void)
{
	struct door door;

	if (!door_attrs())
		return;
	real_fflush(NULL);
	door_enter(&door);
	store_all();
	door_leave(&door);
}
