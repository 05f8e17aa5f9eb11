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
	if (ret)
		free(vm);
	else
		*out = vm;
	return ret;
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
