/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's interrupt vectors: a table of 256 for each local APIC, as many as the machine has
 * CPUs, and further ones when these are full. Linux keeps the first vectors and the last ones for
 * itself; so here.
 *
 * Raising takes no lock. The owner of a vector raises and changes it under a lock of its own, so
 * that it sees a trigger that stays. Anybody else (there is no remapping that would stop it) counts
 * itself in `guests` before it reads the trigger, and irq_vector_connect() waits until they are
 * gone: a trigger that was taken away is not being signalled. The increment and the load here, the
 * store and the load there are sequentially consistent: one of the two sees the other.
 * Tables never go, so a look-up needs nothing else. `owner` equals the sender only between alloc
 * and free, which the sender orders itself.
 *
 * Lock: vectors.lock guards allocation; a leaf.
 */
#include "irq/vector.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "irq/irq_priv.h"

#define FIRST_VECTOR 0x40u /* behind the exceptions and the old pins */
#define LAST_VECTOR  0xeau
#define MAX_APICS    255u /* what a message without remapping can name */

struct irq_vector {
	_Atomic(const void *) owner; /* NULL: free */
	_Atomic(struct irq_trigger *) trigger;
	_Atomic uint32_t guests; /* senders under way that are not the owner */
};

struct apic {
	struct irq_vector vector[256];
	unsigned int used;
};

static struct {
	pthread_mutex_t lock;
	_Atomic(struct apic *) apic[MAX_APICS];
	unsigned int count; /* APICs in use; 0: none yet */
} vectors = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct apic *apic_locked(unsigned int dest)
{
	struct apic *apic = atomic_load_explicit(&vectors.apic[dest], memory_order_relaxed);

	if (!apic && !FAIL_POINT()) {
		apic = calloc(1, sizeof(*apic));
		atomic_store_explicit(&vectors.apic[dest], apic, memory_order_release);
	}
	return apic;
}

/* The first vector of a free run in @apic; 0: none. */
static unsigned int find_run(const struct apic *apic, unsigned int count, unsigned int align)
{
	for (unsigned int first = FIRST_VECTOR; first + count - 1 <= LAST_VECTOR; first += align) {
		unsigned int n = 0;

		while (n < count &&
		       !atomic_load_explicit(&apic->vector[first + n].owner, memory_order_relaxed))
			n++;
		if (n == count)
			return first;
	}
	return 0;
}

static int alloc_on_locked(unsigned int dest, const void *owner, unsigned int count,
			   unsigned int align, uint8_t *first)
{
	struct apic *apic = apic_locked(dest);
	unsigned int run;

	if (!apic)
		return -ENOMEM;
	run = find_run(apic, count, align);
	if (!run)
		return -ENOSPC;
	for (unsigned int i = 0; i < count; i++)
		atomic_store_explicit(&apic->vector[run + i].owner, owner, memory_order_release);
	apic->used += count;
	*first = (uint8_t)run;
	return 0;
}

/* The APIC with the fewest vectors in use; one that has no table yet has none. */
static unsigned int least_used_locked(void)
{
	unsigned int best = 0, least = UINT32_MAX;

	for (unsigned int i = 0; i < vectors.count; i++) {
		struct apic *apic = atomic_load_explicit(&vectors.apic[i], memory_order_relaxed);
		unsigned int used = apic ? apic->used : 0;

		if (used < least) {
			least = used;
			best = i;
		}
	}
	return best;
}

static int alloc_locked(const void *owner, unsigned int count, uint32_t *dest, uint8_t *first)
{
	unsigned int align = 1, best;
	long cpus;
	int ret;

	while (align < count)
		align *= 2;
	if (!vectors.count) {
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
		vectors.count = cpus < 1 ? 1 : MIN((unsigned int)cpus, MAX_APICS);
	}
	best = least_used_locked();
	ret = alloc_on_locked(best, owner, count, align, first);
	for (unsigned int i = 0; ret == -ENOSPC && i < MAX_APICS; i++) {
		best = i;
		ret = alloc_on_locked(i, owner, count, align, first);
		if (!ret && i >= vectors.count)
			vectors.count = i + 1;
	}
	*dest = best;
	return ret;
}

int irq_vectors_alloc(const void *owner, unsigned int count, uint32_t *dest, uint8_t *first)
{
	int ret;

	pthread_mutex_lock(&vectors.lock);
	ret = alloc_locked(owner, count, dest, first);
	pthread_mutex_unlock(&vectors.lock);
	return ret;
}

static struct irq_vector *look_up(uint32_t dest, uint8_t vector)
{
	struct apic *apic =
		dest < MAX_APICS ? atomic_load_explicit(&vectors.apic[dest], memory_order_acquire)
				 : NULL;

	return apic ? &apic->vector[vector] : NULL;
}

void irq_vectors_free(uint32_t dest, uint8_t first, unsigned int count)
{
	pthread_mutex_lock(&vectors.lock);
	for (unsigned int i = 0; i < count; i++) {
		irq_vector_connect(dest, (uint8_t)(first + i), NULL);
		atomic_store_explicit(&look_up(dest, (uint8_t)(first + i))->owner, NULL,
				      memory_order_release);
	}
	atomic_load_explicit(&vectors.apic[dest], memory_order_relaxed)->used -= count;
	pthread_mutex_unlock(&vectors.lock);
}

void irq_vector_connect(uint32_t dest, uint8_t vector, struct irq_trigger *trigger)
{
	struct irq_vector *v = look_up(dest, vector);

	atomic_store(&v->trigger, trigger);
	while (atomic_load(&v->guests))
		sched_yield();
}

bool irq_vector_raise(const void *who, uint32_t dest, uint8_t vector, uint64_t *token)
{
	struct irq_vector *v = look_up(dest, vector);
	struct irq_trigger *trigger;
	bool guest;

	if (unlikely(!v))
		return false;
	guest = atomic_load_explicit(&v->owner, memory_order_acquire) != who;
	if (unlikely(guest))
		atomic_fetch_add(&v->guests, 1);
	trigger = atomic_load(&v->trigger);
	if (likely(trigger)) {
		*token = irq_trigger_token(trigger);
		irq_trigger_signal(trigger);
	}
	if (unlikely(guest))
		atomic_fetch_sub(&v->guests, 1);
	return trigger != NULL;
}

void irq_vectors_after_fork(void)
{
	pthread_mutex_init(&vectors.lock, NULL);
	for (unsigned int i = 0; i < MAX_APICS; i++) {
		struct apic *apic = atomic_load_explicit(&vectors.apic[i], memory_order_relaxed);

		/* Who was under way is not in this process. */
		for (unsigned int v = 0; apic && v < ARRAY_SIZE(apic->vector); v++)
			atomic_store_explicit(&apic->vector[v].guests, 0, memory_order_relaxed);
	}
}
