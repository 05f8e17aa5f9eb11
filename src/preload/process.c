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
#include "machine/machine.h"
#include "preload/dir.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/huge.h"
#include "preload/spawn_actions.h"
#include "preload/uevent.h"
#include "preload/wrappers.h"

static void in_child(void)
{
	dir_after_fork();
	spawn_actions_after_fork();
	door_after_fork();
}

/*
 * A fork inside a door (a crash handler's, which interrupted us) must not wait for a lock that this
 * very thread may hold. The child makes the locks anew in any case.
 */
static _Thread_local struct uvfio_machine *forking __attribute__((tls_model("initial-exec")));

/* The fork stands for a vfork(), after which Linux has nothing to copy. */
static _Thread_local bool for_vfork __attribute__((tls_model("initial-exec")));

static void before_fork(void)
{
	if (lib_depth)
		return;
	uevent_fork_prepare();
	forking = atomic_load_explicit(&door_machine_ptr, memory_order_acquire);
	if (forking)
		machine_fork_prepare(forking);
	file_fork_prepare();
	huge_fork_prepare();
	spawn_actions_fork_prepare();
}

static void in_parent(void)
{
	if (lib_depth)
		return;
	spawn_actions_fork_parent();
	huge_fork_parent();
	file_fork_parent();
	if (forking)
		machine_fork_parent(forking, !for_vfork);
	uevent_fork_parent();
}

int process_watch_forks(void)
{
	return pthread_atfork(before_fork, in_parent, in_child);
}

bool door_Fork(pid_t *ret)
{
	before_fork();
	*ret = real__Fork();
	if (*ret == 0)
		in_child();
	else
		in_parent();
	return true;
}

static pid_t vfork_by_fork(void)
{
	pid_t pid;

	for_vfork = true;
	pid = fork();
	for_vfork = false;
	return pid;
}

void *process_vfork_target(void)
{
	return door_on() ? (void *)vfork_by_fork : (void *)real_vfork;
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
	before_fork();
	*ret = real_clone(clone_child, stack, flags, call, a, b, c);
	in_parent();
	free(call);
	return true;
}
