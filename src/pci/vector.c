/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of messages: what it gives out for each vector of a function (a number, an entry
 * of the remapping table, a vector of one of its CPUs), and the way of a message from the function
 * to where it ends.
 *
 * As in Linux an entry and a number are given out when vectors are enabled (for MSI-X also with the
 * first trigger of a further one) and taken back when all are disabled; the entry is present from
 * the time that the vector has a trigger. MSI has no mask that the host could count on, so its
 * entries are present as long as it is enabled.
 *
 * A message is believed as it stands in the capability or the MSI-X table, where whoever may write
 * there may have changed it: that is what the remapping is for.
 *
 * Lock: irqs->lock guards the slots and is held while a message is on its way. Numbers are given
 * out and freed without it, since irq_set_vcpu_affinity() takes it under the table of numbers.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/event.h"
#include "irq/irq.h"
#include "irq/trace.h"
#include "irq/vector.h"
#include "pci/pci_priv.h"

/* ---- what the host gives out --------------------------------------------------------------- */

static bool remapped(const struct pci_vector *slot)
{
	return slot->entry != INTR_NO_ENTRY;
}

static int set_vcpu_affinity(void *data, const struct irq_post_target *target)
{
	struct pci_vector *slot = data;
	struct pci_dev *dev = slot->dev;
	int ret = 0;

	pthread_mutex_lock(&dev->irqs->lock);
	if (!slot->irq) {
		ret = -EINVAL;
	} else if (!remapped(slot)) {
		ret = -ENODEV;
	} else if (target) {
		/* The entry refers to the copy: absent while that changes. */
		intr_remap_clear(dev->iommu, slot->entry);
		slot->target = *target;
		slot->posted = true;
		intr_remap_post(dev->iommu, slot->entry, &slot->target);
	} else if (slot->posted) {
		slot->posted = false;
		intr_remap_set(dev->iommu, slot->entry, slot->dest, slot->apic_vector);
	}
	pthread_mutex_unlock(&dev->irqs->lock);
	return ret;
}

static const struct irq_chip msi_chip = { .set_vcpu_affinity = set_vcpu_affinity };

static void give_back(struct pci_dev *dev, struct pci_vector *slot)
{
	struct pci_vector was;

	pthread_mutex_lock(&dev->irqs->lock);
	was = *slot;
	*slot = (struct pci_vector){ .dev = dev };
	if (was.irq) {
		intr_remap_clear(dev->iommu, was.entry);
		irq_vector_connect(was.dest, was.apic_vector, NULL);
	}
	pthread_mutex_unlock(&dev->irqs->lock);
	if (!was.irq)
		return;
	irq_free(was.irq);
	irq_vectors_free(was.dest, was.apic_vector, 1);
	intr_remap_free(dev->iommu, was.entry, 1);
}

/* @slot's number and vector; @block: of the run that was given out for all of MSI's. */
static int give(struct pci_dev *dev, struct pci_vector *slot, unsigned int vector, uint32_t entry,
		const struct pci_vector *block)
{
	struct pci_vector new = { .dev = dev, .entry = entry };
	int ret = 0;

	if (block) {
		new.dest = block->dest;
		new.apic_vector = (uint8_t)(block->apic_vector + vector);
	} else {
		ret = irq_vectors_alloc(dev, 1, &new.dest, &new.apic_vector);
	}
	if (ret)
		goto fail;
	ret = irq_alloc(&msi_chip, slot, MAX(dev->irq_base, IRQ_FIRST_MSI) + (int)vector);
	if (ret < 0) {
		irq_vectors_free(new.dest, new.apic_vector, 1);
		goto fail;
	}
	new.irq = ret;
	pthread_mutex_lock(&dev->irqs->lock);
	*slot = new;
	pthread_mutex_unlock(&dev->irqs->lock);
	return 0;
fail:
	intr_remap_free(dev->iommu, entry, 1);
	return ret;
}

int pci_vectors_give(struct pci_dev *dev, struct pci_vector *slots, unsigned int first,
		     unsigned int count, bool together)
{
	struct pci_vector block = { .dev = dev };
	uint32_t entry = INTR_NO_ENTRY;
	unsigned int given = 0;
	bool run = false;
	int ret = 0;

	if (together) {
		ret = intr_remap_alloc(dev->iommu, count, &entry);
		/* Without remapping the message's low bits choose the vector itself. */
		run = !ret && entry == INTR_NO_ENTRY;
		if (run)
			ret = irq_vectors_alloc(dev, count, &block.dest, &block.apic_vector);
		if (ret)
			return ret;
	}
	for (; given < count && !ret; given += !ret) {
		if (!together)
			ret = intr_remap_alloc(dev->iommu, 1, &entry);
		if (!ret)
			ret = give(dev, &slots[first + given], first + given,
				   together && entry != INTR_NO_ENTRY ? entry + given : entry,
				   run ? &block : NULL);
	}
	if (!ret)
		return 0;
	/* The one that failed has taken back its own; those behind it had nothing but their part of
	 * what was given out together. */
	for (unsigned int i = 0; i < given; i++)
		give_back(dev, &slots[first + i]);
	for (unsigned int i = given + 1; together && i < count; i++) {
		if (run)
			irq_vectors_free(block.dest, (uint8_t)(block.apic_vector + i), 1);
		else
			intr_remap_free(dev->iommu, entry + i, 1);
	}
	return ret;
}

void pci_vectors_give_back(struct pci_dev *dev, struct pci_vector *slots, unsigned int count)
{
	for (unsigned int i = 0; slots && i < count; i++)
		give_back(dev, &slots[i]);
}

void pci_vector_connect(struct pci_dev *dev, struct pci_vector *slot, struct irq_trigger *trigger,
			bool keep)
{
	slot->trigger = trigger;
	if (!slot->irq)
		return;
	irq_vector_connect(slot->dest, slot->apic_vector, trigger);
	if (slot->posted && trigger)
		return;
	slot->posted = false;
	if (trigger || keep)
		intr_remap_set(dev->iommu, slot->entry, slot->dest, slot->apic_vector);
	else
		intr_remap_clear(dev->iommu, slot->entry);
}

struct intr_msg pci_vector_msg(const struct pci_dev *dev, const struct pci_vector *slot)
{
	if (!slot->irq)
		return (struct intr_msg){ .addr = INTR_WINDOW_FIRST };
	return intr_remap_msg(dev->iommu, slot->entry, slot->dest, slot->apic_vector);
}

int pci_irq_vector(struct pci_dev *dev, enum pci_irq_type type, unsigned int vector)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int count = type == PCI_IRQ_MSI ? irqs->msi_vectors : irqs->msix_vectors;
	int irq;

	if ((type != PCI_IRQ_MSI && type != PCI_IRQ_MSIX) || vector >= count)
		return -EINVAL;
	pthread_mutex_lock(&irqs->lock);
	irq = (type == PCI_IRQ_MSI ? irqs->msi : irqs->msix)[vector].irq;
	pthread_mutex_unlock(&irqs->lock);
	return irq ? irq : -EINVAL;
}

/* ---- a message's way ----------------------------------------------------------------------- */

static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The slot that the message found, for its number. */
static const struct pci_vector *slot_of(const struct pci_vector *slots, unsigned int count,
					const struct intr_request *request)
{
	for (unsigned int i = 0; i < count; i++)
		if (slots[i].irq &&
		    (remapped(&slots[i]) ? slots[i].entry == request->index
					 : slots[i].dest == request->dest &&
						   slots[i].apic_vector == request->vector))
			return &slots[i];
	return NULL;
}

static __attribute__((noinline)) void trace(struct pci_dev *dev, unsigned int vector,
					    const struct intr_request *request, enum irq_way way,
					    uint64_t token, uint64_t begin)
{
	struct pci_irqs *irqs = dev->irqs;
	const struct pci_vector *slot = slot_of(irqs->msix, irqs->msix_vectors, request);
	uint64_t nsec = begin ? now_nsec() - begin : 0;
	struct irq_event e = { .way = way,
			       .vector = vector,
			       .apic_vector = request->vector,
			       .dest = request->dest,
			       .entry = request->index,
			       .token = (uint32_t)token,
			       .nsec = (uint32_t)MIN(nsec, UINT32_MAX) };

	if (!slot)
		slot = slot_of(irqs->msi, irqs->msi_vectors, request);
	if (slot) {
		e.irq = (uint32_t)slot->irq;
		if (slot->trigger)
			e.token = (uint32_t)irq_trigger_token(slot->trigger);
	}
	if (request->target)
		e.dest = request->target->vcpu;
	event_emit(EVENT_IRQ, dev->rid, irq_event_a(&e), irq_event_b(&e), irq_event_c(&e));
}

static void count(struct pci_dev *dev)
{
	atomic_fetch_add_explicit(&dev->stats->irqs, 1, memory_order_relaxed);
}

void pci_msg_send(struct pci_dev *dev, uint64_t addr, uint32_t data, unsigned int vector)
{
	uint64_t begin = unlikely(event_is_on(EVENT_IRQ)) ? now_nsec() : 0, token = 0;
	const struct irq_post_target *target;
	enum irq_way way = IRQ_BLOCKED;
	struct intr_request request;

	intr_remap_request(dev->iommu, addr, data, &request);
	switch (request.kind) {
	case INTR_VECTOR:
		if (!irq_vector_raise(dev, request.dest, request.vector, &token))
			return;
		count(dev);
		way = IRQ_EVENTFD;
		break;
	case INTR_POST:
		target = request.target;
		way = IRQ_POSTED;
		count(dev);
		if (intr_post(&request)) {
			way = IRQ_NOTIFIED;
			if (target->notify)
				target->notify(target->arg, target->vector);
		}
		break;
	case INTR_BLOCKED:
		break;
	}
	if (unlikely(event_is_on(EVENT_IRQ)))
		trace(dev, vector, &request, way, token, begin);
}

void pci_msg_pending(struct pci_dev *dev, unsigned int vector)
{
	const struct irq_event e = { .way = IRQ_PENDING, .vector = vector, .entry = IRQ_NO_ENTRY };

	event_emit(EVENT_IRQ, dev->rid, irq_event_a(&e), irq_event_b(&e), irq_event_c(&e));
}

/* The function wrote a message by DMA. */
static void dma_msi(void *arg, uint64_t addr, uint32_t data)
{
	struct pci_dev *dev = arg;

	pthread_mutex_lock(&dev->irqs->lock);
	pci_msg_send(dev, addr, data, IRQ_NO_VECTOR);
	pthread_mutex_unlock(&dev->irqs->lock);
}

void pci_msg_listen(struct pci_dev *dev, bool on)
{
	if (dev->iommu)
		iommu_dev_set_msi(dev->iommu, on ? dma_msi : NULL, dev);
}
