/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stat says: the file in the tree, corrected by the machine's knowledge (a device node is a
 * regular file in the session's directory).
 */
#include <string.h>
#include <sys/sysmacros.h>

#include "base/sysraw.h"
#include "file/file.h"
#include "machine/machine.h"
#include "machine/session.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/huge.h"
#include "preload/path.h"

/* @tp is in the tree. 0 or -errno. */
static int stat_tree(struct tree_path *tp, struct stat *st, int flags)
{
	int ret = path_canonical(tp, !(flags & AT_SYMLINK_NOFOLLOW));

	if (ret)
		return ret;
	if (lstat(tp->real, st))
		return -errno;
	if (huge_path(tp))
		return huge_stat_path(tp, st);
	if (tp->tree)
		machine_fix_stat(door_session(), tp->logical, st);
	return 0;
}

/* An open file looks like the name by which it was opened: programs compare the two. */
static int stat_file(struct file *file, struct stat *st)
{
	struct session *session = door_session();
	char real[TREE_PATH_MAX];

	if (!session_translate(session, file->path, real, sizeof(real)) || lstat(real, st))
		return file_stat(file, st);
	machine_fix_stat(session, file->path, st);
	return 0;
}

static int stat_fd(int fd, struct stat *st)
{
	struct file *file = file_from_fd(fd);
	int ret;

	if (!file)
		return huge_stat_fd(fd, st);
	ret = stat_file(file, st);
	file_put(file);
	return ret;
}

bool door_fstat(int *ret, int fd, struct stat *st)
{
	struct stat copy;
	struct door door;
	int err;

	door_enter(&door);
	err = stat_fd(fd, &copy);
	if (err > 0) {
		door_leave(&door);
		return false;
	}
	if (!err)
		*st = copy;
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_stat(int *ret, int dirfd, const char *path, struct stat *st, int flags)
{
	struct tree_path tp;
	struct stat copy;
	struct door door;
	int err;

	if (path[0] == '\0')
		return (flags & AT_EMPTY_PATH) && door_fstat(ret, dirfd, st);
	if (!path_resolve(dirfd, path, &tp))
		return false;
	door_enter(&door);
	if (tp.tree)
		err = stat_tree(&tp, &copy, flags);
	else
		err = fstatat(AT_FDCWD, tp.real, &copy, flags) ? -errno : 0;
	if (!err)
		*st = copy;
	*ret = (int)door_return(&door, err);
	return true;
}

static void fix_statx(struct statx *stx, const struct stat *st)
{
	stx->stx_mode = (uint16_t)st->st_mode;
	stx->stx_nlink = (uint32_t)st->st_nlink;
	stx->stx_uid = st->st_uid;
	stx->stx_gid = st->st_gid;
	stx->stx_size = (uint64_t)st->st_size;
	stx->stx_blocks = (uint64_t)st->st_blocks;
	stx->stx_blksize = (uint32_t)st->st_blksize;
	stx->stx_ino = st->st_ino;
	stx->stx_dev_major = major(st->st_dev);
	stx->stx_dev_minor = minor(st->st_dev);
	stx->stx_rdev_major = major(st->st_rdev);
	stx->stx_rdev_minor = minor(st->st_rdev);
}

/* musl 1.2.3 has no statx(). */
static int raw_statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *stx)
{
	return (int)sysraw6(SYS_statx, dirfd, (long)path, flags, (long)mask, (long)stx, 0);
}

bool door_statx(int *ret, int dirfd, const char *path, int flags, unsigned int mask,
		struct statx *stx)
{
	bool empty = !path || path[0] == '\0', plain = false;
	struct tree_path tp;
	struct stat st;
	struct door door;
	int err;

	if (!empty && !path_resolve(dirfd, path, &tp))
		return false;
	door_enter(&door);
	if (empty) {
		err = stat_fd(dirfd, &st);
		if (err > 0) {
			door_leave(&door);
			return false;
		}
		if (!err)
			err = raw_statx(dirfd, "", AT_EMPTY_PATH, mask, stx);
	} else {
		err = tp.tree ? stat_tree(&tp, &st, flags) : 1;
		plain = err > 0;
		if (err >= 0)
			err = raw_statx(AT_FDCWD, tp.real, flags, mask, stx);
	}
	if (!err && !plain)
		fix_statx(stx, &st);
	*ret = (int)door_return(&door, err);
	return true;
}

/* The root of the file system that a name of the tree pretends to be on. */
static const char *mount_of(const char *logical)
{
	if (!strncmp(logical, "/sys", 4))
		return "/sys";
	if (!strncmp(logical, "/run", 4))
		return "/run";
	return !strncmp(logical, "/dev", 4) ? "/dev" : "/proc";
}

/* Where statfs is to look instead of the path; NULL: at the path. */
static const char *statfs_path(struct tree_path *tp)
{
	struct stat st;

	if (!tp->tree)
		return tp->real;
	return lstat(tp->real, &st) ? tp->real : mount_of(tp->logical);
}

bool door_statfs(int *ret, const char *path, struct statfs *fs)
{
	struct tree_path tp;
	struct door door;
	int err;

	if (!path_resolve(AT_FDCWD, path, &tp))
		return false;
	door_enter(&door);
	if (huge_path(&tp))
		err = huge_statfs_path(&tp, fs);
	else
		err = statfs(statfs_path(&tp), fs) ? -errno : 0;
	*ret = (int)door_return(&door, err);
	return true;
}

static void to_statvfs(const struct statfs *fs, struct statvfs *vfs)
{
	memset(vfs, 0, sizeof(*vfs));
	vfs->f_bsize = (unsigned long)fs->f_bsize;
	vfs->f_frsize = (unsigned long)fs->f_frsize;
	vfs->f_blocks = fs->f_blocks;
	vfs->f_bfree = fs->f_bfree;
	vfs->f_bavail = fs->f_bavail;
	vfs->f_files = fs->f_files;
	vfs->f_ffree = vfs->f_favail = fs->f_ffree;
	vfs->f_namemax = (unsigned long)fs->f_namelen;
}

bool door_statvfs(int *ret, const char *path, struct statvfs *fs)
{
	struct tree_path tp;
	struct statfs huge;
	struct door door;
	int err;

	if (!path_resolve(AT_FDCWD, path, &tp))
		return false;
	door_enter(&door);
	if (huge_path(&tp)) {
		err = huge_statfs_path(&tp, &huge);
		if (!err)
			to_statvfs(&huge, fs);
	} else {
		err = statvfs(statfs_path(&tp), fs) ? -errno : 0;
	}
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_fstatfs(int *ret, int fd, struct statfs *fs)
{
	char path[TREE_PATH_MAX];
	struct door door;
	bool ours;
	int err;

	door_enter(&door);
	err = huge_statfs_fd(fd, fs);
	if (err <= 0) {
		*ret = (int)door_return(&door, err);
		return true;
	}
	ours = !path_of_fd(fd, path, sizeof(path)) && path[0] == '/' &&
	       (!strncmp(path, "/sys/", 5) || !strncmp(path, "/dev/", 5) ||
		!strncmp(path, "/proc/", 6) || !strncmp(path, "/run/", 5));
	if (!ours) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, statfs(mount_of(path), fs) ? -errno : 0);
	return true;
}
