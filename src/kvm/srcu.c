/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers without locks (the kernel's SRCU): a reader counts itself in one of two counters, loads
 * the pointer, and counts itself out. A writer publishes the new pointer, and then waits twice: for
 * each half it turns new readers to the other counter and waits until the old one is zero.
 *
 * Twice, since a reader may load the index, sleep, and count itself in a half that was waited for
 * already: it then loads the pointer after the writer's store, sees the new one, and must not be
 * missed by the next writer, whose first turn may show the same index. All accesses are
 * sequentially consistent: the count stands before the pointer's load, as the pointer's store
 * stands before the look at the counts.
 */
#include "kvm/kvm_priv.h"

#include <time.h>

#include "base/sysraw.h"

unsigned int kvm_srcu_enter(struct kvm_srcu *srcu)
{
	unsigned int index = atomic_load(&srcu->index) & 1;

	atomic_fetch_add(&srcu->readers[index], 1);
	return index;
}

void kvm_srcu_leave(struct kvm_srcu *srcu, unsigned int index)
{
	atomic_fetch_sub(&srcu->readers[index], 1);
}

void kvm_srcu_wait(struct kvm_srcu *srcu)
{
	const struct timespec nap = { .tv_nsec = 50000 };

	for (int half = 0; half < 2; half++) {
		unsigned int old = atomic_fetch_add(&srcu->index, 1) & 1;

		while (atomic_load(&srcu->readers[old]))
			sysraw3(SYS_nanosleep, (long)&nap, 0, 0);
	}
}
