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

#define FIRST_IRQ 24 /* behind the pins of the I/O APIC */
#define MAX_IRQS  65536

struct irq_slot {
	const struct irq_chip *chip; /* NULL: free */
	void *data;
};

static struct {
	pthread_mutex_t lock;
	struct irq_slot *slots;
	unsigned int size, hint; /* no slot below hint is free */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int grow_locked(void)
{
	unsigned int size = table.size ? table.size * 2 : 64;
	struct irq_slot *slots;

	if (table.size >= MAX_IRQS - FIRST_IRQ)
		return -ENOSPC;
	size = MIN(size, MAX_IRQS - FIRST_IRQ);
	slots = FAIL_POINT() ? NULL : realloc(table.slots, size * sizeof(slots[0]));
	if (!slots)
		return -ENOMEM;
	for (unsigned int i = table.size; i < size; i++)
		slots[i] = (struct irq_slot){ 0 };
	table.slots = slots;
	table.size = size;
	return 0;
}

int irq_alloc(const struct irq_chip *chip, void *data)
{
	unsigned int i;
	int ret = 0;

	pthread_mutex_lock(&table.lock);
	for (i = table.hint; i < table.size && table.slots[i].chip; i++)
		;
	table.hint = i;
	if (i == table.size)
		ret = grow_locked();
	if (!ret) {
		table.slots[i] = (struct irq_slot){ chip, data };
		table.hint = i + 1;
		ret = (int)(i + FIRST_IRQ);
	}
	pthread_mutex_unlock(&table.lock);
	return ret;
}

static struct irq_slot *slot_locked(int irq)
{
	unsigned int i = (unsigned int)irq - FIRST_IRQ;

	return irq >= FIRST_IRQ && i < table.size && table.slots[i].chip ? &table.slots[i] : NULL;
}

void irq_free(int irq)
{
	struct irq_slot *slot;

	pthread_mutex_lock(&table.lock);
	slot = slot_locked(irq);
	if (slot) {
		slot->chip = NULL;
		table.hint = MIN(table.hint, (unsigned int)irq - FIRST_IRQ);
	}
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
