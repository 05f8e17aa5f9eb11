/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbell pages: inline first, polled when hot (design D4a).
 *
 * A model registers one page-aligned range of a BAR. Writes are trapped and run in the caller. When
 * they come fast and a CPU is free, the range is opened (PAGE_DIRECT) and the function's thread
 * calls model->poll() until it has been idle; then the range is closed (PAGE_TRAP_WRITE) and polled
 * once more. Flag and protection change in one critical section.
 */
#ifndef PCI_DOORBELL_H
#define PCI_DOORBELL_H

#include "pci/pci.h"

enum pci_doorbell_mode {
	DOORBELL_ADAPTIVE, /* the default */
	DOORBELL_INLINE,   /* always trapped */
	DOORBELL_POLLED,   /* open from the first write to the next reset: keeps a CPU busy */
};

/* The mode of a model's option doorbell=: adaptive, inline or polled; -EINVAL: something else. */
int pci_doorbell_mode(const char *word, enum pci_doorbell_mode *mode);

int pci_doorbell_create(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
			enum pci_doorbell_mode mode);
void pci_doorbell_destroy(struct pci_dev *dev);
/* A doorbell write was trapped: counts it, may open the range. dev->lock held; signal context. */
void pci_doorbell_trapped(struct pci_dev *dev);
/* Back to trapped; called by reset and power off with dev->lock held. */
void pci_doorbell_close(struct pci_dev *dev);

#endif
