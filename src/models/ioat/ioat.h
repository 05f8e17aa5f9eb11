/* SPDX-License-Identifier: BSD-3-Clause */
/* Intel's I/OAT DMA engine (version 3) as a PCI function. */
#ifndef MODELS_IOAT_IOAT_H
#define MODELS_IOAT_IOAT_H

#include "pci/model.h"

extern const struct pci_model ioat_model;

#endif
