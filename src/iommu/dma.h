/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA as a device does it: by IOVA, through its IOMMU, inside an epoch section (design D6).
 *
 * One thread at a time may use a device's handle: the device's lock serialises inline work.
 */
#ifndef IOMMU_DMA_H
#define IOMMU_DMA_H

#include <stdatomic.h>
#include "iommu/iommu.h"

enum dma_fault_reason {
	DMA_FAULT_NOT_PRESENT = 1, /* no translation */
	DMA_FAULT_PERMISSION,	   /* read-only page written */
	DMA_FAULT_NO_DOMAIN,	   /* the device is attached to nothing */
	DMA_FAULT_BUS_MASTER,	   /* COMMAND.BUS_MASTER is off */
	DMA_FAULT_STALE,	   /* translated, but the program's memory is gone */
	/* Messages that the interrupt remapping stopped; the numbers are VT-d's fault reasons. */
	DMA_FAULT_INTR_RESERVED = 0x20, /* not a message's form */
	DMA_FAULT_INTR_INDEX = 0x21,	/* behind the table */
	DMA_FAULT_INTR_ABSENT = 0x22,	/* the entry is not present */
	DMA_FAULT_INTR_COMPAT = 0x25,	/* in compatibility format */
	DMA_FAULT_INTR_SOURCE = 0x26,	/* the entry is another requester's */
};

#define IOMMU_DEV_NAME 40 /* a PCI address, or the UUID of a mediated device */
#define DMA_FAULT_WHAT 160

/* One fault; @seq counts the process' faults from 1. */
struct dma_fault {
	uint64_t seq;
	uint32_t rid;
	char name[IOMMU_DEV_NAME];
	iova_t iova; /* first byte that could not be moved */
	uint64_t len;
	bool write;
	enum dma_fault_reason reason;
	uint32_t index; /* DMA_FAULT_INTR_*: the entry of the remapping table; ~0: none was named */
	/* Without an IOMMU: what is or was at @iova, in words; of a message: what was wrong; "":
	 * nobody knows. */
	char what[DMA_FAULT_WHAT];
};

struct dma_stats {
	_Atomic uint64_t bytes_read;	/* by the device, from memory */
	_Atomic uint64_t bytes_written; /* by the device, to memory */
	_Atomic uint64_t faults;
	_Atomic uint64_t maps; /* mappings made in domains while attached: kept by type1 */
};

struct dma_stats *dma_stats(struct iommu_dev *dev);
/* Counts in the caller's memory from now on (the session's file), NULL: in the device's own again.
 * No DMA may be running. */
void dma_set_stats(struct iommu_dev *dev, struct dma_stats *stats);

/*
 * Move @len bytes between the device's @buf and memory at @iova. 0, or -EIO when a part could not
 * be moved: the fault is recorded and reported, what came before it has been moved. Splits into
 * sections of at most 128 KiB. @buf is the library's memory.
 */
int dma_read(struct iommu_dev *dev, iova_t iova, void *buf, size_t len);
int dma_write(struct iommu_dev *dev, iova_t iova, const void *buf, size_t len);
/* Zeroes memory at @iova. */
int dma_zero(struct iommu_dev *dev, iova_t iova, size_t len);
/* Copies memory to memory. -EIO: *@at_dst says whether writing at @dst failed rather than reading
 * at @src; what came before has been moved. The ranges should not overlap. */
int dma_copy(struct iommu_dev *dev, iova_t dst, iova_t src, size_t len, bool *at_dst);

/*
 * For a device that runs over a stretch itself: enter, translate, touch only through base/copy.h,
 * leave within one command or 128 KiB. dma_translate() gives the pointer and how many bytes are
 * contiguous there (at most @len). NULL:
 * - *@again true: a frozen entry. Leave the section, call dma_wait_thaw(), start over.
 * - *@again false and *@contig 0: a fault, which has been recorded.
 * - *@again false and *@contig > 0: so many bytes there are routed (below) and have no pointer:
 *   leave the section and move them with dma_read() or dma_write().
 *
 * Sections do not nest, and inside one the thread must not call anything that unmaps. A copy that
 * fails at a translated pointer is told to dma_fault_stale().
 */
void dma_enter(struct iommu_dev *dev);
void dma_leave(struct iommu_dev *dev);
void *dma_translate(struct iommu_dev *dev, iova_t iova, size_t len, bool write, size_t *contig,
		    bool *again);
void dma_wait_thaw(struct iommu_dev *dev, iova_t iova);
/* Records that the memory behind @iova was not there. Inside or outside a section. */
void dma_fault_stale(struct iommu_dev *dev, iova_t iova, uint64_t len, bool write);

/* COMMAND.BUS_MASTER of the function; off (as after reset and at creation): every DMA faults. */
void dma_set_master(struct iommu_dev *dev, bool on);

/*
 * Peer-to-peer and memory without pointer: addresses at or above DMA_ROUTED_BASE in a domain are
 * routed to a window's operations instead of being dereferenced. They run outside the section (they
 * may take locks and block), on the thread of the DMA, and return 0 or -errno.
 */
#define DMA_ROUTED_BASE (1ULL << 50)
struct dma_window_ops {
	int (*read)(void *priv, uint64_t off, void *buf, size_t len);
	int (*write)(void *priv, uint64_t off, const void *buf, size_t len);
};
/* Reserves @size bytes of routed addresses; 0 or -errno. */
int dma_window_create(uint64_t size, const struct dma_window_ops *ops, void *priv, paddr_t *base);
/* Returns when no operation of the window is running; what is still mapped to it is stale then. */
void dma_window_destroy(paddr_t base);

/*
 * Who wants to hear of faults (a report for status 99, the log, the model's AER); called without
 * locks of this folder on the thread of the DMA, which may be in signal context and inside a
 * section: no malloc, no lock, nothing that unmaps. At most one for the process.
 */
void dma_set_fault_sink(void (*fn)(void *arg, const struct dma_fault *fault), void *arg);
/* Faults since the start, and the last of them: up to @max with seq > *@seq in order, advancing
 * *@seq; returns how many. */
uint64_t dma_fault_count(void);
size_t dma_fault_read(uint64_t *seq, struct dma_fault *faults, size_t max);

#endif
