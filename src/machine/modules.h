/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel modules that a session knows: which there are (module_table.c), which are loaded, and
 * loading and unloading them (the kernel's kernel/module/). What a module stands for comes and goes
 * with it: names, drivers, VFIO's IOMMU driver.
 */
#ifndef MACHINE_MODULES_H
#define MACHINE_MODULES_H

#include "base/types.h"
#include "device/device.h"

struct uvfio_machine;
struct module_ids;

/* One of a module's parameters, as modinfo tells; the list ends with .name == NULL. */
struct module_parm {
	const char *name, *type, *description;
};

/* What is known of a module: facts of Linux 7.3 as Debian builds it. Names with underscores. */
struct module_info {
	const char *name;
	const char *path;				      /* below /lib/modules/RELEASE */
	const char *description, *author, *license, *version; /* but license, may be NULL */
	const char *depends;				      /* names parted by blanks */
	const char *softdep;		 /* as modules.softdep has it; NULL: none */
	const char *const *aliases;	 /* besides those of @ids; ends with NULL; may be NULL */
	const struct module_parm *parms; /* may be NULL */
	unsigned int coresize;
	const char *driver;	      /* the PCI driver in it; NULL: none */
	const struct module_ids *ids; /* of @driver */
	bool resident;		      /* loaded at the start of each session */
};

extern const struct module_info module_table[]; /* sorted by name; ends with .name == NULL */
/* Blanks and underscores are alike in @name. NULL: no such module. */
const struct module_info *module_find(const char *name);
/* Whether the blank-separated list @names has @name. */
bool module_list_has(const char *names, const char *name);

/* All modules that @info needs, in an order in which they can be loaded, after those of @out that
 * are there already (@count; @max at most); no doubles. The new count. */
size_t module_dependencies(const struct module_info *info, const struct module_info **out,
			   size_t count, size_t max);

/* A loaded module; valid while the caller of machine_for_each_module() is called. */
struct module_state {
	const struct module_info *info;
	unsigned int refcnt;
	char holders[256]; /* "vfio_pci,vfio_pci_core,": as in /proc/modules; "": none */
};

/* Calls @fn for each loaded module, the newest first. */
void machine_for_each_module(struct uvfio_machine *machine,
			     void (*fn)(void *arg, const struct module_state *state), void *arg);
/* Whether the module @name is loaded; @state may be NULL. */
bool machine_module_loaded(struct uvfio_machine *machine, const char *name,
			   struct module_state *state);

/*
 * init_module(2) of the module @name, whose dependencies are not loaded by this. @params: as on
 * insmod's command line. 0, -EEXIST it is loaded, -ENOENT a module that it needs is not loaded,
 * -EINVAL a parameter's value, -EPERM, -ENOEXEC no such module.
 *
 * A module that the session itself loaded at its start takes parameters once more, and the answer
 * is 0: for the user it is the first time.
 */
int machine_module_load(struct uvfio_machine *machine, const char *name, const char *params);
/* delete_module(2): 0, -ENOENT not loaded, -EWOULDBLOCK in use, -EPERM. Waits for whoever has a
 * device of its driver open. */
int machine_module_unload(struct uvfio_machine *machine, const char *name);

#endif
