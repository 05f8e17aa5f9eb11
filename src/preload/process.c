/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork and its relatives. The child's copies of our files are dead; it may open its own. fork()
 * itself, daemon() and forkpty() run libc's atfork handlers; _Fork(), clone() and vfork() do not.
 */
#include "preload/process.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "file/file.h"
#include "preload/dir.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/wrappers.h"

static void in_child(void)
{
	dir_after_fork();
	door_after_fork();
}

int process_watch_forks(void)
{
	return pthread_atfork(file_fork_prepare, file_fork_parent, in_child);
}

bool door_Fork(pid_t *ret)
{
	file_fork_prepare();
	*ret = real__Fork();
	if (*ret == 0)
		in_child();
	else
		file_fork_parent();
	return true;
}

void *process_vfork_target(void)
{
	return door_on() ? (void *)fork : (void *)real_vfork;
}

struct clone_call {
	int (*fn)(void *arg);
	void *arg;
};

static int clone_child(void *arg)
{
	struct clone_call *call = arg;

	in_child();
	return call->fn(call->arg);
}

/* Without CLONE_VM it is a fork that starts somewhere else. */
bool door_clone(int *ret, int (*fn)(void *), void *stack, int flags, void *arg, void *a, void *b,
		void *c)
{
	struct clone_call *call;

	if (flags & CLONE_VM)
		return false;
	call = malloc(sizeof(*call));
	if (!call) {
		errno = ENOMEM;
		*ret = -1;
		return true;
	}
	call->fn = fn;
	call->arg = arg;
	file_fork_prepare();
	*ret = real_clone(clone_child, stack, flags, call, a, b, c);
	file_fork_parent();
	free(call);
	return true;
}
