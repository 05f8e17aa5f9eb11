/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process may be killed between any two of the names that a change writes. The session file says
 * that somebody is writing; who takes the admin lock next and finds it so brings the tree into line
 * with what is decided in one step and therefore never half done: a function is there when its slot
 * says so, bound to what its `driver` link leads to; a module is loaded when the list says so. All
 * other names follow from these. Objects of this process have followed them already (admin.c).
 *
 * Locks: core's lock and the session's admin lock.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "machine/mdev_priv.h"
#include "machine/modules_priv.h"

bool machine_torn(const struct uvfio_machine *machine)
{
	return session_shared(machine->session)->writing;
}

void machine_write_begin(struct uvfio_machine *machine)
{
	session_shared(machine->session)->writing = 1;
	tree_set_writing(machine->tree, true);
}

void machine_write_end(struct uvfio_machine *machine)
{
	tree_set_writing(machine->tree, false);
}

void machine_whole(struct uvfio_machine *machine)
{
	session_shared(machine->session)->writing = 0;
}

/* ---- what should be there -------------------------------------------------------------------- */

static void add_missing(struct uvfio_machine *machine)
{
	struct machine_function *fn;

	names_add_static(machine);
	for (unsigned int id = 0; id < MACHINE_GROUPS; id++)
		if (machine->groups[id].group)
			names_add_group(machine, id);
	modules_mend(machine);
	list_for_each_entry(fn, &machine->functions, node) {
		if (!fn->pdev)
			continue;
		/* The group of a function that a dead process was about to bind. */
		if (!machine->iommu && !fn->pdev->dev.driver && !fn->slot->unbinding) {
			names_remove_membership(fn, NO_GROUP);
			noiommu_drop_group(fn);
		}
		names_add_function(fn);
		if (fn->pdev->dev.driver && !fn->slot->unbinding)
			names_bound(fn);
	}
	mdev_modules_mend(machine);
	mdevs_mend(machine);
}

/* ---- what should not ------------------------------------------------------------------------- */

static bool is_here(struct uvfio_machine *machine, const char *name)
{
	const struct machine_function *fn = machine_find_function(machine, name);

	return fn && fn->pdev;
}

/* Removes the names of a directory that @keep does not keep. */
struct purge {
	struct uvfio_machine *machine;
	const char *dir;
	bool (*keep)(struct purge *purge, const char *name);
	const char *driver; /* for keep_bound */
	unsigned int group; /* for keep_member */
};

static void purge_name(void *arg, const char *name)
{
	struct purge *purge = arg;
	char path[SYSFS_PATH_MAX];

	if (purge->keep(purge, name))
		return;
	if (snprintf(path, sizeof(path), "%s/%s", purge->dir, name) < (int)sizeof(path))
		tree_remove(purge->machine->tree, path);
}

static void purge_names(struct purge *purge)
{
	tree_for_each_name(purge->machine->tree, purge->dir, purge_name, purge);
}

static bool keep_here(struct purge *purge, const char *name)
{
	return is_here(purge->machine, name);
}

static bool keep_member(struct purge *purge, const char *name)
{
	const struct machine_function *fn = machine_find_function(purge->machine, name);

	return mdevs_keep_name(purge->machine, name) ||
	       (fn && fn->pdev && fn->group == purge->group);
}

static bool keep_mdev(struct purge *purge, const char *name)
{
	return mdevs_keep_name(purge->machine, name);
}

static bool keep_registered(struct purge *purge, const char *name)
{
	char path[SYSFS_PATH_MAX];

	/* A device's own names are left to keep_here(). */
	return snprintf(path, sizeof(path), "%s/%s", purge->dir, name) < (int)sizeof(path) &&
	       tree_has_dir(purge->machine->tree, path);
}

/* Of a driver's directory: all but links to devices that it has not. */
static bool keep_bound(struct purge *purge, const char *name)
{
	const struct machine_function *fn = machine_find_function(purge->machine, name);

	if (!fn)
		return true;
	return fn->pdev && !fn->slot->unbinding && fn->pdev->dev.driver &&
	       !strcmp(fn->pdev->dev.driver->name, purge->driver);
}

static void purge_driver(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	char dir[SYSFS_PATH_MAX];
	struct purge purge = { .machine = machine, .dir = dir, .keep = keep_bound, .driver = name };

	snprintf(dir, sizeof(dir), "/sys/bus/pci/drivers/%s", name);
	purge_names(&purge);
}

/* The directory of a function that is not there: below its port or its root bus. */
static void purge_function(struct machine_function *fn)
{
	const char *parent = fn->port ? fn->port->path : fn->root->bridge.sysfs_path;
	char path[SYSFS_PATH_MAX];

	if (fn->pdev)
		return;
	if (!fn->desc && !fn->host_bridge) {
		snprintf(path, sizeof(path), "/sys/class/pci_bus/%04x:%02x", fn->secondary >> 8,
			 fn->secondary & 0xff);
		tree_remove(fn->machine->tree, path);
	}
	if (fn->physfn && fn->physfn->path[0])
		names_remove_virtfn(fn);
	/* Without a path its port is not there either, and goes with all below it. */
	if (!parent[0])
		return;
	snprintf(path, sizeof(path), "%s/%s", parent, fn->name);
	tree_remove(fn->machine->tree, path);
}

static void purge_group(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	char dir[SYSFS_PATH_MAX];
	struct purge purge = { .machine = machine, .dir = dir, .keep = keep_member };

	if (sscanf(name, "%u", &purge.group) != 1)
		return;
	snprintf(dir, sizeof(dir), "/sys/kernel/iommu_groups/%s/devices", name);
	purge_names(&purge);
}

static void remove_orphans(struct uvfio_machine *machine)
{
	struct purge purges[] = {
		{ machine, "/sys/bus/pci/drivers", keep_registered, NULL, 0 },
		{ machine, "/sys/kernel/iommu_groups", keep_registered, NULL, 0 },
		{ machine, "/sys/module", keep_registered, NULL, 0 },
		{ machine, "/sys/bus/pci/devices", keep_here, NULL, 0 },
		{ machine, "/sys/bus/mdev/devices", keep_mdev, NULL, 0 },
		{ machine, "/sys/bus/mdev/drivers", keep_registered, NULL, 0 },
	};
	struct machine_function *fn;
	char units[SYSFS_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(purges); i++)
		purge_names(&purges[i]);
	if (machine->iommu) {
		struct purge purge = { machine, units, keep_here, NULL, 0 };

		snprintf(units, sizeof(units), "/sys/devices/virtual/iommu/%s/devices",
			 iommu_name(machine->iommu));
		purge_names(&purge);
	}
	tree_for_each_name(machine->tree, "/sys/bus/pci/drivers", purge_driver, machine);
	tree_for_each_name(machine->tree, "/sys/kernel/iommu_groups", purge_group, machine);
	list_for_each_entry(fn, &machine->functions, node)
		purge_function(fn);
}

void machine_mend(struct uvfio_machine *machine)
{
	pr_notice("uvfio: a process died while it changed the tree; it is mended");
	machine_write_begin(machine);
	tree_set_mending(machine->tree, true);
	add_missing(machine);
	remove_orphans(machine);
	names_drop_torn_vfio(machine);
	names_update_vfio(machine);
	tree_set_mending(machine->tree, false);
	vfs_mend(machine);
	machine_write_end(machine);
	admin_changed(machine);
}
