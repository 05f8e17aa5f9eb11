/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names that come back from libc, mapped to the program's view; calls that would change names,
 * which the kernel's file systems refuse; the current directory.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/sysraw.h"
#include "file/file.h"
#include "hugetlb/text.h"
#include "machine/machine.h"
#include "machine/session.h"
#include "machine/tree.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/huge.h"
#include "preload/path.h"

/* What a symlink of the host's says, in the program's words, NUL-terminated. Length or -errno. */
static ssize_t read_host_link(const char *logical, char *out, size_t size)
{
	struct session *session = door_session();
	char target[TREE_PATH_MAX];
	int fd = path_named_fd(logical);
	struct file *file = fd >= 0 ? file_from_fd(fd) : NULL;
	ssize_t len;

	if (file) {
		len = snprintf(out, size, "%s", file->path);
		file_put(file);
		return len;
	}
	len = sysraw4(SYS_readlinkat, AT_FDCWD, (long)logical, (long)target, sizeof(target) - 1);
	if (len < 0)
		return len;
	target[len] = '\0';
	if (fd >= 0 && huge_fd_known(fd) && huge_text_name(target))
		return snprintf(out, size, "%s", target);
	if (!session_untranslate(session, target, out, size))
		memcpy(out, target, (size_t)len + 1);
	return (ssize_t)strlen(out);
}

bool door_readlink(ssize_t *ret, int dirfd, const char *path, char *buf, size_t size)
{
	char target[TREE_PATH_MAX];
	struct tree_path tp;
	struct door door;
	ssize_t len;

	if (path_resolve(dirfd, path, &tp)) {
		door_enter(&door);
		len = readlinkat(AT_FDCWD, tp.real, buf, size);
		*ret = door_return(&door, len < 0 ? -errno : len);
		return true;
	}
	/* The host's own, which may point into the session's directory: /proc/self/fd/N, cwd. */
	if (path_logical(dirfd, path, &tp) ||
	    (strncmp(tp.logical, "/proc/", 6) && strncmp(tp.logical, "/dev/fd/", 8)))
		return false;
	door_enter(&door);
	len = read_host_link(tp.logical, target, sizeof(target));
	door_leave(&door);
	/* Errors, and targets longer than ours can be, are libc's. */
	if (len < 0 || len >= TREE_PATH_MAX - 1)
		return false;
	*ret = (ssize_t)MIN((size_t)len, size);
	memcpy(buf, target, (size_t)*ret);
	return true;
}

static char *give(const char *path, char *out)
{
	return out ? strcpy(out, path) : strdup(path);
}

bool door_realpath(char **ret, const char *path, char *out)
{
	char resolved[PATH_MAX], seen[TREE_PATH_MAX];
	struct tree_path tp;
	struct door door;
	int err = 0;

	if (!path_resolve(AT_FDCWD, path, &tp)) {
		if (path_logical(AT_FDCWD, path, &tp) || strncmp(tp.logical, "/proc/", 6))
			return false;
		strcpy(tp.real, tp.logical);
	}
	door_enter(&door);
	*ret = NULL;
	if (!realpath(tp.real, resolved)) {
		err = -errno;
	} else {
		if (session_untranslate(door_session(), resolved, seen, sizeof(seen)))
			*ret = give(seen, out);
		else
			*ret = give(resolved, out);
		if (!*ret)
			err = -ENOMEM;
	}
	door_return(&door, err);
	return true;
}

/* ---- changes ----------------------------------------------------------------------------- */

static bool has_parent_at(int dirfd, const char *path)
{
	char dir[TREE_PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	while (len && path[len - 1] == '/')
		len--;
	while (len && path[len - 1] != '/')
		len--;
	if (!len || len >= sizeof(dir))
		return true;
	memcpy(dir, path, len);
	dir[len] = '\0';
	return fstatat(dirfd, dir, &st, 0) == 0;
}

bool path_has_parent(const char *real)
{
	return has_parent_at(AT_FDCWD, real);
}

int path_unlink_error(const char *real, int flags)
{
	struct stat st;

	if (lstat(real, &st))
		return -errno;
	if (flags == 0 && S_ISDIR(st.st_mode))
		return -EISDIR;
	return flags > 0 && !S_ISDIR(st.st_mode) ? -ENOTDIR : -EPERM;
}

int path_make_error(const struct tree_path *tp)
{
	struct stat st;
	struct door door;
	int ret;

	door_enter(&door);
	if (!lstat(tp->real, &st))
		ret = EEXIST;
	else
		ret = path_has_parent(tp->real) ? EPERM : ENOENT;
	door_leave(&door);
	return ret;
}

/* Two names of which one may be the session's. */
struct two_names {
	struct tree_path paths[2];
	const char *names[2];
	int fds[2];
	bool tree[2];
	int slots[2]; /* of mounts of huge pages; -1: neither */
};

/* What is behind the names; st_nlink is 0 where nothing is. Nothing changes below a name of the
 * tree: the rest of this is the order in which the kernel finds out why. */
static int look_at_two(const struct two_names *two, struct stat st[2], int follow)
{
	for (int i = 0; i < 2; i++) {
		st[i].st_nlink = 0;
		if (fstatat(two->fds[i], two->names[i], &st[i], i ? AT_SYMLINK_NOFOLLOW : follow))
			st[i].st_nlink = 0;
		if (!st[i].st_nlink && !has_parent_at(two->fds[i], two->names[i]))
			return -ENOENT;
	}
	return 0;
}

static bool same_side(const struct two_names *two)
{
	return two->tree[0] == two->tree[1] && two->slots[0] == two->slots[1];
}

/* Why rename() fails; 0: it does nothing. */
static int rename_error(const struct two_names *two, unsigned int flags)
{
	struct stat st[2];

	if (look_at_two(two, st, AT_SYMLINK_NOFOLLOW))
		return -ENOENT;
	if (!same_side(two))
		return -EXDEV;
	if (!st[0].st_nlink)
		return -ENOENT;
	if (!st[1].st_nlink)
		return flags & RENAME_EXCHANGE ? -ENOENT : -EPERM;
	if (flags & RENAME_NOREPLACE)
		return -EEXIST;
	/* Inodes do not tell: names may share a text. */
	if (!strcmp(two->names[0], two->names[1]))
		return 0;
	if (S_ISDIR(st[0].st_mode) != S_ISDIR(st[1].st_mode) && !(flags & RENAME_EXCHANGE))
		return S_ISDIR(st[0].st_mode) ? -ENOTDIR : -EISDIR;
	return -EPERM;
}

static int link_error(const struct two_names *two, int flags)
{
	struct stat st[2];

	if (look_at_two(two, st, flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) ||
	    !st[0].st_nlink)
		return -ENOENT;
	if (st[1].st_nlink)
		return -EEXIST;
	return same_side(two) ? -EPERM : -EXDEV;
}

/* 1: neither is the session's. 0: the call is to be made with @two's names and fds. -EXDEV: it
 * cannot be made, for a reason that is still to be found. */
static int resolve_two(struct two_names *two, int fromfd, const char *from, int tofd,
		       const char *to)
{
	bool ours = false;
	int i;

	*two = (struct two_names){ .names = { from, to },
				   .fds = { fromfd, tofd },
				   .slots = { -1, -1 } };
	for (i = 0; i < 2; i++) {
		if (!path_maybe_at(two->fds[i], two->names[i]) ||
		    !path_resolve(two->fds[i], two->names[i], &two->paths[i]))
			continue;
		ours = true;
		two->slots[i] = huge_slot_of(&two->paths[i]);
		two->tree[i] = two->paths[i].tree && two->slots[i] < 0;
		two->names[i] = two->paths[i].real;
		two->fds[i] = AT_FDCWD;
	}
	if (two->tree[0] || two->tree[1])
		return -EXDEV;
	if (two->slots[0] != two->slots[1])
		return -EXDEV;
	return !ours;
}

bool door_rename(int *ret, int fromfd, const char *from, int tofd, const char *to,
		 unsigned int flags)
{
	struct two_names two;
	struct stat replaced;
	struct door door;
	int err = resolve_two(&two, fromfd, from, tofd, to);

	if (err > 0)
		return false;
	door_enter(&door);
	if (err)
		err = rename_error(&two, flags);
	if (err || two.tree[0] || two.slots[1] < 0 || lstat(two.names[1], &replaced))
		replaced.st_ino = 0;
	/* Not every libc has the function. */
	if (!err && !two.tree[0])
		err = (int)sysraw6(SYS_renameat2, two.fds[0], (long)two.names[0], two.fds[1],
				   (long)two.names[1], (long)flags, 0);
	if (!err && replaced.st_ino)
		huge_sweep_name(replaced.st_ino);
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_link(int *ret, int fromfd, const char *from, int tofd, const char *to, int flags)
{
	struct two_names two;
	struct door door;
	int err = resolve_two(&two, fromfd, from, tofd, to);

	if (err > 0)
		return false;
	door_enter(&door);
	if (err)
		err = link_error(&two, flags);
	else if (linkat(two.fds[0], two.names[0], two.fds[1], two.names[1], flags))
		err = -errno;
	*ret = (int)door_return(&door, err);
	return true;
}

/* Only the nine bits are the program's; the others mark files of the tree (machine/tree.h). */
static int change_mode(const char *real, mode_t mode, int flags)
{
	char target[PATH_MAX];
	struct stat st;
	int ret;

	if (fstatat(AT_FDCWD, real, &st, flags & AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -EOPNOTSUPP;
	/* By the name without links: a text that others share is taken apart. */
	if (!realpath(real, target))
		return -errno;
	ret = tree_unshare(target);
	if (ret)
		return ret;
	real = target;
	return chmod(real, (mode & 0777) | (st.st_mode & 07000)) ? -errno : 0;
}

/* The session's programs are root to it, whoever they are to the host (design D2b). */
static int change_owner(const char *real, uid_t uid, gid_t gid, int flags)
{
	char target[PATH_MAX];

	if (!(flags & AT_SYMLINK_NOFOLLOW)) {
		if (!realpath(real, target))
			return -errno;
		real = target;
	}
	return machine_chown(door_session(), real, uid, gid);
}

/* The tree's file behind an fd of ours; false: it has none. */
static bool name_of_fd(int fd, char *real, size_t size)
{
	struct file *file = file_from_fd(fd);
	bool found;

	if (!file)
		return huge_name_of_fd(fd, real, size);
	found = session_translate(door_session(), file->path, real, size);
	file_put(file);
	return found;
}

bool door_chmod(int *ret, int dirfd, const char *path, mode_t mode, int flags)
{
	struct tree_path tp;
	struct door door;
	int err;

	if (!path_resolve(dirfd, path, &tp))
		return false;
	door_enter(&door);
	if (tp.tree)
		err = change_mode(tp.real, mode, flags);
	else
		err = fchmodat(AT_FDCWD, tp.real, mode, flags) ? -errno : 0;
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_fchmod(int *ret, int fd, mode_t mode)
{
	char real[TREE_PATH_MAX];
	struct door door;

	door_enter(&door);
	if (!name_of_fd(fd, real, sizeof(real))) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, change_mode(real, mode, 0));
	return true;
}

bool door_chown(int *ret, int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	struct tree_path tp;
	struct door door;
	int err;

	if (!path_resolve(dirfd, path, &tp))
		return false;
	door_enter(&door);
	if (tp.tree || session_private(tp.logical))
		err = change_owner(tp.real, uid, gid, flags);
	else
		err = fchownat(AT_FDCWD, tp.real, uid, gid, flags) ? -errno : 0;
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_fchown(int *ret, int fd, uid_t uid, gid_t gid)
{
	char real[TREE_PATH_MAX];
	struct door door;

	door_enter(&door);
	if (!name_of_fd(fd, real, sizeof(real))) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, change_owner(real, uid, gid, 0));
	return true;
}

bool door_truncate(int *ret, const char *path, off_t len)
{
	struct tree_path tp;
	struct stat st;
	struct door door;
	int err = 0;

	if (!path_resolve(AT_FDCWD, path, &tp))
		return false;
	door_enter(&door);
	if (!tp.tree)
		err = truncate(tp.real, len) ? -errno : 0;
	else if (stat(tp.real, &st))
		err = -errno;
	else if (huge_path(&tp))
		err = huge_truncate_path(&tp, len);
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if (!(st.st_mode & 0222))
		err = -EACCES;
	*ret = (int)door_return(&door, err);
	return true;
}

/* ---- where the program stands ------------------------------------------------------------ */

bool door_chdir(int *ret, const char *path)
{
	struct tree_path tp;
	struct door door;

	atomic_store(&path_cwd_near, -1);
	if (!path_maybe(path) || !path_resolve(AT_FDCWD, path, &tp)) {
		/* libc's, but the cached answer is only known to be old after it. */
		door_enter(&door);
		*ret = (int)door_return(&door, chdir(path) ? -errno : 0);
	} else {
		door_enter(&door);
		*ret = (int)door_return(&door, chdir(tp.real) ? -errno : 0);
	}
	atomic_store(&path_cwd_near, -1);
	return true;
}

bool door_fchdir(int *ret, int fd)
{
	struct door door;

	door_enter(&door);
	*ret = (int)door_return(&door, fchdir(fd) ? -errno : 0);
	atomic_store(&path_cwd_near, -1);
	return true;
}

bool door_getcwd(char **ret, char *buf, size_t size)
{
	struct session *session = door_session();
	char real[PATH_MAX], cwd[TREE_PATH_MAX];
	size_t need;

	if (sysraw3(SYS_getcwd, (long)real, sizeof(real), 0) < 0 ||
	    !session_untranslate(session, real, cwd, sizeof(cwd)))
		return false;
	need = strlen(cwd) + 1;
	*ret = NULL;
	if (buf && !size) {
		errno = EINVAL;
	} else if (size && size < need) {
		errno = ERANGE;
	} else if (buf) {
		*ret = strcpy(buf, cwd);
	} else {
		*ret = malloc(MAX(size, need));
		if (*ret)
			strcpy(*ret, cwd);
	}
	return true;
}
