/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions in a description: how many a device may have, and which bus numbers their
 * routing ids reach (PCI Express Base 6.0, 9.2.1.2), which nobody else behind other ports may have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/description.h"

bool description_vfs(const struct description_device *dev, struct pci_sriov *out)
{
	memset(out, 0, sizeof(*out));
	if (dev->model->sriov)
		dev->model->sriov(&dev->config, out);
	/* What cannot be is create()'s to complain of. */
	return out->total_vfs && out->total_vfs <= PCI_MAX_VFS && out->vf_model;
}

uint32_t description_last_bus(const struct description_device *dev)
{
	struct pci_sriov sriov;

	if (!description_vfs(dev, &sriov))
		return dev->rid >> 8;
	return pci_vf_rid(dev->rid, &sriov, sriov.total_vfs - 1) >> 8;
}

/* Whether @other stands on a VF of @dev, or behind another port with a bus number of theirs. */
static bool in_the_way(const struct description_device *dev, const struct pci_sriov *sriov,
		       const struct description_device *other)
{
	uint32_t bus = other->rid >> 8;

	if (bus != dev->rid >> 8)
		return bus > dev->rid >> 8 && bus <= description_last_bus(dev);
	for (unsigned int i = 0; i < sriov->total_vfs; i++)
		if (pci_vf_rid(dev->rid, sriov, i) == other->rid)
			return true;
	return false;
}

int description_check_vfs(const struct description *desc, const struct description_device *dev,
			  char *err, size_t err_size)
{
	char at[PCI_ADDRESS_LEN];
	struct pci_sriov sriov;

	if (!description_vfs(dev, &sriov))
		return 0;
	if (description_last_bus(dev) >> 8 != dev->rid >> 16) {
		snprintf(
			err, err_size,
			"%s: at=%s: its virtual functions need bus numbers beyond ff; take a lower "
			"bus",
			dev->model->name, pci_address_format(dev->rid, at));
		return -EINVAL;
	}
	for (size_t i = 0; i < desc->num_devices; i++) {
		const struct description_device *other = desc->devices[i];

		if (other == dev || !other->placed || !in_the_way(dev, &sriov, other))
			continue;
		snprintf(err, err_size,
			 "%s: at=%s: the address belongs to the virtual functions of another "
			 "device; leave at= out to get a free one",
			 other->model->name, pci_address_format(other->rid, at));
		return -EINVAL;
	}
	return 0;
}
