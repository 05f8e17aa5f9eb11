/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * posix_spawn with file actions that concern files of ours (spawn_actions.h): done here as libc
 * does it, a child that tells over a pipe what failed, but by fork, and through our doors.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/sysraw.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/process.h"
#include "preload/spawn_actions.h"
#include "preload/wrappers.h"

/* In the order of libc. 0 or an error number. */
static int set_attributes(const posix_spawnattr_t *attr)
{
	struct sched_param param;
	sigset_t defaults;
	short flags = 0;
	pid_t group;
	int policy;

	if (!attr)
		return 0;
	posix_spawnattr_getflags(attr, &flags);
	if (flags & POSIX_SPAWN_SETSIGDEF) {
		posix_spawnattr_getsigdefault(attr, &defaults);
		for (int sig = 1; sig < NSIG; sig++)
			if (sigismember(&defaults, sig) == 1)
				wrap_signal(sig, SIG_DFL);
	}
	posix_spawnattr_getschedparam(attr, &param);
	posix_spawnattr_getschedpolicy(attr, &policy);
	if (flags & POSIX_SPAWN_SETSCHEDULER) {
		if (sched_setscheduler(0, policy, &param) < 0)
			return errno;
	} else if ((flags & POSIX_SPAWN_SETSCHEDPARAM) && sched_setparam(0, &param) < 0) {
		return errno;
	}
	if ((flags & POSIX_SPAWN_SETSID) && setsid() < 0)
		return errno;
	posix_spawnattr_getpgroup(attr, &group);
	if ((flags & POSIX_SPAWN_SETPGROUP) && setpgid(0, group) < 0)
		return errno;
	if ((flags & POSIX_SPAWN_RESETIDS) && (setegid((gid_t)sysraw3(SYS_getgid, 0, 0, 0)) < 0 ||
					       seteuid((uid_t)sysraw3(SYS_getuid, 0, 0, 0)) < 0))
		return errno;
	return 0;
}

/* In the child: comes back with what failed. */
static int start(const struct spawn_call *call, const sigset_t *mask)
{
	sigset_t own;
	short flags = 0;
	int ret = set_attributes(call->attr);

	if (!ret)
		ret = spawn_actions_do(call->actions);
	if (ret)
		return ret;
	if (call->attr)
		posix_spawnattr_getflags(call->attr, &flags);
	if (flags & POSIX_SPAWN_SETSIGMASK) {
		posix_spawnattr_getsigmask(call->attr, &own);
		mask = &own;
	}
	wrap_sigprocmask(SIG_SETMASK, mask, NULL);
	if (call->search)
		wrap_execvpe(call->path, call->argv, call->envp);
	else
		wrap_execve(call->path, call->argv, call->envp);
	return errno;
}

/* A pipe whose writing end is the library's own, out of the actions' way. 0 or an error number. */
static int make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	fds[1] = fd_move_high(fds[1]);
	if (fds[1] >= 0)
		return 0;
	raw_close(fds[0]);
	return -fds[1];
}

int spawn_by_fork(const struct spawn_call *call)
{
	int fds[2], ret = make_pipe(fds), error = 0, cancel;
	sigset_t all, mask;
	pid_t pid;

	if (ret)
		return ret;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sigfillset(&all);
	wrap_sigprocmask(SIG_SETMASK, &all, &mask);
	pid = fork();
	if (pid == 0) {
		/* The program does not know of it, but may ask for its number. */
		raw_close(fds[0]);
		error = start(call, &mask);
		sysraw3(SYS_write, fds[1], (long)&error, sizeof(error));
		_exit(127);
	}
	ret = pid < 0 ? errno : 0;
	fd_close(fds[1]);
	if (pid > 0 && sysraw3(SYS_read, fds[0], (long)&error, sizeof(error)) == sizeof(error)) {
		waitpid(pid, NULL, 0);
		ret = error;
	}
	raw_close(fds[0]);
	wrap_sigprocmask(SIG_SETMASK, &mask, NULL);
	pthread_setcancelstate(cancel, NULL);
	if (!ret && call->pid)
		*call->pid = pid;
	return ret;
}
