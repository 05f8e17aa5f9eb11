/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a description to objects: the topology, then the driver core with the bus "pci", the IOMMU,
 * the functions in order of discovery, the VFIO core and its driver.
 *
 * The same description gives the same topology, groups and addresses in every process. What was
 * changed since (bindings, removed functions) comes from the tree and the session file (admin.c).
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/failpoint.h"
#include "base/fault.h"
#include "base/following.h"
#include "base/log.h"
#include "machine/keeper_client.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"
#include "machine/trace.h"
#include "machine/uevent.h"

/* ---- the plan -------------------------------------------------------------------------------- */

static int plan_function(struct list_head *functions, uint32_t rid, struct machine_function **out)
{
	struct machine_function *fn = FAIL_POINT() ? NULL : calloc(1, sizeof(*fn));

	if (!fn)
		return -ENOMEM;
	fn->rid = rid;
	fn->group = NO_GROUP;
	fn->release_fd = -1;
	list_init(&fn->resources);
	pci_address_format(rid, fn->name);
	list_add_tail(&fn->node, functions);
	*out = fn;
	return 0;
}

static void plan_free(struct list_head *functions)
{
	struct machine_function *fn, *tmp;

	list_for_each_entry_safe(fn, tmp, functions, node) {
		list_del(&fn->node);
		free(fn);
	}
}

/* The next number in @numbers' order behind @after that a device of @desc has; false: none. @shift
 * tells which part of the rid counts. */
static bool next_number(const struct description *desc, unsigned int shift, int64_t after,
			int64_t *next)
{
	*next = INT64_MAX;
	for (size_t i = 0; i < desc->num_devices; i++) {
		int64_t number = desc->devices[i]->rid >> shift;

		if (number > after && number < *next)
			*next = number;
	}
	return *next != INT64_MAX;
}

/* Ports stand in slots 1 to 31 of the root bus, then in the slots' other functions. */
static uint32_t port_rid(uint32_t domain, unsigned int index)
{
	return domain << 16 | (1 + index % 31) << 3 | index / 31;
}

static bool bus_has_acs(const struct description *desc, uint32_t bus)
{
	for (size_t i = 0; i < desc->num_devices; i++)
		if (desc->devices[i]->rid >> 8 == bus && !desc->devices[i]->acs)
			return false;
	return true;
}

static struct machine_function *find_port(struct list_head *functions, uint32_t bus)
{
	struct machine_function *fn;

	list_for_each_entry(fn, functions, node)
		if (fn->secondary == bus)
			return fn;
	return NULL;
}

/* Places for the VFs that the domain's functions may have, whether they are enabled or not. */
static int plan_vfs(uint32_t domain, struct list_head *functions)
{
	struct machine_function *pf, *vf;
	struct pci_sriov sriov;
	int ret;

	list_for_each_entry(pf, functions, node) {
		if (!pf->desc || pf->physfn || pf->rid >> 16 != domain ||
		    !description_vfs(pf->desc, &sriov))
			continue;
		for (unsigned int i = 0; i < sriov.total_vfs; i++) {
			ret = plan_function(functions, pci_vf_rid(pf->rid, &sriov, i), &vf);
			if (ret)
				return ret;
			vf->desc = pf->desc;
			vf->port = pf->port;
			vf->physfn = pf;
			vf->vf_index = i;
		}
	}
	return 0;
}

static int plan_domain(const struct description *desc, uint32_t domain, struct list_head *functions)
{
	int64_t bus = (int64_t)domain << 8, rid = (int64_t)domain << 16;
	struct machine_function *fn;
	unsigned int ports = 0;
	int ret = plan_function(functions, domain << 16, &fn);

	if (ret)
		return ret;
	fn->host_bridge = true;
	while (next_number(desc, 8, bus, &bus) && bus >> 8 == domain) {
		ret = plan_function(functions, port_rid(domain, ports++), &fn);
		if (ret)
			return ret;
		fn->secondary = (uint32_t)bus;
		fn->acs = bus_has_acs(desc, (uint32_t)bus);
	}
	while (next_number(desc, 0, rid, &rid) && rid >> 16 == domain) {
		ret = plan_function(functions, (uint32_t)rid, &fn);
		if (ret)
			return ret;
		fn->port = find_port(functions, (uint32_t)rid >> 8);
		for (size_t i = 0; i < desc->num_devices; i++)
			if (desc->devices[i]->rid == rid)
				fn->desc = desc->devices[i];
	}
	return plan_vfs(domain, functions);
}

static int plan(const struct description *desc, struct list_head *functions)
{
	int64_t domain = -1;
	int ret = 0;

	list_init(functions);
	while (!ret && next_number(desc, 16, domain, &domain))
		ret = plan_domain(desc, (uint32_t)domain, functions);
	if (ret)
		plan_free(functions);
	return ret;
}

static const struct pci_model *model_of(const struct machine_function *fn)
{
	struct pci_sriov sriov;

	if (!fn->physfn)
		return fn->desc->model;
	description_vfs(fn->desc, &sriov);
	return sriov.vf_model;
}

/* Bytes of the session's file for a function. Every endpoint has some, since what the host wrote to
 * its config space stands in front of the model's own. */
static size_t shared_piece(const struct machine_function *fn)
{
	return fn->desc ? MAX(model_of(fn)->shared_size, sizeof(uint64_t)) : 0;
}

int machine_plan(const struct description *desc, struct session_device **out, size_t *count)
{
	struct list_head functions;
	struct machine_function *fn;
	int ret = plan(desc, &functions);
	size_t n = 0;

	if (ret)
		return ret;
	list_for_each_entry(fn, &functions, node)
		n++;
	*out = calloc(n, sizeof(**out));
	if (!*out) {
		plan_free(&functions);
		return -ENOMEM;
	}
	*count = 0;
	list_for_each_entry(fn, &functions, node) {
		struct session_device *device = &(*out)[(*count)++];

		memcpy(device->name, fn->name, sizeof(device->name));
		device->rid = fn->rid;
		device->endpoint = fn->desc != NULL;
		snprintf(device->model, sizeof(device->model), "%s",
			 fn->desc	   ? model_of(fn)->name
			 : fn->host_bridge ? "host-bridge"
					   : "root-port");
		device->shared_size = shared_piece(fn);
	}
	plan_free(&functions);
	return 0;
}

/* ---- objects --------------------------------------------------------------------------------- */

/* Whether the slot is what this machine's function needs. */
static bool slot_fits(const struct machine_function *fn)
{
	size_t piece = shared_piece(fn);
	unsigned int group = fn->slot->group;

	return (group == NO_GROUP || group < MACHINE_GROUPS) &&
	       fn->slot->size >= PCI_SHARED_HEADER + piece;
}

static int build_buses(struct uvfio_machine *machine)
{
	struct shared_header *shared = session_shared(machine->session);
	struct machine_function *fn;
	struct machine_bus *bus = NULL;

	list_for_each_entry(fn, &machine->functions, node) {
		fn->machine = machine;
		fn->slot = shared_find_device(shared, fn->name);
		if (!fn->slot || !slot_fits(fn))
			return -EPROTO;
		/* Functions come domain by domain, each begun by its host bridge. */
		if (fn->host_bridge) {
			int ret;

			bus = FAIL_POINT() ? NULL : calloc(1, sizeof(*bus));
			if (!bus)
				return -ENOMEM;
			bus->number = fn->rid >> 8;
			snprintf(bus->bridge.name, sizeof(bus->bridge.name), "pci%04x:00",
				 fn->rid >> 16 & 0xffff);
			ret = device_add(&bus->bridge);
			if (ret) {
				free(bus);
				return ret;
			}
			list_add_tail(&bus->node, &machine->buses);
		}
		fn->root = bus;
	}
	return 0;
}

/* Disks in memory and wires live as long as the session does: in its directory. */
static int name_backings(struct uvfio_machine *machine)
{
	char at[PCI_ADDRESS_LEN];

	for (size_t i = 0; i < machine->desc->num_devices; i++) {
		struct description_device *dev = machine->desc->devices[i];

		if (asprintf(&dev->backing, "%s/disks/%s", session_dir(machine->session),
			     pci_address_format(dev->rid, at)) < 0) {
			dev->backing = NULL;
			return -ENOMEM;
		}
		if (asprintf(&dev->net_dir, "%s/net", session_dir(machine->session)) < 0) {
			dev->net_dir = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

/* The driver of ports: it does nothing to them and nothing to their group (viability). */
static const struct pci_device_id pcieport_ids[] = {
	{ .vendor = PCI_ANY_ID,
	  .device = PCI_ANY_ID,
	  .subvendor = PCI_ANY_ID,
	  .subdevice = PCI_ANY_ID,
	  .class_code = 0x060400,
	  .class_mask = 0xffffff },
	{ 0 },
};

static int build_drivers(struct uvfio_machine *machine, bool create)
{
	int ret;

	machine->pcieport.drv.name = "pcieport";
	machine->pcieport.id_table = pcieport_ids;
	ret = pci_driver_register(machine->pci, &machine->pcieport);
	if (ret)
		return ret;
	machine->pcieport_registered = true;
	ret = names_add_driver(machine, &machine->pcieport.drv);
	/* Whoever comes later follows what is loaded by then (admin_sync()). */
	return ret || !create ? ret : modules_start_all(machine);
}

static int build_vfio(struct uvfio_machine *machine)
{
	const struct shared_header *shared = session_shared(machine->session);
	bool unlimited = shared->caps >> CAP_IPC_LOCK & 1;
	struct vfio_env env;
	int ret = hostmem_create(unlimited ? UINT64_MAX : shared->memlock, &machine->hm);

	if (ret)
		return ret;
	machine_vfio_env(machine, &env);
	ret = vfio_core_create(&env, &machine->vfio);
	if (ret)
		return ret;
	vfio_core_set(machine->vfio);
	return 0;
}

static int build_core(struct uvfio_machine *machine)
{
	const struct pci_bus_env env = { .arg = machine,
					 .remove = admin_want_remove,
					 .rescan = admin_want_rescan,
					 .add_vfs = vfs_add,
					 .remove_vfs = vfs_want_off,
					 .reset_elsewhere = inject_reset };
	int ret = device_core_create(&machine->core);

	if (!ret)
		ret = pci_bus_create(machine->core, &env, &machine->pci);
	if (!ret)
		ret = tree_create(machine->session, machine->core, &machine->tree);
	if (!ret && machine->desc->iommu != DESCRIPTION_IOMMU_NONE) {
		bool amd = machine->desc->iommu == DESCRIPTION_IOMMU_AMD;

		ret = iommu_create(amd ? IOMMU_MODEL_AMD : IOMMU_MODEL_INTEL,
				   amd ? "ivhd0" : "dmar0", &machine->iommu);
	}
	if (!ret)
		ret = name_backings(machine);
	return ret ? ret : build_buses(machine);
}

/* Every function at the start, or those that are there by now. */
static int build_functions(struct uvfio_machine *machine, bool create, char *err, size_t err_size)
{
	struct machine_function *fn;
	int ret = 0;

	list_for_each_entry(fn, &machine->functions, node) {
		/* VFs come when somebody enables them. */
		if (create && !fn->physfn)
			ret = function_discover(fn, err, err_size);
		else if (!create && fn->slot->present)
			ret = function_create(fn, fn->slot->group, err, err_size);
		if (ret)
			return ret;
	}
	return 0;
}

static int build_objects(struct uvfio_machine *machine, bool create, char *err, size_t err_size)
{
	int ret = build_core(machine);

	if (ret)
		return ret;
	tree_set_writing(machine->tree, create);
	machine->trace_seq = event_last();
	trace_follow(machine);
	lib_following += !create;
	device_core_lock(machine->core);
	device_core_set_observer(machine->core, admin_observe, machine);
	uevents_init(machine);
	modules_init_params(&machine->params);
	ret = names_add_static(machine);
	if (!ret)
		ret = build_functions(machine, create, err, err_size);
	if (!ret)
		ret = build_vfio(machine);
	if (!ret)
		ret = build_drivers(machine, create);
	if (!ret && create)
		ret = admin_bind_described(machine, err, err_size);
	uevents_flush(machine);
	trace_flush(machine);
	device_core_unlock(machine->core);
	lib_following -= !create;
	tree_set_writing(machine->tree, false);
	return ret;
}

int machine_build(struct session *session, struct description *desc, bool create,
		  struct uvfio_machine **out, char *err, size_t err_size)
{
	struct uvfio_machine *machine = FAIL_POINT() ? NULL : calloc(1, sizeof(*machine));
	int ret;

	err[0] = '\0';
	if (!machine) {
		description_free(desc);
		return -ENOMEM;
	}
	machine->session = session;
	machine->desc = desc;
	machine->lock_fd = -1;
	machine->trace_fd = -1;
	machine->frames_fd = -1;
	list_init(&machine->uevents);
	list_init(&machine->buses);
	list_init(&machine->functions);
	list_init(&machine->modules);
	list_init(&machine->parents);
	pthread_mutex_init(&machine->admin_lock, NULL);
	pthread_mutex_init(&machine->claims_lock, NULL);
	for (unsigned int i = 0; i < MACHINE_GROUPS; i++) {
		machine->groups[i].machine = machine;
		machine->groups[i].claim_fd = -1;
	}
	kmsg_open(machine, !create);
	ret = plan(desc, &machine->functions);
	if (!ret)
		ret = fault_init();
	if (!ret)
		ret = build_objects(machine, create, err, err_size);
	if (!ret && !machine->iommu)
		ret = machine_frames_create(machine, create);
	if (ret) {
		if (!err[0])
			snprintf(err, err_size, "the machine cannot be built: %s", strerror(-ret));
		machine_detach(machine);
		return ret;
	}
	dma_set_fault_sink(machine_fault_sink, machine);
	if (create)
		machine->generation = session_shared(session)->generation;
	else
		admin_end_dead(machine);
	*out = machine;
	return 0;
}

/* ---- the way back ---------------------------------------------------------------------------- */

static void unbind_all(struct uvfio_machine *machine)
{
	struct machine_function *fn;

	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev)
			device_release_driver(&fn->pdev->dev);
}

/* Endpoints come behind their ports in the list: from the end. */
static void destroy_functions(struct uvfio_machine *machine)
{
	for (struct list_head *node = machine->functions.prev; node != &machine->functions;
	     node = node->prev)
		function_destroy(list_entry(node, struct machine_function, node));
}

static void destroy_buses(struct uvfio_machine *machine)
{
	struct machine_bus *bus, *tmp;

	list_for_each_entry_safe(bus, tmp, &machine->buses, node) {
		list_del(&bus->node);
		device_del(&bus->bridge);
		free(bus);
	}
}

void machine_detach(struct uvfio_machine *machine)
{
	if (!machine)
		return;
	keeper_client_stop(machine);
	dma_set_fault_sink(NULL, NULL);
	trace_stop(machine);
	if (machine->pci) {
		device_core_lock(machine->core);
		/* The session does not change by it. */
		lib_following++;
		unbind_all(machine);
		modules_stop_all(machine);
		lib_following--;
		if (machine->pcieport_registered)
			pci_driver_unregister(&machine->pcieport);
		destroy_functions(machine);
		destroy_buses(machine);
		device_core_set_observer(machine->core, NULL, NULL);
		uevents_exit(machine);
		device_core_unlock(machine->core);
	}
	if (machine->vfio) {
		vfio_core_set(NULL);
		vfio_core_destroy(machine->vfio);
	}
	machine_frames_destroy(machine);
	hostmem_destroy(machine->hm);
	pci_bus_destroy(machine->pci);
	iommu_destroy(machine->iommu);
	tree_destroy(machine->tree);
	device_core_destroy(machine->core);
	plan_free(&machine->functions);
	description_free(machine->desc);
	trace_close(machine);
	kmsg_close(machine);
	pthread_mutex_destroy(&machine->admin_lock);
	pthread_mutex_destroy(&machine->claims_lock);
	free(machine);
}

int machine_attach(struct session *session, struct uvfio_machine **out, char *err, size_t err_size)
{
	struct description *desc;
	char path[4096];
	int ret = session_path(session, "machine", path, sizeof(path));

	err[0] = '\0';
	if (!ret)
		ret = session_hold(session);
	if (!ret)
		ret = description_create(&desc);
	if (ret)
		goto out;
	ret = description_read(desc, path, err, err_size);
	if (ret)
		description_free(desc);
	else
		ret = machine_build(session, desc, false, out, err, err_size);
out:
	if (ret && !err[0])
		snprintf(err, err_size, "%s", strerror(-ret));
	return ret;
}

struct hostmem *machine_hostmem(struct uvfio_machine *machine)
{
	return machine->hm;
}
