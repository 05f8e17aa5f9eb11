/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of a function: INTx, MSI and MSI-X (PCI Local Bus 3.0, 6.8). The model raises a
 * vector; mask bits, function mask, enable bits and the pending array decide; then its
 * message is sent through the interrupt remapping to its trigger, or to who it is posted to
 * (vector.c). Raising takes irqs->lock only (a leaf lock) and is safe in signal context.
 */
#ifndef PCI_MSI_H
#define PCI_MSI_H

#include "irq/trigger.h"
#include "pci/pci.h"

enum pci_irq_type { PCI_IRQ_NONE, PCI_IRQ_INTX, PCI_IRQ_MSI, PCI_IRQ_MSIX };

/* ---- the model's side ----------------------------------------------------------------------- */

/* Raises message @vector. With MSI on and fewer messages than vectors, the vector is taken modulo
 * the number enabled; with neither MSI nor MSI-X on, nothing (see pci_intx_set()). */
void pci_irq_raise(struct pci_dev *dev, unsigned int vector);
/* The level of the INTx pin; effective while MSI and MSI-X are off. */
void pci_intx_set(struct pci_dev *dev, bool level);
/* Which of the three is enabled in config space now. */
enum pci_irq_type pci_irq_mode(const struct pci_dev *dev);
unsigned int pci_msi_vectors(const struct pci_dev *dev); /* 0: no capability */
unsigned int pci_msix_vectors(const struct pci_dev *dev);

/* ---- the host driver's side (vfio_pci) ------------------------------------------------------ */

/* Connects vector @vector of @type to @trigger (not owned), or with NULL disconnects it; returns
 * when no signal to the previous trigger is running. Programs and unmasks the hardware's table
 * entry. -ENOMEM, -ENOSPC: nothing is left to give to a vector that had none yet. */
int pci_irq_connect(struct pci_dev *dev, enum pci_irq_type type, unsigned int vector,
		    struct irq_trigger *trigger);
/* The host's number of an enabled vector, for irq_set_vcpu_affinity(); -EINVAL: it has none. */
int pci_irq_vector(struct pci_dev *dev, enum pci_irq_type type, unsigned int vector);
/* INTx as the host sees it: called (under irqs->lock, no locks allowed besides) when the line
 * rises or is seen high after an unmask. NULL disconnects; the previous function is not running
 * then. */
int pci_intx_connect(struct pci_dev *dev, void (*fn)(void *arg), void *arg);
/* Returns when no function of pci_intx_connect() that began before is running. */
void pci_intx_sync(struct pci_dev *dev);
/* COMMAND.INTX_DISABLE and STATUS.INTERRUPT; check_and_mask returns whether it was pending,
 * check_and_unmask whether it was not and the pin is enabled now. */
void pci_intx(struct pci_dev *dev, bool enable);
bool pci_check_and_mask_intx(struct pci_dev *dev);
/* For the connected function, which runs with irqs->lock held. */
bool pci_check_and_mask_intx_locked(struct pci_dev *dev);
bool pci_check_and_unmask_intx(struct pci_dev *dev);
/* Enable bits in the capability, as pci_alloc_irq_vectors() and pci_free_irq_vectors() do. */
int pci_enable_vectors(struct pci_dev *dev, enum pci_irq_type type, unsigned int vectors);
void pci_disable_vectors(struct pci_dev *dev, enum pci_irq_type type);

/* Called by config and BAR writes. */
void pci_irqs_config_changed(struct pci_dev *dev);

#endif
