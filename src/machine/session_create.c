/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making and ending sessions.
 *
 * Whoever uses a session (the run process, the keeper, a process with a machine) holds a shared
 * flock on "alive". A directory whose "alive" can be locked exclusively is stale and is swept by
 * whoever makes the next session there, unless the file "keep" says that it stays. flock belongs to
 * the open file description: a forked child keeps the session alive as well.
 */
#include "machine/session_create.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "machine/session_priv.h"

#define SESSION_PREFIX "uvfio-"
/* Bytes of "claims": IOMMU groups from 0 on, releases of slots from here. */
#define CLAIM_RELEASE 4096
/* A directory without "alive" this old was left by a creator that died early. */
#define SESSION_GRACE_SECONDS 60
#define SESSION_ROOM	      (1 << 20)

const struct session_identity session_identity_root = {
	.uid = 0, .gid = 0, .caps = UINT64_MAX, .memlock = UINT64_MAX
};

const char *session_base(unsigned int index)
{
	const char *bases[4];
	unsigned int n = 0;

	if (getenv("UVFIO_DIR"))
		bases[n++] = getenv("UVFIO_DIR");
	if (getenv("XDG_RUNTIME_DIR"))
		bases[n++] = getenv("XDG_RUNTIME_DIR");
	bases[n++] = "/dev/shm";
	bases[n++] = "/tmp";
	return index < n ? bases[index] : NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_DNR)
		return 0;
	remove(path);
	return 0;
}

static void remove_tree(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A locked fd on DIR/alive, or -errno; -EWOULDBLOCK: somebody has it. */
static int alive_lock(const char *dir, int operation)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/alive", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, operation | LOCK_NB) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static bool session_kept(const char *dir)
{
	char path[4096];

	return snprintf(path, sizeof(path), "%s/keep", dir) < (int)sizeof(path) &&
	       !access(path, F_OK);
}

static bool has_file(const char *dir, const char *name)
{
	char path[4096];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Nobody uses the session, and nobody is making it. */
static bool session_stale(const char *dir, const struct stat *st)
{
	int fd;

	if (session_kept(dir))
		return false;
	fd = alive_lock(dir, LOCK_EX);
	if (fd == -ENOENT)
		return time(NULL) - st->st_mtime > SESSION_GRACE_SECONDS;
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* A name as mkdtemp() makes it. */
static bool is_session_name(const char *name)
{
	size_t prefix = sizeof(SESSION_PREFIX) - 1;

	return !strncmp(name, SESSION_PREFIX, prefix) && strlen(name) == prefix + 6 &&
	       strspn(name + prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789") == 6;
}

/* A directory of ours as mkdtemp() makes it, whatever is in it. */
static bool is_session_directory(const char *path, struct stat *st)
{
	return lstat(path, st) == 0 && S_ISDIR(st->st_mode) && st->st_uid == geteuid() &&
	       (st->st_mode & 07777) == 0700;
}

/* Calls @fn for each directory in @base that looks like a session of ours. */
static void for_each_in(const char *base, void (*fn)(void *, const char *, const struct stat *),
			void *arg)
{
	DIR *list = opendir(base);
	struct dirent *entry;
	struct stat st;
	char path[4096];

	if (!list)
		return;
	while ((entry = readdir(list))) {
		if (!is_session_name(entry->d_name))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", base, entry->d_name) >= (int)sizeof(path))
			continue;
		if (is_session_directory(path, &st))
			fn(arg, path, &st);
	}
	closedir(list);
}

static void sweep_one(void *arg, const char *dir, const struct stat *st)
{
	if (!session_stale(dir, st))
		return;
	/* What has the name but not the files of a session is somebody else's, or empty. */
	if (has_file(dir, "claims") && has_file(dir, "kmsg"))
		remove_tree(dir);
	else
		rmdir(dir);
}

void session_sweep(const char *base)
{
	for_each_in(base, sweep_one, NULL);
}

struct each {
	void (*fn)(void *arg, const char *dir);
	void *arg;
};

static void each_one(void *arg, const char *dir, const struct stat *st)
{
	const struct each *each = arg;

	if (has_file(dir, "shared") && !session_stale(dir, st))
		each->fn(each->arg, dir);
}

void session_for_each(void (*fn)(void *arg, const char *dir), void *arg)
{
	struct each each = { fn, arg };
	const char *base;

	for (unsigned int i = 0; (base = session_base(i)); i++)
		for_each_in(base, each_one, &each);
}

static int make_file(const struct session *session, const char *name)
{
	char path[4096];
	int ret = session_path(session, name, path, sizeof(path)), fd;

	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int make_directory(const struct session *session, const char *name)
{
	char path[4096];
	int ret = session_path(session, name, path, sizeof(path));

	return ret ? ret : mkdir(path, 0700) < 0 ? -errno : 0;
}

/* "alive" is locked before it has its name: nobody finds the session stale meanwhile. */
static int make_alive(struct session *session)
{
	char temp[4096], path[4096];
	int fd;

	if (session_path(session, "alive.new", temp, sizeof(temp)) ||
	    session_path(session, "alive", path, sizeof(path)))
		return -ENAMETOOLONG;
	fd = fd_move_high(open(temp, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	if (fd < 0)
		return fd;
	session->alive_fd = fd;
	if (flock(fd, LOCK_SH) < 0 || rename(temp, path) < 0)
		return -errno;
	return 0;
}

static int make_files(struct session *session)
{
	static const char *const names[] = { "lock", "claims", "kmsg", "keeper" };
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !ret; i++)
		ret = make_file(session, names[i]);
	if (!ret)
		ret = make_directory(session, "disks");
	if (!ret)
		ret = make_directory(session, "texts");
	return ret ? ret : make_alive(session);
}

/* A session of some devices needs that much; a file system without a limit says 0 blocks. */
static int check_room(const char *base)
{
	struct statvfs fs;

	if (statvfs(base, &fs) < 0)
		return -errno;
	if (fs.f_blocks && (uint64_t)fs.f_bavail * fs.f_frsize < SESSION_ROOM)
		return -ENOSPC;
	return 0;
}

/* A private directory in @base; its name in @path. 0 or -errno. */
static int make_private(const char *base, char *path, size_t size)
{
	int ret;

	if (snprintf(path, size, "%s/" SESSION_PREFIX "XXXXXX", base) >= (int)size)
		return -ENAMETOOLONG;
	session_sweep(base);
	ret = check_room(base);
	if (!ret && !mkdtemp(path))
		ret = -errno;
	return ret;
}

/* The same in the first base that takes it. */
static int choose_base(char *path, size_t size, char *err, size_t err_size)
{
	const char *base, *users = getenv("UVFIO_DIR");
	int ret = -ENOENT;

	for (unsigned int i = 0; (base = session_base(i)); i++) {
		ret = make_private(base, path, size);
		if (!ret)
			return 0;
		/* The user has asked for this one; the others are habits. */
		if (i == 0 && users)
			pr_warn("UVFIO_DIR=%s cannot be used: %s; trying other directories", users,
				strerror(-ret));
	}
	snprintf(err, err_size,
		 "no directory for the session: none of $UVFIO_DIR, $XDG_RUNTIME_DIR, /dev/shm and "
		 "/tmp can be written and has room (%s); set UVFIO_DIR to one that has",
		 strerror(-ret));
	return ret;
}

int session_create(struct session **out, char *err, size_t err_size)
{
	struct session *session = FAIL_POINT() ? NULL : calloc(1, sizeof(*session));
	char path[4096];
	int ret;

	if (!session) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	session->alive_fd = -1;
	ret = choose_base(path, sizeof(path), err, err_size);
	if (ret)
		goto fail;
	session->dir = realpath(path, NULL);
	if (!session->dir) {
		ret = -errno;
		snprintf(err, err_size, "%s: %s", path, strerror(-ret));
		rmdir(path);
		goto fail;
	}
	session->dir_len = strlen(session->dir);
	ret = make_files(session);
	if (ret) {
		snprintf(err, err_size, "cannot write the session directory %s: %s", session->dir,
			 strerror(-ret));
		remove_tree(session->dir);
		goto fail;
	}
	*out = session;
	return 0;
fail:
	session_close(session);
	return ret;
}

int session_hold(struct session *session)
{
	int fd;

	if (session->alive_fd >= 0)
		return 0;
	fd = alive_lock(session->dir, LOCK_SH);
	if (fd < 0)
		return fd;
	fd = fd_move_high(fd);
	if (fd < 0)
		return fd;
	session->alive_fd = fd;
	return 0;
}

int session_keep(struct session *session)
{
	return make_file(session, "keep");
}

int session_allow_escape(struct session *session)
{
	return make_file(session, "escape");
}

bool session_is_kept(const struct session *session)
{
	return session_kept(session->dir);
}

bool session_remove(struct session *session)
{
	int fd;

	/* A shared lock of our own on another description would refuse the exclusive one. */
	fd_close(session->alive_fd);
	session->alive_fd = -1;
	fd = alive_lock(session->dir, LOCK_EX);
	if (fd < 0)
		return false;
	remove_tree(session->dir);
	close(fd);
	return true;
}

/* ---- locks ----------------------------------------------------------------------------------- */

/* An open-file-description lock on one byte of DIR/@name on a new description: the fd or -errno. */
static int lock_byte(const struct session *session, const char *name, unsigned int byte,
		     int command)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = byte, .l_len = 1 };
	char path[4096];
	int ret = session_path(session, name, path, sizeof(path)), fd;

	if (ret)
		return ret;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		ret = fcntl(fd, command, &lock);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0) {
		ret = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
		close(fd);
		return ret;
	}
	return fd_move_high(fd);
}

int session_lock(struct session *session)
{
	return lock_byte(session, "lock", 0, F_OFD_SETLKW);
}

int session_lock_file(struct session *session, const char *name)
{
	return lock_byte(session, name, 0, F_OFD_SETLK);
}

void session_unlock(int fd)
{
	fd_close(fd);
}

int session_claim_group(struct session *session, unsigned int id)
{
	return lock_byte(session, "claims", id, F_OFD_SETLK);
}

/* Whether somebody holds that byte of "claims". */
static bool claimed(const struct session *session, unsigned int byte)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = byte, .l_len = 1 };
	char path[4096];
	bool held;
	int fd;

	if (session_path(session, "claims", path, sizeof(path)))
		return false;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* Asking must not take: somebody may be claiming it this very moment. */
	held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return held;
}

bool session_group_claimed(struct session *session, unsigned int id)
{
	return claimed(session, id);
}

int session_claim_release(struct session *session, unsigned int index)
{
	return lock_byte(session, "claims", CLAIM_RELEASE + index, F_OFD_SETLK);
}

bool session_release_claimed(struct session *session, unsigned int index)
{
	return claimed(session, CLAIM_RELEASE + index);
}
