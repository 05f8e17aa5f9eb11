/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's interrupt vectors: what its CPUs' local APICs do with a message (Intel SDM volume 3,
 * 11.11 "Message Signalled Interrupts"). A message or a remapping entry names a local APIC and a
 * vector; behind the pair stands an interrupt of the host with its handler, a trigger.
 */
#ifndef IRQ_VECTOR_H
#define IRQ_VECTOR_H

#include "irq/trigger.h"

struct irq_vector;

/*
 * @count vectors of one CPU, the one with the most left; more than one: neighbours, aligned to the
 * next power of two. @owner: who alone raises and changes them with a lock of its own held.
 * -ENOMEM, -ENOSPC.
 */
int irq_vectors_alloc(const void *owner, unsigned int count, uint32_t *dest, uint8_t *first);
void irq_vectors_free(uint32_t dest, uint8_t first, unsigned int count);
/* Connects the vector to @trigger, NULL: to nothing. The owner's lock is held. Returns when nobody
 * is signalling the previous one. */
void irq_vector_connect(uint32_t dest, uint8_t vector, struct irq_trigger *trigger);
/*
 * An interrupt arrives; @who: the sender, whose lock is held if it is the owner. Lock-free, safe in
 * signal context. False: nobody takes it. True: signalled, *@token is what the trigger's eventfd is
 * called.
 */
bool irq_vector_raise(const void *who, uint32_t dest, uint8_t vector, uint64_t *token);

#endif
