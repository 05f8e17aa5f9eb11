/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs in which the library cannot come up are not started: they would see the host's devices.
 * UVFIO_ESCAPE=1 lets them run, outside of the session.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "machine/program.h"
#include "preload/door.h"
#include "preload/process.h"

#define ESCAPE_ENV "UVFIO_ESCAPE"

/* Whether the program is let through: the user says so, or it is one of valgrind's tools, which are
 * static and load the client, with what it preloads, themselves. @envp: what it will be given. */
static bool let_through(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (!strcmp(*envp, ESCAPE_ENV "=1") || !strncmp(*envp, "VALGRIND_LAUNCHER=", 18))
			return true;
	return false;
}

static int judge(const char *path, char *const envp[])
{
	char name[PATH_MAX], line[PATH_MAX + 256];
	struct door door;
	const char *why;
	int len;

	if (strlen(path) >= sizeof(name) || let_through(envp))
		return 0;
	strcpy(name, path);
	door_enter(&door);
	why = program_obstacle(name, sizeof(name));
	door_leave(&door);
	if (!why)
		return 0;
	len = snprintf(line, sizeof(line),
		       "uvfio: %s %s, or run it outside of the session with " ESCAPE_ENV "=1\n",
		       name, why);
	sysraw3(SYS_write, STDERR_FILENO, (long)line, MIN(len, (int)sizeof(line) - 1));
	return -EACCES;
}

int exec_check(const char *path, char *const envp[])
{
	/* A bad pointer is the kernel's business. */
	return (uintptr_t)path < HOST_PAGE_SIZE ? 0 : judge(path, envp);
}

int exec_check_search(const char *file, char *const envp[])
{
	const char *dirs = getenv("PATH"), *end;
	char path[PATH_MAX];
	int len;

	if ((uintptr_t)file < HOST_PAGE_SIZE || strchr(file, '/'))
		return exec_check(file, envp);
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		len = snprintf(path, sizeof(path), "%.*s%s%s", (int)(end - dirs), dirs,
			       end > dirs ? "/" : "", file);
		if (len < (int)sizeof(path) && !euidaccess(path, X_OK))
			return judge(path, envp);
		if (!*end)
			return 0;
	}
}
