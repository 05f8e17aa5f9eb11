/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the program's names to the session's files (design D3).
 *
 * A path is first tested cheaply (could it begin with /sys, /dev, /proc or /run, or lead there from
 * the current directory?), then made absolute and normalised, then given to session_translate().
 * `..` is textual as long as no symlink of the tree stands before it; there the prefix is resolved
 * first. A symlink outside of these four that leads into the tree is not seen.
 */
#ifndef PRELOAD_PATH_H
#define PRELOAD_PATH_H

#include <fcntl.h>
#include <string.h>
#include "base/types.h"
#include "machine/session.h"
#include "file/file.h"
#include "preload/door.h"
#include "preload/fdset.h"

#define TREE_PATH_MAX 1024

struct tree_path {
	bool tree; /* in the session's tree; not one of its private files (session_private()) */
	char logical[TREE_PATH_MAX]; /* absolute, normalised: the program's view */
	char real[TREE_PATH_MAX];    /* what libc is to be given instead */
};

/*
 * True: call libc with @tp->real, which is absolute. It is the file in the session's tree
 * (@tp->tree) or a host file that the program names relative to a directory of the tree.
 * False: libc gets what the program gave.
 */
bool path_resolve(int dirfd, const char *path, struct tree_path *tp);
/* The same, true only for names in the tree. */
bool path_in_tree(int dirfd, const char *path, struct tree_path *tp);
/* Fills @tp->logical for any path; 0 or -errno (the path is too long for us, or has no place). */
int path_logical(int dirfd, const char *path, struct tree_path *tp);
/*
 * Resolves symlinks of @tp, which is in the tree: the last component only with @follow. Both names
 * are changed. 0 or -errno.
 */
int path_canonical(struct tree_path *tp, bool follow);
/*
 * Whether a host name below /sys leads, by a symlink, to what the session replaces: the network
 * card, disk or USB controller behind a PCI function of the host's. To the program it is not there.
 * Depth raised.
 */
bool path_hidden(const char *logical);
/* Whether @dirfd is a directory of the session's that was opened by its real name, as `find` does
 * it there: what is named relative to it is what the kernel says. */
bool path_by_real_name(int dirfd, const char *path);
/* "/proc/self/fd/7", "/proc/123/fd/7" of this process, "/dev/fd/7", "/dev/stdin": the fd; -1: none
 * of these. */
int path_named_fd(const char *logical);
/* The program's name of an open fd. 0 or -errno. */
int path_of_fd(int fd, char *out, size_t size);
/* The program's current directory. 0 or -errno. */
int path_cwd(char *out, size_t size);

/* 1 when names relative to the current directory may be ours, 0 when not, -1 not known. */
extern atomic_int path_cwd_near;
bool path_cwd_is_near(void);
/* The session's count of mounts outside of /dev: while there are any, every name may be ours. 1 as
 * long as nobody has asked for the session. */
extern const _Atomic uint32_t *_Atomic path_mounts;

static inline bool path_mounted(void)
{
	return atomic_load_explicit(atomic_load_explicit(&path_mounts, memory_order_relaxed),
				    memory_order_relaxed) != 0;
}

/* A path with a `..` in it: the slow test. find(1) opens one for each directory that it leaves. */
bool path_maybe_dotdot(int dirfd, const char *path);

/* Most names have no slash, or one: strchr() is several times cheaper than strstr(). */
static inline bool path_has_dotdot(const char *path)
{
	if (path[0] == '.' && path[1] == '.')
		return true;
	path = strchr(path, '/');
	return path && strstr(path, "/..");
}

static inline bool path_maybe(const char *path)
{
	/* A bad pointer is the kernel's business: EFAULT. */
	if (!door_maybe_on() || (uintptr_t)path - HOST_PAGE_SIZE >= (1UL << 47) - HOST_PAGE_SIZE)
		return false;
	if (path[0] == '/') {
		switch (path[1]) {
		case 's':
		case 'd':
		case 'p':
		case '/':
		case '.':
		case '\0':
			return true;
		case 'r':
			/* "/run", and not all of "/root". */
			if (path[2] == 'u' && path[3] == 'n')
				return true;
			break;
		case 'u':
		case 'e':
		case 'b':
		case 'l':
			if (session_elsewhere(path))
				return true;
		}
		return path_mounted() || (strstr(path, "/..") && path_maybe_dotdot(AT_FDCWD, path));
	}
	if (path[0] == '\0')
		return false;
	return path_mounted() || path_cwd_is_near() ||
	       (path_has_dotdot(path) && path_maybe_dotdot(AT_FDCWD, path));
}

static inline bool path_maybe_at(int dirfd, const char *path)
{
	if (!door_maybe_on() || (uintptr_t)path - HOST_PAGE_SIZE >= (1UL << 47) - HOST_PAGE_SIZE)
		return false;
	if (dirfd == AT_FDCWD || path[0] == '/')
		return path_maybe(path);
	return path[0] && (fdset_has(&fdset_dirs, dirfd) ||
			   (path_has_dotdot(path) && path_maybe_dotdot(dirfd, path)));
}

/* For calls that take AT_EMPTY_PATH: an fd of ours, too. */
static inline bool path_maybe_at_empty(int dirfd, const char *path)
{
	if (path && path[0] == '\0')
		return lib_depth == 0 && file_fd_maybe(dirfd);
	return path_maybe_at(dirfd, path);
}

#endif
