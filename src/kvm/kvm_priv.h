/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of src/kvm share: the VM object and what its two back ends differ in. */
#ifndef KVM_KVM_PRIV_H
#define KVM_KVM_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/itree.h"
#include "kvm/kvm.h"

#define KVM_MAX_VCPUS	 1024
#define KVM_MAX_VCPU_IDS 4096

struct kvm_slot;
struct kvm_slots {
	struct itree tree;	/* by gfn */
	struct kvm_slot **slot; /* by id; NULL: free */
	unsigned int nr;	/* length of @slot */
};

/* What the back ends differ in. Slots, routes, irqfds and their books are common. */
struct kvm_backend {
	/* After the checks, before the books change. NULL: nothing to do */
	int (*set_memory_region)(struct kvm *kvm, const struct kvm_userspace_memory_region *mem);
	/* NULL: the books' own bitmap */
	int (*get_dirty_log)(struct kvm *kvm, const struct kvm_dirty_log *log);
	void (*release)(struct kvm *kvm);
};
extern const struct kvm_backend kvm_soft, kvm_real;

struct kvm {
	const struct kvm_backend *ops;
	pid_t pid; /* of the process that made it */
	int vm_fd; /* real: our own; soft: -1 */
	bool x2apic, x2apic_format;

	pthread_mutex_t slots_lock;
	struct kvm_slots slots;	    /* slots_lock */
	struct list_head listeners; /* slots_lock */
};

/* 0, or -EIO in a forked child. */
int kvm_check(const struct kvm *kvm);

void kvm_free_slots(struct kvm *kvm);

#endif
