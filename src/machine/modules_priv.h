/* SPDX-License-Identifier: BSD-3-Clause */
/* Modules inside machine/: state (modules.c), parameters (module_params.c), native drivers
 * (native.c), loading and unloading (module_load.c). All under the core's lock. */
#ifndef MACHINE_MODULES_PRIV_H
#define MACHINE_MODULES_PRIV_H

#include "machine/machine_priv.h"
#include "machine/modules.h"
#include "device/uevent.h"

struct native_driver;

struct machine_module {
	struct list_head node; /* machine->modules, the newest first */
	struct uvfio_machine *machine;
	const struct module_info *info;
	bool boot;		      /* by the session's start, and nobody gave parameters since */
	bool live;		      /* its start has succeeded */
	uint64_t serial;	      /* of this loading: tells it from an earlier one */
	char *params;		      /* what it was loaded with */
	struct pci_driver *drv;	      /* its registered driver; NULL: none */
	struct native_driver *native; /* the owner of drv, when it is one of native.c */
};

/* NULL: not loaded. */
struct machine_module *module_loaded(struct uvfio_machine *machine, const char *name);
/* Users and dependents, as /sys/module/NAME/refcnt says. */
unsigned int module_refcnt(const struct machine_module *mod);
/* Those of @info's dependencies that are not loaded; NULL: none. */
const char *module_missing(struct uvfio_machine *machine, const struct module_info *info);

/*
 * Brings a module to life: its objects, and its names as far as the tree writes. Parameters have
 * been checked before. With drivers_autoprobe its driver takes the functions that it fits. On
 * failure nothing is left.
 */
int module_start(struct uvfio_machine *machine, const struct module_info *info, const char *params,
		 bool boot, uint64_t serial, struct machine_module **out);
/* The way back; no function is bound to its driver any more in any process. */
void module_stop(struct machine_module *mod);
/* Adds what is missing of the names of loaded modules, on a tree that is mended. */
void modules_mend(struct uvfio_machine *machine);
/* The module's own event: when it is initialised, and when it is gone. */
void module_uevent(struct uvfio_machine *machine, const struct module_info *info,
		   enum uevent_action action);
void modules_describe(const struct machine_module *mod, struct module_state *state);
/* Writes down which modules are loaded, for other processes; when the tree writes. */
int modules_write(struct uvfio_machine *machine);

/* module_params.c */
const struct attribute *module_param_attrs(const struct module_info *info);
/*
 * Sets parameters from "NAME=VALUE …", all others to their defaults when @fresh. @ids gets the
 * value of `ids`. Unknown ones are reported when @loud. 0, -EINVAL, -ERANGE, -ENOMEM.
 */
int module_params_set(struct machine_params *params, const struct module_info *info,
		      const char *text, bool fresh, bool loud, char *ids, size_t ids_size);

/* native.c: a driver that binds and does nothing. */
int native_register(struct uvfio_machine *machine, const struct module_info *info,
		    struct native_driver **out, struct pci_driver **drv);
void native_unregister(struct native_driver *native);

#endif
