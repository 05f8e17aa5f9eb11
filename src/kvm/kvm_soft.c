/* SPDX-License-Identifier: BSD-3-Clause */
/* The software model of a VM: everything is in the common books and the model's own chips. */
#include "kvm/kvm_priv.h"

const struct kvm_backend kvm_soft = { NULL };
