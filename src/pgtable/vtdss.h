/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VT-d second-stage format: Intel Virtualization Technology for Directed I/O, sections 3.7
 * "Second-Stage Translation" and 9.8 "Second-Stage Paging Entries".
 *
 *   0      R: reads allowed                10     ignored: frozen
 *   1      W: writes allowed               51:12  address
 *   7      PS: a leaf, above the last level
 *   8, 9   accessed, dirty                 11     SNP: snoop
 *
 * An entry is present when R or W is set. Permissions are the AND over the levels.
 */
#ifndef PGTABLE_VTDSS_H
#define PGTABLE_VTDSS_H

#include "pgtable/pgtable.h"

#define VTDSS_R	     BIT_ULL(0)
#define VTDSS_W	     BIT_ULL(1)
#define VTDSS_PS     BIT_ULL(7)
#define VTDSS_FROZEN BIT_ULL(10)
#define VTDSS_SNP    BIT_ULL(11)
#define VTDSS_ADDR   0x000ffffffffff000ULL

#define FMT_NAME vtdss
/* The number of levels is the context entry's address width (9.3): fixed. */
#define FMT_DYNAMIC_TOP 0
#define FMT_ADDR	VTDSS_ADDR
#define FMT_FROZEN	VTDSS_FROZEN

static inline bool fmt_present(uint64_t entry)
{
	return entry & (VTDSS_R | VTDSS_W);
}

static inline bool fmt_is_leaf(uint64_t entry, unsigned int level)
{
	return level == 1 || (entry & VTDSS_PS);
}

static inline uint64_t fmt_leaf_set(unsigned int level)
{
	return level == 1 ? 0 : VTDSS_PS;
}

static inline uint64_t fmt_leaf(paddr_t paddr, unsigned int prot, unsigned int level)
{
	return paddr | fmt_leaf_set(level) | VTDSS_SNP | (prot & PGTABLE_READ ? VTDSS_R : 0) |
	       (prot & PGTABLE_WRITE ? VTDSS_W : 0) | (prot & PGTABLE_FROZEN ? VTDSS_FROZEN : 0);
}

/* @level is that of the entry; the table below is one less. */
static inline uint64_t fmt_table(paddr_t table, unsigned int level)
{
	return table | VTDSS_R | VTDSS_W;
}

static inline unsigned int fmt_prot(uint64_t entry)
{
	return (entry & VTDSS_R ? PGTABLE_READ : 0) | (entry & VTDSS_W ? PGTABLE_WRITE : 0) |
	       (entry & VTDSS_FROZEN ? PGTABLE_FROZEN : 0);
}

static inline struct pgtable_bits fmt_bits(void)
{
	return (struct pgtable_bits){
		.need = { VTDSS_R, VTDSS_W },
		.clear = VTDSS_FROZEN,
		.addr = VTDSS_ADDR,
	};
}

#endif
