/* SPDX-License-Identifier: BSD-3-Clause */
/* What intr_remap.c and its two formats share. */
#ifndef IOMMU_INTR_PRIV_H
#define IOMMU_INTR_PRIV_H

#include "iommu/dma.h"
#include "iommu/intr_remap.h"

struct intr_entry {
	uint64_t lo, hi;
};

/* Of a unit and segment (Intel) or of a requester (AMD). */
struct intr_table {
	struct list_head node; /* Intel: iommu->intr_tables */
	uint32_t segment;
	unsigned int entries;
	/* Mapped with the first entry that is given out; never goes before the table. */
	_Atomic(_Atomic uint64_t *) words; /* two an entry */
	/* Which target an entry posts to, beside the table as the host's own knowledge. */
	const struct irq_post_target **target;
	uint64_t *used; /* a bit an entry; guarded by intr_lock */
};

/* A device's table; 0 or -ENOMEM. */
int intr_dev_init(struct iommu_dev *dev);
void intr_dev_destroy(struct iommu_dev *dev);
/* Of a unit that goes. */
void intr_unit_destroy(struct iommu *iommu);
/* In the child of a fork. */
void intr_after_fork(void);

/* A DMA into the window, outside of a section: how many of the @len bytes at @addr were taken; 0: a
 * fault, which has been recorded. @buf NULL: zeroes. */
size_t intr_dma_write(struct iommu_dev *dev, uint64_t addr, const void *buf, size_t len);

/* Routed addresses (iommu/dma.h) that stand for the window: this plus the address. */
#define DMA_INTR_BASE (3ULL << 50)

#endif
