/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mediated devices go: unbound from their driver, removed, or with their parent (the kernel's
 * mdev_device_remove(), mdev_unregister_parent()).
 *
 * As with a function (admin.c) there are three phases: the slot and the names say that it goes; its
 * users give it back, in whichever process, and no lock is held meanwhile; what is left goes. Who
 * does it holds the slot's claim; a slot that says so without being claimed is that of a dead
 * process, and whoever finds it goes on as soon as nobody uses the instance.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "device/uevent.h"
#include "machine/keeper_client.h"
#include "machine/mdev_priv.h"

#define RETRY_USEC   5000
#define FINISH_TRIES 40

static bool goes(const struct mdev_slot *slot)
{
	return slot->state == MDEV_SLOT_REMOVING || slot->unbinding;
}

/* ---- claims --------------------------------------------------------------------------------- */

/* The fd, which a child does not keep (mdevs_after_fork()), or -errno. Where there are more at a
 * time than places, a child may seem to go on with one of them until it ends. */
static int claim_slot(struct uvfio_machine *machine, const struct mdev_slot *slot)
{
	int fd = mdev_slot_claim(machine, slot);

	for (int i = 0; i < MACHINE_MDEV_CLAIMS && fd > 0; i++) {
		int none = 0;

		if (atomic_compare_exchange_strong(&machine->mdev_claims[i], &none, fd))
			break;
	}
	return fd;
}

static void drop_claim(struct uvfio_machine *machine, int fd)
{
	for (int i = 0; i < MACHINE_MDEV_CLAIMS; i++) {
		int own = fd;

		if (atomic_compare_exchange_strong(&machine->mdev_claims[i], &own, 0))
			break;
	}
	fd_close(fd);
}

void mdevs_after_fork(struct uvfio_machine *machine)
{
	for (int i = 0; i < MACHINE_MDEV_CLAIMS; i++) {
		int fd = atomic_exchange(&machine->mdev_claims[i], 0);

		if (fd > 0)
			fd_close(fd);
	}
}

/* ---- the three phases ------------------------------------------------------------------------ */

static void begin(struct uvfio_machine *machine, struct mdev_slot *slot, bool remove)
{
	struct machine_instance *inst = mdev_instance(machine, slot);

	machine->mdevs->going++;
	if (remove)
		slot->state = MDEV_SLOT_REMOVING;
	else
		slot->unbinding = 1;
	machine_write_begin(machine);
	if (inst && remove)
		inst->mdev->active = false;
	if (remove)
		names_going_mdev(machine, slot);
	names_unbound_mdev(machine, slot);
	machine_write_end(machine);
	admin_changed(machine);
}

/* No lock held. */
static void wait_for_users(struct uvfio_machine *machine, const char *uuid, unsigned int group)
{
	admin_release_here(machine, uuid);
	keeper_request_release(machine, uuid, group);
}

/* Nobody has it any more. Locks held. */
static void end(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	struct machine_instance *inst = mdev_instance(machine, slot);
	bool removed = slot->state == MDEV_SLOT_REMOVING;
	const char *driver = "vfio_mdev";

	if (inst) {
		/* Of an object that this process made only now, or could not take yet. */
		device_release_driver(&inst->mdev->dev);
		driver = inst->mdev->parent->mdev_driver->driver.name;
	}
	machine_write_begin(machine);
	if (slot->group != NO_GROUP)
		pr_info("%s %s: Removing from iommu group %u", driver, slot->uuid, slot->group);
	names_drop_mdev_group(machine, slot);
	if (inst && slot->bound)
		device_uevent(&inst->mdev->dev, UEVENT_UNBIND);
	slot->bound = 0;
	if (removed) {
		mdevs_erase(machine, slot);
	} else {
		if (inst && slot->constructed && mdev_device_attaches_once(inst->mdev)) {
			mdev_device_destruct(inst->mdev);
			slot->constructed = 0;
		}
		slot->unbinding = 0;
	}
	machine->mdevs->going--;
	machine_write_end(machine);
	admin_changed(machine);
}

/* Locks held, dropped in between; on failure they stay dropped, and the next one goes on. */
static int finish(struct uvfio_machine *machine, struct mdev_slot *slot, int claim)
{
	unsigned int group = slot->group;
	char uuid[sizeof(slot->uuid)];
	int ret = -EAGAIN;

	snprintf(uuid, sizeof(uuid), "%s", slot->uuid);
	admin_end(machine);
	wait_for_users(machine, uuid, group);
	for (int i = 0; i < FINISH_TRIES && ret; i++) {
		if (i)
			usleep(RETRY_USEC);
		ret = admin_begin(machine);
	}
	if (!ret)
		end(machine, slot);
	drop_claim(machine, claim);
	return ret;
}

static int release(struct uvfio_machine *machine, struct mdev_slot *slot, bool remove)
{
	uint32_t incarnation = slot->incarnation;
	int claim, ret;

	for (;;) {
		claim = slot->state == MDEV_SLOT_ACTIVE && slot->incarnation == incarnation
				? claim_slot(machine, slot)
				: -ENODEV;
		if (claim >= 0)
			break;
		admin_end(machine);
		if (claim != -EBUSY)
			return claim;
		/* Another process unbinds it: first come, first served. */
		usleep(RETRY_USEC);
		ret = admin_begin(machine);
		if (ret)
			return ret;
	}
	begin(machine, slot, remove);
	return finish(machine, slot, claim);
}

int mdevs_remove(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	return release(machine, slot, true);
}

int mdevs_unbind(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	return release(machine, slot, false);
}

/* ---- who asks for it ------------------------------------------------------------------------- */

int mdevs_want_remove(void *arg, struct mdev_device *mdev)
{
	struct uvfio_machine *machine = arg;
	const struct machine_instance *inst = mdev->priv;

	/* Somebody else is removing it: its attribute is gone. */
	if (goes(inst->slot) || inst->slot->state != MDEV_SLOT_ACTIVE)
		return -ENODEV;
	machine->mdev_remove_wanted = inst->slot;
	return 0;
}

struct mdev_slot *mdevs_unbound(struct uvfio_machine *machine, const struct tree_attr *attr,
				const char *text)
{
	const struct device_driver *drv = attr->obj;
	struct mdev_device *mdev;

	if (attr->kind != TREE_DRIVER || strcmp(attr->attr->name, "unbind") ||
	    drv->bus != mdev_bus_type())
		return NULL;
	mdev = mdev_find_device(text);
	return mdev && mdev->dev.driver == drv && mdev->active ? mdev_slot_find(machine, text)
							       : NULL;
}

/* Another one has begun with @slot: ends it when he has died, else waits a little. Locks held, and
 * dropped in between; on failure they stay dropped. */
static int await(struct uvfio_machine *machine, struct mdev_slot *slot)
{
	int claim = claim_slot(machine, slot);

	if (claim >= 0)
		return finish(machine, slot, claim);
	admin_end(machine);
	if (claim != -EBUSY)
		return claim;
	usleep(RETRY_USEC);
	return admin_begin(machine);
}

static struct mdev_slot *child_of(struct uvfio_machine *machine, const char *path)
{
	struct mdev_slot *slot;

	mdev_for_each_slot(slot, machine)
	{
		if (slot->state != MDEV_SLOT_FREE && !strcmp(slot->parent, path))
			return slot;
	}
	return NULL;
}

int mdevs_remove_children(struct uvfio_machine *machine, const char *path)
{
	char parent[sizeof(((struct mdev_slot *)0)->parent)];
	struct mdev_slot *slot;
	int ret = 0;

	/* It may be a slot's, which others write. */
	if (!path || snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return 0;
	while (!ret && (slot = child_of(machine, parent)))
		ret = goes(slot) ? await(machine, slot) : mdevs_remove(machine, slot);
	return ret;
}

struct mdev_slot *mdevs_of_module(struct uvfio_machine *machine, const char *module)
{
	const struct machine_instance *inst;
	struct mdev_slot *slot;

	mdev_for_each_slot(slot, machine)
	{
		inst = slot->state == MDEV_SLOT_FREE ? NULL : mdev_instance(machine, slot);
		if (inst && inst->mdev->parent->mdev_driver->driver.module &&
		    !strcmp(inst->mdev->parent->mdev_driver->driver.module, module))
			return slot;
	}
	return NULL;
}

unsigned int mdevs_module_users(struct uvfio_machine *machine, const char *name)
{
	bool core = !strcmp(name, "vfio"), type1 = !strcmp(name, "vfio_iommu_type1");
	const struct machine_instance *inst;
	const struct mdev_slot *slot;
	unsigned int users = 0;
	const char *own;

	mdev_for_each_slot(slot, machine)
	{
		inst = slot->bound ? mdev_instance(machine, slot) : NULL;
		if (!inst)
			continue;
		own = inst->mdev->parent->mdev_driver->driver.module;
		/* As of functions: each holds the core, an open one what it goes through. */
		users += core;
		if ((core || type1 || (own && !strcmp(own, name))) &&
		    session_group_claimed(machine->session, slot->group))
			users += core ? 3 : 1;
	}
	return users;
}

void mdevs_end_dead(struct uvfio_machine *machine)
{
	struct mdev_slot *slot;
	int claim;

	if (!machine->mdevs || !machine->mdevs->going)
		return;
	mdev_for_each_slot(slot, machine)
	{
		if (!goes(slot) || mdev_slot_claimed(machine, slot) ||
		    (slot->group < MACHINE_GROUPS &&
		     session_group_claimed(machine->session, slot->group)))
			continue;
		claim = claim_slot(machine, slot);
		if (claim < 0)
			continue;
		end(machine, slot);
		drop_claim(machine, claim);
	}
}
