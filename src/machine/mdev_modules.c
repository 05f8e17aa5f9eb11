/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modules of mediated devices: the core, the generic driver, and drivers with parents of their
 * own. A parent's driver that belongs to PCI functions is in native.c, too: the module registers
 * what instances are bound to, its probe the parent.
 *
 * Each process does this for itself when it follows what is loaded. In a process that only follows,
 * no instance has to be removed: whoever unloads has done so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/following.h"
#include "drivers/mtty/mtty.h"
#include "machine/mdev_priv.h"
#include "machine/parents.h"
#include "machine/uevent.h"

/* Drivers of this library; init: 0 or -errno, and then exit is not called. */
static const struct mdev_module {
	const char *name;
	int (*init)(void);
	void (*exit)(void);
} mdev_modules[] = {
	{ "mtty", mtty_init, mtty_exit },
	{ "vfio_mdev", vfio_mdev_init, vfio_mdev_exit },
};

static const struct mdev_module *find_module(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(mdev_modules); i++)
		if (!strcmp(mdev_modules[i].name, name))
			return &mdev_modules[i];
	return NULL;
}

bool mdev_module_is(const char *name)
{
	return !strcmp(name, "mdev") || find_module(name);
}

/* ---- the core -------------------------------------------------------------------------------- */

static int core_init(struct uvfio_machine *machine)
{
	const struct mdev_env env = {
		.arg = machine,
		.state_get = mdev_states_get,
		.state_put = mdev_states_put,
		.parent_added = mdev_parent_added,
		.parent_removed = mdev_parent_removed,
		.create = mdevs_create,
		.remove = mdevs_want_remove,
		.released = mdevs_released,
	};
	int ret = mdev_table_open(machine);

	if (ret)
		return ret;
	ret = mdev_init(machine->core, &env);
	if (!ret) {
		ret = names_add_mdev_bus(machine);
		if (ret)
			mdev_exit();
	}
	if (ret)
		mdev_table_close(machine);
	return ret;
}

static void core_exit(struct uvfio_machine *machine)
{
	if (!machine->mdevs)
		return;
	names_remove_mdev_bus(machine);
	mdev_exit();
	mdev_table_close(machine);
}

/* ---- drivers --------------------------------------------------------------------------------- */

static void driver_links(const struct device_driver *drv, char *path, char *target, size_t size)
{
	snprintf(path, size, "/sys/module/%s/drivers/mdev:%s", drv->module, drv->name);
	snprintf(target, size, "/sys/bus/mdev/drivers/%s", drv->name);
}

static int add_driver_names(struct uvfio_machine *machine, const char *module)
{
	char path[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];
	struct device_driver *drv;
	int ret = 0;

	list_for_each_entry(drv, &mdev_bus_type()->drivers, node) {
		if (ret || !drv->module || strcmp(drv->module, module))
			continue;
		ret = names_add_driver(machine, drv);
		driver_links(drv, path, target, sizeof(path));
		if (!ret)
			ret = tree_add_link(machine->tree, path, target);
		if (!ret && !lib_following)
			driver_uevent(drv, UEVENT_ADD);
	}
	return ret;
}

static void remove_driver_names(struct uvfio_machine *machine, const char *module)
{
	struct device_driver *drv;

	list_for_each_entry(drv, &mdev_bus_type()->drivers, node)
		if (drv->module && !strcmp(drv->module, module))
			names_remove(machine->tree, "/sys/bus/mdev/drivers/%s", drv->name);
}

int mdev_module_init(struct uvfio_machine *machine, const char *name)
{
	const struct mdev_module *module = find_module(name);
	int ret;

	if (!strcmp(name, "mdev"))
		return core_init(machine);
	if (!module)
		return 0;
	if (!mdev_bus_type())
		return -ENOENT;
	ret = module->init();
	if (ret)
		return ret;
	ret = add_driver_names(machine, name);
	if (!ret && !strcmp(name, "vfio_mdev"))
		ret = parents_add_all(machine);
	if (ret)
		mdev_module_exit(machine, name);
	return ret;
}

void mdev_module_exit(struct uvfio_machine *machine, const char *name)
{
	const struct mdev_module *module = find_module(name);

	if (!strcmp(name, "mdev")) {
		core_exit(machine);
	} else if (module) {
		if (!strcmp(name, "vfio_mdev"))
			parents_remove_all(machine);
		remove_driver_names(machine, name);
		module->exit();
	}
}

/* ---- parents --------------------------------------------------------------------------------- */

/* Of a device that is of a class alone, /sys/devices/virtual/CLASS/NAME: the class; "": another. */
static void class_of(const struct device *dev, char *class, size_t size)
{
	static const char prefix[] = "/sys/devices/virtual/";

	class[0] = '\0';
	if (!dev->bus && !strncmp(dev->sysfs_path, prefix, sizeof(prefix) - 1))
		snprintf(class, size, "%.*s",
			 (int)strcspn(dev->sysfs_path + sizeof(prefix) - 1, "/"),
			 dev->sysfs_path + sizeof(prefix) - 1);
}

static int add_virtual(struct uvfio_machine *machine, struct device *dev, const char *class)
{
	struct tree *tree = machine->tree;
	char path[SYSFS_PATH_MAX];
	int ret = tree_add_dir(tree, dev->sysfs_path, TREE_PLAIN, dev, device_power_attrs);

	snprintf(path, sizeof(path), "%s/uevent", dev->sysfs_path);
	if (!ret)
		ret = tree_add_text(tree, path, 0644, "%s", "");
	if (!ret)
		ret = names_add_link(tree, "%s/subsystem>/sys/class/%s", dev->sysfs_path, class);
	if (!ret)
		ret = names_add_link(tree, "/sys/class/%s/%s>%s", class, dev->name,
				     dev->sysfs_path);
	if (!ret)
		machine_uevent(machine, UEVENT_ADD, dev->sysfs_path, class, "");
	return ret;
}

int mdev_parent_added(void *arg, struct mdev_parent *parent)
{
	struct uvfio_machine *machine = arg;
	char class[64];
	int ret = 0;

	class_of(parent->dev, class, sizeof(class));
	if (class[0])
		ret = add_virtual(machine, parent->dev, class);
	if (!ret)
		ret = names_add_mdev_parent(machine, parent);
	if (ret)
		mdev_parent_removed(machine, parent);
	else if (class[0])
		machine_uevent(machine, UEVENT_CHANGE, parent->dev->sysfs_path, class,
			       "MDEV_STATE=registered\n");
	return ret;
}

/* Another parent of the same class. */
static int shares_class(void *arg, struct mdev_parent *other)
{
	const struct mdev_parent *parent = arg;
	char mine[64], others[64];

	class_of(parent->dev, mine, sizeof(mine));
	class_of(other->dev, others, sizeof(others));
	return other != parent && !strcmp(mine, others);
}

void mdev_parent_removed(void *arg, struct mdev_parent *parent)
{
	struct uvfio_machine *machine = arg;
	const struct device *dev = parent->dev;
	char class[64], state[64];

	names_remove_mdev_parent(machine, dev->sysfs_path, dev->name);
	class_of(dev, class, sizeof(class));
	if (tree_writing(machine->tree)) {
		snprintf(state, sizeof(state), "parent-%s", dev->name);
		mdev_states_forget(machine, state);
	}
	if (!class[0])
		return;
	machine_uevent(machine, UEVENT_CHANGE, dev->sysfs_path, class, "MDEV_STATE=unregistered\n");
	machine_uevent(machine, UEVENT_REMOVE, dev->sysfs_path, class, "");
	names_remove(machine->tree, "/sys/class/%s/%s", class, dev->name);
	tree_remove(machine->tree, dev->sysfs_path);
	if (mdev_for_each_parent(shares_class, parent))
		return;
	names_remove(machine->tree, "/sys/class/%s", class);
	names_remove(machine->tree, "/sys/devices/virtual/%s", class);
}

static int mend_parent(void *arg, struct mdev_parent *parent)
{
	struct uvfio_machine *machine = arg;
	char class[64];

	class_of(parent->dev, class, sizeof(class));
	if (class[0])
		add_virtual(machine, parent->dev, class);
	names_add_mdev_parent(machine, parent);
	return 0;
}

void mdev_modules_mend(struct uvfio_machine *machine)
{
	if (!mdev_bus_type())
		return;
	names_add_mdev_bus(machine);
	for (size_t i = 0; i < ARRAY_SIZE(mdev_modules); i++)
		add_driver_names(machine, mdev_modules[i].name);
	mdev_for_each_parent(mend_parent, machine);
}
