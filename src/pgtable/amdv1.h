/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The AMD v1 (host) I/O page table format: AMD I/O Virtualization Technology Specification, 48882,
 * section 2.2.3 "I/O Page Tables for Host Translations".
 *
 *   0      PR: present                     11:9   next level: 0 a leaf of this level's size
 *   1      ignored: frozen                 51:12  address
 *   5, 6   accessed, dirty                 60     FC: force coherent
 *   61     IR: reads allowed               62     IW: writes allowed
 *
 * Permissions are the AND over the levels: a table entry grants both. Next level 7 (leaves of other
 * powers of two) is not made here.
 */
#ifndef PGTABLE_AMDV1_H
#define PGTABLE_AMDV1_H

#include "pgtable/pgtable.h"

#define AMDV1_PR	 BIT_ULL(0)
#define AMDV1_FROZEN	 BIT_ULL(1)
#define AMDV1_NEXT_SHIFT 9
#define AMDV1_NEXT	 (7ULL << AMDV1_NEXT_SHIFT)
#define AMDV1_ADDR	 0x000ffffffffff000ULL
#define AMDV1_FC	 BIT_ULL(60)
#define AMDV1_IR	 BIT_ULL(61)
#define AMDV1_IW	 BIT_ULL(62)

#define FMT_NAME amdv1
/* The device table entry's Mode field (2.2.2.1) chooses 1 to 6 levels: the tree may grow
 * upwards. */
#define FMT_DYNAMIC_TOP 1
#define FMT_ADDR	AMDV1_ADDR
#define FMT_FROZEN	AMDV1_FROZEN

static inline bool fmt_present(uint64_t entry)
{
	return entry & AMDV1_PR;
}

static inline bool fmt_is_leaf(uint64_t entry, unsigned int level)
{
	return (entry & AMDV1_NEXT) == 0;
}

static inline uint64_t fmt_leaf(paddr_t paddr, unsigned int prot, unsigned int level)
{
	return paddr | AMDV1_PR | AMDV1_FC | (prot & PGTABLE_READ ? AMDV1_IR : 0) |
	       (prot & PGTABLE_WRITE ? AMDV1_IW : 0) | (prot & PGTABLE_FROZEN ? AMDV1_FROZEN : 0);
}

/* @level is that of the entry; the table below is one less. */
static inline uint64_t fmt_table(paddr_t table, unsigned int level)
{
	return table | AMDV1_PR | AMDV1_IR | AMDV1_IW | (uint64_t)(level - 1) << AMDV1_NEXT_SHIFT;
}

static inline unsigned int fmt_prot(uint64_t entry)
{
	return (entry & AMDV1_IR ? PGTABLE_READ : 0) | (entry & AMDV1_IW ? PGTABLE_WRITE : 0) |
	       (entry & AMDV1_FROZEN ? PGTABLE_FROZEN : 0);
}

/* Bits that a leaf of @level has set besides its address and permissions. */
static inline uint64_t fmt_leaf_set(unsigned int level)
{
	return AMDV1_PR;
}

static inline struct pgtable_bits fmt_bits(void)
{
	return (struct pgtable_bits){
		.need = { AMDV1_PR | AMDV1_IR, AMDV1_PR | AMDV1_IW },
		.clear = AMDV1_FROZEN | AMDV1_NEXT,
		.addr = AMDV1_ADDR,
	};
}

#endif
