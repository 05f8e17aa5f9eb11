/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of a function, MSI proper and what MSI and MSI-X share (PCI Local Bus 3.0, 6.8.1 and
 * 6.8.3).
 *
 * A message is a memory write of the function: without COMMAND.BUS_MASTER, or outside D0, none is
 * sent. A masked message is kept in the pending bits and sent when the mask goes away. The table of
 * vectors is the host's: what it gave out for each, and where it ends (vector.c).
 *
 * irqs->lock is held while a message is on its way, so that whoever replaces a trigger knows when
 * it is free.
 */
#include "pci/msi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "pci/pci_priv.h"

int pci_irqs_create(struct pci_dev *dev)
{
	struct pci_irqs *irqs = calloc(1, sizeof(*irqs));

	if (!irqs)
		return -ENOMEM;
	irqs->msi = calloc(32, sizeof(irqs->msi[0]));
	if (!irqs->msi) {
		free(irqs);
		return -ENOMEM;
	}
	pthread_mutex_init(&irqs->lock, NULL);
	irqs->mode = PCI_IRQ_INTX;
	dev->irqs = irqs;
	return 0;
}

int pci_irqs_set_msix(struct pci_dev *dev, unsigned int vectors)
{
	dev->irqs->msix = FAIL_POINT() ? NULL : calloc(vectors, sizeof(dev->irqs->msix[0]));
	if (!dev->irqs->msix)
		return -ENOMEM;
	dev->irqs->msix_vectors = vectors;
	return 0;
}

void pci_irqs_destroy(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;

	pci_vectors_give_back(dev, irqs->msi, 32);
	pci_vectors_give_back(dev, irqs->msix, irqs->msix_vectors);
	pthread_mutex_destroy(&irqs->lock);
	free(irqs->msi);
	free(irqs->msix);
	free(irqs);
	dev->irqs = NULL;
}

void pci_irqs_power_on(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;
	struct pci_internal *in = dev->internal;
	char *mem;

	if (in->msix_bar == PCI_NUM_BARS)
		return;
	mem = dev->bar[in->msix_bar].mem;
	pthread_mutex_lock(&irqs->lock);
	irqs->msix_table = (volatile uint32_t *)(mem + in->msix_table_off);
	irqs->msix_pba = (volatile uint64_t *)(mem + in->msix_pba_off);
	pci_msix_table_reset(dev);
	pthread_mutex_unlock(&irqs->lock);
}

void pci_irqs_power_off(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	irqs->msix_table = NULL;
	irqs->msix_pba = NULL;
	irqs->intx_level = false;
	pci_intx_update(dev);
	pthread_mutex_unlock(&irqs->lock);
}

void pci_irqs_reset(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	irqs->intx_level = false;
	if (irqs->msix_table)
		pci_msix_table_reset(dev);
	pthread_mutex_unlock(&irqs->lock);
}

enum pci_irq_type pci_irq_mode(const struct pci_dev *dev)
{
	if (dev->msix_cap &&
	    (pci_get_word(dev, dev->msix_cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE))
		return PCI_IRQ_MSIX;
	if (dev->msi_cap &&
	    (pci_get_word(dev, dev->msi_cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE))
		return PCI_IRQ_MSI;
	return pci_get_byte(dev, PCI_INTERRUPT_PIN) ? PCI_IRQ_INTX : PCI_IRQ_NONE;
}

unsigned int pci_msi_vectors(const struct pci_dev *dev)
{
	return dev->irqs->msi_vectors;
}

unsigned int pci_msix_vectors(const struct pci_dev *dev)
{
	return dev->irqs->msix_vectors;
}

static struct intr_msg read_message(const struct pci_dev *dev)
{
	unsigned int off = dev->msi_cap;
	struct intr_msg msg = { .addr = pci_get_long(dev, off + PCI_MSI_ADDRESS_LO) };

	if (pci_get_word(dev, off + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT) {
		msg.addr |= (uint64_t)pci_get_long(dev, off + PCI_MSI_ADDRESS_HI) << 32;
		msg.data = pci_get_word(dev, off + PCI_MSI_DATA_64);
	} else {
		msg.data = pci_get_word(dev, off + PCI_MSI_DATA_32);
	}
	return msg;
}

void pci_irqs_config_changed(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int flags;

	pthread_mutex_lock(&irqs->lock);
	irqs->mode = pci_irq_mode(dev);
	irqs->master = (pci_get_byte(dev, PCI_COMMAND) & PCI_COMMAND_MASTER) &&
		       dev->internal->power_state == 0;
	if (dev->msi_cap) {
		flags = pci_get_word(dev, dev->msi_cap + PCI_MSI_FLAGS);
		irqs->msi_count =
			MIN(1u << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4), irqs->msi_vectors);
		irqs->msi_msg = read_message(dev);
		pci_msi_flush(dev);
	}
	if (dev->msix_cap) {
		flags = pci_get_word(dev, dev->msix_cap + PCI_MSIX_FLAGS);
		irqs->msix_masked = flags & PCI_MSIX_FLAGS_MASKALL;
		pci_msix_flush(dev);
	}
	pci_intx_update(dev);
	pthread_mutex_unlock(&irqs->lock);
}

void pci_irq_raise(struct pci_dev *dev, unsigned int vector)
{
	struct pci_irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	if (irqs->mode == PCI_IRQ_MSIX)
		pci_msix_raise(dev, vector);
	else if (irqs->mode == PCI_IRQ_MSI)
		pci_msi_raise(dev, vector);
	pthread_mutex_unlock(&irqs->lock);
}

/* ---- MSI ------------------------------------------------------------------------------------ */

static bool msi_maskable(const struct pci_dev *dev)
{
	return pci_get_word(dev, dev->msi_cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_MASKBIT;
}

static bool msi_wide(const struct pci_dev *dev)
{
	return pci_get_word(dev, dev->msi_cap + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_64BIT;
}

/* The mask bits; the pending bits follow them. */
static unsigned int msi_mask_reg(const struct pci_dev *dev)
{
	return dev->msi_cap + (msi_wide(dev) ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
}

/* The message with the vector in its data's low bits. */
static void msi_send(struct pci_dev *dev, unsigned int vector)
{
	const struct pci_irqs *irqs = dev->irqs;

	pci_msg_send(dev, irqs->msi_msg.addr,
		     (irqs->msi_msg.data & ~(irqs->msi_count - 1)) | vector, vector);
}

void pci_msi_raise(struct pci_dev *dev, unsigned int vector)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int v = vector % irqs->msi_count, mask = msi_mask_reg(dev);

	if (msi_maskable(dev) && (pci_get_long(dev, mask) & BIT(v))) {
		pci_set_long(dev, mask + 4, pci_get_long(dev, mask + 4) | BIT(v));
		pci_msg_pending(dev, v);
	} else if (irqs->master) {
		msi_send(dev, v);
	}
}

void pci_msi_flush(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int mask = msi_mask_reg(dev);
	uint32_t pending, ready;

	if (irqs->mode != PCI_IRQ_MSI || !irqs->master || !msi_maskable(dev))
		return;
	pending = pci_get_long(dev, mask + 4);
	ready = pending & ~pci_get_long(dev, mask);
	if (!ready)
		return;
	pci_set_long(dev, mask + 4, pending & ~ready);
	for (unsigned int v = 0; v < irqs->msi_vectors; v++)
		if (ready & BIT(v))
			msi_send(dev, v);
}

/* The host's message and the number of vectors, as a power of two. */
void pci_msi_program(struct pci_dev *dev, unsigned int vectors)
{
	unsigned int off = dev->msi_cap, bits = 0;
	uint16_t flags = pci_get_word(dev, off + PCI_MSI_FLAGS);
	struct intr_msg msg = pci_vector_msg(dev, &dev->irqs->msi[0]);

	while (1u << bits < vectors)
		bits++;
	pci_set_long(dev, off + PCI_MSI_ADDRESS_LO, (uint32_t)msg.addr);
	if (msi_wide(dev))
		pci_set_long(dev, off + PCI_MSI_ADDRESS_HI, (uint32_t)(msg.addr >> 32));
	pci_set_word(dev, off + (msi_wide(dev) ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32),
		     (uint16_t)msg.data);
	for (unsigned int v = 0; v < vectors; v++)
		pci_vector_connect(dev, &dev->irqs->msi[v], NULL, true);
	if (msi_maskable(dev))
		pci_set_long(dev, msi_mask_reg(dev),
			     (uint32_t)((1ULL << dev->irqs->msi_vectors) - 1));
	flags = (uint16_t)((flags & ~PCI_MSI_FLAGS_QSIZE) | bits << 4 | PCI_MSI_FLAGS_ENABLE);
	pci_set_word(dev, off + PCI_MSI_FLAGS, flags);
}

/* ---- the host driver's side ----------------------------------------------------------------- */

static void msi_connect(struct pci_dev *dev, unsigned int vector, struct irq_trigger *trigger)
{
	unsigned int off = msi_mask_reg(dev);

	pci_vector_connect(dev, &dev->irqs->msi[vector], trigger, true);
	if (!msi_maskable(dev))
		return;
	pci_set_long(dev, off,
		     trigger ? pci_get_long(dev, off) & ~BIT(vector)
			     : pci_get_long(dev, off) | BIT(vector));
	pci_msi_flush(dev);
}

int pci_irq_connect(struct pci_dev *dev, enum pci_irq_type type, unsigned int vector,
		    struct irq_trigger *trigger)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int count = type == PCI_IRQ_MSI ? irqs->msi_vectors : irqs->msix_vectors;
	int ret;

	if ((type != PCI_IRQ_MSI && type != PCI_IRQ_MSIX) || vector >= count)
		return -EINVAL;
	/* One beyond those that were enabled; the caller serialises this with enabling. */
	if (type == PCI_IRQ_MSIX && trigger && !irqs->msix[vector].irq) {
		ret = pci_vectors_give(dev, irqs->msix, vector, 1, false);
		if (ret)
			return ret;
	}
	pthread_mutex_lock(&irqs->lock);
	if (type == PCI_IRQ_MSI) {
		msi_connect(dev, vector, trigger);
	} else {
		pci_vector_connect(dev, &irqs->msix[vector], trigger, false);
		pci_msix_program(dev, vector, trigger);
	}
	pthread_mutex_unlock(&irqs->lock);
	return 0;
}

int pci_enable_vectors(struct pci_dev *dev, enum pci_irq_type type, unsigned int vectors)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int count = type == PCI_IRQ_MSI ? irqs->msi_vectors : irqs->msix_vectors;
	struct pci_vector *slots = type == PCI_IRQ_MSI ? irqs->msi : irqs->msix;
	int ret;

	if ((type != PCI_IRQ_MSI && type != PCI_IRQ_MSIX) || !vectors)
		return -EINVAL;
	if (vectors > count)
		return -ENOSPC;
	pci_vectors_give_back(dev, slots, count);
	ret = pci_vectors_give(dev, slots, 0, vectors, type == PCI_IRQ_MSI);
	if (ret)
		return ret;
	pci_dev_lock(dev);
	pthread_mutex_lock(&irqs->lock);
	if (type == PCI_IRQ_MSI) {
		pci_msi_program(dev, vectors);
	} else {
		for (unsigned int v = 0; v < count; v++)
			pci_msix_program(dev, v, false);
		pci_set_word(dev, dev->msix_cap + PCI_MSIX_FLAGS,
			     (uint16_t)((pci_get_word(dev, dev->msix_cap + PCI_MSIX_FLAGS) &
					 ~PCI_MSIX_FLAGS_MASKALL) |
					PCI_MSIX_FLAGS_ENABLE));
	}
	pthread_mutex_unlock(&irqs->lock);
	/* The host takes the pin away while messages are on. */
	pci_intx(dev, false);
	pci_irqs_config_changed(dev);
	pci_dev_unlock(dev);
	if (dev->vectors_changed)
		dev->vectors_changed(dev->vectors_arg, type, vectors);
	return 0;
}

void pci_disable_vectors(struct pci_dev *dev, enum pci_irq_type type)
{
	struct pci_irqs *irqs = dev->irqs;
	unsigned int off;
	uint16_t enable;

	if ((type == PCI_IRQ_MSI && !dev->msi_cap) || (type == PCI_IRQ_MSIX && !dev->msix_cap))
		return;
	off = type == PCI_IRQ_MSI ? dev->msi_cap + PCI_MSI_FLAGS : dev->msix_cap + PCI_MSIX_FLAGS;
	enable = type == PCI_IRQ_MSI ? PCI_MSI_FLAGS_ENABLE : PCI_MSIX_FLAGS_ENABLE;
	pci_dev_lock(dev);
	pthread_mutex_lock(&irqs->lock);
	pci_set_word(dev, off, (uint16_t)(pci_get_word(dev, off) & ~enable));
	pthread_mutex_unlock(&irqs->lock);
	if (type == PCI_IRQ_MSI)
		pci_vectors_give_back(dev, irqs->msi, 32);
	else
		pci_vectors_give_back(dev, irqs->msix, irqs->msix_vectors);
	pci_intx(dev, true);
	pci_irqs_config_changed(dev);
	pci_dev_unlock(dev);
	if (dev->vectors_changed)
		dev->vectors_changed(dev->vectors_arg, type, 0);
}

void pci_irqs_restore(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	for (unsigned int v = 0; irqs->mode == PCI_IRQ_MSIX && v < irqs->msix_vectors; v++)
		pci_msix_program(dev, v, irqs->msix[v].trigger);
	pthread_mutex_unlock(&irqs->lock);
}
