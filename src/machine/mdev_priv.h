/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mediated devices in the machine: the session's instances (mdev_table.c), their objects in this
 * process (mdevs.c), their removal (mdevs_remove.c), their names (names_mdev.c), and the modules
 * that have parents (mdev_modules.c).
 *
 * An instance is admin state: a slot of the file `mdev`, changed under the session's admin lock. A
 * slot's state is set in one step and says what is decided; names and objects follow from it.
 * Everything here runs under the core's lock unless said otherwise.
 */
#ifndef MACHINE_MDEV_PRIV_H
#define MACHINE_MDEV_PRIV_H

#include <stdatomic.h>

#include "machine/machine_priv.h"
#include "mdev/mdev.h"

#define MDEV_SLOTS 2048

enum mdev_slot_state {
	MDEV_SLOT_FREE,
	MDEV_SLOT_CREATING, /* with the admin lock held; without, its creator has died */
	MDEV_SLOT_ACTIVE,
	MDEV_SLOT_REMOVING, /* whoever has the slot's claim waits for its user; nobody: he died */
};

struct mdev_slot {
	char uuid[40];
	char type[64];		      /* the directory of its type */
	char parent[128];	      /* path of the parent's device */
	_Atomic uint32_t state;	      /* enum mdev_slot_state */
	_Atomic uint32_t incarnation; /* how often the slot was given */
	_Atomic uint32_t group;	      /* NO_GROUP: none */
	_Atomic uint32_t bound;	      /* to its parent's driver */
	_Atomic uint32_t constructed; /* the driver's create() has begun, its destroy() not ended */
	_Atomic uint32_t unbinding;   /* as MDEV_SLOT_REMOVING, but it stays */
};

struct mdev_table {
	uint64_t magic;
	_Atomic uint32_t used;	/* no slot behind has ever been given */
	_Atomic uint32_t going; /* how many are being removed or unbound */
	struct mdev_slot slot[MDEV_SLOTS];
};

/* The object of an instance in this process. */
struct machine_instance {
	struct uvfio_machine *machine;
	struct mdev_slot *slot;
	uint32_t incarnation; /* the slot's when it was made */
	struct mdev_device *mdev;
	_Atomic unsigned int group; /* in this process; NO_GROUP: none */
};

/* ---- mdev_table.c ---------------------------------------------------------------------------- */

/* Maps the session's table, made by the first. 0 or -errno. */
int mdev_table_open(struct uvfio_machine *machine);
void mdev_table_close(struct uvfio_machine *machine);
/* NULL: no instance of that name, whatever its state. */
struct mdev_slot *mdev_slot_find(struct uvfio_machine *machine, const char *uuid);
/* A free one, or NULL. */
struct mdev_slot *mdev_slot_new(struct uvfio_machine *machine);
unsigned int mdev_slot_index(const struct uvfio_machine *machine, const struct mdev_slot *slot);
#define mdev_for_each_slot(slot, machine)                                                     \
	for (slot = (machine)->mdevs ? (machine)->mdevs->slot : NULL;                         \
	     slot && slot < (machine)->mdevs->slot + MIN((machine)->mdevs->used, MDEV_SLOTS); \
	     slot++)
/* The UUID of the slot with this number, for the trace; any thread, in signal context, too. */
const char *mdev_slot_name(uint32_t index);
/* The claim of whoever removes or unbinds; as admin_claim(). The fd or -errno. */
int mdev_slot_claim(struct uvfio_machine *machine, const struct mdev_slot *slot);
bool mdev_slot_claimed(struct uvfio_machine *machine, const struct mdev_slot *slot);
/* For struct mdev_env: states of parents and instances are files of the session. */
int mdev_states_get(void *machine, const char *name, size_t size, void **out);
void mdev_states_put(void *machine, void *state, size_t size);
/* It is zeroed when it is asked for next. */
void mdev_states_forget(struct uvfio_machine *machine, const char *name);

/* ---- mdevs.c --------------------------------------------------------------------------------- */

/* NULL: this process has no object of it. */
struct machine_instance *mdev_instance(struct uvfio_machine *machine, const struct mdev_slot *slot);
/* For struct mdev_env. */
int mdevs_create(void *machine, struct mdev_type *type, const char *uuid);
void mdevs_released(void *machine, struct mdev_device *mdev);
/* Objects follow the slots: those that go, before modules and functions do, and those that come,
 * afterwards. */
void mdevs_sync_removed(struct uvfio_machine *machine);
void mdevs_sync_found(struct uvfio_machine *machine);
/* For the observer: a device of the bus "mdev". */
void mdevs_observe(struct uvfio_machine *machine, struct device *dev, enum device_change what);
/* For struct vfio_env. */
int mdevs_group_alloc(struct uvfio_machine *machine, struct device *dev, struct iommu_group **out);
void mdevs_group_free(struct uvfio_machine *machine, struct device *dev);
/* Groups that instances have, in any state, are marked. */
void mdevs_note_groups(const struct uvfio_machine *machine, bool used[MACHINE_GROUPS]);
/* Takes the instance, which nobody else knows, out of the session. The tree writes. */
void mdevs_erase(struct uvfio_machine *machine, struct mdev_slot *slot);
/* What a process that died in between left half made; the tree is mended. */
void mdevs_mend(struct uvfio_machine *machine);
bool mdevs_keep_name(struct uvfio_machine *machine, const char *name);

/* The device's instance is being removed or unbound, in whichever process. */
bool mdevs_going(const struct device *dev);
/* Which instance @path is of, and which of those that have had its name; 0: none. Any thread. */
uint64_t mdevs_path_mark(struct uvfio_machine *machine, const char *path);

/* ---- mdevs_remove.c -------------------------------------------------------------------------- */

/* For struct mdev_env: what admin_store() does when `remove` has been written. */
int mdevs_want_remove(void *machine, struct mdev_device *mdev);
/* Removes it when its user has given it back. Locks held, dropped in between; on failure they stay
 * dropped. */
int mdevs_remove(struct uvfio_machine *machine, struct mdev_slot *slot);
/* `unbind` of its driver; the same locks. */
int mdevs_unbind(struct uvfio_machine *machine, struct mdev_slot *slot);
/* The instance that a write of @text to @attr unbinds; NULL: another write, or one that fails. */
struct mdev_slot *mdevs_unbound(struct uvfio_machine *machine, const struct tree_attr *attr,
				const char *text);
/* All instances below the device at @path; the same locks. */
int mdevs_remove_children(struct uvfio_machine *machine, const char *path);
/* One of the module @module's that is there; NULL: none. */
struct mdev_slot *mdevs_of_module(struct uvfio_machine *machine, const char *module);
/* A removal is the parent's, and must not seem to go on after its death. */
void mdevs_after_fork(struct uvfio_machine *machine);
/* How often instances hold the module @name of VFIO, or of their own driver. */
unsigned int mdevs_module_users(struct uvfio_machine *machine, const char *name);
/* Ends what the dead have begun, as far as nobody uses the instance. Locks held. */
void mdevs_end_dead(struct uvfio_machine *machine);

/* ---- names_mdev.c ---------------------------------------------------------------------------- */

int names_add_mdev_bus(struct uvfio_machine *machine);
void names_remove_mdev_bus(struct uvfio_machine *machine);
int names_add_mdev_parent(struct uvfio_machine *machine, struct mdev_parent *parent);
/* Of the parent's device at @path, named @name. */
void names_remove_mdev_parent(struct uvfio_machine *machine, const char *path, const char *name);
/* The same where the driver's process has taken it from the registry; and its state. */
void names_drop_mdev_parent(struct uvfio_machine *machine, const char *path, const char *name);
int names_add_mdev(struct machine_instance *inst);
/* It is made completely: the links between it and its type. */
void names_activate_mdev(struct machine_instance *inst);
void names_bound_mdev(struct machine_instance *inst);
/* @slot's instance is being unbound or removed: what goes before its user has given it back, and
 * what goes with the group afterwards. */
void names_unbound_mdev(struct uvfio_machine *machine, const struct mdev_slot *slot);
void names_going_mdev(struct uvfio_machine *machine, const struct mdev_slot *slot);
void names_drop_mdev_group(struct uvfio_machine *machine, struct mdev_slot *slot);
void names_remove_mdev(struct uvfio_machine *machine, const struct mdev_slot *slot);
void mdev_slot_path(const struct mdev_slot *slot, char *path, size_t size);

/* ---- mdev_modules.c -------------------------------------------------------------------------- */

/* What the module @name does when it is loaded, and takes back: 0 or -errno; 0 as well for a module
 * that has nothing to do with mediated devices. */
int mdev_module_init(struct uvfio_machine *machine, const char *name);
void mdev_module_exit(struct uvfio_machine *machine, const char *name);
/* A module that mdev_module_init() knows. */
bool mdev_module_is(const char *name);
/* For struct mdev_env. */
int mdev_parent_added(void *machine, struct mdev_parent *parent);
void mdev_parent_removed(void *machine, struct mdev_parent *parent);
/* Adds what is missing of names; the tree is mended. */
void mdev_modules_mend(struct uvfio_machine *machine);

#endif
