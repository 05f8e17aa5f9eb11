/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA as a device does it: sections, translation with the page-walk cache, copying.
 *
 * Translation takes no lock. What a section caches stays valid for the section because whoever
 * takes a table away, or the domain, first makes the device forget (dev->gen) and then waits for
 * the section (epoch_priv.h). A cached entry whose leaf does not allow the access proves nothing,
 * since the leaf may have got a new table or size: the walk decides.
 */
#include "iommu/dma.h"

#include <errno.h>
#include <time.h>

#include "base/copy.h"
#include "base/overflow.h"
#include "base/sysraw.h"
#include "iommu/epoch_priv.h"
#include "iommu/intr_priv.h"

#define SECTION_BYTES (128 * 1024U)
/* A thaw wakes who waits; the timeout covers entries that were unmapped instead. */
#define THAW_NSEC 1000000

enum dma_op { DMA_OP_READ, DMA_OP_WRITE, DMA_OP_ZERO };

/* ---- sections -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void dev_refresh(struct iommu_dev *dev, uint32_t gen)
{
	struct iommu_domain *domain = atomic_load_explicit(&dev->domain, memory_order_acquire);
	size_t i;

	dev->gen_seen = gen;
	dev->master_seen = atomic_load_explicit(&dev->master, memory_order_relaxed);
	dev->cur = domain;
	if (domain)
		dev->bits = pgtable_bits(domain->pt);
	for (i = 0; i < WALK_CACHE_SIZE; i++)
		dev->cache[i].tag = WALK_CACHE_NONE;
}

static inline void section_enter(struct iommu_dev *dev)
{
	uint32_t gen;

	epoch_enter(dev);
	gen = atomic_load_explicit(&dev->gen, memory_order_acquire);
	if (unlikely(gen != dev->gen_seen))
		dev_refresh(dev, gen);
}

void dma_enter(struct iommu_dev *dev)
{
	section_enter(dev);
}

void dma_leave(struct iommu_dev *dev)
{
	epoch_leave(dev);
}

void dma_set_master(struct iommu_dev *dev, bool on)
{
	if (atomic_load_explicit(&dev->master, memory_order_relaxed) == on)
		return;
	atomic_store_explicit(&dev->master, on, memory_order_relaxed);
	atomic_fetch_add_explicit(&dev->gen, 1, memory_order_release);
}

/* ---- translation ----------------------------------------------------------------------------- */

static __attribute__((noinline)) enum walk_result walk(struct iommu_dev *dev, iova_t iova,
						       bool write, paddr_t *paddr, uint64_t *contig)
{
	struct walk_entry *entry = &dev->cache[(iova >> WALK_CACHE_SHIFT) & (WALK_CACHE_SIZE - 1)];
	struct pgtable_leaf leaf;
	struct pgtable_ref ref;

	if (!dev->master_seen)
		return WALK_NOT_PRESENT;
	if (dev->bypass)
		return bypass_walk(dev, iova, write, paddr, contig);
	if (!dev->cur)
		return WALK_NOT_PRESENT;
	/* Before the entry is read: a thaw after that makes dma_wait_thaw() return at once. */
	dev->thaw_seen = atomic_load_explicit(&dev->thaw, memory_order_acquire);
	if (!pgtable_lookup_ref(dev->cur->pt, iova, &leaf, &ref))
		return WALK_NOT_PRESENT;
	if (!(leaf.prot & (write ? PGTABLE_WRITE : PGTABLE_READ)))
		return WALK_PERMISSION;
	if (leaf.prot & PGTABLE_FROZEN)
		return WALK_FROZEN;
	entry->tag = iova >> WALK_CACHE_SHIFT;
	entry->table = ref.table;
	entry->page_mask = ref.page_mask;
	entry->mask = (uint32_t)ref.mask;
	entry->set = (uint32_t)ref.set;
	*paddr = leaf.paddr;
	*contig = leaf.contig;
	return WALK_OK;
}

/* The walk cache alone. */
static inline bool translate_cached(const struct iommu_dev *dev, iova_t iova, bool write,
				    paddr_t *paddr, uint64_t *contig)
{
	const struct walk_entry *entry =
		&dev->cache[(iova >> WALK_CACHE_SHIFT) & (WALK_CACHE_SIZE - 1)];
	uint64_t leaf, need, off;

	if (unlikely(entry->tag != iova >> WALK_CACHE_SHIFT))
		return false;
	leaf = atomic_load_explicit(&entry->table[(iova >> HOST_PAGE_SHIFT) & entry->mask],
				    memory_order_acquire);
	need = entry->set | (write ? dev->bits.need[1] : dev->bits.need[0]);
	if (unlikely((leaf & (need | dev->bits.clear)) != need))
		return false;
	off = iova & entry->page_mask;
	*paddr = (leaf & dev->bits.addr) + off;
	*contig = entry->page_mask + 1 - off;
	return true;
}

static inline enum walk_result translate_one(struct iommu_dev *dev, iova_t iova, bool write,
					     paddr_t *paddr, uint64_t *contig)
{
	if (likely(translate_cached(dev, iova, write, paddr, contig)))
		return WALK_OK;
	return walk(dev, iova, write, paddr, contig);
}

static __attribute__((noinline)) bool translate_fault(struct iommu_dev *dev, iova_t iova,
						      uint64_t len, bool write,
						      enum walk_result result, bool *again)
{
	enum dma_fault_reason reason = DMA_FAULT_NOT_PRESENT;

	if (result == WALK_FROZEN) {
		*again = true;
		return false;
	}
	if (!dev->master_seen)
		reason = DMA_FAULT_BUS_MASTER;
	else if (!dev->cur && !dev->bypass)
		reason = DMA_FAULT_NO_DOMAIN;
	else if (result == WALK_PERMISSION)
		reason = DMA_FAULT_PERMISSION;
	fault_record(dev, iova, len, write, reason);
	return false;
}

/* What is written into the window of interrupts is a message, whether the device has a domain or
 * not; it is served like what a routed address stands for. */
static bool is_message(const struct iommu_dev *dev, iova_t iova, bool write,
		       enum walk_result result)
{
	return result == WALK_NOT_PRESENT && write && dev->master_seen &&
	       iova >= INTR_WINDOW_FIRST && iova <= INTR_WINDOW_LAST;
}

/* The stretch of neighbouring leaves at @iova whose memory is contiguous: *@paddr and *@contig, at
 * most @len bytes. False: a fault, recorded, or *@again. */
static inline bool translate(struct iommu_dev *dev, iova_t iova, uint64_t len, bool write,
			     paddr_t *paddr, uint64_t *contig, bool *again)
{
	enum walk_result result = translate_one(dev, iova, write, paddr, contig);
	paddr_t next;
	uint64_t n;

	*again = false;
	if (unlikely(result != WALK_OK)) {
		if (is_message(dev, iova, write, result)) {
			*paddr = DMA_INTR_BASE + iova;
			*contig = MIN(len, INTR_WINDOW_LAST + 1 - iova);
			return true;
		}
		*contig = 0;
		return translate_fault(dev, iova, len, write, result, again);
	}
	while (*contig < len) {
		if (iova + *contig == 0 ||
		    translate_one(dev, iova + *contig, write, &next, &n) != WALK_OK ||
		    next != *paddr + *contig)
			break;
		*contig += n;
	}
	if (*contig > len)
		*contig = len;
	return true;
}

static __attribute__((noinline)) void *translate_pointer(struct iommu_dev *dev, iova_t iova,
							 size_t len, bool write, size_t *contig,
							 bool *again)
{
	paddr_t paddr;

	if (!translate(dev, iova, len, write, &paddr, contig, again))
		return NULL;
	return paddr < DMA_ROUTED_BASE ? (void *)paddr : NULL;
}

void *dma_translate(struct iommu_dev *dev, iova_t iova, size_t len, bool write, size_t *contig,
		    bool *again)
{
	paddr_t paddr;
	uint64_t n;

	/* What nearly every call finds; the rest is out of the way. */
	if (likely(translate_cached(dev, iova, write, &paddr, &n) && n >= len &&
		   paddr < DMA_ROUTED_BASE)) {
		*contig = len;
		*again = false;
		return (void *)paddr;
	}
	return translate_pointer(dev, iova, len, write, contig, again);
}

void dma_wait_thaw(struct iommu_dev *dev, iova_t iova)
{
	static const struct timespec timeout = { .tv_nsec = THAW_NSEC };

	if (bypass_fill(dev))
		return;
	raw_futex_wait(&dev->thaw, dev->thaw_seen, &timeout);
}

void dma_fault_stale(struct iommu_dev *dev, iova_t iova, uint64_t len, bool write)
{
	fault_record(dev, iova, len, write, DMA_FAULT_STALE);
}

/* ---- moving bytes ---------------------------------------------------------------------------- */

struct dma_move {
	struct iommu_dev *dev;
	enum dma_op op;
	iova_t iova;
	char *buf; /* NULL: zeroes */
	uint64_t left;
};

static void move_advance(struct dma_move *move, uint64_t n)
{
	_Atomic uint64_t *bytes = move->op == DMA_OP_READ ? &move->dev->stats->bytes_read
							  : &move->dev->stats->bytes_written;

	/* One writer: no locked addition. */
	atomic_store_explicit(bytes, atomic_load_explicit(bytes, memory_order_relaxed) + n,
			      memory_order_relaxed);
	move->iova += n;
	move->left -= n;
	if (move->buf)
		move->buf += n;
}

static size_t move_copy(const struct dma_move *move, paddr_t paddr, uint64_t n)
{
	switch (move->op) {
	case DMA_OP_READ:
		return copy_nofault(move->buf, (const void *)paddr, n);
	case DMA_OP_WRITE:
		return copy_nofault((void *)paddr, move->buf, n);
	default:
		return zero_nofault((void *)paddr, n);
	}
}

/* One section. 0: go on; *@again, or *@routed bytes at *@paddr are to be served outside first. */
static int move_section(struct dma_move *move, bool *again, paddr_t *paddr, uint64_t *routed)
{
	bool write = move->op != DMA_OP_READ;
	uint64_t budget = MIN(move->left, SECTION_BYTES);
	uint64_t n, residue;
	int ret = 0;

	*again = false;
	*routed = 0;
	section_enter(move->dev);
	while (budget && !ret) {
		if (!translate(move->dev, move->iova, budget, write, paddr, &n, again)) {
			ret = *again ? 0 : -EIO;
			break;
		}
		if (unlikely(*paddr >= DMA_ROUTED_BASE)) {
			*routed = n;
			break;
		}
		residue = move_copy(move, *paddr, n);
		move_advance(move, n - residue);
		budget -= n;
		if (unlikely(residue)) {
			fault_record(move->dev, move->iova, move->left, write, DMA_FAULT_STALE);
			ret = -EIO;
		}
	}
	epoch_leave(move->dev);
	return ret;
}

/* Memory without a pointer, a message: outside of the section. */
static int move_routed(struct dma_move *move, paddr_t paddr, uint64_t routed)
{
	bool write = move->op != DMA_OP_READ;

	if (paddr - DMA_INTR_BASE >= INTR_WINDOW_FIRST &&
	    paddr - DMA_INTR_BASE <= INTR_WINDOW_LAST) {
		routed = intr_dma_write(move->dev, paddr - DMA_INTR_BASE, move->buf, routed);
	} else {
		routed = window_move(paddr, move->buf, routed, write);
		if (!routed)
			fault_record(move->dev, move->iova, move->left, write, DMA_FAULT_STALE);
	}
	move_advance(move, routed);
	return routed ? 0 : -EIO;
}

static int dma_move(struct iommu_dev *dev, iova_t iova, void *buf, size_t len, enum dma_op op)
{
	struct dma_move move = { .dev = dev, .op = op, .iova = iova, .buf = buf, .left = len };
	bool write = op != DMA_OP_READ, again;
	uint64_t routed, last;
	paddr_t paddr;
	int ret = 0;

	if (unlikely(len && !range_last(iova, len, &last))) {
		fault_record(dev, iova, len, write, DMA_FAULT_NOT_PRESENT);
		return -EIO;
	}
	while (move.left && !ret) {
		ret = move_section(&move, &again, &paddr, &routed);
		if (unlikely(routed))
			ret = move_routed(&move, paddr, routed);
		else if (unlikely(again))
			dma_wait_thaw(dev, move.iova);
	}
	return ret;
}

int dma_read(struct iommu_dev *dev, iova_t iova, void *buf, size_t len)
{
	return dma_move(dev, iova, buf, len, DMA_OP_READ);
}

int dma_write(struct iommu_dev *dev, iova_t iova, const void *buf, size_t len)
{
	return dma_move(dev, iova, (void *)(uintptr_t)buf, len, DMA_OP_WRITE);
}

int dma_zero(struct iommu_dev *dev, iova_t iova, size_t len)
{
	return dma_move(dev, iova, NULL, len, DMA_OP_ZERO);
}
