/* SPDX-License-Identifier: BSD-3-Clause */
/* The C API's VM (include/uvfio/vm.h) as the files that serve it see it. */
#ifndef MACHINE_VM_H
#define MACHINE_VM_H

#include "kvm/kvm.h"

struct uvfio_vm {
	struct kvm *kvm;
};

#endif
