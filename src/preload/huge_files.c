/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names on hugetlbfs mounts of the session's, and fds of what is there. A name is an empty file in
 * the session's directory; what is opened is the memfd that the keeper has for it. Directories are
 * directories.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "hugetlb/text.h"
#include "machine/machine.h"
#include "machine/session.h"
#include "preload/doors.h"
#include "preload/huge.h"

#define MEMFD_NAME_MAX 200
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#define MFD_HUGE_MASK  63U
#endif

static int request(struct huge_request *req, int fd, struct huge_reply *reply, int *out_fd)
{
	struct huge_client *client = huge_client();

	return client ? huge_call(client, req, fd, reply, out_fd) : -ENODEV;
}

int huge_slot_of(const struct tree_path *tp)
{
	bool root;

	return tp->tree ? huge_slot(door_session(), tp->real, &root) : -1;
}

bool huge_path(const struct tree_path *tp)
{
	return huge_slot_of(tp) >= 0;
}

/* ---- size ------------------------------------------------------------------------------------ */

static int truncate_fd(int fd, const struct huge_id *id, off_t len)
{
	struct huge_request req = { .op = HUGE_UNRESERVE, .ino = id->ino, .end = UINT64_MAX };
	struct huge_reply reply;
	struct stat st;
	int ret;

	if (len < 0 || !IS_ALIGNED((uint64_t)len, huge_bytes(id->size)))
		return -EINVAL;
	ret = raw_fstat(fd, &st);
	if (!ret)
		ret = raw_ftruncate(fd, (uint64_t)len);
	/* A new file gets its length: there is nothing behind it. */
	if (ret || (st.st_size == 0 && len > 0))
		return ret;
	req.first = (uint64_t)len >> huge_shift(id->size);
	request(&req, -1, &reply, NULL);
	return 0;
}

bool door_ftruncate(int *ret, int fd, off_t len)
{
	struct huge_id id;
	struct door door;
	int err = 1;

	if (!huge_fd(fd))
		return door_ftruncate_file(ret, fd, len);
	door_enter(&door);
	if (huge_of_fd(fd, &id))
		err = truncate_fd(fd, &id, len);
	if (err > 0) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, err);
	return true;
}

static int punch(int fd, const struct huge_id *id, uint64_t off, uint64_t len)
{
	const uint64_t page = huge_bytes(id->size);
	struct huge_request req = { .op = HUGE_UNRESERVE,
				    .ino = id->ino,
				    .first = ALIGN_UP(off, page) / page,
				    .end = (off + len) / page };
	struct huge_reply reply;
	long ret;

	ret = sysraw4(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (long)off,
		      (long)len);
	if (!ret && req.first < req.end)
		request(&req, -1, &reply, NULL);
	return (int)ret;
}

static int fallocate_fd(int fd, const struct huge_id *id, int mode, off_t off, off_t len)
{
	const uint64_t page = huge_bytes(id->size), end = (uint64_t)off + (uint64_t)len;
	struct huge_request req = { .op = HUGE_FALLOCATE,
				    .ino = id->ino,
				    .first = (uint64_t)off / page,
				    .end = (end + page - 1) / page };
	int oflags = raw_fcntl(fd, F_GETFL, 0), ret;
	struct huge_reply reply;
	struct stat st;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if ((oflags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (end > INT64_MAX)
		return -EFBIG;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return punch(fd, id, (uint64_t)off, (uint64_t)len);
	ret = request(&req, -1, &reply, NULL);
	if (ret && ret != -ENOSPC)
		return ret;
	if (ret || (mode & FALLOC_FL_KEEP_SIZE) || raw_fstat(fd, &st) ||
	    (uint64_t)st.st_size >= end)
		return ret;
	return raw_ftruncate(fd, end);
}

bool door_fallocate(int *ret, int fd, int mode, off_t off, off_t len)
{
	struct huge_id id;
	struct door door;
	int err = 1;

	if (!huge_fd(fd)) {
		errno = EOPNOTSUPP;
		*ret = -1;
		return true;
	}
	door_enter(&door);
	if (huge_of_fd(fd, &id))
		err = fallocate_fd(fd, &id, mode, off, len);
	if (err > 0) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, err);
	return true;
}

/* Returns its error. */
bool door_posix_fallocate(int *ret, int fd, off_t off, off_t len)
{
	int saved = errno;

	if (!huge_fd(fd))
		return door_posix_fallocate_file(ret, fd);
	if (!door_fallocate(ret, fd, 0, off, len))
		return false;
	if (*ret)
		*ret = errno;
	errno = saved;
	return true;
}

bool huge_refuses_write(ssize_t *ret, int fd)
{
	struct huge_id id;
	struct door door;
	bool ours;

	if (!huge_fd(fd))
		return false;
	door_enter(&door);
	ours = huge_of_fd(fd, &id);
	door_leave(&door);
	if (!ours)
		return false;
	errno = (raw_fcntl(fd, F_GETFL, 0) & O_ACCMODE) == O_RDONLY ? EBADF : EINVAL;
	*ret = -1;
	return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The memfd's name is the file's, for what /proc says of it. */
static void name_memfd(char *out, const char *logical)
{
	size_t len = strlen(logical + 1);

	snprintf(out, MEMFD_NAME_MAX + 1, "%s",
		 len > MEMFD_NAME_MAX ? logical + 1 + len - MEMFD_NAME_MAX : logical + 1);
}

static int open_pages(const struct tree_path *tp, unsigned int slot, int placeholder, int flags)
{
	struct huge_request req = { .op = HUGE_OPEN, .node = slot, .mode = (uint32_t)flags };
	struct huge_mount_info info;
	struct huge_reply reply;
	struct huge_id id;
	int fd, ret;

	if (!huge_slot_info(door_session(), slot, &info))
		return -ENOENT;
	req.size = info.size;
	name_memfd(req.text, tp->logical);
	ret = request(&req, placeholder, &reply, &fd);
	/* The lowest number is the program's: the one that came may stand above ours. */
	fd_close(placeholder);
	if (ret)
		return ret;
	id = (struct huge_id){ reply.ino, (enum huge_size)reply.size };
	huge_remember(id.ino, id.size);
	if (flags & O_TRUNC)
		truncate_fd(fd, &id, 0);
	fdset_add(&fdset_huge, fd);
	return fd;
}

int huge_open(const struct tree_path *tp, int flags, mode_t mode)
{
	const int of_name = O_CREAT | O_EXCL | O_DIRECTORY | O_NOFOLLOW | O_ACCMODE | O_TMPFILE;
	struct huge_client *client = huge_client();
	struct huge_mount_info info;
	int slot, fd, ret;
	struct stat st;
	bool root;

	slot = huge_slot(door_session(), tp->real, &root);
	if ((flags & (O_ACCMODE | O_CREAT | O_TRUNC)) && !(flags & O_PATH) &&
	    huge_slot_info(door_session(), (unsigned int)slot, &info) && info.read_only)
		return -EROFS;
	ret = client ? huge_client_connect(client) : -ENODEV;
	if (ret)
		return ret;
	if (flags & O_PATH)
		fd = open(tp->real, flags);
	else
		fd = open(tp->real, (flags & of_name) | O_CLOEXEC, mode & 0777);
	if (fd < 0)
		return -errno;
	if (raw_fstat(fd, &st) || !S_ISREG(st.st_mode) || (flags & O_PATH)) {
		if (S_ISDIR(st.st_mode))
			fdset_add(&fdset_dirs, fd);
		if (!(flags & O_CLOEXEC))
			raw_fcntl(fd, F_SETFD, 0);
		return fd;
	}
	fd = fd_move_high(fd);
	return fd < 0 ? fd : open_pages(tp, (unsigned int)slot, fd, flags);
}

int huge_open_served(const char *path, int flags, struct file **out)
{
	struct huge_client *client = huge_client();

	return client ? huge_open_text(client, path, flags, huge_rewrite_maps, out) : 1;
}

bool door_memfd_create(int *ret, const char *name, unsigned int flags)
{
	const unsigned int sizes = MFD_HUGETLB | MFD_HUGE_MASK << MFD_HUGE_SHIFT;
	struct huge_request req = { .op = HUGE_OPEN, .mode = O_RDWR };
	struct huge_reply reply;
	enum huge_size size;
	struct door door;
	int fd, err;

	door_enter(&door);
	if (!huge_client()) {
		door_leave(&door);
		return false;
	}
	/* The kernel looks at the name and the other flags. */
	fd = raw_memfd_create(name, (flags & ~sizes) | MFD_CLOEXEC);
	err = MIN(fd, 0);
	if (fd >= 0)
		raw_close(fd);
	if (!err && !huge_by_shift(flags >> MFD_HUGE_SHIFT & MFD_HUGE_MASK, &size))
		err = -ENODEV;
	if (!err) {
		req.size = size;
		req.flags = flags & MFD_ALLOW_SEALING;
		req.mode |= flags & MFD_CLOEXEC ? O_CLOEXEC : 0;
		snprintf(req.text, sizeof(req.text), "%s", name);
		err = request(&req, -1, &reply, &fd);
	}
	if (!err) {
		huge_remember(reply.ino, size);
		fdset_add(&fdset_huge, fd);
	}
	*ret = (int)door_return(&door, err ? err : fd);
	return true;
}

int huge_close(int fd)
{
	struct huge_id id = { .ino = 0 };
	bool ours = huge_of_fd(fd, &id);
	int ret;

	fdset_remove(&fdset_huge, fd);
	ret = raw_close(fd);
	if (ours)
		huge_sweep(id.ino);
	return ret;
}

/* ---- what they are --------------------------------------------------------------------------- */

static void fix_directory(int slot, struct stat *st)
{
	struct huge_mount_info info;

	machine_fix_stat(door_session(), "/", st);
	if (!huge_slot_info(door_session(), (unsigned int)slot, &info))
		return;
	st->st_dev = makedev(0, info.minor);
	st->st_blksize = (blksize_t)huge_bytes(info.size);
	st->st_size = 0;
}

int huge_stat_path(const struct tree_path *tp, struct stat *st)
{
	struct huge_client *client = huge_client();
	int slot, ret = -ENOENT;
	bool root;

	slot = huge_slot(door_session(), tp->real, &root);
	if (S_ISREG(st->st_mode) && client)
		ret = huge_fix_stat(client, st->st_ino, true, st);
	/* A name whose file has not been opened, or a directory. */
	if (ret)
		fix_directory(slot, st);
	return 0;
}

/* The slot of the mount that an open directory is in; -1: in none. */
static int directory_slot(int fd, struct tree_path *tp)
{
	tp->tree = !path_of_fd(fd, tp->logical, sizeof(tp->logical)) &&
		   session_translate(door_session(), tp->logical, tp->real, sizeof(tp->real));
	return huge_slot_of(tp);
}

int huge_stat_fd(int fd, struct stat *st)
{
	struct huge_client *client = huge_client();
	struct tree_path tp;
	int ret;

	if (!client)
		return 1;
	if (fdset_has(&fdset_dirs, fd) && directory_slot(fd, &tp) >= 0)
		return raw_fstat(fd, st) ? 1 : huge_stat_path(&tp, st);
	if (!huge_fd_known(fd) || raw_fstat(fd, st))
		return 1;
	ret = huge_fix_stat(client, st->st_ino, false, st);
	return ret == -ENOENT ? 1 : ret;
}

static void fill_statfs(struct statfs *fs, enum huge_size size)
{
	memset(fs, 0, sizeof(*fs));
	fs->f_type = HUGETLBFS_MAGIC;
	fs->f_bsize = fs->f_frsize = (long)huge_bytes(size);
	fs->f_namelen = 255;
}

static int statfs_slot(unsigned int slot, struct statfs *fs)
{
	struct huge_request req = { .op = HUGE_STATFS, .ino = slot };
	struct huge_mount_info info;
	struct huge_reply reply;
	int ret;

	if (!huge_slot_info(door_session(), slot, &info))
		return -ENOENT;
	fill_statfs(fs, info.size);
	if (!info.max_pages && !info.max_inodes)
		return 0;
	ret = request(&req, -1, &reply, NULL);
	if (ret)
		return ret;
	fs->f_blocks = info.max_pages;
	fs->f_bfree = fs->f_bavail = info.max_pages - MIN(info.max_pages, reply.value);
	fs->f_files = info.max_inodes;
	fs->f_ffree = info.max_inodes - MIN(info.max_inodes, reply.pages);
	return 0;
}

int huge_statfs_path(const struct tree_path *tp, struct statfs *fs)
{
	struct stat st;
	bool root;

	if (stat(tp->real, &st))
		return -errno;
	return statfs_slot((unsigned int)huge_slot(door_session(), tp->real, &root), fs);
}

int huge_statfs_fd(int fd, struct statfs *fs)
{
	struct tree_path tp;
	struct huge_id id;

	if (huge_fd_known(fd) && huge_of_fd(fd, &id)) {
		fill_statfs(fs, id.size);
		return 0;
	}
	if (!huge_client() || directory_slot(fd, &tp) < 0)
		return 1;
	return huge_statfs_path(&tp, fs);
}

/* ---- changing names -------------------------------------------------------------------------- */

static bool is_root(const struct tree_path *tp)
{
	bool root = false;

	return tp->tree && huge_slot(door_session(), tp->real, &root) >= 0 && root;
}

/* @flags: of unlinkat(2), or -1 for remove(3). */
bool door_unlink(int *ret, int dirfd, const char *path, int flags)
{
	struct tree_path tp;
	struct door door;
	struct stat st;
	int err;

	if (!path_resolve(dirfd, path, &tp))
		return false;
	door_enter(&door);
	if (is_root(&tp) && flags) {
		err = -EBUSY;
	} else if (huge_path(&tp) || !tp.tree) {
		if (lstat(tp.real, &st))
			err = -errno;
		else
			err = flags < 0 ? remove(tp.real) : unlinkat(AT_FDCWD, tp.real, flags);
		err = err == -1 ? -errno : err;
		if (!err && tp.tree && S_ISREG(st.st_mode))
			huge_sweep_name(st.st_ino);
	} else {
		err = path_unlink_error(tp.real, flags);
	}
	*ret = (int)door_return(&door, err);
	return true;
}

/* libc's own makes the file inside itself. */
bool door_mkstemp(int *ret, char *template, int suffix, int flags)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(template);
	struct tree_path tp;
	uint64_t random = 0;
	struct door door;
	int fd = -EEXIST, try, i;
	char *x;

	if (!path_in_tree(AT_FDCWD, template, &tp) || !huge_path(&tp))
		return false;
	x = template + len - (size_t)MAX(suffix, 0) - 6;
	if (suffix < 0 || len < (size_t)suffix + 6 || strncmp(x, "XXXXXX", 6)) {
		errno = EINVAL;
		*ret = -1;
		return true;
	}
	door_enter(&door);
	for (try = 0; try < TMP_MAX && fd == -EEXIST; try++) {
		sysraw3(SYS_getrandom, (long)&random, sizeof(random), 0);
		for (i = 0; i < 6; i++, random /= sizeof(letters) - 1)
			x[i] = letters[random % (sizeof(letters) - 1)];
		fd = path_in_tree(AT_FDCWD, template, &tp)
			     ? huge_open(&tp, (flags & ~O_ACCMODE) | O_RDWR | O_CREAT | O_EXCL,
					 0600)
			     : -ENOENT;
	}
	*ret = (int)door_return(&door, fd);
	return true;
}

int huge_truncate_path(const struct tree_path *tp, off_t len)
{
	int fd = huge_open(tp, O_WRONLY | O_CLOEXEC, 0), ret;
	struct huge_id id;

	if (fd < 0)
		return fd;
	ret = huge_of_fd(fd, &id) ? truncate_fd(fd, &id, len) : -EISDIR;
	huge_close(fd);
	return ret;
}

bool huge_name_of_fd(int fd, char *real, size_t size)
{
	struct tree_path tp = { .tree = true };
	char name[TREE_PATH_MAX];
	struct stat placeholder, st;

	if (!huge_fd_known(fd) || path_of_fd(fd, name, sizeof(name)))
		return false;
	huge_text_name(name);
	if (name[0] != '/' || !session_translate(door_session(), name, tp.real, sizeof(tp.real)) ||
	    !huge_path(&tp) || strlen(tp.real) >= size)
		return false;
	/* It may have another name by now. */
	if (lstat(tp.real, &placeholder) || huge_stat_fd(fd, &st) ||
	    st.st_ino != placeholder.st_ino)
		return false;
	strcpy(real, tp.real);
	return true;
}
