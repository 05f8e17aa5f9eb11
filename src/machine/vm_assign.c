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
	int ret;

	/* No device has been assigned: as if the id were not found. */
	if (!vm->assign)
		return cmd == KVM_ASSIGN_DEV_IRQ || cmd == KVM_DEASSIGN_DEV_IRQ ||
				       cmd == KVM_ASSIGN_SET_INTX_MASK
			       ? -ENODEV
			       : -EINVAL;
	depth_enter();
	ret = (int)kvm_vm_ioctl_assigned_device(vm->assign, cmd, (unsigned long)arg);
	if (lib_depth == 1)
		pci_run_deferred();
	depth_leave();
	return ret;
}

API int uvfio_vm_assign_device(struct uvfio_vm *vm, struct uvfio_machine *machine,
			       const struct kvm_assigned_pci_dev *dev)
{
	int ret = 0;

	if (vm->assign && vm->machine != machine)
		return -EXDEV;
	if (!vm->assign) {
		depth_enter();
		ret = machine_assign_create(machine, vm->kvm, NULL, &vm->assign);
		depth_leave();
		vm->machine = machine;
	}
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
}
