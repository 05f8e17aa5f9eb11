/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device with one vector for the tests of irqfds: an interrupt chip that posts as remapping
 * hardware does: vector into the descriptor (Intel) or into the backing page (AMD), ON,
 * notification; unposted, it signals the eventfd.
 */
#ifndef KVM_DEVICE_FIXTURE_H
#define KVM_DEVICE_FIXTURE_H

#include "kvm/kvm_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "irq/irq.h"
#include "irq/irqbypass.h"
#include "irq/trigger.h"

struct device {
	pthread_mutex_t lock;
	struct irq_post_target target; /* lock */
	bool posted;		       /* lock */
	bool amd;
	_Atomic int refuse; /* what set_vcpu_affinity() says to a target */
	int irq, eventfd;
	struct irq_bypass_producer producer;
};

static inline int set_vcpu_affinity(void *data, const struct irq_post_target *target)
{
	struct device *device = data;

	if (target && atomic_load(&device->refuse))
		return atomic_load(&device->refuse);
	pthread_mutex_lock(&device->lock);
	device->posted = target;
	if (target)
		device->target = *target;
	pthread_mutex_unlock(&device->lock);
	return 0;
}

static const struct irq_chip device_chip = { .set_vcpu_affinity = set_vcpu_affinity };

static inline struct device *device_create(void)
{
	struct device *device = calloc(1, sizeof(*device));

	pthread_mutex_init(&device->lock, NULL);
	device->eventfd = eventfd(0, EFD_NONBLOCK);
	device->irq = irq_alloc(&device_chip, device, IRQ_FIRST_MSI);
	ck_assert_int_gt(device->irq, 0);
	return device;
}

static inline void device_destroy(struct device *device)
{
	irq_bypass_unregister_producer(&device->producer);
	irq_free(device->irq);
	close(device->eventfd);
	free(device);
}

static inline void pair(struct device *device)
{
	ck_assert_int_eq(
		irq_bypass_register_producer(&device->producer, device->eventfd, device->irq), 0);
}

static inline void post(struct device *device)
{
	const struct irq_post_target *target = &device->target;
	uint8_t vector = target->vector;
	_Atomic uint32_t *irr;

	if (device->amd && target->vapic) {
		irr = (_Atomic uint32_t *)((char *)target->vapic + VAPIC_IRR(vector));
		if (!(atomic_fetch_or(irr, 1U << vector % 32) & 1U << vector % 32))
			target->notify(target->arg, vector);
		return;
	}
	atomic_fetch_or(&target->pi_desc->pir[vector / 64], 1ULL << vector % 64);
	if (!(atomic_fetch_or(&target->pi_desc->control, PI_ON) & PI_ON))
		target->notify(target->arg, vector);
}

static inline void raise_irq(struct device *device)
{
	pthread_mutex_lock(&device->lock);
	if (device->posted)
		post(device);
	else
		signal_eventfd(device->eventfd);
	pthread_mutex_unlock(&device->lock);
}

#endif
