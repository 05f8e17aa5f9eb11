/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Epochs: how an unmapper knows that no running DMA can have seen what it cleared (design D6).
 *
 * A device's epoch word is odd while it is in a section. Guarantees:
 *
 * 1. Enter is an exchange (a full barrier): entries and the generation are read after the word is
 *    odd for everybody. An unmapper clears entries, has a full barrier, then reads the word. So
 *    either the unmapper sees an odd word and waits, or the section sees the cleared entries.
 * 2. Leave is a release store, the unmapper's load an acquire: what a section did to memory has
 *    happened before the unmapper returns.
 * 3. An odd word that has changed is enough: the next section began after the entries were cleared.
 * 4. Leave has no barrier between its store and its look at `want`, and may miss an unmapper that
 *    just goes to sleep; sleeping has a timeout for that.
 *
 * The word has one writer at a time: whoever may use the device's handle.
 */
#ifndef IOMMU_EPOCH_PRIV_H
#define IOMMU_EPOCH_PRIV_H

#include <assert.h>
#include <stdatomic.h>

#include "base/depth.h"
#include "iommu/iommu_priv.h"

/* Tells threads apart without a system call. */
static inline uintptr_t epoch_self(void)
{
	return (uintptr_t)&lib_depth;
}

static inline void epoch_enter(struct iommu_dev *dev)
{
	uint32_t epoch = atomic_load_explicit(&dev->epoch, memory_order_relaxed);

	assert(!(epoch & 1));
	atomic_store_explicit(&dev->owner, epoch_self(), memory_order_relaxed);
	atomic_exchange_explicit(&dev->epoch, epoch + 1, memory_order_seq_cst);
}

static inline void epoch_leave(struct iommu_dev *dev)
{
	uint32_t epoch = atomic_load_explicit(&dev->epoch, memory_order_relaxed);

	assert(epoch & 1);
	atomic_store_explicit(&dev->epoch, epoch + 1, memory_order_release);
	if (unlikely(atomic_load_explicit(&dev->want, memory_order_relaxed)))
		epoch_wake(dev);
}

/* Returns when the section that runs now, if any, has ended. The caller had a full barrier since it
 * changed what sections may see. */
static inline void epoch_wait(struct iommu_dev *dev)
{
	uint32_t epoch = atomic_load_explicit(&dev->epoch, memory_order_seq_cst);

	if (unlikely(epoch & 1))
		epoch_wait_change(dev, epoch);
}

#endif
