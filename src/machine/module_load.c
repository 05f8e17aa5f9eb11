/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading and unloading a module from any process of the session (the kernel's init_module(2) and
 * delete_module(2)): under the admin locks, written to the tree, followed by everybody else.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "machine/mdev_priv.h"
#include "machine/modules_priv.h"

/* "1b36:0010,8086:10c9:…" of vfio_pci and pci_stub: dynamic ids, as new_id takes them. */
static void add_ids(struct machine_module *mod, const char *text)
{
	char copy[1024], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *id = strtok_r(copy, ",", &save); id; id = strtok_r(NULL, ",", &save)) {
		unsigned int f[6] = { 0, 0, PCI_ANY_ID, PCI_ANY_ID, 0, 0 };
		char line[80];
		int n = sscanf(id, "%x:%x:%x:%x:%x:%x", &f[0], &f[1], &f[2], &f[3], &f[4], &f[5]);

		if (n < 2) {
			pr_warn("%s: invalid ID string \"%s\"", mod->info->name, id);
			continue;
		}
		snprintf(line, sizeof(line), "%x %x %x %x %x %x", f[0], f[1], f[2], f[3], f[4],
			 f[5]);
		if (pci_driver_new_id(mod->drv, line, strlen(line)) < 0)
			continue;
		pr_info("%s: add [%04x:%04x[%04x:%04x]] class 0x%06x/%08x", mod->info->name, f[0],
			f[1], f[2], f[3], f[4], f[5]);
	}
	admin_write_dynids(mod->machine, &mod->drv->drv);
}

/* As driver_attach(): the new driver takes what nobody has and it fits. */
static void probe_all(struct machine_module *mod)
{
	struct bus_type *bus = pci_bus_type(mod->machine->pci);
	struct device *dev;

	if (!mod->drv || !bus->drivers_autoprobe)
		return;
	list_for_each_entry(dev, &bus->devices, bus_node)
		if (!dev->driver && !dev->dead)
			device_driver_attach(&mod->drv->drv, dev);
}

/* Values that were set stay on disk, as after a store: that is where other processes look. */
static void store_params(struct machine_module *mod)
{
	struct tree *tree = mod->machine->tree;
	char path[SYSFS_PATH_MAX];
	struct tree_attr attr;

	for (const struct attribute *a = module_param_attrs(mod->info); a && a->name; a++) {
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", mod->info->name,
			 a->name);
		if (tree_find(tree, path, &attr))
			tree_store_text(tree, &attr);
	}
}

/* Parameters for a module that the session's start has loaded. */
static int set_late(struct machine_module *mod, const char *params)
{
	struct uvfio_machine *machine = mod->machine;
	char ids[1024], *copy = strdup(params);
	int ret = copy ? 0 : -ENOMEM;

	if (!ret)
		ret = module_params_set(&machine->params, mod->info, params, false, true, ids,
					sizeof(ids));
	if (ret) {
		free(copy);
		return ret;
	}
	free(mod->params);
	mod->params = copy;
	mod->boot = false;
	store_params(mod);
	if (ids[0] && mod->drv)
		add_ids(mod, ids);
	return modules_write(machine);
}

static int load(struct uvfio_machine *machine, const struct module_info *info, const char *params)
{
	struct machine_params before = machine->params;
	const char *missing = module_missing(machine, info);
	struct machine_module *mod;
	char ids[1024];
	int ret;

	if (missing) {
		pr_warn("%s: Unknown symbol of module %s (err -2)", info->name, missing);
		return -ENOENT;
	}
	ret = module_params_set(&machine->params, info, params, true, true, ids, sizeof(ids));
	if (ret) {
		machine->params = before;
		return ret;
	}
	ret = module_start(machine, info, params, false,
			   session_shared(machine->session)->generation + 1, &mod);
	if (ret)
		return ret;
	store_params(mod);
	ret = modules_write(machine);
	if (ret) {
		module_stop(mod);
		return ret;
	}
	probe_all(mod);
	if (mod->drv)
		driver_uevent(&mod->drv->drv, UEVENT_ADD);
	if (ids[0] && mod->drv)
		add_ids(mod, ids);
	module_uevent(machine, info, UEVENT_ADD);
	return 0;
}

static bool may_load(const struct uvfio_machine *machine)
{
	return session_shared(machine->session)->caps >> CAP_SYS_MODULE & 1;
}

int machine_module_load(struct uvfio_machine *machine, const char *name, const char *params)
{
	const struct module_info *info = module_find(name);
	struct machine_module *mod;
	int ret;

	if (!may_load(machine))
		return -EPERM;
	if (!info)
		return -ENOEXEC;
	if (strchr(params, '\n'))
		return -EINVAL;
	ret = admin_begin(machine);
	if (ret)
		return ret;
	machine_write_begin(machine);
	mod = module_loaded(machine, info->name);
	if (!mod)
		ret = load(machine, info, params);
	else
		ret = mod->boot && params[0] ? set_late(mod, params) : -EEXIST;
	if (!ret) {
		names_update_vfio(machine);
		admin_changed(machine);
	}
	machine_write_end(machine);
	admin_end(machine);
	return ret;
}

/* A function that the module's driver has; NULL: none. */
static struct machine_function *bound_function(const struct machine_module *mod)
{
	struct machine_function *fn;

	list_for_each_entry(fn, &mod->machine->functions, node)
		if (fn->pdev && mod->drv && fn->pdev->dev.driver == &mod->drv->drv)
			return fn;
	return NULL;
}

int machine_module_unload(struct uvfio_machine *machine, const char *name)
{
	const struct module_info *info;
	struct machine_function *fn;
	struct machine_module *mod;
	struct mdev_slot *mdev;
	int ret;

	if (!may_load(machine))
		return -EPERM;
	for (;;) {
		ret = admin_begin(machine);
		if (ret)
			return ret;
		mod = module_loaded(machine, name);
		if (!mod || module_refcnt(mod)) {
			admin_end(machine);
			return mod ? -EWOULDBLOCK : -ENOENT;
		}
		mdev = mdevs_of_module(machine, mod->info->name);
		if (mdev) {
			ret = mdevs_remove_children(machine, mdev->parent);
			if (ret)
				return ret;
			admin_end(machine);
			continue;
		}
		fn = bound_function(mod);
		if (!fn)
			break;
		/* Both drop the locks meanwhile: everything may be another afterwards. */
		ret = admin_wait_released(fn);
		if (ret < 0)
			return ret;
		if (ret)
			continue;
		ret = admin_release(fn);
		if (ret)
			return ret;
		admin_end(machine);
	}
	machine_write_begin(machine);
	info = mod->info;
	module_stop(mod);
	module_uevent(machine, info, UEVENT_REMOVE);
	ret = modules_write(machine);
	names_update_vfio(machine);
	admin_changed(machine);
	machine_write_end(machine);
	admin_end(machine);
	return ret;
}

bool machine_module_loaded(struct uvfio_machine *machine, const char *name,
			   struct module_state *state)
{
	struct machine_module *mod;

	admin_sync(machine);
	device_core_lock(machine->core);
	mod = module_loaded(machine, name);
	if (mod && state)
		modules_describe(mod, state);
	device_core_unlock(machine->core);
	return mod != NULL;
}

void machine_for_each_module(struct uvfio_machine *machine,
			     void (*fn)(void *arg, const struct module_state *state), void *arg)
{
	struct machine_module *mod;
	struct module_state state;

	admin_sync(machine);
	device_core_lock(machine->core);
	list_for_each_entry(mod, &machine->modules, node) {
		modules_describe(mod, &state);
		fn(arg, &state);
	}
	device_core_unlock(machine->core);
}
