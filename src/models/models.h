/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of device models: what `-d MODEL` can name. */
#ifndef MODELS_MODELS_H
#define MODELS_MODELS_H

#include "pci/model.h"

/* Ends with NULL. */
extern const struct pci_model *const models[];
/* NULL: no such model. */
const struct pci_model *model_find(const char *name);

#endif
