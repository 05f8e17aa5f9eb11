/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVMe controller (NVM Express 1.4) as a PCI function. */
#ifndef MODELS_NVME_NVME_H
#define MODELS_NVME_NVME_H

#include "pci/model.h"

extern const struct pci_model nvme_model;

#endif
