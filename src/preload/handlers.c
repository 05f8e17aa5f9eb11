/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/handlers.h"

#include <dlfcn.h>
#include <stdatomic.h>

#include "base/depth.h"
#include "base/fault.h"

#define SIGNALS 65

enum { UNKNOWN, WANTED, NOT_WANTED };

static atomic_int wanted;
static atomic_uintptr_t program_handlers[SIGNALS];

static void run(int sig, siginfo_t *info, void *ucontext)
{
	uintptr_t handler = atomic_load_explicit(&program_handlers[sig], memory_order_acquire);

	fault_unblock();
	/* One without SA_SIGINFO takes the first argument alone. */
	if (handler)
		((void (*)(int, siginfo_t *, void *))handler)(sig, info, ucontext);
}

bool handler_wanted(void)
{
	int state = atomic_load_explicit(&wanted, memory_order_relaxed);

	if (state == UNKNOWN) {
		depth_enter();
		state = dlsym(RTLD_NEXT, "__tsan_init") ? WANTED : NOT_WANTED;
		depth_leave();
		atomic_store_explicit(&wanted, state, memory_order_relaxed);
	}
	return state == WANTED;
}

uintptr_t handler_replace(int sig, struct sigaction *act)
{
	uintptr_t before;

	if (!handler_wanted())
		return 0;
	before = atomic_load_explicit(&program_handlers[sig], memory_order_acquire);
	if (act && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN) {
		atomic_store_explicit(&program_handlers[sig], (uintptr_t)act->sa_handler,
				      memory_order_release);
		act->sa_sigaction = run;
	}
	return before;
}

void handler_show(struct sigaction *act, uintptr_t program)
{
	if (act->sa_sigaction == run)
		act->sa_handler = (sighandler_t)program;
}
