/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MSI-X: the table and the pending bit array in BAR memory (PCI Local Bus 3.0, 6.8.2 and 6.8.3.2).
 *
 * Loads of both are native, so the memory there is the register. irqs->lock is held by the
 * functions that pci_priv.h says so of.
 */
#include <stdatomic.h>

#include "pci/pci_priv.h"

static volatile uint32_t *entry(struct pci_irqs *irqs, unsigned int vector)
{
	return irqs->msix_table + (size_t)vector * MSIX_ENTRY_WORDS;
}

static bool masked(struct pci_irqs *irqs, unsigned int vector)
{
	return irqs->msix_masked ||
	       (entry(irqs, vector)[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

void pci_msix_table_reset(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;

	for (unsigned int v = 0; v < irqs->msix_vectors; v++) {
		volatile uint32_t *e = entry(irqs, v);

		e[0] = e[1] = e[2] = 0;
		e[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	for (unsigned int i = 0; i < (irqs->msix_vectors + 63) / 64; i++)
		irqs->msix_pba[i] = 0;
}

static void send(struct pci_dev *dev, unsigned int vector)
{
	volatile uint32_t *e = entry(dev->irqs, vector);

	pci_msg_send(dev,
		     e[PCI_MSIX_ENTRY_LOWER_ADDR / 4] | (uint64_t)e[PCI_MSIX_ENTRY_UPPER_ADDR / 4]
								<< 32,
		     e[PCI_MSIX_ENTRY_DATA / 4], vector);
}

void pci_msix_raise(struct pci_dev *dev, unsigned int vector)
{
	struct pci_irqs *irqs = dev->irqs;

	if (vector >= irqs->msix_vectors || !irqs->msix_table)
		return;
	if (masked(irqs, vector)) {
		irqs->msix_pba[vector / 64] |= 1ULL << (vector % 64);
		pci_msg_pending(dev, vector);
	} else if (irqs->master) {
		send(dev, vector);
	}
}

static void flush_vector(struct pci_dev *dev, unsigned int vector)
{
	struct pci_irqs *irqs = dev->irqs;
	uint64_t bit = 1ULL << (vector % 64);

	if (irqs->mode != PCI_IRQ_MSIX || !irqs->master || !(irqs->msix_pba[vector / 64] & bit) ||
	    masked(irqs, vector))
		return;
	irqs->msix_pba[vector / 64] &= ~bit;
	send(dev, vector);
}

void pci_msix_flush(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;

	if (irqs->mode != PCI_IRQ_MSIX || irqs->msix_masked || !irqs->msix_table)
		return;
	for (unsigned int v = 0; v < irqs->msix_vectors; v++)
		if (irqs->msix_pba[v / 64])
			flush_vector(dev, v);
}

/* What the host writes for an interrupt that it hands out (@unmask) or takes back. */
void pci_msix_program(struct pci_dev *dev, unsigned int vector, bool unmask)
{
	struct pci_irqs *irqs = dev->irqs;
	volatile uint32_t *e;
	struct intr_msg msg;

	if (!irqs->msix_table)
		return;
	e = entry(irqs, vector);
	e[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] |= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	if (!unmask)
		return;
	msg = pci_vector_msg(dev, &irqs->msix[vector]);
	e[PCI_MSIX_ENTRY_LOWER_ADDR / 4] = (uint32_t)msg.addr;
	e[PCI_MSIX_ENTRY_UPPER_ADDR / 4] = (uint32_t)(msg.addr >> 32);
	e[PCI_MSIX_ENTRY_DATA / 4] = msg.data;
	e[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] &= ~(uint32_t)PCI_MSIX_ENTRY_CTRL_MASKBIT;
	flush_vector(dev, vector);
}

static bool in_pages(uint64_t off, uint32_t start, uint64_t size)
{
	return off >= start && off < start + ALIGN_UP(size, HOST_PAGE_SIZE);
}

bool pci_msix_covers(const struct pci_dev *dev, unsigned int bar, uint64_t off)
{
	const struct pci_internal *in = dev->internal;
	unsigned int n = dev->irqs->msix_vectors;

	return bar == in->msix_bar &&
	       (in_pages(off, in->msix_table_off, (uint64_t)n * PCI_MSIX_ENTRY_SIZE) ||
		in_pages(off, in->msix_pba_off, ALIGN_UP((uint64_t)n, 64) / 8));
}

uint64_t pci_msix_read(struct pci_dev *dev, uint64_t off, unsigned int width)
{
	const struct pci_bar *bar = &dev->bar[dev->internal->msix_bar];

	return bar->mem ? pci_mem_load((char *)bar->mem + off, width) : 0;
}

void pci_msix_write(struct pci_dev *dev, uint64_t off, unsigned int width, uint64_t value)
{
	struct pci_internal *in = dev->internal;
	struct pci_irqs *irqs = dev->irqs;
	uint64_t rel = off - in->msix_table_off;

	/* The pending bits are the function's; so is what fills up the pages. */
	if (off < in->msix_table_off ||
	    rel + width > (uint64_t)irqs->msix_vectors * PCI_MSIX_ENTRY_SIZE)
		return;
	pthread_mutex_lock(&irqs->lock);
	if (irqs->msix_table) {
		pci_mem_store((volatile char *)irqs->msix_table + rel, width, value);
		flush_vector(dev, (unsigned int)(rel / PCI_MSIX_ENTRY_SIZE));
	}
	pthread_mutex_unlock(&irqs->lock);
}
