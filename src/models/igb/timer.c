/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that waits for EITR's intervals and the TCP timer. It sleeps on a word as a futex;
 * whoever has a new time changes the word first. No lock is held while it sleeps.
 */
#include "models/igb/igb_priv.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"

uint64_t igb_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void igb_timer_kick(struct igb_fn *fn)
{
	atomic_fetch_add_explicit(&fn->timer_bell, 1, memory_order_release);
	syscall(SYS_futex, &fn->timer_bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *timer_thread(void *arg)
{
	struct igb_fn *fn = arg;

	while (!atomic_load_explicit(&fn->timer_stop, memory_order_acquire)) {
		uint32_t seen = atomic_load_explicit(&fn->timer_bell, memory_order_acquire);
		uint64_t now = igb_now(), next;
		struct timespec wait;

		pci_dev_lock(fn->dev);
		next = igb_intr_expire(fn, now);
		pci_dev_unlock(fn->dev);
		if (next && next <= now)
			continue;
		wait.tv_sec = next ? (time_t)((next - now) / 1000000000u) : 0;
		wait.tv_nsec = next ? (long)((next - now) % 1000000000u) : 0;
		syscall(SYS_futex, &fn->timer_bell, FUTEX_WAIT_PRIVATE, seen, next ? &wait : NULL,
			NULL, 0);
	}
	return NULL;
}

int igb_timer_start(struct igb_fn *fn)
{
	int rc;

	atomic_store(&fn->timer_stop, false);
	rc = thread_create(&fn->timer, "uvfio-igb", timer_thread, fn);
	fn->has_timer = rc == 0;
	return rc;
}

/* dev->lock is not held: the thread takes it. */
void igb_timer_stop(struct igb_fn *fn)
{
	if (!fn->has_timer)
		return;
	atomic_store_explicit(&fn->timer_stop, true, memory_order_release);
	igb_timer_kick(fn);
	pthread_join(fn->timer, NULL);
	fn->has_timer = false;
}
