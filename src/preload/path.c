/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/path.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "file/file.h"
#include "machine/session.h"

atomic_int path_cwd_near = -1;

/* Until the session is known there may be any number of them: the first name opens it. */
static const _Atomic uint32_t unknown_mounts = 1;
const _Atomic uint32_t *_Atomic path_mounts = &unknown_mounts;

/* Whether @path, absolute and normalised, may be in the tree or have a part of it below. */
static bool is_near(const char *path)
{
	static const char *const roots[] = { "/sys", "/dev", "/proc", "/run" };
	size_t i, len;

	if (path[1] == '\0' || session_elsewhere(path))
		return true;
	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		len = strlen(roots[i]);
		if (!strncmp(path, roots[i], len) && (path[len] == '/' || !path[len]))
			return true;
	}
	return false;
}

/* What the kernel says of a directory or file, in the program's words. */
static int from_real(char *buf, size_t size)
{
	struct session *session = door_session();
	char out[TREE_PATH_MAX];

	if (!session || !session_untranslate(session, buf, out, sizeof(out)))
		return 0;
	if (strlen(out) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, out);
	return 0;
}

int path_cwd(char *out, size_t size)
{
	long ret = sysraw3(SYS_getcwd, (long)out, (long)size, 0);

	if (ret < 0)
		return (int)ret;
	/* "(unreachable)/..." is no place of ours. */
	return out[0] == '/' ? from_real(out, size) : -ENOENT;
}

static int readlink_fd(int fd, char *out, size_t size)
{
	char name[40];
	long len;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	len = sysraw4(SYS_readlinkat, AT_FDCWD, (long)name, (long)out, (long)size);
	if (len < 0)
		return (int)len;
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	out[len] = '\0';
	return 0;
}

int path_named_fd(const char *logical)
{
	static const char *const standard[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	char own[32];
	int fd, end = 0;

	for (fd = 0; fd < (int)ARRAY_SIZE(standard); fd++)
		if (!strcmp(logical, standard[fd]))
			return fd;
	snprintf(own, sizeof(own), "/proc/%d/fd/", raw_getpid());
	if (!strncmp(logical, own, strlen(own)))
		logical += strlen(own);
	else if (!strncmp(logical, "/proc/self/fd/", 14))
		logical += 14;
	else if (!strncmp(logical, "/dev/fd/", 8))
		logical += 8;
	else
		return -1;
	return sscanf(logical, "%d%n", &fd, &end) == 1 && !logical[end] && fd >= 0 ? fd : -1;
}

int path_of_fd(int fd, char *out, size_t size)
{
	struct file *file = file_from_fd(fd);
	int ret;

	if (file) {
		ret = strlen(file->path) < size ? 0 : -ENAMETOOLONG;
		if (!ret)
			strcpy(out, file->path);
		file_put(file);
		return ret;
	}
	ret = readlink_fd(fd, out, size);
	return ret ? ret : from_real(out, size);
}

bool path_cwd_is_near(void)
{
	int near = atomic_load_explicit(&path_cwd_near, memory_order_relaxed);
	char cwd[TREE_PATH_MAX];

	if (near >= 0)
		return near;
	if (!door_on())
		return false;
	near = !path_cwd(cwd, sizeof(cwd)) && is_near(cwd);
	atomic_store_explicit(&path_cwd_near, near, memory_order_relaxed);
	return near;
}

/* Cuts the last component off; the root stays. Returns the new length. */
static size_t pop(char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	if (len > 0)
		len--;
	path[len] = '\0';
	return len;
}

/* The prefix @path of @len bytes, of the program's view, without symlinks, for a `..` behind it.
 * *@through: it is a directory of the tree's, which libc would not find. */
static size_t resolve_prefix(char *path, size_t len, bool *through)
{
	struct session *session = door_session();
	char real[TREE_PATH_MAX];
	const char *name = path;
	long fd;

	if (len == 0 || !session || !is_near(path))
		return len;
	if (session_translate(session, path, real, sizeof(real))) {
		name = real;
		*through = true;
	}
	fd = sysraw4(SYS_openat, AT_FDCWD, (long)name, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return len;
	if (!readlink_fd((int)fd, real, sizeof(real)) && !from_real(real, sizeof(real))) {
		strcpy(path, real);
		len = strlen(path);
	}
	raw_close((int)fd);
	return len;
}

/*
 * Appends @path to the absolute normalised @out. @textual: never ask the file system. -ENAMETOOLONG
 * when it does not fit. *@through: a `..` was taken from a directory of the tree.
 */
static int append(char *out, const char *path, bool textual, bool *through)
{
	size_t len = strlen(out), n;
	bool resolved = false;

	if (len == 1)
		len = 0; /* "/" */
	while (*path) {
		while (*path == '/')
			path++;
		n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			out[len] = '\0';
			if (!textual && !resolved)
				len = resolve_prefix(out, len, through);
			resolved = true;
			len = pop(out, len);
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (len + n + 2 > TREE_PATH_MAX)
				return -ENAMETOOLONG;
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
			resolved = false;
		}
		path += n;
	}
	out[len] = '\0';
	if (len == 0)
		strcpy(out, "/");
	return 0;
}

static int base_of(int dirfd, const char *path, char *out)
{
	if (path[0] == '/') {
		strcpy(out, "/");
		return 0;
	}
	return dirfd == AT_FDCWD ? path_cwd(out, TREE_PATH_MAX)
				 : path_of_fd(dirfd, out, TREE_PATH_MAX);
}

static int make_logical(int dirfd, const char *path, struct tree_path *tp, bool *through)
{
	int ret = base_of(dirfd, path, tp->logical);

	/* "socket:[7]" and the like are no places. */
	if (!ret && tp->logical[0] != '/')
		ret = -ENOTDIR;
	return ret ? ret : append(tp->logical, path, false, through);
}

int path_logical(int dirfd, const char *path, struct tree_path *tp)
{
	bool through;

	return make_logical(dirfd, path, tp, &through);
}

bool path_maybe_dotdot(int dirfd, const char *path)
{
	char out[TREE_PATH_MAX];
	bool through;

	if (!door_on())
		return false;
	return !base_of(dirfd, path, out) && out[0] == '/' && !append(out, path, true, &through) &&
	       is_near(out);
}

/* A directory name with a slash behind it must stay one: open("…/vendor/") is ENOTDIR. */
static void keep_slash(const char *path, char *real, size_t size)
{
	size_t n = strlen(path), len = strlen(real);

	if (n > 1 && path[n - 1] == '/' && len > 1 && len + 2 <= size) {
		real[len] = '/';
		real[len + 1] = '\0';
	}
}

/* Whether relative names start in a directory of the tree. */
static bool base_in_tree(struct session *session, int dirfd)
{
	char real[TREE_PATH_MAX], logical[TREE_PATH_MAX];

	if (dirfd == AT_FDCWD ? sysraw3(SYS_getcwd, (long)real, sizeof(real), 0) < 0
			      : readlink_fd(dirfd, real, sizeof(real)) != 0)
		return false;
	return session_untranslate(session, real, logical, sizeof(logical));
}

bool path_by_real_name(int dirfd, const char *path)
{
	return dirfd != AT_FDCWD && path[0] != '/' && !fdset_has(&fdset_dirs, dirfd) &&
	       base_in_tree(door_session(), dirfd);
}

bool path_hidden(const char *logical)
{
	char real[TREE_PATH_MAX], out[TREE_PATH_MAX];
	long fd;
	int ret;

	if (strncmp(logical, "/sys/", 5))
		return false;
	fd = sysraw4(SYS_openat, AT_FDCWD, (long)logical, O_PATH | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ret = readlink_fd((int)fd, real, sizeof(real));
	raw_close((int)fd);
	return !ret && session_translate(door_session(), real, out, sizeof(out));
}

static bool resolve(struct session *session, int dirfd, const char *path, struct tree_path *tp)
{
	bool through = false;

	if (path_by_real_name(dirfd, path))
		return false;
	if (make_logical(dirfd, path, tp, &through))
		return false;
	tp->tree = session_translate(session, tp->logical, tp->real, sizeof(tp->real));
	if (tp->tree && session_private(tp->logical)) {
		tp->tree = false;
	} else if (tp->tree) {
		door_tell_error();
	} else if (path_hidden(tp->logical)) {
		/* Where nothing is. */
		tp->tree = true;
		snprintf(tp->real, sizeof(tp->real), "%s/hidden", session_dir(session));
	} else {
		/* A host file, but libc would look for it where the tree's directory really is, or
		 * would not find the way there. */
		if (!through && (path[0] == '/' || !base_in_tree(session, dirfd)))
			return false;
		strcpy(tp->real, tp->logical);
	}
	keep_slash(path, tp->real, sizeof(tp->real));
	return true;
}

bool path_resolve(int dirfd, const char *path, struct tree_path *tp)
{
	struct session *session = door_session();
	int saved = errno;
	bool ret;

	if (!session || !path[0])
		return false;
	depth_enter();
	ret = resolve(session, dirfd, path, tp);
	depth_leave();
	errno = saved;
	return ret;
}

bool path_in_tree(int dirfd, const char *path, struct tree_path *tp)
{
	return path_resolve(dirfd, path, tp) && tp->tree;
}

int path_canonical(struct tree_path *tp, bool follow)
{
	struct session *session = door_session();
	int flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), ret;
	long fd;

	fd = sysraw4(SYS_openat, AT_FDCWD, (long)tp->real, flags, 0);
	if (fd < 0)
		return (int)fd;
	ret = readlink_fd((int)fd, tp->real, sizeof(tp->real));
	raw_close((int)fd);
	if (ret)
		return ret;
	tp->tree = session_untranslate(session, tp->real, tp->logical, sizeof(tp->logical)) &&
		   !session_private(tp->logical);
	if (!tp->tree)
		strcpy(tp->logical, tp->real);
	return 0;
}
