/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI bus type as Linux sees it (the kernel's drivers/pci/{pci-driver,pci-sysfs,probe}.c): matching
 * by driver_override or ids, new_id and remove_id, the attributes of functions, ports, and what the
 * firmware assigns. The composition root (machine/) makes the topology.
 */
#ifndef PCI_BUS_H
#define PCI_BUS_H

#include "pci/pci.h"

struct pci_device_id {
	uint32_t vendor, device, subvendor, subdevice; /* PCI_ID_ANY */
	uint32_t class_code, class_mask;
};
#define PCI_ID_ANY 0xffffffffU

/* A driver of the bus; @ids ends with vendor == 0. driver.name, probe, remove, module are the caller's;
 * driver.bus is set by pci_register_driver(). */
struct pci_driver {
	struct device_driver driver;
	const struct pci_device_id *ids; /* NULL: none */
	struct list_head dynids;	 /* new_id; guarded by the core's lock */
};

/* What only the composition root can do. Called with the core's lock held. */
struct pci_bus_ops {
	/* `rescan` of the bus (@dev NULL) or of a function: 0 or -errno. */
	int (*rescan)(void *arg, struct pci_dev *dev);
	/* Text of what the session keeps besides a driver's attributes changed (new_id, remove_id). */
	void (*dynids_changed)(void *arg, struct pci_driver *drv);
};

/* The bus "pci" with its attributes, registered with @core. One a machine. `remove` is an attribute of
 * each function whose store only checks the number: the composition root does the removal. */
int pci_bus_create(struct device_core *core, const struct pci_bus_ops *ops, void *arg,
		   struct bus_type **out);
void pci_bus_destroy(struct bus_type *bus);
int pci_register_driver(struct bus_type *bus, struct pci_driver *drv);
void pci_unregister_driver(struct pci_driver *drv);
/* The driver's dynamic ids as lines that new_id takes; replaces them all by such lines. */
size_t pci_dynids_format(const struct pci_driver *drv, char *buf, size_t size);
void pci_dynids_replace(struct pci_driver *drv, const char *lines);

/* A root port (type 1 header, PCIe capability, bus numbers @secondary). Its driver is pcieport. */
int pci_port_create(uint32_t rid, uint8_t secondary, struct pci_dev **out);
/* The driver that ports are bound to; harmless to a group's viability. */
extern struct pci_driver pcieport_driver;

/* Gives every BAR of @dev an address in its domain's windows, as the firmware does at start; the same
 * order gives the same addresses in every process. @next is the caller's, 0 at first. */
void pci_assign_resources(struct pci_dev *dev, uint64_t *next);

#endif
