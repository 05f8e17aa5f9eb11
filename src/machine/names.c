/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names of the tree that are neither a device's nor a driver's attributes: buses, classes,
 * groups, links, device nodes. Everything is added to the tree of this process; it reaches the disk
 * when the tree writes. Core's lock held.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "irq/irq.h"
#include "machine/machine_priv.h"
#include "machine/uevent.h"

#define KMSG_MINOR 11

/* Adds a link whose two names are made by formats. */
int names_add_link(struct tree *tree, const char *format, ...)
{
	char path[SYSFS_PATH_MAX], *target;
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	target = strchr(path, '>');
	*target++ = '\0';
	return tree_add_link(tree, path, target);
}

void names_remove(struct tree *tree, const char *format, ...)
{
	char path[SYSFS_PATH_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	tree_remove(tree, path);
}

bool driver_is_vfio(const char *driver)
{
	return !strcmp(driver, "vfio-pci");
}

/* ---- buses and units ------------------------------------------------------------------------- */

/* The class device of a bus, below the device that leads to it. */
static int add_pci_bus(struct tree *tree, const char *parent, uint32_t bus)
{
	char path[SYSFS_PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s/pci_bus/%04x:%02x/cpulistaffinity", parent, bus >> 8,
		 bus & 0xff);
	ret = tree_add_text(tree, path, 0444, "%s\n", "0");
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/pci_bus/%04x:%02x/uevent", parent, bus >> 8, bus & 0xff);
	ret = tree_add_text(tree, path, 0644, "%s", "");
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/pci_bus/%04x:%02x/cpuaffinity", parent, bus >> 8,
		 bus & 0xff);
	ret = tree_add_text(tree, path, 0444, "%s\n", "1");
	if (!ret)
		ret = names_add_link(tree, "%s/pci_bus/%04x:%02x/device>%s", parent, bus >> 8,
				     bus & 0xff, parent);
	if (!ret)
		ret = names_add_link(tree, "%s/pci_bus/%04x:%02x/subsystem>/sys/class/pci_bus",
				     parent, bus >> 8, bus & 0xff);
	if (!ret)
		ret = names_add_link(tree, "/sys/class/pci_bus/%04x:%02x>%s/pci_bus/%04x:%02x",
				     bus >> 8, bus & 0xff, parent, bus >> 8, bus & 0xff);
	return ret;
}

static const struct {
	const char *name, *text;
} amd_texts[] = { { "amd-iommu/cap", "1f03000f" }, { "amd-iommu/features", "29d3:0" } },
  intel_texts[] = {
	  { "intel-iommu/address", "fed90000" },
	  { "intel-iommu/cap", "80d2008c222f0606" },
	  { "intel-iommu/domains_supported", "65536" },
	  { "intel-iommu/domains_used", "5" },
	  { "intel-iommu/ecap", "f00f4a" },
	  { "intel-iommu/version", "1:0" },
  };

static int add_iommu(struct uvfio_machine *machine)
{
	bool intel = machine->desc->iommu == DESCRIPTION_IOMMU_INTEL;
	size_t n = intel ? ARRAY_SIZE(intel_texts) : ARRAY_SIZE(amd_texts);
	const char *name = iommu_name(machine->iommu);
	char path[SYSFS_PATH_MAX];
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++) {
		snprintf(path, sizeof(path), "/sys/devices/virtual/iommu/%s/%s", name,
			 intel ? intel_texts[i].name : amd_texts[i].name);
		ret = tree_add_text(machine->tree, path, 0444, "%s\n",
				    intel ? intel_texts[i].text : amd_texts[i].text);
	}
	snprintf(path, sizeof(path), "/sys/devices/virtual/iommu/%s/uevent", name);
	if (!ret)
		ret = tree_add_text(machine->tree, path, 0644, "%s", "");
	snprintf(path, sizeof(path), "/sys/devices/virtual/iommu/%s/devices", name);
	if (!ret)
		ret = tree_add_dir(machine->tree, path, TREE_PLAIN, NULL, NULL);
	if (!ret)
		ret = names_add_link(machine->tree,
				     "/sys/devices/virtual/iommu/%s/subsystem>/sys/class/iommu",
				     name);
	if (!ret)
		ret = names_add_link(machine->tree,
				     "/sys/class/iommu/%s>/sys/devices/virtual/iommu/%s", name,
				     name);
	return ret;
}

static void pci_bus_uevent(struct uvfio_machine *machine, enum uevent_action action,
			   const char *parent, uint32_t bus)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/pci_bus/%04x:%02x", parent, bus >> 8, bus & 0xff);
	machine_uevent(machine, action, path, "pci_bus", "");
}

int names_add_static(struct uvfio_machine *machine)
{
	static const char *const dirs[] = {
		"/sys/bus/pci/devices", "/sys/bus/pci/drivers",	    "/sys/bus/pci/slots",
		"/sys/class/iommu",	"/sys/kernel/iommu_groups", "/sys/class/pci_bus",
		"/run/udev/data",
	};
	struct tree *tree = machine->tree;
	struct machine_bus *bus;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !ret; i++)
		ret = tree_add_dir(tree, dirs[i], TREE_PLAIN, NULL, NULL);
	if (!ret)
		ret = tree_add_dir(tree, "/sys/bus/pci", TREE_BUS, pci_bus_type(machine->pci),
				   NULL);
	list_for_each_entry(bus, &machine->buses, node) {
		if (ret)
			return ret;
		ret = tree_add_dir(tree, bus->bridge.sysfs_path, TREE_DEVICE, &bus->bridge, NULL);
		if (!ret)
			ret = add_pci_bus(tree, bus->bridge.sysfs_path, bus->number);
	}
	/* udev is there: its listeners look for this. */
	if (!ret)
		ret = tree_add_text(tree, "/run/udev/control", 0600, "%s", "");
	if (!ret && machine->iommu)
		ret = add_iommu(machine);
	if (!ret)
		ret = tree_add_node(tree, "/dev/kmsg", 0644, KMSG_MINOR);
	return ret ? ret : modules_add_names(machine);
}

/* ---- functions and drivers ------------------------------------------------------------------- */

int names_add_membership(struct machine_function *fn)
{
	struct tree *tree = fn->machine->tree;
	const char *path = fn->pdev->dev.sysfs_path;
	int ret =
		names_add_link(tree, "%s/iommu_group>/sys/kernel/iommu_groups/%u", path, fn->group);

	return ret ? ret
		   : names_add_link(tree, "/sys/kernel/iommu_groups/%u/devices/%s>%s", fn->group,
				    fn->name, path);
}

void names_remove_membership(struct machine_function *fn, unsigned int group)
{
	names_remove(fn->machine->tree, "%s/iommu_group", fn->pdev->dev.sysfs_path);
	names_remove(fn->machine->tree, "/sys/kernel/iommu_groups/%u/devices/%s", group, fn->name);
}

int names_add_function(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	struct tree *tree = machine->tree;
	const char *path = fn->pdev->dev.sysfs_path, *iommu;
	char aer[SYSFS_PATH_MAX];
	int ret = tree_add_dir(tree, path, TREE_DEVICE, &fn->pdev->dev, NULL);

	if (!ret)
		ret = names_add_link(tree, "%s/subsystem>/sys/bus/pci", path);
	if (!ret)
		ret = names_add_link(tree, "/sys/bus/pci/devices/%s>%s", fn->name, path);
	/* Also where there is nothing in it. */
	snprintf(aer, sizeof(aer), "%s/aer", path);
	if (!ret && !fn->pdev->aer_cap)
		ret = tree_add_dir(tree, aer, TREE_PLAIN, NULL, NULL);
	if (!ret && !fn->desc && !fn->host_bridge) {
		ret = add_pci_bus(tree, path, fn->secondary);
		pci_bus_uevent(machine, UEVENT_ADD, path, fn->secondary);
	}
	if (!ret && fn->physfn)
		ret = names_add_virtfn(fn);
	if (ret || fn->group == NO_GROUP)
		return ret;
	ret = names_add_membership(fn);
	if (ret || !machine->iommu)
		return ret;
	iommu = iommu_name(machine->iommu);
	ret = names_add_link(tree, "%s/iommu>/sys/devices/virtual/iommu/%s", path, iommu);
	if (!ret)
		ret = names_add_link(tree, "/sys/devices/virtual/iommu/%s/devices/%s>%s", iommu,
				     fn->name, path);
	return ret;
}

int names_add_virtfn(struct machine_function *vf)
{
	const char *path = vf->pdev->dev.sysfs_path, *pf = vf->physfn->pdev->dev.sysfs_path;
	int ret = names_add_link(vf->machine->tree, "%s/virtfn%u>%s", pf, vf->vf_index, path);

	return ret ? ret : names_add_link(vf->machine->tree, "%s/physfn>%s", path, pf);
}

void names_remove_virtfn(struct machine_function *vf)
{
	names_remove(vf->machine->tree, "%s/virtfn%u", vf->physfn->path, vf->vf_index);
	names_remove(vf->machine->tree, "%s/physfn", vf->path);
}

void names_remove_function(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	struct tree *tree = machine->tree;

	if (fn->physfn)
		names_remove_virtfn(fn);
	names_remove(tree, "/sys/bus/pci/devices/%s", fn->name);
	if (!fn->desc && !fn->host_bridge) {
		names_remove(tree, "/sys/class/pci_bus/%04x:%02x", fn->secondary >> 8,
			     fn->secondary & 0xff);
		pci_bus_uevent(machine, UEVENT_REMOVE, fn->pdev->dev.sysfs_path, fn->secondary);
	}
	if (fn->group != NO_GROUP)
		names_remove_membership(fn, fn->group);
	if (fn->group != NO_GROUP && machine->iommu)
		names_remove(tree, "/sys/devices/virtual/iommu/%s/devices/%s",
			     iommu_name(machine->iommu), fn->name);
	names_remove(tree, "%s", fn->pdev->dev.sysfs_path);
}

int names_add_group(struct uvfio_machine *machine, unsigned int id)
{
	char path[SYSFS_PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%u", id);
	ret = tree_add_dir(machine->tree, path, TREE_PLAIN, &machine->groups[id],
			   machine->groups[id].emulated ? group_emulated_attrs
			   : machine->iommu		? group_attrs
							: group_noiommu_attrs);
	strcat(path, "/devices");
	return ret ? ret : tree_add_dir(machine->tree, path, TREE_PLAIN, NULL, NULL);
}

void names_remove_group(struct uvfio_machine *machine, unsigned int id)
{
	names_remove(machine->tree, "/sys/kernel/iommu_groups/%u", id);
}

int names_add_driver(struct uvfio_machine *machine, struct device_driver *drv)
{
	char path[SYSFS_PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/%s/drivers/%s", drv->bus->name, drv->name);
	ret = tree_add_dir(machine->tree, path, TREE_DRIVER, drv, NULL);
	if (!ret && drv->module)
		ret = names_add_link(machine->tree, "%s/module>/sys/module/%s", path, drv->module);
	return ret;
}

void names_bound(struct machine_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	names_add_link(fn->machine->tree, "%s/driver>/sys/bus/pci/drivers/%s", dev->sysfs_path,
		       dev->driver->name);
	names_add_link(fn->machine->tree, "/sys/bus/pci/drivers/%s/%s>%s", dev->driver->name,
		       fn->name, dev->sysfs_path);
}

void names_unbound(struct machine_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	names_remove(fn->machine->tree, "%s/driver", dev->sysfs_path);
	if (dev->driver)
		names_remove(fn->machine->tree, "/sys/bus/pci/drivers/%s/%s", dev->driver->name,
			     fn->name);
}

#define MSI_IRQS_PER_SLOT 256

int names_irq_base(const struct machine_function *fn)
{
	const struct shared_device *slots = session_shared(fn->machine->session)->device;

	return IRQ_FIRST_MSI + (int)(fn->slot - slots) * MSI_IRQS_PER_SLOT;
}

void names_set_msi_irqs(struct machine_function *fn, bool msix, unsigned int vectors)
{
	struct tree *tree = fn->machine->tree;
	unsigned int irq = (unsigned int)names_irq_base(fn);
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/msi_irqs", fn->path);
	tree_unlink(tree, path);
	for (unsigned int i = 0; i < vectors; i++) {
		snprintf(path, sizeof(path), "%s/msi_irqs/%u", fn->path, irq + i);
		tree_put_text(tree, path, 0444, msix ? "msix\n" : "msi\n");
	}
}
