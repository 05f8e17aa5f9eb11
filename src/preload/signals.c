/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals (design D4): a blocked SIGSEGV or SIGBUS turns the next MMIO access into death, so both
 * are stripped from every mask that passes by, and put back into what the program is told about its
 * masks. Their actions are kept by base/fault.h once our handler is installed.
 *
 * What a thread believes to have blocked is kept for each thread, not inherited by new threads.
 */
#include <pthread.h>
#include <string.h>

#include "base/fault.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/guard.h"
#include "preload/waiting.h"
#include "preload/handlers.h"
#include "preload/wrappers.h"

#define HIDES_SEGV 1
#define HIDES_BUS  2
#define SIGNALS	   65

/* What is hidden of the calling thread's mask and of each action's. */
static _Thread_local unsigned char hidden_mask __attribute__((tls_model("initial-exec")));
static atomic_uchar hidden_action[SIGNALS];
/* The program has set its action of SIGSEGV, of SIGBUS, since our handler is installed. */
static atomic_bool fault_action_set[2];
/* What it was told of them just before that. */
static struct sigaction noted_action[2];

static unsigned char hides(const sigset_t *set)
{
	return (unsigned char)((sigismember(set, SIGSEGV) == 1 ? HIDES_SEGV : 0) |
			       (sigismember(set, SIGBUS) == 1 ? HIDES_BUS : 0));
}

static void strip(sigset_t *set)
{
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
}

static void show(sigset_t *set, unsigned char hidden)
{
	if (hidden & HIDES_SEGV)
		sigaddset(set, SIGSEGV);
	if (hidden & HIDES_BUS)
		sigaddset(set, SIGBUS);
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS;
}

void signals_note(void)
{
	if (fault_installed())
		return;
	real_sigaction(SIGSEGV, NULL, &noted_action[0]);
	real_sigaction(SIGBUS, NULL, &noted_action[1]);
}

/*
 * The program's action of SIGSEGV or SIGBUS behind our handler. A sanitizer's runtime behind us in
 * the list of libraries may have installed its own in the program's name before ours came; until
 * the program sets another, it is told the one that it gave the runtime.
 */
static int fault_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	atomic_bool *set = &fault_action_set[sig == SIGBUS];
	int err = fault_program_action(sig, act, old);

	if (err)
		return err;
	if (old && !atomic_load(set) && old->sa_handler != SIG_DFL)
		*old = noted_action[sig == SIGBUS];
	if (act)
		atomic_store(set, true);
	return 0;
}

bool door_sigaction(int *ret, int sig, const struct sigaction *act, struct sigaction *old)
{
	unsigned char hidden = 0, before;
	struct sigaction copy;
	uintptr_t program;
	int err;

	if (is_fault(sig) && fault_installed()) {
		err = fault_action(sig, act, old);
		if (err)
			errno = -err;
		*ret = err ? -1 : 0;
		return true;
	}
	if (sig <= 0 || sig >= SIGNALS || is_fault(sig))
		return false;
	if (act) {
		copy = *act;
		hidden = hides(&copy.sa_mask);
		strip(&copy.sa_mask);
	}
	before = atomic_load(&hidden_action[sig]);
	program = handler_replace(sig, act ? &copy : NULL);
	*ret = real_sigaction(sig, act ? &copy : NULL, old);
	if (!*ret && old) {
		show(&old->sa_mask, before);
		handler_show(old, program);
	}
	if (!*ret && act)
		atomic_store(&hidden_action[sig], hidden);
	return true;
}

bool door_signal(sighandler_t *ret, int sig, sighandler_t handler, int flags)
{
	struct sigaction act, old;
	int err;

	memset(&act, 0, sizeof(act));
	act.sa_handler = handler;
	act.sa_flags = flags;
	if (!is_fault(sig) || !fault_installed()) {
		if (!handler_wanted())
			return false;
		if (!(flags & SA_NODEFER))
			sigaddset(&act.sa_mask, sig);
		if (!door_sigaction(&err, sig, &act, &old))
			return false;
		*ret = err ? SIG_ERR : old.sa_handler;
		return true;
	}
	*ret = fault_action(sig, &act, &old) ? SIG_ERR : old.sa_handler;
	return true;
}

static unsigned char change(int how, unsigned char before, unsigned char bits)
{
	switch (how) {
	case SIG_BLOCK:
		return before | bits;
	case SIG_UNBLOCK:
		return (unsigned char)(before & ~bits);
	default:
		return bits;
	}
}

bool door_sigmask(int *ret, int how, const sigset_t *set, sigset_t *old, bool set_errno)
{
	unsigned char before = hidden_mask, bits = 0;
	sigset_t copy;

	if (set) {
		copy = *set;
		bits = hides(&copy);
		/* Unblocking them does no harm. */
		if (how != SIG_UNBLOCK)
			strip(&copy);
	}
	if (set_errno)
		*ret = real_sigprocmask(how, set ? &copy : NULL, old);
	else
		*ret = real_pthread_sigmask(how, set ? &copy : NULL, old);
	if (*ret)
		return true;
	if (old)
		show(old, before);
	if (set)
		hidden_mask = change(how, before, bits);
	return true;
}

bool door_sigbsd(int *ret, int how, int mask)
{
	sigset_t set, old;
	int sig;

	sigemptyset(&set);
	for (sig = 1; sig <= 32; sig++)
		if ((unsigned int)mask >> (sig - 1) & 1)
			sigaddset(&set, sig);
	if (!door_sigmask(ret, how, &set, &old, true) || *ret)
		return true;
	for (sig = 1; sig <= 32; sig++)
		if (sigismember(&old, sig) == 1)
			*ret |= (int)(1U << (sig - 1));
	return true;
}

/* ---- masks for the time of a wait -------------------------------------------------------- */

bool door_sigsuspend(int *ret, const sigset_t *set)
{
	sigset_t copy = *set;

	strip(&copy);
	*ret = real_sigsuspend(&copy);
	return true;
}

bool door_ppoll(int *ret, struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *set)
{
	int64_t msec = timeout ? timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000 : -1;
	sigset_t copy;

	if (set) {
		copy = *set;
		strip(&copy);
	}
	if (door_waits() && poll_files(ret, fds, n, msec, set ? &copy : NULL))
		return true;
	*ret = real_ppoll(fds, n, timeout, set ? &copy : NULL);
	return true;
}

bool door_pselect(int *ret, int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		  const sigset_t *set)
{
	sigset_t copy = *set;

	strip(&copy);
	*ret = real_pselect(n, r, w, e, timeout, &copy);
	return true;
}

bool door_epoll_pwait(int *ret, int fd, struct epoll_event *events, int n, int timeout,
		      const sigset_t *set)
{
	sigset_t copy = *set;

	strip(&copy);
	*ret = real_epoll_pwait(fd, events, n, timeout, &copy);
	return true;
}

bool door_epoll_pwait2(int *ret, int fd, struct epoll_event *events, int n,
		       const struct timespec *timeout, const sigset_t *set)
{
	sigset_t copy = *set;

	strip(&copy);
	*ret = real_epoll_pwait2(fd, events, n, timeout, &copy);
	return true;
}
