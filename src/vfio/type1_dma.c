/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of a container's mappings and the rules of MAP_DMA and UNMAP_DMA.
 *
 * Invariants: mappings do not overlap; each is in all of the container's domains, whole; `last` is
 * inclusive, so that a mapping may end at the end of the address space. Without a domain a mapping
 * is neither pinned nor looked at before an emulated device uses it (type1_pin.c).
 *
 * Version 1 and 2 differ in what an unmap of a part does. Version 2: an error. Version 1, where the
 * hardware once decided: a range that covers a mapping's first byte unmaps all of it, and the walk
 * ends without an error at the first mapping that it does not cover so.
 *
 * One unmap clears the entries of all its mappings first and then waits once (iommu_sync()) for the
 * DMA that may have seen them; only then the memory is let go. When the ioctl returns, nothing
 * touches it any more.
 */
#include "vfio/type1_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/overflow.h"
#include "iommu/dma.h"

static int count_map(struct iommu_dev *dev, void *arg)
{
	atomic_fetch_add_explicit(&dma_stats(dev)->maps, 1, memory_order_relaxed);
	return 0;
}

static void account_map(struct vfio_iommu *iommu, const struct vfio_dma *dma)
{
	struct vfio_domain *d;
	struct vfio_iommu_group *group;

	list_for_each_entry(d, &iommu->domains, node)
		list_for_each_entry(group, &d->groups, node)
			iommu_group_for_each_dev(group->iommu_group, count_map, NULL);
}

/* Takes the mapping out of the tree and its entries out of the domains; devices may still be using
 * them until sync_and_free(). */
static void remove_nosync(struct vfio_iommu *iommu, struct vfio_dma *dma, struct vfio_dma **removed)
{
	struct vfio_domain *d;

	list_for_each_entry(d, &iommu->domains, node)
		iommu_unmap_nosync(d->domain, vfio_dma_iova(dma), dma->size);
	itree_remove(&iommu->dmas, &dma->node);
	if (dma->vaddr_invalid)
		iommu->vaddr_invalid_count--;
	dma->next = *removed;
	*removed = dma;
}

static void sync_and_free(struct vfio_iommu *iommu, struct vfio_dma *removed)
{
	struct vfio_domain *d;
	struct vfio_dma *next;

	if (!removed)
		return;
	list_for_each_entry(d, &iommu->domains, node)
		iommu_sync(d->domain);
	for (; removed; removed = next) {
		next = removed->next;
		vfio_dma_unpin(removed);
		free(removed->bitmap);
		free(removed);
		iommu->dma_avail++;
	}
}

void vfio_iommu_unmap_all(struct vfio_iommu *iommu)
{
	struct vfio_dma *dma, *removed = NULL;

	while ((dma = vfio_find_dma(iommu, 0, UINT64_MAX))) {
		if (dma->pfns.root)
			vfio_pfns_revoke(dma);
		remove_nosync(iommu, dma, &removed);
	}
	sync_and_free(iommu, removed);
}

/* Enters a pinned mapping into all domains, or none. */
static int enter_all(struct vfio_iommu *iommu, struct vfio_dma *dma)
{
	struct vfio_domain *d, *failed;
	int ret = 0;

	list_for_each_entry(d, &iommu->domains, node) {
		ret = vfio_dma_enter(dma, d->domain);
		if (ret)
			break;
	}
	failed = d;
	/* The program may have unmapped the memory after it was pinned and before it was
	 * entered. */
	if (!ret && vfio_dma_moved(dma))
		ret = -EFAULT;
	if (!ret)
		return 0;
	list_for_each_entry(d, &iommu->domains, node) {
		if (d == failed)
			break;
		iommu_unmap(d->domain, vfio_dma_iova(dma), dma->size);
	}
	return ret;
}

/* Pins the mapping and enters it, when there is a domain. */
static int pin_and_enter(struct vfio_iommu *iommu, struct vfio_dma *dma)
{
	int ret;

	if (list_empty(&iommu->domains))
		return 0;
	ret = vfio_dma_pin(dma);
	if (ret)
		return ret;
	ret = enter_all(iommu, dma);
	if (ret)
		vfio_dma_unpin(dma);
	else
		dma->iommu_mapped = true;
	return ret;
}

static int map_new(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dma_map *map,
		   unsigned int prot)
{
	struct vfio_dma *dma, *removed = NULL;
	int ret;

	dma = FAIL_POINT() ? NULL : calloc(1, sizeof(*dma));
	if (!dma)
		return -ENOMEM;
	dma->node.start = map->iova;
	dma->node.last = map->iova + map->size - 1;
	dma->iommu = iommu;
	dma->vaddr = map->vaddr;
	dma->size = map->size;
	dma->prot = prot;
	dma->pieces = &dma->single;
	ret = pin_and_enter(iommu, dma);
	if (ret)
		goto out_free;
	itree_insert(&iommu->dmas, &dma->node);
	iommu->dma_avail--;
	ret = iommu->dirty_page_tracking ? vfio_dirty_start(dma) : 0;
	if (ret) {
		remove_nosync(iommu, dma, &removed);
		sync_and_free(iommu, removed);
		return ret;
	}
	account_map(iommu, dma);
	return 0;
out_free:
	free(dma);
	return ret;
}

/* MAP with FLAG_VADDR: the mapping's memory has a new address in the program. */
static int update_vaddr(struct vfio_iommu *iommu, struct vfio_dma *dma,
			const struct vfio_iommu_type1_dma_map *map)
{
	if (!dma)
		return -ENOENT;
	if (!dma->vaddr_invalid || vfio_dma_iova(dma) != map->iova || dma->size != map->size)
		return -EINVAL;
	dma->vaddr = map->vaddr;
	dma->vaddr_invalid = false;
	iommu->vaddr_invalid_count--;
	return 0;
}

int vfio_dma_do_map(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dma_map *map)
{
	const bool set_vaddr = map->flags & VFIO_DMA_MAP_FLAG_VADDR;
	uint64_t iova_last, vaddr_last;
	struct vfio_dma *dma;
	unsigned int prot = 0;

	if (!map->size)
		return -EINVAL;
	if (check_add_overflow(map->iova, map->size - 1, &iova_last) ||
	    check_add_overflow(map->vaddr, map->size - 1, &vaddr_last))
		return -EOVERFLOW;
	if (map->flags & VFIO_DMA_MAP_FLAG_WRITE)
		prot |= IOMMU_WRITE;
	if (map->flags & VFIO_DMA_MAP_FLAG_READ)
		prot |= IOMMU_READ;
	if (set_vaddr == (prot != 0))
		return -EINVAL;
	if (!IS_ALIGNED(map->size | map->iova | map->vaddr, vfio_iommu_pgsize(iommu)))
		return -EINVAL;
	dma = vfio_find_dma(iommu, map->iova, iova_last);
	if (set_vaddr)
		return update_vaddr(iommu, dma, map);
	if (dma)
		return -EEXIST;
	if (!iommu->dma_avail)
		return -ENOSPC;
	if (!vfio_iova_list_contains(&iommu->iovas, map->iova, iova_last))
		return -EINVAL;
	return map_new(iommu, map, prot);
}

/* UNMAP with FLAG_VADDR: nothing is unmapped, the addresses wait to be replaced. All or nothing. */
static int invalidate_vaddr(struct vfio_iommu *iommu, iova_t iova, iova_t last, uint64_t *size)
{
	struct itree_node *node;
	struct vfio_dma *dma;

	itree_for_each(node, &iommu->dmas, iova, last) {
		dma = container_of(node, struct vfio_dma, node);
		if (!iommu->v2 && iova > vfio_dma_iova(dma))
			break;
		if (dma->vaddr_invalid)
			goto undo;
		dma->vaddr_invalid = true;
		iommu->vaddr_invalid_count++;
		*size += dma->size;
	}
	return 0;
undo:
	itree_for_each(node, &iommu->dmas, iova, last) {
		if (node == &dma->node)
			break;
		container_of(node, struct vfio_dma, node)->vaddr_invalid = false;
		iommu->vaddr_invalid_count--;
	}
	*size = 0;
	return -EINVAL;
}

/* Version 2: whether the range cuts a mapping at one of its ends. */
static bool range_bisects(struct vfio_iommu *iommu, iova_t iova, iova_t last)
{
	struct vfio_dma *dma;

	dma = vfio_find_dma(iommu, iova, iova);
	if (dma && dma->node.start != iova)
		return true;
	dma = vfio_find_dma(iommu, last, last);
	return dma && dma->node.last != last;
}

/* The range of an unmap and whether its arguments make sense. */
static int unmap_range(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dma_unmap *unmap,
		       iova_t *last)
{
	const uint64_t pgsize = vfio_iommu_pgsize(iommu);

	if (!IS_ALIGNED(unmap->iova, pgsize))
		return -EINVAL;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		*last = UINT64_MAX;
		return unmap->iova || unmap->size ? -EINVAL : 0;
	}
	if (!unmap->size || !IS_ALIGNED(unmap->size, pgsize))
		return -EINVAL;
	return check_add_overflow(unmap->iova, unmap->size - 1, last) ? -EOVERFLOW : 0;
}

#define NOTIFY_RETRIES 10

struct unmapper {
	struct vfio_dma *removed; /* out of the domains, not yet waited for */
	const struct vfio_dma *told;
	unsigned int retries;
};

/*
 * Whether no device has pages of @dma pinned. If one has, the devices are told, iommu->lock was
 * dropped, and the caller looks again at what there is; who has not let go by the tenth time never
 * will.
 */
static bool pfns_gone(struct vfio_iommu *iommu, struct vfio_dma *dma, struct unmapper *u)
{
	if (!dma->pfns.root)
		return true;
	if (u->told != dma)
		u->retries = 0;
	u->told = dma;
	if (u->retries++ == NOTIFY_RETRIES) {
		vfio_pfns_revoke(dma);
		return true;
	}
	dma->unmapping = true;
	sync_and_free(iommu, u->removed);
	u->removed = NULL;
	vfio_notify_dma_unmap(iommu, dma);
	return false;
}

/* The unmap fails: whatever was about to go stays. */
static void keep_all(struct vfio_iommu *iommu, iova_t iova, iova_t last)
{
	struct itree_node *node;

	itree_for_each(node, &iommu->dmas, iova, last)
		container_of(node, struct vfio_dma, node)->unmapping = false;
}

int vfio_dma_do_unmap(struct vfio_iommu *iommu, struct vfio_iommu_type1_dma_unmap *unmap,
		      const struct vfio_bitmap *bitmap)
{
	const bool get_dirty = unmap->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	const bool all = unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	struct unmapper u = { .removed = NULL };
	const iova_t iova = unmap->iova;
	struct vfio_dma *dma;
	iova_t last;
	int ret;

	/* Devices that pin and copy cannot do so while addresses are missing. */
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_VADDR && !list_empty(&iommu->emulated_groups))
		ret = -EBUSY;
	else
		ret = unmap_range(iommu, unmap, &last);
	unmap->size = 0;
	if (ret)
		return ret;
	if (get_dirty &&
	    (!iommu->dirty_page_tracking || bitmap->pgsize != vfio_iommu_pgsize(iommu)))
		return -EINVAL;
	if (iommu->v2 && !all && range_bisects(iommu, iova, last))
		return -EINVAL;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_VADDR)
		return invalidate_vaddr(iommu, iova, last, (uint64_t *)&unmap->size);
	while ((dma = vfio_find_dma(iommu, iova, last))) {
		if (!iommu->v2 && iova > vfio_dma_iova(dma))
			break;
		if (!pfns_gone(iommu, dma, &u)) {
			if (!iommu->v2 || all || !range_bisects(iommu, iova, last))
				continue;
			keep_all(iommu, iova, last);
			ret = -EINVAL;
			break;
		}
		if (get_dirty) {
			ret = vfio_dirty_report(dma, (uintptr_t)bitmap->data, iova, bitmap->pgsize);
			if (ret) {
				dma->unmapping = false;
				break;
			}
		}
		unmap->size += dma->size;
		remove_nosync(iommu, dma, &u.removed);
	}
	sync_and_free(iommu, u.removed);
	return ret;
}
