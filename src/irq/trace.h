/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the events of the interrupt chain carry (base/event.h): EVENT_IRQ is one interrupt, from the
 * function's vector to where it ended; EVENT_IRQ_BYPASS a step of the irqbypass manager.
 */
#ifndef IRQ_TRACE_H
#define IRQ_TRACE_H

#include "base/types.h"

enum irq_way {
	IRQ_PENDING,  /* masked: kept in the pending bits */
	IRQ_EVENTFD,  /* remapped (or not, without an IOMMU) to a vector of the host, its eventfd */
	IRQ_POSTED,   /* into the consumer's descriptor, which was about to be looked at already */
	IRQ_NOTIFIED, /* the same, and the consumer was notified */
	IRQ_BLOCKED,  /* stopped by the remapping: a fault */
	IRQ_PIN,      /* INTx: no message */
};

#define IRQ_NO_ENTRY  0xffffffu /* it took no remapping entry */
#define IRQ_NO_VECTOR 0xfffu	/* the function wrote it by DMA */

struct irq_event {
	enum irq_way way;
	uint32_t vector; /* of the function, 12 bits */
	uint32_t irq;	 /* the host's number, 20 bits; 0: none */
	uint8_t apic_vector;
	uint32_t dest;	/* the local APIC; posted: the consumer's CPU */
	uint32_t entry; /* in the remapping table, 24 bits */
	uint32_t token; /* the eventfd's identity (irq_bypass_eventfd_token()); 0: not known */
	uint32_t nsec;	/* from raising to the end */
};

static inline uint64_t irq_event_a(const struct irq_event *e)
{
	return (e->vector & 0xfff) | (uint64_t)(e->irq & 0xfffff) << 12 | (uint64_t)e->nsec << 32;
}

static inline uint64_t irq_event_b(const struct irq_event *e)
{
	return (uint64_t)e->way | (uint64_t)(e->entry & 0xffffff) << 8 | (uint64_t)e->token << 32;
}

static inline uint64_t irq_event_c(const struct irq_event *e)
{
	return e->apic_vector | (uint64_t)e->dest << 32;
}

static inline void irq_event_unpack(uint64_t a, uint64_t b, uint64_t c, struct irq_event *e)
{
	e->vector = a & 0xfff;
	e->irq = a >> 12 & 0xfffff;
	e->nsec = (uint32_t)(a >> 32);
	e->way = (enum irq_way)(b & 0xff);
	e->entry = b >> 8 & 0xffffff;
	e->token = (uint32_t)(b >> 32);
	e->apic_vector = (uint8_t)c;
	e->dest = (uint32_t)(c >> 32);
}

enum irq_bypass_step {
	IRQ_BYPASS_PRODUCER_ADD,
	IRQ_BYPASS_CONSUMER_ADD,
	IRQ_BYPASS_PAIR, /* with the result */
	IRQ_BYPASS_UNPAIR,
	IRQ_BYPASS_PRODUCER_DEL,
	IRQ_BYPASS_CONSUMER_DEL,
	IRQ_BYPASS_STEPS
};

/* a: the step, b: the token, c: the producer's irq (0: none) and the result, 0 or -errno. */
#define IRQ_BYPASS_WHO(irq, ret)   ((uint64_t)(uint32_t)(irq) | (uint64_t)(uint32_t)(ret) << 32)
#define IRQ_BYPASS_WHO_IRQ(who)	   ((int)(uint32_t)(who))
#define IRQ_BYPASS_WHO_RESULT(who) ((int)(uint32_t)((who) >> 32))

#endif
