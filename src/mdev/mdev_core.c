/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parents and instances (the kernel's drivers/vfio/mdev/mdev_core.c).
 *
 * A UUID is there once in the session. How many instances there may be, the parent's driver says,
 * or a number for each parent (EUSERS). An instance can be removed when it is made completely and
 * once (EAGAIN); a parent that goes takes its instances away first, each when its user has given it
 * back, and meanwhile has no new ones (ENODEV).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/following.h"
#include "base/log.h"
#include "device/uevent.h"
#include "mdev/mdev_priv.h"

static struct mdev_core *the_core;

struct mdev_core *mdev_core_get(void)
{
	return the_core;
}

int mdev_init(struct device_core *device_core, const struct mdev_env *env)
{
	struct mdev_core *core;
	int ret;

	core = FAIL_POINT() ? NULL : calloc(1, sizeof(*core));
	if (!core)
		return -ENOMEM;
	if (env)
		core->env = *env;
	list_init(&core->parents);
	list_init(&core->devices);
	mdev_bus_setup(&core->bus);
	ret = bus_register(device_core, &core->bus);
	if (ret) {
		free(core);
		return ret;
	}
	core->outer = the_core;
	the_core = core;
	return 0;
}

void mdev_exit(void)
{
	struct mdev_core *core = the_core;

	if (!core)
		return;
	the_core = core->outer;
	bus_unregister(&core->bus);
	free(core);
}

struct bus_type *mdev_bus_type(void)
{
	return the_core ? &the_core->bus : NULL;
}

/* ---- parents --------------------------------------------------------------------------------- */

const char *mdev_device_api(const struct mdev_parent *parent)
{
	return parent->ops ? parent->ops->device_api : parent->mdev_driver->device_api;
}

size_t mdev_parent_state_size(const struct mdev_parent *parent)
{
	return parent->ops ? parent->ops->parent_state_size
			   : parent->mdev_driver->parent_state_size;
}

size_t mdev_state_size(const struct mdev_parent *parent)
{
	return parent->ops ? parent->ops->state_size : parent->mdev_driver->state_size;
}

static unsigned int max_instances(const struct mdev_parent *parent)
{
	return parent->ops ? parent->ops->max_instances : parent->mdev_driver->max_instances;
}

static unsigned int (*get_available(const struct mdev_parent *parent))(struct mdev_type *)
{
	return parent->ops ? parent->ops->get_available : parent->mdev_driver->get_available;
}

/* An event of the parent's device: it may be of no bus. */
static void parent_uevent(const struct mdev_parent *parent, const char *state)
{
	const struct device *dev = parent->dev;
	struct uevent event;

	if (lib_following || !dev->bus)
		return;
	if (uevent_begin(&event, UEVENT_CHANGE, dev->sysfs_path, dev->bus->name, NULL) ||
	    uevent_add(&event, "MDEV_STATE=%s", state) ||
	    (dev->driver && uevent_add(&event, "DRIVER=%s", dev->driver->name)))
		return;
	device_core_uevent(dev->bus->core, &event);
}

static int add_types(struct mdev_parent *parent, struct mdev_type **types, unsigned int nr_types)
{
	for (unsigned int i = 0; i < nr_types; i++) {
		struct mdev_type *type = types[i];

		type->parent = parent;
		if (snprintf(type->dir, sizeof(type->dir), "%s-%s", parent->driver_name,
			     type->sysfs_name) >= (int)sizeof(type->dir))
			return -ENAMETOOLONG;
		list_add_tail(&type->node, &parent->types);
	}
	return 0;
}

static int register_parent(struct mdev_parent *parent, struct mdev_type **types,
			   unsigned int nr_types)
{
	struct mdev_core *core = parent->core;
	char name[sizeof(parent->dev->name) + 8];
	int ret;

	/* What a directory of types is named after, as dev_driver_string() has it. */
	parent->driver_name = parent->dev->driver ? parent->dev->driver->name
			      : parent->ops	  ? parent->ops->name
			      : parent->dev->bus  ? parent->dev->bus->name
						  : parent->mdev_driver->driver.name;
	list_init(&parent->types);
	ret = add_types(parent, types, nr_types);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), "parent-%s", parent->dev->name);
	ret = mdev_state_get(core, name, mdev_parent_state_size(parent), &parent->shared,
			     &parent->state);
	if (ret)
		return ret;
	list_add_tail(&parent->node, &core->parents);
	ret = core->env.parent_added ? core->env.parent_added(core->env.arg, parent) : 0;
	if (ret) {
		list_del(&parent->node);
		mdev_state_put(core, parent->shared, mdev_parent_state_size(parent));
		return ret;
	}
	if (!lib_following)
		pr_info("%s %s: MDEV: Registered", parent->driver_name, parent->dev->name);
	parent_uevent(parent, "registered");
	return 0;
}

static int register_any(struct mdev_parent *parent, struct device *dev, struct mdev_driver *drv,
			const struct mdev_parent_ops *ops, struct mdev_type **types,
			unsigned int nr_types)
{
	struct mdev_core *core = mdev_core_get();
	int ret;

	memset(parent, 0, sizeof(*parent));
	parent->dev = dev;
	parent->mdev_driver = drv;
	parent->ops = ops;
	parent->core = core;
	list_init(&parent->node);
	if (!core)
		return -ENODEV;
	if (drv->driver.bus != &core->bus)
		return -EBUSY;
	device_core_lock(core->bus.core);
	ret = register_parent(parent, types, nr_types);
	device_core_unlock(core->bus.core);
	return ret;
}

int mdev_register_parent(struct mdev_parent *parent, struct device *dev, struct mdev_driver *drv,
			 struct mdev_type **types, unsigned int nr_types)
{
	return register_any(parent, dev, drv, NULL, types, nr_types);
}

int mdev_register_parent_ops(struct mdev_parent *parent, struct device *dev,
			     const struct mdev_parent_ops *ops, struct mdev_type **types,
			     unsigned int nr_types)
{
	return register_any(parent, dev, &vfio_mdev_driver, ops, types, nr_types);
}

static struct mdev_device *first_device(const struct mdev_parent *parent)
{
	struct mdev_device *mdev;

	list_for_each_entry(mdev, &parent->core->devices, node)
		if (mdev->parent == parent)
			return mdev;
	return NULL;
}

void mdev_unregister_parent(struct mdev_parent *parent)
{
	struct mdev_core *core = parent->core;
	struct mdev_device *mdev;

	device_core_lock(core->bus.core);
	if (!lib_following)
		pr_info("%s %s: MDEV: Unregistering", parent->driver_name, parent->dev->name);
	parent->unregistering = true;
	while ((mdev = first_device(parent))) {
		/* In a session of several processes whoever unregisters for all of them has removed
		 * the instances before; what is left here only follows. */
		if (core->env.remove) {
			mdev_device_del(mdev);
			continue;
		}
		mdev->active = true;
		mdev_device_remove(mdev);
	}
	if (core->env.parent_removed)
		core->env.parent_removed(core->env.arg, parent);
	list_del(&parent->node);
	parent_uevent(parent, "unregistered");
	mdev_state_put(core, parent->shared, mdev_parent_state_size(parent));
	parent->shared = NULL;
	parent->state = NULL;
	device_core_unlock(core->bus.core);
}

struct mdev_parent *mdev_find_parent(const struct device *dev)
{
	struct mdev_parent *parent;

	if (!the_core)
		return NULL;
	list_for_each_entry(parent, &the_core->parents, node)
		if (parent->dev == dev)
			return parent;
	return NULL;
}

struct mdev_type *mdev_find_type(struct mdev_parent *parent, const char *dir)
{
	struct mdev_type *type;

	list_for_each_entry(type, &parent->types, node)
		if (!strcmp(type->dir, dir))
			return type;
	return NULL;
}

int mdev_for_each_parent(int (*fn)(void *arg, struct mdev_parent *parent), void *arg)
{
	struct mdev_parent *parent, *tmp;
	int ret = 0;

	if (!the_core)
		return 0;
	list_for_each_entry_safe(parent, tmp, &the_core->parents, node) {
		ret = fn(arg, parent);
		if (ret)
			break;
	}
	return ret;
}

unsigned int mdev_type_available(struct mdev_type *type)
{
	const struct mdev_parent *parent = type->parent;
	unsigned int (*available)(struct mdev_type *) = get_available(parent);
	unsigned int made = 0;
	struct mdev_device *mdev;

	if (available)
		return available(type);
	list_for_each_entry(mdev, &parent->core->devices, node)
		made += mdev->parent == parent;
	return made < max_instances(parent) ? max_instances(parent) - made : 0;
}

/* ---- instances ------------------------------------------------------------------------------- */

struct mdev_device *mdev_find_device(const char *uuid)
{
	struct device *dev = the_core ? bus_find_device(&the_core->bus, uuid) : NULL;

	return dev ? to_mdev_device(dev) : NULL;
}

int mdev_for_each_device(int (*fn)(void *arg, struct mdev_device *mdev), void *arg)
{
	struct mdev_device *mdev, *tmp;
	int ret = 0;

	if (!the_core)
		return 0;
	list_for_each_entry_safe(mdev, tmp, &the_core->devices, node) {
		ret = fn(arg, mdev);
		if (ret)
			break;
	}
	return ret;
}

int mdev_device_may_create(struct mdev_type *type, const char *uuid)
{
	if (mdev_find_device(uuid))
		return -EEXIST;
	if (!get_available(type->parent) && !mdev_type_available(type))
		return -EUSERS;
	return type->parent->unregistering ? -ENODEV : 0;
}

static void device_release(struct device *dev)
{
	struct mdev_device *mdev = to_mdev_device(dev);
	struct mdev_core *core = mdev->parent->core;

	if (mdev->priv && core->env.released)
		core->env.released(core->env.arg, mdev);
	list_del(&mdev->node);
	mdev_state_put(core, mdev->shared, mdev_state_size(mdev->parent));
	free(mdev);
}

int mdev_device_add(struct mdev_type *type, const char *uuid, uint32_t id, struct mdev_device **out)
{
	struct mdev_parent *parent = type->parent;
	struct mdev_device *mdev = FAIL_POINT() ? NULL : calloc(1, sizeof(*mdev));
	int ret;

	if (!mdev)
		return -ENOMEM;
	snprintf(mdev->dev.name, sizeof(mdev->dev.name), "%s", uuid);
	mdev->dev.bus = &parent->core->bus;
	mdev->dev.parent = parent->dev;
	mdev->dev.release = device_release;
	mdev->type = type;
	mdev->parent = parent;
	mdev->id = id;
	ret = mdev_state_get(parent->core, uuid, mdev_state_size(parent), &mdev->shared,
			     &mdev->state);
	if (ret)
		goto fail;
	ret = device_add(&mdev->dev);
	if (ret)
		goto fail;
	list_add_tail(&mdev->node, &parent->core->devices);
	*out = mdev;
	return 0;
fail:
	mdev_state_put(parent->core, mdev->shared, mdev_state_size(parent));
	free(mdev);
	return ret;
}

int mdev_device_construct(struct mdev_device *mdev)
{
	const struct mdev_parent *parent = mdev->parent;
	int (*create)(struct mdev_device *) = parent->ops ? parent->ops->create
							  : parent->mdev_driver->create;
	int ret = create ? create(mdev) : 0;

	/* To its caller it is what probe would have said. */
	if (ret && !parent->ops)
		pr_kernel_err("%s %s: probe with driver %s failed with error %d",
			      parent->mdev_driver->driver.name, mdev->dev.name,
			      parent->mdev_driver->driver.name, ret);
	return ret;
}

void mdev_device_destruct(struct mdev_device *mdev)
{
	const struct mdev_parent *parent = mdev->parent;
	void (*destroy)(struct mdev_device *) = parent->ops ? parent->ops->destroy
							    : parent->mdev_driver->destroy;

	if (destroy)
		destroy(mdev);
}

int mdev_device_bind(struct mdev_device *mdev)
{
	return device_bind_driver(&mdev->parent->mdev_driver->driver, &mdev->dev);
}

bool mdev_device_attaches_once(const struct mdev_device *mdev)
{
	return !mdev->parent->ops;
}

void mdev_device_activate(struct mdev_device *mdev)
{
	mdev->active = true;
}

void mdev_device_del(struct mdev_device *mdev)
{
	mdev->active = false;
	device_del(&mdev->dev);
}

int mdev_device_create(struct mdev_type *type, const char *uuid)
{
	struct mdev_device *mdev;
	int ret = mdev_device_may_create(type, uuid);

	if (!ret)
		ret = mdev_device_add(type, uuid, 0, &mdev);
	if (ret)
		return ret;
	ret = mdev_device_construct(mdev);
	if (ret)
		goto out_del;
	ret = mdev_device_bind(mdev);
	if (ret)
		goto out_destruct;
	mdev_device_activate(mdev);
	return 0;
out_destruct:
	mdev_device_destruct(mdev);
out_del:
	mdev_device_del(mdev);
	return ret;
}

int mdev_device_remove(struct mdev_device *mdev)
{
	if (!mdev->active)
		return -EAGAIN;
	mdev->active = false;
	device_release_driver(&mdev->dev);
	mdev_device_destruct(mdev);
	mdev_device_del(mdev);
	return 0;
}
