/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of src/kvm share: the VM object, its chips, and what the two back ends differ in.
 *
 * Locks, outermost first: slots_lock; irqfds.assign_lock; irq_lock; (the irqbypass manager's;)
 * irqfds.lock; ioapic.lock; pic.lock. Local APICs take none: their registers are atomic words,
 * since posted interrupts arrive in signal context.
 */
#ifndef KVM_KVM_PRIV_H
#define KVM_KVM_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/itree.h"
#include "irq/irqbypass.h"
#include "irq/posted.h"
#include "irq/trigger.h"
#include "kvm/kvm.h"

#define KVM_MAX_VCPUS	 1024
#define KVM_MAX_VCPU_IDS 4096

struct kvm_slot;
struct kvm_slots {
	struct itree tree;	/* by gfn */
	struct kvm_slot **slot; /* by id; NULL: free */
	unsigned int nr;	/* length of @slot */
};

/* -- vCPUs -- */

/* Offsets of local APIC registers (Intel SDM volume 3, table 11-1). */
#define APIC_ID	     0x20
#define APIC_LVR     0x30
#define APIC_TASKPRI 0x80
#define APIC_PROCPRI 0xa0
#define APIC_EOI     0xb0
#define APIC_LDR     0xd0
#define APIC_DFR     0xe0
#define APIC_SPIV    0xf0
#define APIC_ISR     0x100
#define APIC_TMR     0x180
#define APIC_IRR     0x200
#define APIC_ICR     0x300
#define APIC_LVTT    0x320
#define APIC_LVTTHMR 0x330
#define APIC_LVTPC   0x340
#define APIC_LVT0    0x350
#define APIC_LVT1    0x360
#define APIC_LVTERR  0x370

#define APIC_SPIV_APIC_ENABLED BIT(8)
#define APIC_LVT_MASKED	       BIT(16)
#define APIC_DFR_FLAT	       0xffffffffU

/* Delivery modes of an MSI, a redirection entry and an LVT. */
#define APIC_DM_FIXED  0
#define APIC_DM_LOWEST 1
#define APIC_DM_EXTINT 7

/* Where an interrupt goes: an MSI message or a redirection entry taken apart. */
struct kvm_lapic_irq {
	uint32_t dest_id;
	uint8_t vector;
	uint8_t delivery_mode;
	bool logical;
	bool level;	     /* trigger mode */
	bool msi_redir_hint; /* redirected to the lowest priority */
};

struct kvm_vcpu {
	/* The register page; also a vAPIC backing page for posting, hence first and aligned so. */
	union {
		_Atomic uint32_t regs[VAPIC_PAGE_SIZE / 4];
	} __attribute__((aligned(4096)));
	struct pi_desc pi_desc;
	struct kvm *kvm;
	unsigned int id;
	int fd; /* real: our own; soft: -1 */
	atomic_bool x2apic;
};

/* -- interrupts -- */

#define KVM_NR_IRQCHIPS			 3
#define KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID 1
#define KVM_NR_IRQ_SOURCES		 32
#define PIC_PINS			 8

/* All routes, immutable once published. Entries stand in order of GSI. */
struct kvm_routes {
	int16_t gsi_of_pin[KVM_NR_IRQCHIPS][KVM_IOAPIC_NUM_PINS]; /* -1: none */
	unsigned int nr;
	struct kvm_irq_routing_entry entries[];
};

/* Readers that take no lock of what a pointer shows, and writers that wait for them (srcu.c). */
struct kvm_srcu {
	atomic_uint index;
	atomic_uint readers[2];
};
unsigned int kvm_srcu_enter(struct kvm_srcu *srcu);
void kvm_srcu_leave(struct kvm_srcu *srcu, unsigned int index);
/* Returns when no reader that may have seen the old pointer is left. Writers are serialised by the
 * caller. */
void kvm_srcu_wait(struct kvm_srcu *srcu);

struct kvm_ioapic {
	pthread_mutex_t lock;
	struct kvm_ioapic_state state;	     /* lock */
	uint32_t irr_delivered;		     /* lock: edges that were sent */
	uint32_t lines[KVM_IOAPIC_NUM_PINS]; /* lock: sources that hold the pin up */
};

struct kvm_pic {
	pthread_mutex_t lock;
	struct kvm_pic_state chip[2]; /* lock: master, slave */
	uint32_t lines[2 * PIC_PINS]; /* lock */
	atomic_bool output;	      /* the line to LINT0 */
};

struct kvm_irqfds {
	pthread_mutex_t assign_lock; /* one assign or deassign at a time */
	pthread_mutex_t lock;	     /* the list, each irqfd's route, producer and posting */
	struct list_head list;
	struct list_head resamplers; /* assign_lock */
};

struct kvm_kernel_irqfd;

/* What the back ends differ in. Slots, routes, irqfds and their books are common. */
struct kvm_backend {
	/* After the checks, before the books change. NULL: nothing to do */
	int (*set_memory_region)(struct kvm *kvm, const struct kvm_userspace_memory_region *mem);
	/* NULL: the books' own bitmap */
	int (*get_dirty_log)(struct kvm *kvm, const struct kvm_dirty_log *log);
	int (*create_irqchip)(struct kvm *kvm);
	int (*lapic)(struct kvm_vcpu *vcpu, struct kvm_lapic_state *state, bool set);
	int (*irqchip)(struct kvm *kvm, struct kvm_irqchip *chip, bool set);
	/* The real VM takes routes of its own; NULL: the books are all */
	int (*set_routing)(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			   unsigned int nr);
	int (*set_irq)(struct kvm *kvm, unsigned int source_id, uint32_t gsi, int level);
	int (*signal_msi)(struct kvm *kvm, const struct kvm_msi *msi);
	/* Connects the eventfd with injection, and ends that. */
	int (*irqfd_start)(struct kvm_kernel_irqfd *irqfd, const struct kvm_irqfd *args);
	void (*irqfd_stop)(struct kvm_kernel_irqfd *irqfd);
	/* Where interrupts of this route can be posted: fills @target, and in *@priv what free()
	 * takes when it is no longer posted to. false: they cannot be */
	bool (*post_target)(struct kvm *kvm, const struct kvm_irq_routing_entry *route,
			    struct irq_post_target *target, void **priv);
	int (*ioeventfd)(struct kvm *kvm, const struct kvm_ioeventfd *args);
};
extern const struct kvm_backend kvm_soft, kvm_real;

struct kvm {
	const struct kvm_backend *ops;
	pid_t pid; /* of the process that made it */
	int vm_fd; /* real: our own; soft: -1 */
	bool x2apic, x2apic_format;

	pthread_mutex_t slots_lock;
	struct kvm_slots slots;	    /* slots_lock */
	struct list_head listeners; /* slots_lock */

	pthread_mutex_t irq_lock; /* vCPUs and chips come; routes and notifiers are replaced */
	_Atomic(struct kvm_vcpu *) vcpus[KVM_MAX_VCPUS];
	atomic_uint nr_vcpus;
	atomic_bool irqchip; /* soft: ioapic and pic are there */
	struct kvm_srcu irq_srcu;
	_Atomic(struct kvm_routes *) routes;	     /* NULL: none; irq_srcu */
	_Atomic(struct kvm_irq_ack_notifier *) acks; /* irq_srcu */
	atomic_uint irq_sources;		     /* bits of ids that are given out */
	uint32_t real_lines[KVM_IOAPIC_NUM_PINS];    /* irq_lock: sources by GSI */
	struct kvm_ioapic ioapic;
	struct kvm_pic pic;

	struct kvm_irqfds irqfds;
	pthread_mutex_t ioeventfds_lock;
	struct list_head ioeventfds; /* ioeventfds_lock */
	unsigned int nr_ioeventfds[2];

	struct kvm_vfio *_Atomic vfio; /* its only KVM-VFIO device */
};

/* memslots.c */
void kvm_free_slots(struct kvm *kvm);

/* vcpu.c */
struct kvm_vcpu *kvm_get_vcpu_by_id(struct kvm *kvm, unsigned int id);
void kvm_free_vcpus(struct kvm *kvm);
/* The vCPU number @i in order of creation; NULL behind the last. */
static inline struct kvm_vcpu *kvm_nth_vcpu(struct kvm *kvm, unsigned int i)
{
	return i < atomic_load(&kvm->nr_vcpus) ? atomic_load(&kvm->vcpus[i]) : NULL;
}

/* lapic.c: the software model's local APIC. All safe in signal context but for the write of EOI. */
void kvm_lapic_reset(struct kvm_vcpu *vcpu);
bool kvm_lapic_enabled(const struct kvm_vcpu *vcpu);
uint32_t kvm_lapic_id(const struct kvm_vcpu *vcpu);
static inline uint32_t kvm_lapic_reg(const struct kvm_vcpu *vcpu, unsigned int reg)
{
	return atomic_load_explicit(&vcpu->regs[reg / 4], memory_order_relaxed);
}
/* 1: taken; 0: the APIC is off, or the delivery mode is not one of the model's. */
int kvm_lapic_accept(struct kvm_vcpu *vcpu, const struct kvm_lapic_irq *irq);
/* What a posted interrupt's notification does: requests go from the descriptor into IRR. */
void kvm_sync_pir_to_irr(struct kvm_vcpu *vcpu);
void kvm_lapic_posted(struct kvm_vcpu *vcpu, uint8_t vector);
int kvm_lapic_soft(struct kvm_vcpu *vcpu, struct kvm_lapic_state *state, bool set);

/* irq_comm.c: which vCPUs. */
void kvm_msi_to_irq(const struct kvm *kvm, const struct kvm_msi *msi, struct kvm_lapic_irq *irq);
/* How many vCPUs took it; -EPERM: none is meant. */
int kvm_irq_delivery_to_apic(struct kvm *kvm, const struct kvm_lapic_irq *irq);
/* The one vCPU that it goes to; NULL: several, or none. */
struct kvm_vcpu *kvm_intr_single_vcpu(struct kvm *kvm, const struct kvm_lapic_irq *irq);
/* Whether address_hi of a message has bits that this VM does not take. */
bool kvm_msi_invalid(const struct kvm *kvm, uint32_t address_hi);

/* irqchip.c */
int kvm_set_default_routes(struct kvm *kvm);
void kvm_free_routes(struct kvm *kvm);
/* Copies the first route of @gsi. Whether there is exactly one, as an irqfd needs. */
bool kvm_route_of(struct kvm *kvm, uint32_t gsi, struct kvm_irq_routing_entry *route);
int kvm_set_irq_soft(struct kvm *kvm, unsigned int source_id, uint32_t gsi, int level);
/* The guest has acknowledged the pin: the notifiers of its GSI run. No lock of a chip is held. */
void kvm_notify_acked_irq(struct kvm *kvm, unsigned int irqchip, unsigned int pin);

/* ioapic.c, i8259.c */
void kvm_ioapic_reset(struct kvm *kvm);
int kvm_ioapic_set_irq(struct kvm *kvm, unsigned int pin, unsigned int source_id, int level);
void kvm_ioapic_update_eoi(struct kvm *kvm, uint8_t vector, bool level);
void kvm_ioapic_state(struct kvm *kvm, struct kvm_ioapic_state *state, bool set);
void kvm_pic_reset(struct kvm *kvm);
int kvm_pic_set_irq(struct kvm *kvm, unsigned int pin, unsigned int source_id, int level);
/* The acknowledge cycle of the pair. */
uint8_t kvm_pic_read_irq(struct kvm *kvm);
void kvm_pic_state(struct kvm *kvm, unsigned int chip, struct kvm_pic_state *state, bool set);

/* irqfd.c */
struct kvm_irqfd_resampler;
struct kvm_kernel_irqfd {
	struct kvm *kvm;
	struct list_head list; /* of the VM's */
	struct list_head all;  /* of the process's */
	int fd;		       /* our own of the eventfd */
	uint64_t token;	       /* its identity; 0: not known */
	uint32_t gsi;
	struct irq_bypass_consumer consumer;
	struct irq_bypass_producer *producer; /* irqfds.lock, as all below */
	bool routed;			      /* to one entry, irq_entry */
	struct kvm_irq_routing_entry irq_entry;
	bool posted;
	void *post_priv;

	struct virqfd *virqfd; /* soft */
	struct kvm_irqfd_resampler *resampler;
	struct list_head resampler_link;
	struct irq_trigger *resample;
};
int kvm_irqfd_start_soft(struct kvm_kernel_irqfd *irqfd, const struct kvm_irqfd *args);
void kvm_irqfd_stop_soft(struct kvm_kernel_irqfd *irqfd);
/* The routes have changed. */
void kvm_irq_routing_update(struct kvm *kvm);
void kvm_free_irqfds(struct kvm *kvm);

/* ioeventfd.c */
int kvm_ioeventfd_soft(struct kvm *kvm, const struct kvm_ioeventfd *args);
void kvm_free_ioeventfds(struct kvm *kvm);

#endif
