/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO's names in the tree: /dev/vfio with its nodes, the classes vfio and vfio-dev. Groups and
 * devices come and go with bindings. Core's lock held; all but names_add_vfio() and its reverse
 * write to the disk.
 *
 * Minor numbers and the numbers of vfio-dev are the lowest free ones; which are taken stands in the
 * session file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/machine_priv.h"
#include "machine/mdev_priv.h"
#include "machine/uevent.h"

#define VFIO_MAJOR	243
#define VFIO_MISC_MINOR 196
#define GROUP_NAME	24

/* /dev/vfio/vfio and its class device. */
int names_add_vfio(struct uvfio_machine *machine)
{
	static const char *const dirs[] = { "/sys/class/vfio", "/sys/class/vfio-dev",
					    "/sys/devices/virtual/vfio" };
	struct tree *tree = machine->tree;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !ret; i++)
		ret = tree_add_dir(tree, dirs[i], TREE_PLAIN, NULL, NULL);
	if (!ret)
		ret = tree_add_node(tree, "/dev/vfio/vfio", 0666, VFIO_MISC_MINOR);

	if (!ret)
		ret = tree_add_text(tree, "/sys/devices/virtual/misc/vfio/dev", 0444, "10:%d\n",
				    VFIO_MISC_MINOR);
	if (!ret)
		ret = tree_add_text(tree, "/sys/devices/virtual/misc/vfio/uevent", 0644,
				    "MAJOR=10\nMINOR=%d\nDEVNAME=vfio/vfio\nDEVMODE=0666\n",
				    VFIO_MISC_MINOR);
	if (!ret)
		ret = names_add_link(tree, "/sys/devices/virtual/misc/vfio/%s>/sys/class/misc",
				     "subsystem");
	if (!ret)
		ret = names_add_link(tree, "/sys/class/misc/%s>/sys/devices/virtual/misc/vfio",
				     "vfio");
	if (!ret)
		ret = names_add_link(tree, "/sys/dev/char/10:%d>/sys/devices/virtual/misc/vfio",
				     VFIO_MISC_MINOR);
	if (ret)
		return ret;
	machine_uevent_of(machine, UEVENT_ADD, "/sys/devices/virtual/misc/vfio", "misc");
	machine_uevent(machine, UEVENT_ADD, "/sys/class/vfio", "class", "");
	machine_uevent(machine, UEVENT_ADD, "/sys/class/vfio-dev", "class", "");
	return 0;
}

void names_remove_vfio(struct uvfio_machine *machine)
{
	static const char *const names[] = {
		"/dev/vfio",
		"/sys/class/misc/vfio",
		"/sys/class/vfio",
		"/sys/class/vfio-dev",
		"/sys/devices/virtual/misc/vfio",
		"/sys/devices/virtual/vfio",
	};

	machine_uevent(machine, UEVENT_REMOVE, "/sys/class/vfio-dev", "class", "");
	machine_uevent(machine, UEVENT_REMOVE, "/sys/class/vfio", "class", "");
	machine_uevent_of(machine, UEVENT_REMOVE, "/sys/devices/virtual/misc/vfio", "misc");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		tree_remove(machine->tree, names[i]);
	names_remove(machine->tree, "/sys/dev/char/10:%d", VFIO_MISC_MINOR);
}

/* ---- VFIO's names ---------------------------------------------------------------------------- */

/* A VFIO driver has the function and nobody wants it back. */
static bool function_in_vfio(const struct machine_function *fn)
{
	return fn->pdev && !fn->slot->unbinding && fn->pdev->dev.driver &&
	       driver_is_vfio(fn->pdev->dev.driver->name);
}

/* The lowest number that @map has not, which it then has. */
static unsigned int take_number(uint64_t *map)
{
	unsigned int number = 0;

	while (number < MACHINE_GROUPS - 1 && map[number / 64] >> number % 64 & 1)
		number++;
	map[number / 64] |= 1ULL << number % 64;
	return number;
}

static void note_number(uint64_t *map, unsigned int number)
{
	if (number < MACHINE_GROUPS)
		map[number / 64] |= 1ULL << number % 64;
}

static void give_number(uint64_t *map, unsigned int number)
{
	if (number < MACHINE_GROUPS)
		map[number / 64] &= ~(1ULL << number % 64);
}

/* Of the node of a group; false: it has none. */
static bool group_minor(const struct tree *tree, const char *name, unsigned int *minor)
{
	char path[SYSFS_PATH_MAX], text[32];

	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/dev", name);
	return tree_read_text(tree, path, text, sizeof(text)) && sscanf(text, "%*u:%u", minor) == 1;
}

static void count_minor(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	unsigned int minor;

	if (group_minor(machine->tree, name, &minor))
		note_number(session_shared(machine->session)->vfio_minors, minor);
}

static void count_dev(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	unsigned int index;

	if (sscanf(name, "vfio%u", &index) == 1)
		note_number(session_shared(machine->session)->vfio_devs, index);
}

/* Which numbers are taken, as the names say. */
static void count_numbers(struct uvfio_machine *machine)
{
	struct shared_header *shared = session_shared(machine->session);

	memset(shared->vfio_minors, 0, sizeof(shared->vfio_minors));
	memset(shared->vfio_devs, 0, sizeof(shared->vfio_devs));
	tree_for_each_name(machine->tree, "/sys/class/vfio", count_minor, machine);
	tree_for_each_name(machine->tree, "/sys/class/vfio-dev", count_dev, machine);
}

#define NOIOMMU_PREFIX "noiommu-"

/* A group's name below /dev/vfio and the class: @name of GROUP_NAME bytes. */
static const char *group_name(const struct uvfio_machine *machine, unsigned int id,
			      char name[GROUP_NAME])
{
	bool noiommu = !machine->iommu && !machine->groups[id].emulated;

	snprintf(name, GROUP_NAME, "%s%u", noiommu ? NOIOMMU_PREFIX : "", id);
	return name;
}

bool names_parse_group(const char *name, unsigned int *id)
{
	char *end;

	if (!strncmp(name, NOIOMMU_PREFIX, strlen(NOIOMMU_PREFIX)))
		name += strlen(NOIOMMU_PREFIX);
	*id = (unsigned int)strtoul(name, &end, 10);
	return *name >= '0' && *name <= '9' && !*end;
}

static bool has_vfio_group(const struct uvfio_machine *machine, unsigned int id)
{
	char path[64], name[GROUP_NAME];

	snprintf(path, sizeof(path), "/sys/class/vfio/%s", group_name(machine, id, name));
	return tree_exists(machine->tree, path);
}

void names_add_vfio_group(struct uvfio_machine *machine, unsigned int id)
{
	struct tree *tree = machine->tree;
	char path[SYSFS_PATH_MAX], name[GROUP_NAME];
	unsigned int minor;

	if (!tree_writing(tree) || has_vfio_group(machine, id))
		return;
	minor = take_number(session_shared(machine->session)->vfio_minors);
	group_name(machine, id, name);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/dev", name);
	tree_add_text(tree, path, 0444, "%d:%u\n", VFIO_MAJOR, minor);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/uevent", name);
	tree_add_text(tree, path, 0644, "MAJOR=%d\nMINOR=%u\nDEVNAME=vfio/%s\n", VFIO_MAJOR, minor,
		      name);
	names_add_link(tree, "/sys/dev/char/%d:%u>/sys/devices/virtual/vfio/%s", VFIO_MAJOR, minor,
		       name);
	names_add_link(tree, "/sys/devices/virtual/vfio/%s/subsystem>/sys/class/vfio", name);
	names_add_link(tree, "/sys/class/vfio/%s>/sys/devices/virtual/vfio/%s", name, name);
	snprintf(path, sizeof(path), "/dev/vfio/%s", name);
	tree_add_node(tree, path, 0600, minor);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s", name);
	machine_uevent_of(machine, UEVENT_ADD, path, "vfio");
}

static void remove_vfio_group(struct uvfio_machine *machine, const char *name)
{
	char path[SYSFS_PATH_MAX];
	unsigned int minor;

	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s", name);
	machine_uevent_of(machine, UEVENT_REMOVE, path, "vfio");
	if (group_minor(machine->tree, name, &minor)) {
		names_remove(machine->tree, "/sys/dev/char/%d:%u", VFIO_MAJOR, minor);
		give_number(session_shared(machine->session)->vfio_minors, minor);
	}
	names_remove(machine->tree, "/dev/vfio/%s", name);
	names_remove(machine->tree, "/sys/class/vfio/%s", name);
	names_remove(machine->tree, "/sys/devices/virtual/vfio/%s", name);
}

void names_remove_vfio_group(struct uvfio_machine *machine, unsigned int id)
{
	char name[GROUP_NAME];

	remove_vfio_group(machine, group_name(machine, id, name));
}

void names_add_vfio_dev(struct uvfio_machine *machine, const char *device)
{
	struct tree *tree = machine->tree;
	unsigned int index;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "%s/vfio-dev", device);
	if (!tree_writing(tree) || tree_exists(tree, path))
		return;
	index = take_number(session_shared(machine->session)->vfio_devs);
	snprintf(path, sizeof(path), "%s/vfio-dev/vfio%u/uevent", device, index);
	tree_add_text(tree, path, 0644, "%s", "");
	names_add_link(tree, "%s/vfio-dev/vfio%u/device>%s", device, index, device);
	names_add_link(tree, "%s/vfio-dev/vfio%u/subsystem>/sys/class/vfio-dev", device, index);
	names_add_link(tree, "/sys/class/vfio-dev/vfio%u>%s/vfio-dev/vfio%u", index, device, index);
	*strrchr(path, '/') = '\0';
	machine_uevent(machine, UEVENT_ADD, path, "vfio-dev", "");
}

struct vfio_devs {
	struct uvfio_machine *machine;
	const char *path; /* of the directory that they are in */
};

static void remove_vfio_dev(void *arg, const char *name)
{
	const struct vfio_devs *devs = arg;
	char path[SYSFS_PATH_MAX];
	unsigned int index;

	if (sscanf(name, "vfio%u", &index) == 1)
		give_number(session_shared(devs->machine->session)->vfio_devs, index);
	names_remove(devs->machine->tree, "/sys/class/vfio-dev/%s", name);
	snprintf(path, sizeof(path), "%s/%s", devs->path, name);
	machine_uevent(devs->machine, UEVENT_REMOVE, path, "vfio-dev", "");
}

void names_remove_vfio_devs(struct uvfio_machine *machine, const char *device)
{
	char path[SYSFS_PATH_MAX];
	struct vfio_devs devs = { machine, path };

	snprintf(path, sizeof(path), "%s/vfio-dev", device);
	if (!tree_exists(machine->tree, path))
		return;
	tree_for_each_name(machine->tree, path, remove_vfio_dev, &devs);
	tree_remove(machine->tree, path);
}

/* The class device of @fn is there as long as a VFIO driver offers it. */
static void update_vfio_dev(struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	bool bound = function_in_vfio(fn);
	char path[SYSFS_PATH_MAX];

	if (!fn->pdev)
		return;
	if (bound)
		names_add_vfio_dev(machine, fn->pdev->dev.sysfs_path);
	else
		names_remove_vfio_devs(machine, fn->pdev->dev.sysfs_path);
	if (!bound && !fn->slot->unbinding) {
		snprintf(path, sizeof(path), "%s/msi_irqs", fn->pdev->dev.sysfs_path);
		if (tree_exists(machine->tree, path))
			names_set_msi_irqs(fn, false, 0);
	}
}

/* A function that is asked back keeps the group that it has until it is given. */
static bool function_keeps_group(const struct machine_function *fn)
{
	if (!fn->pdev || !fn->slot->unbinding)
		return function_in_vfio(fn);
	return has_vfio_group(fn->machine, fn->slot->group);
}

struct groups {
	struct uvfio_machine *machine;
	const bool *wanted;
};

static void drop_group(void *arg, const char *name)
{
	const struct groups *groups = arg;
	unsigned int id;

	if (!names_parse_group(name, &id) || id >= MACHINE_GROUPS || !groups->wanted[id])
		remove_vfio_group(groups->machine, name);
}

struct torn {
	struct uvfio_machine *machine;
	const char *dir;
	bool is;
};

static void look_at_group(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	char path[SYSFS_PATH_MAX];
	unsigned int id;
	bool whole;

	snprintf(path, sizeof(path), "/dev/vfio/%s", name);
	whole = tree_exists(machine->tree, path);
	snprintf(path, sizeof(path), "/sys/class/vfio/%s", name);
	whole = whole && tree_exists(machine->tree, path);
	snprintf(path, sizeof(path), "/sys/devices/virtual/vfio/%s/dev", name);
	whole = whole && tree_exists(machine->tree, path);
	if (!whole && names_parse_group(name, &id))
		remove_vfio_group(machine, name);
}

static void look_at_dev(void *arg, const char *name)
{
	struct torn *torn = arg;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/vfio-dev/%s", name);
	torn->is = !tree_exists(torn->machine->tree, path);
}

/* A link of the class to a device that is not there. */
static void look_at_class(void *arg, const char *name)
{
	struct uvfio_machine *machine = arg;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/vfio-dev/%s/device", name);
	if (!tree_exists(machine->tree, path))
		names_remove(machine->tree, "/sys/class/vfio-dev/%s", name);
}

/* @device has the directory of its class device, but no class device: it goes. */
static void drop_torn_dev(struct uvfio_machine *machine, const char *device)
{
	char path[SYSFS_PATH_MAX];
	struct torn torn = { machine, path, true };

	snprintf(path, sizeof(path), "%s/vfio-dev", device);
	if (!tree_exists(machine->tree, path))
		return;
	tree_for_each_name(machine->tree, path, look_at_dev, &torn);
	if (torn.is)
		tree_remove(machine->tree, path);
}

static int drop_torn_mdev(void *arg, struct mdev_device *mdev)
{
	drop_torn_dev(arg, mdev->dev.sysfs_path);
	return 0;
}

void names_drop_torn_vfio(struct uvfio_machine *machine)
{
	static const char *const places[] = { "/sys/class/vfio", "/sys/devices/virtual/vfio",
					      "/dev/vfio" };
	struct machine_function *fn;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		tree_for_each_name(machine->tree, places[i], look_at_group, machine);
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev)
			drop_torn_dev(machine, fn->pdev->dev.sysfs_path);
	mdev_for_each_device(drop_torn_mdev, machine);
	tree_for_each_name(machine->tree, "/sys/class/vfio-dev", look_at_class, machine);
	count_numbers(machine);
}

/* In the order in which Linux tells of it: a group comes before its devices and goes after them.
 * Groups of mediated devices come and go with these (names_mdev.c). */
void names_update_vfio(struct uvfio_machine *machine)
{
	bool wanted[MACHINE_GROUPS] = { false };
	struct groups groups = { machine, wanted };
	struct machine_function *fn;

	if (!tree_writing(machine->tree))
		return;
	list_for_each_entry(fn, &machine->functions, node) {
		if (fn->slot->group < MACHINE_GROUPS && function_keeps_group(fn))
			wanted[fn->slot->group] = true;
		if (!function_in_vfio(fn))
			update_vfio_dev(fn);
	}
	mdevs_note_groups(machine, wanted);
	tree_for_each_name(machine->tree, "/sys/class/vfio", drop_group, &groups);
	list_for_each_entry(fn, &machine->functions, node) {
		if (fn->slot->group < MACHINE_GROUPS && function_keeps_group(fn))
			names_add_vfio_group(machine, fn->slot->group);
	}
	list_for_each_entry(fn, &machine->functions, node)
		if (function_in_vfio(fn))
			update_vfio_dev(fn);
}
