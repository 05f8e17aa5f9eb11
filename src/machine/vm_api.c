/* SPDX-License-Identifier: BSD-3-Clause */
/* The C API's vm.h (include/uvfio): a door to src/kvm. Each call raises the library's depth. */
#include <uvfio/vm.h>

#include <errno.h>
#include <stdlib.h>

#include "base/depth.h"
#include "base/failpoint.h"
#include "machine/vm.h"

#define API __attribute__((visibility("default")))

/* @call at library depth. */
#define ENTER(call)                    \
	({                             \
		__typeof__(call) _ret; \
		depth_enter();         \
		_ret = (call);         \
		depth_leave();         \
		_ret;                  \
	})

static int vm_create(const struct uvfio_vm_config *config, struct uvfio_vm **out)
{
	struct kvm_config inner = { .real = config->flags & UVFIO_VM_REAL,
				    .vm_fd = config->kvm_vm_fd,
				    .x2apic = config->flags & UVFIO_VM_X2APIC,
				    .x2apic_format = config->flags & UVFIO_VM_X2APIC_FORMAT };
	struct uvfio_vm *vm;
	int ret;

	if (config->flags & ~(UVFIO_VM_REAL | UVFIO_VM_X2APIC | UVFIO_VM_X2APIC_FORMAT))
		return -EINVAL;
	vm = FAIL_POINT() ? NULL : calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	ret = kvm_create(&inner, &vm->kvm);
	if (ret) {
		free(vm);
		return ret;
	}
	pthread_mutex_init(&vm->assign_lock, NULL);
	*out = vm;
	return 0;
}

API int uvfio_vm_create(const struct uvfio_vm_config *config, struct uvfio_vm **out)
{
	static const struct uvfio_vm_config defaults;

	return ENTER(vm_create(config ? config : &defaults, out));
}

API void uvfio_vm_destroy(struct uvfio_vm *vm)
{
	if (!vm)
		return;
	depth_enter();
	vm_assign_end(vm);
	kvm_destroy(vm->kvm);
	depth_leave();
	free(vm);
}

API int uvfio_vm_set_memory_region(struct uvfio_vm *vm,
				   const struct kvm_userspace_memory_region *mem)
{
	return ENTER(kvm_set_memory_region(vm->kvm, mem));
}

API int uvfio_vm_get_dirty_log(struct uvfio_vm *vm, const struct kvm_dirty_log *log)
{
	return ENTER(kvm_get_dirty_log(vm->kvm, log));
}

API int uvfio_vm_read_memory(struct uvfio_vm *vm, uint64_t gpa, void *data, size_t len)
{
	return ENTER(kvm_read_guest(vm->kvm, gpa, data, len));
}

API int uvfio_vm_write_memory(struct uvfio_vm *vm, uint64_t gpa, const void *data, size_t len)
{
	return ENTER(kvm_write_guest(vm->kvm, gpa, data, len));
}

API int uvfio_vm_create_irqchip(struct uvfio_vm *vm)
{
	return ENTER(kvm_create_irqchip(vm->kvm));
}

API int uvfio_vm_add_vcpu(struct uvfio_vm *vm, unsigned int id, int vcpu_fd)
{
	return ENTER(kvm_add_vcpu(vm->kvm, id, vcpu_fd));
}

API int uvfio_vm_get_lapic(struct uvfio_vm *vm, unsigned int vcpu, struct kvm_lapic_state *state)
{
	return ENTER(kvm_get_lapic(vm->kvm, vcpu, state));
}

API int uvfio_vm_set_lapic(struct uvfio_vm *vm, unsigned int vcpu,
			   const struct kvm_lapic_state *state)
{
	return ENTER(kvm_set_lapic(vm->kvm, vcpu, state));
}

API int uvfio_vm_get_irqchip(struct uvfio_vm *vm, struct kvm_irqchip *chip)
{
	return ENTER(kvm_get_irqchip(vm->kvm, chip));
}

API int uvfio_vm_set_irqchip(struct uvfio_vm *vm, const struct kvm_irqchip *chip)
{
	return ENTER(kvm_set_irqchip(vm->kvm, chip));
}

API int uvfio_vm_lapic_read(struct uvfio_vm *vm, unsigned int vcpu, uint32_t reg, uint32_t *value)
{
	return ENTER(kvm_lapic_read(vm->kvm, vcpu, reg, value));
}

API int uvfio_vm_lapic_write(struct uvfio_vm *vm, unsigned int vcpu, uint32_t reg, uint32_t value)
{
	return ENTER(kvm_lapic_write(vm->kvm, vcpu, reg, value));
}

API int uvfio_vm_has_interrupt(struct uvfio_vm *vm, unsigned int vcpu)
{
	return ENTER(kvm_has_interrupt(vm->kvm, vcpu));
}

API int uvfio_vm_get_interrupt(struct uvfio_vm *vm, unsigned int vcpu)
{
	return ENTER(kvm_get_interrupt(vm->kvm, vcpu));
}

API int uvfio_vm_ioapic_read(struct uvfio_vm *vm, unsigned int offset, uint32_t *value)
{
	return ENTER(kvm_ioapic_access(vm->kvm, offset, false, value));
}

API int uvfio_vm_ioapic_write(struct uvfio_vm *vm, unsigned int offset, uint32_t value)
{
	return ENTER(kvm_ioapic_access(vm->kvm, offset, true, &value));
}

API int uvfio_vm_pic_read(struct uvfio_vm *vm, unsigned int port, uint8_t *value)
{
	return ENTER(kvm_pic_access(vm->kvm, port, false, value));
}

API int uvfio_vm_pic_write(struct uvfio_vm *vm, unsigned int port, uint8_t value)
{
	return ENTER(kvm_pic_access(vm->kvm, port, true, &value));
}

API int uvfio_vm_set_gsi_routing(struct uvfio_vm *vm, const struct kvm_irq_routing_entry *entries,
				 unsigned int nr)
{
	return ENTER(kvm_set_irq_routing(vm->kvm, entries, nr, 0));
}

API int uvfio_vm_signal_msi(struct uvfio_vm *vm, const struct kvm_msi *msi)
{
	return ENTER(kvm_signal_msi(vm->kvm, msi));
}

API int uvfio_vm_irq_line(struct uvfio_vm *vm, uint32_t gsi, int level)
{
	return ENTER(kvm_set_irq(vm->kvm, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, level));
}

API int uvfio_vm_irqfd(struct uvfio_vm *vm, const struct kvm_irqfd *args)
{
	return ENTER(kvm_irqfd(vm->kvm, args));
}

API int uvfio_vm_irqfd_posted(struct uvfio_vm *vm, int eventfd)
{
	return ENTER(kvm_irqfd_is_posted(vm->kvm, eventfd));
}

API int uvfio_vm_ioeventfd(struct uvfio_vm *vm, const struct kvm_ioeventfd *args)
{
	return ENTER(kvm_ioeventfd(vm->kvm, args));
}

API int uvfio_vm_io_write(struct uvfio_vm *vm, int pio, uint64_t addr, unsigned int len,
			  uint64_t value)
{
	int ret = kvm_check(vm->kvm);

	return ret ? ret : ENTER((int)kvm_ioeventfd_write(vm->kvm, pio, addr, len, value));
}
