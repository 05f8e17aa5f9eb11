/* SPDX-License-Identifier: BSD-3-Clause */
/* The id tables of the native drivers, packed: facts of the kernel's sources. */
#ifndef MACHINE_MODULE_IDS_H
#define MACHINE_MODULE_IDS_H

#include "pci/bus.h"

struct module_ids {
	const uint32_t *pairs; /* vendor << 16 | device */
	size_t num_pairs;
	const struct pci_device_id *others;
	size_t num_others;
};

extern const struct module_ids module_ids_ahci, module_ids_e1000e, module_ids_i40e, module_ids_iavf,
	module_ids_ice, module_ids_idxd, module_ids_igb, module_ids_igbvf, module_ids_igc,
	module_ids_ioatdma, module_ids_ixgbe, module_ids_ixgbevf, module_ids_nvme,
	module_ids_virtio_pci, module_ids_xhci_pci, module_ids_none;

static inline size_t module_ids_count(const struct module_ids *ids)
{
	return ids->num_pairs + ids->num_others;
}

struct pci_device_id module_ids_get(const struct module_ids *ids, size_t index);
/* The table as a driver has it, ended by zeroes; malloc'ed, NULL: out of memory. */
struct pci_device_id *module_ids_table(const struct module_ids *ids);
/* As in modules.alias: "pci:v00008086d00002021sv*sd*bc*sc*i*". */
void module_ids_alias(const struct pci_device_id *id, char *out, size_t size);

#endif
