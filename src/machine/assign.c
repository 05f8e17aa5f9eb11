/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What device assignment asks of the machine: the function at an address, whether the caller may
 * use it, and to keep it from others. A function that is assigned is claimed as the group of a VFIO
 * user is, so that no other process has it; it may be bound to nothing, to pci-stub or to a driver
 * of VFIO's whose device nobody has open.
 *
 * The core's lock is env->lock: functions come and go under it, and fn->assign is guarded by it.
 */
#include "machine/assign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "machine/machine_priv.h"

static void env_lock(void *arg)
{
	struct uvfio_machine *machine = arg;

	admin_sync(machine);
	device_core_lock(machine->core);
}

static void env_unlock(void *arg)
{
	struct uvfio_machine *machine = arg;

	device_core_unlock(machine->core);
}

static struct pci_dev *env_find(void *arg, uint32_t segnr, uint32_t busnr, uint32_t devfn)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn;

	if (segnr > 0xffff || busnr > 0xff || devfn > 0xff)
		return NULL;
	list_for_each_entry(fn, &machine->functions, node)
		if (fn->pdev && fn->rid == (segnr << 16 | busnr << 8 | devfn))
			return fn->pdev;
	return NULL;
}

/* probe_sysfs_permissions(): config space may have come as an fd, so BARs are asked. */
static int env_permission(void *arg, struct pci_dev *pdev)
{
	struct uvfio_machine *machine = arg;
	const struct machine_function *fn = machine_function_of(machine, &pdev->dev);
	char path[SYSFS_PATH_MAX], real[PATH_MAX];
	bool found = false;
	struct stat st;
	int ret;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		if (!pdev->bar[i].size)
			continue;
		snprintf(path, sizeof(path), "%s/resource%u", fn->path, i);
		if (!session_translate(machine->session, path, real, sizeof(real)) ||
		    lstat(real, &st))
			return -ENOENT;
		ret = machine_check_permission(session_shared(machine->session), &st, O_RDWR);
		if (ret)
			return ret;
		found = true;
	}
	return found ? 0 : -EPERM;
}

static int env_request(void *arg, struct pci_dev *pdev, struct kvm_assign *assign)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn = machine_function_of(machine, &pdev->dev);
	int ret;

	if (fn->binding == BINDING_OTHER || fn->assign)
		return -EBUSY;
	if (fn->group != NO_GROUP) {
		ret = env_group_claim(machine, fn->group);
		if (ret)
			return ret;
	}
	fn->assign = assign;
	return 0;
}

static void env_release(void *arg, struct pci_dev *pdev)
{
	struct uvfio_machine *machine = arg;
	struct machine_function *fn = machine_function_of(machine, &pdev->dev);

	fn->assign = NULL;
	if (fn->group != NO_GROUP)
		env_group_release(machine, fn->group);
}

int machine_assign_create(struct uvfio_machine *machine, struct kvm *kvm,
			  size_t (*huge_size)(uintptr_t addr), struct kvm_assign **out)
{
	struct kvm_assign_env env = {
		.arg = machine,
		.hm = machine->hm,
		.huge_size = huge_size,
		.lock = env_lock,
		.unlock = env_unlock,
		.find = env_find,
		.permission = env_permission,
		.request = env_request,
		.release = env_release,
	};
	int ret = kvm_assign_create(kvm, &env, out);

	if (!ret)
		atomic_fetch_add(&machine->assigns, 1);
	return ret;
}

void machine_assign_destroy(struct uvfio_machine *machine, struct kvm_assign *assign)
{
	if (!assign)
		return;
	kvm_assign_destroy(assign);
	atomic_fetch_sub(&machine->assigns, 1);
}
