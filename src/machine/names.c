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

#include "machine/machine_priv.h"
#include "machine/uevent.h"

#define VFIO_MAJOR	243
#define VFIO_MISC_MINOR 196
#define KMSG_MINOR	11
#define VFIO_MINORS	MACHINE_GROUPS
#define GROUP_NAME	24

/* Adds a link whose two names are made by formats. */
static int __attribute__((format(printf, 2, 3)))
add_link(struct tree *tree, const char *format, ...)
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

static void __attribute__((format(printf, 2, 3)))
remove_name(struct tree *tree, const char *format, ...)
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
		ret = add_link(tree, "%s/pci_bus/%04x:%02x/device>%s", parent, bus >> 8, bus & 0xff,
			       parent);
	if (!ret)
		ret = add_link(tree, "%s/pci_bus/%04x:%02x/subsystem>/sys/class/pci_bus", parent,
			       bus >> 8, bus & 0xff);
	if (!ret)
		ret = add_link(tree, "/sys/class/pci_bus/%04x:%02x>%s/pci_bus/%04x:%02x", bus >> 8,
			       bus & 0xff, parent, bus >> 8, bus & 0xff);
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
		ret = add_link(machine->tree,
			       "/sys/devices/virtual/iommu/%s/subsystem>/sys/class/iommu", name);
	if (!ret)
		ret = add_link(machine->tree, "/sys/class/iommu/%s>/sys/devices/virtual/iommu/%s",
			       name, name);
	return ret;
}

static void pci_bus_uevent(struct uvfio_machine *machine, enum uevent_action action,
			   const char *parent, uint32_t bus)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/pci_bus/%04x:%02x", parent, bus >> 8, bus & 0xff);
	machine_uevent(machine, action, path, "pci_bus", "");
}

/* /dev/vfio/vfio and its class device. */
int names_add_vfio(struct uvfio_machine *machine)
{
	static const char *const dirs[] = { "/sys/class/vfio", "/sys/class/vfio-dev",
					    "/sys/devices/virtual/vfio" };
	struct tree *tree = machine->tree;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !ret; i++)
		ret = tree_add_dir(tree, dirs[i], TREE_PLAIN, NULL, NULL);
	if (!ret)
		ret = tree_add_node(tree, "/dev/vfio/vfio", 0666, VFIO_MISC_MINOR);

	if (!ret)
		ret = tree_add_text(tree, "/sys/devices/virtual/misc/vfio/dev", 0444, "10:%d\n",
				    VFIO_MISC_MINOR);
	if (!ret)
		ret = tree_add_text(tree, "/sys/devices/virtual/misc/vfio/uevent", 0644,
				    "MAJOR=10\nMINOR=%d\nDEVNAME=vfio/vfio\nDEVMODE=0666\n",
				    VFIO_MISC_MINOR);
	if (!ret)
		ret = add_link(tree, "/sys/devices/virtual/misc/vfio/%s>/sys/class/misc",
			       "subsystem");
	if (!ret)
		ret = add_link(tree, "/sys/class/misc/%s>/sys/devices/virtual/misc/vfio", "vfio");
	if (!ret)
		ret = add_link(tree, "/sys/dev/char/10:%d>/sys/devices/virtual/misc/vfio",
			       VFIO_MISC_MINOR);
	if (ret)
		return ret;
	machine_uevent_of(machine, UEVENT_ADD, "/sys/devices/virtual/misc/vfio", "misc");
	machine_uevent(machine, UEVENT_ADD, "/sys/class/vfio", "class", "");
	machine_uevent(machine, UEVENT_ADD, "/sys/class/vfio-dev", "class", "");
	return 0;
}

void names_remove_vfio(struct uvfio_machine *machine)
{
	static const char *const names[] = {
		"/dev/vfio",
		"/sys/class/misc/vfio",
		"/sys/class/vfio",
		"/sys/class/vfio-dev",
		"/sys/devices/virtual/misc/vfio",
		"/sys/devices/virtual/vfio",
	};

	machine_uevent(machine, UEVENT_REMOVE, "/sys/class/vfio-dev", "class", "");
	machine_uevent(machine, UEVENT_REMOVE, "/sys/class/vfio", "class", "");
	machine_uevent_of(machine, UEVENT_REMOVE, "/sys/devices/virtual/misc/vfio", "misc");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		tree_remove(machine->tree, names[i]);
	remove_name(machine->tree, "/sys/dev/char/10:%d", VFIO_MISC_MINOR);
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
	int ret = add_link(tree, "%s/iommu_group>/sys/kernel/iommu_groups/%u", path, fn->group);

	return ret ? ret
		   : add_link(tree, "/sys/kernel/iommu_groups/%u/devices/%s>%s", fn->group,
			      fn->name, path);
}

void names_remove_membership(struct machine_function *fn, unsigned int group)
{
	remove_name(fn->machine->tree, "%s/iommu_group", fn->pdev->dev.sysfs_path);
	remove_name(fn->machine->tree, "/sys/kernel/iommu_groups/%u/devices/%s", group, fn->name);
}

int names_add_function(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	struct tree *tree = machine->tree;
	const char *path = fn->pdev->dev.sysfs_path, *iommu;
	char aer[SYSFS_PATH_MAX];
	int ret = tree_add_dir(tree, path, TREE_DEVICE, &fn->pdev->dev, NULL);

	if (!ret)
		ret = add_link(tree, "%s/subsystem>/sys/bus/pci", path);
	if (!ret)
		ret = add_link(tree, "/sys/bus/pci/devices/%s>%s", fn->name, path);
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
	ret = add_link(tree, "%s/iommu>/sys/devices/virtual/iommu/%s", path, iommu);
	if (!ret)
		ret = add_link(tree, "/sys/devices/virtual/iommu/%s/devices/%s>%s", iommu, fn->name,
			       path);
	return ret;
}

int names_add_virtfn(struct machine_function *vf)
{
	const char *path = vf->pdev->dev.sysfs_path, *pf = vf->physfn->pdev->dev.sysfs_path;
	int ret = add_link(vf->machine->tree, "%s/virtfn%u>%s", pf, vf->vf_index, path);

	return ret ? ret : add_link(vf->machine->tree, "%s/physfn>%s", path, pf);
}

void names_remove_virtfn(struct machine_function *vf)
{
	remove_name(vf->machine->tree, "%s/virtfn%u", vf->physfn->path, vf->vf_index);
	remove_name(vf->machine->tree, "%s/physfn", vf->path);
}

void names_remove_function(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	struct tree *tree = machine->tree;

	if (fn->physfn)
		names_remove_virtfn(fn);
	remove_name(tree, "/sys/bus/pci/devices/%s", fn->name);
	if (!fn->desc && !fn->host_bridge) {
		remove_name(tree, "/sys/class/pci_bus/%04x:%02x", fn->secondary >> 8,
			    fn->secondary & 0xff);
		pci_bus_uevent(machine, UEVENT_REMOVE, fn->pdev->dev.sysfs_path, fn->secondary);
	}
	if (fn->group != NO_GROUP)
		names_remove_membership(fn, fn->group);
	if (fn->group != NO_GROUP && machine->iommu)
		remove_name(tree, "/sys/devices/virtual/iommu/%s/devices/%s",
			    iommu_name(machine->iommu), fn->name);
	remove_name(tree, "%s", fn->pdev->dev.sysfs_path);
}

int names_add_group(struct uvfio_machine *machine, unsigned int id)
{
	char path[SYSFS_PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%u", id);
	ret = tree_add_dir(machine->tree, path, TREE_PLAIN, &machine->groups[id],
			   machine->iommu ? group_attrs : group_noiommu_attrs);
	strcat(path, "/devices");
	return ret ? ret : tree_add_dir(machine->tree, path, TREE_PLAIN, NULL, NULL);
}

void names_remove_group(struct uvfio_machine *machine, unsigned int id)
{
	remove_name(machine->tree, "/sys/kernel/iommu_groups/%u", id);
}

int names_add_driver(struct uvfio_machine *machine, struct device_driver *drv)
{
	char path[SYSFS_PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", drv->name);
	ret = tree_add_dir(machine->tree, path, TREE_DRIVER, drv, NULL);
	if (!ret && drv->module)
		ret = add_link(machine->tree, "%s/module>/sys/module/%s", path, drv->module);
	return ret;
}

void names_bound(struct machine_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	add_link(fn->machine->tree, "%s/driver>/sys/bus/pci/drivers/%s", dev->sysfs_path,
		 dev->driver->name);
	add_link(fn->machine->tree, "/sys/bus/pci/drivers/%s/%s>%s", dev->driver->name, fn->name,
		 dev->sysfs_path);
}

void names_unbound(struct machine_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	remove_name(fn->machine->tree, "%s/driver", dev->sysfs_path);
	if (dev->driver)
		remove_name(fn->machine->tree, "/sys/bus/pci/drivers/%s/%s", dev->driver->name,
			    fn->name);
}

#define FIRST_MSI_IRQ	  24
#define MSI_IRQS_PER_SLOT 256

void names_set_msi_irqs(struct machine_function *fn, bool msix, unsigned int vectors)
{
	struct tree *tree = fn->machine->tree;
	const struct shared_device *slots = session_shared(fn->machine->session)->device;
	unsigned int irq = FIRST_MSI_IRQ + (unsigned int)(fn->slot - slots) * MSI_IRQS_PER_SLOT;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/msi_irqs", fn->path);
	tree_unlink(tree, path);
	for (unsigned int i = 0; i < vectors; i++) {
		snprintf(path, sizeof(path), "%s/msi_irqs/%u", fn->path, irq + i);
		tree_put_text(tree, path, 0444, msix ? "msix\n" : "msi\n");
	}
}

/* ---- VFIO's names ---------------------------------------------------------------------------- */

/* A VFIO driver has the function and nobody wants it back. */
static bool function_in_vfio(const struct machine_function *fn)
{
	return fn->pdev && !fn->slot->unbinding && fn->pdev->dev.driver &&
	       driver_is_vfio(fn->pdev->dev.driver->name);
}

struct minors {
	struct tree *tree;
	bool used[VFIO_MINORS];
};

/* Of the node of a group; false: it has none. */
static bool group_minor(const struct tree *tree, const char *name, unsigned int *minor)
{
	char path[SYSFS_PATH_MAX], text[32];

	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/dev", name);
	return tree_read_text(tree, path, text, sizeof(text)) &&
	       sscanf(text, "%*u:%u", minor) == 1 && *minor < VFIO_MINORS;
}

static void note_minor(void *arg, const char *name)
{
	struct minors *minors = arg;
	unsigned int minor;

	if (group_minor(minors->tree, name, &minor))
		minors->used[minor] = true;
}

static unsigned int free_minor(struct tree *tree)
{
	struct minors minors = { .tree = tree };
	unsigned int minor = 0;

	tree_for_each_name(tree, "/sys/class/vfio", note_minor, &minors);
	while (minor < VFIO_MINORS - 1 && minors.used[minor])
		minor++;
	return minor;
}

#define NOIOMMU_PREFIX "noiommu-"

/* A group's name below /dev/vfio and the class: @name of GROUP_NAME bytes. */
static const char *group_name(const struct uvfio_machine *machine, unsigned int id,
			      char name[GROUP_NAME])
{
	snprintf(name, GROUP_NAME, "%s%u", machine->iommu ? "" : NOIOMMU_PREFIX, id);
	return name;
}

bool names_parse_group(const char *name, unsigned int *id)
{
	char *end;

	if (!strncmp(name, NOIOMMU_PREFIX, strlen(NOIOMMU_PREFIX)))
		name += strlen(NOIOMMU_PREFIX);
	*id = (unsigned int)strtoul(name, &end, 10);
	return *name >= '0' && *name <= '9' && !*end;
}

static bool has_vfio_group(const struct uvfio_machine *machine, unsigned int id)
{
	char path[64], name[GROUP_NAME];

	snprintf(path, sizeof(path), "/sys/class/vfio/%s", group_name(machine, id, name));
	return tree_exists(machine->tree, path);
}

static void add_vfio_group(struct uvfio_machine *machine, unsigned int id)
{
	struct tree *tree = machine->tree;
	unsigned int minor = free_minor(tree);
	char path[SYSFS_PATH_MAX], name[GROUP_NAME];

	group_name(machine, id, name);

	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/dev", name);
	tree_add_text(tree, path, 0444, "%d:%u\n", VFIO_MAJOR, minor);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/uevent", name);
	tree_add_text(tree, path, 0644, "MAJOR=%d\nMINOR=%u\nDEVNAME=vfio/%s\n", VFIO_MAJOR, minor,
		      name);
	add_link(tree, "/sys/dev/char/%d:%u>/sys/devices/virtual/vfio/%s", VFIO_MAJOR, minor, name);
	add_link(tree, "/sys/devices/virtual/vfio/%s/subsystem>/sys/class/vfio", name);
	add_link(tree, "/sys/class/vfio/%s>/sys/devices/virtual/vfio/%s", name, name);
	snprintf(path, sizeof(path), "/dev/vfio/%s", name);
	tree_add_node(tree, path, 0600, minor);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s", name);
	machine_uevent_of(machine, UEVENT_ADD, path, "vfio");
}

static void remove_vfio_group(struct uvfio_machine *machine, const char *name)
{
	char path[SYSFS_PATH_MAX];
	unsigned int minor;

	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s", name);
	machine_uevent_of(machine, UEVENT_REMOVE, path, "vfio");
	if (group_minor(machine->tree, name, &minor))
		remove_name(machine->tree, "/sys/dev/char/%d:%u", VFIO_MAJOR, minor);
	remove_name(machine->tree, "/dev/vfio/%s", name);
	remove_name(machine->tree, "/sys/class/vfio/%s", name);
	remove_name(machine->tree, "/sys/devices/virtual/vfio/%s", name);
}

static unsigned int free_vfio_dev(struct tree *tree)
{
	char path[SYSFS_PATH_MAX];
	unsigned int index = 0;

	for (;; index++) {
		snprintf(path, sizeof(path), "/sys/class/vfio-dev/vfio%u", index);
		if (!tree_exists(tree, path))
			return index;
	}
}

static void add_vfio_dev(struct uvfio_machine *machine, const char *device)
{
	struct tree *tree = machine->tree;
	unsigned int index = free_vfio_dev(tree);
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/vfio-dev/vfio%u/uevent", device, index);
	tree_add_text(tree, path, 0644, "%s", "");
	add_link(tree, "%s/vfio-dev/vfio%u/device>%s", device, index, device);
	add_link(tree, "%s/vfio-dev/vfio%u/subsystem>/sys/class/vfio-dev", device, index);
	add_link(tree, "/sys/class/vfio-dev/vfio%u>%s/vfio-dev/vfio%u", index, device, index);
	*strrchr(path, '/') = '\0';
	machine_uevent(machine, UEVENT_ADD, path, "vfio-dev", "");
}

struct vfio_devs {
	struct uvfio_machine *machine;
	const char *path; /* of the directory that they are in */
};

static void remove_vfio_dev(void *arg, const char *name)
{
	const struct vfio_devs *devs = arg;
	char path[SYSFS_PATH_MAX];

	remove_name(devs->machine->tree, "/sys/class/vfio-dev/%s", name);
	snprintf(path, sizeof(path), "%s/%s", devs->path, name);
	machine_uevent(devs->machine, UEVENT_REMOVE, path, "vfio-dev", "");
}

/* The class device of @fn is there as long as a VFIO driver offers it. */
static void update_vfio_dev(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	bool there, bound = function_in_vfio(fn);
	char path[SYSFS_PATH_MAX];
	struct vfio_devs devs = { machine, path };

	if (!fn->pdev)
		return;
	snprintf(path, sizeof(path), "%s/vfio-dev", fn->pdev->dev.sysfs_path);
	there = tree_exists(machine->tree, path);
	if (bound && !there) {
		add_vfio_dev(machine, fn->pdev->dev.sysfs_path);
	} else if (!bound && there) {
		tree_for_each_name(machine->tree, path, remove_vfio_dev, &devs);
		tree_remove(machine->tree, path);
	}
	if (!bound && !fn->slot->unbinding) {
		snprintf(path, sizeof(path), "%s/msi_irqs", fn->pdev->dev.sysfs_path);
		if (tree_exists(machine->tree, path))
			names_set_msi_irqs(fn, false, 0);
	}
}

/* A function that is asked back keeps the group that it has until it is given. */
static bool function_keeps_group(const struct machine_function *fn)
{
	if (!fn->pdev || !fn->slot->unbinding)
		return function_in_vfio(fn);
	return has_vfio_group(fn->machine, fn->slot->group);
}

struct groups {
	struct uvfio_machine *machine;
	const bool *wanted;
};

static void drop_group(void *arg, const char *name)
{
	const struct groups *groups = arg;
	unsigned int id;

	if (!names_parse_group(name, &id) || id >= MACHINE_GROUPS || !groups->wanted[id])
		remove_vfio_group(groups->machine, name);
}

struct torn {
	struct uvfio_machine *machine;
	const char *dir;
	bool is;
};

static void look_at_group(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	char path[SYSFS_PATH_MAX];
	unsigned int id;
	bool whole;

	snprintf(path, sizeof(path), "/dev/vfio/%s", name);
	whole = tree_exists(machine->tree, path);
	snprintf(path, sizeof(path), "/sys/class/vfio/%s", name);
	whole = whole && tree_exists(machine->tree, path);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/dev", name);
	whole = whole && tree_exists(machine->tree, path);
	if (!whole && names_parse_group(name, &id))
		remove_vfio_group(machine, name);
}

static void look_at_dev(void *arg, const char *name)
{
	struct torn *torn = arg;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/vfio-dev/%s", name);
	torn->is = !tree_exists(torn->machine->tree, path);
}

/* A link of the class to a device that is not there. */
static void look_at_class(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/vfio-dev/%s/device", name);
	if (!tree_exists(machine->tree, path))
		remove_name(machine->tree, "/sys/class/vfio-dev/%s", name);
}

void names_drop_torn_vfio(struct uvfio_machine *machine)
{
	static const char *const places[] = { "/sys/class/vfio", "/sys/devices/virtual/vfio",
					      "/dev/vfio" };
	struct machine_function *fn;
	char path[SYSFS_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		tree_for_each_name(machine->tree, places[i], look_at_group, machine);
	list_for_each_entry(fn, &machine->functions, node) {
		struct torn torn = { machine, path, true };

		if (!fn->pdev)
			continue;
		snprintf(path, sizeof(path), "%s/vfio-dev", fn->pdev->dev.sysfs_path);
		if (!tree_exists(machine->tree, path))
			continue;
		tree_for_each_name(machine->tree, path, look_at_dev, &torn);
		if (torn.is)
			tree_remove(machine->tree, path);
	}
	tree_for_each_name(machine->tree, "/sys/class/vfio-dev", look_at_class, machine);
}

/* In the order in which Linux tells of it: a group comes before its devices and goes after them. */
void names_update_vfio(struct uvfio_machine *machine)
{
	bool wanted[MACHINE_GROUPS] = { false };
	struct groups groups = { machine, wanted };
	struct machine_function *fn;

	if (!tree_writing(machine->tree))
		return;
	list_for_each_entry(fn, &machine->functions, node) {
		if (fn->slot->group < MACHINE_GROUPS && function_keeps_group(fn))
			wanted[fn->slot->group] = true;
		if (!function_in_vfio(fn))
			update_vfio_dev(fn);
	}
	tree_for_each_name(machine->tree, "/sys/class/vfio", drop_group, &groups);
	for (unsigned int id = 0; id < MACHINE_GROUPS; id++)
		if (wanted[id] && !has_vfio_group(machine, id))
			add_vfio_group(machine, id);
	list_for_each_entry(fn, &machine->functions, node)
		if (function_in_vfio(fn))
			update_vfio_dev(fn);
}
