/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of the host's interrupts, and who serves what is asked of one by number (the kernel's irq
 * descriptors, as far as a posted interrupt needs them: irq/posted.h). */
#ifndef IRQ_IRQ_H
#define IRQ_IRQ_H

#include "irq/posted.h"

struct irq_chip {
	/* irq_set_vcpu_affinity(); NULL: -ENODEV. May take the function's interrupt lock. */
	int (*set_vcpu_affinity)(void *data, const struct irq_post_target *target);
};

#define IRQ_FIRST_MSI 24 /* behind the pins of the I/O APIC */

/* A number for an interrupt of @chip's: @irq, or the next free one above; -ENOMEM, -ENOSPC. */
int irq_alloc(const struct irq_chip *chip, void *data, int irq);
/* Returns when no operation of it is running. Not with a lock held that the operations take. */
void irq_free(int irq);

#endif
