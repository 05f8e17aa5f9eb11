/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers of the host kernel as bind targets: nvme, igb, ioatdma and so on. They fit what the
 * kernel's fit, switch the function on and off, and make no block, net or other device of it.
 *
 * Such a driver does DMA through the kernel's domain: it cannot have a function of a group that a
 * user has (iommu_device_use_default_domain()). pci-stub does none and may.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "drivers/igb/igb.h"
#include "drivers/nvme_mdev/nvme_mdev.h"
#include "machine/module_ids.h"
#include "machine/modules_priv.h"

struct native_driver {
	struct pci_driver pci;
	struct uvfio_machine *machine;
	struct pci_device_id *table;
	bool stub;			/* pci-stub */
	const struct native_part *part; /* NULL: it binds and does nothing */
};

/* Drivers that do something to functions that they know. */
static const struct native_part {
	const char *module;
	int (*probe)(struct pci_dev *dev, bool first);
	void (*remove)(struct pci_dev *dev, bool first);
	int (*sriov_configure)(struct pci_dev *dev, unsigned int num);
} native_parts[] = {
	{ "igb", igb_driver_probe, igb_driver_remove, igb_driver_sriov_configure },
	{ "nvme_mdev", nvme_mdev_probe, nvme_mdev_remove, NULL },
};

static struct native_driver *native_of(struct device *dev)
{
	struct pci_driver *pci = container_of(dev->driver, struct pci_driver, drv);

	return container_of(pci, struct native_driver, pci);
}

static bool group_in_use(struct uvfio_machine *machine, struct device *dev)
{
	const struct machine_function *fn = machine_function_of(machine, dev);

	return fn && fn->group != NO_GROUP && session_group_claimed(machine->session, fn->group);
}

static void switch_off(struct pci_dev *pdev)
{
	pdev->sysfs.enable_count--;
	pci_set_master(pdev, false);
}

static int native_probe(struct device *dev)
{
	struct native_driver *native = native_of(dev);
	struct pci_dev *pdev = to_pci_dev(dev);
	int ret;

	/* Whoever only follows another process' binding has nothing to ask and to say. */
	bool first = tree_writing(native->machine->tree);

	if (native->stub) {
		if (first)
			pr_info("pci-stub %s: claimed by stub", dev->name);
		return 0;
	}
	if (first && group_in_use(native->machine, dev))
		return -EBUSY;
	if (pdev->sysfs.enable_count++ == 0)
		pci_enable_decode(pdev);
	pci_set_master(pdev, true);
	ret = native->part ? native->part->probe(pdev, first) : 0;
	if (ret)
		switch_off(pdev);
	return ret;
}

static void native_remove(struct device *dev)
{
	const struct native_driver *native = native_of(dev);
	struct pci_dev *pdev = to_pci_dev(dev);

	if (native->stub)
		return;
	if (native->part)
		native->part->remove(pdev, tree_writing(native->machine->tree));
	switch_off(pdev);
}

int native_register(struct uvfio_machine *machine, const struct module_info *info,
		    struct native_driver **out, struct pci_driver **drv)
{
	struct native_driver *native = FAIL_POINT() ? NULL : calloc(1, sizeof(*native));
	int ret;

	if (!native)
		return -ENOMEM;
	native->machine = machine;
	native->stub = !strcmp(info->name, "pci_stub");
	native->pci.drv.name = info->driver;
	native->pci.drv.module = info->name;
	native->pci.drv.probe = native_probe;
	native->pci.drv.remove = native_remove;
	for (size_t i = 0; i < ARRAY_SIZE(native_parts); i++)
		if (!strcmp(info->name, native_parts[i].module))
			native->part = &native_parts[i];
	if (native->part)
		native->pci.sriov_configure = native->part->sriov_configure;
	if (module_ids_count(info->ids)) {
		native->table = module_ids_table(info->ids);
		if (!native->table) {
			free(native);
			return -ENOMEM;
		}
		native->pci.id_table = native->table;
	}
	ret = pci_driver_register(machine->pci, &native->pci);
	if (ret) {
		free(native->table);
		free(native);
		return ret;
	}
	*out = native;
	*drv = &native->pci;
	return 0;
}

void native_unregister(struct native_driver *native)
{
	pci_driver_unregister(&native->pci);
	free(native->table);
	free(native);
}
