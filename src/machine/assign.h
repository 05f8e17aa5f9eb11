/* SPDX-License-Identifier: BSD-3-Clause */
/* Device assignment of KVM's in the old way, on this machine's functions (kvm/assigned_dev.h). */
#ifndef MACHINE_ASSIGN_H
#define MACHINE_ASSIGN_H

#include "kvm/assigned_dev.h"

struct uvfio_machine;

/* The assigned devices of @kvm, which outlives it. @huge_size: of pages that the host does not know
 * of, NULL: there are none. While it is there, the machine cannot be destroyed. 0 or -errno. */
int machine_assign_create(struct uvfio_machine *machine, struct kvm *kvm,
			  size_t (*huge_size)(uintptr_t addr), struct kvm_assign **out);
/* NULL is ignored. */
void machine_assign_destroy(struct uvfio_machine *machine, struct kvm_assign *assign);

#endif
