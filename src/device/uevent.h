/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uevents (the kernel's lib/kobject_uevent.c): what is told to whoever listens when a device,
 * driver or module comes, goes, is bound or unbound, or when somebody writes to its `uevent`.
 *
 * An event is a list of keys in the kernel's order: ACTION, DEVPATH, SUBSYSTEM, what a synthetic
 * event was given, the object's own. SEQNUM, the last, is the listener's affair: whoever carries
 * the events numbers them (device_core_set_uevent()).
 */
#ifndef DEVICE_UEVENT_H
#define DEVICE_UEVENT_H

#include "base/types.h"

struct device;
struct device_driver;
struct bus_type;
struct device_core;

/* The kernel's limits: room for all keys, and how many there may be. */
#define UEVENT_BUFFER 2048
#define UEVENT_KEYS   64

enum uevent_action {
	UEVENT_ADD,
	UEVENT_REMOVE,
	UEVENT_CHANGE,
	UEVENT_MOVE,
	UEVENT_ONLINE,
	UEVENT_OFFLINE,
	UEVENT_BIND,
	UEVENT_UNBIND,
};

struct uevent {
	enum uevent_action action;
	unsigned int keys;
	size_t len;
	char devpath[512];	 /* the path without "/sys" */
	char buf[UEVENT_BUFFER]; /* "KEY=VALUE", each with a NUL behind */
};

/* What was written to `uevent`: the action, and the SYNTH_ keys as they go into the event. */
struct uevent_args {
	enum uevent_action action;
	unsigned int keys;
	size_t len;
	const char *error; /* what is wrong with it, in the kernel's words; NULL: nothing */
	char buf[UEVENT_BUFFER];
};

const char *uevent_action_name(enum uevent_action action);
/* @text: what was written, @len bytes. 0 or -EINVAL, with @args->error. */
int uevent_parse(const char *text, size_t len, struct uevent_args *args);
/* What the write to the `uevent` of the object at @path returns when parsing and sending gave @ret;
 * the kernel's message about a failure. */
ssize_t uevent_stored(const char *path, const struct uevent_args *args, int ret, size_t len);
/* Parses and sends the event of an object that the core does not know; @lines: its own keys. One
 * without subsystem ("") reaches nobody. Lock held. */
ssize_t uevent_store_plain(struct device_core *core, const char *path, const char *subsystem,
			   const char *lines, const char *text, size_t len);

/* Begins the event of the object at @path ("/sys/..."). @args: NULL unless it is synthetic. 0 or
 * -ENOMEM: it does not fit, as in uevent_add(). */
int uevent_begin(struct uevent *event, enum uevent_action action, const char *path,
		 const char *subsystem, const struct uevent_args *args);
/* One key: "NAME=value". */
int uevent_add(struct uevent *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Keys as `uevent` shows them, a line each. An unbind has no MODALIAS. */
int uevent_add_lines(struct uevent *event, const char *lines);
/* Value of a key, or NULL. @name with its '='. */
const char *uevent_get(const struct uevent *event, const char *name);

/* Who carries the events: called with the core's lock held. 0 or -errno, which a synthetic event's
 * writer is told. Without one nothing is told to anybody. */
void device_core_set_uevent(struct device_core *core, int (*fn)(void *arg, struct uevent *event),
			    void *arg);
/* Lock held. */
int device_core_uevent(struct device_core *core, struct uevent *event);

/* What the core tells of itself when a device is added, bound, unbound, removed. An event of a
 * device without bus reaches nobody, as the kernel's of a device without bus and class. */
void device_uevent(struct device *dev, enum uevent_action action);
void driver_uevent(struct device_driver *drv, enum uevent_action action);

#endif
