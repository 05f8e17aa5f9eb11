/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Assigned devices, inside the folder.
 *
 * Locks, outermost first: env->lock, assign->lock (kvm->lock in the kernel), the VM's slots_lock,
 * kvm_iommu's, and besides those intx_lock. A function's interrupt handler runs under its
 * irqs->lock and takes nothing: what it looks at are atomics.
 */
#ifndef KVM_ASSIGNED_PRIV_H
#define KVM_ASSIGNED_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "irq/trigger.h"
#include "kvm/assigned_dev.h"
#include "kvm/iommu.h"
#include "pci/msi.h"
#include "uapi/kvm.h"

struct kvm_assign {
	struct kvm *kvm;
	struct kvm_assign_env env;
	pthread_mutex_t lock;
	struct list_head devices; /* struct kvm_assigned_dev */
	unsigned int attached;	  /* devices in the domain */
	struct kvm_iommu iommu;
};

/* An interrupt of the host on its way to a GSI: the trigger's eventfd is an irqfd of the VM. */
struct kvm_assigned_vector {
	int eventfd; /* -1: not there */
	struct irq_trigger *trigger;
	uint16_t entry; /* of the MSI-X table; 0 otherwise */
	uint32_t gsi;
	bool wired; /* an irqfd of the VM */
};

struct kvm_assigned_dev {
	struct list_head node; /* assign->devices */
	struct kvm_assign *assign;
	uint32_t id;		/* assigned_dev_id, the user's */
	struct pci_dev *pdev;	/* NULL: it went away */
	_Atomic uint32_t flags; /* KVM_DEV_ASSIGN_* */
	uint8_t saved[PCI_CFG_EXT_SIZE];

	uint32_t irq_requested_type; /* KVM_DEV_IRQ_* that are on */
	uint32_t guest_irq;
	/* The host's side: MSI-X entries as the user gave them, or the one vector of the others. */
	struct kvm_assigned_vector *msix;
	unsigned int entries_nr;
	struct kvm_assigned_vector single;

	pthread_mutex_t intx_lock; /* who acknowledges, masks and unmasks */
	atomic_bool host_irq_disabled;
	int resamplefd; /* of guest INTx: signalled at the guest's EOI; -1: none */
	struct virqfd *ack;
};

/* assigned_irq.c, assign->lock held. The ioctls' steps: 0 or -errno. */
int kvm_assigned_assign_irq(struct kvm_assigned_dev *dev, const struct kvm_assigned_irq *irq);
int kvm_assigned_deassign_irq(struct kvm_assigned_dev *dev, uint32_t type);
int kvm_assigned_set_msix_nr(struct kvm_assigned_dev *dev, unsigned int nr);
int kvm_assigned_set_msix_entry(struct kvm_assigned_dev *dev, uint16_t entry, uint32_t gsi);
void kvm_assigned_set_intx_mask(struct kvm_assigned_dev *dev, uint32_t flags);
void kvm_assigned_irqs_init(struct kvm_assigned_dev *dev);
/* Everything off; the function is still there. */
void kvm_assigned_irqs_free(struct kvm_assigned_dev *dev);
/* In the child of a fork: its copies of the fds go, the function is the parent's. */
void kvm_assigned_irqs_forget(struct kvm_assigned_dev *dev);

#endif
