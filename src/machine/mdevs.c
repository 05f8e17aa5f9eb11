/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instances of mediated devices in this process: making one for the session, and objects that
 * follow what other processes made and removed.
 *
 * All of a creation happens under the admin lock: a slot that is MDEV_SLOT_CREATING when somebody
 * else has the lock is that of a process which has died, and goes (mdevs_mend()). The group of an
 * instance is made for it by vfio, of the lowest number that is free; the process that binds
 * chooses, the others follow the slot.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/following.h"
#include "base/log.h"
#include "machine/mdev_priv.h"
#include "mdev/trace.h"

static struct machine_instance *instance_of(const struct device *dev)
{
	return container_of(dev, struct mdev_device, dev)->priv;
}

struct machine_instance *mdev_instance(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	struct mdev_device *mdev = mdev_find_device(slot->uuid);
	struct machine_instance *inst = mdev ? mdev->priv : NULL;

	return inst && inst->slot == slot ? inst : NULL;
}

bool mdevs_going(const struct device *dev)
{
	const struct machine_instance *inst = instance_of(dev);
	const struct mdev_slot *slot = inst ? inst->slot : NULL;

	return !slot || slot->incarnation != inst->incarnation || slot->unbinding ||
	       slot->state == MDEV_SLOT_REMOVING || slot->state == MDEV_SLOT_FREE;
}

uint64_t mdevs_path_mark(struct uvfio_machine *machine, const char *path)
{
	char name[MDEV_NAME_LEN];
	const struct mdev_slot *slot;

	if (!machine->mdevs)
		return 0;
	for (size_t len; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (len != MDEV_NAME_LEN - 1)
			continue;
		memcpy(name, path, len);
		name[len] = '\0';
		slot = mdev_slot_find(machine, name);
		if (slot)
			return (uint64_t)slot->incarnation << 32 |
			       (mdev_slot_index(machine, slot) + 1);
	}
	return 0;
}

void mdevs_note_groups(const struct uvfio_machine *machine, bool used[MACHINE_GROUPS])
{
	const struct mdev_slot *slot;

	mdev_for_each_slot(slot, machine)
	{
		if (slot->state != MDEV_SLOT_FREE && slot->group < MACHINE_GROUPS)
			used[slot->group] = true;
	}
}

/* ---- objects --------------------------------------------------------------------------------- */

static int find_by_path(void *arg, struct mdev_parent *parent)
{
	struct mdev_parent **found = arg;
	const char *path = (const char *)*found;

	if (strcmp(parent->dev->sysfs_path, path))
		return 0;
	*found = parent;
	return 1;
}

/* NULL: this process does not know it (yet). */
static struct mdev_type *type_of(const struct mdev_slot *slot)
{
	struct mdev_parent *found = (struct mdev_parent *)slot->parent;

	return mdev_for_each_parent(find_by_path, &found) ? mdev_find_type(found, slot->type)
							  : NULL;
}

/* The object of @slot's instance, not bound, and its names. */
static int instance_create(struct uvfio_machine *machine, struct mdev_slot *slot,
			   struct machine_instance **out)
{
	struct mdev_type *type = type_of(slot);
	struct machine_instance *inst;
	int ret;

	if (!type)
		return -ENODEV;
	inst = FAIL_POINT() ? NULL : calloc(1, sizeof(*inst));
	if (!inst)
		return -ENOMEM;
	inst->machine = machine;
	inst->slot = slot;
	inst->incarnation = slot->incarnation;
	inst->group = NO_GROUP;
	ret = mdev_device_add(type, slot->uuid, mdev_slot_index(machine, slot), &inst->mdev);
	if (ret) {
		free(inst);
		return ret;
	}
	inst->mdev->priv = inst;
	ret = slot->state == MDEV_SLOT_REMOVING ? 0 : names_add_mdev(inst);
	if (ret)
		mdev_device_del(inst->mdev);
	else
		*out = inst;
	return ret;
}

/* The core frees the device: by mdev_device_del(), or since its parent goes. */
void mdevs_released(void *arg, struct mdev_device *mdev)
{
	free(mdev->priv);
	mdev->priv = NULL;
}

static void instance_destroy(struct machine_instance *inst)
{
	struct tree *tree = inst->machine->tree;

	/* The registry's entries; on disk they have gone with the slot. */
	if (!tree_writing(tree))
		tree_remove(tree, inst->mdev->dev.sysfs_path);
	mdev_device_del(inst->mdev);
}

/* ---- making one ------------------------------------------------------------------------------ */

void mdevs_erase(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	struct machine_instance *inst = mdev_instance(machine, slot);

	/* Its driver gives back what create() has taken, or had taken when it was killed. */
	if (!inst && slot->constructed && instance_create(machine, slot, &inst))
		inst = NULL;
	if (inst && slot->constructed)
		mdev_device_destruct(inst->mdev);
	if (inst)
		trace_mdev(inst->mdev, MDEV_REMOVE, 0, 0);
	slot->constructed = 0;
	names_unbound_mdev(machine, slot);
	names_drop_mdev_group(machine, slot);
	names_remove_mdev(machine, slot);
	if (inst)
		mdev_device_del(inst->mdev);
	mdev_states_forget(machine, slot->uuid);
	slot->bound = 0;
	slot->unbinding = 0;
	slot->state = MDEV_SLOT_FREE;
}

/* The device of @parent is being taken from its driver: it has no new instances. */
static bool parent_goes(struct uvfio_machine *machine, const struct mdev_parent *parent)
{
	const struct machine_function *fn = machine_function_of(machine, parent->dev);

	return parent->unregistering || (fn && fn->slot->unbinding);
}

static void fill_slot(struct mdev_slot *slot, const struct mdev_type *type, const char *uuid)
{
	slot->incarnation++;
	slot->group = NO_GROUP;
	slot->bound = 0;
	slot->constructed = 0;
	slot->unbinding = 0;
	snprintf(slot->uuid, sizeof(slot->uuid), "%s", uuid);
	snprintf(slot->type, sizeof(slot->type), "%s", type->dir);
	snprintf(slot->parent, sizeof(slot->parent), "%s", type->parent->dev->sysfs_path);
	slot->state = MDEV_SLOT_CREATING;
}

int mdevs_create(void *arg, struct mdev_type *type, const char *uuid)
{
	struct uvfio_machine *machine = arg;
	struct machine_instance *inst;
	struct mdev_slot *slot;
	int ret = mdev_slot_find(machine, uuid) ? -EEXIST : mdev_device_may_create(type, uuid);

	if (ret)
		return ret;
	if (parent_goes(machine, type->parent) ||
	    strlen(type->parent->dev->sysfs_path) >= sizeof(slot->parent))
		return -ENODEV;
	slot = mdev_slot_new(machine);
	if (!slot)
		return -ENOSPC;
	/* A process that died may have left its state. */
	mdev_states_forget(machine, uuid);
	fill_slot(slot, type, uuid);
	ret = instance_create(machine, slot, &inst);
	if (ret)
		goto fail;
	trace_mdev(inst->mdev, MDEV_CREATE, 0, 0);
	slot->constructed = 1;
	ret = mdev_device_construct(inst->mdev);
	if (ret)
		slot->constructed = 0;
	else
		ret = mdev_device_bind(inst->mdev);
	trace_mdev_result(inst->mdev, MDEV_CREATE, ret);
	if (ret)
		goto fail;
	slot->bound = 1;
	names_activate_mdev(inst);
	mdev_device_activate(inst->mdev);
	slot->state = MDEV_SLOT_ACTIVE;
	return 0;
fail:
	mdevs_erase(machine, slot);
	return ret;
}

/* ---- following ------------------------------------------------------------------------------- */

static bool claimed_here(const struct machine_instance *inst)
{
	return inst->group != NO_GROUP && group_claimed_here(inst->machine, inst->group);
}

/* Somebody's release is under way: its owner, or this process' keeper thread, ends it. */
static bool release_pending(const struct machine_instance *inst)
{
	const struct device *dev = &inst->mdev->dev;
	const struct mdev_slot *slot = inst->slot;

	if (slot->incarnation == inst->incarnation &&
	    (slot->unbinding || slot->state == MDEV_SLOT_REMOVING))
		return true;
	return dev->unbinding || (dev->driver && claimed_here(inst));
}

static int sync_one_removed(void *arg, struct mdev_device *mdev)
{
	struct machine_instance *inst = mdev->priv;
	const struct mdev_slot *slot = inst->slot;
	bool there = slot->state != MDEV_SLOT_FREE && slot->state != MDEV_SLOT_CREATING &&
		     slot->incarnation == inst->incarnation;

	if (release_pending(inst))
		return 0;
	if (!there) {
		instance_destroy(inst);
		return 0;
	}
	if (mdev->dev.driver && (!slot->bound || inst->group != slot->group))
		device_release_driver(&mdev->dev);
	return 0;
}

void mdevs_sync_removed(struct uvfio_machine *machine)
{
	mdev_for_each_device(sync_one_removed, machine);
}

static void sync_one_found(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	struct machine_instance *inst = mdev_instance(machine, slot);
	int ret = 0;

	if (!inst)
		ret = instance_create(machine, slot, &inst);
	if (!ret && slot->state == MDEV_SLOT_ACTIVE) {
		mdev_device_activate(inst->mdev);
		if (slot->bound && !inst->mdev->dev.driver && !release_pending(inst))
			ret = mdev_device_bind(inst->mdev);
	}
	if (ret && ret != -ENODEV)
		pr_err("mdev %s: cannot be had in this process: %s", slot->uuid, strerror(-ret));
}

void mdevs_sync_found(struct uvfio_machine *machine)
{
	struct mdev_slot *slot;

	if (!mdev_bus_type())
		return;
	mdev_for_each_slot(slot, machine)
	{
		if (slot->state == MDEV_SLOT_ACTIVE || slot->state == MDEV_SLOT_REMOVING)
			sync_one_found(machine, slot);
	}
}

void mdevs_observe(struct uvfio_machine *machine, struct device *dev, enum device_change what)
{
	struct machine_instance *inst = instance_of(dev);

	if (what != DEVICE_BOUND || !inst)
		return;
	inst->slot->bound |= tree_writing(machine->tree);
	names_bound_mdev(inst);
}

/* ---- groups ---------------------------------------------------------------------------------- */

int mdevs_group_alloc(struct uvfio_machine *machine, struct device *dev, struct iommu_group **out)
{
	struct machine_instance *inst = instance_of(dev);
	unsigned int id;
	int ret;

	if (!inst)
		return -ENODEV;
	id = lib_following ? inst->slot->group : machine_free_group(machine);
	if (id >= MACHINE_GROUPS)
		return -ENOSPC;
	ret = group_add(machine, id, NULL);
	if (ret)
		return ret;
	inst->group = id;
	if (!lib_following) {
		inst->slot->group = id;
		pr_info("%s %s: Adding to iommu group %u", dev->driver->name, dev->name, id);
	}
	*out = machine->groups[id].group;
	return 0;
}

void mdevs_group_free(struct uvfio_machine *machine, struct device *dev)
{
	struct machine_instance *inst;
	unsigned int id;

	device_core_lock(machine->core);
	inst = instance_of(dev);
	id = inst ? atomic_exchange(&inst->group, NO_GROUP) : NO_GROUP;
	if (id != NO_GROUP)
		group_remove(machine, id, NULL);
	device_core_unlock(machine->core);
}

/* ---- after an accident ----------------------------------------------------------------------- */

bool mdevs_keep_name(struct uvfio_machine *machine, const char *name)
{
	const struct mdev_slot *slot = mdev_slot_find(machine, name);

	return slot && slot->state == MDEV_SLOT_ACTIVE;
}

static void mend_slot(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	struct machine_instance *inst;

	if (slot->state == MDEV_SLOT_CREATING)
		mdevs_erase(machine, slot);
	if (slot->state == MDEV_SLOT_FREE)
		return;
	inst = mdev_instance(machine, slot);
	if (slot->state == MDEV_SLOT_REMOVING || slot->unbinding || !slot->bound)
		names_unbound_mdev(machine, slot);
	if (slot->state == MDEV_SLOT_REMOVING)
		names_going_mdev(machine, slot);
	if (!inst || slot->state != MDEV_SLOT_ACTIVE)
		return;
	names_add_mdev(inst);
	names_activate_mdev(inst);
	if (inst->mdev->dev.driver && !slot->unbinding)
		names_bound_mdev(inst);
}

void mdevs_mend(struct uvfio_machine *machine)
{
	struct mdev_slot *slot;
	unsigned int going = 0;

	mdev_for_each_slot(slot, machine)
	{
		mend_slot(machine, slot);
		going += slot->state == MDEV_SLOT_REMOVING || slot->unbinding;
	}
	if (machine->mdevs)
		machine->mdevs->going = going;
}
