/* SPDX-License-Identifier: BSD-3-Clause */
/* The C API's VM (include/uvfio/vm.h) as the files that serve it see it. */
#ifndef MACHINE_VM_H
#define MACHINE_VM_H

#include <pthread.h>

#include "kvm/kvm.h"

struct kvm_assign;
struct uvfio_machine;

struct uvfio_vm {
	struct kvm *kvm;
	pthread_mutex_t assign_lock; /* who makes what follows */
	/* Devices assigned in the old way, and the machine that they are of; NULL: none yet. */
	struct kvm_assign *_Atomic assign;
	struct uvfio_machine *machine;
};

/* Gives the devices back. */
void vm_assign_end(struct uvfio_vm *vm);

#endif
