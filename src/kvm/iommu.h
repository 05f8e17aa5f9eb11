/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual machine's memory in an IOMMU domain, for device assignment in the old way: the
 * functions of Linux 4.11's arch/x86/kvm/iommu.c. See iommu.c for the steps.
 */
#ifndef KVM_IOMMU_H
#define KVM_IOMMU_H

#include <pthread.h>

#include "base/itree.h"
#include "hostmem/hostmem.h"
#include "iommu/iommu.h"
#include "kvm/host_page.h"
#include "kvm/kvm.h"
#include "pci/pci.h"

struct kvm_iommu_env {
	struct hostmem *hm;
	/* The size of the huge page at an address that the host does not know to be one; 0: none.
	 * May be NULL. */
	size_t (*huge_size)(uintptr_t addr);
	bool allow_unsafe_assigned_interrupts;
};

/* kvm->arch.iommu_domain and iommu_noncoherent of one VM. */
struct kvm_iommu {
	struct kvm *kvm;
	struct kvm_iommu_env env;
	struct kvm_slot_listener listener;
	pthread_mutex_t lock;
	struct iommu_domain *domain; /* NULL: no device is assigned */
	bool noncoherent;
	struct itree pins; /* struct kvm_iommu_pin, by gfn */
	struct kvm_host_pages host_pages;
};

/* Follows the slots of @kvm from now on. slots_lock not held; so in all functions below, but those
 * that say so. */
void kvm_iommu_init(struct kvm_iommu *ki, struct kvm *kvm, const struct kvm_iommu_env *env);
/* No device is attached any more. */
void kvm_iommu_exit(struct kvm_iommu *ki);

/* Makes the domain for devices of @unit (NULL: there is none) and maps all slots. 0, -ENODEV,
 * -ENOMEM, -EPERM: interrupts are not isolated. */
int kvm_iommu_map_guest(struct kvm_iommu *ki, struct iommu *unit);
/* Unmaps and unpins everything and frees the domain, if there is one. */
void kvm_iommu_unmap_guest(struct kvm_iommu *ki);
bool kvm_iommu_mapped(struct kvm_iommu *ki);
/* Bytes of the domain's tables; 0: no domain. */
size_t kvm_iommu_table_bytes(struct kvm_iommu *ki);

/*
 * What the listener does: a slot came (or is at its new place), or is about to go from its place.
 * Nothing without a domain; slots_lock held. Pages that cannot be pinned are left out. 0 or -errno.
 */
int kvm_iommu_map_pages(struct kvm_iommu *ki, const struct kvm_memory_slot *slot);
void kvm_iommu_unmap_pages(struct kvm_iommu *ki, const struct kvm_memory_slot *slot);

/* Attaches the function to the domain, which exists. -ENODEV, -EINVAL: its group has more
 * functions, or another kind of IOMMU; -EBUSY: the group is somebody else's. */
int kvm_assign_device(struct kvm_iommu *ki, struct pci_dev *pdev);
void kvm_deassign_device(struct kvm_iommu *ki, struct pci_dev *pdev);

#endif
