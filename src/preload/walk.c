/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scandir, glob, ftw and nftw over the tree: libc's walk with functions of its own inside, so that
 * here the walk is done with the interposed opendir, readdir and stat, at the program's depth.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "preload/doors.h"
#include "preload/path.h"
#include "preload/wrappers.h"

/* ---- scandir ----------------------------------------------------------------------------- */

struct names {
	struct dirent **list;
	size_t count, room;
};

static void free_names(struct names *names)
{
	while (names->count)
		free(names->list[--names->count]);
	free(names->list);
}

static int add_name(struct names *names, const struct dirent *entry)
{
	struct dirent **list;

	if (names->count == names->room) {
		names->room = MAX(2 * names->room, (size_t)16);
		list = realloc(names->list, names->room * sizeof(*list));
		if (!list)
			return -1;
		names->list = list;
	}
	names->list[names->count] = malloc(sizeof(*entry));
	if (!names->list[names->count])
		return -1;
	memcpy(names->list[names->count++], entry,
	       offsetof(struct dirent, d_name) + strlen(entry->d_name) + 1);
	return 0;
}

static int scan(DIR *dir, struct dirent ***out, dirent_filter_fn filter, dirent_compare_fn compare)
{
	struct names names = { 0 };
	struct dirent *entry;
	int error;

	while ((entry = readdir(dir))) {
		if (filter && !filter(entry))
			continue;
		if (add_name(&names, entry)) {
			error = errno;
			free_names(&names);
			errno = error;
			return -1;
		}
	}
	if (compare && names.count)
		qsort(names.list, names.count, sizeof(*names.list),
		      (int (*)(const void *, const void *))compare);
	*out = names.list;
	return (int)names.count;
}

bool door_scandir(int *ret, int dirfd, const char *path, struct dirent ***names,
		  dirent_filter_fn filter, dirent_compare_fn compare)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	*ret = -1;
	if (!dir) {
		error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return true;
	}
	*ret = scan(dir, names, filter, compare);
	error = errno;
	closedir(dir);
	errno = error;
	return true;
}

/* ---- ftw, nftw --------------------------------------------------------------------------- */

struct walk {
	ftw_fn ftw;
	nftw_fn nftw;
	int flags;
	dev_t dev;
	char path[PATH_MAX];
};

/* The directories above, against cycles through symlinks. */
struct above {
	const struct above *up;
	dev_t dev;
	ino_t ino;
};

static int walk(struct walk *w, size_t len, int base, int level, const struct above *up);

static int call(struct walk *w, const struct stat *st, int type, int base, int level)
{
	struct FTW where = { .base = base, .level = level };

	if (w->nftw)
		return w->nftw(w->path, st, type, &where);
	return w->ftw(w->path, st, type == FTW_SLN ? FTW_NS : type == FTW_DP ? FTW_D : type);
}

/* What is to be done with a callback's result: 0 go on, else the walk's result. */
static bool stops(const struct walk *w, int ret)
{
	if (!(w->flags & FTW_ACTIONRETVAL))
		return ret != 0;
	return ret == FTW_STOP || ret == FTW_SKIP_SIBLINGS;
}

static int walk_entries(struct walk *w, DIR *dir, size_t len, int level, const struct above *up)
{
	struct dirent *entry;
	size_t n;
	int ret = 0;

	while (!ret && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n = strlen(entry->d_name);
		if (len + n + 2 > sizeof(w->path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		w->path[len] = '/';
		memcpy(w->path + len + 1, entry->d_name, n + 1);
		ret = walk(w, len + 1 + n, (int)len + 1, level + 1, up);
		w->path[len] = '\0';
		if ((w->flags & FTW_ACTIONRETVAL) && ret == FTW_SKIP_SIBLINGS)
			return 0;
	}
	return ret;
}

static int walk_directory(struct walk *w, const struct stat *st, size_t len, int base, int level,
			  const struct above *up)
{
	struct above here = { up, st->st_dev, st->st_ino };
	const struct above *a;
	int ret = 0, error;
	DIR *dir;

	for (a = up; a; a = a->up)
		if (a->dev == st->st_dev && a->ino == st->st_ino)
			return 0;
	if ((w->flags & FTW_MOUNT) && st->st_dev != w->dev)
		return 0;
	dir = opendir(w->path);
	if (!dir)
		return call(w, st, FTW_DNR, base, level);
	if (!(w->flags & FTW_DEPTH))
		ret = call(w, st, FTW_D, base, level);
	if (!stops(w, ret) && !((w->flags & FTW_ACTIONRETVAL) && ret == FTW_SKIP_SUBTREE))
		ret = walk_entries(w, dir, len, level, &here);
	error = errno;
	closedir(dir);
	errno = error;
	if (!stops(w, ret) && (w->flags & FTW_DEPTH))
		ret = call(w, st, FTW_DP, base, level);
	return stops(w, ret) ? ret : 0;
}

/* @len: of w->path. */
static int walk(struct walk *w, size_t len, int base, int level, const struct above *up)
{
	struct stat st;
	int ret;

	memset(&st, 0, sizeof(st));
	if ((w->flags & FTW_PHYS) ? lstat(w->path, &st) : stat(w->path, &st)) {
		ret = lstat(w->path, &st) ? FTW_NS : FTW_SLN;
		if (level == 0 && ret == FTW_NS)
			return -1;
		ret = call(w, &st, ret, base, level);
	} else if (S_ISDIR(st.st_mode)) {
		if (level == 0)
			w->dev = st.st_dev;
		return walk_directory(w, &st, len, base, level, up);
	} else {
		ret = call(w, &st, S_ISLNK(st.st_mode) ? FTW_SL : FTW_F, base, level);
	}
	return stops(w, ret) ? ret : 0;
}

static int start(struct walk *w, const char *path)
{
	size_t len = strlen(path);
	const char *slash;
	int ret;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof(w->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(w->path, path, len);
	w->path[len] = '\0';
	slash = strrchr(w->path, '/');
	ret = walk(w, len, slash && slash[1] ? (int)(slash + 1 - w->path) : 0, 0, NULL);
	return (w->flags & FTW_ACTIONRETVAL) && ret == FTW_SKIP_SIBLINGS ? 0 : ret;
}

/* Only walks that meet the tree; one that changes directories is libc's. */
static bool meets_tree(const char *path)
{
	struct tree_path tp;

	if (path_resolve(AT_FDCWD, path, &tp))
		return true;
	return !path_logical(AT_FDCWD, path, &tp) &&
	       (!strncmp(tp.logical, "/sys", 4) || !strcmp(tp.logical, "/dev") || !tp.logical[1]);
}

bool door_ftw(int *ret, const char *path, ftw_fn fn, int fds)
{
	struct walk w = { .ftw = fn };

	if (!meets_tree(path))
		return false;
	*ret = start(&w, path);
	return true;
}

bool door_nftw(int *ret, const char *path, nftw_fn fn, int fds, int flags)
{
	struct walk w = { .nftw = fn, .flags = flags };

	if (!meets_tree(path) || (flags & FTW_CHDIR))
		return false;
	*ret = start(&w, path);
	return true;
}
