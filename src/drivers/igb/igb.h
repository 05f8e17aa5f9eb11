/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's igb driver for the bus: what its probe, remove and sriov_configure do to a physical
 * function of the igb model (drivers/igb/pf.h). Functions of other models are left alone.
 *
 * Each process of a session follows a binding; @first is true in the one that makes it.
 */
#ifndef DRIVERS_IGB_IGB_H
#define DRIVERS_IGB_IGB_H

#include "pci/pci.h"

/* core->lock held in all of them. 0 or -errno. */
int igb_driver_probe(struct pci_dev *dev, bool first);
void igb_driver_remove(struct pci_dev *dev, bool first);
/* As struct pci_driver's. -ERANGE: more VFs than Linux' driver has. */
int igb_driver_sriov_configure(struct pci_dev *dev, unsigned int num);

#endif
