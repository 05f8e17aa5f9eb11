/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a number to a file: a cache. The doors report what they see; what they do not see (raw
 * system calls, fds that arrive in messages) is found out by asking the kernel.
 *
 * A known number is checked at each use, because it may have been closed and given to something
 * else behind our back. fstat() would cost more than the operation, so the memfd's own position,
 * which nobody needs (struct file has one), stands at a value that is unique to the file: one
 * lseek(fd, 0, SEEK_CUR), the cheapest system call there is, tells it from anything else. Where the
 * cookie is not found (somebody moved it by a raw system call, or opened the memfd anew by its name
 * in /proc), fstat() decides and the cookie is put back.
 *
 * Entries are read without lock. Each holds a reference of its file; a reader takes its own if
 * there is one left to take, then looks whether the entry is still the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/sysraw.h"
#include "file/file_priv.h"

#define FD_LIMIT     (1U << 20)
#define LEAF_ENTRIES 1024U

typedef _Atomic(struct file_obj *) fd_slot;

static _Atomic(fd_slot *) leaves[FD_LIMIT / LEAF_ENTRIES];
/* Whose numbers these are: a vfork child runs in our memory with fds of its own. */
static atomic_int owner_pid;

static fd_slot *slot_of(unsigned int fd)
{
	fd_slot *leaf;

	if (fd >= FD_LIMIT)
		return NULL;
	leaf = atomic_load_explicit(&leaves[fd / LEAF_ENTRIES], memory_order_acquire);
	return leaf ? &leaf[fd % LEAF_ENTRIES] : NULL;
}

/* The slot of @fd, made if need be; NULL: out of range or of memory. files_lock. */
static fd_slot *make_slot(unsigned int fd)
{
	fd_slot *slot = slot_of(fd), *leaf;

	if (slot || fd >= FD_LIMIT || FAIL_POINT())
		return slot;
	leaf = calloc(LEAF_ENTRIES, sizeof(*leaf));
	if (!leaf)
		return NULL;
	atomic_store_explicit(&leaves[fd / LEAF_ENTRIES], leaf, memory_order_release);
	return &leaf[fd % LEAF_ENTRIES];
}

static bool is_owner(void)
{
	return raw_getpid() == atomic_load_explicit(&owner_pid, memory_order_relaxed);
}

/* Enters @obj (NULL: nothing) for @fd, consuming a reference. What stood there is put. */
atomic_uint file_fd_count;

static int set_entry(int fd, struct file_obj *obj)
{
	struct file_obj *old = NULL;
	fd_slot *slot;

	pthread_mutex_lock(&files_lock);
	if (!atomic_load_explicit(&owner_pid, memory_order_relaxed))
		atomic_store_explicit(&owner_pid, raw_getpid(), memory_order_relaxed);
	slot = obj ? make_slot((unsigned int)fd) : slot_of((unsigned int)fd);
	/* Counted before it is there, and as long as it is. */
	if (slot && obj)
		atomic_fetch_add(&file_fd_count, 1);
	if (slot)
		old = atomic_exchange(slot, obj);
	if (old)
		atomic_fetch_sub(&file_fd_count, 1);
	pthread_mutex_unlock(&files_lock);
	if (old)
		file_put(&old->file);
	return slot ? 0 : -ENOMEM;
}

/* Removes the entry of @fd if it is still @obj: two threads may find it stale at once. */
static void drop_stale(int fd, struct file_obj *obj)
{
	fd_slot *slot = slot_of((unsigned int)fd);
	struct file_obj *expected = obj;
	bool dropped;

	pthread_mutex_lock(&files_lock);
	dropped = atomic_compare_exchange_strong(slot, &expected, NULL);
	pthread_mutex_unlock(&files_lock);
	if (!dropped)
		return;
	atomic_fetch_sub(&file_fd_count, 1);
	file_put(&obj->file);
}

bool file_fd_look(int fd)
{
	fd_slot *slot = slot_of((unsigned int)fd);

	return slot && atomic_load_explicit(slot, memory_order_relaxed);
}

int file_install(struct file *file, int oflags)
{
	int fd, ret;

	fd = raw_fcntl(file->memfd, oflags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	if (fd < 0)
		return fd;
	ret = set_entry(fd, file_obj(file));
	if (ret) {
		raw_close(fd);
		return ret;
	}
	return fd;
}

/* A number of which we do not know: whether it is one of our memfds, the kernel says. */
static struct file *probe(int fd)
{
	struct file_obj *obj;
	struct stat st;

	if (fd < 0 || !file_any() || fd_is_own(fd) || raw_fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	obj = file_find_identity(st.st_dev, st.st_ino);
	if (!obj)
		return NULL;
	sysraw3(SYS_lseek, fd, obj->cookie, SEEK_SET);
	/* Without an entry it works as well, only slower. */
	if (set_entry(fd, file_obj(file_get(&obj->file))))
		file_put(&obj->file);
	return &obj->file;
}

/* The cookie was not there. @obj comes with a reference, which is passed on or put. */
static struct file *verify(int fd, struct file_obj *obj)
{
	struct stat st;

	if (!raw_fstat(fd, &st) && st.st_ino == obj->file.id && st.st_dev == obj->dev) {
		sysraw3(SYS_lseek, fd, obj->cookie, SEEK_SET);
		return &obj->file;
	}
	drop_stale(fd, obj);
	file_put(&obj->file);
	return probe(fd);
}

struct file *file_from_fd(int fd)
{
	fd_slot *slot = slot_of((unsigned int)fd);
	struct file_obj *obj;

	while (slot && (obj = atomic_load_explicit(slot, memory_order_acquire)) != NULL) {
		if (!file_try_get(obj))
			continue;
		if (atomic_load_explicit(slot, memory_order_acquire) != obj) {
			file_put(&obj->file);
			continue;
		}
		if (sysraw3(SYS_lseek, fd, 0, SEEK_CUR) == obj->cookie)
			return &obj->file;
		return verify(fd, obj);
	}
	return probe(fd);
}

void file_fd_dup(int oldfd, int newfd)
{
	struct file *file;

	if (newfd < 0 || oldfd == newfd || (!file_fd_maybe(oldfd) && !file_fd_maybe(newfd)) ||
	    !is_owner())
		return;
	file_drain_deferred();
	file = file_fd_maybe(oldfd) ? file_from_fd(oldfd) : NULL;
	if (file || file_fd_maybe(newfd))
		if (set_entry(newfd, file ? file_obj(file) : NULL) && file)
			file_put(file);
}

void file_fd_close(int fd)
{
	if (!file_fd_maybe(fd) || !is_owner())
		return;
	file_drain_deferred();
	set_entry(fd, NULL);
}

void file_fd_close_range(unsigned int first, unsigned int last)
{
	unsigned int fd, end = MIN(last, FD_LIMIT - 1);

	if (first >= FD_LIMIT)
		return;
	for (fd = first; fd <= end;) {
		if (!atomic_load_explicit(&leaves[fd / LEAF_ENTRIES], memory_order_acquire)) {
			fd = (fd / LEAF_ENTRIES + 1) * LEAF_ENTRIES;
			continue;
		}
		file_fd_close((int)fd++);
	}
}

void fdtable_fork_child(void)
{
	atomic_store(&owner_pid, raw_getpid());
}
