/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The objects of this folder.
 *
 * Lock order: group->lock, then domain->lock, then the list of all devices (epoch.c). A device's
 * DMA takes none of them.
 */
#ifndef IOMMU_IOMMU_PRIV_H
#define IOMMU_IOMMU_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "iommu/bypass.h"
#include "iommu/dma.h"
#include "iommu/iommu.h"

#define WALK_CACHE_SHIFT 21
#define WALK_CACHE_SIZE	 256
#define WALK_CACHE_NONE	 UINT64_MAX /* no iova >> 21 */

/* Entries of lost memory point here and behind: routed, to no window. */
#define DMA_LOST_BASE (1ULL << 51)

struct intr_table;

struct iommu {
	enum iommu_model model;
	char name[16];
	struct list_head intr_tables; /* Intel; intr_lock (intr_remap.c) */
};

struct iommu_group {
	unsigned int id;
	pthread_mutex_t lock;
	struct list_head devs;	     /* dev->group_node; guarded by lock */
	struct iommu_domain *domain; /* NULL: the default one, blocked. Guarded by lock */
};

struct iommu_domain {
	enum iommu_model model;
	struct pgtable *pt; /* writers hold lock; readers are in a section of an attached device */
	pthread_mutex_t lock;
	struct list_head devs;	/* dev->domain_node; guarded by lock */
	_Atomic uint64_t fence; /* incremented between changed entries and the look at the epochs */
	iova_t last;
};

/* The leaf table, or the large leaf, that serves 2 MiB of IOVAs; the leaf itself is always read
 * again (design D6). */
struct walk_entry {
	uint64_t tag; /* iova >> 21 */
	/* A struct pgtable_ref in half a cache line. */
	const _Atomic uint64_t *table;
	uint64_t page_mask;
	uint32_t mask, set;
};

struct iommu_dev {
	/* Of whoever is in the section. First, so that no entry lies across two cache lines. */
	struct walk_entry cache[WALK_CACHE_SIZE];

	/* The section word, odd inside; one writer. See epoch_priv.h. */
	_Atomic uint32_t epoch;
	_Atomic uint32_t want; /* unmappers asleep on epoch */
	/* Changes when the device must forget what it cached: its domain, its bus master bit, or a
	 * table was freed. */
	_Atomic uint32_t gen;
	_Atomic uint32_t thaw;	 /* changes when frozen entries were thawed */
	_Atomic uintptr_t owner; /* the thread of the last section */

	/* Of whoever is in the section. */
	uint32_t gen_seen, thaw_seen;
	bool master_seen;
	struct iommu_domain *cur;
	struct pgtable_bits bits;

	struct iommu_domain *_Atomic domain;
	atomic_bool master;
	struct dma_stats *stats; /* own_stats unless dma_set_stats() said otherwise */
	struct dma_stats own_stats;

	uint32_t rid;
	char name[IOMMU_DEV_NAME];
	struct iommu *iommu;	 /* NULL: none, see bypass.h */
	struct intr_table *intr; /* where its messages are looked up; NULL: nowhere */
	void (*msi)(void *arg, uint64_t addr, uint32_t data); /* iommu_dev_set_msi() */
	void *msi_arg;
	const struct iommu_bypass *bypass; /* NULL: behind a unit */
	struct iommu_group *group;
	struct list_head group_node, domain_node, all_node;
};

_Static_assert(offsetof(struct iommu_dev, epoch) % 64 == 0, "the words start a cache line");

/* The blocking side of epochs, and the list behind iommu_after_fork(). */
void epoch_wait_change(struct iommu_dev *dev, uint32_t epoch);
void epoch_wake(struct iommu_dev *dev);
void epoch_add_dev(struct iommu_dev *dev);
void epoch_remove_dev(struct iommu_dev *dev);
/* Under the lock of the list of all devices: no device comes or goes meanwhile. */
void epoch_for_each_dev(void (*fn)(struct iommu_dev *dev));

enum walk_result { WALK_OK, WALK_FROZEN, WALK_NOT_PRESENT, WALK_PERMISSION };
/* bypass.c: the walk of a function without IOMMU. In a section. */
enum walk_result bypass_walk(struct iommu_dev *dev, paddr_t addr, bool write, paddr_t *paddr,
			     uint64_t *contig);
/* Outside a section, behind WALK_FROZEN: whether there was something to do rather than wait. */
bool bypass_fill(struct iommu_dev *dev);

/* domain.c: moves a device between its domain and none; returns when no DMA runs the old way. */
int domain_attach_dev(struct iommu_domain *domain, struct iommu_dev *dev);
void domain_detach_dev(struct iommu_domain *domain, struct iommu_dev *dev);

void fault_record(struct iommu_dev *dev, iova_t iova, uint64_t len, bool write,
		  enum dma_fault_reason reason);

/* A message that was stopped: @index in the remapping table, @what in words. */
void fault_record_intr(struct iommu_dev *dev, uint64_t addr, uint32_t index,
		       enum dma_fault_reason reason, const char *what);

/* window.c: no operation runs and nobody holds the lock in the child of a fork. */
void window_after_fork(void);
/* Moves up to @len bytes at a routed address; @buf NULL with @write: zeroes. Returns how many,
 * 0 when there is no window or it refused. */
size_t window_move(paddr_t paddr, void *buf, size_t len, bool write);

#endif
