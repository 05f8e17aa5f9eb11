/* SPDX-License-Identifier: BSD-3-Clause */
/* Advanced Error Reporting: errors that are injected, and what the host does about them. */
#ifndef PCI_AER_H
#define PCI_AER_H

#include "pci/pci.h"

enum pci_aer_severity { PCI_AER_CORRECTABLE, PCI_AER_NONFATAL, PCI_AER_FATAL };

/* Bits of the status registers, as PCI_ERR_COR_* and PCI_ERR_UNC_*, and the header of the packet
 * that was at fault. */
struct pci_aer_error {
	uint32_t cor, uncor;
	uint32_t header[4];
	/* The function is told first to take the uncorrectable ones as fatal, or as non-fatal. */
	bool set_severity, fatal;
};

/*
 * The function detects the errors and tells its root port, and the host's AER driver does what it
 * does: counters, messages, the drivers' error_detected, recovery. As with the kernel's aer_inject:
 * -ENODEV no root port above, -EPROTONOSUPPORT a function or port without the capability, -EINVAL
 * all of them are masked. core->lock held.
 */
int pci_aer_inject(struct pci_dev *dev, const struct pci_aer_error *error);
/* The bit that the kernel calls @name ("BadTLP"), whatever the case; 0: no such error. */
uint32_t pci_aer_bit(const char *name, bool correctable);
/* The names in order, NULL for bits without one; 16 or 32 of them. */
extern const char *const pci_aer_cor_names[16], *const pci_aer_uncor_names[32];

#endif
