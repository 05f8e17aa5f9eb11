/* SPDX-License-Identifier: BSD-3-Clause */
/* exec and posix_spawn: the session goes along (environment.c), or the call fails and says why. */
#include <stdio.h>

#include "base/sysraw.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/path.h"
#include "preload/process.h"
#include "preload/wrappers.h"

static bool fail(int *ret, int error)
{
	errno = error;
	*ret = -1;
	return true;
}

/* After an exec that came back. */
static bool done(int *ret, int result, struct environment *env)
{
	int saved = errno;

	environment_free(env);
	errno = saved;
	*ret = result;
	return true;
}

bool door_execve(int *ret, const char *path, char *const argv[], char *const envp[])
{
	struct environment env;
	enum program_libc libc;
	int err = exec_check(path, argv, envp, &libc);

	if (!err)
		err = environment_make(envp, libc, &env);
	if (err)
		return fail(ret, -err);
	return done(ret, real_execve(path, argv, env.envp), &env);
}

bool door_execvpe(int *ret, const char *file, char *const argv[], char *const envp[])
{
	struct environment env;
	enum program_libc libc;
	int err = exec_check_search(file, argv, envp, true, &libc);

	if (!err)
		err = environment_make(envp, libc, &env);
	if (err)
		return fail(ret, -err);
	return done(ret, real_execvpe(file, argv, env.envp), &env);
}

/* Not every libc has the function. */
static int raw_execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
			int flags)
{
	long ret = sysraw6(SYS_execveat, dirfd, (long)path, (long)argv, (long)envp, flags, 0);

	errno = (int)-ret;
	return -1;
}

bool door_execveat(int *ret, int dirfd, const char *path, char *const argv[], char *const envp[],
		   int flags)
{
	char name[TREE_PATH_MAX + 32];
	struct environment env;
	enum program_libc libc;
	int err;

	if (!path[0])
		snprintf(name, sizeof(name), "/proc/self/fd/%d", dirfd);
	else if (path[0] == '/' || dirfd == AT_FDCWD)
		snprintf(name, sizeof(name), "%s", path);
	else
		snprintf(name, sizeof(name), "/proc/self/fd/%d/%s", dirfd, path);
	err = exec_check(name, argv, envp, &libc);
	if (!err)
		err = environment_make(envp, libc, &env);
	if (err)
		return fail(ret, -err);
	return done(ret, raw_execveat(dirfd, path, argv, env.envp, flags), &env);
}

bool door_spawn(int *ret, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[], bool search)
{
	struct environment env;
	enum program_libc libc;
	int err = search ? exec_check_search(path, argv, envp, false, &libc)
			 : exec_check(path, argv, envp, &libc);

	if (!err)
		err = environment_make(envp, libc, &env);
	*ret = -err;
	if (err)
		return true;
	if (search)
		*ret = real_posix_spawnp(pid, path, actions, attr, argv, env.envp);
	else
		*ret = real_posix_spawn(pid, path, actions, attr, argv, env.envp);
	environment_free(&env);
	return true;
}
