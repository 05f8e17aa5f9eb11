/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of sessions: who uses one, and what becomes of those that nobody uses.
 *
 * Whoever uses a session (the run process, the keeper, every program that the library came up in)
 * holds a shared flock on "alive". A directory whose "alive" can be locked exclusively is stale and
 * is swept by whoever makes the next session there, unless the file "keep" says that it stays. A
 * lock, other than a process id, means the same in every pid namespace and ends with its process.
 *
 * The lock belongs to the open file description, and a mapping keeps that: no fd stays open for it.
 * A forked child keeps the session alive as well.
 *
 * Disks that have a directory elsewhere live as long as the session: that has an "alive" of its own
 * (somebody may see one of the two directories and not the other), and both are held together.
 *
 * A directory that is to be removed gets a name first by which it is no session any more: whoever
 * finds one with that name removes the rest of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "machine/session_create.h"
#include "machine/session_priv.h"

/* Of a directory that is being removed, behind the session's name. */
#define DEAD_SUFFIX ".dead"
/* A directory without "alive" this old was left by a creator that died at once. */
#define SESSION_GRACE_SECONDS 60
/* How long the last programs of a session may take to end: so often, so long. */
#define REMOVE_TRIES 10
#define REMOVE_NSEC  10000000

/*
 * Empties the directory @name below @at, unless it is on another device than @dev. Two system calls
 * less an entry than nftw() makes: every session ends with this. What does not go stays.
 */
static void empty_directory(int at, const char *name, dev_t dev)
{
	char buf[8192] __attribute__((aligned(__alignof__(struct dirent))));
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	long len, pos;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || st.st_dev != dev)
		goto out;
	while ((len = sysraw3(SYS_getdents64, fd, (long)buf, sizeof(buf))) > 0) {
		for (pos = 0; pos < len;) {
			const struct dirent *entry = (const void *)(buf + pos);

			pos += entry->d_reclen;
			if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
				continue;
			if (entry->d_type != DT_DIR && unlinkat(fd, entry->d_name, 0) == 0)
				continue;
			if (entry->d_type != DT_DIR && errno != EISDIR)
				continue;
			empty_directory(fd, entry->d_name, dev);
			unlinkat(fd, entry->d_name, AT_REMOVEDIR);
		}
	}
out:
	close(fd);
}

static void remove_tree(const char *dir)
{
	struct stat st;

	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	empty_directory(AT_FDCWD, dir, st.st_dev);
	rmdir(dir);
}

/* Gives the directory its dead name and removes it. */
static void bury(const char *dir)
{
	char dead[4096];

	if (snprintf(dead, sizeof(dead), "%s" DEAD_SUFFIX, dir) < (int)sizeof(dead) &&
	    rename(dir, dead) == 0)
		remove_tree(dead);
	else
		remove_tree(dir);
}

/* The directory of the session's disks when it is another one; its name in @out. */
static bool disks_elsewhere(const char *dir, char *out, size_t size)
{
	char link[4096];
	ssize_t len;

	if (snprintf(link, sizeof(link), "%s/disks", dir) >= (int)sizeof(link))
		return false;
	len = readlink(link, out, size - 1);
	if (len <= 0)
		return false;
	out[len] = '\0';
	return true;
}

void session_remove_tree(const char *dir)
{
	char disks[4096];

	if (disks_elsewhere(dir, disks, sizeof(disks)))
		bury(disks);
	bury(dir);
}

/* ---- the lock -------------------------------------------------------------------------------- */

/* An fd on DIR/alive that is locked, or -errno; -EWOULDBLOCK: somebody has it. */
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
		int err = errno == ENOLCK ? -ENOMEM : -errno; /* no memory for a lock */

		close(fd);
		return err;
	}
	return fd;
}

/* The mapping of the locked @fd, which is closed. Nobody looks at it: the file is empty. */
static int keep_lock(int fd, void **hold)
{
	void *page = mmap(NULL, HOST_PAGE_SIZE, PROT_NONE, MAP_SHARED, fd, 0);
	int ret = page == MAP_FAILED ? -errno : 0;

	close(fd);
	if (!ret)
		*hold = page;
	return ret;
}

int session_hold_directory(const char *dir, struct session_hold *hold)
{
	int fd = alive_lock(dir, LOCK_SH), ret = fd < 0 ? fd : keep_lock(fd, &hold->session);
	char disks[4096];

	if (ret || !disks_elsewhere(dir, disks, sizeof(disks)))
		return ret;
	fd = alive_lock(disks, LOCK_SH);
	ret = fd < 0 ? fd : keep_lock(fd, &hold->disks);
	if (ret)
		session_unhold(hold);
	return ret;
}

int session_hold(struct session *session)
{
	return session->hold.session ? 0 : session_hold_directory(session->dir, &session->hold);
}

void session_unhold(struct session_hold *hold)
{
	if (hold->session)
		munmap(hold->session, HOST_PAGE_SIZE);
	if (hold->disks)
		munmap(hold->disks, HOST_PAGE_SIZE);
	*hold = (struct session_hold){ 0 };
}

/* "alive" is locked before it has its name: nobody finds the session stale meanwhile. */
static int make_alive_in(const char *dir, void **hold)
{
	char temp[4096], path[4096];
	int fd, ret;

	if (snprintf(temp, sizeof(temp), "%s/alive.new", dir) >= (int)sizeof(temp) ||
	    snprintf(path, sizeof(path), "%s/alive", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_SH) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	ret = keep_lock(fd, hold);
	return ret ? ret : rename(temp, path) < 0 ? -errno : 0;
}

int session_make_alive(struct session *session, const char *disks)
{
	int ret = make_alive_in(session->dir, &session->hold.session);
	char link[4096];

	if (ret || !disks[0])
		return ret;
	ret = make_alive_in(disks, &session->hold.disks);
	if (!ret)
		ret = session_path(session, "disks", link, sizeof(link));
	return ret ? ret : symlink(disks, link) < 0 ? -errno : 0;
}

static int make_keep(const char *dir)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/keep", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int session_keep(struct session *session)
{
	char disks[4096];
	int ret = 0;

	if (disks_elsewhere(session->dir, disks, sizeof(disks)))
		ret = make_keep(disks);
	return ret ? ret : make_keep(session->dir);
}

/* ---- stale ones ------------------------------------------------------------------------------ */

static bool has_file(const char *dir, const char *name)
{
	char path[4096];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool session_is_kept(const struct session *session)
{
	return has_file(session->dir, "keep");
}

/* The exclusive lock of a session that nobody uses, as an fd; or -errno: it is in use. */
static int stale_lock(const char *dir)
{
	return has_file(dir, "keep") ? -EBUSY : alive_lock(dir, LOCK_EX);
}

/* A name as mkdtemp() makes it, with @suffix behind it. */
static bool is_session_name(const char *name, const char *suffix)
{
	size_t prefix = sizeof(SESSION_PREFIX) - 1;

	return !strncmp(name, SESSION_PREFIX, prefix) &&
	       strspn(name + prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789") == 6 &&
	       !strcmp(name + prefix + 6, suffix);
}

/* A directory of ours as mkdtemp() makes it, whatever is in it. */
static bool is_session_directory(const char *path, struct stat *st)
{
	return lstat(path, st) == 0 && S_ISDIR(st->st_mode) && st->st_uid == geteuid() &&
	       (st->st_mode & 07777) == 0700;
}

/* Calls @fn for each directory in @base that is named like a session of ours. */
static void for_each_in(const char *base, const char *suffix,
			void (*fn)(void *, const char *, const struct stat *), void *arg)
{
	DIR *list = opendir(base);
	struct dirent *entry;
	struct stat st;
	char path[4096];

	if (!list)
		return;
	while ((entry = readdir(list))) {
		if (!is_session_name(entry->d_name, suffix))
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
	char path[4096];
	int fd;

	if (!has_file(dir, "alive")) {
		/* Its creator has just begun, or has died there; or it is somebody else's. */
		if (time(NULL) - st->st_mtime <= SESSION_GRACE_SECONDS)
			return;
		if (snprintf(path, sizeof(path), "%s/alive.new", dir) < (int)sizeof(path))
			unlink(path);
		rmdir(dir);
		return;
	}
	fd = stale_lock(dir);
	if (fd < 0)
		return;
	session_remove_tree(dir);
	close(fd);
}

static void sweep_dead(void *arg, const char *dir, const struct stat *st)
{
	remove_tree(dir);
}

void session_sweep(const char *base)
{
	for_each_in(base, "", sweep_one, NULL);
	for_each_in(base, DISKS_SUFFIX, sweep_one, NULL);
	for_each_in(base, DEAD_SUFFIX, sweep_dead, NULL);
	for_each_in(base, DISKS_SUFFIX DEAD_SUFFIX, sweep_dead, NULL);
}

struct each {
	void (*fn)(void *arg, const char *dir);
	void *arg;
};

static void each_one(void *arg, const char *dir, const struct stat *st)
{
	const struct each *each = arg;
	int fd;

	if (!has_file(dir, "shared"))
		return;
	fd = stale_lock(dir);
	if (fd < 0)
		each->fn(each->arg, dir);
	else
		close(fd);
}

void session_for_each(void (*fn)(void *arg, const char *dir), void *arg)
{
	struct each each = { fn, arg };
	const char *base;

	for (unsigned int i = 0; (base = session_base(i)); i++)
		for_each_in(base, "", each_one, &each);
}

bool session_remove(struct session *session)
{
	const struct timespec pause = { .tv_nsec = REMOVE_NSEC };
	int fd = -EWOULDBLOCK;

	/* A shared lock of our own on another description would refuse the exclusive one. */
	session_unhold(&session->hold);
	for (int i = 0; i < REMOVE_TRIES && fd == -EWOULDBLOCK; i++) {
		if (i)
			nanosleep(&pause, NULL);
		fd = alive_lock(session->dir, LOCK_EX);
	}
	if (fd < 0)
		return false;
	session_remove_tree(session->dir);
	close(fd);
	return true;
}
