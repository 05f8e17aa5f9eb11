/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's interrupts by number, and the consumer's look into a posted-interrupt descriptor.
 *
 * Lock: table.lock guards the table and is held while an operation runs: an interrupt that was
 * freed has none running. It is below the irqbypass manager's lock and above a function's
 * irqs->lock.
 */
#include "irq/irq.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "irq/irq_priv.h"

#define CHUNK	   256
#define MAX_CHUNKS 1024 /* so that a number fits in 20 bits (irq/trace.h) */

struct irq_slot {
	const struct irq_chip *chip; /* NULL: free */
	void *data;
};

static struct {
	pthread_mutex_t lock;
	struct irq_slot *chunk[MAX_CHUNKS];
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int alloc_locked(const struct irq_chip *chip, void *data, unsigned int irq)
{
	for (; irq < CHUNK * MAX_CHUNKS; irq++) {
		struct irq_slot **chunk = &table.chunk[irq / CHUNK];

		if (!*chunk)
			*chunk = FAIL_POINT() ? NULL : calloc(CHUNK, sizeof((*chunk)[0]));
		if (!*chunk)
			return -ENOMEM;
		if ((*chunk)[irq % CHUNK].chip)
			continue;
		(*chunk)[irq % CHUNK] = (struct irq_slot){ chip, data };
		return (int)irq;
	}
	return -ENOSPC;
}

int irq_alloc(const struct irq_chip *chip, void *data, int irq)
{
	int ret;

	pthread_mutex_lock(&table.lock);
	ret = alloc_locked(chip, data, (unsigned int)irq);
	pthread_mutex_unlock(&table.lock);
	return ret;
}

static struct irq_slot *slot_locked(int irq)
{
	struct irq_slot *chunk;

	if (irq < 0 || irq >= CHUNK * MAX_CHUNKS)
		return NULL;
	chunk = table.chunk[irq / CHUNK];
	return chunk && chunk[irq % CHUNK].chip ? &chunk[irq % CHUNK] : NULL;
}

void irq_free(int irq)
{
	struct irq_slot *slot;

	pthread_mutex_lock(&table.lock);
	slot = slot_locked(irq);
	if (slot)
		slot->chip = NULL;
	pthread_mutex_unlock(&table.lock);
}

int irq_set_vcpu_affinity(int irq, const struct irq_post_target *target)
{
	struct irq_slot *slot;
	int ret = -EINVAL;

	if (target && (!target->pi_desc || (uintptr_t)target->pi_desc % sizeof(struct pi_desc) ||
		       (uintptr_t)target->vapic % VAPIC_PAGE_SIZE))
		return -EINVAL;
	pthread_mutex_lock(&table.lock);
	slot = slot_locked(irq);
	if (slot)
		ret = slot->chip->set_vcpu_affinity
			      ? slot->chip->set_vcpu_affinity(slot->data, target)
			      : -ENODEV;
	pthread_mutex_unlock(&table.lock);
	return ret;
}

void irq_table_after_fork(void)
{
	pthread_mutex_init(&table.lock, NULL);
}

bool pi_take(struct pi_desc *desc, uint64_t requests[4])
{
	uint64_t any = 0;

	/* Sequentially consistent, as the poster's: either it sees ON clear and notifies, or the
	 * exchanges below see its bit. */
	atomic_fetch_and(&desc->control, ~PI_ON);
	for (unsigned int i = 0; i < 4; i++) {
		requests[i] = atomic_exchange(&desc->pir[i], 0);
		any |= requests[i];
	}
	return any != 0;
}
