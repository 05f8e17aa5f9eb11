/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which functions the native drivers fit (machine/modules.h): the numbers of the kernel's id
 * tables. @pairs are vendor << 16 | device with all else free (module_ids.list); what is matched by
 * a class or a subsystem stands in @others.
 */
#include "machine/module_ids.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "machine/module_ids_tables.h"

#define ANY PCI_ANY_ID
#define CLASS(code, mask)                                                         \
	{                                                                         \
		.vendor = ANY, .device = ANY, .subvendor = ANY, .subdevice = ANY, \
		.class_code = (code), .class_mask = (mask)                        \
	}
#define OF_CLASS(v, d, sv, sd, code, mask)                                          \
	{                                                                           \
		.vendor = (v), .device = (d), .subvendor = (sv), .subdevice = (sd), \
		.class_code = (code), .class_mask = (mask)                          \
	}

static const struct pci_device_id ahci_others[] = {
	OF_CLASS(0x1b4b, 0x9178, 0x1b4b, 0x9170, 0, 0),
	OF_CLASS(0x1b4b, 0x9123, ANY, ANY, 0x010601, 0xffffff),
	OF_CLASS(0x8086, ANY, 0x1028, ANY, 0x010400, 0xffffff),
	OF_CLASS(0x1022, ANY, ANY, ANY, 0x010400, 0xffffff),
	OF_CLASS(0x1c36, 0x0031, ANY, ANY, 0x010601, 0xffffff),
	OF_CLASS(0x197b, ANY, ANY, ANY, 0x010601, 0xffffff),
	CLASS(0x010601, 0xffffff),
};

static const struct pci_device_id i40e_others[] = {
	OF_CLASS(0x8086, 0x104f, ANY, ANY, 0x020000, 0xffff00),
};

static const struct pci_device_id ixgbevf_others[] = {
	OF_CLASS(0x8086, 0x57ad, ANY, 0xff, 0, 0),
};

static const struct pci_device_id nvme_others[] = { CLASS(0x010802, 0xffffff) };
static const struct pci_device_id virtio_others[] = { OF_CLASS(0x1af4, ANY, ANY, ANY, 0, 0) };
static const struct pci_device_id xhci_others[] = { CLASS(0x0c0330, 0xffffff) };

#define PAIRS(name)  .pairs = name##_ids, .num_pairs = ARRAY_SIZE(name##_ids)
#define OTHERS(name) .others = name##_others, .num_others = ARRAY_SIZE(name##_others)

const struct module_ids module_ids_ahci = { PAIRS(ahci), OTHERS(ahci) };
const struct module_ids module_ids_e1000e = { PAIRS(e1000e) };
const struct module_ids module_ids_i40e = { PAIRS(i40e), OTHERS(i40e) };
const struct module_ids module_ids_iavf = { PAIRS(iavf) };
const struct module_ids module_ids_ice = { PAIRS(ice) };
const struct module_ids module_ids_idxd = { PAIRS(idxd) };
const struct module_ids module_ids_igb = { PAIRS(igb) };
const struct module_ids module_ids_igbvf = { PAIRS(igbvf) };
const struct module_ids module_ids_igc = { PAIRS(igc) };
const struct module_ids module_ids_ioatdma = { PAIRS(ioatdma) };
const struct module_ids module_ids_ixgbe = { PAIRS(ixgbe) };
const struct module_ids module_ids_ixgbevf = { PAIRS(ixgbevf), OTHERS(ixgbevf) };
const struct module_ids module_ids_nvme = { PAIRS(nvme), OTHERS(nvme) };
const struct module_ids module_ids_virtio_pci = { OTHERS(virtio) };
const struct module_ids module_ids_xhci_pci = { OTHERS(xhci) };
const struct module_ids module_ids_none = { 0 };

struct pci_device_id *module_ids_table(const struct module_ids *ids)
{
	size_t n = ids->num_pairs + ids->num_others;
	struct pci_device_id *table = FAIL_POINT() ? NULL : calloc(n + 1, sizeof(*table));

	if (!table)
		return NULL;
	for (size_t i = 0; i < n; i++)
		table[i] = module_ids_get(ids, i);
	return table;
}

struct pci_device_id module_ids_get(const struct module_ids *ids, size_t index)
{
	if (index >= ids->num_pairs)
		return ids->others[index - ids->num_pairs];
	return (struct pci_device_id){ .vendor = ids->pairs[index] >> 16,
				       .device = ids->pairs[index] & 0xffff,
				       .subvendor = ANY,
				       .subdevice = ANY };
}

/* "*" or @digits hexadecimal digits, behind @key. */
static int put(char *out, size_t size, const char *key, uint32_t value, uint32_t mask, int digits)
{
	return mask ? snprintf(out, size, "%s%0*X", key, digits, value)
		    : snprintf(out, size, "%s*", key);
}

void module_ids_alias(const struct pci_device_id *id, char *out, size_t size)
{
	const struct {
		const char *key;
		uint32_t value, mask;
		int digits;
	} fields[] = {
		{ "pci:v", id->vendor, id->vendor != ANY, 8 },
		{ "d", id->device, id->device != ANY, 8 },
		{ "sv", id->subvendor, id->subvendor != ANY, 8 },
		{ "sd", id->subdevice, id->subdevice != ANY, 8 },
		{ "bc", id->class_code >> 16, id->class_mask >> 16, 2 },
		{ "sc", id->class_code >> 8 & 0xff, id->class_mask >> 8 & 0xff, 2 },
		{ "i", id->class_code & 0xff, id->class_mask & 0xff, 2 },
	};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields) && len < size; i++)
		len += (size_t)put(out + len, size - len, fields[i].key, fields[i].value,
				   fields[i].mask, fields[i].digits);
	if (len < size)
		snprintf(out + len, size - len, "%s", out[len - 1] == '*' ? "" : "*");
}
