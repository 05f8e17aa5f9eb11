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
/** As KVM_CAP_X2APIC_API with both its flags, which the caller has enabled on a real VM: ids of 32
 * bits in MSI addresses and KVM_GET_LAPIC, and 0xff is one of them in x2APIC mode. */
#define UVFIO_VM_X2APIC_FORMAT (1U << 2)

/** -EINVAL: flags, or no VM's fd; -EBADF, -EMFILE, -ENOMEM. The caller owns *@out. @config may be
 * NULL: the software model. */
int uvfio_vm_create(const struct uvfio_vm_config *config, struct uvfio_vm **out);
/** Ends the VM and its irqfds. A real VM, its slots and ioeventfds live as long as its fds. */
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

/** KVM_CREATE_IRQCHIP: PIC, I/O APIC and the default routes. -EEXIST; -EINVAL after a vCPU. */
int uvfio_vm_create_irqchip(struct uvfio_vm *vm);
/** Adds the vCPU @id. A real VM's: @vcpu_fd is what KVM_CREATE_VCPU gave (a duplicate is kept); the
 * software model's: -1. -EEXIST, -EINVAL, -ENOMEM. */
int uvfio_vm_add_vcpu(struct uvfio_vm *vm, unsigned int id, int vcpu_fd);
/** KVM_GET_LAPIC and KVM_SET_LAPIC: the local APIC's register page; a vector that is requested is a
 * bit of IRR (0x200). -EINVAL: no such vCPU, no irqchip, or another id in x2APIC mode. */
int uvfio_vm_get_lapic(struct uvfio_vm *vm, unsigned int vcpu, struct kvm_lapic_state *state);
int uvfio_vm_set_lapic(struct uvfio_vm *vm, unsigned int vcpu, const struct kvm_lapic_state *state);
/** KVM_GET_IRQCHIP and KVM_SET_IRQCHIP, chip_id set. -ENXIO: no irqchip; -EINVAL. */
int uvfio_vm_get_irqchip(struct uvfio_vm *vm, struct kvm_irqchip *chip);
int uvfio_vm_set_irqchip(struct uvfio_vm *vm, const struct kvm_irqchip *chip);

/**
 * What a vCPU of the software model does, for a VMM that emulates one: it accesses its local APIC
 * (@reg: 0x80 TPR, 0xb0 EOI, 0xf0 SVR, ...), asks for an interrupt (1, 0), acknowledges it (the
 * vector; the spurious one when nothing waits), and accesses the I/O APIC (@offset 0 or 0x10) and
 * the PICs (@port 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1). -EOPNOTSUPP: a real VM's vCPUs do it
 * themselves; -EINVAL: no such vCPU or register; -ENXIO: no irqchip.
 */
int uvfio_vm_lapic_read(struct uvfio_vm *vm, unsigned int vcpu, uint32_t reg, uint32_t *value);
int uvfio_vm_lapic_write(struct uvfio_vm *vm, unsigned int vcpu, uint32_t reg, uint32_t value);
int uvfio_vm_has_interrupt(struct uvfio_vm *vm, unsigned int vcpu);
int uvfio_vm_get_interrupt(struct uvfio_vm *vm, unsigned int vcpu);
int uvfio_vm_ioapic_read(struct uvfio_vm *vm, unsigned int offset, uint32_t *value);
int uvfio_vm_ioapic_write(struct uvfio_vm *vm, unsigned int offset, uint32_t value);
int uvfio_vm_pic_read(struct uvfio_vm *vm, unsigned int port, uint8_t *value);
int uvfio_vm_pic_write(struct uvfio_vm *vm, unsigned int port, uint8_t value);

/** KVM_SET_GSI_ROUTING: these @nr routes (at most 4096, GSIs below that) replace all others at
 * once; irqfds follow, posted ones too. -EINVAL, -ENOMEM. */
int uvfio_vm_set_gsi_routing(struct uvfio_vm *vm, const struct kvm_irq_routing_entry *entries,
			     unsigned int nr);
/** KVM_SIGNAL_MSI: how many vCPUs took it; 0: blocked; -EPERM: none is meant; -EINVAL. */
int uvfio_vm_signal_msi(struct uvfio_vm *vm, const struct kvm_msi *msi);
/** KVM_IRQ_LINE_STATUS: how many took it; 0: it was up; -EPERM: masked, in service, or no route. */
int uvfio_vm_irq_line(struct uvfio_vm *vm, uint32_t gsi, int level);

/**
 * KVM_IRQFD: makes an eventfd an interrupt source of a GSI, or (KVM_IRQFD_FLAG_DEASSIGN) ends that.
 * When VFIO_DEVICE_SET_IRQS has given the same eventfd to a vector of a device of the machine, the
 * two are paired, and an MSI with one destination goes past the eventfd into the vCPU. With
 * KVM_IRQFD_FLAG_RESAMPLE the line stays up until the guest's EOI, which signals resamplefd.
 * -EINVAL: flags, no irqchip, no eventfd; -EBADF; -EBUSY: it has an irqfd already; -ENOMEM.
 */
int uvfio_vm_irqfd(struct uvfio_vm *vm, const struct kvm_irqfd *args);
/** Whether the irqfd of @eventfd is paired and its interrupts are posted: 1, 0; -ENOENT: none. */
int uvfio_vm_irqfd_posted(struct uvfio_vm *vm, int eventfd);
/** KVM_IOEVENTFD. -EINVAL, -EBADF, -EEXIST, -ENOSPC; -ENOENT: nothing to deassign. */
int uvfio_vm_ioeventfd(struct uvfio_vm *vm, const struct kvm_ioeventfd *args);
/** What KVM does when a guest writes (software model): signals the ioeventfd that waits for these
 * @len bytes at @addr (of ports with @pio). 1, or 0: none does, the VMM handles the write. */
int uvfio_vm_io_write(struct uvfio_vm *vm, int pio, uint64_t addr, unsigned int len,
		      uint64_t value);

/*
 * Device assignment in the old way (Linux 2.6.28 to 4.11), each function the ioctl that its comment
 * names, with its errors; the structures are those of <linux/kvm.h>, which newer ones have no more.
 * The devices are of one machine, which has to live until the VM is destroyed (-EBUSY until then).
 * Their DMA reaches the VM's slots by guest physical address; their interrupts are set on GSIs.
 */
struct uvfio_machine;
struct kvm_assigned_pci_dev;
struct kvm_assigned_irq;
struct kvm_assigned_msix_nr;
struct kvm_assigned_msix_entry;

/** KVM_ASSIGN_PCI_DEVICE: function segnr:busnr:devfn becomes the VM's, as device assigned_dev_id.
 * -EINVAL: without KVM_DEV_ASSIGN_ENABLE_IOMMU, no such function, or not alone in its IOMMU group;
 * -EEXIST: the id is in use; -EPERM, -EACCES, -EBUSY, -ENODEV: no IOMMU; -ENOMEM; -EXDEV: the VM
 * has devices of another machine. */
int uvfio_vm_assign_device(struct uvfio_vm *vm, struct uvfio_machine *machine,
			   const struct kvm_assigned_pci_dev *dev);
/** KVM_DEASSIGN_PCI_DEVICE. -EINVAL: no such id. */
int uvfio_vm_deassign_device(struct uvfio_vm *vm, const struct kvm_assigned_pci_dev *dev);
/** KVM_ASSIGN_DEV_IRQ: KVM_DEV_IRQ_HOST_… and KVM_DEV_IRQ_GUEST_…, one of each at most. -EINVAL, no
 * irqchip among others; -ENODEV, -EEXIST, -EIO: the function has no INTx; -ENOSPC, -ENOMEM. */
int uvfio_vm_assign_irq(struct uvfio_vm *vm, const struct kvm_assigned_irq *irq);
/** KVM_DEASSIGN_DEV_IRQ. -ENODEV; -ENXIO: none is assigned; -EINVAL. */
int uvfio_vm_deassign_irq(struct uvfio_vm *vm, const struct kvm_assigned_irq *irq);
/** KVM_ASSIGN_SET_MSIX_NR: how many entries will be used, once. -EINVAL, -ENOMEM. */
int uvfio_vm_set_msix_nr(struct uvfio_vm *vm, const struct kvm_assigned_msix_nr *nr);
/** KVM_ASSIGN_SET_MSIX_ENTRY: the GSI of an entry of the table. -EINVAL, -ENOSPC. */
int uvfio_vm_set_msix_entry(struct uvfio_vm *vm, const struct kvm_assigned_msix_entry *entry);
/** KVM_ASSIGN_SET_INTX_MASK: KVM_DEV_ASSIGN_MASK_INTX in flags. -ENODEV. */
int uvfio_vm_set_intx_mask(struct uvfio_vm *vm, const struct kvm_assigned_pci_dev *dev);

#ifdef __cplusplus
}
#endif

#endif
