/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers and binding (the kernel's drivers/base/driver.c and dd.c).
 *
 * A device is bound to at most one driver. probe runs with the core's lock held, remove without it
 * (it may wait for the device's user); while remove runs, dev->unbinding keeps everybody else who
 * wants to bind or unbind the device waiting.
 */
#include "device/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/following.h"
#include "base/log.h"
#include "device/device_priv.h"
#include "device/trace.h"

/* Waits until no unbind of @dev is under way. Lock held; dropped while waiting. */
static void device_wait_unbound(struct device *dev)
{
	struct device_core *core = dev->bus->core;

	while (dev->unbinding) {
		/* The condition variable gives up one level of the lock: keep just that one. */
		unsigned int depth = device_core_drop(core);

		pthread_mutex_lock(&core->lock);
		if (dev->unbinding)
			pthread_cond_wait(&core->unbound, &core->lock);
		pthread_mutex_unlock(&core->lock);
		device_core_retake(core, depth);
	}
}

static bool driver_match_device(struct device_driver *drv, struct device *dev)
{
	return !drv->bus->match || drv->bus->match(dev, drv);
}

static int call_probe(struct device_driver *drv, struct device *dev)
{
	int ret;

	dev->driver = drv;
	ret = drv->probe ? drv->probe(dev) : 0;
	if (ret) {
		dev->driver = NULL;
		dev->drvdata = NULL;
		if (ret != -ENODEV && ret != -ENXIO && !lib_following)
			pr_kernel_err("%s %s: probe with driver %s failed with error %d", drv->name,
				      dev->name, drv->name, ret);
		return ret;
	}
	list_add_tail(&dev->drv_node, &drv->devices);
	device_notify(dev, DEVICE_BOUND);
	device_uevent(dev, UEVENT_BIND);
	return 0;
}

/* The device is free and fits. 0 or probe's error. */
static int driver_probe(struct device_driver *drv, struct device *dev)
{
	if (trace_bind_on())
		trace_bind_driver_write(dev, BIND_DRIVER_PROBE_DEVICE, drv->name);
	return trace_bind_leave(dev, BIND_DRIVER_PROBE_DEVICE, call_probe(drv, dev));
}

int device_driver_attach(struct device_driver *drv, struct device *dev)
{
	return driver_match_device(drv, dev) ? device_bind_driver(drv, dev) : -ENODEV;
}

int device_bind_driver(struct device_driver *drv, struct device *dev)
{
	device_wait_unbound(dev);
	if (dev->dead || !dev->registered)
		return -ENODEV;
	if (dev->driver)
		return -EBUSY;
	return driver_probe(drv, dev);
}

int device_attach(struct device *dev)
{
	struct device_driver *drv;

	if (!dev->bus)
		return 0;
	device_wait_unbound(dev);
	if (dev->dead || !dev->registered)
		return -ENODEV;
	if (dev->driver)
		return 1;
	/* A probe that fails lets the next driver try. */
	list_for_each_entry(drv, &dev->bus->drivers, node)
		if (driver_match_device(drv, dev) && driver_probe(drv, dev) == 0)
			return 1;
	return 0;
}

void device_release_driver(struct device *dev)
{
	struct device_driver *drv;
	struct device_core *core;
	unsigned int depth;

	if (!dev->bus)
		return;
	device_wait_unbound(dev);
	drv = dev->driver;
	if (!drv)
		return;
	core = dev->bus->core;
	dev->unbinding = true;
	if (trace_bind_on())
		trace_bind_driver_write(dev, BIND_DEVICE_RELEASE_DRIVER, drv->name);
	device_notify(dev, DEVICE_UNBOUND);
	depth = device_core_drop(core);
	if (drv->remove)
		drv->remove(dev);
	device_core_retake(core, depth);
	list_del(&dev->drv_node);
	dev->driver = NULL;
	dev->drvdata = NULL;
	dev->unbinding = false;
	device_uevent(dev, UEVENT_UNBIND);
	trace_bind_leave(dev, BIND_DEVICE_RELEASE_DRIVER, 0);
	pthread_cond_broadcast(&core->unbound);
}

int driver_register(struct device_driver *drv)
{
	struct bus_type *bus = drv->bus;
	struct device *dev;
	int ret = 0;

	device_core_lock(bus->core);
	if (bus_find_driver(bus, drv->name)) {
		ret = -EBUSY;
		goto out;
	}
	list_init(&drv->devices);
	list_add_tail(&drv->node, &bus->drivers);
	if (bus->drivers_autoprobe)
		list_for_each_entry(dev, &bus->devices, bus_node)
			if (!dev->driver && !dev->dead && driver_match_device(drv, dev))
				driver_probe(drv, dev);
out:
	device_core_unlock(bus->core);
	return ret;
}

void driver_unregister(struct device_driver *drv)
{
	struct bus_type *bus = drv->bus;

	device_core_lock(bus->core);
	/* Out of the list first: nothing binds to it any more while remove waits. */
	list_del(&drv->node);
	while (!list_empty(&drv->devices))
		device_release_driver(list_first_entry(&drv->devices, struct device, drv_node));
	driver_uevent(drv, UEVENT_REMOVE);
	device_core_unlock(bus->core);
}

ssize_t driver_override_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct device *dev = obj;
	const char *text = dev->driver_override ? dev->driver_override : "(null)";
	size_t len = strnlen(text, size - 1);

	memcpy(buf, text, len);
	buf[len] = '\n';
	return (ssize_t)(len + 1);
}

ssize_t driver_override_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device *dev = obj;
	size_t text = strcspn(buf, "\n");
	char *copy = NULL;

	/* What show puts a newline behind must fit into a page. */
	if (len >= ATTRIBUTE_PAGE - 1)
		return -EINVAL;
	if (text) {
		copy = strndup(buf, text);
		if (!copy)
			return -ENOMEM;
	}
	free(dev->driver_override);
	dev->driver_override = copy;
	device_notify(dev, DEVICE_CHANGED);
	return (ssize_t)len;
}
