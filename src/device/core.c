/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices: adding, removing, their links, the core's lock and observer (the kernel's
 * drivers/base/core.c).
 *
 * A device without bus is a node of the hierarchy only (a host bridge, a class device). Its core is
 * its parent's; a device needs a bus or a parent with one, or else belongs to no core and is not
 * watched.
 */
#include "device/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "device/device_priv.h"

int device_core_create(struct device_core **out)
{
	struct device_core *core = FAIL_POINT() ? NULL : calloc(1, sizeof(*core));
	pthread_mutexattr_t attr;

	if (!core)
		return -ENOMEM;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&core->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_cond_init(&core->unbound, NULL);
	list_init(&core->buses);
	*out = core;
	return 0;
}

void device_core_destroy(struct device_core *core)
{
	if (!core)
		return;
	pthread_cond_destroy(&core->unbound);
	pthread_mutex_destroy(&core->lock);
	free(core);
}

void device_core_lock(struct device_core *core)
{
	pthread_mutex_lock(&core->lock);
	core->depth++;
}

void device_core_unlock(struct device_core *core)
{
	core->depth--;
	pthread_mutex_unlock(&core->lock);
}

unsigned int device_core_drop(struct device_core *core)
{
	unsigned int depth = core->depth;

	core->depth = 0;
	for (unsigned int i = 0; i < depth; i++)
		pthread_mutex_unlock(&core->lock);
	return depth;
}

void device_core_retake(struct device_core *core, unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		pthread_mutex_lock(&core->lock);
	core->depth = depth;
}

void device_core_set_observer(struct device_core *core,
			      void (*fn)(void *arg, struct device *dev, enum device_change what),
			      void *arg)
{
	device_core_lock(core);
	core->observer = fn;
	core->observer_arg = arg;
	device_core_unlock(core);
}

static struct device_core *device_core_of(const struct device *dev)
{
	for (; dev; dev = dev->parent)
		if (dev->bus)
			return dev->bus->core;
	return NULL;
}

void device_notify(struct device *dev, enum device_change what)
{
	struct device_core *core = device_core_of(dev);

	if (core && core->observer)
		core->observer(core->observer_arg, dev, what);
}

void device_changed(struct device *dev)
{
	device_notify(dev, DEVICE_CHANGED);
}

static int device_make_path(struct device *dev)
{
	if (dev->sysfs_path)
		return 0;
	if (asprintf(&dev->sysfs_path, "%s/%s",
		     dev->parent ? dev->parent->sysfs_path : "/sys/devices", dev->name) < 0) {
		dev->sysfs_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int device_add(struct device *dev)
{
	struct device_core *core = device_core_of(dev);
	int ret;

	if (core)
		device_core_lock(core);
	ret = -EEXIST;
	if (dev->bus && bus_find_device(dev->bus, dev->name))
		goto out;
	ret = device_make_path(dev);
	if (ret)
		goto out;
	list_init(&dev->bus_node);
	list_init(&dev->drv_node);
	list_init(&dev->children);
	list_init(&dev->child_node);
	list_init(&dev->links);
	if (dev->bus)
		list_add_tail(&dev->bus_node, &dev->bus->devices);
	if (dev->parent)
		list_add_tail(&dev->child_node, &dev->parent->children);
	dev->dead = false;
	dev->unbinding = false;
	dev->registered = true;
	device_notify(dev, DEVICE_ADDED);
	device_uevent(dev, UEVENT_ADD);
out:
	if (core)
		device_core_unlock(core);
	return ret;
}

static void device_link_free(struct device_link *link)
{
	list_del(&link->node);
	free(link->name);
	free(link->target);
	free(link);
}

void device_del(struct device *dev)
{
	struct device_core *core = device_core_of(dev);
	struct device_link *link, *tmp;

	if (core)
		device_core_lock(core);
	dev->dead = true;
	device_release_driver(dev);
	device_notify(dev, DEVICE_REMOVED);
	device_uevent(dev, UEVENT_REMOVE);
	dev->registered = false;
	list_del(&dev->bus_node);
	list_del(&dev->child_node);
	list_for_each_entry_safe(link, tmp, &dev->links, node)
		device_link_free(link);
	free(dev->driver_override);
	dev->driver_override = NULL;
	free(dev->sysfs_path);
	dev->sysfs_path = NULL;
	if (dev->release)
		dev->release(dev);
	if (core)
		device_core_unlock(core);
}

static struct device_link *device_find_link(struct device *dev, const char *name)
{
	struct device_link *link;

	list_for_each_entry(link, &dev->links, node)
		if (!strcmp(link->name, name))
			return link;
	return NULL;
}

int device_add_link(struct device *dev, const char *name, const char *target)
{
	struct device_core *core = device_core_of(dev);
	struct device_link *link = calloc(1, sizeof(*link)), *old;

	if (!link)
		return -ENOMEM;
	link->name = FAIL_POINT() ? NULL : strdup(name);
	link->target = FAIL_POINT() ? NULL : strdup(target);
	if (!link->name || !link->target) {
		free(link->name);
		free(link->target);
		free(link);
		return -ENOMEM;
	}
	if (core)
		device_core_lock(core);
	old = device_find_link(dev, name);
	if (old)
		device_link_free(old);
	list_add_tail(&link->node, &dev->links);
	device_notify(dev, DEVICE_CHANGED);
	if (core)
		device_core_unlock(core);
	return 0;
}

void device_remove_link(struct device *dev, const char *name)
{
	struct device_core *core = device_core_of(dev);
	struct device_link *link;

	if (core)
		device_core_lock(core);
	link = device_find_link(dev, name);
	if (link) {
		device_link_free(link);
		device_notify(dev, DEVICE_CHANGED);
	}
	if (core)
		device_core_unlock(core);
}
