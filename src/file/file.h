/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a file descriptor is here: the uAPI's side of every door.
 *
 * A struct file is an open file description. Its fds are fds of one memfd, so that the object is
 * recognised by the memfd's device and inode wherever the fd went (dup, SCM_RIGHTS, an old number);
 * the fd table in this folder is only a cache. The file is released when the last known fd and the
 * last mapping are gone, as in the kernel.
 *
 * User pointers in operations are addresses of the client's: copy_from_user()/copy_to_user() only.
 */
#ifndef FILE_FILE_H
#define FILE_FILE_H

#include <stdatomic.h>
#include <sys/stat.h>
#include "base/types.h"

struct file;

/* How the pages of a mapping behave; the default of a file's page is PAGE_DIRECT. */
enum page_access {
	PAGE_DIRECT,	 /* plain memory: native loads and stores */
	PAGE_TRAP_WRITE, /* loads are native, stores go to mmio_write */
	PAGE_TRAP_ALL,	 /* loads go to mmio_read, stores to mmio_write */
	PAGE_REVOKED,	 /* any touch raises SIGBUS, as in Linux */
};

/* What a file is to another process that gets an fd of it (share.c). */
enum file_kind {
	FILE_LOCAL, /* nothing: it is served here alone */
	FILE_CONTAINER,
	FILE_GROUP,
	FILE_DEVICE,
};

/* All return -errno on failure; NULL means what is said behind. */
struct file_operations {
	const char *name;
	enum file_kind kind;
	/* The last reference is gone. Cannot fail. */
	void (*release)(struct file *file);
	/* @arg may be garbage for commands without argument. NULL: -ENOTTY */
	long (*ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	/* Bytes moved; *@pos is advanced by the operation. NULL: -EINVAL */
	ssize_t (*read)(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos);
	ssize_t (*write)(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos);
	/* Decides whether [@off, @off + @len) may be mapped with @prot and @flags (libc's values).
	 * The mapping itself, of the memfd, is made by file_mmap(). NULL: -ENODEV */
	int (*mmap)(struct file *file, uint64_t off, uint64_t len, int prot, int flags);
	/*
	 * A trapped access of the program, @width in 1, 2, 4, 8. Signal context; at library depth 0
	 * the operation may take locks, above 0 it must not (it queues the write: base/depth.h).
	 * Writes that arrive at depth above 0 are passed with @nested true.
	 */
	uint64_t (*mmio_read)(struct file *file, uint64_t off, unsigned int width);
	void (*mmio_write)(struct file *file, uint64_t off, unsigned int width, uint64_t value,
			   bool nested);
	/* The new position, 0 and above. Called with the lock of read() and write() held. NULL: as
	 * on a file of the memfd's length, ESPIPE on a device */
	int64_t (*lseek)(struct file *file, int64_t off, int whence);
	/* The events that are ready, as poll(2) names them. NULL: POLLIN | POLLOUT */
	int (*poll)(struct file *file);
};

struct file {
	const struct file_operations *ops;
	void *priv;
	atomic_uint refs;  /* one for each known fd, each mapping, each file_get() */
	int memfd;	   /* our own high fd of the backing memfd */
	int map_fd;	   /* what mmap maps instead of memfd; -1: memfd. Not owned */
	uint64_t map_base; /* added to the offset when map_fd is used */
	uint64_t id;	   /* inode of the memfd */
	int oflags;	   /* O_ACCMODE | O_NONBLOCK | O_APPEND as opened */
	mode_t mode; /* what fstat says: S_IFCHR | 0600 for device nodes, S_IFREG for attributes */
	dev_t rdev;
	uint64_t pos;	/* guarded by a lock of the file's, held over read() and write() */
	char path[256]; /* the path inside the session by which it was opened ("/dev/vfio/7") */
};

/* Whether any file lives in this process: open, mapped or held by the library. */
bool file_any(void);

/* @size: bytes of the sparse memfd (0: a page). The new file has one reference. 0 or -errno; on
 * failure @priv stays the caller's, afterwards release() ends it. */
int file_alloc(const struct file_operations *ops, void *priv, int oflags, uint64_t size,
	       struct file **out);
/* The same on an existing memfd (not consumed), which becomes the file's identity: asking again for
 * a memfd that already has a live file gives that file with one more reference (*@existed true; ops
 * and priv are then the old ones). */
int file_alloc_memfd(const struct file_operations *ops, void *priv, int oflags, int memfd,
		     struct file **out, bool *existed);
struct file *file_get(struct file *file);
void file_put(struct file *file);
/* The same with any lock held: when it is the last reference, the file ends with the next call of
 * the program's that closes or opens one. */
void file_put_later(struct file *file);

/* Gives the client the lowest free fd for @file (O_CLOEXEC taken from @oflags) and consumes the
 * caller's reference on success. Returns the fd or -errno. */
int file_install(struct file *file, int oflags);
/* The file behind a client's fd with a reference for the caller, or NULL: not ours (or stale). */
struct file *file_from_fd(int fd);
/* One test without lock or syscall: false means not ours, as far as the doors have seen. A number
 * that came past them (a message, a raw dup) is recognised by file_from_fd(), which enters it. */
bool file_fd_look(int fd);
extern atomic_uint file_fd_count; /* how many numbers are */

static inline bool file_fd_maybe(int fd)
{
	return unlikely(atomic_load_explicit(&file_fd_count, memory_order_relaxed)) &&
	       file_fd_look(fd);
}

/* What doors report when they see fds come and go. Each is called after (dup) or before (close)
 * the system call took effect. */
void file_fd_dup(int oldfd, int newfd);
void file_fd_close(int fd);
void file_fd_close_range(unsigned int first, unsigned int last);
/* Loads now what the first mapping of a page that traps would load. 0 or -errno. */
int file_prepare_traps(void);
/*
 * Files of other processes (share.c). The position of the open file description, which all fds of
 * it share wherever they are, tells whose a file is and what.
 */
struct file_owner {
	int pid;
	enum file_kind kind;
};
/* Whether @fd, of which no file is known here, is one of another process'. Two system calls. */
bool file_is_foreign(int fd, struct file_owner *owner);
/* A file on the open file description of @fd (not consumed), which is another process'; what that
 * one says of the file is the caller's to fill in. Existing ones as with file_alloc_memfd(). */
int file_alloc_foreign(const struct file_operations *ops, void *priv, int oflags, int fd,
		       struct file **out, bool *existed);
/* The live file with this identity with a reference for the caller, or NULL. */
struct file *file_from_identity(dev_t dev, uint64_t ino);
dev_t file_dev(const struct file *file);
/* From now on file_held_elsewhere() sees who holds the open file description of @fd. 0 or
 * -errno. */
int file_mark_shared(int fd);
/* Whether any process has an fd or a mapping of an open file description of @file's that was
 * marked, or one is on its way in a message; only for a file without fds and mappings here. */
bool file_held_elsewhere(struct file *file);
/* How the page at @off behaves; *@last is the end of the run of the same that starts there. */
enum page_access file_access_at(struct file *file, uint64_t off, uint64_t *last);
/* Whether any page of [@off, @off + @len) traps loads or stores, or has done so at any time. */
bool file_has_trapped(struct file *file, uint64_t off, uint64_t len);
/* Called after file_set_access() has changed something, with the caller's locks held. NULL: none.
 * May be in signal context. */
extern void (*_Atomic file_access_hook)(struct file *file, uint64_t off, uint64_t len,
					enum page_access access);

/* Around fork(): nothing is half changed when the child gets its copy. */
void file_fork_prepare(void);
void file_fork_parent(void);
/* In the child of a fork: every inherited file is dead, its fds answer EIO, its mappings
 * raise SIGBUS and release runs nothing. */
void file_after_fork(void);

/* There: a dead file lives on with operations of the child's own; its old @priv is the parent's and
 * is never released. */
void file_revive(struct file *file, const struct file_operations *ops, void *priv);

/* The operations as the doors call them: -errno or the result. */
long file_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
ssize_t file_pread(struct file *file, uintptr_t ubuf, size_t count, uint64_t pos);
ssize_t file_pwrite(struct file *file, uintptr_t ubuf, size_t count, uint64_t pos);
ssize_t file_read(struct file *file, uintptr_t ubuf, size_t count);
ssize_t file_write(struct file *file, uintptr_t ubuf, size_t count);
int64_t file_lseek(struct file *file, int64_t off, int whence);
/* poll(2)'s events; POLLIN | POLLOUT for files that never make anybody wait. */
int file_poll(struct file *file);
/* Whether its operations say when it is ready. */
bool file_waits(const struct file *file);
/* How many files live in this process that make somebody wait. */
extern atomic_uint file_waiting;
int file_stat(struct file *file, struct stat *st);

/*
 * Maps [@off, @off + @len) of the file for the client: asks ops->mmap, maps the memfd at @addr with
 * the client's @prot and @flags, applies the pages' access and tracks the mapping.
 * The address goes to *@out. 0 or -errno.
 */
int file_mmap(struct file *file, void *addr, size_t len, int prot, int flags, uint64_t off,
	      void **out);
/* Doors report address ranges that are about to be replaced or removed, moved, or protected. 0, or
 * -ENOMEM: all is as before, and the range must stay. */
int file_munmap(uintptr_t addr, size_t len);
void file_mremap(uintptr_t old_addr, size_t old_len, uintptr_t new_addr, size_t new_len);
/* mremap() of tracked pages as a whole, with the kernel's rules for device mappings: they do not
 * grow (-EFAULT) and cannot be left behind (-EINVAL). The new address, -errno, or 0: not tracked,
 * libc should go on (and file_mremap() be called). */
long file_do_mremap(uintptr_t old_addr, size_t old_len, size_t new_len, int flags,
		    uintptr_t new_addr);
/* mprotect on tracked pages: applies the client's @prot as far as the pages' access allows.
 * Returns 1 when [addr, addr+len) was wholly tracked and has been handled, 0 when libc should
 * go on, or -errno. */
int file_mprotect(uintptr_t addr, size_t len, int prot);

/* Sets how [@off, @off + @len) of the file behaves in existing and future mappings. Page aligned.
 * Not for signal context at depth above 0. Setting the same again is cheap; so is changing a range
 * that has been set as such before (opening and closing a doorbell page), only the first cut of a
 * range allocates. -EINVAL, -ENOMEM. */
int file_set_access(struct file *file, uint64_t off, uint64_t len, enum page_access access);

/* Whether [@addr, @addr + @len) touches a tracked mapping. If so and @file is not NULL, it gets the
 * file that is mapped at @addr itself, with a reference for the caller, or NULL.
 */
bool file_find_mapping(uintptr_t addr, size_t len, struct file **file, uint64_t *off);
/* How many bytes from @addr, at most @len, lie in one tracked mapping or all in none. */
uint64_t file_mapping_run(uintptr_t addr, uint64_t len);
/* The protection that the client asked for at @addr (PROT_*), -1 when it is not tracked. */
int file_mapping_prot(uintptr_t addr);

#endif
