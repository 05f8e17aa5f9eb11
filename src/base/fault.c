/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault handler and the program's action behind it.
 *
 * The program's action is a ring of slots, the current one published by its number: set and read
 * without locks, also in signal handlers. A slot is used again only after SLOTS more changes.
 *
 * Chaining does what the kernel would do, with one exception: SIGSEGV and SIGBUS are not blocked
 * while the program's handler runs (an MMIO access in it must still trap). So that a crash inside
 * the handler kills, as it does when the signal is blocked, a marker stands for them in the mask:
 * SIGRTMAX. It has the life that a blocked SIGSEGV would have: sigreturn and siglongjmp end it.
 */
#include "base/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#include "base/copy.h"
#include "base/copy_priv.h"
#include "base/sysraw.h"

#define SLOTS	       16
#define KSA_RESTORER   0x04000000UL
#define MASK_MARKER    KSIG(64)
#define SYNC_SIGNALS   (FAULT_SIGNALS | KSIG(SIGILL) | KSIG(SIGFPE) | KSIG(SIGTRAP))
#define BUS_MCEERR_AO_ 5 /* asynchronous: says nothing about the instruction */
#define RED_ZONE       128

/* struct ucontext as the kernel writes it: one word of signal mask, the FPU state elsewhere. */
#define KERNEL_UCONTEXT_SIZE (offsetof(ucontext_t, uc_sigmask) + sizeof(ksigset_t))
/* Where the kernel describes the XSAVE area behind the legacy FXSAVE image. */
#define FP_LEGACY_SIZE	    512
#define FP_SW_MAGIC	    464
#define FP_SW_EXTENDED_SIZE 468
#define FP_XSTATE_MAGIC1    0x46505853U

struct action_slot {
	atomic_uintptr_t handler;
	atomic_ulong flags;
	atomic_ullong mask;
};

struct program_action {
	atomic_uint next;    /* slots given out */
	atomic_uint current; /* the published one */
	struct action_slot slots[SLOTS];
};

enum install_state { NOT_INSTALLED, INSTALLING, INSTALLED };

static struct program_action program_segv, program_bus;
static atomic_int install_state;
static _Atomic(fault_mmio_fn) fault_mmio;
/* Set while a handler of the program runs below us; may be stale after a longjmp (see above). */
static _Thread_local volatile bool in_program_handler __attribute__((tls_model("initial-exec")));

/* copy.S: runs @handler on the stack at @sp, where the way back (rt_sigreturn) has been laid. */
_Noreturn void fault_run_frame(uintptr_t sp, int sig, siginfo_t *info, void *ucontext,
			       uintptr_t handler);

/* copy.S: nothing but their names, for preload/uvfio-gdb.py. */
void fault_debug_default(void);
void fault_debug_handler(void);

static struct program_action *action_of(int sig)
{
	return sig == SIGSEGV ? &program_segv : &program_bus;
}

static void action_set(struct program_action *pa, const struct ksigaction *act)
{
	unsigned int n = atomic_fetch_add(&pa->next, 1) + 1;
	struct action_slot *slot = &pa->slots[n % SLOTS];

	atomic_store_explicit(&slot->handler, (uintptr_t)act->handler, memory_order_release);
	atomic_store_explicit(&slot->flags, act->flags, memory_order_release);
	atomic_store_explicit(&slot->mask, act->mask, memory_order_release);
	atomic_store_explicit(&pa->current, n, memory_order_release);
}

static void action_get(struct program_action *pa, struct ksigaction *act)
{
	struct action_slot *slot;
	unsigned int n;

	do {
		n = atomic_load_explicit(&pa->current, memory_order_acquire);
		slot = &pa->slots[n % SLOTS];
		act->handler = (void (*)(int, siginfo_t *, void *))atomic_load_explicit(
			&slot->handler, memory_order_acquire);
		act->flags = atomic_load_explicit(&slot->flags, memory_order_acquire);
		act->mask = atomic_load_explicit(&slot->mask, memory_order_acquire);
	} while (atomic_load_explicit(&pa->current, memory_order_relaxed) != n);
	act->restorer = fault_restorer;
}

static bool is_default(const struct ksigaction *act)
{
	return (uintptr_t)act->handler == (uintptr_t)SIG_DFL;
}

static bool is_ignore(const struct ksigaction *act)
{
	return (uintptr_t)act->handler == (uintptr_t)SIG_IGN;
}

/* Ends the process by @sig's default action; a fault of the instruction happens again for that. */
static void die(int sig, siginfo_t *info, bool again)
{
	struct ksigaction dfl = { .flags = KSA_RESTORER, .restorer = fault_restorer };
	ksigset_t set = KSIG(sig);

	fault_debug_default();
	raw_sigaction(sig, &dfl, NULL);
	if (again)
		return;
	raw_sigprocmask(SIG_UNBLOCK, &set, NULL);
	sysraw4(SYS_rt_tgsigqueueinfo, raw_getpid(), raw_gettid(), sig, (long)info);
}

/*
 * The program's handler did not ask for the alternate stack, but ours did and runs on it: lay a
 * signal frame on the interrupted stack, as the kernel would have, and go on there. Returns when
 * that stack cannot take it.
 */
static void run_on_interrupted_stack(int sig, siginfo_t *info, ucontext_t *uc, uintptr_t handler)
{
	const char *fp = (const char *)uc->uc_mcontext.fpregs;
	uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP] - RED_ZONE;
	uintptr_t restorer = (uintptr_t)fault_restorer, fp_to = 0, info_to, uc_to;
	uint32_t magic, fp_size = FP_LEGACY_SIZE;

	if (fp) {
		memcpy(&magic, fp + FP_SW_MAGIC, sizeof(magic));
		if (magic == FP_XSTATE_MAGIC1)
			memcpy(&fp_size, fp + FP_SW_EXTENDED_SIZE, sizeof(fp_size));
		fp_to = ALIGN_DOWN(sp - fp_size, 64);
		sp = fp_to;
	}
	info_to = ALIGN_DOWN(sp - sizeof(*info), 16);
	uc_to = ALIGN_DOWN(info_to - KERNEL_UCONTEXT_SIZE, 16);
	sp = uc_to - sizeof(restorer);
	if (copy_to_user(info_to, info, sizeof(*info)) ||
	    copy_to_user(uc_to, uc, KERNEL_UCONTEXT_SIZE) ||
	    copy_to_user(sp, &restorer, sizeof(restorer)))
		return;
	if (fp) {
		if (copy_to_user(fp_to, fp, fp_size) ||
		    copy_to_user(uc_to + offsetof(ucontext_t, uc_mcontext.fpregs), &fp_to,
				 sizeof(fp_to)))
			return;
	}
	fault_run_frame(sp, sig, (siginfo_t *)info_to, (void *)uc_to, handler);
}

static bool within(uintptr_t addr, const stack_t *stack)
{
	return addr - (uintptr_t)stack->ss_sp < stack->ss_size;
}

static void run_program_handler(int sig, siginfo_t *info, ucontext_t *uc,
				const struct ksigaction *act)
{
	ksigset_t mask;
	bool outer = in_program_handler;

	fault_debug_handler();
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	mask |= act->mask;
	if (!(act->flags & SA_NODEFER))
		mask |= MASK_MARKER;
	mask &= ~FAULT_SIGNALS;
	if (act->flags & SA_RESETHAND)
		action_set(action_of(sig), &(struct ksigaction){ .handler = NULL });
	raw_sigprocmask(SIG_SETMASK, &mask, NULL);
	in_program_handler = true;
	if (!(act->flags & SA_ONSTACK) && uc->uc_stack.ss_size &&
	    within((uintptr_t)&mask, &uc->uc_stack) &&
	    !within((uintptr_t)uc->uc_mcontext.gregs[REG_RSP], &uc->uc_stack)) {
		run_on_interrupted_stack(sig, info, uc, (uintptr_t)act->handler);
		die(SIGSEGV, info, false);
		return;
	}
	act->handler(sig, info, uc);
	in_program_handler = outer;
}

static void deliver(int sig, siginfo_t *info, ucontext_t *uc, bool again)
{
	bool sync = info->si_code > 0;
	struct ksigaction act;
	ksigset_t mask;

	action_get(action_of(sig), &act);
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	if (is_ignore(&act) && !sync)
		return;
	/* A synchronous fault that is ignored or blocked kills. */
	if (is_default(&act) || is_ignore(&act) ||
	    (sync && in_program_handler && (mask & MASK_MARKER)))
		die(sig, info, again);
	else
		run_program_handler(sig, info, uc, &act);
}

void fault_deliver(int sig, siginfo_t *info, void *ucontext)
{
	deliver(sig, info, ucontext, false);
}

static void fault_handler(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *uc = ucontext;
	bool sync = info->si_code > 0 && !(sig == SIGBUS && info->si_code == BUS_MCEERR_AO_);
	fault_mmio_fn mmio;
	uintptr_t fixup;

	if (sync) {
		fixup = copy_fixup((uintptr_t)uc->uc_mcontext.gregs[REG_RIP]);
		if (fixup) {
			uc->uc_mcontext.gregs[REG_RIP] = (greg_t)fixup;
			return;
		}
		mmio = atomic_load_explicit(&fault_mmio, memory_order_acquire);
		if (mmio && mmio(sig, info, ucontext))
			return;
	}
	deliver(sig, info, uc, sync);
}

void fault_set_mmio(fault_mmio_fn fn)
{
	atomic_store_explicit(&fault_mmio, fn, memory_order_release);
}

/* Whether system calls that an asynchronous SIGSEGV interrupts go on is the program's choice. */
static int install_ours(int sig, unsigned long program_flags, bool program_handles,
			struct ksigaction *old)
{
	struct ksigaction act = {
		.handler = fault_handler,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | KSA_RESTORER,
		.restorer = fault_restorer,
		/* No handler of the program's may run, or leave by longjmp, inside ours. */
		.mask = ~SYNC_SIGNALS,
	};

	if (!program_handles || (program_flags & SA_RESTART))
		act.flags |= SA_RESTART;
	return raw_sigaction(sig, &act, old);
}

static bool handles(const struct ksigaction *act)
{
	return !is_default(act) && !is_ignore(act);
}

static int install(int sig)
{
	struct ksigaction before, old;
	int ret;

	ret = raw_sigaction(sig, NULL, &before);
	if (ret)
		return ret;
	/* First the action, then the handler that reads it. */
	action_set(action_of(sig), &before);
	ret = install_ours(sig, before.flags, handles(&before), &old);
	if (!ret && old.handler != before.handler)
		action_set(action_of(sig), &old);
	return ret;
}

int fault_init(void)
{
	int expected, ret;

	for (;;) {
		if (atomic_load_explicit(&install_state, memory_order_acquire) == INSTALLED)
			return 0;
		expected = NOT_INSTALLED;
		if (atomic_compare_exchange_strong(&install_state, &expected, INSTALLING))
			break;
		raw_sched_yield();
	}
	ret = install(SIGSEGV);
	if (!ret)
		ret = install(SIGBUS);
	atomic_store_explicit(&install_state, ret ? NOT_INSTALLED : INSTALLED,
			      memory_order_release);
	return ret;
}

bool fault_installed(void)
{
	return atomic_load_explicit(&install_state, memory_order_acquire) == INSTALLED;
}

static void to_kernel(const struct sigaction *act, struct ksigaction *kact)
{
	kact->handler = act->sa_sigaction;
	kact->flags = (unsigned long)(unsigned int)act->sa_flags | KSA_RESTORER;
	kact->restorer = fault_restorer;
	memcpy(&kact->mask, &act->sa_mask, sizeof(kact->mask));
}

static void from_kernel(const struct ksigaction *kact, struct sigaction *act)
{
	memset(act, 0, sizeof(*act));
	act->sa_sigaction = kact->handler;
	act->sa_flags = (int)(kact->flags & ~KSA_RESTORER);
	memcpy(&act->sa_mask, &kact->mask, sizeof(kact->mask));
}

int fault_program_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct ksigaction kact, kold;
	int ret = 0;

	if (sig != SIGSEGV && sig != SIGBUS)
		return -EINVAL;
	if (act)
		to_kernel(act, &kact);
	if (fault_installed()) {
		action_get(action_of(sig), &kold);
		if (act) {
			action_set(action_of(sig), &kact);
			ret = install_ours(sig, kact.flags, handles(&kact), NULL);
		}
	} else {
		ret = raw_sigaction(sig, act ? &kact : NULL, &kold);
	}
	if (!ret && old)
		from_kernel(&kold, old);
	return ret;
}

void fault_unblock(void)
{
	ksigset_t set = FAULT_SIGNALS;

	raw_sigprocmask(SIG_UNBLOCK, &set, NULL);
}
