/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the session file says of huge pages: whether the session serves them, the size of the pools
 * (for the next keeper), and the hugetlbfs mounts, which every process asks at each name.
 *
 * The keeper alone writes mounts and pools once the session is announced. A mount's text is written
 * before its serial number and constant until the number changes.
 */
#ifndef MACHINE_HUGE_SHARED_H
#define MACHINE_HUGE_SHARED_H

#include <stdatomic.h>
#include "hugetlb/hugetlb.h"

#define SHARED_HUGE_MOUNTS 16U
/* st_dev of the first mount: major 0, far from what the kernel gives out. */
#define HUGE_FIRST_MINOR 0xf0000U

struct shared_huge_mount {
	_Atomic uint32_t serial; /* 0: not mounted; a later mount has a higher number */
	uint32_t size;		 /* enum huge_size */
	uint32_t read_only;
	uint64_t max_pages;  /* `size=`; 0: no limit */
	uint64_t max_inodes; /* `nr_inodes=`; 0: no limit */
	char point[256];     /* absolute, normalised, in the program's view */
	char source[64];
	char options[128]; /* as /proc/mounts shows them */
};

struct shared_huge_pool {
	uint64_t max; /* pages that the host could give */
	_Atomic uint64_t node[HUGE_NODES];
	_Atomic uint64_t overcommit;
};

struct shared_huge {
	uint32_t served; /* 0: the host's huge pages are the program's own business */
	uint32_t nodes;
	uint32_t filesystems; /* /proc/filesystems is served: the host's does not name hugetlbfs */
	_Atomic uint32_t shm_group;
	_Atomic uint32_t mounted; /* how many mounts there are beside /dev/hugepages */
	_Atomic uint32_t files;	  /* huge page files that live */
	_Atomic uint32_t last_serial;
	struct shared_huge_pool pool[HUGE_SIZES];
	struct shared_huge_mount mount[SHARED_HUGE_MOUNTS];
};

#endif
