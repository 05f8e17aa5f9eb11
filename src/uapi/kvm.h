/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The KVM uAPI: <linux/kvm.h> of the build machine, completed with what older kernels had. Device
 * assignment left the kernel with Linux 4.12; its definitions left the header years later, and a
 * program of that age brings its own. Sizes, offsets and numbers are asserted in uapi.c.
 */
#ifndef UAPI_KVM_H
#define UAPI_KVM_H

#include <linux/kvm.h>

#ifndef KVM_CAP_IOMMU
#define KVM_CAP_IOMMU 18
#endif
#ifndef KVM_CAP_ASSIGN_DEV_IRQ
#define KVM_CAP_ASSIGN_DEV_IRQ 29
#endif
#ifndef KVM_CAP_PCI_2_3
#define KVM_CAP_PCI_2_3 75
#endif

#ifndef KVM_DEV_ASSIGN_ENABLE_IOMMU
#define KVM_DEV_ASSIGN_ENABLE_IOMMU (1 << 0)
#define KVM_DEV_ASSIGN_PCI_2_3	    (1 << 1)
#define KVM_DEV_ASSIGN_MASK_INTX    (1 << 2)

struct kvm_assigned_pci_dev {
	__u32 assigned_dev_id;
	__u32 busnr;
	__u32 devfn;
	__u32 flags;
	__u32 segnr;
	__u32 reserved[11];
};

#define KVM_DEV_IRQ_HOST_INTX  (1 << 0)
#define KVM_DEV_IRQ_HOST_MSI   (1 << 1)
#define KVM_DEV_IRQ_HOST_MSIX  (1 << 2)
#define KVM_DEV_IRQ_GUEST_INTX (1 << 8)
#define KVM_DEV_IRQ_GUEST_MSI  (1 << 9)
#define KVM_DEV_IRQ_GUEST_MSIX (1 << 10)
#define KVM_DEV_IRQ_HOST_MASK  0x00ff
#define KVM_DEV_IRQ_GUEST_MASK 0xff00

struct kvm_assigned_irq {
	__u32 assigned_dev_id;
	__u32 host_irq; /* ignored */
	__u32 guest_irq;
	__u32 flags;
	__u32 reserved[12];
};

struct kvm_assigned_msix_nr {
	__u32 assigned_dev_id;
	__u16 entry_nr;
	__u16 padding;
};

#define KVM_MAX_MSIX_PER_DEV 256

struct kvm_assigned_msix_entry {
	__u32 assigned_dev_id;
	__u32 gsi;
	__u16 entry;
	__u16 padding[3];
};
#endif

#ifndef KVM_ASSIGN_PCI_DEVICE
#define KVM_ASSIGN_PCI_DEVICE	  _IOR(KVMIO, 0x69, struct kvm_assigned_pci_dev)
#define KVM_ASSIGN_IRQ		  _IOR(KVMIO, 0x70, struct kvm_assigned_irq)
#define KVM_ASSIGN_DEV_IRQ	  _IOW(KVMIO, 0x70, struct kvm_assigned_irq)
#define KVM_DEASSIGN_PCI_DEVICE	  _IOW(KVMIO, 0x72, struct kvm_assigned_pci_dev)
#define KVM_ASSIGN_SET_MSIX_NR	  _IOW(KVMIO, 0x73, struct kvm_assigned_msix_nr)
#define KVM_ASSIGN_SET_MSIX_ENTRY _IOW(KVMIO, 0x74, struct kvm_assigned_msix_entry)
#define KVM_DEASSIGN_DEV_IRQ	  _IOW(KVMIO, 0x75, struct kvm_assigned_irq)
#define KVM_ASSIGN_SET_INTX_MASK  _IOW(KVMIO, 0xa4, struct kvm_assigned_pci_dev)
#endif

#endif
