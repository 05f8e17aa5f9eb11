/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the C API's vm.h that assigns devices. Each call raises the library's depth. */
#include <uvfio/vm.h>

#include <errno.h>

#include "base/depth.h"
#include "machine/assign.h"
#include "machine/machine_priv.h"
#include "machine/vm.h"
#include "uapi/kvm.h"

#define API __attribute__((visibility("default")))

static int call(struct uvfio_vm *vm, unsigned int cmd, const void *arg)
{
	struct kvm_assign *assign = atomic_load(&vm->assign);
	int ret = kvm_check(vm->kvm);

	if (ret)
		return ret;
	/* No device has been assigned: as if the id were not found. */
	if (!assign)
		return cmd == KVM_ASSIGN_DEV_IRQ || cmd == KVM_DEASSIGN_DEV_IRQ ||
				       cmd == KVM_ASSIGN_SET_INTX_MASK
			       ? -ENODEV
			       : -EINVAL;
	depth_enter();
	ret = (int)kvm_vm_ioctl_assigned_device(assign, cmd, (unsigned long)arg);
	if (lib_depth == 1)
		pci_run_deferred();
	depth_leave();
	return ret;
}

/* The VM's devices are @machine's from now on, or have been. */
static int take_machine_locked(struct uvfio_vm *vm, struct uvfio_machine *machine)
{
	struct kvm_assign *assign;
	int ret;

	if (atomic_load(&vm->assign))
		return vm->machine == machine ? 0 : -EXDEV;
	depth_enter();
	ret = machine_assign_create(machine, vm->kvm, NULL, &assign);
	depth_leave();
	if (ret)
		return ret;
	vm->machine = machine;
	atomic_store(&vm->assign, assign);
	return 0;
}

API int uvfio_vm_assign_device(struct uvfio_vm *vm, struct uvfio_machine *machine,
			       const struct kvm_assigned_pci_dev *dev)
{
	int ret = kvm_check(vm->kvm);

	if (ret)
		return ret;
	pthread_mutex_lock(&vm->assign_lock);
	ret = take_machine_locked(vm, machine);
	pthread_mutex_unlock(&vm->assign_lock);
	return ret ? ret : call(vm, KVM_ASSIGN_PCI_DEVICE, dev);
}

API int uvfio_vm_deassign_device(struct uvfio_vm *vm, const struct kvm_assigned_pci_dev *dev)
{
	return call(vm, KVM_DEASSIGN_PCI_DEVICE, dev);
}

API int uvfio_vm_assign_irq(struct uvfio_vm *vm, const struct kvm_assigned_irq *irq)
{
	return call(vm, KVM_ASSIGN_DEV_IRQ, irq);
}

API int uvfio_vm_deassign_irq(struct uvfio_vm *vm, const struct kvm_assigned_irq *irq)
{
	return call(vm, KVM_DEASSIGN_DEV_IRQ, irq);
}

API int uvfio_vm_set_msix_nr(struct uvfio_vm *vm, const struct kvm_assigned_msix_nr *nr)
{
	return call(vm, KVM_ASSIGN_SET_MSIX_NR, nr);
}

API int uvfio_vm_set_msix_entry(struct uvfio_vm *vm, const struct kvm_assigned_msix_entry *entry)
{
	return call(vm, KVM_ASSIGN_SET_MSIX_ENTRY, entry);
}

API int uvfio_vm_set_intx_mask(struct uvfio_vm *vm, const struct kvm_assigned_pci_dev *dev)
{
	return call(vm, KVM_ASSIGN_SET_INTX_MASK, dev);
}

void vm_assign_end(struct uvfio_vm *vm)
{
	machine_assign_destroy(vm->machine, vm->assign);
	vm->assign = NULL;
	pthread_mutex_destroy(&vm->assign_lock);
}
