/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posted interrupts: a device's interrupt goes into a descriptor of its consumer, past the eventfd
 * (the VT-d specification 4.1, chapters 5.2 and 9.11; the AMD I/O virtualization specification
 * 48882, 2.2.5 "Guest virtual APIC").
 */
#ifndef IRQ_POSTED_H
#define IRQ_POSTED_H

#include <stdatomic.h>
#include "base/types.h"

/* The posted-interrupt descriptor, 64 bytes, aligned so. */
struct pi_desc {
	_Atomic uint64_t pir[4];  /* posted-interrupt requests, a bit a vector */
	_Atomic uint64_t control; /* PI_* and the notification's vector and destination */
	uint64_t reserved[3];
} __attribute__((aligned(64)));

#define PI_ON	      1ULL /* a notification is outstanding */
#define PI_SN	      2ULL /* no notifications (but for urgent interrupts) */
#define PI_NV_SHIFT   16   /* 8 bits: the notification's vector */
#define PI_NDST_SHIFT 32   /* 32 bits: the local APIC it goes to */
#define PI_CONTROL(nv, ndst) \
	((uint64_t)(uint8_t)(nv) << PI_NV_SHIFT | (uint64_t)(uint32_t)(ndst) << PI_NDST_SHIFT)

/* A vAPIC backing page: one that the consumer reads requests from (AMD). */
#define VAPIC_IRR(vector) (0x200u + ((vector) / 32u) * 0x10u)
#define VAPIC_PAGE_SIZE	  4096u

/*
 * Where an interrupt goes in posted mode. What it points to lives until the interrupt has another
 * target: irq_set_vcpu_affinity() returns when none is being posted to the previous one.
 */
struct irq_post_target {
	struct pi_desc *pi_desc;
	/* AMD: the backing page whose IRR takes the vector, 4 KiB and aligned so; NULL: the
	 * descriptor takes it there too. Intel does not look at it. */
	void *vapic;
	uint8_t vector; /* the guest's */
	bool urgent;	/* notifies also while SN is set (Intel) */
	uint32_t vcpu;	/* the consumer's own name of the CPU: GATag on AMD */
	/*
	 * The notification: called when ON became set (AMD: when the IRR bit was not set before),
	 * on the thread that raises, in signal context too: no locks, no allocation, no libc that
	 * is not safe there. NULL: the consumer polls.
	 */
	void (*notify)(void *arg, uint8_t vector);
	void *arg;
};

/*
 * Interrupt @irq goes to @target from now on (copied), or with NULL to its eventfd again. Returns
 * when no interrupt that saw the previous target is under way; one that is raised meanwhile takes
 * either way, once. -EINVAL: no such interrupt, or no descriptor, or one that is
 * not aligned; -ENODEV: nothing remaps it (no IOMMU).
 */
int irq_set_vcpu_affinity(int irq, const struct irq_post_target *target);

/* The consumer's side: takes all requests of @desc and clears ON first, so that none is lost: one
 * that comes later notifies anew. Returns whether there was one. */
bool pi_take(struct pi_desc *desc, uint64_t requests[4]);

#endif
