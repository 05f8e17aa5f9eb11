/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of types and instances (the kernel's drivers/vfio/mdev/mdev_sysfs.c).
 *
 * `create` takes 36 characters of a UUID in any case and at most one more, whatever it is. `remove`
 * takes a number and does nothing for 0. What both do beyond reading the text is the session's
 * affair (struct mdev_env).
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mdev/mdev_priv.h"

#define UUID_LEN (MDEV_NAME_LEN - 1)

/* In small letters into @out: 0 or -EINVAL. */
static int parse_uuid(const char *text, size_t len, char out[MDEV_NAME_LEN])
{
	if (len < UUID_LEN || len > UUID_LEN + 1)
		return -EINVAL;
	for (int i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return -EINVAL;
		out[i] = (char)tolower((unsigned char)text[i]);
	}
	out[UUID_LEN] = '\0';
	return 0;
}

static ssize_t create_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct mdev_type *type = obj;
	const struct mdev_env *env = &type->parent->core->env;
	char uuid[MDEV_NAME_LEN];
	int ret = parse_uuid(buf, len, uuid);

	if (!ret)
		ret = env->create ? env->create(env->arg, type, uuid)
				  : mdev_device_create(type, uuid);
	return ret ? ret : (ssize_t)len;
}

static ssize_t device_api_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct mdev_type *type = obj;

	return snprintf(buf, size, "%s\n", mdev_device_api(type->parent));
}

static ssize_t name_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct mdev_type *type = obj;

	return snprintf(buf, size, "%s\n",
			type->pretty_name ? type->pretty_name : type->sysfs_name);
}

static ssize_t available_instances_show(void *obj, const struct attribute *attr, char *buf,
					size_t size)
{
	return snprintf(buf, size, "%u\n", mdev_type_available(obj));
}

typedef ssize_t (*description_fn)(struct mdev_type *type, char *buf, size_t size);

static description_fn description_of(const struct mdev_type *type)
{
	const struct mdev_parent *parent = type->parent;

	return parent->ops ? parent->ops->show_description : parent->mdev_driver->show_description;
}

static ssize_t description_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return description_of(obj)(obj, buf, size);
}

static bool has_description(void *obj, const struct attribute *attr)
{
	return description_of(obj) != NULL;
}

const struct attribute mdev_type_attrs[] = {
	{ .name = "create", .mode = 0200, .store = create_store },
	{ .name = "device_api", .mode = 0444, .show = device_api_show },
	{ .name = "name", .mode = 0444, .show = name_show },
	{ .name = "available_instances",
	  .mode = 0444,
	  .show = available_instances_show,
	  .volatile_value = true },
	{ .name = "description",
	  .mode = 0444,
	  .show = description_show,
	  .visible = has_description },
	{ .name = NULL },
};

static ssize_t remove_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct mdev_device *mdev = to_mdev_device(obj);
	const struct mdev_env *env = &mdev->parent->core->env;
	unsigned long value;
	int ret;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	if (!value)
		return (ssize_t)len;
	ret = env->remove ? env->remove(env->arg, mdev) : mdev_device_remove(mdev);
	return ret ? ret : (ssize_t)len;
}

const struct attribute mdev_device_attrs[] = {
	DEVICE_POWER_ATTRS,
	{ .name = "remove", .mode = 0200, .store = remove_store },
	{ .name = NULL },
};
