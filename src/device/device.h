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

/*
 * What an attribute belongs to (@obj of its functions): a device, a driver, a bus, or a class of
 * names (module parameters). A name with a slash ("power/control") lies in a subdirectory.
 */
struct attribute {
	const char *name;
	mode_t mode; /* 0444, 0200, 0644 ... */
	/* Text into @buf (4096 bytes); returns its length or -errno. NULL: not readable. */
	ssize_t (*show)(void *obj, const struct attribute *attr, char *buf, size_t size);
	/* @buf is NUL-terminated, @len > 0; returns @len or -errno. NULL: not writable. */
	ssize_t (*store)(void *obj, const struct attribute *attr, const char *buf, size_t len);
	/* Binary attributes (config, resourceN, rom): instead of show and store, with an offset. */
	ssize_t (*bin_read)(void *obj, const struct attribute *attr, void *buf, size_t len,
			    uint64_t off);
	ssize_t (*bin_write)(void *obj, const struct attribute *attr, const void *buf, size_t len,
			     uint64_t off);
	uint64_t size; /* of a binary attribute, as stat says */
	uint64_t (*get_size)(void *obj, const struct attribute *attr); /* NULL: size */
	uintptr_t arg; /* the show and store functions' own */
	bool (*visible)(void *obj, const struct attribute *attr); /* NULL: always */
	/* show must be asked at each read; others are written out when they change. */
	bool volatile_value;
};

/* Lists of attributes end with .name == NULL. */

struct bus_type {
	const char *name;
	/* NULL: every driver of the bus fits every device. */
	bool (*match)(struct device *dev, struct device_driver *drv);
	/* Adds the bus' "KEY=value\n" lines to what `uevent` shows; returns their length. May be
	 * NULL. */
	size_t (*uevent)(struct device *dev, char *buf, size_t size);
	const struct attribute *bus_attrs, *dev_attrs, *drv_attrs;
	struct list_head devices, drivers; /* filled by bus_register() */
	struct device_core *core;
	struct list_head node;
	bool drivers_autoprobe;
};

struct device_driver {
	const char *name;
	struct bus_type *bus;
	const char *module;		    /* for the driver/module link; NULL: built in */
	int (*probe)(struct device *dev);   /* 0 or -errno */
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
	char name[40];	    /* an address, or a UUID */
	uint32_t requester; /* in events: domain << 16 | bus << 8 | devfn; 0: none */
	struct bus_type *bus;
	struct device *parent;
	struct device_driver *driver;  /* bound to; NULL: none */
	const struct attribute *attrs; /* of this device alone, besides the bus' */
	char *driver_override;	       /* NULL: none */
	void *drvdata;		       /* the bound driver's */
	struct list_head bus_node, drv_node, children, child_node, links;
	void (*release)(struct device *dev);
	bool stays_on;	 /* power/control */
	bool dead;	 /* being removed: no new user */
	bool unbinding;	 /* the driver's remove is running; driver is still set */
	bool registered; /* between device_add() and device_del() */
	/* "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0"; made by device_add() from the
	 * parent's, or preset by its caller. Owned by the device. */
	char *sysfs_path;
};

/* core->lock is recursive. */
int device_core_create(struct device_core **out);
void device_core_destroy(struct device_core *core);
void device_core_lock(struct device_core *core);
void device_core_unlock(struct device_core *core);

int bus_register(struct device_core *core, struct bus_type *bus);
void bus_unregister(struct bus_type *bus);
/* Adds the driver and, with drivers_autoprobe, binds matching devices. Lock not held. Its event is
 * the caller's to send, by driver_uevent(), when all that it binds at once is bound. */
int driver_register(struct device_driver *drv);
void driver_unregister(struct device_driver *drv);
/*
 * @dev->name, bus or parent, release are set by the caller; the rest is zero. Adds it; binding is
 * device_attach(). 0, -EEXIST (a name twice on the bus), -ENOMEM. The lock may be held.
 */
int device_add(struct device *dev);
/* Unbinds, removes from the tree, calls release. Children must have been deleted before. */
void device_del(struct device *dev);
/* Replaces a link of the same name. */
int device_add_link(struct device *dev, const char *name, const char *target);
void device_remove_link(struct device *dev, const char *name);

/* The name may end with one newline, as in sysfs_streq(). Lock held; NULL: none. */
struct device *bus_find_device(struct bus_type *bus, const char *name);
struct device_driver *bus_find_driver(struct bus_type *bus, const char *name);

/* Tries the bus' drivers in order: 1 bound, 0 no driver, -errno. Lock held. */
int device_attach(struct device *dev);
/* Binds to one driver: 0, -ENODEV no match, -EBUSY already bound, or probe's error. Lock held. */
int device_driver_attach(struct device_driver *drv, struct device *dev);
/* The same without asking whether the driver fits: another process has bound it. Lock held. */
int device_bind_driver(struct device_driver *drv, struct device *dev);
/* Unbinds; nothing when unbound. Lock held; dropped while the driver's remove runs, which may wait.
 * Another thread that binds or unbinds the same device meanwhile waits for it. */
void device_release_driver(struct device *dev);

/* ---- attributes ------------------------------------------------------------------------------ */

/* sysfs hands out and takes at most a page. */
#define ATTRIBUTE_PAGE 4096

/* What a bus, driver or device has: the core's own (uevent, bind, unbind, drivers_probe...) and
 * then the bus' and the object's that are visible. Stops when @fn returns non-zero and returns
 * that. */
typedef int (*attribute_fn)(void *arg, void *obj, const struct attribute *attr);
int bus_for_each_attribute(struct bus_type *bus, attribute_fn fn, void *arg);
int driver_for_each_attribute(struct device_driver *drv, attribute_fn fn, void *arg);
int device_for_each_attribute(struct device *dev, attribute_fn fn, void *arg);

static inline uint64_t attribute_size(void *obj, const struct attribute *attr)
{
	return attr->get_size ? attr->get_size(obj, attr) : attr->size;
}

/* Run show and store as sysfs does: with the lock held, an empty write is 0 and changes nothing,
 * -EIO when the function is missing. @buf of show has ATTRIBUTE_PAGE bytes; @len may exceed a page
 * (only the first page is taken, as one write(2) does). */
ssize_t attribute_show(struct device_core *core, void *obj, const struct attribute *attr,
		       char *buf);
ssize_t attribute_store(struct device_core *core, void *obj, const struct attribute *attr,
			const char *data, size_t len);

/* `driver_override` for a bus' table of device attributes (the kernel's driver_set_override()):
 * text up to the first newline or NUL, cleared by an empty one; unset shows "(null)". */
ssize_t driver_override_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t driver_override_store(void *obj, const struct attribute *attr, const char *buf, size_t len);

/* The directory `power` of a device without runtime power management: for a table of device
 * attributes, and a table of nothing else. */
ssize_t device_power_text(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t device_power_control_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t device_power_control_store(void *obj, const struct attribute *attr, const char *buf,
				   size_t len);
ssize_t device_power_delay_show(void *obj, const struct attribute *attr, char *buf, size_t size);
ssize_t device_power_delay_store(void *obj, const struct attribute *attr, const char *buf,
				 size_t len);
#define DEVICE_POWER_TEXT(n, text)                                           \
	{                                                                    \
		.name = "power/" n, .mode = 0444, .show = device_power_text, \
		.arg = (uintptr_t)text                                       \
	}
#define DEVICE_POWER_ATTRS                                          \
	{ .name = "power/autosuspend_delay_ms",                     \
	  .mode = 0644,                                             \
	  .show = device_power_delay_show,                          \
	  .store = device_power_delay_store,                        \
	  .volatile_value = true },                                 \
		{ .name = "power/control",                          \
		  .mode = 0644,                                     \
		  .show = device_power_control_show,                \
		  .store = device_power_control_store },            \
		DEVICE_POWER_TEXT("runtime_active_time", "0"),      \
		DEVICE_POWER_TEXT("runtime_status", "unsupported"), \
		DEVICE_POWER_TEXT("runtime_suspended_time", "0")
extern const struct attribute device_power_attrs[];

/* The kernel's sysfs_streq(): equal but for one newline at the end of either. */
bool sysfs_streq(const char *a, const char *b);
/* The kernel's kstrtoul(), kstrtobool(): the whole text with at most one newline behind. 0,
 * -EINVAL, -ERANGE. @base: 0 takes 0x and 0 prefixes. */
int sysfs_parse_ulong(const char *buf, int base, unsigned long *out);
int sysfs_parse_long(const char *buf, int base, long *out);
int sysfs_parse_bool(const char *buf, bool *out);

/* Who writes the tree out (machine/): told of each change, lock held. DEVICE_UNBOUND comes before
 * the driver's remove runs (dev->unbinding is set), as in Linux; DEVICE_REMOVED while the device's
 * names are still there; all others afterwards. */
enum device_change { DEVICE_ADDED, DEVICE_REMOVED, DEVICE_BOUND, DEVICE_UNBOUND, DEVICE_CHANGED };
void device_core_set_observer(struct device_core *core,
			      void (*fn)(void *arg, struct device *dev, enum device_change what),
			      void *arg);
/* An attribute's value changed by itself: tells the observer DEVICE_CHANGED. Lock held. */
void device_changed(struct device *dev);

#endif
