/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU page tables: one walker, the formats as small headers (amdv1.h: AMD IOMMU specification
 * 48882, 2.2.3; vtdss.h: VT-d specification, second-stage translation). Pure: no locks, no log.
 *
 * Entries are 64-bit atomics. Readers run without lock beside one writer; the caller serialises
 * writers. Large pages (2 MiB, 1 GiB) are used wherever alignment and size allow.
 */
#ifndef PGTABLE_PGTABLE_H
#define PGTABLE_PGTABLE_H

#include "base/types.h"

enum pgtable_format { PGTABLE_AMDV1, PGTABLE_VTDSS };

#define PGTABLE_READ  BIT(0)
#define PGTABLE_WRITE BIT(1)
/* The entry is present for the program but devices must wait: its memory is being moved. */
#define PGTABLE_FROZEN BIT(2)

struct pgtable;

/* What a reader found: a leaf entry and what it covers. */
struct pgtable_leaf {
	paddr_t paddr;	   /* of the looked-up iova itself */
	uint64_t contig;   /* bytes from iova to the end of the leaf */
	unsigned int prot; /* PGTABLE_* */
};

/* A table of leaves that a per-device walk cache remembers (design D6). */
struct pgtable_ref {
	const _Atomic uint64_t *table; /* leaf table of 512 entries, or the large entry */
	uint64_t mask;		       /* 511, or 0 for a single large entry */
	uint64_t page_mask;	       /* bytes a leaf covers - 1 */
	uint64_t set;		       /* bits that mark such an entry as a leaf; in 31:0 */
};

/* A format's entry bits as a walk cache tests them: a leaf may be used for an access when
 * (entry & (ref.set | need | clear)) == (ref.set | need). */
struct pgtable_bits {
	uint64_t need[2]; /* for a read, for a write */
	uint64_t clear;	  /* frozen, or no leaf */
	uint64_t addr;	  /* the address field */
};

/*
 * @bits: width of the IOVA space: 39, 48 or 57; amdv1 also 64, where a new top table is put above
 * the tree when an IOVA needs it. 0 or -ENOMEM, -EINVAL.
 */
int pgtable_create(enum pgtable_format format, unsigned int bits, struct pgtable **out);
void pgtable_destroy(struct pgtable *pt);
struct pgtable_bits pgtable_bits(const struct pgtable *pt);

/*
 * Maps [@iova, @iova + @size) to @paddr, all page aligned. The range must be unmapped: -EEXIST
 * when it is not, -ERANGE outside the IOVA space, -ENOMEM, -EINVAL not aligned, empty or no
 * permission; on failure nothing stays mapped, but a reader may have seen the part that fitted.
 */
int pgtable_map(struct pgtable *pt, iova_t iova, paddr_t paddr, uint64_t size, unsigned int prot);

/*
 * Clears every leaf in [@iova, @iova + @size); holes are skipped, a @size beyond the end of the
 * IOVA space is cut. A large leaf that the range covers only in part is split first
 * (pgtable_split() beforehand makes this infallible). Returns the bytes that were mapped. Some
 * tables that became empty stay in place for the next map; the others are unlinked and kept until
 * pgtable_reclaim().
 */
uint64_t pgtable_unmap(struct pgtable *pt, iova_t iova, uint64_t size);
/* Makes @iova a boundary between leaves. 0 or -ENOMEM. */
int pgtable_split(struct pgtable *pt, iova_t iova);
/*
 * Unlinked tables wait to be freed. needs_reclaim: enough of them that it is worth making every
 * walk cache forget. reclaim frees them all: the caller changed the generation, and then waited
 * until no reader could see them.
 */
bool pgtable_needs_reclaim(const struct pgtable *pt);
void pgtable_reclaim(struct pgtable *pt);

/*
 * Rewrite the present leaves of the range: freeze marks them; replace points them at a new place
 * (@paddr is that of @iova itself, present or not) and removes the mark. Leaves that the range
 * covers only in part, or that the new place is not aligned for, are split; should no memory be
 * left for that, they are cleared: a device then faults, which is safe.
 */
void pgtable_freeze(struct pgtable *pt, iova_t iova, uint64_t size);
void pgtable_replace(struct pgtable *pt, iova_t iova, uint64_t size, paddr_t paddr);

/* Readers. False: not present. */
bool pgtable_lookup(const struct pgtable *pt, iova_t iova, struct pgtable_leaf *leaf);
/* The same, and fills @ref for the walk cache (ref->table NULL when it cannot be cached). */
bool pgtable_lookup_ref(const struct pgtable *pt, iova_t iova, struct pgtable_leaf *leaf,
			struct pgtable_ref *ref);
/* Reads one raw leaf entry of the format, found in a table whose leaves cover @leaf_size bytes. */
bool pgtable_decode(const struct pgtable *pt, uint64_t entry, iova_t iova, uint64_t leaf_size,
		    struct pgtable_leaf *leaf);

/* Bytes of memory in tables (linked or waiting to be freed), for statistics and tests. */
size_t pgtable_bytes(const struct pgtable *pt);
/* Page sizes that leaves can have, as a bit mask (IOMMU_INFO_PGSIZES). */
uint64_t pgtable_pgsizes(enum pgtable_format format);

#endif
