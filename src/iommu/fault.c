/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA faults: counted, kept in a ring, written as events and told to the sink.
 *
 * Recording may happen in signal context: no lock, no allocation. A slot's state is seq << 1 |
 * busy; who finds its slot busy has been overtaken by a whole ring and leaves it. Readers take a
 * slot's words between two equal looks at its state.
 */
#include <string.h>

#include "base/event.h"
#include "iommu/iommu_priv.h"

#define FAULT_SLOTS 256
#define FAULT_WORDS (sizeof(struct dma_fault) / sizeof(uint64_t))

_Static_assert(sizeof(struct dma_fault) % sizeof(uint64_t) == 0, "copied in words");

struct fault_slot {
	_Atomic uint64_t state;
	_Atomic uint64_t words[FAULT_WORDS];
};

static struct fault_slot slots[FAULT_SLOTS];
static _Atomic uint64_t fault_head; /* the last sequence number given out */

typedef void (*fault_sink_fn)(void *arg, const struct dma_fault *fault);
static _Atomic(fault_sink_fn) sink;
static void *_Atomic sink_arg;

void dma_set_fault_sink(void (*fn)(void *arg, const struct dma_fault *fault), void *arg)
{
	/* Nobody is called with another's argument. */
	atomic_store(&sink, NULL);
	atomic_store(&sink_arg, arg);
	atomic_store(&sink, fn);
}

uint64_t dma_fault_count(void)
{
	return atomic_load_explicit(&fault_head, memory_order_relaxed);
}

static void ring_put(const struct dma_fault *fault)
{
	struct fault_slot *slot = &slots[fault->seq % FAULT_SLOTS];
	uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	uint64_t words[FAULT_WORDS];
	size_t i;

	memcpy(words, fault, sizeof(words));
	if ((state & 1) || state >> 1 >= fault->seq)
		return;
	if (!atomic_compare_exchange_strong(&slot->state, &state, fault->seq << 1 | 1))
		return;
	/* Release: a reader that sees a word sees the busy state, too. */
	for (i = 0; i < FAULT_WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
	atomic_store_explicit(&slot->state, fault->seq << 1, memory_order_release);
}

static bool ring_get(uint64_t seq, struct dma_fault *fault)
{
	struct fault_slot *slot = &slots[seq % FAULT_SLOTS];
	uint64_t words[FAULT_WORDS];
	size_t i;

	if (atomic_load_explicit(&slot->state, memory_order_acquire) != seq << 1)
		return false;
	for (i = 0; i < FAULT_WORDS; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
	if (atomic_load_explicit(&slot->state, memory_order_relaxed) != seq << 1)
		return false;
	memcpy(fault, words, sizeof(words));
	return true;
}

size_t dma_fault_read(uint64_t *seq, struct dma_fault *faults, size_t max)
{
	uint64_t head = dma_fault_count();
	size_t n = 0;

	if (head > FAULT_SLOTS && *seq < head - FAULT_SLOTS)
		*seq = head - FAULT_SLOTS;
	for (; *seq < head && n < max; (*seq)++)
		if (ring_get(*seq + 1, &faults[n]))
			n++;
	return n;
}

static void fill(struct dma_fault *fault, const struct iommu_dev *dev, iova_t iova, uint64_t len,
		 bool write, enum dma_fault_reason reason)
{
	/* Padding, too, goes into the ring. */
	memset(fault, 0, sizeof(*fault));
	fault->seq = atomic_fetch_add_explicit(&fault_head, 1, memory_order_relaxed) + 1;
	fault->rid = dev->rid;
	memcpy(fault->name, dev->name, sizeof(fault->name));
	fault->iova = iova;
	fault->len = len;
	fault->write = write;
	fault->reason = reason;
}

static void tell(struct iommu_dev *dev, const struct dma_fault *fault)
{
	fault_sink_fn fn = atomic_load_explicit(&sink, memory_order_acquire);

	atomic_fetch_add_explicit(&dev->stats->faults, 1, memory_order_relaxed);
	ring_put(fault);
	event_emit(EVENT_DMA_FAULT, dev->rid, fault->iova, fault->len,
		   (uint64_t)fault->reason | (uint64_t)fault->write << 8);
	if (fn)
		fn(atomic_load_explicit(&sink_arg, memory_order_relaxed), fault);
}

void fault_record(struct iommu_dev *dev, iova_t iova, uint64_t len, bool write,
		  enum dma_fault_reason reason)
{
	struct dma_fault fault;

	fill(&fault, dev, iova, len, write, reason);
	if (dev->bypass && dev->bypass->ops && dev->bypass->ops->fault &&
	    reason != DMA_FAULT_BUS_MASTER)
		dev->bypass->ops->fault(dev->bypass->arg, &fault);
	tell(dev, &fault);
}

void fault_record_intr(struct iommu_dev *dev, uint64_t addr, uint32_t index,
		       enum dma_fault_reason reason, const char *what)
{
	struct dma_fault fault;
	size_t n = 0;

	fill(&fault, dev, addr, sizeof(uint32_t), true, reason);
	fault.index = index;
	for (; what[n] && n < sizeof(fault.what) - 1; n++)
		fault.what[n] = what[n];
	tell(dev, &fault);
}
