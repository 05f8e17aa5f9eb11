/* SPDX-License-Identifier: BSD-3-Clause */
/* Huge page sizes, as Linux' struct hstate has them on x86-64, and how requests name them. */
#ifndef HUGETLB_HUGETLB_H
#define HUGETLB_HUGETLB_H

#include "base/types.h"

enum huge_size { HUGE_2M, HUGE_1G, HUGE_SIZES };

/* NUMA nodes that have a pool of their own. */
#define HUGE_NODES 16U

static inline unsigned int huge_shift(enum huge_size size)
{
	return size == HUGE_2M ? 21 : 30;
}

static inline uint64_t huge_bytes(enum huge_size size)
{
	return 1ULL << huge_shift(size);
}

/* The size that MAP_HUGE_*, MFD_HUGE_* or SHM_HUGE_* ask for by its logarithm; 0: the default,
 * 2 MiB. False: there is no such size. */
static inline bool huge_by_shift(unsigned int shift, enum huge_size *out)
{
	*out = shift == 30 ? HUGE_1G : HUGE_2M;
	return shift == 0 || shift == 21 || shift == 30;
}

/* What the kernel says about the pages of one size: mm/hugetlb's counters, in pages. */
struct huge_counters {
	uint64_t persistent; /* nr_hugepages of /proc/sys/vm */
	uint64_t total;	     /* persistent and surplus pages */
	uint64_t free;	     /* nothing stands in them, reserved or not */
	uint64_t reserved;   /* of the free ones */
	uint64_t surplus;
	uint64_t overcommit;
	uint64_t node_total[HUGE_NODES], node_free[HUGE_NODES], node_surplus[HUGE_NODES];
};

#endif
