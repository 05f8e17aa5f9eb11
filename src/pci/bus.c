/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bus type "pci": matching, dynamic ids, uevent variables, adding functions.
 *
 * A driver fits when the function's driver_override names it, or, without an override, when an id
 * of its dynamic list or its table does. Dynamic ids come first (the kernel's pci_match_device()).
 * Everything here runs under core->lock.
 */
#include "pci/bus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "pci/bus_priv.h"
#include "pci/pci_priv.h"

struct pci_dynid {
	struct list_head node;
	struct pci_device_id id;
};

struct bus_type *pci_bus_type(struct pci_bus *bus)
{
	return &bus->type;
}

bool pci_match_one_device(const struct pci_device_id *id, const struct pci_dev *dev)
{
	return (id->vendor == PCI_ANY_ID || id->vendor == dev->vendor) &&
	       (id->device == PCI_ANY_ID || id->device == dev->device) &&
	       (id->subvendor == PCI_ANY_ID || id->subvendor == dev->subsystem_vendor) &&
	       (id->subdevice == PCI_ANY_ID || id->subdevice == dev->subsystem_device) &&
	       !((id->class_code ^ dev->class_code) & id->class_mask);
}

static bool table_end(const struct pci_device_id *id)
{
	return !id->vendor && !id->subvendor && !id->class_mask;
}

static bool table_matches(const struct pci_driver *drv, const struct pci_dev *dev)
{
	const struct pci_device_id *id;

	for (id = drv->id_table; id && !table_end(id); id++)
		if (!id->override_only && pci_match_one_device(id, dev))
			return true;
	return false;
}

static bool dynid_matches(const struct pci_driver *drv, const struct pci_dev *dev)
{
	struct pci_dynid *dynid;

	list_for_each_entry(dynid, &drv->dynids, node)
		if (pci_match_one_device(&dynid->id, dev))
			return true;
	return false;
}

bool pci_driver_fits(struct device_driver *driver, const struct pci_dev *dev)
{
	return table_matches(container_of(driver, struct pci_driver, drv), dev);
}

static bool pci_match(struct device *device, struct device_driver *driver)
{
	struct pci_driver *drv = container_of(driver, struct pci_driver, drv);
	struct pci_dev *dev = to_pci_dev(device);

	if (device->driver_override)
		return strcmp(device->driver_override, driver->name) == 0;
	/* The kernel's pci_device_can_probe(). */
	if (dev->physfn && dev->physfn->sysfs.no_vf_autoprobe)
		return false;
	return dynid_matches(drv, dev) || table_matches(drv, dev);
}

size_t pci_modalias(const struct pci_dev *dev, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X",
				dev->vendor, dev->device, dev->subsystem_vendor,
				dev->subsystem_device, (dev->class_code >> 16) & 0xff,
				(dev->class_code >> 8) & 0xff, dev->class_code & 0xff);
}

static size_t pci_uevent(struct device *device, char *buf, size_t size)
{
	const struct pci_dev *dev = to_pci_dev(device);
	char modalias[80];

	pci_modalias(dev, modalias, sizeof(modalias));
	return (size_t)snprintf(buf, size,
				"PCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
				"PCI_SLOT_NAME=%s\nMODALIAS=%s\n",
				dev->class_code, dev->vendor, dev->device, dev->subsystem_vendor,
				dev->subsystem_device, device->name, modalias);
}

/* ---- dynamic ids ---------------------------------------------------------------------------- */

/* Hexadecimal fields as sscanf("%x") reads them; what follows the last good one is ignored. */
static unsigned int parse_fields(const char *buf, unsigned long *fields, unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max; n++) {
		char *end;

		while (isspace((unsigned char)*buf))
			buf++;
		if (!isxdigit((unsigned char)*buf))
			break;
		fields[n] = strtoul(buf, &end, 16);
		if (end == buf)
			break;
		buf = end;
	}
	return n;
}

static void id_from_fields(struct pci_device_id *id, const unsigned long *f, unsigned int n)
{
	id->vendor = (uint32_t)f[0];
	id->device = (uint32_t)f[1];
	id->subvendor = n > 2 ? (uint32_t)f[2] : PCI_ANY_ID;
	id->subdevice = n > 3 ? (uint32_t)f[3] : PCI_ANY_ID;
	id->class_code = n > 4 ? (uint32_t)f[4] : 0;
	id->class_mask = n > 5 ? (uint32_t)f[5] : 0;
	id->driver_data = n > 6 ? f[6] : 0;
}

static bool table_has_data(const struct pci_driver *drv, unsigned long data)
{
	const struct pci_device_id *id;

	for (id = drv->id_table; id && !table_end(id); id++)
		if (id->driver_data == data)
			return true;
	return false;
}

/* The kernel asks whether a function with exactly these numbers would match already. */
static bool id_known(const struct pci_driver *drv, const struct pci_device_id *new)
{
	struct pci_dev probe = { .vendor = (uint16_t) new->vendor,
				 .device = (uint16_t) new->device,
				 .subsystem_vendor = (uint16_t) new->subvendor,
				 .subsystem_device = (uint16_t) new->subdevice,
				 .class_code = new->class_code };

	return dynid_matches(drv, &probe) || table_matches(drv, &probe);
}

ssize_t pci_driver_new_id(struct pci_driver *drv, const char *buf, size_t len)
{
	unsigned long fields[7];
	unsigned int n = parse_fields(buf, fields, 7);
	struct bus_type *bus = drv->drv.bus;
	struct pci_dynid *dynid;
	struct device *dev;

	if (n < 2)
		return -EINVAL;
	dynid = FAIL_POINT() ? NULL : calloc(1, sizeof(*dynid));
	if (!dynid)
		return -ENOMEM;
	id_from_fields(&dynid->id, fields, n);
	if (n != 7 && id_known(drv, &dynid->id)) {
		free(dynid);
		return -EEXIST;
	}
	/* Data that the driver would take for one of its own must be one of its own. */
	if (drv->id_table && !table_has_data(drv, dynid->id.driver_data)) {
		free(dynid);
		return -EINVAL;
	}
	list_add_tail(&dynid->node, &drv->dynids);
	list_for_each_entry(dev, &bus->devices, bus_node)
		if (!dev->driver && !dev->dead && pci_match(dev, &drv->drv))
			device_driver_attach(&drv->drv, dev);
	return (ssize_t)len;
}

static ssize_t new_id_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device_driver *driver = obj;

	return pci_driver_new_id(container_of(driver, struct pci_driver, drv), buf, len);
}

static ssize_t remove_id_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device_driver *driver = obj;
	struct pci_driver *drv = container_of(driver, struct pci_driver, drv);
	struct pci_dynid *dynid, *tmp;
	struct pci_device_id id;
	unsigned long fields[6];
	unsigned int n = parse_fields(buf, fields, 6);

	if (n < 2)
		return -EINVAL;
	id_from_fields(&id, fields, n);
	list_for_each_entry_safe(dynid, tmp, &drv->dynids, node) {
		if (dynid->id.vendor != id.vendor || dynid->id.device != id.device ||
		    (id.subvendor != PCI_ANY_ID && dynid->id.subvendor != id.subvendor) ||
		    (id.subdevice != PCI_ANY_ID && dynid->id.subdevice != id.subdevice) ||
		    ((dynid->id.class_code ^ id.class_code) & id.class_mask))
			continue;
		list_del(&dynid->node);
		free(dynid);
		return (ssize_t)len;
	}
	return -ENODEV;
}

size_t pci_driver_dynids(const struct pci_driver *drv, char *buf, size_t size)
{
	struct pci_dynid *dynid;
	size_t len = 0;

	list_for_each_entry(dynid, &drv->dynids, node) {
		const struct pci_device_id *id = &dynid->id;

		if (len < size)
			len += (size_t)snprintf(buf + len, size - len, "%x %x %x %x %x %x %lx\n",
						id->vendor, id->device, id->subvendor,
						id->subdevice, id->class_code, id->class_mask,
						id->driver_data);
	}
	return len;
}

static const struct attribute pci_drv_attrs[] = {
	{ .name = "new_id", .mode = 0200, .store = new_id_store },
	{ .name = "remove_id", .mode = 0200, .store = remove_id_store },
	{ .name = NULL },
};

/* ---- the bus -------------------------------------------------------------------------------- */

static ssize_t rescan_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct bus_type *type = obj;
	struct pci_bus *bus = container_of(type, struct pci_bus, type);
	unsigned long value;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	if (value && bus->env.rescan)
		bus->env.rescan(bus->env.arg, NULL);
	return (ssize_t)len;
}

static ssize_t resource_alignment_show(void *obj, const struct attribute *attr, char *buf,
				       size_t size)
{
	return 0;
}

static const struct attribute pci_bus_attrs[] = {
	{ .name = "rescan", .mode = 0200, .store = rescan_store },
	{ .name = "resource_alignment", .mode = 0444, .show = resource_alignment_show },
	{ .name = NULL },
};

int pci_bus_create(struct device_core *core, const struct pci_bus_env *env, struct pci_bus **out)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	int ret;

	if (!bus)
		return -ENOMEM;
	bus->env = *env;
	bus->type.name = "pci";
	bus->type.match = pci_match;
	bus->type.uevent = pci_uevent;
	bus->type.bus_attrs = pci_bus_attrs;
	bus->type.dev_attrs = pci_dev_attrs;
	bus->type.drv_attrs = pci_drv_attrs;
	ret = bus_register(core, &bus->type);
	if (ret) {
		free(bus);
		return ret;
	}
	*out = bus;
	return 0;
}

void pci_bus_destroy(struct pci_bus *bus)
{
	if (!bus)
		return;
	bus_unregister(&bus->type);
	free(bus);
}

static void release_device(struct device *dev)
{
	struct pci_dev *port = pci_upstream_port(to_pci_dev(dev));

	if (port)
		atomic_fetch_sub(&port->internal->below, 1);
	pci_dev_destroy(to_pci_dev(dev));
}

int pci_bus_add_device(struct pci_bus *bus, struct pci_dev *dev, struct pci_dev *port,
		       struct device *root)
{
	int ret;

	pci_dev_created(dev);
	ret = pci_firmware_init(dev);
	if (ret)
		return ret;
	pci_sriov_init(dev, port);
	dev->dev.bus = &bus->type;
	dev->dev.parent = port ? &port->dev : root;
	dev->dev.release = release_device;
	dev->dev.attrs = pci_dev_more_attrs;
	pci_init_reset_methods(dev);
	dev->sysfs.had_reset = pci_reset_supported(dev);
	ret = device_add(&dev->dev);
	if (!ret && port)
		atomic_fetch_add(&port->internal->below, 1);
	return ret;
}

int pci_driver_register(struct pci_bus *bus, struct pci_driver *drv)
{
	list_init(&drv->dynids);
	drv->drv.bus = &bus->type;
	return driver_register(&drv->drv);
}

void pci_driver_unregister(struct pci_driver *drv)
{
	struct pci_dynid *dynid, *tmp;

	driver_unregister(&drv->drv);
	list_for_each_entry_safe(dynid, tmp, &drv->dynids, node) {
		list_del(&dynid->node);
		free(dynid);
	}
}
