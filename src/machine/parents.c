/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/parents.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uvfio/mdev.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "drivers/module/parent.h"
#include "machine/machine_priv.h"

#define SYMBOL "uvfio_mdev_module"

/* A parent that is registered in this process. */
struct parent_entry {
	struct list_head node; /* of machine->parents */
	struct uvfio_mdev_parent *parent;
};

/* A shared object stays loaded: its parent's threads may, too. 0, or -EINVAL with a sentence. */
static int load_file(const char *path, const struct uvfio_mdev_ops **out, char *err,
		     size_t err_size)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct uvfio_mdev_module *module = lib ? dlsym(lib, SYMBOL) : NULL;

	if (!lib) {
		const char *why = dlerror();

		snprintf(err, err_size, "the module %s cannot be loaded: %s", path,
			 why ? why : "no reason given");
		return -EINVAL;
	}
	if (!module) {
		snprintf(err, err_size,
			 "the module %s has no parent of mediated devices; put "
			 "UVFIO_MDEV_MODULE(ops) of <uvfio/mdev.h> into it",
			 path);
		return -EINVAL;
	}
	if (module->version != UVFIO_MDEV_VERSION || module->size != sizeof(*module) ||
	    !module->ops) {
		snprintf(
			err, err_size,
			"the module %s speaks version %u of <uvfio/mdev.h>, this uvfio version %d; "
			"compile it against the installed header",
			path, module->version, UVFIO_MDEV_VERSION);
		return -EINVAL;
	}
	*out = module->ops;
	return 0;
}

int parents_check(const struct description *desc, char *err, size_t err_size)
{
	const struct uvfio_mdev_ops *ops, *other;
	char why[512];
	int ret = 0;

	for (size_t i = 0; i < desc->num_modules && !ret; i++) {
		ret = load_file(desc->modules[i], &ops, err, err_size);
		if (!ret && module_parent_check(ops, why, sizeof(why))) {
			snprintf(err, err_size, "the module %s: %s", desc->modules[i], why);
			ret = -EINVAL;
		}
		for (size_t j = 0; j < i && !ret; j++) {
			if (load_file(desc->modules[j], &other, err, err_size) ||
			    strcmp(ops->name, other->name))
				continue;
			snprintf(err, err_size, "the modules %s and %s are both named %s",
				 desc->modules[j], desc->modules[i], ops->name);
			ret = -EINVAL;
		}
	}
	return ret;
}

int parents_add(struct uvfio_machine *machine, const struct uvfio_mdev_ops *ops,
		struct uvfio_mdev_parent **out, char *err, size_t err_size)
{
	struct parent_entry *entry = FAIL_POINT() ? NULL : malloc(sizeof(*entry));
	int ret = entry ? module_parent_register(ops, &entry->parent, err, err_size) : -ENOMEM;

	if (ret) {
		free(entry);
		return ret;
	}
	list_add(&entry->node, &machine->parents);
	if (out)
		*out = entry->parent;
	return 0;
}

static void remove_entry(struct parent_entry *entry)
{
	list_del(&entry->node);
	module_parent_unregister(entry->parent);
	free(entry);
}

void parents_remove(struct uvfio_machine *machine, struct uvfio_mdev_parent *parent)
{
	struct parent_entry *entry, *tmp;

	list_for_each_entry_safe(entry, tmp, &machine->parents, node) {
		if (entry->parent == parent)
			remove_entry(entry);
	}
}

int parents_add_all(struct uvfio_machine *machine)
{
	const struct description *desc = machine->desc;
	const struct uvfio_mdev_ops *ops;
	char err[1024];
	int ret;

	for (size_t i = 0; i < desc->num_modules; i++) {
		err[0] = '\0';
		ret = load_file(desc->modules[i], &ops, err, sizeof(err));
		if (!ret)
			ret = parents_add(machine, ops, NULL, err, sizeof(err));
		if (ret == -ENOMEM)
			return ret;
		if (ret)
			pr_err("%s", err[0] ? err : strerror(-ret));
	}
	return 0;
}

void parents_remove_all(struct uvfio_machine *machine)
{
	while (!list_empty(&machine->parents))
		remove_entry(list_first_entry(&machine->parents, struct parent_entry, node));
}
