/* SPDX-License-Identifier: BSD-3-Clause */
/* What unit tests do with attributes: found by name, shown and stored as sysfs does. */
#ifndef UVFIO_DEVICE_TESTING_H
#define UVFIO_DEVICE_TESTING_H

#include <check.h>
#include <string.h>

#include "device/device.h"

struct test_wanted {
	const char *name;
	const struct attribute *attr;
};

static inline int test_find(void *arg, void *obj, const struct attribute *attr)
{
	struct test_wanted *wanted = arg;

	if (strcmp(attr->name, wanted->name))
		return 0;
	wanted->attr = attr;
	return 1;
}

/* NULL: the device has none of that name. */
static inline const struct attribute *test_device_attr(struct device *dev, const char *name)
{
	struct test_wanted wanted = { .name = name };

	device_for_each_attribute(dev, test_find, &wanted);
	return wanted.attr;
}

static inline const struct attribute *test_driver_attr(struct device_driver *drv, const char *name)
{
	struct test_wanted wanted = { .name = name };

	driver_for_each_attribute(drv, test_find, &wanted);
	return wanted.attr;
}

static inline ssize_t test_device_store(struct device_core *core, struct device *dev,
					const char *name, const char *text)
{
	const struct attribute *attr = test_device_attr(dev, name);

	ck_assert_msg(attr != NULL, "%s", name);
	return attribute_store(core, dev, attr, text, strlen(text));
}

static inline ssize_t test_driver_store(struct device_core *core, struct device_driver *drv,
					const char *name, const char *text)
{
	const struct attribute *attr = test_driver_attr(drv, name);

	ck_assert_msg(attr != NULL, "%s", name);
	return attribute_store(core, drv, attr, text, strlen(text));
}

/* The text is good until the next call. */
static inline const char *test_device_show(struct device_core *core, struct device *dev,
					   const char *name)
{
	static char buf[ATTRIBUTE_PAGE + 1];
	const struct attribute *attr = test_device_attr(dev, name);
	ssize_t len;

	ck_assert_msg(attr != NULL, "%s", name);
	len = attribute_show(core, dev, attr, buf);
	ck_assert_int_ge(len, 0);
	buf[len] = '\0';
	return buf;
}

#endif
