/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * glob(3). glibc's takes functions to look with, and gets the interposed ones. musl's does not: it
 * searches the real tree behind the directory that the pattern begins with, and what it finds is
 * given the program's names again. So a pattern with a wildcard before the first directory of the
 * tree (as in "/s*" or, in "/sys/class", beside the host's entries) finds nothing there.
 */
#include <errno.h>
#include <string.h>

#include "preload/dir.h"
#include "preload/doors.h"
#include "preload/path.h"
#include "preload/wrappers.h"

#ifdef GLOB_ALTDIRFUNC

static void *glob_opendir(const char *path)
{
	return opendir(path);
}

static struct dirent *glob_readdir(void *dir)
{
	return readdir(dir);
}

static void glob_closedir(void *dir)
{
	closedir(dir);
}

static int glob_stat(const char *path, struct stat *st)
{
	return stat(path, st);
}

static int glob_lstat(const char *path, struct stat *st)
{
	return lstat(path, st);
}

bool door_glob(int *ret, const char *pattern, int flags, glob_error_fn error, glob_t *result)
{
	if (flags & GLOB_ALTDIRFUNC)
		return false;
	result->gl_opendir = glob_opendir;
	result->gl_readdir = glob_readdir;
	result->gl_closedir = glob_closedir;
	result->gl_stat = glob_stat;
	result->gl_lstat = glob_lstat;
	*ret = real_glob(pattern, flags | GLOB_ALTDIRFUNC, error, result);
	return true;
}

#else

/* The length of the directory that @pattern begins with, without its last slash. */
static size_t plain_part(const char *pattern)
{
	size_t end = strcspn(pattern, "*?[\\"), slash = 0, i;

	for (i = 0; i < end; i++)
		if (pattern[i] == '/')
			slash = i;
	return slash;
}

/* In place: the real name is the longer one, and the end of both is the same. */
static void rename_found(char *name, size_t real_len, const char *plain, size_t plain_len)
{
	memmove(name + plain_len, name + real_len, strlen(name + real_len) + 1);
	memcpy(name, plain, plain_len);
}

bool door_glob(int *ret, const char *pattern, int flags, glob_error_fn error, glob_t *result)
{
	char plain[TREE_PATH_MAX], real[2 * TREE_PATH_MAX];
	size_t len = plain_part(pattern), real_len, i, first = 0;
	struct tree_path tp;

	if (!len || len >= sizeof(plain))
		return false;
	memcpy(plain, pattern, len);
	plain[len] = '\0';
	if (!path_in_tree(AT_FDCWD, plain, &tp))
		return false;
	real_len = strlen(tp.real);
	if (real_len < len || real_len + strlen(pattern + len) >= sizeof(real))
		return false;
	memcpy(real, tp.real, real_len);
	strcpy(real + real_len, pattern + len);
	if (flags & GLOB_DOOFFS)
		first = result->gl_offs;
	if (flags & GLOB_APPEND)
		first += result->gl_pathc;
	*ret = real_glob(real, flags, error, result);
	if (*ret)
		return true;
	for (i = first; result->gl_pathv[i]; i++)
		rename_found(result->gl_pathv[i], real_len, plain, len);
	return true;
}

#endif
