/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions without an IOMMU: the address that a device puts on the bus is a physical one, and who
 * knows the machine's memory says what is behind it. The same serves devices that exist in software
 * only, where the answer is what their driver has pinned (vfio/emulated_dma.h). Everything of
 * iommu/dma.h works for such a function; groups and domains know nothing of it.
 *
 * translate() runs inside a section (iommu/dma.h): whoever takes memory away makes translate()
 * say so first, calls iommu_bypass_sync() then, and nothing touches the memory any more when that
 * returns.
 */
#ifndef IOMMU_BYPASS_H
#define IOMMU_BYPASS_H

#include "iommu/dma.h"

struct iommu_bypass_ops {
	/*
	 * The host's pointer behind @addr (below DMA_ROUTED_BASE, unless there is a fill()) and how
	 * many bytes are contiguous in both, at least 1. A pointer at or above DMA_ROUTED_BASE is
	 * routed. 0; -EFAULT: nothing is there; -EACCES: it cannot be read or written so; -EAGAIN:
	 * ask again outside the section. No lock, no system call, no memory of its own; also in
	 * signal context.
	 * With 0, @ref may be filled: where the entry stands that said so. The device reads it
	 * again next time, as long as it matches @bits, and asks no more. Such a table stays until
	 * iommu_bypass_forget().
	 */
	int (*translate)(void *arg, paddr_t addr, bool write, paddr_t *host, uint64_t *contig,
			 struct pgtable_ref *ref);
	struct pgtable_bits bits;
	/*
	 * Outside the section, on the thread of the DMA, behind a translate() that said -EAGAIN:
	 * whatever is to be done before it is asked again. NULL: wait for iommu_bypass_thaw().
	 */
	void (*fill)(void *arg);
	/*
	 * A fault is about to be told: fault->what gets, in words, what is or was at fault->iova.
	 * NULL: nothing. The same rules as for translate(); it may be inside a section.
	 */
	void (*fault)(void *arg, struct dma_fault *fault);
};

/* What the functions of a machine go through. Without operations each DMA is a fault. */
struct iommu_bypass {
	const struct iommu_bypass_ops *ops;
	void *arg;
};

/* As iommu_dev_create(), without a unit. @bypass must outlive the device and may get its operations
 * as long as no DMA runs. */
int iommu_dev_create_bypass(const struct iommu_bypass *bypass, uint32_t rid, const char *name,
			    struct iommu_dev **out);

/* The device remembers nothing any more of what translate() said before this call, and no DMA runs
 * that does. Not inside a section of the caller's. */
void iommu_bypass_forget(struct iommu_dev *dev);
/* Waits until no DMA runs that asked translate() before this call. Not inside a section of the
 * caller's. */
void iommu_bypass_sync(void);
/* What was being moved is there again: devices that met -EAGAIN need not wait any longer. */
void iommu_bypass_thaw(void);

#endif
