/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's own threads. The CPU mask is noted once, as early as a door can: a program pins its
 * threads later, and a device's thread must not inherit the one CPU of who happened to start it.
 */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/depth.h"
#include "base/failpoint.h"
#include "base/sysraw.h"

#define CPU_WORDS 128 /* 8192 CPUs, the most that x86-64 kernels are built for */
/* What stays unblocked: faults of the thread's own instructions. */
#define SYNC_SIGNALS (KSIG(SIGSEGV) | KSIG(SIGBUS) | KSIG(SIGILL) | KSIG(SIGFPE) | KSIG(SIGTRAP))

#define FIRST_RT_SIGNAL 32 /* the kernel's */

enum note_state { NOT_NOTED, NOTING, NOTED };

struct thread_start {
	void *(*fn)(void *);
	void *arg;
	char name[16];
};

static atomic_int note_state;
static unsigned long cpu_mask[CPU_WORDS];
static size_t cpu_mask_size; /* bytes; 0: unknown */
static int cpu_count = 1;

static void note_now(void)
{
	long size = sysraw3(SYS_sched_getaffinity, 0, sizeof(cpu_mask), (long)cpu_mask);
	int count = 0;
	size_t i;

	if (size <= 0)
		return;
	for (i = 0; i < ARRAY_SIZE(cpu_mask); i++)
		count += __builtin_popcountl(cpu_mask[i]);
	cpu_mask_size = (size_t)size;
	cpu_count = MAX(count, 1);
}

void thread_note_cpus(void)
{
	int expected = NOT_NOTED;

	if (atomic_load_explicit(&note_state, memory_order_acquire) == NOTED)
		return;
	if (atomic_compare_exchange_strong(&note_state, &expected, NOTING)) {
		note_now();
		atomic_store_explicit(&note_state, NOTED, memory_order_release);
		return;
	}
	while (atomic_load_explicit(&note_state, memory_order_acquire) != NOTED)
		raw_sched_yield();
}

int thread_cpus(void)
{
	thread_note_cpus();
	return cpu_count;
}

static void *thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	depth_enter();
	free(arg);
	pthread_setname_np(pthread_self(), start.name);
	if (cpu_mask_size)
		sysraw3(SYS_sched_setaffinity, 0, (long)cpu_mask_size, (long)cpu_mask);
	return start.fn(start.arg);
}

/* The C library's own signals, below SIGRTMIN: setuid() and its like wait until each thread of the
 * process has taken one. */
static ksigset_t libc_signals(void)
{
	ksigset_t set = 0;

	for (int signal = FIRST_RT_SIGNAL; signal < SIGRTMIN; signal++)
		set |= KSIG(signal);
	return set;
}

int thread_create(pthread_t *thread, const char *name, void *(*fn)(void *), void *arg)
{
	const ksigset_t blocked = ~(SYNC_SIGNALS | libc_signals());
	struct thread_start *start;
	ksigset_t before;
	int err;

	thread_note_cpus();
	if (FAIL_POINT())
		return -ENOMEM;
	start = calloc(1, sizeof(*start));
	if (!start)
		return -ENOMEM;
	start->fn = fn;
	start->arg = arg;
	strncpy(start->name, name, sizeof(start->name) - 1);

	/* The new thread inherits the mask; the library depth keeps the call from interposers. */
	depth_enter();
	raw_sigprocmask(SIG_SETMASK, &blocked, &before);
	err = pthread_create(thread, NULL, thread_main, start);
	raw_sigprocmask(SIG_SETMASK, &before, NULL);
	depth_leave();
	if (err)
		free(start);
	/* As the kernel's own threads: no user of a device learns of a limit that is not his. */
	return err == EAGAIN ? -ENOMEM : -err;
}
