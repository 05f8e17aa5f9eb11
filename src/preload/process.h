/* SPDX-License-Identifier: BSD-3-Clause */
/* Forks and what a child needs to know of the session (design D3, D9). */
#ifndef PRELOAD_PROCESS_H
#define PRELOAD_PROCESS_H

#include <spawn.h>
#include "base/types.h"
#include "machine/program.h"

/* Remembers what exec must put back into an environment, before the program can change it: when the
 * library comes up, or at the first call that asks for the session, whatever is first. */
void environment_remember(void);
/* The session's directory as the environment named it then, or NULL. */
const char *environment_session(void);
/* Takes "UID:GID" for what the program is told that it is (identity.c). Once, at the start. */
void identity_remember(const char *value);
/* Registers what a child does first. 0 or an error number. Once. */
int process_watch_forks(void);
/*
 * What vfork() jumps to. In a session it is fork(): a vfork child runs in its parent's memory, and
 * whatever it closes or where it goes would be taken for the parent's doing.
 */
void *process_vfork_target(void) __attribute__((used));

/* An environment in memory of its own. */
struct environment {
	char *const *envp;
	void *memory; /* NULL: @envp is the program's own, nothing was missing */
	size_t size;
};

/*
 * @envp with what it lacks: our library in LD_PRELOAD, for programs of @libc, our malloc tunables,
 * the session's name, and the attributes that go along. What the program has set stays. No malloc:
 * a child of a fork may call it. -ENOMEM.
 */
int environment_make(char *const envp[], enum program_libc libc, struct environment *env);
void environment_free(struct environment *env);
/* The library's file for programs of @libc; NULL: there is none. */
const char *environment_library(enum program_libc libc);

/*
 * What stands between a program and its start (design D3: nothing falls through unnoticed).
 * exec_judge() looks at @path, called with @argv and @envp: 0 and what to start in @verdict, or
 * -EACCES after one line on stderr. Programs that do not exist are the kernel's business: 0.
 */
struct verdict {
	enum program_libc libc;
	const char *tool; /* the session's version is to be started instead; NULL: there is none */
	/* Room to work in: the caller's stack may be a thread's smallest. */
	struct program program;
	char path[PATH_MAX], line[2 * PATH_MAX + 256];
};

int exec_judge(const char *path, char *const argv[], char *const envp[], struct verdict *verdict);
/* The same for a name that is looked up in PATH. @shell: what is neither ELF nor a script is given
 * to /bin/sh, as execvp() does it. */
int exec_judge_search(const char *file, char *const argv[], char *const envp[], bool shell,
		      struct verdict *verdict);

/* A call of the session's version of a program, in memory of its own. */
struct tool_call {
	char path[PATH_MAX];
	char **argv;
	size_t size;
};

/* @name with @argv's arguments. No malloc. 0 or -errno. */
int exec_tool_make(const char *name, char *const argv[], struct tool_call *call);
void exec_tool_free(struct tool_call *call);
/* exec_debugger.c: @argv with what a debugger gets besides, when @path is one: 1; 0: it is none. No
 * malloc. -ENOMEM. */
int exec_debugger_make(const char *path, char *const argv[], char *const envp[],
		       struct tool_call *call);

/* A call of posix_spawn(), or of posix_spawnp() with @search. */
struct spawn_call {
	pid_t *pid;
	const char *path;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
	char *const *argv;
	char *const *envp;
	bool search;
};

/* spawn.c: done by fork, with the actions through our doors. 0 or an error number. */
int spawn_by_fork(const struct spawn_call *call);

#endif
