/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of models: a model is known by standing in this table, and nowhere else. */
#include "models/models.h"

#include <string.h>

#include "models/igb/igb.h"
#include "models/ioat/ioat.h"
#include "models/nvme/nvme.h"

const struct pci_model *const models[] = {
	&nvme_model,
	&ioat_model,
	&igb_model,
	NULL,
};

const struct pci_model *model_find(const char *name)
{
	for (const struct pci_model *const *m = models; *m; m++)
		if (!strcmp((*m)->name, name))
			return *m;
	return NULL;
}
