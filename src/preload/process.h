/* SPDX-License-Identifier: BSD-3-Clause */
/* Forks and what a child needs to know of the session (design D3, D9). */
#ifndef PRELOAD_PROCESS_H
#define PRELOAD_PROCESS_H

#include "base/types.h"
#include "machine/program.h"

/* Remembers what exec must put back into an environment, before the program can change it: when the
 * library comes up, or at the first call that asks for the session, whatever is first. */
void environment_remember(void);
/* The session's directory as the environment named it then, or NULL. */
const char *environment_session(void);
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
 * Whether the session's library can come up in @path, called with @argv and @envp (design D3:
 * nothing falls through unnoticed). 0 and the program's libc, or -EACCES after one line on stderr.
 * Programs that do not exist are the kernel's business: 0.
 */
int exec_check(const char *path, char *const argv[], char *const envp[], enum program_libc *libc);
/* The same for a name that is looked up in PATH. @shell: what is neither ELF nor a script is given
 * to /bin/sh, as execvp() does it. */
int exec_check_search(const char *file, char *const argv[], char *const envp[], bool shell,
		      enum program_libc *libc);

#endif
