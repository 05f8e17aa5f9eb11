/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs in which the library cannot come up are not started: they would see the host's devices.
 * UVFIO_ESCAPE=1 in their environment, or `uvfio run --allow-escape`, lets them run, outside of the
 * session.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "machine/session.h"
#include "machine/session_tool.h"
#include "preload/door.h"
#include "preload/process.h"

#define ESCAPE_ENV "UVFIO_ESCAPE"

/* The user says so for this program; or it is one of valgrind's tools, which are static and load
 * the client, with what it preloads, themselves. @envp: what it will be given. */
static bool escapes(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (!strcmp(*envp, ESCAPE_ENV "=1") || !strncmp(*envp, "VALGRIND_LAUNCHER=", 18))
			return true;
	return false;
}

static int judge(const char *path, char *const argv[], char *const envp[], bool shell,
		 struct verdict *verdict)
{
	struct program *program = &verdict->program;
	const char *library;
	struct door door;
	size_t len;

	door_enter(&door);
	program_inspect_call(path, argv, program);
	if (shell && program->shell && !access(path, X_OK))
		program_inspect("/bin/sh", program);
	/* After chroot(2), or in another mount namespace, it may not be where it was. */
	library = environment_library(program->libc);
	if (library)
		program_check_library(program, library);
	verdict->libc = program->libc;
	if (!escapes(envp)) {
		verdict->tool = session_tool_of(path, program);
		if (verdict->tool || session_escape_allowed(environment_session()))
			program->why = NULL;
	} else {
		program->why = NULL;
	}
	if (!program->why) {
		door_leave(&door);
		return 0;
	}
	len = program_message(program, path, verdict->line, sizeof(verdict->line));
	sysraw3(SYS_write, STDERR_FILENO, (long)verdict->line, (long)len);
	door_leave(&door);
	return -EACCES;
}

int exec_judge(const char *path, char *const argv[], char *const envp[], struct verdict *verdict)
{
	verdict->libc = PROGRAM_GLIBC;
	verdict->tool = NULL;
	return judge(path, argv, envp, false, verdict);
}

static bool executable(const char *path)
{
	struct stat st;

	return !euidaccess(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

int exec_judge_search(const char *file, char *const argv[], char *const envp[], bool shell,
		      struct verdict *verdict)
{
	const char *dirs = getenv("PATH"), *end;
	char *path = verdict->path;
	int len;

	verdict->libc = PROGRAM_GLIBC;
	verdict->tool = NULL;
	if (strchr(file, '/'))
		return judge(file, argv, envp, shell, verdict);
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		len = snprintf(path, sizeof(verdict->path), "%.*s%s%s", (int)(end - dirs), dirs,
			       end > dirs ? "/" : "", file);
		if (len < (int)sizeof(verdict->path) && executable(path))
			return judge(path, argv, envp, shell, verdict);
		if (!*end)
			return 0;
	}
}
