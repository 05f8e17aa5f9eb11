/* SPDX-License-Identifier: BSD-3-Clause */
/* Making sessions: the directory, and the locks between its processes. */
#include "machine/session_create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "machine/session_priv.h"

/* Bytes of "claims": IOMMU groups from 0 on, releases of slots from here. */
#define CLAIM_RELEASE 4096
#define CLAIM_REQUEST 8192
/* A session of some devices needs that much. */
#define SESSION_ROOM (1 << 20)

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

static int make_files(struct session *session, const char *disks)
{
	static const char *const names[] = { "lock", "claims", "kmsg", "keeper" };
	/* From here on the session is known as one, and as one that is in use. */
	int ret = session_make_alive(session, disks);

	for (size_t i = 0; i < ARRAY_SIZE(names) && !ret; i++)
		ret = make_file(session, names[i]);
	if (!ret && !disks[0])
		ret = make_directory(session, "disks");
	if (!ret)
		ret = make_directory(session, "texts");
	return ret;
}

/* A file system without a limit says 0 blocks. */
static int check_room(const char *base, uint64_t room)
{
	struct statvfs fs;

	if (statvfs(base, &fs) < 0)
		return -errno;
	if (fs.f_blocks && (uint64_t)fs.f_bavail * fs.f_frsize < room)
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
	ret = check_room(base, SESSION_ROOM);
	if (!ret && !mkdtemp(path))
		ret = -errno;
	return ret;
}

/* The same in the first base that takes it. 0 or -errno. */
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

/* Whether the user has said that the session shall be where it is. */
static bool base_is_users(const struct session *session)
{
	const char *users = getenv("UVFIO_DIR");
	char *real = users ? realpath(users, NULL) : NULL;
	size_t len = real ? strlen(real) : 0;
	bool is = real && !strncmp(session->dir, real, len) && session->dir[len] == '/';

	free(real);
	return is;
}

/*
 * Where disks without files go that may come to hold @size bytes: into @path, which is made, or
 * with "" into the session's directory, if there is room, or the user wants all of it there, or no
 * other base has room. A container's /dev/shm is good for the session and small for a disk.
 */
static void choose_disks(const struct session *session, uint64_t size, char *path, size_t path_size)
{
	const char *name = strrchr(session->dir, '/') + 1, *base;
	char *real;

	path[0] = '\0';
	if (!size || base_is_users(session) || !check_room(session->dir, size))
		return;
	for (unsigned int i = 0; (base = session_base(i)); i++) {
		real = check_room(base, size) ? NULL : realpath(base, NULL);
		if (real) {
			session_sweep(real);
			snprintf(path, path_size, "%s/%s" DISKS_SUFFIX, real, name);
			free(real);
			if (mkdir(path, 0700) == 0)
				return;
		}
		path[0] = '\0';
	}
}

int session_create(struct session **out, uint64_t disks, char *err, size_t err_size)
{
	struct session *session = FAIL_POINT() ? NULL : calloc(1, sizeof(*session));
	char path[4096], elsewhere[4096];
	int ret;

	if (!session) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
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
	choose_disks(session, disks, elsewhere, sizeof(elsewhere));
	ret = make_files(session, elsewhere);
	if (ret) {
		snprintf(err, err_size, "cannot write the session directory %s: %s", session->dir,
			 strerror(-ret));
		session_remove_tree(session->dir);
		rmdir(elsewhere);
		goto fail;
	}
	*out = session;
	return 0;
fail:
	session_close(session);
	return ret;
}

int session_allow_escape(struct session *session)
{
	return make_file(session, "escape");
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
		ret = errno == EAGAIN || errno == EACCES ? -EBUSY
		      : errno == ENOLCK			 ? -ENOMEM /* no memory for a lock */
							 : -errno;
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

int session_claim_request(struct session *session, unsigned int index)
{
	return lock_byte(session, "claims", CLAIM_REQUEST + index, F_OFD_SETLKW);
}

bool session_release_claimed(struct session *session, unsigned int index)
{
	return claimed(session, CLAIM_RELEASE + index);
}
