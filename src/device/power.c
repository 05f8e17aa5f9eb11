/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory `power` of a device without runtime power management (the kernel's
 * drivers/base/power/sysfs.c): `control` can be set and does nothing, there is no delay to be set.
 */
#include <errno.h>
#include <stdio.h>

#include "device/device.h"

ssize_t device_power_text(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", (const char *)attr->arg);
}

ssize_t device_power_control_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct device *dev = obj;

	return snprintf(buf, size, "%s\n", dev->stays_on ? "on" : "auto");
}

ssize_t device_power_control_store(void *obj, const struct attribute *attr, const char *buf,
				   size_t len)
{
	struct device *dev = obj;

	if (!sysfs_streq(buf, "auto") && !sysfs_streq(buf, "on"))
		return -EINVAL;
	dev->stays_on = sysfs_streq(buf, "on");
	return (ssize_t)len;
}

ssize_t device_power_delay_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return -EIO;
}

ssize_t device_power_delay_store(void *obj, const struct attribute *attr, const char *buf,
				 size_t len)
{
	return -EIO;
}

const struct attribute device_power_attrs[] = { DEVICE_POWER_ATTRS, { .name = NULL } };
