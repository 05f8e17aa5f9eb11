/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buses: their lists of devices and drivers, and the attributes that every bus has (the kernel's
 * drivers/base/bus.c): drivers_autoprobe, drivers_probe, uevent.
 */
#include "device/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/device_priv.h"

int bus_register(struct device_core *core, struct bus_type *bus)
{
	bus->core = core;
	bus->drivers_autoprobe = true;
	list_init(&bus->devices);
	list_init(&bus->drivers);
	device_core_lock(core);
	list_add_tail(&bus->node, &core->buses);
	device_core_unlock(core);
	return 0;
}

void bus_unregister(struct bus_type *bus)
{
	struct device_core *core = bus->core;

	device_core_lock(core);
	list_del(&bus->node);
	device_core_unlock(core);
	bus->core = NULL;
}

struct device *bus_find_device(struct bus_type *bus, const char *name)
{
	struct device *dev;

	list_for_each_entry(dev, &bus->devices, bus_node)
		if (sysfs_streq(dev->name, name))
			return dev;
	return NULL;
}

struct device_driver *bus_find_driver(struct bus_type *bus, const char *name)
{
	struct device_driver *drv;

	list_for_each_entry(drv, &bus->drivers, node)
		if (sysfs_streq(drv->name, name))
			return drv;
	return NULL;
}

static ssize_t drivers_autoprobe_show(void *obj, const struct attribute *attr, char *buf,
				      size_t size)
{
	const struct bus_type *bus = obj;

	return snprintf(buf, size, "%d\n", bus->drivers_autoprobe);
}

static ssize_t drivers_autoprobe_store(void *obj, const struct attribute *attr, const char *buf,
				       size_t len)
{
	struct bus_type *bus = obj;

	bus->drivers_autoprobe = buf[0] != '0';
	return (ssize_t)len;
}

static ssize_t drivers_probe_store(void *obj, const struct attribute *attr, const char *buf,
				   size_t len)
{
	struct device *dev = bus_find_device(obj, buf);
	int ret;

	if (!dev)
		return -ENODEV;
	if (dev->driver)
		return (ssize_t)len;
	ret = device_attach(dev);
	return ret < 0 ? ret : (ssize_t)len;
}

const struct attribute bus_core_attrs[] = {
	{ .name = "drivers_autoprobe",
	  .mode = 0644,
	  .show = drivers_autoprobe_show,
	  .store = drivers_autoprobe_store },
	{ .name = "drivers_probe", .mode = 0200, .store = drivers_probe_store },
	{ .name = "uevent", .mode = 0200, .store = bus_uevent_store },
	{ .name = NULL },
};

/* ---- bind, unbind ---------------------------------------------------------------------------- */

static ssize_t bind_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device_driver *drv = obj;
	struct device *dev = bus_find_device(drv->bus, buf);
	int ret;

	if (!dev)
		return -ENODEV;
	ret = device_driver_attach(drv, dev);
	return ret ? ret : (ssize_t)len;
}

static ssize_t unbind_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device_driver *drv = obj;
	struct device *dev = bus_find_device(drv->bus, buf);

	if (!dev || dev->driver != drv)
		return -ENODEV;
	device_release_driver(dev);
	return (ssize_t)len;
}

const struct attribute driver_core_attrs[] = {
	{ .name = "bind", .mode = 0200, .store = bind_store },
	{ .name = "unbind", .mode = 0200, .store = unbind_store },
	{ .name = "uevent", .mode = 0200, .store = driver_uevent_store },
	{ .name = NULL },
};

/* ---- device ---------------------------------------------------------------------------------- */

static ssize_t device_uevent_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct device *dev = obj;
	size_t len = 0;

	if (dev->driver && !dev->unbinding)
		len = (size_t)snprintf(buf, size, "DRIVER=%s\n", dev->driver->name);
	if (dev->bus && dev->bus->uevent && len < size)
		len += dev->bus->uevent(dev, buf + len, size - len);
	return (ssize_t)len;
}

const struct attribute device_core_attrs[] = {
	{ .name = "uevent",
	  .mode = 0644,
	  .show = device_uevent_show,
	  .store = device_uevent_store,
	  .volatile_value = true },
	{ .name = NULL },
};
