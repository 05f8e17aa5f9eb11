/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual machine as VFIO and device assignment see it: memory slots, GSI routes, irqfds,
 * ioeventfds and local APICs (the kernel's virt/kvm and arch/x86/kvm as far as devices need them).
 *
 * Two back ends answer the same functions: a VM of the real /dev/kvm, whose fd the caller gives,
 * and a software model that works anywhere. Arguments are the structures of <linux/kvm.h>, returns
 * are those of the ioctls that take them: 0 (or a count) or -errno. Any thread may call; in a
 * forked child every function but kvm_destroy() returns -EIO, as KVM's do.
 *
 * Locks: docs/locking.md; the caller's are above this folder's. Call-backs say under which of them
 * they run.
 */
#ifndef KVM_KVM_H
#define KVM_KVM_H

#include <stdatomic.h>
#include <linux/kvm.h>
#include "base/list.h"
#include "base/types.h"

struct kvm;

struct kvm_config {
	bool real;	    /* @vm_fd is a VM's fd of /dev/kvm; else the software model */
	int vm_fd;	    /* not consumed */
	bool x2apic;	    /* software model: local APICs are in x2APIC mode from the start */
	bool x2apic_format; /* as KVM_CAP_X2APIC_API with both flags: MSI address_hi has id bits */
};

/* -EBADF; -EINVAL: no VM of /dev/kvm; -EMFILE, -ENOMEM. */
int kvm_create(const struct kvm_config *config, struct kvm **out);
/* Ends the VM and its irqfds; what the real KVM has besides stays there. Listeners, notifiers and
 * the KVM-VFIO device must be gone. NULL is ignored. */
void kvm_destroy(struct kvm *kvm);
bool kvm_is_real(const struct kvm *kvm);
/* 0, or -EIO in a forked child. */
int kvm_check(const struct kvm *kvm);
/* In the child of a fork. */
void kvm_after_fork(void);

/* -- memory slots (memslots.c) -- */

#define KVM_USER_MEM_SLOTS   32764
#define KVM_MEM_MAX_NR_PAGES ((1UL << 31) - 1)

struct kvm_memory_slot {
	uint64_t base_gfn;
	uint64_t npages;
	uintptr_t userspace_addr;
	uint32_t flags; /* KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY */
	uint16_t id;
};

/*
 * KVM_SET_USER_MEMORY_REGION: add, move, change flags, delete (memory_size 0). -EINVAL: alignment,
 * flags, numbers, a change KVM does not allow; -EEXIST: overlaps; -ENOMEM; what the real KVM or a
 * listener's map() says (the slot stands then, as in KVM).
 */
int kvm_set_memory_region(struct kvm *kvm, const struct kvm_userspace_memory_region *mem);
/* KVM_GET_DIRTY_LOG: copies the bitmap to the user's memory and clears it. -EINVAL, -ENOENT,
 * -EFAULT (the bits are lost then, as in KVM). */
int kvm_get_dirty_log(struct kvm *kvm, const struct kvm_dirty_log *log);
/* Guest memory as a vCPU's loads and stores reach it; a store is noted in the dirty log (software
 * model). -EFAULT: no slot, a read-only slot, or the memory behind it is gone. */
int kvm_read_guest(struct kvm *kvm, uint64_t gpa, void *data, size_t len);
int kvm_write_guest(struct kvm *kvm, uint64_t gpa, const void *data, size_t len);

/*
 * Who follows the slots of address space 0 (device assignment). Called with slots_lock held, in
 * KVM's order: unmap() when a slot that is deleted or moved is already invalid, map() last, when a
 * new or moved slot is in place. Changes of flags alone are not reported. The functions must not
 * call what takes slots_lock.
 */
struct kvm_slot_listener {
	struct list_head node;
	int (*map)(struct kvm_slot_listener *listener, const struct kvm_memory_slot *slot);
	void (*unmap)(struct kvm_slot_listener *listener, const struct kvm_memory_slot *slot);
};
/* Both with slots_lock held; neither calls the listener. */
void kvm_add_slot_listener(struct kvm *kvm, struct kvm_slot_listener *listener);
void kvm_del_slot_listener(struct kvm *kvm, struct kvm_slot_listener *listener);

/* Copies the slot number @id; false: there is none. slots_lock not held. */
bool kvm_slot_by_id(struct kvm *kvm, unsigned int id, struct kvm_memory_slot *out);

void kvm_slots_lock(struct kvm *kvm);
void kvm_slots_unlock(struct kvm *kvm);
/* With slots_lock held: @fn for each slot in order of base_gfn until it returns non-zero, which is
 * returned. */
int kvm_for_each_slot(struct kvm *kvm, int (*fn)(void *arg, const struct kvm_memory_slot *slot),
		      void *arg);
/* With slots_lock held: the slot that holds @gfn, NULL: none. */
const struct kvm_memory_slot *kvm_gfn_to_slot(struct kvm *kvm, uint64_t gfn);

/* -- vCPUs and local APICs (lapic.c) -- */

/* KVM_CREATE_IRQCHIP: PIC, I/O APIC and the default routes. -EEXIST; -EINVAL after a vCPU. */
int kvm_create_irqchip(struct kvm *kvm);
/* Adds the vCPU @id. Real: @vcpu_fd is its fd (not consumed). Software model: -1. -EEXIST,
 * -EINVAL, -ENOMEM. */
int kvm_add_vcpu(struct kvm *kvm, unsigned int id, int vcpu_fd);
/* KVM_GET_LAPIC and KVM_SET_LAPIC. -EINVAL: no such vCPU, or no irqchip. */
int kvm_get_lapic(struct kvm *kvm, unsigned int vcpu, struct kvm_lapic_state *state);
int kvm_set_lapic(struct kvm *kvm, unsigned int vcpu, const struct kvm_lapic_state *state);
/* KVM_GET_IRQCHIP and KVM_SET_IRQCHIP. -ENXIO: no irqchip; -EINVAL: no such chip. */
int kvm_get_irqchip(struct kvm *kvm, struct kvm_irqchip *chip);
int kvm_set_irqchip(struct kvm *kvm, const struct kvm_irqchip *chip);

/*
 * What a vCPU's core does with its local APIC; software model only (-EOPNOTSUPP on a real VM, whose
 * vCPUs do it themselves).
 */
/* The guest's 32-bit access to the register at @reg (0x80 TPR, 0xb0 EOI, 0xf0 SVR, ...). */
int kvm_lapic_read(struct kvm *kvm, unsigned int vcpu, uint32_t reg, uint32_t *value);
int kvm_lapic_write(struct kvm *kvm, unsigned int vcpu, uint32_t reg, uint32_t value);
/* Whether an interrupt waits that the processor priority lets through: 1, 0. */
int kvm_has_interrupt(struct kvm *kvm, unsigned int vcpu);
/* The interrupt acknowledge cycle: the vector (IRR to ISR; the PIC first when vCPU 0 takes ExtINT),
 * the spurious vector when nothing waits. */
int kvm_get_interrupt(struct kvm *kvm, unsigned int vcpu);
/* The guest's accesses to the I/O APIC (@offset 0 IOREGSEL, 0x10 IOWIN) and the PICs (ports 0x20,
 * 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1). */
int kvm_ioapic_access(struct kvm *kvm, unsigned int offset, bool write, uint32_t *value);
int kvm_pic_access(struct kvm *kvm, unsigned int port, bool write, uint8_t *value);

/* -- interrupts (irqchip.c) -- */

#define KVM_MAX_IRQ_ROUTES	    4096
#define KVM_USERSPACE_IRQ_SOURCE_ID 0

/* KVM_SET_GSI_ROUTING: replaces all routes at once; irqfds follow. */
int kvm_set_irq_routing(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			unsigned int nr, unsigned int flags);
/* KVM_SIGNAL_MSI. How many vCPUs took it, 0: blocked, -EPERM: no destination; -EINVAL. */
int kvm_signal_msi(struct kvm *kvm, const struct kvm_msi *msi);
/*
 * Sets the line @gsi as @source_id drives it (several sources are ORed), and through an MSI route
 * sends it when @level is 1. The number of vCPUs reached, 0: coalesced or masked, negative: nothing
 * routed. Real: KVM_IRQ_LINE, with sources ORed here.
 */
int kvm_set_irq(struct kvm *kvm, unsigned int source_id, uint32_t gsi, int level);
/* A number for kvm_set_irq(), above KVM_USERSPACE_IRQ_SOURCE_ID. -EFAULT: none left, as in KVM. */
int kvm_request_irq_source_id(struct kvm *kvm);
/* Its lines go down. */
void kvm_free_irq_source_id(struct kvm *kvm, unsigned int source_id);

/*
 * Told when the guest acknowledges (EOI) the pin that @gsi is routed to. Runs without locks of this
 * folder but those the EOI's caller holds; may call kvm_set_irq(). Software model: in the thread of
 * the EOI. On a real VM only irqfds with KVM_IRQFD_FLAG_RESAMPLE see it: -EOPNOTSUPP.
 */
struct kvm_irq_ack_notifier {
	_Atomic(struct kvm_irq_ack_notifier *) next; /* the VM's */
	uint32_t gsi;
	void (*irq_acked)(struct kvm_irq_ack_notifier *notifier);
};
int kvm_register_irq_ack_notifier(struct kvm *kvm, struct kvm_irq_ack_notifier *notifier);
/* Returns when it is not running and will not run again; not from irq_acked() itself. */
void kvm_unregister_irq_ack_notifier(struct kvm *kvm, struct kvm_irq_ack_notifier *notifier);

/* -- irqfds and ioeventfds (irqfd.c, ioeventfd.c) -- */

/*
 * KVM_IRQFD: assigns (or with KVM_IRQFD_FLAG_DEASSIGN ends) an eventfd as source of a GSI. The
 * eventfd is registered as a consumer with irqbypass. With KVM_IRQFD_FLAG_RESAMPLE the line stays
 * up until the guest's EOI, which signals resamplefd. fds are not consumed. -EINVAL: flags, no
 * irqchip, no eventfd; -EBADF; -EBUSY: the eventfd has an irqfd; -ENOMEM.
 */
int kvm_irqfd(struct kvm *kvm, const struct kvm_irqfd *args);
/* Whether the irqfd of @fd is paired and its interrupts are posted: 1, 0, -ENOENT. */
int kvm_irqfd_is_posted(struct kvm *kvm, int fd);

/* KVM_IOEVENTFD. -EINVAL, -EBADF, -EEXIST, -ENOSPC, -ENOENT (deassign). */
int kvm_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args);
/* What KVM does on a guest's write exit (software model): signals the eventfd that waits for it.
 * Whether there was one; false means that the VMM handles the write. */
bool kvm_ioeventfd_write(struct kvm *kvm, bool pio, uint64_t addr, unsigned int len,
			 uint64_t value);

/* -- the KVM-VFIO device (vfio.c) -- */

#ifndef KVM_DEV_VFIO_FILE
#define KVM_DEV_VFIO_FILE     1
#define KVM_DEV_VFIO_FILE_ADD 1
#define KVM_DEV_VFIO_FILE_DEL 2
#endif

struct kvm_vfio;

/* KVM_CREATE_DEVICE of KVM_DEV_TYPE_VFIO: one a VM. -EBUSY, -ENOMEM. */
int kvm_vfio_create(struct kvm *kvm, struct kvm_vfio **out);
/* Its fd is closed; drops the files. The VM must still be there. */
void kvm_vfio_destroy(struct kvm_vfio *kv);
/* KVM_HAS_DEVICE_ATTR: 0 or -ENXIO. */
int kvm_vfio_has_attr(struct kvm_vfio *kv, const struct kvm_device_attr *attr);
/* KVM_SET_DEVICE_ATTR; attr->addr is the user's pointer to the fd. -ENXIO, -EFAULT, -EBADF,
 * -EINVAL: no VFIO group or device; -EEXIST: there already; -ENOENT: not there; -ENOMEM. */
int kvm_vfio_set_attr(struct kvm_vfio *kv, const struct kvm_device_attr *attr);

#endif
