/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * system(), popen() and wordexp(): libc starts /bin/sh inside itself, with the program's
 * environment as it is. What a program has taken out of it is there for the time of the call.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/door.h"
#include "preload/doors.h"
#include "preload/process.h"
#include "preload/wrappers.h"

#define SHELL "/bin/sh"

/* Another thread may still look at an environment that was put back: the last few stay. */
#define KEPT 16

struct borrowed {
	struct environment env;
	char **before;
};

static void keep(const struct environment *env)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct environment ring[KEPT];
	static unsigned int turn;

	/* A forked child that finds it locked leaves a page behind. */
	if (pthread_mutex_trylock(&lock))
		return;
	environment_free(&ring[turn]);
	ring[turn] = *env;
	turn = (turn + 1) % KEPT;
	pthread_mutex_unlock(&lock);
}

/* 0: the call may be made, and borrow_end() follows; -errno: the shell must not be started. */
static int borrow(struct borrowed *borrowed)
{
	static char *const argv[] = { (char *)"sh", NULL };
	struct verdict verdict;
	int ret = exec_judge(SHELL, argv, environ, &verdict);

	if (!ret)
		ret = environment_make(environ, verdict.libc, &borrowed->env);
	if (ret)
		return ret;
	borrowed->before = environ;
	if (borrowed->env.memory)
		environ = (char **)borrowed->env.envp;
	return 0;
}

static void borrow_end(struct borrowed *borrowed)
{
	int saved = errno;

	if (!borrowed->env.memory)
		return;
	/* Changed meanwhile: it is the program's now, with our strings in it. */
	if (environ == (char **)borrowed->env.envp) {
		environ = borrowed->before;
		keep(&borrowed->env);
	}
	errno = saved;
}

bool door_system(int *ret, const char *command)
{
	struct borrowed borrowed;

	if (!command)
		return false;
	/* As when the shell could not be executed in the child. */
	*ret = 127 << 8;
	if (borrow(&borrowed))
		return true;
	*ret = real_system(command);
	borrow_end(&borrowed);
	return true;
}

bool door_popen(FILE **ret, const char *command, const char *how)
{
	struct borrowed borrowed;
	int err = borrow(&borrowed);

	*ret = NULL;
	if (err) {
		errno = -err;
		return true;
	}
	*ret = real_popen(command, how);
	borrow_end(&borrowed);
	return true;
}

bool door_wordexp(int *ret, const char *words, wordexp_t *result, int flags)
{
	struct borrowed borrowed;

	/* The shell is for command substitution. */
	if (!strstr(words, "$(") && !strchr(words, '`'))
		return false;
	*ret = WRDE_NOSPACE;
	if (borrow(&borrowed))
		return true;
	*ret = real_wordexp(words, result, flags);
	borrow_end(&borrowed);
	return true;
}
