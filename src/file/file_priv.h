/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What file.c, fdtable.c, access.c and mapping.c share.
 *
 * Locks, none taken while the other is held and none held while an operation of a file runs:
 * - files_lock: the identity hash and writes to the fd table.
 * - mappings_lock (mapping.c): the mapping table, the access maps, and every mprotect that follows
 *   from them.
 */
#ifndef FILE_FILE_PRIV_H
#define FILE_FILE_PRIV_H

#include <pthread.h>
#include "file/file.h"

struct access_map;
struct trapped;

/* A struct file's memory is never given back, only used for the next file: who finds a pointer
 * without a lock may look at refs, and takes the file only when they are not 0. */
struct file_obj {
	struct file file;		     /* first; file.id is the inode number */
	dev_t dev;			     /* of the memfd */
	int64_t cookie;			     /* where the memfd's own position stands: fdtable.c */
	atomic_bool dead;		     /* inherited over a fork */
	struct file_obj *hash_next;	     /* files_lock */
	struct file_obj *list_next;	     /* free list (files_lock), or the deferred list */
	pthread_mutex_t pos_lock;	     /* file.pos, held over an operation that uses it */
	_Atomic(struct access_map *) access; /* NULL: all direct. Written under mappings_lock */
	struct trapped *trapped;	     /* what has ever trapped; mappings_lock */
	size_t trapped_count;
};

extern pthread_mutex_t files_lock;

static inline struct file_obj *file_obj(struct file *file)
{
	return container_of(file, struct file_obj, file);
}

/* One more reference, unless the last is gone. */
bool file_try_get(struct file_obj *obj);
/* file_put() for signal context: what the last reference does is left to the next file_put_later().
 */
void file_put_deferred(struct file_obj *obj);
/* Ends what file_put_deferred() has left. Not with a lock held. */
void file_drain_deferred(void);
/* The live file with this identity with a reference, or NULL. Takes files_lock. */
struct file_obj *file_find_identity(dev_t dev, uint64_t ino);
/* Calls @fn for each live file under files_lock. */
void file_for_each(void (*fn)(struct file_obj *obj));

/* file_alloc() on @memfd, a high fd that is taken in any case. @cookie 0: a new one. */
int file_alloc_high(const struct file_operations *ops, void *priv, int oflags, int memfd,
		    int64_t cookie, struct file **out, bool *existed);

/* share.c: the cookie of a file of this process'; a new open file description of a memfd. */
int64_t share_cookie(enum file_kind kind, uint32_t number);
int share_reopen(int memfd);

void fdtable_fork_child(void);

/* The head of memory that is read without lock and given to access_retire(). */
struct retired {
	struct retired *next;
};

/*
 * access.c: what kind of page stands where in a file. The map is read without lock between
 * access_read_begin() and access_read_end(), which also keep mapping tables alive.
 */
void access_read_begin(void);
void access_read_end(void);
/* Frees what begins with @retired (malloc) when no reader can see it any more. NULL: only what has
 * been retired before. mappings_lock. */
void access_retire(struct retired *retired);
/* The access at @off; *@last is the end of the run of the same access that starts there. */
enum page_access access_at(const struct file_obj *obj, uint64_t off, uint64_t *last);
/* Whether any page of [@off, @last] traps, or has ever done so. mappings_lock. */
bool access_trapped(const struct file_obj *obj, uint64_t off, uint64_t last);
/* In the child of a fork: the readers of other threads are gone. */
void access_fork_child(void);
/* mappings_lock. 1: changed, 0: it was so before, or -ENOMEM. */
int access_change(struct file_obj *obj, uint64_t off, uint64_t last, enum page_access access);
/* Forgets the map of a file that nobody uses any more. */
void access_free(struct file_obj *obj);

#endif
