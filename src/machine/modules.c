/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modules that are loaded: their objects in this process, /sys/module and /proc/modules.
 *
 * Which modules are loaded stands on disk, in state/modules, a line each, the newest first:
 * "NAME boot|user SERIAL PARAMETERS". Processes follow it as they follow everything else
 * (admin.c). Everything here runs under the core's lock.
 */
#include "machine/modules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "machine/module_ids.h"
#include "machine/mdev_priv.h"
#include "machine/modules_priv.h"
#include "machine/uevent.h"
#include "vfio/iommu_driver.h"
#include "vfio_pci/vfio_pci.h"

#define STATE_PATH "/state/modules"

/* ---- who uses whom --------------------------------------------------------------------------- */

struct machine_module *module_loaded(struct uvfio_machine *machine, const char *name)
{
	const struct module_info *info = module_find(name);
	struct machine_module *mod;

	list_for_each_entry(mod, &machine->modules, node)
		if (mod->info == info)
			return mod;
	return NULL;
}

const char *module_missing(struct uvfio_machine *machine, const struct module_info *info)
{
	for (const struct module_info *dep = module_table; dep->name; dep++)
		if (module_list_has(info->depends, dep->name) && !module_loaded(machine, dep->name))
			return dep->name;
	return NULL;
}

/* What holds VFIO's modules: bound functions, and what a user opens of a group: the container, the
 * group, the device, and the IOMMU driver, which without an IOMMU is the core's. A group that a
 * process has counts as opened in the usual way. */
static unsigned int vfio_users(const struct machine_module *mod)
{
	struct uvfio_machine *machine = mod->machine;
	bool core = !strcmp(mod->info->name, "vfio"), pci = !strcmp(mod->info->name, "vfio_pci");
	bool type1 = !strcmp(mod->info->name, "vfio_iommu_type1");
	bool seen[MACHINE_GROUPS] = { false };
	struct machine_function *fn;
	unsigned int users = 0;

	if (!core && !pci && !type1)
		return 0;
	list_for_each_entry(fn, &machine->functions, node) {
		bool used;

		if (!fn->pdev || !fn->pdev->dev.driver ||
		    !driver_is_vfio(fn->pdev->dev.driver->name) || fn->group == NO_GROUP)
			continue;
		used = session_group_claimed(machine->session, fn->group);
		users += core + (used && pci);
		if (used && !seen[fn->group])
			users += core ? 3 + !machine->iommu : type1 && machine->iommu;
		seen[fn->group] = true;
	}
	return users;
}

static unsigned int users(const struct machine_module *mod)
{
	return vfio_users(mod) + mdevs_module_users(mod->machine, mod->info->name);
}

static unsigned int holders(const struct machine_module *mod, char *out, size_t size)
{
	struct machine_module *other;
	unsigned int n = 0;
	size_t len = 0;

	out[0] = '\0';
	list_for_each_entry(other, &mod->machine->modules, node) {
		if (!module_list_has(other->info->depends, mod->info->name))
			continue;
		n++;
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s,", other->info->name);
	}
	return n;
}

unsigned int module_refcnt(const struct machine_module *mod)
{
	char names[256];

	return holders(mod, names, sizeof(names)) + users(mod);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static ssize_t refcnt_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%u\n", module_refcnt(obj));
}

static ssize_t coresize_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct machine_module *mod = obj;

	return snprintf(buf, size, "%u\n", mod->info->coresize);
}

static ssize_t text_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", (const char *)attr->arg);
}

static ssize_t version_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct machine_module *mod = obj;

	return snprintf(buf, size, "%s\n", mod->info->version);
}

static bool has_version(void *obj, const struct attribute *attr)
{
	const struct machine_module *mod = obj;

	return mod->info->version != NULL;
}

static ssize_t uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	const struct machine_module *mod = obj;
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s", mod->info->name);
	return uevent_store_plain(mod->machine->core, path, "module", "", buf, len);
}

void module_uevent(struct uvfio_machine *machine, const struct module_info *info,
		   enum uevent_action action)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s", info->name);
	machine_uevent(machine, action, path, "module", "");
}

#define TEXT(n, text)                                                                \
	{                                                                            \
		.name = (n), .mode = 0444, .show = text_show, .arg = (uintptr_t)text \
	}

static const struct attribute module_attrs[] = {
	{ .name = "coresize", .mode = 0444, .show = coresize_show },
	TEXT("initsize", "0"),
	TEXT("initstate", "live"),
	{ .name = "refcnt", .mode = 0444, .show = refcnt_show, .volatile_value = true },
	TEXT("taint", ""),
	{ .name = "uevent", .mode = 0200, .store = uevent_store },
	{ .name = "version", .mode = 0444, .show = version_show, .visible = has_version },
	{ .name = NULL },
};

static ssize_t proc_modules_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct uvfio_machine *machine = obj;
	struct machine_module *mod;
	char names[256];
	size_t len = 0;

	list_for_each_entry(mod, &machine->modules, node) {
		unsigned int refs = holders(mod, names, sizeof(names)) + users(mod);

		if (len < size)
			len += (size_t)snprintf(
				buf + len, size - len, "%s %u %u %s Live 0x0000000000000000\n",
				mod->info->name, mod->info->coresize, refs, names[0] ? names : "-");
	}
	return (ssize_t)MIN(len, size);
}

static const struct attribute proc_attrs[] = {
	{ .name = "modules", .mode = 0444, .show = proc_modules_show, .volatile_value = true },
	{ .name = NULL },
};

int modules_add_names(struct uvfio_machine *machine)
{
	int ret = tree_add_dir(machine->tree, "/proc", TREE_PLAIN, machine, proc_attrs);

	return ret ? ret
		   : tree_add_dir(machine->tree, "/proc/sys/kernel", TREE_PLAIN, machine,
				  kernel_sysctls);
}

/* ---- names ----------------------------------------------------------------------------------- */

typedef int (*dependency_fn)(struct machine_module *mod, const char *dep);

static int for_each_dependency(struct machine_module *mod, dependency_fn fn)
{
	char names[512], *save = NULL;
	int ret = 0;

	snprintf(names, sizeof(names), "%s", mod->info->depends);
	for (char *dep = strtok_r(names, " ", &save); dep && !ret; dep = strtok_r(NULL, " ", &save))
		ret = fn(mod, dep);
	return ret;
}

static int add_holder(struct machine_module *mod, const char *dep)
{
	char path[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s/holders/%s", dep, mod->info->name);
	snprintf(target, sizeof(target), "/sys/module/%s", mod->info->name);
	return tree_add_link(mod->machine->tree, path, target);
}

static int remove_holder(struct machine_module *mod, const char *dep)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s/holders/%s", dep, mod->info->name);
	tree_remove(mod->machine->tree, path);
	return 0;
}

static int add_driver_names(struct machine_module *mod);

static int add_names(struct machine_module *mod)
{
	struct tree *tree = mod->machine->tree;
	const struct attribute *params = module_param_attrs(mod->info);
	char path[SYSFS_PATH_MAX];
	size_t len = (size_t)snprintf(path, sizeof(path), "/sys/module/%s", mod->info->name);
	int ret = tree_add_dir(tree, path, TREE_PLAIN, mod, module_attrs);

	snprintf(path + len, sizeof(path) - len, "/holders");
	if (!ret)
		ret = tree_add_dir(tree, path, TREE_PLAIN, NULL, NULL);
	snprintf(path + len, sizeof(path) - len, "/parameters");
	if (!ret && params)
		ret = tree_add_dir(tree, path, TREE_PLAIN, &mod->machine->params, params);
	return ret ? ret : for_each_dependency(mod, add_holder);
}

void modules_mend(struct uvfio_machine *machine)
{
	struct machine_module *mod;

	list_for_each_entry(mod, &machine->modules, node) {
		add_names(mod);
		if (mod->drv)
			add_driver_names(mod);
		if (!strcmp(mod->info->name, "vfio"))
			names_add_vfio(machine);
	}
}

static void remove_names(struct machine_module *mod)
{
	char path[SYSFS_PATH_MAX];

	for_each_dependency(mod, remove_holder);
	snprintf(path, sizeof(path), "/sys/module/%s", mod->info->name);
	tree_remove(mod->machine->tree, path);
}

static int add_driver_names(struct machine_module *mod)
{
	char path[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];
	int ret = names_add_driver(mod->machine, &mod->drv->drv);

	snprintf(path, sizeof(path), "/sys/module/%s/drivers/pci:%s", mod->info->name,
		 mod->info->driver);
	snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s", mod->info->driver);
	return ret ? ret : tree_add_link(mod->machine->tree, path, target);
}

static void remove_driver_names(struct machine_module *mod)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", mod->info->driver);
	tree_remove(mod->machine->tree, path);
	snprintf(path, sizeof(path), "/state/%s.ids", mod->info->driver);
	tree_remove(mod->machine->tree, path);
}

/* ---- what a module does ---------------------------------------------------------------------- */

/* Nothing is bound by this: names come first, then module_probe(). */
static int register_driver(struct machine_module *mod)
{
	struct uvfio_machine *machine = mod->machine;
	struct bus_type *bus = pci_bus_type(machine->pci);
	bool autoprobe = bus->drivers_autoprobe;
	int ret;

	bus->drivers_autoprobe = false;
	if (!strcmp(mod->info->name, "vfio_pci")) {
		const struct vfio_pci_params params = {
			.nointxmask = &machine->params.nointxmask,
			.disable_idle_d3 = &machine->params.disable_idle_d3,
			.disable_vga = &machine->params.disable_vga,
			.disable_denylist = &machine->params.disable_denylist,
			.enable_sriov = &machine->params.enable_sriov,
		};

		ret = vfio_pci_register(machine->pci, &params, &machine->vfio_pci);
		mod->drv = machine->vfio_pci;
	} else {
		ret = native_register(machine, mod->info, &mod->native, &mod->drv);
	}
	bus->drivers_autoprobe = autoprobe;
	return ret ? ret : add_driver_names(mod);
}

static void unregister_driver(struct machine_module *mod)
{
	remove_driver_names(mod);
	if (mod->native) {
		native_unregister(mod->native);
	} else if (mod->machine->vfio_pci) {
		vfio_pci_unregister(mod->machine->vfio_pci);
		mod->machine->vfio_pci = NULL;
	}
	mod->drv = NULL;
}

static int init(struct machine_module *mod)
{
	struct uvfio_machine *machine = mod->machine;
	int ret;

	if (!strcmp(mod->info->name, "vfio")) {
		if (tree_writing(machine->tree))
			pr_info("VFIO - User Level meta-driver version: 0.3");
		ret = vfio_register_iommu_driver(machine->vfio, &vfio_iommu_driver_ops_noiommu);
		return ret ? ret : names_add_vfio(machine);
	}
	if (!strcmp(mod->info->name, "vfio_iommu_type1"))
		return vfio_register_iommu_driver(machine->vfio, &vfio_iommu_driver_ops_type1);
	ret = mdev_module_init(machine, mod->info->name);
	if (!ret && mod->info->driver) {
		ret = register_driver(mod);
		if (ret)
			mdev_module_exit(machine, mod->info->name);
	}
	return ret;
}

static void cleanup(struct machine_module *mod)
{
	struct uvfio_machine *machine = mod->machine;

	if (!mod->live && !mod->drv)
		return;
	if (!strcmp(mod->info->name, "vfio")) {
		vfio_unregister_iommu_driver(machine->vfio, &vfio_iommu_driver_ops_noiommu);
		names_remove_vfio(machine);
	} else if (!strcmp(mod->info->name, "vfio_iommu_type1")) {
		vfio_unregister_iommu_driver(machine->vfio, &vfio_iommu_driver_ops_type1);
	} else {
		if (mod->drv)
			unregister_driver(mod);
		if (mod->live)
			mdev_module_exit(machine, mod->info->name);
	}
}

int module_start(struct uvfio_machine *machine, const struct module_info *info, const char *params,
		 bool boot, uint64_t serial, struct machine_module **out)
{
	struct machine_module *mod = FAIL_POINT() ? NULL : calloc(1, sizeof(*mod));
	char ids[1024];
	int ret;

	if (!mod)
		return -ENOMEM;
	mod->machine = machine;
	mod->info = info;
	mod->boot = boot;
	mod->serial = serial;
	mod->params = strdup(params);
	list_add(&mod->node, &machine->modules);
	ret = mod->params ? 0 : -ENOMEM;
	if (!ret)
		ret = module_params_set(&machine->params, info, params, true, false, ids,
					sizeof(ids));
	if (!ret)
		ret = add_names(mod);
	if (!ret)
		ret = init(mod);
	if (ret)
		module_stop(mod);
	else
		mod->live = true;
	if (!ret && out)
		*out = mod;
	return ret;
}

void module_stop(struct machine_module *mod)
{
	cleanup(mod);
	remove_names(mod);
	list_del(&mod->node);
	free(mod->params);
	free(mod);
}

/* ---- what is loaded, on disk ----------------------------------------------------------------- */

int modules_write(struct uvfio_machine *machine)
{
	struct machine_module *mod;
	char text[ATTRIBUTE_PAGE];
	size_t len = 0;

	list_for_each_entry(mod, &machine->modules, node) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %llu %s\n",
					mod->info->name, mod->boot ? "boot" : "user",
					(unsigned long long)mod->serial, mod->params);
		if (len >= sizeof(text))
			return -E2BIG;
	}
	return tree_add_text(machine->tree, STATE_PATH, 0600, "%s", text);
}

/* One line of the state: the module, or NULL when the line is none. @params points into it. */
static const struct module_info *parse_line(const char *line, bool *boot, uint64_t *serial,
					    const char **params)
{
	unsigned long long number;
	char name[64], how[8];
	int at = 0;

	if (sscanf(line, "%63s %7s %llu%n", name, how, &number, &at) != 3 || !at)
		return NULL;
	*boot = !strcmp(how, "boot");
	*serial = number;
	*params = line + at + (line[at] == ' ');
	return module_find(name);
}

/* The state's lines from the last, which is the oldest, up to the first. */
static void for_each_line(char *text, void (*fn)(struct uvfio_machine *machine, const char *line),
			  struct uvfio_machine *machine)
{
	size_t len = strlen(text);

	while (len) {
		size_t start;

		text[--len] = '\0';
		for (start = len; start && text[start - 1] != '\n'; start--)
			;
		fn(machine, text + start);
		len = start;
	}
}

static void follow_line(struct uvfio_machine *machine, const char *line)
{
	const struct module_info *info;
	struct machine_module *mod;
	const char *params;
	uint64_t serial;
	bool boot;
	int ret;

	info = parse_line(line, &boot, &serial, &params);
	if (!info)
		return;
	mod = module_loaded(machine, info->name);
	if (mod && mod->serial == serial)
		return;
	if (mod)
		module_stop(mod);
	ret = module_start(machine, info, params, boot, serial, NULL);
	if (ret)
		pr_err("module %s: cannot be loaded in this process: %s", info->name,
		       strerror(-ret));
}

bool modules_sync_loaded(struct uvfio_machine *machine)
{
	char text[ATTRIBUTE_PAGE];

	if (!tree_read_text(machine->tree, STATE_PATH, text, sizeof(text)))
		return false;
	for_each_line(text, follow_line, machine);
	return true;
}

static bool on_disk(const char *text, const struct module_info *info)
{
	size_t len = strlen(info->name);

	for (const char *p = text; *p; p += strcspn(p, "\n") + 1) {
		if (!strncmp(p, info->name, len) && p[len] == ' ')
			return true;
		if (!p[strcspn(p, "\n")])
			break;
	}
	return false;
}

void modules_sync_unloaded(struct uvfio_machine *machine)
{
	struct machine_module *mod, *tmp;
	char text[ATTRIBUTE_PAGE];

	/* Without a text nothing is known: the tree may be gone. */
	if (!tree_read_text(machine->tree, STATE_PATH, text, sizeof(text)))
		return;
	list_for_each_entry_safe(mod, tmp, &machine->modules, node)
		if (!on_disk(text, mod->info))
			module_stop(mod);
}

/* ---- the session's start and end ------------------------------------------------------------- */

static bool fits(const struct module_info *info, const struct pci_dev *dev)
{
	for (size_t i = 0; info->ids && i < module_ids_count(info->ids); i++) {
		struct pci_device_id id = module_ids_get(info->ids, i);

		if (pci_match_one_device(&id, dev))
			return true;
	}
	return false;
}

/* What udev would have loaded for the machine's functions, and what the description names. */
static bool wanted(struct uvfio_machine *machine, const struct module_info *info)
{
	struct machine_function *fn;

	if (info->resident ||
	    (machine->desc->load && module_list_has(machine->desc->load, info->name)))
		return true;
	if (machine->desc->num_modules && !strcmp(info->name, "vfio_mdev"))
		return true;
	list_for_each_entry(fn, &machine->functions, node) {
		if (!fn->pdev || !fn->desc || !info->driver)
			continue;
		if (fits(info, fn->pdev) || !strcmp(fn->desc->driver, info->driver))
			return true;
	}
	return false;
}

/* As on the kernel's command line. */
static const char *boot_params(const struct uvfio_machine *machine, const struct module_info *info)
{
	return machine->desc->noiommu && !strcmp(info->name, "vfio")
		       ? "enable_unsafe_noiommu_mode=1"
		       : "";
}

static int start_with_dependencies(struct uvfio_machine *machine, const struct module_info *info)
{
	const char *missing;
	int ret = 0;

	if (module_loaded(machine, info->name))
		return 0;
	while (!ret && (missing = module_missing(machine, info)))
		ret = start_with_dependencies(machine, module_find(missing));
	return ret ? ret : module_start(machine, info, boot_params(machine, info), true, 0, NULL);
}

int modules_start_all(struct uvfio_machine *machine)
{
	int ret = 0;

	for (const struct module_info *info = module_table; info->name && !ret; info++)
		if (wanted(machine, info))
			ret = start_with_dependencies(machine, info);
	return ret ? ret : modules_write(machine);
}

void modules_stop_all(struct uvfio_machine *machine)
{
	struct machine_module *mod, *tmp;

	list_for_each_entry_safe(mod, tmp, &machine->modules, node)
		module_stop(mod);
}

void modules_describe(const struct machine_module *mod, struct module_state *state)
{
	state->info = mod->info;
	state->refcnt = holders(mod, state->holders, sizeof(state->holders)) + users(mod);
}
