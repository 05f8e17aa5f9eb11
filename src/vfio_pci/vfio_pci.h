/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver "vfio-pci": gives PCI functions to users through VFIO. */
#ifndef VFIO_PCI_VFIO_PCI_H
#define VFIO_PCI_VFIO_PCI_H

#include "pci/bus.h"

/* Where the module's parameters are; they are looked at when a function is probed. */
struct vfio_pci_params {
	const bool *nointxmask, *disable_idle_d3, *disable_vga, *disable_denylist, *enable_sriov;
};

/* Registers the driver with @bus; vfio_core_set() must have been called. 0 or -errno. */
int vfio_pci_register(struct pci_bus *bus, const struct vfio_pci_params *params,
		      struct pci_driver **out);
/* Unbinds (waits for users) and frees. */
void vfio_pci_unregister(struct pci_driver *drv);

#endif
