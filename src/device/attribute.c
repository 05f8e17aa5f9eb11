/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes as sysfs runs them: which an object has, show and store under the core's lock, and the
 * kernel's helpers for reading numbers (lib/kstrtox.c).
 */
#include "device/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "device/device_priv.h"

static int attrs_for_each(const struct attribute *attrs, void *obj, attribute_fn fn, void *arg)
{
	int ret = 0;

	for (; attrs && attrs->name && !ret; attrs++)
		if (!attrs->visible || attrs->visible(obj, attrs))
			ret = fn(arg, obj, attrs);
	return ret;
}

int bus_for_each_attribute(struct bus_type *bus, attribute_fn fn, void *arg)
{
	int ret = attrs_for_each(bus_core_attrs, bus, fn, arg);

	return ret ? ret : attrs_for_each(bus->bus_attrs, bus, fn, arg);
}

int driver_for_each_attribute(struct device_driver *drv, attribute_fn fn, void *arg)
{
	int ret = attrs_for_each(driver_core_attrs, drv, fn, arg);

	if (!ret)
		ret = attrs_for_each(drv->bus->drv_attrs, drv, fn, arg);
	return ret ? ret : attrs_for_each(drv->attrs, drv, fn, arg);
}

int device_for_each_attribute(struct device *dev, attribute_fn fn, void *arg)
{
	int ret = attrs_for_each(device_core_attrs, dev, fn, arg);

	if (!ret && dev->bus)
		ret = attrs_for_each(dev->bus->dev_attrs, dev, fn, arg);
	return ret ? ret : attrs_for_each(dev->attrs, dev, fn, arg);
}

ssize_t attribute_show(struct device_core *core, void *obj, const struct attribute *attr, char *buf)
{
	ssize_t ret;

	if (!attr->show)
		return -EIO;
	device_core_lock(core);
	ret = attr->show(obj, attr, buf, ATTRIBUTE_PAGE);
	device_core_unlock(core);
	return ret > ATTRIBUTE_PAGE ? ATTRIBUTE_PAGE : ret;
}

ssize_t attribute_store(struct device_core *core, void *obj, const struct attribute *attr,
			const char *data, size_t len)
{
	char *text;
	ssize_t ret;

	if (!attr->store)
		return -EIO;
	if (!len)
		return 0;
	if (len > ATTRIBUTE_PAGE)
		len = ATTRIBUTE_PAGE;
	text = FAIL_POINT() ? NULL : malloc(len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, data, len);
	text[len] = '\0';
	device_core_lock(core);
	ret = attr->store(obj, attr, text, len);
	device_core_unlock(core);
	free(text);
	return ret;
}

bool sysfs_streq(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return true;
	if (!*a && *b == '\n' && !b[1])
		return true;
	return *a == '\n' && !a[1] && !*b;
}

/* Unsigned digits of @base behind an optional prefix, the whole text but for one newline. */
static int parse_digits(const char *s, int base, unsigned long *out)
{
	unsigned long value = 0;
	bool any = false;

	if (base == 0) {
		base = 10;
		if (s[0] == '0')
			base = (s[1] | 0x20) == 'x' ? 16 : 8;
	}
	if (base == 16 && s[0] == '0' && (s[1] | 0x20) == 'x')
		s += 2;
	for (; *s && *s != '\n'; s++, any = true) {
		int c = *s | 0x20, digit;

		if (*s >= '0' && *s <= '9')
			digit = *s - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else
			return -EINVAL;
		if (digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, (unsigned long)base, &value) ||
		    __builtin_add_overflow(value, (unsigned long)digit, &value))
			return -ERANGE;
	}
	if (!any || (*s == '\n' && s[1]))
		return -EINVAL;
	*out = value;
	return 0;
}

int sysfs_parse_ulong(const char *buf, int base, unsigned long *out)
{
	return parse_digits(buf + (*buf == '+'), base, out);
}

int sysfs_parse_long(const char *buf, int base, long *out)
{
	unsigned long value;
	bool negative = *buf == '-';
	int ret = parse_digits(buf + (negative || *buf == '+'), base, &value);

	if (ret)
		return ret;
	if (value > (unsigned long)INT64_MAX + negative)
		return -ERANGE;
	*out = negative ? (long)-value : (long)value;
	return 0;
}

int sysfs_parse_bool(const char *buf, bool *out)
{
	switch (buf[0]) {
	case 'y':
	case 'Y':
	case 't':
	case 'T':
	case '1':
		*out = true;
		return 0;
	case 'n':
	case 'N':
	case 'f':
	case 'F':
	case '0':
		*out = false;
		return 0;
	case 'o':
	case 'O':
		if ((buf[1] | 0x20) == 'n') {
			*out = true;
			return 0;
		}
		if ((buf[1] | 0x20) == 'f') {
			*out = false;
			return 0;
		}
		return -EINVAL;
	default:
		return -EINVAL;
	}
}
