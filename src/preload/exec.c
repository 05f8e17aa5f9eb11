/* SPDX-License-Identifier: BSD-3-Clause */
/* exec and posix_spawn: the session goes along (environment.c), or the call fails and says why. */
#include <stdio.h>
#include <sys/mman.h>

#include "base/peek.h"
#include "base/sysraw.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/path.h"
#include "preload/process.h"
#include "preload/spawn_actions.h"
#include "preload/wrappers.h"

/* A program that is about to be started. */
struct start {
	const char *path;
	char *const *argv;
	bool search; /* @path is looked up in PATH */
	struct environment env;
	struct tool_call tool;
	struct verdict verdict;
};

static void start_end(struct start *start)
{
	int saved = errno;

	environment_free(&start->env);
	if (start->tool.argv)
		exec_tool_free(&start->tool);
	raw_munmap(start, sizeof(*start));
	errno = saved;
}

/* What @verdict asks for, with the environment to start it with. 0 or -errno. */
static int start_make(struct start *start, const struct verdict *verdict, char *const envp[])
{
	int ret;

	if (verdict->tool) {
		ret = exec_tool_make(verdict->tool, start->argv, &start->tool);
		if (ret)
			return ret;
		start->path = start->tool.path;
		start->argv = start->tool.argv;
		start->search = false;
	} else {
		ret = exec_debugger_make(start->path, start->argv, envp, &start->tool);
		if (ret < 0)
			return ret;
		if (ret)
			start->argv = start->tool.argv;
	}
	return environment_make(envp, verdict->libc, &start->env);
}

/* What is to be started, in memory of its own: the stack may be a thread's smallest. No malloc.
 * @shell: as execvp(), which gives a file without a format to the shell. 0 or -errno. */
static int start_begin(const char *path, char *const argv[], char *const envp[], bool search,
		       bool shell, struct start **out)
{
	long memory = raw_mmap(NULL, sizeof(struct start), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct start *start = (struct start *)memory;
	int ret;

	if (memory < 0 && memory > -4096)
		return (int)memory;
	start->path = path;
	start->argv = argv;
	start->search = search;
	start->env.envp = envp;
	*out = start;
	/* A bad pointer is the kernel's business. */
	if (!peek_string(path) || !peek_strings(argv) || !peek_strings(envp))
		return 0;
	if (search)
		ret = exec_judge_search(path, argv, envp, shell, &start->verdict);
	else
		ret = exec_judge(path, argv, envp, &start->verdict);
	if (!ret)
		ret = start_make(start, &start->verdict, envp);
	if (ret)
		start_end(start);
	return ret;
}

/* After an exec that came back. */
static bool failed(int *ret, struct start *start)
{
	start_end(start);
	*ret = -1;
	return true;
}

static bool refused(int *ret, int error)
{
	errno = -error;
	*ret = -1;
	return true;
}

bool door_execve(int *ret, const char *path, char *const argv[], char *const envp[])
{
	struct start *start;
	int err = start_begin(path, argv, envp, false, false, &start);

	if (err)
		return refused(ret, err);
	real_execve(start->path, start->argv, start->env.envp);
	return failed(ret, start);
}

bool door_execvpe(int *ret, const char *file, char *const argv[], char *const envp[])
{
	struct start *start;
	int err = start_begin(file, argv, envp, true, true, &start);

	if (err)
		return refused(ret, err);
	if (start->search)
		real_execvpe(start->path, start->argv, start->env.envp);
	else
		real_execve(start->path, start->argv, start->env.envp);
	return failed(ret, start);
}

/* Not every libc has the function. */
static void raw_execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
			 int flags)
{
	errno = -(int)sysraw6(SYS_execveat, dirfd, (long)path, (long)argv, (long)envp, flags, 0);
}

bool door_execveat(int *ret, int dirfd, const char *path, char *const argv[], char *const envp[],
		   int flags)
{
	char name[TREE_PATH_MAX + 32];
	struct start *start;
	int err;

	if (!peek_string(path)) {
		raw_execveat(dirfd, path, argv, envp, flags);
		return refused(ret, -errno);
	}
	if (!path[0])
		snprintf(name, sizeof(name), "/proc/self/fd/%d", dirfd);
	else if (path[0] == '/' || dirfd == AT_FDCWD)
		snprintf(name, sizeof(name), "%s", path);
	else
		snprintf(name, sizeof(name), "/proc/self/fd/%d/%s", dirfd, path);
	err = start_begin(name, argv, envp, false, false, &start);
	if (err)
		return refused(ret, err);
	if (start->path == name)
		raw_execveat(dirfd, path, start->argv, start->env.envp, flags);
	else
		real_execve(start->path, start->argv, start->env.envp);
	return failed(ret, start);
}

bool door_spawn(int *ret, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[], bool search)
{
	const struct spawn_call call = { pid, path, actions, attr, argv, envp, search };
	struct start *start;
	int err;

	if (spawn_actions_ours(actions)) {
		*ret = spawn_by_fork(&call);
		return true;
	}
	err = start_begin(path, argv, envp, search, false, &start);
	*ret = -err;
	if (err)
		return true;
	if (start->search)
		*ret = real_posix_spawnp(pid, start->path, actions, attr, start->argv,
					 start->env.envp);
	else
		*ret = real_posix_spawn(pid, start->path, actions, attr, start->argv,
					start->env.envp);
	start_end(start);
	return true;
}
