/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt remapping in Intel's format (VT-d specification 4.1): 5.1.2.2 "Interrupt Requests in
 * Remappable Format", 9.10 "Interrupt Remapping Table Entry (IRTE) for Remapped Interrupts", 9.11
 * the same "for Posted Interrupts". One table a unit (and PCI segment); an entry names the only
 * requester that may use it.
 */
#ifndef IOMMU_INTR_INTEL_H
#define IOMMU_INTR_INTEL_H

#include "iommu/intr_priv.h"

#define INTEL_INTR_ENTRIES 65536u

/* The message's address; its data is the subhandle, when SHV says that there is one. */
#define INTEL_MSG_HANDLE_15  (1u << 2)
#define INTEL_MSG_SHV	     (1u << 3)
#define INTEL_MSG_REMAPPABLE (1u << 4)
#define INTEL_MSG_HANDLE_LOW 5 /* bits 14:0 of the handle */

/* The entry's low word. */
#define IRTE_P		1ULL
#define IRTE_URG	(1ULL << 14)
#define IRTE_IM		(1ULL << 15) /* posted */
#define IRTE_V_SHIFT	16
#define IRTE_DST_SHIFT	32 /* remapped: the destination */
#define IRTE_PDAL_SHIFT 38 /* posted: bits 31:6 of the descriptor's address */
/* The high word. */
#define IRTE_SID_MASK	0xffffULL
#define IRTE_SQ_ALL	(0ULL << 16) /* all bits of the requester are compared */
#define IRTE_SVT_ALL	(1ULL << 18) /* with SID */
#define IRTE_PDAH_SHIFT 32	     /* posted: bits 63:32 of the descriptor's address */

static inline struct intr_msg intel_msg(uint32_t index)
{
	return (struct intr_msg){
		.addr = INTR_WINDOW_FIRST | (uint64_t)(index & 0x7fff) << INTEL_MSG_HANDLE_LOW |
			INTEL_MSG_REMAPPABLE | INTEL_MSG_SHV |
			(index & 0x8000 ? INTEL_MSG_HANDLE_15 : 0),
	};
}

/* The index that a message names, or INTR_NO_ENTRY and why there is none. */
static inline uint32_t intel_index(uint64_t addr, uint32_t data, enum dma_fault_reason *why)
{
	uint32_t index = (uint32_t)(addr >> INTEL_MSG_HANDLE_LOW) & 0x7fff;

	if (unlikely(!(addr & INTEL_MSG_REMAPPABLE))) {
		*why = DMA_FAULT_INTR_COMPAT;
		return INTR_NO_ENTRY;
	}
	if (addr & INTEL_MSG_HANDLE_15)
		index |= 0x8000;
	if (addr & INTEL_MSG_SHV) {
		if (unlikely(data >> 16)) {
			*why = DMA_FAULT_INTR_RESERVED;
			return INTR_NO_ENTRY;
		}
		index += data;
	}
	*why = DMA_FAULT_INTR_INDEX;
	return index < INTEL_INTR_ENTRIES ? index : INTR_NO_ENTRY;
}

static inline struct intr_entry intel_remapped(uint16_t sid, uint32_t dest, uint8_t vector)
{
	return (struct intr_entry){
		.lo = IRTE_P | (uint64_t)vector << IRTE_V_SHIFT | (uint64_t)dest << IRTE_DST_SHIFT,
		.hi = sid | IRTE_SQ_ALL | IRTE_SVT_ALL,
	};
}

static inline struct intr_entry intel_posted(uint16_t sid, const struct irq_post_target *target)
{
	uint64_t desc = (uintptr_t)target->pi_desc;

	return (struct intr_entry){
		.lo = IRTE_P | IRTE_IM | (target->urgent ? IRTE_URG : 0) |
		      (uint64_t)target->vector << IRTE_V_SHIFT |
		      (desc >> 6 & 0x3ffffff) << IRTE_PDAL_SHIFT,
		.hi = sid | IRTE_SQ_ALL | IRTE_SVT_ALL | desc >> 32 << IRTE_PDAH_SHIFT,
	};
}

/* What the entry says to requester @sid. */
static inline bool intel_decode(struct intr_entry e, uint16_t sid, struct intr_request *out,
				enum dma_fault_reason *why)
{
	if (unlikely(!(e.lo & IRTE_P))) {
		*why = DMA_FAULT_INTR_ABSENT;
		return false;
	}
	if (unlikely((e.hi & IRTE_SID_MASK) != sid)) {
		*why = DMA_FAULT_INTR_SOURCE;
		return false;
	}
	out->vector = (uint8_t)(e.lo >> IRTE_V_SHIFT);
	if (likely(!(e.lo & IRTE_IM))) {
		out->kind = INTR_VECTOR;
		out->dest = (uint32_t)(e.lo >> IRTE_DST_SHIFT);
		return true;
	}
	out->kind = INTR_POST;
	out->urgent = e.lo & IRTE_URG;
	out->pi_desc = (struct pi_desc *)(uintptr_t)(e.hi >> IRTE_PDAH_SHIFT << 32 |
						     e.lo >> IRTE_PDAL_SHIFT << 6);
	return true;
}

#endif
