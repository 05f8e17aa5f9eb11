/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt remapping in AMD's format (48882, 2.2.5): entries of 128 bits ("Interrupt Remapping
 * Table Entry, 128-bit, remapped" and the same "for guest virtual APIC"). A table of its own for
 * each requester, which its device table entry names: one device's message cannot name another's
 * entry.
 */
#ifndef IOMMU_INTR_AMD_H
#define IOMMU_INTR_AMD_H

#include "iommu/intr_priv.h"

#define AMD_INTR_ENTRIES 2048u /* what the 11 bits of the message name */

/* The entry's low word. */
#define AMD_IRTE_VALID	     1ULL
#define AMD_IRTE_GUEST_MODE  (1ULL << 7)
#define AMD_IRTE_IS_RUN	     (1ULL << 6) /* guest mode: the virtual CPU runs at the destination */
#define AMD_IRTE_DEST_SHIFT  8		 /* bits 23:0 of the destination */
#define AMD_IRTE_DEST_MASK   0xffffffULL
#define AMD_IRTE_GATAG_SHIFT 32 /* guest mode: what software calls the virtual CPU */
/* The high word. */
#define AMD_IRTE_VECTOR_MASK 0xffULL
#define AMD_IRTE_ROOT_MASK   0x000ffffffffff000ULL /* guest mode: the vAPIC backing page */
#define AMD_IRTE_DEST_HI     56			   /* bits 31:24 of the destination */

static inline struct intr_msg amd_msg(uint32_t index)
{
	return (struct intr_msg){ .addr = INTR_WINDOW_FIRST, .data = index };
}

static inline uint32_t amd_index(uint32_t data)
{
	return data & (AMD_INTR_ENTRIES - 1);
}

static inline struct intr_entry amd_remapped(uint32_t dest, uint8_t vector)
{
	return (struct intr_entry){
		.lo = AMD_IRTE_VALID | (dest & AMD_IRTE_DEST_MASK) << AMD_IRTE_DEST_SHIFT,
		.hi = vector | (uint64_t)(dest >> 24) << AMD_IRTE_DEST_HI,
	};
}

/* A consumer without a backing page: the root names the page that its descriptor is in. */
static inline struct intr_entry amd_guest(const struct irq_post_target *target)
{
	uint64_t root = (uintptr_t)(target->vapic ? target->vapic : target->pi_desc);
	uint64_t control = atomic_load_explicit(&target->pi_desc->control, memory_order_relaxed);
	uint64_t dest = control >> PI_NDST_SHIFT;

	return (struct intr_entry){
		.lo = AMD_IRTE_VALID | AMD_IRTE_GUEST_MODE | AMD_IRTE_IS_RUN |
		      (dest & AMD_IRTE_DEST_MASK) << AMD_IRTE_DEST_SHIFT |
		      (uint64_t)target->vcpu << AMD_IRTE_GATAG_SHIFT,
		.hi = target->vector | (root & AMD_IRTE_ROOT_MASK) | dest >> 24 << AMD_IRTE_DEST_HI,
	};
}

static inline bool amd_decode(struct intr_entry e, struct intr_request *out,
			      enum dma_fault_reason *why)
{
	if (unlikely(!(e.lo & AMD_IRTE_VALID))) {
		*why = DMA_FAULT_INTR_ABSENT;
		return false;
	}
	out->vector = (uint8_t)(e.hi & AMD_IRTE_VECTOR_MASK);
	if (likely(!(e.lo & AMD_IRTE_GUEST_MODE))) {
		out->kind = INTR_VECTOR;
		out->dest = (uint32_t)(e.lo >> AMD_IRTE_DEST_SHIFT & AMD_IRTE_DEST_MASK) |
			    (uint32_t)(e.hi >> AMD_IRTE_DEST_HI) << 24;
		return true;
	}
	out->kind = INTR_POST;
	out->vapic = (void *)(uintptr_t)(e.hi & AMD_IRTE_ROOT_MASK);
	return true;
}

#endif
