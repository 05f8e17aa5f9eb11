/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bindings that a description asks for, on a tree that is being written. The core's lock is held.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "machine/machine_priv.h"

/* A driver that does not ask for the function by itself gets it so. 0 or -errno. */
static int override_driver(struct uvfio_machine *machine, struct device *dev, const char *driver)
{
	char path[SYSFS_PATH_MAX];
	struct tree_attr attr;
	ssize_t ret;

	snprintf(path, sizeof(path), "%s/driver_override", dev->sysfs_path);
	if (!tree_find(machine->tree, path, &attr))
		return -ENOENT;
	ret = attribute_store(machine->core, attr.obj, attr.attr, driver, strlen(driver));
	return ret < 0 ? (int)ret : tree_store_text(machine->tree, &attr);
}

/* A driver for certain functions, of which @dev is none; vfio-pci and its like take all. */
static bool is_foreign(struct device_driver *drv, const struct pci_dev *dev)
{
	const struct pci_device_id *id = container_of(drv, struct pci_driver, drv)->id_table;

	for (; id && (id->vendor || id->subvendor || id->class_mask); id++)
		if (!id->override_only)
			return !pci_driver_fits(drv, dev);
	return false;
}

static int bind_described(struct uvfio_machine *machine, struct machine_function *fn, char *err,
			  size_t err_size)
{
	struct device *dev = &fn->pdev->dev;
	struct device_driver *drv = bus_find_driver(pci_bus_type(machine->pci), fn->desc->driver);
	const char *wrong = NULL;
	int ret;

	if (!drv || !strcmp(drv->name, "pcieport"))
		wrong = "no such driver";
	else if (is_foreign(drv, fn->pdev))
		wrong = "the driver is not for this device";
	if (wrong) {
		snprintf(err, err_size,
			 "%s at %s: driver=%s: %s; take vfio-pci, pci-stub, none, the function's "
			 "native driver, or nvme_mdev for an nvme",
			 fn->desc->model->name, fn->name, fn->desc->driver, wrong);
		return -EINVAL;
	}
	ret = pci_driver_fits(drv, fn->pdev) ? 0 : override_driver(machine, dev, drv->name);
	if (ret < 0)
		return ret;
	/* A function that the driver refuses stays unbound, as on a real host at boot. */
	ret = device_driver_attach(drv, dev);
	if (ret)
		pr_warn("%s %s: not bound: %s", drv->name, fn->name, strerror(-ret));
	/* A shortage is no refusal: the machine would not be the one that was described. */
	return ret == -ENOMEM ? ret : 0;
}

int admin_bind_described(struct uvfio_machine *machine, char *err, size_t err_size)
{
	struct machine_function *fn;
	int ret = 0;

	list_for_each_entry(fn, &machine->functions, node)
		if (fn->desc && fn->pdev && strcmp(fn->desc->driver, "none") && !ret)
			ret = bind_described(machine, fn, err, err_size);
	if (!ret)
		names_update_vfio(machine);
	return ret;
}
