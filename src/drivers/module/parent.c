/* SPDX-License-Identifier: BSD-3-Clause */
/* Other people's parents: what they say of themselves is checked, the device that they stand for is
 * made. */
#include "drivers/module/parent.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "drivers/module/parent_priv.h"

#define NAME_MAX_CHARS 31

static int __attribute__((format(printf, 3, 4)))
bad(char *err, size_t err_size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err, err_size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static bool name_valid(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = name ? strlen(name) : 0;

	return len && len <= NAME_MAX_CHARS && strspn(name, allowed) == len && name[0] != '.';
}

static int check_types(const struct uvfio_mdev_ops *ops, char *err, size_t err_size)
{
	if (!ops->num_types || !ops->types)
		return bad(err, err_size, "the parent %s has no types; give one at least",
			   ops->name);
	for (uint32_t i = 0; i < ops->num_types; i++) {
		const char *name = ops->types[i].name;

		if (!name_valid(name))
			return bad(err, err_size,
				   "the parent %s: type %u is named \"%s\"; take 1 to %d letters, "
				   "digits and -_.",
				   ops->name, i, name ? name : "", NAME_MAX_CHARS);
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(name, ops->types[j].name))
				return bad(err, err_size,
					   "the parent %s has two types named \"%s\"", ops->name,
					   name);
	}
	return 0;
}

static int check_tables(const struct uvfio_mdev_ops *ops, char *err, size_t err_size)
{
	const uint32_t flags = UVFIO_REGION_READ | UVFIO_REGION_WRITE | UVFIO_REGION_MMAP;
	const uint32_t irq_flags = UVFIO_IRQ_EVENTFD | UVFIO_IRQ_MASKABLE | UVFIO_IRQ_AUTOMASKED |
				   UVFIO_IRQ_NORESIZE;

	if (ops->num_regions > PARENT_REGIONS || (ops->num_regions && !ops->regions))
		return bad(err, err_size,
			   "the parent %s has %u regions; at most %d fit, in a table", ops->name,
			   ops->num_regions, PARENT_REGIONS);
	for (uint32_t i = 0; i < ops->num_regions; i++)
		if (ops->regions[i].size > 1ULL << PARENT_REGION_SHIFT ||
		    (ops->regions[i].flags & ~flags))
			return bad(
				err, err_size,
				"the parent %s: region %u of %#llx bytes with flags %#x; at most "
				"2^40 bytes and flags %#x serve",
				ops->name, i, (unsigned long long)ops->regions[i].size,
				ops->regions[i].flags, flags);
	if (ops->num_irqs > PARENT_IRQS || (ops->num_irqs && !ops->irqs))
		return bad(err, err_size,
			   "the parent %s has %u interrupts; at most %d fit, in a table", ops->name,
			   ops->num_irqs, PARENT_IRQS);
	for (uint32_t i = 0; i < ops->num_irqs; i++)
		if (ops->irqs[i].count > PARENT_VECTORS || (ops->irqs[i].flags & ~irq_flags))
			return bad(err, err_size,
				   "the parent %s: interrupt %u of %u vectors with flags %#x; at "
				   "most %d vectors and flags %#x serve",
				   ops->name, i, ops->irqs[i].count, ops->irqs[i].flags,
				   PARENT_VECTORS, irq_flags);
	return 0;
}

int module_parent_check(const struct uvfio_mdev_ops *ops, char *err, size_t err_size)
{
	int ret;

	if (ops->version != UVFIO_MDEV_VERSION || ops->size != sizeof(*ops))
		return bad(
			err, err_size,
			"the parent speaks version %u of <uvfio/mdev.h> (%u bytes of operations), "
			"this uvfio version %d (%zu); compile it against the installed header",
			ops->version, ops->size, UVFIO_MDEV_VERSION, sizeof(*ops));
	if (!name_valid(ops->name))
		return bad(err, err_size,
			   "a parent is named \"%s\"; take 1 to %d letters, digits and -_.",
			   ops->name ? ops->name : "", NAME_MAX_CHARS);
	if (!ops->available && !ops->max_instances)
		return bad(err, err_size,
			   "the parent %s has no instances to give; set available or max_instances",
			   ops->name);
	if (ops->destroy && !ops->create)
		return bad(err, err_size, "the parent %s has destroy without create", ops->name);
	ret = check_types(ops, err, err_size);
	return ret ? ret : check_tables(ops, err, err_size);
}

/* ---- the parent ------------------------------------------------------------------------------ */

static void release_device(struct device *dev)
{
	free(dev);
}

/* /sys/devices/virtual/uvfio/NAME */
static int add_device(struct module_parent *parent)
{
	const char *name = parent->pub.ops->name;
	struct device *dev = FAIL_POINT() ? NULL : calloc(1, sizeof(*dev));
	int ret;

	if (!dev)
		return -ENOMEM;
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->release = release_device;
	if (FAIL_POINT() || asprintf(&dev->sysfs_path, "/sys/devices/virtual/uvfio/%s", name) < 0) {
		free(dev);
		return -ENOMEM;
	}
	ret = device_add(dev);
	if (ret) {
		free(dev->sysfs_path);
		free(dev);
		return ret;
	}
	parent->dev = dev;
	return 0;
}

static int add_types(struct module_parent *parent)
{
	const struct uvfio_mdev_ops *ops = parent->pub.ops;

	parent->types = FAIL_POINT() ? NULL : calloc(ops->num_types, sizeof(*parent->types));
	parent->list = FAIL_POINT() ? NULL : calloc(ops->num_types, sizeof(*parent->list));
	if (!parent->types || !parent->list)
		return -ENOMEM;
	for (uint32_t i = 0; i < ops->num_types; i++) {
		parent->types[i] = (struct mdev_type){ .sysfs_name = ops->types[i].name,
						       .pretty_name = ops->types[i].pretty_name };
		parent->list[i] = &parent->types[i];
	}
	return 0;
}

static void free_parent(struct module_parent *parent)
{
	free(parent->types);
	free(parent->list);
	free(parent);
}

static int has_name(void *arg, struct mdev_parent *parent)
{
	return !strcmp(parent->dev->name, arg);
}

static bool is_taken(const char *name)
{
	struct device_core *core = mdev_bus_type()->core;
	bool taken;

	device_core_lock(core);
	taken = mdev_for_each_parent(has_name, (void *)(uintptr_t)name);
	device_core_unlock(core);
	return taken;
}

int module_parent_register(const struct uvfio_mdev_ops *ops, struct uvfio_mdev_parent **out,
			   char *err, size_t err_size)
{
	struct module_parent *parent;
	int ret = module_parent_check(ops, err, err_size);

	if (ret)
		return ret;
	if (!mdev_bus_type())
		return -ENODEV;
	if (is_taken(ops->name)) {
		bad(err, err_size, "there is a parent named %s; give another name", ops->name);
		return -EEXIST;
	}
	parent = FAIL_POINT() ? NULL : calloc(1, sizeof(*parent));
	if (!parent)
		return -ENOMEM;
	parent->pub.host = &parent_host;
	parent->pub.ops = ops;
	parent_set_ops(parent);
	ret = add_types(parent);
	if (!ret)
		ret = add_device(parent);
	if (ret) {
		free_parent(parent);
		return ret;
	}
	ret = mdev_register_parent_ops(&parent->mdev, parent->dev, &parent->ops, parent->list,
				       ops->num_types);
	if (ret) {
		device_del(parent->dev);
		free_parent(parent);
		return ret;
	}
	parent->pub.state = parent->mdev.state;
	*out = &parent->pub;
	return 0;
}

void module_parent_unregister(struct uvfio_mdev_parent *pub)
{
	struct module_parent *parent = container_of(pub, struct module_parent, pub);

	mdev_unregister_parent(&parent->mdev);
	device_del(parent->dev);
	free_parent(parent);
}
