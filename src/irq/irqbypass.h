/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The irqbypass manager (the kernel's include/linux/irqbypass.h): who makes an interrupt (a vector
 * of vfio_pci) and who takes it (an irqfd of a VM) find each other by the eventfd that they share.
 * What the consumer does when they are paired (the posted mode) is irq/posted.h.
 */
#ifndef IRQ_IRQBYPASS_H
#define IRQ_IRQBYPASS_H

#include "base/list.h"
#include "base/types.h"

struct irq_bypass_consumer;

/*
 * Zeroed before the first registration, the operations set; the rest is the manager's. The manager
 * keeps no reference: the object and the eventfd (a duplicate that its owner holds) live until it
 * is unregistered. All operations run with the manager's lock held: they may not register or
 * unregister anything. A NULL operation is left out.
 */
struct irq_bypass_producer {
	struct list_head node;
	uint64_t token;			      /* the eventfd's identity; 0: not registered */
	struct irq_bypass_consumer *consumer; /* NULL: not paired */
	int irq;			      /* for irq_set_vcpu_affinity() */
	int (*add_consumer)(struct irq_bypass_producer *producer,
			    struct irq_bypass_consumer *consumer);
	void (*del_consumer)(struct irq_bypass_producer *producer,
			     struct irq_bypass_consumer *consumer);
	void (*stop)(struct irq_bypass_producer *producer);
	void (*start)(struct irq_bypass_producer *producer);
};

/* As a producer, but add_producer and del_producer must be set. */
struct irq_bypass_consumer {
	struct list_head node;
	uint64_t token;
	struct irq_bypass_producer *producer;
	int (*add_producer)(struct irq_bypass_consumer *consumer,
			    struct irq_bypass_producer *producer);
	void (*del_producer)(struct irq_bypass_consumer *consumer,
			     struct irq_bypass_producer *producer);
	void (*stop)(struct irq_bypass_consumer *consumer);
	void (*start)(struct irq_bypass_consumer *consumer);
};

/* The identity of the eventfd @eventfd, the same for all its duplicates, in every process, never 0
 * and not given out again while one of them is open. -EBADF: no fd, -EINVAL: no eventfd,
 * -EOPNOTSUPP: the system does not tell (no /proc, Linux before 5.2). */
int irq_bypass_eventfd_token(int eventfd, uint64_t *token);

/*
 * Registers, and pairs with the consumer (producer) of the same eventfd when there is one. @eventfd
 * is not consumed. -EINVAL: registered already, or an operation is missing; -EBUSY: there is one of
 * this eventfd already; what irq_bypass_eventfd_token() says; what add_consumer or add_producer
 * said, and then it is not registered.
 */
int irq_bypass_register_producer(struct irq_bypass_producer *producer, int eventfd, int irq);
int irq_bypass_register_consumer(struct irq_bypass_consumer *consumer, int eventfd);
/* Unpairs. One that is not registered, or was before a fork, is left alone. */
void irq_bypass_unregister_producer(struct irq_bypass_producer *producer);
void irq_bypass_unregister_consumer(struct irq_bypass_consumer *consumer);

#endif
