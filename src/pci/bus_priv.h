/* SPDX-License-Identifier: BSD-3-Clause */
/* What bus.c and sysfs.c share. */
#ifndef PCI_BUS_PRIV_H
#define PCI_BUS_PRIV_H

#include "pci/bus.h"

struct pci_bus {
	struct bus_type type;
	struct pci_bus_env env;
};

/* sysfs.c: what each function's directory shows. */
extern const struct attribute pci_dev_attrs[];
/* "pci:v00001B36d..." without newline. */
size_t pci_modalias(const struct pci_dev *dev, char *buf, size_t size);

#endif
