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
};

struct dma_fault {
	uint32_t rid;
	char name[16];
	iova_t iova; /* first byte that could not be moved */
	uint64_t len;
	bool write;
	enum dma_fault_reason reason;
};

struct dma_stats {
	_Atomic uint64_t bytes_read;	/* by the device, from memory */
	_Atomic uint64_t bytes_written; /* by the device, to memory */
	_Atomic uint64_t faults;
	_Atomic uint64_t maps;		/* mappings made in domains while attached: kept by type1 */
};

struct dma_stats *dma_stats(struct iommu_dev *dev);

/*
 * Move @len bytes between the device's @buf and memory at @iova. 0, or -EIO when a part could not be
 * moved: the fault is recorded and reported, what came before it has been moved. Splits into
 * sections of at most 128 KiB. @buf is the library's memory.
 */
int dma_read(struct iommu_dev *dev, iova_t iova, void *buf, size_t len);
int dma_write(struct iommu_dev *dev, iova_t iova, const void *buf, size_t len);
/* Zeroes memory at @iova. */
int dma_zero(struct iommu_dev *dev, iova_t iova, size_t len);

/*
 * For a device that runs over a stretch itself: enter, translate, touch only through base/copy.h,
 * leave within one command or 128 KiB. dma_translate() gives the pointer and how many bytes are
 * contiguous there (at most @len), NULL on a fault (which it records) or on a frozen entry with
 * *@again true: leave the section, call dma_wait_thaw(), start over.
 */
void dma_enter(struct iommu_dev *dev);
void dma_leave(struct iommu_dev *dev);
void *dma_translate(struct iommu_dev *dev, iova_t iova, size_t len, bool write, size_t *contig,
		    bool *again);
void dma_wait_thaw(struct iommu_dev *dev, iova_t iova);

/* COMMAND.BUS_MASTER of the function; off: every DMA faults. */
void dma_set_master(struct iommu_dev *dev, bool on);

/*
 * Peer-to-peer and memory without pointer: addresses at or above DMA_ROUTED_BASE in a domain are
 * routed to a window's operations instead of being dereferenced.
 */
#define DMA_ROUTED_BASE (1ULL << 50)
struct dma_window_ops {
	int (*read)(void *priv, uint64_t off, void *buf, size_t len);
	int (*write)(void *priv, uint64_t off, const void *buf, size_t len);
};
/* Reserves @size bytes of routed addresses; 0 or -errno. */
int dma_window_create(uint64_t size, const struct dma_window_ops *ops, void *priv, paddr_t *base);
void dma_window_destroy(paddr_t base);

/* Who wants to hear of faults (a report for status 99, the log, the model's AER); called without
 * locks, at most one for the process. */
void dma_set_fault_sink(void (*fn)(void *arg, const struct dma_fault *fault), void *arg);
uint64_t dma_fault_count(void);

#endif
