/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The objects of one function: the PCI function that its model makes, the requester in front of its
 * IOMMU, the place in a group.
 *
 * Groups follow isolation as in the kernel's pci_device_group(): a port with ACS keeps what is
 * behind it apart from itself; without ACS they are one group; functions of one device have no ACS
 * between them and share a group.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kvm/assigned_dev.h"
#include "machine/machine_priv.h"
#include "machine/sysfs_resource.h"
#include "pci/msi.h"

struct machine_function *machine_find_function(struct uvfio_machine *machine, const char *name)
{
	struct machine_function *fn;

	list_for_each_entry(fn, &machine->functions, node)
		if (sysfs_streq(fn->name, name))
			return fn;
	return NULL;
}

struct machine_function *machine_function_of(struct uvfio_machine *machine, struct device *dev)
{
	struct machine_function *fn;

	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev && &fn->pdev->dev == dev)
			return fn;
	return NULL;
}

/* Whether @a and @b cannot be told apart by the IOMMU. */
static bool same_group(const struct machine_function *a, const struct machine_function *b)
{
	/* Functions of one device; a VF is told apart from all others. */
	if (a->port && a->rid >> 3 == b->rid >> 3 && !a->physfn && !b->physfn)
		return true;
	if (a->port == b || b->port == a) {
		const struct machine_function *port = a->port == b ? b : a;

		return !port->acs;
	}
	return a->port && a->port == b->port && !a->port->acs;
}

unsigned int function_choose_group(const struct machine_function *fn)
{
	struct uvfio_machine *machine = fn->machine;
	const struct machine_function *other;

	if (!machine->iommu)
		return NO_GROUP;
	list_for_each_entry(other, &machine->functions, node)
		if (other != fn && other->pdev && same_group(fn, other))
			return other->group;
	return machine_free_group(machine);
}

/* Function 0 says whether there are others beside it. */
static bool has_more_functions(const struct machine_function *fn)
{
	const struct machine_function *other;

	list_for_each_entry(other, &fn->machine->functions, node)
		if (other != fn && other->rid >> 3 == fn->rid >> 3 && !other->physfn)
			return (fn->rid & 7) == 0;
	return false;
}

/* Behind @port: bus numbers are kept free for the virtual functions there may be. */
static uint8_t last_bus(const struct machine_function *port)
{
	const struct description *desc = port->machine->desc;
	uint32_t last = port->secondary;

	for (size_t i = 0; i < desc->num_devices; i++)
		if (desc->devices[i]->rid >> 8 == port->secondary)
			last = MAX(last, description_last_bus(desc->devices[i]));
	return (uint8_t)last;
}

/* A model's words for what is wrong begin with its option. */
static int create_by_model(struct machine_function *fn, struct pci_dev *pdev, char *err,
			   size_t err_size)
{
	char why[512] = "";
	int ret = fn->desc->model->create(pdev, &fn->desc->config, why, sizeof(why));

	if (ret && why[0])
		snprintf(err, err_size, "%s at %s: %s", fn->desc->model->name, fn->name, why);
	return ret;
}

static int create_pci(struct machine_function *fn, struct pci_dev **out, char *err, size_t err_size)
{
	struct pci_dev *pdev;
	int ret;

	if (fn->host_bridge)
		return pci_host_bridge_create(fn->rid, out);
	if (!fn->desc) {
		ret = pci_root_port_create(fn->rid, (uint8_t)fn->secondary, out);
		if (!ret)
			(*out)->config[PCI_SUBORDINATE_BUS] = last_bus(fn);
		if (!ret && fn->acs)
			ret = pci_add_acs_cap(*out);
		return MIN(ret, 0);
	}
	if (fn->physfn) {
		ret = pci_vf_create(fn->physfn->pdev, fn->vf_index, &fn->desc->config, &pdev, err,
				    err_size);
		if (ret)
			return ret;
		pci_dev_created(pdev);
		pdev->no_mmap = !fn->desc->mmap;
		*out = pdev;
		return 0;
	}
	ret = pci_dev_create(fn->rid, fn->desc->model, &pdev);
	if (ret)
		return ret;
	ret = create_by_model(fn, pdev, err, err_size);
	if (ret) {
		pci_dev_destroy(pdev);
		return ret;
	}
	/* From here on destroying the function destroys the model's part. */
	if (has_more_functions(fn))
		pdev->config[PCI_HEADER_TYPE] |= 0x80;
	if (fn->desc->aer && !pdev->aer_cap && pci_add_aer_cap(pdev) < 0) {
		snprintf(err, err_size, "%s,aer=on: only a PCI Express function reports errors",
			 fn->desc->model->name);
		pci_dev_created(pdev);
		pci_dev_destroy(pdev);
		return -EINVAL;
	}
	pci_dev_created(pdev);
	pdev->no_mmap = !fn->desc->mmap;
	*out = pdev;
	return 0;
}

/* The model's piece of the session file, and counters that outlive this process. */
static int attach_shared(struct machine_function *fn, struct pci_dev *pdev)
{
	struct shared_header *shared = session_shared(fn->machine->session);

	fn->own_stats = pdev->stats;
	pdev->stats = &fn->slot->stats;
	if (pdev->iommu)
		dma_set_stats(pdev->iommu, &fn->slot->dma);
	if (!fn->slot->size)
		return 0;
	return pci_dev_set_shared(pdev, (char *)shared + fn->slot->offset,
				  atomic_exchange(&fn->slot->fresh, 0) != 0);
}

static int attach_iommu(struct machine_function *fn, struct pci_dev *pdev, unsigned int group)
{
	struct uvfio_machine *machine = fn->machine;
	int ret;

	if (!machine->iommu)
		return iommu_dev_create_bypass(&machine->bypass, fn->rid, fn->name, &pdev->iommu);
	if (group == NO_GROUP)
		return 0;
	ret = iommu_dev_create(machine->iommu, fn->rid, fn->name, &pdev->iommu);
	if (ret)
		return ret;
	ret = group_add(machine, group, pdev->iommu);
	if (ret) {
		iommu_dev_destroy(pdev->iommu);
		pdev->iommu = NULL;
	}
	return ret;
}

static void detach(struct machine_function *fn, struct pci_dev *pdev)
{
	if (fn->own_stats)
		pdev->stats = fn->own_stats;
	fn->own_stats = NULL;
	if (!pdev->iommu)
		return;
	if (fn->group != NO_GROUP)
		group_remove(fn->machine, fn->group, pdev->iommu);
	iommu_dev_destroy(pdev->iommu);
	pdev->iommu = NULL;
}

static void vectors_changed(void *arg, int type, unsigned int vectors)
{
	names_set_msi_irqs(arg, type == PCI_IRQ_MSIX, vectors);
}

int function_create(struct machine_function *fn, unsigned int group, char *err, size_t err_size)
{
	struct pci_dev *pdev = NULL;
	int ret;

	err[0] = '\0';
	ret = create_pci(fn, &pdev, err, err_size);
	if (ret)
		goto fail;
	snprintf(pdev->dev.name, sizeof(pdev->dev.name), "%s", fn->name);
	fn->group = group;
	ret = attach_iommu(fn, pdev, group);
	if (!ret)
		ret = attach_shared(fn, pdev);
	if (!ret)
		ret = pci_bus_add_device(fn->machine->pci, pdev, fn->port ? fn->port->pdev : NULL,
					 &fn->root->bridge);
	if (ret) {
		detach(fn, pdev);
		pci_dev_destroy(pdev);
		goto fail;
	}
	pdev->sparse_mmap = fn->machine->kvm;
	fn->pdev = pdev;
	if (!fn->path[0])
		snprintf(fn->path, sizeof(fn->path), "%s", pdev->dev.sysfs_path);
	pdev->irq_base = names_irq_base(fn);
	pdev->vectors_arg = fn;
	pdev->vectors_changed = vectors_changed;
	fn->incarnation = fn->slot->incarnation;
	ret = names_add_function(fn);
	if (ret) {
		function_destroy(fn);
		goto fail;
	}
	return 0;
fail:
	if (!err[0])
		snprintf(err, err_size, "%s: cannot be made: %s", fn->name, strerror(-ret));
	return ret;
}

void function_destroy(struct machine_function *fn)
{
	struct pci_dev *pdev = fn->pdev;

	if (!pdev)
		return;
	if (fn->assign)
		kvm_assign_gone(fn->assign, pdev);
	names_remove_function(fn);
	sysfs_resource_revoke(fn);
	fn->pdev = NULL;
	detach(fn, pdev);
	device_del(&pdev->dev);
}

int function_discover(struct machine_function *fn, char *err, size_t err_size)
{
	unsigned int group = function_choose_group(fn);
	int ret;

	atomic_fetch_add(&fn->slot->incarnation, 1);
	ret = function_create(fn, group, err, err_size);
	if (ret)
		return ret;
	fn->slot->group = group;
	fn->slot->present = 1;
	pr_info("pci %s: [%04x:%04x] class 0x%06x", fn->name, fn->pdev->vendor, fn->pdev->device,
		fn->pdev->class_code);
	if (group != NO_GROUP)
		pr_info("pci %s: Adding to iommu group %u", fn->name, group);
	return 0;
}

void functions_rescan(struct uvfio_machine *machine)
{
	bool probe = pci_bus_type(machine->pci)->drivers_autoprobe;
	struct machine_function *fn;
	char err[256];

	list_for_each_entry(fn, &machine->functions, node) {
		fn->found = !fn->pdev && !fn->physfn && (!fn->port || fn->port->pdev);
		if (fn->found && function_discover(fn, err, sizeof(err))) {
			pr_err("pci %s: %s", fn->name, err);
			fn->found = false;
		}
	}
	/* Drivers come when the whole bus has been looked at. */
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->found && probe)
			device_attach(&fn->pdev->dev);
}
