/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/uevent.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_priv.h"

#define UUID_LEN 36

static const char *const actions[] = {
	[UEVENT_ADD] = "add",	[UEVENT_REMOVE] = "remove", [UEVENT_CHANGE] = "change",
	[UEVENT_MOVE] = "move", [UEVENT_ONLINE] = "online", [UEVENT_OFFLINE] = "offline",
	[UEVENT_BIND] = "bind", [UEVENT_UNBIND] = "unbind",
};

const char *uevent_action_name(enum uevent_action action)
{
	return actions[action];
}

/* ---- an event's keys ------------------------------------------------------------------------- */

static int add_text(struct uevent *event, const char *text, size_t len)
{
	if (event->keys >= UEVENT_KEYS || len >= sizeof(event->buf) - event->len)
		return -ENOMEM;
	memcpy(event->buf + event->len, text, len);
	event->buf[event->len + len] = '\0';
	event->len += len + 1;
	event->keys++;
	return 0;
}

int uevent_add(struct uevent *event, const char *format, ...)
{
	char text[UEVENT_BUFFER];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return len < 0 || (size_t)len >= sizeof(text) ? -ENOMEM
						      : add_text(event, text, (size_t)len);
}

int uevent_add_lines(struct uevent *event, const char *lines)
{
	static const char modalias[] = "MODALIAS=";
	int ret = 0;

	while (*lines && !ret) {
		size_t len = strcspn(lines, "\n");

		if (len && (event->action != UEVENT_UNBIND ||
			    strncmp(lines, modalias, sizeof(modalias) - 1)))
			ret = add_text(event, lines, len);
		lines += len + (lines[len] == '\n');
	}
	return ret;
}

int uevent_begin(struct uevent *event, enum uevent_action action, const char *path,
		 const char *subsystem, const struct uevent_args *args)
{
	static const char sys[] = "/sys";
	int ret;

	event->action = action;
	event->keys = 0;
	event->len = 0;
	if (!strncmp(path, sys, sizeof(sys) - 1))
		path += sizeof(sys) - 1;
	if (strlen(path) >= sizeof(event->devpath))
		return -ENOMEM;
	strcpy(event->devpath, path);
	ret = uevent_add(event, "ACTION=%s", actions[action]);
	if (!ret)
		ret = uevent_add(event, "DEVPATH=%s", path);
	if (!ret)
		ret = uevent_add(event, "SUBSYSTEM=%s", subsystem);
	for (size_t at = 0; args && at < args->len && !ret; at += strlen(args->buf + at) + 1)
		ret = add_text(event, args->buf + at, strlen(args->buf + at));
	return ret;
}

const char *uevent_get(const struct uevent *event, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; at < event->len; at += strlen(event->buf + at) + 1)
		if (!strncmp(event->buf + at, name, len))
			return event->buf + at + len;
	return NULL;
}

/* ---- synthetic events ------------------------------------------------------------------------ */

static bool is_uuid(const char *text)
{
	for (int i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

static int add_arg(struct uevent_args *args, const char *prefix, const char *text, size_t len)
{
	size_t total = strlen(prefix) + len;

	if (args->keys >= UEVENT_KEYS || total >= sizeof(args->buf) - args->len)
		return -EINVAL;
	sprintf(args->buf + args->len, "%s%.*s", prefix, (int)len, text);
	args->len += total + 1;
	args->keys++;
	return 0;
}

static size_t alnum_span(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && isalnum((unsigned char)text[n]))
		n++;
	return n;
}

/* A UUID, then " KEY=VALUE" any number of times, keys and values of letters and digits. */
static int parse_args(const char *text, size_t len, struct uevent_args *args)
{
	size_t at = UUID_LEN;

	if (len < UUID_LEN || !is_uuid(text) || add_arg(args, "SYNTH_UUID=", text, UUID_LEN))
		return -EINVAL;
	while (at < len) {
		size_t key = at + 1, value;

		if (text[at] != ' ')
			return -EINVAL;
		at = key + alnum_span(text + key, len - key);
		if (at == key || at >= len || text[at] != '=')
			return -EINVAL;
		value = at + 1;
		at = value + alnum_span(text + value, len - value);
		if (at == value || add_arg(args, "SYNTH_ARG_", text + key, at - key))
			return -EINVAL;
	}
	return 0;
}

int uevent_parse(const char *text, size_t len, struct uevent_args *args)
{
	const char *space;
	size_t word;

	args->keys = 0;
	args->len = 0;
	args->error = NULL;
	if (len && (text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	space = memchr(text, ' ', len);
	word = space ? (size_t)(space - text) : len;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strlen(actions[i]) != word || memcmp(actions[i], text, word))
			continue;
		args->action = (enum uevent_action)i;
		if (!space)
			return add_arg(args, "SYNTH_UUID=", "0", 1);
		if (!parse_args(space + 1, len - word - 1, args))
			return 0;
		args->error = "incorrect uevent action arguments";
		return -EINVAL;
	}
	args->error = "unknown uevent action string";
	return -EINVAL;
}

ssize_t uevent_stored(const char *path, const struct uevent_args *args, int ret, size_t len)
{
	if (!ret)
		return (ssize_t)len;
	pr_warn("synth uevent: %s: %s", strncmp(path, "/sys", 4) ? path : path + 4,
		args->error ? args->error : "failed to send uevent");
	return ret;
}

/* ---- the core's own -------------------------------------------------------------------------- */

void device_core_set_uevent(struct device_core *core, int (*fn)(void *arg, struct uevent *event),
			    void *arg)
{
	device_core_lock(core);
	core->uevent = fn;
	core->uevent_arg = arg;
	device_core_unlock(core);
}

int device_core_uevent(struct device_core *core, struct uevent *event)
{
	return core->uevent ? core->uevent(core->uevent_arg, event) : 0;
}

/* @driver: name the driver that the device is bound to. */
static int send_device(struct device *dev, enum uevent_action action, bool driver,
		       const struct uevent_args *args)
{
	char lines[ATTRIBUTE_PAGE];
	struct uevent event;
	size_t len = 0;
	int ret;

	if (!dev->bus)
		return 0;
	ret = uevent_begin(&event, action, dev->sysfs_path, dev->bus->name, args);
	if (!ret && driver && dev->driver)
		ret = uevent_add(&event, "DRIVER=%s", dev->driver->name);
	if (dev->bus->uevent)
		len = dev->bus->uevent(dev, lines, sizeof(lines) - 1);
	lines[MIN(len, sizeof(lines) - 1)] = '\0';
	if (!ret)
		ret = uevent_add_lines(&event, lines);
	return ret ? ret : device_core_uevent(dev->bus->core, &event);
}

void device_uevent(struct device *dev, enum uevent_action action)
{
	if (send_device(dev, action, action != UEVENT_UNBIND && !dev->unbinding, NULL))
		pr_warn("%s: the event \"%s\" does not fit", dev->name, actions[action]);
}

static int send_plain(struct device_core *core, enum uevent_action action, const char *path,
		      const char *subsystem, const char *lines, const struct uevent_args *args)
{
	struct uevent event;
	int ret = uevent_begin(&event, action, path, subsystem, args);

	if (!ret)
		ret = uevent_add_lines(&event, lines);
	return ret ? ret : device_core_uevent(core, &event);
}

static void driver_path(const struct device_driver *drv, char *path, size_t size)
{
	snprintf(path, size, "/sys/bus/%s/drivers/%s", drv->bus->name, drv->name);
}

void driver_uevent(struct device_driver *drv, enum uevent_action action)
{
	char path[256];

	driver_path(drv, path, sizeof(path));
	if (send_plain(drv->bus->core, action, path, "drivers", "", NULL))
		pr_warn("%s: the event \"%s\" does not fit", drv->name, actions[action]);
}

/* ---- what is written to `uevent` ------------------------------------------------------------- */

ssize_t uevent_store_plain(struct device_core *core, const char *path, const char *subsystem,
			   const char *lines, const char *text, size_t len)
{
	struct uevent_args args;
	int ret = uevent_parse(text, len, &args);

	if (!ret && subsystem[0])
		ret = send_plain(core, args.action, path, subsystem, lines, &args);
	return uevent_stored(path, &args, ret, len);
}

ssize_t device_uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device *dev = obj;
	struct uevent_args args;
	int ret = uevent_parse(buf, len, &args);

	if (!ret)
		ret = send_device(dev, args.action, !dev->unbinding, &args);
	uevent_stored(dev->sysfs_path, &args, ret, len);
	if (ret)
		pr_warn("%s %s: uevent: failed to send synthetic uevent: %d",
			dev->driver ? dev->driver->name
			: dev->bus  ? dev->bus->name
				    : "",
			dev->name, ret);
	return ret ? ret : (ssize_t)len;
}

ssize_t driver_uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct device_driver *drv = obj;
	char path[256];

	driver_path(drv, path, sizeof(path));
	return uevent_store_plain(drv->bus->core, path, "drivers", "", buf, len);
}

ssize_t bus_uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct bus_type *bus = obj;
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/%s", bus->name);
	return uevent_store_plain(bus->core, path, "bus", "", buf, len);
}
