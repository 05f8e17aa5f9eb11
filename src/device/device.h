/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver core (the kernel's include/linux/device.h): buses, devices, drivers, match and probe,
 * attributes. It knows the tree of names that machine/ writes out as sysfs; it opens no file.
 *
 * One lock, core->lock, guards every list and binding; show, store, probe and remove run with it
 * held unless said otherwise.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <sys/stat.h>
#include "base/list.h"
#include "base/types.h"

struct device;
struct device_driver;
struct bus_type;
struct device_core;

/* What an attribute belongs to: a device, a driver, a bus, or a class of names (module parameters). */
struct attribute {
	const char *name;
	mode_t mode; /* 0444, 0200, 0644 ... */
	/* Text into @buf (4096 bytes); returns its length or -errno. NULL: not readable. */
	ssize_t (*show)(void *obj, const struct attribute *attr, char *buf, size_t size);
	/* @buf is NUL-terminated; returns @len or -errno. NULL: not writable. */
	ssize_t (*store)(void *obj, const struct attribute *attr, const char *buf, size_t len);
	/* Binary attributes (config, resourceN, rom): instead of show and store, with an offset. */
	ssize_t (*bin_read)(void *obj, const struct attribute *attr, void *buf, size_t len,
			    uint64_t off);
	ssize_t (*bin_write)(void *obj, const struct attribute *attr, const void *buf, size_t len,
			     uint64_t off);
	uint64_t size;	/* of a binary attribute, as stat says */
	uintptr_t arg;	/* the show and store functions' own */
	bool (*visible)(void *obj, const struct attribute *attr); /* NULL: always */
	bool volatile_value; /* show must be asked at each read; others are written out when they change */
};

/* Lists of attributes end with .name == NULL. */

struct bus_type {
	const char *name;
	bool (*match)(struct device *dev, struct device_driver *drv);
	const struct attribute *bus_attrs, *dev_attrs, *drv_attrs;
	struct list_head devices, drivers; /* filled by bus_register() */
	struct device_core *core;
	struct list_head node;
	bool drivers_autoprobe;
};

struct device_driver {
	const char *name;
	struct bus_type *bus;
	const char *module; /* for the driver/module link; NULL: built in */
	int (*probe)(struct device *dev);  /* 0 or -errno */
	void (*remove)(struct device *dev); /* may wait for the device's user */
	const struct attribute *attrs;
	struct list_head devices, node;
	void *priv;
};

/* A symlink of a device's or driver's directory: @target is a path in sysfs ("/sys/…"). */
struct device_link {
	struct list_head node;
	char *name, *target;
};

struct device {
	char name[32];
	struct bus_type *bus;
	struct device *parent;
	struct device_driver *driver;	/* bound to; NULL: none */
	const struct attribute *attrs;	/* of this device alone, besides the bus' */
	char *driver_override;		/* NULL: none */
	void *drvdata;			/* the bound driver's */
	struct list_head bus_node, drv_node, children, child_node, links;
	void (*release)(struct device *dev);
	bool dead;	 /* being removed: no new user */
	char *sysfs_path; /* "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0" */
};

int device_core_create(struct device_core **out);
void device_core_destroy(struct device_core *core);
void device_core_lock(struct device_core *core);
void device_core_unlock(struct device_core *core);

int bus_register(struct device_core *core, struct bus_type *bus);
void bus_unregister(struct bus_type *bus);
/* Adds the driver and, with drivers_autoprobe, binds matching devices. Lock not held. */
int driver_register(struct device_driver *drv);
void driver_unregister(struct device_driver *drv);
/* @dev->name, bus, parent, release are set by the caller. Adds it; binding is device_attach(). */
int device_add(struct device *dev);
/* Unbinds, removes from the tree, calls release. */
void device_del(struct device *dev);
int device_add_link(struct device *dev, const char *name, const char *target);
void device_remove_link(struct device *dev, const char *name);

struct device *bus_find_device(struct bus_type *bus, const char *name);
struct device_driver *bus_find_driver(struct bus_type *bus, const char *name);

/* Tries the bus' drivers in order: 1 bound, 0 no driver, -errno. Lock held. */
int device_attach(struct device *dev);
/* Binds to one driver: 0, -ENODEV no match, -EBUSY already bound, or probe's error. Lock held. */
int device_driver_attach(struct device_driver *drv, struct device *dev);
/* Unbinds; nothing when unbound. May wait (remove). Lock held; dropped while waiting. */
void device_release_driver(struct device *dev);

/* Who writes the tree out (machine/): told after each change, lock held. */
enum device_change { DEVICE_ADDED, DEVICE_REMOVED, DEVICE_BOUND, DEVICE_UNBOUND, DEVICE_CHANGED };
void device_core_set_observer(struct device_core *core,
			      void (*fn)(void *arg, struct device *dev, enum device_change what),
			      void *arg);

#endif
