/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the VFIO core asks of the machine: groups, claims between processes, module parameters, the
 * session's identity; and where DMA faults are reported.
 *
 * These run under the VFIO core's locks: they take no lock above claims_lock.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "hostmem/frames.h"
#include "irq/trigger.h"
#include "kvm/kvm.h"
#include "machine/keeper_client.h"
#include "machine/intr_log.h"
#include "machine/mdev_priv.h"
#include "machine/share.h"

static struct iommu_group *env_group_of(void *arg, struct device *dev)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn;

	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev && &fn->pdev->dev == dev)
			return fn->group == NO_GROUP ? NULL : machine->groups[fn->group].group;
	return NULL;
}

/* What is decided stands in the slot before anybody is asked to give the device back. */
static bool env_device_going(void *arg, struct device *dev)
{
	struct uvfio_machine *machine = arg;
	const struct machine_function *fn;

	if (dev->bus == mdev_bus_type())
		return mdevs_going(dev);
	fn = machine_function_of(machine, dev);
	return fn && fn->slot->unbinding;
}

/* As the kernel's vfio_group_viable(): unbound, or bound to what does no DMA of its own. */
static bool env_group_viable(void *arg, struct iommu_group *group)
{
	struct uvfio_machine *machine = arg;
	unsigned int id = iommu_group_id(group);
	struct machine_function *fn;

	list_for_each_entry(fn, &machine->functions, node)
		if (fn->group == id && fn->binding == BINDING_OTHER)
			return false;
	return true;
}

/* What a user that was killed left there. */
static void drop_msi_irqs(struct uvfio_machine *machine, unsigned int id)
{
	struct machine_function *fn;

	list_for_each_entry(fn, &machine->functions, node)
		if (fn->group == id && fn->path[0])
			names_set_msi_irqs(fn, false, 0);
}

int env_group_claim(void *arg, unsigned int id)
{
	struct uvfio_machine *machine = arg;
	int fd;

	if (id >= MACHINE_GROUPS)
		return -ENODEV;
	fd = session_claim_group(machine->session, id);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&machine->claims_lock);
	machine->groups[id].claim_fd = fd;
	pthread_mutex_unlock(&machine->claims_lock);
	drop_msi_irqs(machine, id);
	keeper_client_hold(machine, id);
	return 0;
}

void env_group_release(void *arg, unsigned int id)
{
	struct uvfio_machine *machine = arg;

	if (id >= MACHINE_GROUPS)
		return;
	pthread_mutex_lock(&machine->claims_lock);
	fd_close(machine->groups[id].claim_fd);
	machine->groups[id].claim_fd = -1;
	pthread_mutex_unlock(&machine->claims_lock);
	keeper_client_drop(machine, id);
}

bool group_claimed_here(struct uvfio_machine *machine, unsigned int id)
{
	bool claimed;

	pthread_mutex_lock(&machine->claims_lock);
	claimed = machine->groups[id].claim_fd >= 0;
	pthread_mutex_unlock(&machine->claims_lock);
	return claimed;
}

static unsigned int env_dma_entry_limit(void *arg)
{
	const struct uvfio_machine *machine = arg;

	return machine->params.dma_entry_limit;
}

static bool env_disable_hugepages(void *arg)
{
	const struct uvfio_machine *machine = arg;

	return machine->params.disable_hugepages;
}

static bool env_allow_unsafe_interrupts(void *arg)
{
	const struct uvfio_machine *machine = arg;

	return machine->params.allow_unsafe_interrupts;
}

void machine_vfio_env(struct uvfio_machine *machine, struct vfio_env *env)
{
	*env = (struct vfio_env){
		.arg = machine,
		.hm = machine->hm,
		.group_of = env_group_of,
		.group_viable = env_group_viable,
		.device_going = env_device_going,
		.group_claim = env_group_claim,
		.group_release = env_group_release,
		.dma_entry_limit = env_dma_entry_limit,
		.disable_hugepages = env_disable_hugepages,
		.allow_unsafe_interrupts = env_allow_unsafe_interrupts,
		.capable = env_capable,
		.noiommu = env_noiommu,
		.group_alloc = env_group_alloc,
		.group_free = env_group_free,
		.add_taint = env_add_taint,
	};
}

void machine_fault_sink(void *arg, const struct dma_fault *fault)
{
	struct uvfio_machine *machine = arg;

	shared_report_fault(session_shared(machine->session), fault);
	intr_log(machine, fault);
}

void machine_use_kvm(struct uvfio_machine *machine)
{
	struct machine_function *fn;

	device_core_lock(machine->core);
	machine->kvm = true;
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev)
			fn->pdev->sparse_mmap = true;
	device_core_unlock(machine->core);
}

void machine_fork_prepare(struct uvfio_machine *machine)
{
	pthread_mutex_lock(&machine->admin_lock);
	machine->fork_holds_admin = true;
	if (machine->frames)
		frames_fork_prepare(machine->frames);
}

static void give_admin(struct uvfio_machine *machine)
{
	machine->fork_holds_admin = false;
	pthread_mutex_unlock(&machine->admin_lock);
}

void machine_fork_parent(struct uvfio_machine *machine, bool copies)
{
	if (machine->frames)
		frames_fork_parent(machine->frames, copies);
	give_admin(machine);
}

void machine_after_fork(struct uvfio_machine *machine)
{
	struct machine_function *fn;

	/* Only this thread is left: locks that others held are made anew. */
	pthread_mutex_init(&machine->claims_lock, NULL);
	if (machine->fork_holds_admin)
		give_admin(machine);
	else
		pthread_mutex_init(&machine->admin_lock, NULL);
	for (unsigned int i = 0; i < MACHINE_GROUPS; i++) {
		fd_close(machine->groups[i].claim_fd);
		machine->groups[i].claim_fd = -1;
	}
	/* A release is the parent's, and must not seem to go on after its death. */
	list_for_each_entry(fn, &machine->functions, node) {
		fd_close(fn->release_fd);
		fn->release_fd = -1;
	}
	mdevs_after_fork(machine);
	fd_close(machine->lock_fd);
	machine->lock_fd = -1;
	keeper_client_after_fork(machine);
	share_after_fork(machine);
	vfio_core_after_fork(machine->vfio);
	irq_after_fork();
	kvm_after_fork();
	pci_after_fork();
	iommu_after_fork();
	hostmem_after_fork(machine->hm);
	if (machine->frames)
		frames_fork_child(machine->frames);
	fd_close(machine->frames_fd);
	machine->frames_fd = -1;
}
