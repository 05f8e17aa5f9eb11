/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a struct file, and its identity: the (device, inode) of its memfd, in a hash.
 *
 * A file ends when its last reference is put: it leaves the hash, release() runs, the memfd is
 * closed. In signal context the last put is deferred: a trap may hold a reference while another
 * thread unmaps and closes, and release() may take locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/sysraw.h"
#include "file/file_priv.h"
#include "file/mapping_priv.h"

#define HASH_SIZE 256

pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

static struct file_obj *hash[HASH_SIZE]; /* files_lock */
static struct file_obj *free_files;	 /* files_lock */
static uint32_t next_cookie;		 /* files_lock */
static atomic_uint live_files;
static _Atomic(struct file_obj *) deferred;

static struct file_obj **bucket(uint64_t ino)
{
	return &hash[(ino ^ ino >> 8) % HASH_SIZE];
}

static struct file_obj *find_locked(dev_t dev, uint64_t ino)
{
	struct file_obj *obj;

	for (obj = *bucket(ino); obj; obj = obj->hash_next)
		if (obj->file.id == ino && obj->dev == dev && file_try_get(obj))
			return obj;
	return NULL;
}

struct file_obj *file_find_identity(dev_t dev, uint64_t ino)
{
	struct file_obj *obj;

	pthread_mutex_lock(&files_lock);
	obj = find_locked(dev, ino);
	pthread_mutex_unlock(&files_lock);
	return obj;
}

bool file_any(void)
{
	return atomic_load_explicit(&live_files, memory_order_relaxed) != 0;
}

void file_for_each(void (*fn)(struct file_obj *obj))
{
	struct file_obj *obj;
	size_t i;

	pthread_mutex_lock(&files_lock);
	for (i = 0; i < HASH_SIZE; i++)
		for (obj = hash[i]; obj; obj = obj->hash_next)
			fn(obj);
	pthread_mutex_unlock(&files_lock);
}

/* A file of which nobody knows yet: from the free list, or new. */
static struct file_obj *take_obj(void)
{
	struct file_obj *obj;

	if (FAIL_POINT())
		return NULL;
	pthread_mutex_lock(&files_lock);
	obj = free_files;
	if (obj)
		free_files = obj->list_next;
	pthread_mutex_unlock(&files_lock);
	if (obj)
		return obj;
	obj = calloc(1, sizeof(*obj));
	if (obj)
		pthread_mutex_init(&obj->pos_lock, NULL);
	return obj;
}

static void give_obj(struct file_obj *obj)
{
	pthread_mutex_lock(&files_lock);
	obj->list_next = free_files;
	free_files = obj;
	pthread_mutex_unlock(&files_lock);
}

/* Takes @memfd, a high fd, in any case. @cookie 0: a new one. */
static int publish(struct file_obj *obj, const struct file_operations *ops, void *priv, int oflags,
		   int memfd, int64_t cookie, struct file_obj **existing)
{
	struct file *file = &obj->file;
	struct stat st;
	int ret;

	*existing = NULL;
	ret = raw_fstat(memfd, &st);
	if (ret) {
		fd_close(memfd);
		return ret;
	}
	file->ops = ops;
	file->priv = priv;
	file->memfd = memfd;
	file->map_fd = -1;
	file->map_base = 0;
	file->id = st.st_ino;
	file->oflags = oflags & (O_ACCMODE | O_NONBLOCK | O_APPEND);
	file->mode = S_IFCHR | 0600;
	file->rdev = 0;
	file->pos = 0;
	file->path[0] = '\0';
	obj->dev = st.st_dev;
	atomic_store_explicit(&obj->dead, false, memory_order_relaxed);

	pthread_mutex_lock(&files_lock);
	*existing = find_locked(st.st_dev, st.st_ino);
	if (!*existing) {
		obj->cookie = cookie ? cookie : share_cookie(ops->kind, next_cookie++);
		sysraw3(SYS_lseek, memfd, obj->cookie, SEEK_SET);
		obj->hash_next = *bucket(st.st_ino);
		*bucket(st.st_ino) = obj;
		atomic_fetch_add(&live_files, 1);
		atomic_store_explicit(&file->refs, 1, memory_order_release);
	}
	pthread_mutex_unlock(&files_lock);
	if (*existing)
		fd_close(memfd);
	return 0;
}

int file_alloc_high(const struct file_operations *ops, void *priv, int oflags, int memfd,
		    int64_t cookie, struct file **out, bool *existed)
{
	struct file_obj *obj, *existing;
	int ret;

	if (memfd < 0)
		return memfd;
	obj = take_obj();
	if (!obj) {
		fd_close(memfd);
		return -ENOMEM;
	}
	ret = publish(obj, ops, priv, oflags, memfd, cookie, &existing);
	if (ret || existing)
		give_obj(obj);
	if (ret)
		return ret;
	*out = existing ? &existing->file : &obj->file;
	*existed = existing != NULL;
	return 0;
}

int file_alloc(const struct file_operations *ops, void *priv, int oflags, uint64_t size,
	       struct file **out)
{
	bool existed;

	file_drain_deferred();
	return file_alloc_high(ops, priv, oflags, fd_memfd(ops->name, size ? size : HOST_PAGE_SIZE),
			       0, out, &existed);
}

int file_alloc_memfd(const struct file_operations *ops, void *priv, int oflags, int memfd,
		     struct file **out, bool *existed)
{
	struct file_obj *obj;
	struct stat st;
	int fd;

	file_drain_deferred();
	fd = raw_fstat(memfd, &st);
	if (fd)
		return fd;
	obj = file_find_identity(st.st_dev, st.st_ino);
	if (obj) {
		*out = &obj->file;
		*existed = true;
		return 0;
	}
	/* What other processes may hold is an open file description apart from the library's. */
	fd = ops->kind == FILE_LOCAL ? -ENOENT : share_reopen(memfd);
	if (fd < 0)
		fd = raw_dup(memfd);
	if (fd >= 0)
		fd = fd_move_high(fd);
	return file_alloc_high(ops, priv, oflags, fd, 0, out, existed);
}

struct file *file_get(struct file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	return file;
}

bool file_try_get(struct file_obj *obj)
{
	unsigned int refs = atomic_load_explicit(&obj->file.refs, memory_order_relaxed);

	do {
		if (!refs)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&obj->file.refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed));
	return true;
}

static void end_file(struct file_obj *obj)
{
	struct file_obj **link;

	pthread_mutex_lock(&files_lock);
	for (link = bucket(obj->file.id); *link != obj; link = &(*link)->hash_next)
		;
	*link = obj->hash_next;
	atomic_fetch_sub(&live_files, 1);
	pthread_mutex_unlock(&files_lock);

	if (obj->file.ops->release && !atomic_load(&obj->dead))
		obj->file.ops->release(&obj->file);
	fd_close(obj->file.memfd);
	mapping_forget_access(obj);
	give_obj(obj);
}

void file_put(struct file *file)
{
	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1)
		end_file(file_obj(file));
}

void file_put_deferred(struct file_obj *obj)
{
	unsigned int refs = atomic_load_explicit(&obj->file.refs, memory_order_relaxed);

	while (refs > 1)
		if (atomic_compare_exchange_weak_explicit(&obj->file.refs, &refs, refs - 1,
							  memory_order_release,
							  memory_order_relaxed))
			return;
	/* The last one goes into the list as it is; nobody else can find the file in this state. */
	obj->list_next = atomic_load_explicit(&deferred, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&deferred, &obj->list_next, obj,
						      memory_order_release, memory_order_relaxed))
		;
}

void file_put_later(struct file *file)
{
	file_put_deferred(file_obj(file));
}

void file_drain_deferred(void)
{
	struct file_obj *obj, *next;

	if (!atomic_load_explicit(&deferred, memory_order_relaxed))
		return;
	obj = atomic_exchange_explicit(&deferred, NULL, memory_order_acquire);
	for (; obj; obj = next) {
		next = obj->list_next;
		file_put(&obj->file);
	}
}

/* In the child only this thread exists: what others held is free; nothing is released twice. */
static void mark_dead(struct file_obj *obj)
{
	atomic_store(&obj->dead, true);
	pthread_mutex_init(&obj->pos_lock, NULL);
}

/* The forking thread holds the locks of this folder, and so does its child, until it gives them
 * back: a lock that is made anew while it is held looks like a fault to ThreadSanitizer. */
static _Thread_local bool fork_holds_locks __attribute__((tls_model("initial-exec")));

void file_fork_prepare(void)
{
	mapping_fork_lock();
	pthread_mutex_lock(&files_lock);
	fork_holds_locks = true;
}

void file_fork_parent(void)
{
	fork_holds_locks = false;
	pthread_mutex_unlock(&files_lock);
	mapping_fork_unlock();
}

void file_after_fork(void)
{
	if (fork_holds_locks) {
		file_fork_parent();
	} else {
		pthread_mutex_init(&files_lock, NULL);
		mapping_fork_reset();
	}
	file_for_each(mark_dead);
	fdtable_fork_child();
	mapping_fork_child();
}

void file_revive(struct file *file, const struct file_operations *ops, void *priv)
{
	file->ops = ops;
	file->priv = priv;
	atomic_store(&file_obj(file)->dead, false);
}
