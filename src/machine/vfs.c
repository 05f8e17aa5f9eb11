/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions of the machine come and go (the kernel's drivers/pci/iov.c): with them their
 * names, groups and bindings, in every process of the session.
 *
 * Each VF that a description allows for has its place in machine->functions and its slot in the
 * session's file from the start; enabling VFs finds the first of them, as a rescan finds a removed
 * function. Disabling takes them away one after the other, each when its user has given it back.
 * Meanwhile the PF's slot says `vfs_going` (or `unbinding`, when its driver goes as well) and its
 * claim keeps everybody else away; who finds the mark without the claim goes on.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "device/uevent.h"
#include "machine/machine_priv.h"
#include "pci/sriov.h"

struct machine_function *vfs_find(const struct machine_function *pf, unsigned int index)
{
	struct machine_function *fn;

	list_for_each_entry(fn, &pf->machine->functions, node)
		if (fn->physfn == pf && fn->vf_index == index)
			return fn;
	return NULL;
}

/* ---- coming ---------------------------------------------------------------------------------- */

/* An override that the PF's driver gave is seen by others. */
static void store_override(struct machine_function *vf)
{
	char path[SYSFS_PATH_MAX];
	struct tree_attr attr;

	snprintf(path, sizeof(path), "%s/driver_override", vf->path);
	if (vf->pdev->dev.driver_override && tree_find(vf->machine->tree, path, &attr))
		tree_store_text(vf->machine->tree, &attr);
}

static int add_vf(struct machine_function *vf)
{
	struct pci_dev *pf = vf->physfn->pdev;
	struct pci_driver *drv = container_of(pf->dev.driver, struct pci_driver, drv);
	char err[256];
	int ret = function_discover(vf, err, sizeof(err));

	if (ret) {
		pr_err("pci %s: %s", vf->name, err);
		return ret;
	}
	if (drv->vf_added)
		drv->vf_added(pf, vf->pdev);
	store_override(vf);
	device_uevent(&vf->pdev->dev, UEVENT_CHANGE);
	if (pci_bus_type(vf->machine->pci)->drivers_autoprobe)
		device_attach(&vf->pdev->dev);
	return 0;
}

void vfs_bound(struct machine_function *vf)
{
	struct pci_dev *pf = vf->physfn->pdev;
	struct pci_driver *drv;

	if (!pf || !pf->dev.driver)
		return;
	drv = container_of(pf->dev.driver, struct pci_driver, drv);
	if (drv->vf_bound)
		drv->vf_bound(pf, vf->pdev);
}

static void destroy_vf(struct machine_function *vf)
{
	vf->slot->present = 0;
	function_destroy(vf);
}

int vfs_add(void *arg, struct pci_dev *pf, unsigned int num)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn = machine_function_of(machine, &pf->dev), *vf;
	int ret = 0;

	for (unsigned int i = 0; i < num && !ret; i++) {
		vf = vfs_find(fn, i);
		ret = vf ? add_vf(vf) : -EINVAL;
		/* Nobody has had the time to use one. */
		while (ret && i--) {
			vf = vfs_find(fn, i);
			device_release_driver(&vf->pdev->dev);
			destroy_vf(vf);
		}
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- going ----------------------------------------------------------------------------------- */

void vfs_want_off(void *arg, struct pci_dev *pf)
{
	struct uvfio_machine *machine = arg;

	machine->vfs_off_wanted = machine_function_of(machine, &pf->dev);
}

/* Until @vf is there without a driver, or not there. Locks held, dropped in between; on failure
 * they stay dropped. */
static int stop_vf(struct machine_function *vf)
{
	struct uvfio_machine *machine = vf->machine;
	int ret;

	for (;;) {
		ret = admin_wait_released(vf);
		if (ret < 0)
			return ret;
		if (ret) {
			ret = admin_begin(machine);
			if (ret)
				return ret;
			continue;
		}
		if (!vf->pdev || !vf->pdev->dev.driver)
			return 0;
		ret = admin_release(vf);
		if (ret)
			return ret;
	}
}

static int remove_vf(struct machine_function *vf)
{
	struct uvfio_machine *machine = vf->machine;
	int ret;

	if (!vf->pdev)
		return 0;
	machine_write_begin(machine);
	names_remove_virtfn(vf);
	machine_write_end(machine);
	ret = stop_vf(vf);
	if (ret || !vf->pdev)
		return ret;
	machine_write_begin(machine);
	destroy_vf(vf);
	machine_write_end(machine);
	admin_changed(machine);
	return 0;
}

int vfs_remove_claimed(struct machine_function *pf)
{
	struct uvfio_machine *machine = pf->machine;
	struct machine_function *fn;
	int ret = 0;

	if (!pf->pdev || !pf->pdev->sriov)
		return 0;
	list_for_each_entry(fn, &machine->functions, node) {
		if (fn->physfn == pf)
			ret = remove_vf(fn);
		if (ret)
			return ret;
	}
	if (pf->pdev && pci_num_vf(pf->pdev))
		pci_sriov_disabled(pf->pdev);
	pf->slot->vfs_going = 0;
	admin_changed(machine);
	return 0;
}

int admin_remove_vfs(struct machine_function *pf)
{
	struct uvfio_machine *machine = pf->machine;
	int ret = admin_claim(pf);

	if (ret) {
		admin_end(machine);
		return ret;
	}
	pf->slot->vfs_going = 1;
	ret = vfs_remove_claimed(pf);
	admin_unclaim(pf);
	return ret;
}

/* ---- after an accident ----------------------------------------------------------------------- */

void vfs_mend(struct uvfio_machine *machine)
{
	struct machine_function *pf, *vf;
	unsigned int num;

	list_for_each_entry(pf, &machine->functions, node) {
		if (!pf->pdev || !pf->pdev->sriov)
			continue;
		for (num = 0; (vf = vfs_find(pf, num)) && vf->pdev; num++)
			;
		if (num != pci_num_vf(pf->pdev) && !pf->slot->vfs_going && !pf->slot->unbinding)
			pci_sriov_mend(pf->pdev, num);
	}
}
