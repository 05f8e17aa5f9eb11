/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Huge pages that the session serves (machine/huge.h): fds and mappings of their memfds.
 *
 * An fd of a huge page file is an fd of a memfd, and the kernel does most of what is done to it.
 * fdset_huge says which numbers are; one that came past the doors (a message, exec) is found out
 * when it is mapped. A program without huge pages pays one load in the doors of mappings.
 */
#ifndef PRELOAD_HUGE_H
#define PRELOAD_HUGE_H

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "machine/huge.h"
#include "preload/door.h"
#include "preload/fdset.h"
#include "preload/path.h"

/* This process' line to the keeper; NULL: huge pages are the host's business. Depth raised. */
struct huge_client *huge_client(void);
/* The session is known now. */
void huge_session_here(struct session *session);
/* Around fork(): the child gets whole tables. */
void huge_fork_prepare(void);
void huge_fork_parent(void);
/* In the child of a fork. */
void huge_after_fork(void);

/* ---- the guards' questions ------------------------------------------------------------------- */

/* Mappings of huge pages in this process. */
extern atomic_uint huge_range_count;
/* The session's count of huge page files; a constant 0 until the session is known. */
extern const _Atomic uint32_t *_Atomic huge_file_count;

static inline bool huge_mapped(void)
{
	return atomic_load_explicit(&huge_range_count, memory_order_relaxed) != 0 && lib_depth == 0;
}

static inline bool huge_fd(int fd)
{
	return fdset_has(&fdset_huge, fd) && lib_depth == 0;
}

/* Files of huge pages live in the session. */
static inline bool huge_in_session(void)
{
	return atomic_load_explicit(atomic_load_explicit(&huge_file_count, memory_order_relaxed),
				    memory_order_relaxed) != 0 &&
	       lib_depth == 0;
}

/* MAP_HUGETLB, MFD_HUGETLB, SHM_HUGETLB. */
static inline bool huge_flag(unsigned long flags, unsigned long flag)
{
	return (flags & flag) && door_on();
}

/* The same at any depth. */
static inline bool huge_fd_known(int fd)
{
	return fdset_has(&fdset_huge, fd);
}

/* Whether a mapping may be of huge pages; in a door, whatever the depth. */
static inline bool huge_wanted(int flags, int fd)
{
	return (flags & MAP_HUGETLB) ||
	       (!(flags & MAP_ANONYMOUS) && fd >= 0 && *atomic_load(&huge_file_count) != 0);
}

static inline bool huge_wants_mmap(int flags, int fd)
{
	if (lib_depth > 0)
		return false;
	if (flags & MAP_HUGETLB)
		return door_on();
	if ((flags & MAP_FIXED) && huge_mapped())
		return true;
	return !(flags & MAP_ANONYMOUS) && fd >= 0 && huge_in_session();
}

/* ---- huge_memory.c --------------------------------------------------------------------------- */

struct huge_id {
	uint64_t ino;
	enum huge_size size;
};

/* Whether @fd is of a huge page file of the session's. Depth raised. */
bool huge_of_fd(int fd, struct huge_id *out);
/* A file of this process' own making. */
void huge_remember(uint64_t ino, enum huge_size size);
/* Enters an fd that was received when it is one. */
void huge_learn(int fd);
/* The last user of a file may be gone; 0: of any file. */
void huge_sweep(uint64_t ino);
/* The same of the file whose placeholder has this inode. */
void huge_sweep_name(uint64_t ino);

struct map_call {
	void *addr;
	size_t len;
	int prot, flags, fd;
	off_t off;
};

/* mmap() as far as it is about huge pages: true with the address or -errno in *@out. @vacate is
 * called before what stands at a fixed place goes. */
bool huge_mmap(const struct map_call *call, void (*vacate)(void *addr, size_t len), long *out);
/* Whether [@addr, @addr + @len) touches mappings of huge pages, and may be cut out. */
bool huge_touches(const void *addr, size_t len);
bool huge_cuttable(const void *addr, size_t len);
/* Forgets them before they are unmapped, as another thread may map others there at once. @release:
 * the keeper no longer charges for private ones. True: huge_sweep(*@ino) is due afterwards. */
bool huge_let_go(void *addr, size_t len, bool release, uint64_t *ino);
/* All of it, of pages that are gone or replaced. */
void huge_unmapped(void *addr, size_t len);
/* The range with @addr in it; false: none has it. Depth raised. */
struct huge_range;
bool huge_range_at(const void *addr, struct huge_range *out);
/* How long the range is that begins at @addr; 0: none does. */
size_t huge_length_at(const void *addr);
/* The size of the huge page with @addr in it; 0: none is there. Depth raised. */
size_t huge_page_at(uintptr_t addr);
/* A segment was attached at @addr. */
int huge_attached(void *addr, size_t len, enum huge_size size);
/* madvise(): 0 libc goes on, 1 with the result in *@ret. */
int huge_madvise(void *addr, size_t len, int advice, int *ret);
/* The rules of mremap(): 0, or -errno; the lengths are rounded. 1: not of huge pages. */
int huge_mremap_check(void *addr, size_t *old_len, size_t *new_len, int flags, void *new_addr);
void huge_moved(void *addr, size_t old_len, void *to, size_t new_len);
/* huge_maps_fn */
int huge_rewrite_maps(bool numa, const char *host, char **out);
/* A mapping at a multiple of the page size. The address or -errno. */
long huge_place(const struct map_call *call, enum huge_size size);

/* ---- huge_files.c ---------------------------------------------------------------------------- */

/* The slot of its mount; -1: the name is on none. */
int huge_slot_of(const struct tree_path *tp);
/* Whether the resolved name is on a hugetlbfs mount of the session's. */
bool huge_path(const struct tree_path *tp);
/* open(2) there. The fd or -errno. Depth raised. */
int huge_open(const struct tree_path *tp, int flags, mode_t mode);
/* The attributes and texts of huge pages: machine/huge.h. Depth raised. */
int huge_open_served(const char *path, int flags, struct file **out);
/* stat(2) there; @st is the placeholder's. 0 or -errno. */
int huge_stat_path(const struct tree_path *tp, struct stat *st);
/* fstat(2): 1: not one of these. */
int huge_stat_fd(int fd, struct stat *st);
/* statfs(2), fstatfs(2): 0, -errno, or 1: the fd is not one of these. */
int huge_statfs_path(const struct tree_path *tp, struct statfs *fs);
int huge_statfs_fd(int fd, struct statfs *fs);
int huge_truncate_path(const struct tree_path *tp, off_t len);
/* The placeholder's path of an fd's file; false: not one of these, or it has no such name. */
bool huge_name_of_fd(int fd, char *real, size_t size);
/* write(2) and its like: true when @fd is one of these, which none may write. */
bool huge_refuses_write(ssize_t *ret, int fd);
/* close(2) and what follows. */
int huge_close(int fd);

#endif
