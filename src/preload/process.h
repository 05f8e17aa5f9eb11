/* SPDX-License-Identifier: BSD-3-Clause */
/* Forks and what a child needs to know of the session (design D3, D9). */
#ifndef PRELOAD_PROCESS_H
#define PRELOAD_PROCESS_H

#include "base/types.h"

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

/* @envp with our library in LD_PRELOAD and the session's variables, where it has none of its own.
 * No malloc: a child of a fork may call it. -ENOMEM. */
int environment_make(char *const envp[], struct environment *env);
void environment_free(struct environment *env);

/*
 * Whether the session's library can come up in @path (design D3: nothing falls through unnoticed).
 * 0, or -EACCES after one line on stderr. Programs that do not exist are the kernel's business: 0.
 * @envp: what the program will be given.
 */
int exec_check(const char *path, char *const envp[]);
/* The same for a name that is looked up in PATH. */
int exec_check_search(const char *file, char *const envp[]);

#endif
