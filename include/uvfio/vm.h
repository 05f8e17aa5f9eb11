/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A virtual machine as devices see it: memory slots, interrupt routes, irqfds, ioeventfds and the
 * vCPUs' local APICs. It is a VM of the real /dev/kvm when its fd is given, and a software model
 * otherwise, which works anywhere; both answer the same calls.
 *
 * Arguments are the structures of <linux/kvm.h>, and a function does and returns what the ioctl
 * that its comment names does in Linux: 0 or a count, and -errno on failure. Functions may be
 * called from any thread; in a forked child they return -EIO. fds are never consumed.
 */
#ifndef UVFIO_VM_H
#define UVFIO_VM_H

#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uvfio_vm;

/** How a VM is made; zero the structure first. */
struct uvfio_vm_config {
	/** UVFIO_VM_… */
	uint32_t flags;
	/** With UVFIO_VM_REAL: a VM's fd (KVM_CREATE_VM), of which a duplicate is kept. What
	 * shall be known here (slots, routes, irqfds) has to go through the functions below from
	 * then on. */
	int kvm_vm_fd;
};
/** The VM of kvm_vm_fd; without it the software model. */
#define UVFIO_VM_REAL (1U << 0)
/** Software model: local APICs are in x2APIC mode from the start. */
#define UVFIO_VM_X2APIC (1U << 1)
/** As KVM_CAP_X2APIC_API with KVM_X2APIC_API_USE_32BIT_IDS, which the caller has enabled on a real
 * VM: ids above 255 in MSI addresses and KVM_GET_LAPIC. */
#define UVFIO_VM_X2APIC_FORMAT (1U << 2)

/** -EINVAL: flags, or no VM's fd; -EBADF, -EMFILE, -ENOMEM. The caller owns *@out. @config may be
 * NULL: the software model. */
int uvfio_vm_create(const struct uvfio_vm_config *config, struct uvfio_vm **out);
/** Ends the VM's irqfds, ioeventfds and slots; a real VM itself lives as long as its fds. */
void uvfio_vm_destroy(struct uvfio_vm *vm);

/**
 * KVM_SET_USER_MEMORY_REGION: adds, moves, changes or (memory_size 0) deletes a slot. Addresses and
 * sizes in bytes, multiples of 4096; slot numbers below 32764. -EINVAL, -EEXIST: overlaps; -ENOMEM.
 */
int uvfio_vm_set_memory_region(struct uvfio_vm *vm, const struct kvm_userspace_memory_region *mem);
/** KVM_GET_DIRTY_LOG: one bit a page, which are cleared. -EINVAL, -ENOENT: not logged; -EFAULT. */
int uvfio_vm_get_dirty_log(struct uvfio_vm *vm, const struct kvm_dirty_log *log);
/** Guest memory at @gpa as a vCPU reads and writes it. A write to the software model is noted in
 * the dirty log. -EFAULT: no slot there, or a read-only one for a write. */
int uvfio_vm_read_memory(struct uvfio_vm *vm, uint64_t gpa, void *data, size_t len);
int uvfio_vm_write_memory(struct uvfio_vm *vm, uint64_t gpa, const void *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
