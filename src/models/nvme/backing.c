/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The medium of a controller: a file of the user's, a sparse file of the session, or a memfd.
 *
 * All three are mapped shared, so that data moves between them and the program's memory in one copy
 * and two processes of a session see the same disk. A mapped page may be missing at any time (the
 * file was truncated, its filesystem is full): everything here goes through base/copy.h, and who
 * copies by DMA asks nvme_backing_touch() first.
 *
 * No lock: the mapping never changes once it is there; the contents are guarded by the device lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/fd.h"
#include "models/nvme/backing.h"

/* Below this, zeroing by hand is cheaper than giving pages back. */
#define DISCARD_MIN (64u << 10)

static int file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return 0;
	}
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
	return -EINVAL;
}

int nvme_backing_file(struct nvme_backing *b, const char *path, uint64_t size, char *err,
		      size_t err_size)
{
	uint64_t have;
	int fd, rc;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		snprintf(err, err_size, "file=%s cannot be opened for reading and writing: %s; %s",
			 path, strerror(-rc),
			 rc == -ENOENT ? "create it with truncate(1), or leave file= out for memory"
				       : "name a file that you may write");
		return rc;
	}
	rc = file_size(fd, &have);
	fd_close(fd);
	if (rc) {
		snprintf(err, err_size,
			 "file=%s is neither a regular file nor a block device; name one", path);
		return rc;
	}
	if (size > have) {
		snprintf(err, err_size,
			 "file=%s holds %llu bytes, size= asks for %llu; enlarge the file with "
			 "truncate(1) or choose a smaller size=",
			 path, (unsigned long long)have, (unsigned long long)size);
		return -ENOSPC;
	}
	if (have == 0) {
		snprintf(err, err_size, "file=%s is empty; give it a size with truncate(1)", path);
		return -EINVAL;
	}
	/* Another process of the session, or a later chdir(), must find the same file. */
	b->path = realpath(path, NULL);
	if (!b->path) {
		rc = -errno;
		snprintf(err, err_size, "file=%s: %s; name a file that can be reached", path,
			 strerror(-rc));
		return rc;
	}
	b->size = size ? size : have;
	b->fd = -1;
	b->session = false;
	return 0;
}

int nvme_backing_memory(struct nvme_backing *b, const char *path, uint64_t size)
{
	b->path = NULL;
	if (path) {
		b->path = strdup(path);
		if (!b->path)
			return -ENOMEM;
	}
	b->size = size;
	b->fd = -1;
	b->session = true;
	return 0;
}

/* Files in memory have no stable storage behind them: syncing them means nothing. */
static bool fd_is_durable(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return true;
	return fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC;
}

static int open_medium(const struct nvme_backing *b)
{
	uint64_t have;
	int fd, rc;

	if (!b->path)
		return fd_memfd("uvfio-nvme", b->size);
	fd = open(b->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fd = fd_move_high(fd);
	if (fd < 0 || !b->session)
		return fd;
	rc = file_size(fd, &have);
	if (rc == 0 && have < b->size)
		rc = fd_set_size(fd, b->size);
	if (rc) {
		fd_close(fd);
		return rc;
	}
	return fd;
}

void nvme_backing_slice(struct nvme_backing *b, struct nvme_backing *whole, uint64_t start,
			uint64_t size)
{
	*b = (struct nvme_backing){
		.whole = whole, .start = start, .size = size, .session = whole->session, .fd = -1
	};
}

/* A slice has an fd of its own. */
static int open_slice(const struct nvme_backing *b)
{
	int rc = nvme_backing_map(b->whole), fd;

	if (rc)
		return rc;
	fd = fcntl(b->whole->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd_move_high(fd);
}

int nvme_backing_map(struct nvme_backing *b)
{
	void *mem;
	int fd, rc;

	if (b->mem)
		return 0;
	fd = b->whole ? open_slice(b) : open_medium(b);
	if (fd < 0)
		return fd;
	mem = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		   (off_t)b->start);
	if (mem == MAP_FAILED) {
		rc = -errno;
		fd_close(fd);
		return rc;
	}
	b->fd = fd;
	b->durable = !b->session && fd_is_durable(fd);
	b->mem = mem;
	rc = b->session ? nvme_holes_init(b) : 0;
	if (rc) {
		munmap(mem, b->size);
		fd_close(fd);
		b->mem = NULL;
	}
	return rc;
}

void nvme_backing_free(struct nvme_backing *b)
{
	if (b->mem) {
		munmap(b->mem, b->size);
		fd_close(b->fd);
	}
	nvme_holes_free(b);
	free(b->path);
	*b = (struct nvme_backing){ .fd = -1 };
}

bool nvme_backing_touch(struct nvme_backing *b, uint64_t off, uint64_t len, bool write)
{
	uintptr_t page = (uintptr_t)b->mem + ALIGN_DOWN(off, HOST_PAGE_SIZE);
	uintptr_t end = (uintptr_t)b->mem + off + len;

	for (; page < end; page += HOST_PAGE_SIZE)
		if (write ? touch_write(page) : touch_read(page))
			return false;
	nvme_holes_filled(b, off, len);
	return true;
}

const char *nvme_backing_why(const struct nvme_backing *b)
{
	uint64_t have;

	if (file_size(b->fd, &have) == 0 && have < b->start + b->size)
		return "the file behind the disk was truncated: commands end with media errors";
	return "no room for the disk's contents where its file is: commands end with media errors";
}

bool nvme_backing_read(const struct nvme_backing *b, uint64_t off, void *buf, size_t len)
{
	return copy_nofault(buf, b->mem + off, len) == 0;
}

bool nvme_backing_copy(const struct nvme_backing *b, uint64_t off, void *buf, size_t len)
{
	return pread(b->fd, buf, len, (off_t)(b->start + off)) == (ssize_t)len;
}

bool nvme_backing_zero(const struct nvme_backing *b, uint64_t off, uint64_t len)
{
	return zero_nofault(b->mem + off, len) == 0;
}

bool nvme_backing_discard(struct nvme_backing *b, uint64_t off, uint64_t len)
{
	uint64_t start = ALIGN_UP(off, HOST_PAGE_SIZE);
	uint64_t end = ALIGN_DOWN(off + len, HOST_PAGE_SIZE);

	/* A hole beyond a truncated file's end would be made without complaint. */
	if (len < DISCARD_MIN || start >= end ||
	    !nvme_backing_touch(b, end - HOST_PAGE_SIZE, HOST_PAGE_SIZE, false) ||
	    fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(b->start + start),
		      (off_t)(end - start)))
		return nvme_backing_zero(b, off, len);
	nvme_holes_punched(b, start, end - start);
	return nvme_backing_zero(b, off, start - off) && nvme_backing_zero(b, end, off + len - end);
}

bool nvme_backing_sync(const struct nvme_backing *b, uint64_t off, uint64_t len)
{
	uint64_t start = ALIGN_DOWN(off, HOST_PAGE_SIZE);

	if (!b->durable)
		return true;
	return msync(b->mem + start, off + len - start, MS_SYNC) == 0;
}
