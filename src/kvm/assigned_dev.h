/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device assignment in the old way: KVM_ASSIGN_PCI_DEVICE and its companions (Linux 2.6.28 to
 * 4.11), for one virtual machine.
 */
#ifndef KVM_ASSIGNED_DEV_H
#define KVM_ASSIGNED_DEV_H

#include "base/types.h"

struct hostmem;
struct kvm;
struct kvm_assign;
struct pci_dev;

/* What the host around says of its PCI functions. */
struct kvm_assign_env {
	void *arg;
	struct hostmem *hm;
	/* May be NULL: the size of the huge page at an address that the host does not know of. */
	size_t (*huge_size)(uintptr_t addr);
	/* Around everything that looks at functions: none comes or goes. The outermost lock. */
	void (*lock)(void *arg);
	void (*unlock)(void *arg);
	/* The function at an address; NULL: none. Locked, as all below. */
	struct pci_dev *(*find)(void *arg, uint32_t segnr, uint32_t busnr, uint32_t devfn);
	/* May the caller use the function: access to its resourceN files. 0, -EACCES, -EPERM: it
	 * has no BARs. */
	int (*permission)(void *arg, struct pci_dev *pdev);
	/* Takes the function for @assign, from drivers and users in any process: -EBUSY. From then
	 * on kvm_assign_gone() is called should it go away. */
	int (*request)(void *arg, struct pci_dev *pdev, struct kvm_assign *assign);
	/* Gives it back. */
	void (*release)(void *arg, struct pci_dev *pdev);
};

/* The assigned devices of @kvm, which outlives it; none yet. 0 or -errno. */
int kvm_assign_create(struct kvm *kvm, const struct kvm_assign_env *env, struct kvm_assign **out);
/* Gives all devices back, as the VM's end does; in a forked child only the child's memory. NULL is
 * ignored. */
void kvm_assign_destroy(struct kvm_assign *assign);

/* Whether @cmd is one of the ioctls of device assignment. */
bool kvm_assign_is_ioctl(unsigned int cmd);
/*
 * The ioctls of a VM's fd: KVM_ASSIGN_PCI_DEVICE, KVM_DEASSIGN_PCI_DEVICE, KVM_ASSIGN_DEV_IRQ,
 * KVM_DEASSIGN_DEV_IRQ, KVM_ASSIGN_SET_MSIX_NR, KVM_ASSIGN_SET_MSIX_ENTRY,
 * KVM_ASSIGN_SET_INTX_MASK, KVM_ASSIGN_IRQ. @arg: the user's pointer. 0 or -errno as Linux 4.11;
 * -ENOTTY: none of them.
 */
long kvm_vm_ioctl_assigned_device(struct kvm_assign *assign, unsigned int cmd, unsigned long arg);
/* KVM_CHECK_EXTENSION where device assignment answers: 0 or 1; -1: it does not. @iommu: there is
 * one. */
int kvm_assign_check_extension(unsigned long cap, bool iommu);

/* The function goes away under the VM: it is detached, and all but KVM_DEASSIGN_PCI_DEVICE says
 * -ENODEV. env->lock is held. */
void kvm_assign_gone(struct kvm_assign *assign, struct pci_dev *pdev);

/* Bytes of the VM's IOMMU page tables; 0: no device is assigned. */
size_t kvm_assign_table_bytes(struct kvm_assign *assign);

#endif
