/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of huge pages. A file is a sparse memfd; its name is an empty placeholder in the session's
 * directory, which the keeper has open, so that the placeholder's inode stays this file's for as
 * long as the file lives, and its link count tells whether there still is a name.
 *
 * Whether a file without name is used is the kernel's word: a read lease is refused while somebody
 * has the file open for writing, which all are but those that only look at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "machine/huge_server_priv.h"

static int reopen(int fd, int flags)
{
	char name[40];
	int ret;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ret = open(name, flags | O_CLOEXEC);
	return ret < 0 ? -errno : ret;
}

struct huge_file *huge_file_find(struct huge_server *server, uint64_t ino, bool by_name)
{
	struct huge_file *file;

	list_for_each_entry(file, &server->files, node)
		if (by_name ? file->name_fd >= 0 && file->name_ino == ino : file->ino == ino)
			return file;
	return NULL;
}

unsigned int huge_slot_inodes(struct huge_server *server, unsigned int slot)
{
	struct huge_file *file;
	unsigned int count = 1;

	list_for_each_entry(file, &server->files, node)
		count += file->mount == slot;
	return count;
}

static int make_memfd(struct huge_file *file, const struct huge_request *req, uint64_t *dev)
{
	struct stat st;
	int memfd, ret = 0;

	memfd = memfd_create(req->text, MFD_CLOEXEC | (req->flags & MFD_ALLOW_SEALING));
	if (memfd < 0)
		return -errno;
	file->fd = reopen(memfd, O_RDONLY);
	if (file->fd < 0 || fstat(memfd, &st) < 0)
		ret = file->fd < 0 ? file->fd : -errno;
	close(memfd);
	if (ret)
		return ret;
	file->ino = st.st_ino;
	*dev = st.st_dev;
	return 0;
}

/* Takes @name_fd (-1: none) in any case. */
static int file_create(struct huge_server *server, const struct huge_request *req, int name_fd,
		       uint64_t name_ino, struct huge_file **out)
{
	unsigned int slot = name_fd >= 0 ? req->node : NO_MOUNT;
	struct huge_file *file;
	int ret;

	if (req->size >= HUGE_SIZES || (slot != NO_MOUNT && slot >= SHARED_HUGE_MOUNTS)) {
		fd_close(name_fd);
		return -EINVAL;
	}
	if (slot != NO_MOUNT && server->shared->mount[slot].max_inodes &&
	    huge_slot_inodes(server, slot) >= server->shared->mount[slot].max_inodes) {
		fd_close(name_fd);
		return -ENOSPC;
	}
	file = FAIL_POINT() ? NULL : calloc(1, sizeof(*file));
	if (!file) {
		fd_close(name_fd);
		return -ENOMEM;
	}
	file->fd = -1;
	file->name_fd = name_fd;
	file->name_ino = name_ino;
	file->size = (enum huge_size)req->size;
	file->mount = slot;
	ret = make_memfd(file, req, &server->dev);
	if (ret) {
		fd_close(file->fd);
		fd_close(name_fd);
		free(file);
		return ret;
	}
	list_add_tail(&file->node, &server->files);
	atomic_fetch_add(&server->shared->files, 1);
	*out = file;
	return 0;
}

int huge_file_open(struct huge_server *server, const struct huge_request *req, int name_fd,
		   struct huge_file **out, int *client_fd)
{
	int flags = (int)req->mode & ~(O_CREAT | O_EXCL | O_TRUNC), ret = 0;
	struct huge_file *file = NULL;
	struct stat st = { 0 };

	if (name_fd >= 0) {
		if (fstat(name_fd, &st) < 0) {
			fd_close(name_fd);
			return -EBADF;
		}
		file = huge_file_find(server, st.st_ino, true);
	}
	if (file)
		fd_close(name_fd);
	else
		ret = file_create(server, req, name_fd, st.st_ino, &file);
	if (ret)
		return ret;
	ret = reopen(file->fd, flags);
	if (ret < 0) {
		huge_file_sweep(server, file);
		return ret;
	}
	*client_fd = ret;
	*out = file;
	return 0;
}

void huge_file_free(struct huge_server *server, struct huge_file *file)
{
	huge_pool_uncharge(&server->pool[file->size], file->charged.set);
	if (file->mount != NO_MOUNT)
		server->mount_charged[file->mount] -= file->charged.set;
	huge_map_free(&file->charged);
	huge_map_free(&file->filled);
	fd_close(file->fd);
	fd_close(file->name_fd);
	list_del(&file->node);
	free(file);
	atomic_fetch_sub(&server->shared->files, 1);
}

bool huge_file_in_use(struct huge_server *server, const struct huge_file *file)
{
	if (fcntl(file->fd, F_SETLEASE, F_RDLCK) == 0) {
		fcntl(file->fd, F_SETLEASE, F_UNLCK);
		return false;
	}
	/* No leases here: it may be used as long as there is anybody. */
	return errno == EAGAIN || !list_empty(&server->peers);
}

static bool named(struct huge_file *file)
{
	struct stat st;

	if (file->name_fd < 0)
		return false;
	if (fstat(file->name_fd, &st) == 0 && st.st_nlink > 0)
		return true;
	fd_close(file->name_fd);
	file->name_fd = -1;
	return false;
}

void huge_file_sweep(struct huge_server *server, struct huge_file *file)
{
	struct shmid_ds ds;

	if (file->fd < 0) {
		if (shmctl((int)file->ino, IPC_STAT, &ds) < 0 && errno != EACCES)
			huge_file_free(server, file);
	} else if (!named(file) && !huge_file_in_use(server, file)) {
		huge_file_free(server, file);
	}
}

void huge_sweep(struct huge_server *server)
{
	struct huge_file *file, *tmp;

	list_for_each_entry_safe(file, tmp, &server->files, node)
		huge_file_sweep(server, file);
}

static uint64_t *mount_charged(struct huge_server *server, const struct huge_file *file)
{
	return file->mount == NO_MOUNT ? NULL : &server->mount_charged[file->mount];
}

int huge_file_charge(struct huge_server *server, struct huge_file *file, uint64_t first,
		     uint64_t end)
{
	uint64_t missing, *of_mount = mount_charged(server, file), limit;
	int ret;

	if (first > end || end > HUGE_MAP_MAX)
		return -ENOMEM;
	missing = huge_map_missing(&file->charged, first, end);
	limit = of_mount ? server->shared->mount[file->mount].max_pages : 0;
	if (limit && *of_mount + missing > limit)
		return -ENOMEM;
	ret = huge_pool_charge(&server->pool[file->size], missing);
	if (ret)
		return ret;
	ret = huge_map_add(&file->charged, first, end);
	if (ret) {
		huge_pool_uncharge(&server->pool[file->size], missing);
		return ret;
	}
	if (of_mount)
		*of_mount += missing;
	return 0;
}

void huge_file_uncharge(struct huge_server *server, struct huge_file *file, uint64_t first,
			uint64_t end)
{
	uint64_t removed = huge_map_remove(&file->charged, first, end);

	huge_map_remove(&file->filled, first, end);
	huge_pool_uncharge(&server->pool[file->size], removed);
	if (file->mount != NO_MOUNT)
		server->mount_charged[file->mount] -= removed;
}

static uint64_t segment_allocated(const struct huge_file *file)
{
	unsigned long long rss;
	uint64_t pages = 0;
	char line[512];
	FILE *list;
	int id;

	list = fopen("/proc/sysvipc/shm", "re");
	if (!list)
		return file->charged.set;
	while (fgets(line, sizeof(line), list))
		if (sscanf(line, "%*d %d %*o %*u %*d %*d %*d %*u %*u %*u %*u %*d %*d %*d %llu", &id,
			   &rss) == 2 &&
		    (uint64_t)id == file->ino)
			pages = (rss + huge_bytes(file->size) - 1) >> huge_shift(file->size);
	fclose(list);
	return MIN(pages, file->charged.set);
}

uint64_t huge_file_allocated(struct huge_server *server, struct huge_file *file)
{
	unsigned int shift = huge_shift(file->size);
	uint64_t pages = file->filled.set, page;
	off_t at = 0;

	if (file->fd < 0)
		return segment_allocated(file);
	while ((at = lseek(file->fd, at, SEEK_DATA)) >= 0) {
		page = (uint64_t)at >> shift;
		pages += !huge_map_has(&file->filled, page);
		if (!huge_map_has(&file->charged, page) &&
		    !huge_map_add(&file->charged, page, page + 1)) {
			huge_pool_force(&server->pool[file->size], 1);
			if (file->mount != NO_MOUNT)
				server->mount_charged[file->mount]++;
		}
		at = (off_t)((page + 1) << shift);
	}
	return pages;
}
