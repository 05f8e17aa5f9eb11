/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of mediated devices: the bus "mdev", the class mdev_bus, parents with their types,
 * instances with what VFIO makes for them. In the order in which Linux does it: an instance gets
 * its links to and from its type when it is made completely, and loses them first.
 */
#include <stdio.h>
#include <string.h>

#include "machine/mdev_priv.h"
#include "machine/uevent.h"

/* ---- the bus and its parents ----------------------------------------------------------------- */

int names_add_mdev_bus(struct uvfio_machine *machine)
{
	static const char *const dirs[] = { "/sys/bus/mdev/devices", "/sys/bus/mdev/drivers",
					    "/sys/class/mdev_bus" };
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !ret; i++)
		ret = tree_add_dir(machine->tree, dirs[i], TREE_PLAIN, NULL, NULL);
	if (!ret)
		ret = tree_add_dir(machine->tree, "/sys/bus/mdev", TREE_BUS, mdev_bus_type(), NULL);
	if (!ret)
		machine_uevent(machine, UEVENT_ADD, "/sys/bus/mdev", "bus", "");
	return ret;
}

void names_remove_mdev_bus(struct uvfio_machine *machine)
{
	tree_remove(machine->tree, "/sys/class/mdev_bus");
	machine_uevent(machine, UEVENT_REMOVE, "/sys/bus/mdev", "bus", "");
	tree_remove(machine->tree, "/sys/bus/mdev");
}

int names_add_mdev_parent(struct uvfio_machine *machine, struct mdev_parent *parent)
{
	const struct device *dev = parent->dev;
	char path[SYSFS_PATH_MAX];
	struct mdev_type *type;
	int ret = 0;

	list_for_each_entry(type, &parent->types, node) {
		snprintf(path, sizeof(path), "%s/mdev_supported_types/%s", dev->sysfs_path,
			 type->dir);
		if (!ret)
			ret = tree_add_dir(machine->tree, path, TREE_PLAIN, type, mdev_type_attrs);
		strcat(path, "/devices");
		if (!ret)
			ret = tree_add_dir(machine->tree, path, TREE_PLAIN, NULL, NULL);
	}
	return ret ? ret
		   : names_add_link(machine->tree, "/sys/class/mdev_bus/%s>%s", dev->name,
				    dev->sysfs_path);
}

void names_remove_mdev_parent(struct uvfio_machine *machine, const char *path, const char *name)
{
	names_remove(machine->tree, "/sys/class/mdev_bus/%s", name);
	names_remove(machine->tree, "%s/mdev_supported_types", path);
}

void names_drop_mdev_parent(struct uvfio_machine *machine, const char *path, const char *name)
{
	char types[SYSFS_PATH_MAX], state[64];

	snprintf(types, sizeof(types), "%s/mdev_supported_types", path);
	if (!tree_exists(machine->tree, types))
		return;
	names_remove_mdev_parent(machine, path, name);
	snprintf(state, sizeof(state), "parent-%s", name);
	mdev_states_forget(machine, state);
}

/* ---- instances ------------------------------------------------------------------------------- */

void mdev_slot_path(const struct mdev_slot *slot, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", slot->parent, slot->uuid);
}

int names_add_mdev(struct machine_instance *inst)
{
	struct tree *tree = inst->machine->tree;
	const struct device *dev = &inst->mdev->dev;
	int ret = tree_add_dir(tree, dev->sysfs_path, TREE_DEVICE, &inst->mdev->dev, NULL);

	if (!ret)
		ret = names_add_link(tree, "%s/subsystem>/sys/bus/mdev", dev->sysfs_path);
	return ret ? ret
		   : names_add_link(tree, "/sys/bus/mdev/devices/%s>%s", dev->name,
				    dev->sysfs_path);
}

void names_activate_mdev(struct machine_instance *inst)
{
	struct tree *tree = inst->machine->tree;
	const struct mdev_slot *slot = inst->slot;
	char path[SYSFS_PATH_MAX];

	mdev_slot_path(slot, path, sizeof(path));
	names_add_link(tree, "%s/mdev_supported_types/%s/devices/%s>%s", slot->parent, slot->type,
		       slot->uuid, path);
	names_add_link(tree, "%s/mdev_type>%s/mdev_supported_types/%s", path, slot->parent,
		       slot->type);
}

void names_bound_mdev(struct machine_instance *inst)
{
	struct uvfio_machine *machine = inst->machine;
	struct device *dev = &inst->mdev->dev;

	names_add_link(machine->tree, "%s/driver>/sys/bus/mdev/drivers/%s", dev->sysfs_path,
		       dev->driver->name);
	names_add_link(machine->tree, "/sys/bus/mdev/drivers/%s/%s>%s", dev->driver->name,
		       dev->name, dev->sysfs_path);
	/* What the driver has beside the bus' attributes. */
	if (dev->attrs)
		tree_add_dir(machine->tree, dev->sysfs_path, TREE_DEVICE, dev, NULL);
	if (inst->group == NO_GROUP)
		return;
	names_add_link(machine->tree, "%s/iommu_group>/sys/kernel/iommu_groups/%u", dev->sysfs_path,
		       inst->group);
	names_add_link(machine->tree, "/sys/kernel/iommu_groups/%u/devices/%s>%s", inst->group,
		       dev->name, dev->sysfs_path);
	names_add_vfio_group(machine, inst->group);
	names_add_vfio_dev(machine, dev->sysfs_path);
}

struct unbound {
	struct uvfio_machine *machine;
	const char *uuid;
};

static void drop_driver_link(void *arg, const char *name)
{
	const struct unbound *unbound = arg;

	names_remove(unbound->machine->tree, "/sys/bus/mdev/drivers/%s/%s", name, unbound->uuid);
}

void names_unbound_mdev(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	const struct machine_instance *inst = mdev_instance(machine, slot);
	const struct attribute *attr = inst ? inst->mdev->parent->mdev_driver->dev_attrs : NULL;
	struct unbound unbound = { machine, slot->uuid };
	char path[SYSFS_PATH_MAX];

	mdev_slot_path(slot, path, sizeof(path));
	names_remove(machine->tree, "%s/driver", path);
	tree_for_each_name(machine->tree, "/sys/bus/mdev/drivers", drop_driver_link, &unbound);
	names_remove_vfio_devs(machine, path);
	/* What the driver has added; an attribute "dir/name" has a directory of its own. */
	for (; attr && attr->name; attr++)
		names_remove(machine->tree, "%s/%.*s", path, (int)strcspn(attr->name, "/"),
			     attr->name);
}

void names_going_mdev(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	struct tree *tree = machine->tree;
	char path[SYSFS_PATH_MAX];

	mdev_slot_path(slot, path, sizeof(path));
	names_remove(tree, "%s/mdev_supported_types/%s/devices/%s", slot->parent, slot->type,
		     slot->uuid);
	names_remove(tree, "%s/mdev_type", path);
	names_remove(tree, "%s/remove", path);
	names_remove(tree, "%s/uevent", path);
	names_remove(tree, "/sys/bus/mdev/devices/%s", slot->uuid);
}

void names_drop_mdev_group(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	char path[SYSFS_PATH_MAX];

	mdev_slot_path(slot, path, sizeof(path));
	names_remove_vfio_devs(machine, path);
	if (slot->group >= MACHINE_GROUPS)
		return;
	names_remove_vfio_group(machine, slot->group);
	names_remove(machine->tree, "%s/iommu_group", path);
	names_remove_group(machine, slot->group);
	slot->group = NO_GROUP;
}

void names_remove_mdev(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	char path[SYSFS_PATH_MAX];

	names_going_mdev(machine, slot);
	mdev_slot_path(slot, path, sizeof(path));
	tree_remove(machine->tree, path);
}
