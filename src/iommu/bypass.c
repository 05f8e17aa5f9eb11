/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions without an IOMMU: see bypass.h. Their walk cache holds what translate() lets them
 * remember. */
#include "iommu/bypass.h"

#include <errno.h>

#include "base/sysraw.h"
#include "iommu/epoch_priv.h"

int iommu_dev_create_bypass(const struct iommu_bypass *bypass, uint32_t rid, const char *name,
			    struct iommu_dev **out)
{
	int ret = iommu_dev_create(NULL, rid, name, out);

	if (!ret)
		(*out)->bypass = bypass;
	return ret;
}

static void remember(struct iommu_dev *dev, paddr_t addr, const struct pgtable_ref *ref)
{
	struct walk_entry *entry = &dev->cache[(addr >> WALK_CACHE_SHIFT) & (WALK_CACHE_SIZE - 1)];

	dev->bits = dev->bypass->ops->bits;
	entry->tag = addr >> WALK_CACHE_SHIFT;
	entry->table = ref->table;
	entry->page_mask = ref->page_mask;
	entry->mask = (uint32_t)ref->mask;
	entry->set = (uint32_t)ref->set;
}

enum walk_result bypass_walk(struct iommu_dev *dev, paddr_t addr, bool write, paddr_t *paddr,
			     uint64_t *contig)
{
	const struct iommu_bypass *bypass = dev->bypass;
	struct pgtable_ref ref = { .table = NULL };

	if (!bypass->ops || (addr >= DMA_ROUTED_BASE && !bypass->ops->fill))
		return WALK_NOT_PRESENT;
	/* Before the question: a thaw after that makes dma_wait_thaw() return at once. */
	dev->thaw_seen = atomic_load_explicit(&dev->thaw, memory_order_acquire);
	switch (bypass->ops->translate(bypass->arg, addr, write, paddr, contig, &ref)) {
	case 0:
		if (ref.table)
			remember(dev, addr, &ref);
		return WALK_OK;
	case -EAGAIN:
		return WALK_FROZEN;
	case -EACCES:
		return WALK_PERMISSION;
	default:
		return WALK_NOT_PRESENT;
	}
}

bool bypass_fill(struct iommu_dev *dev)
{
	const struct iommu_bypass_ops *ops = dev->bypass ? dev->bypass->ops : NULL;

	if (!ops || !ops->fill)
		return false;
	ops->fill(dev->bypass->arg);
	return true;
}

void iommu_bypass_forget(struct iommu_dev *dev)
{
	/* Also the barrier between what translate() says now and the look at the epoch. */
	atomic_fetch_add_explicit(&dev->gen, 1, memory_order_seq_cst);
	epoch_wait(dev);
}

static void dev_sync(struct iommu_dev *dev)
{
	if (dev->bypass)
		epoch_wait(dev);
}

static void dev_thaw(struct iommu_dev *dev)
{
	if (!dev->bypass)
		return;
	atomic_fetch_add_explicit(&dev->thaw, 1, memory_order_release);
	raw_futex_wake(&dev->thaw, INT32_MAX);
}

void iommu_bypass_sync(void)
{
	/* Between what translate() says now and the look at the epochs. */
	atomic_thread_fence(memory_order_seq_cst);
	epoch_for_each_dev(dev_sync);
}

void iommu_bypass_thaw(void)
{
	epoch_for_each_dev(dev_thaw);
}
