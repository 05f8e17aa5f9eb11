/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty page tracking of a container (VFIO_IOMMU_DIRTY_PAGES and UNMAP_DMA with
 * FLAG_GET_DIRTY_BITMAP).
 *
 * A group behind an IOMMU writes memory without telling, so while tracking is on each of its pages
 * counts as dirty, each time it is asked: there is nothing to record, and the bitmap is made when
 * it is read. One bit a page of the smallest size, in 64-bit words, from the first IOVA asked for.
 */
#include "vfio/type1_priv.h"

#include <errno.h>

#include "base/copy.h"
#include "base/overflow.h"

#define BITS_PER_WORD 64
#define WORDS_AT_ONCE 64

/* The end of a program's addresses, as the kernel's access_ok() has it on x86-64. */
#define USER_END 0x7ffffffff000ULL

static unsigned int page_shift(uint64_t pgsize)
{
	return pgsize ? (unsigned int)__builtin_ctzll(pgsize) : 0;
}

int vfio_dirty_check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size)
{
	const uint64_t npages = size >> page_shift(bitmap->pgsize);
	uint64_t words;

	if (!range_within((uintptr_t)bitmap->data, bitmap->size, USER_END))
		return -EINVAL;
	words = npages / BITS_PER_WORD + (npages % BITS_PER_WORD != 0);
	if (!npages || !bitmap->size || bitmap->size > DIRTY_BITMAP_SIZE_MAX ||
	    bitmap->size / sizeof(uint64_t) < words)
		return -EINVAL;
	return 0;
}

/* Word @index of a bitmap in which the bits [@first, @end) are set. */
static uint64_t bitmap_word(uint64_t index, uint64_t first, uint64_t end)
{
	const uint64_t start = index * BITS_PER_WORD;
	uint64_t word = ~0ULL;

	if (first > start)
		word &= ~0ULL << (first - start);
	if (end - start < BITS_PER_WORD)
		word &= ~(~0ULL << (end - start));
	return word;
}

int vfio_dirty_report(const struct vfio_dma *dma, uintptr_t ubitmap, iova_t base, uint64_t pgsize)
{
	const unsigned int shift = page_shift(pgsize);
	const uint64_t first = (vfio_dma_iova(dma) - base) >> shift;
	const uint64_t end = first + (dma->size >> shift);
	uint64_t words[WORDS_AT_ONCE], before, index, n;

	for (index = first / BITS_PER_WORD; index * BITS_PER_WORD < end; index += n) {
		for (n = 0; n < WORDS_AT_ONCE && (index + n) * BITS_PER_WORD < end; n++)
			words[n] = bitmap_word(index + n, first, end);
		/* The mapping before this one may share the first word. */
		if (index * BITS_PER_WORD < first) {
			if (copy_from_user(&before, ubitmap + index * sizeof(before),
					   sizeof(before)))
				return -EFAULT;
			words[0] |= before & ~(~0ULL << (first - index * BITS_PER_WORD));
		}
		if (copy_to_user(ubitmap + index * sizeof(words[0]), words, n * sizeof(words[0])))
			return -EFAULT;
	}
	return 0;
}

static long get_bitmap(struct vfio_iommu *iommu,
		       const struct vfio_iommu_type1_dirty_bitmap_get *range)
{
	const uint64_t pgsize = vfio_iommu_pgsize(iommu);
	struct itree_node *node;
	struct vfio_dma *dma;
	iova_t last;
	int ret;

	if (!range->size)
		return -EINVAL;
	if (check_add_overflow(range->iova, range->size - 1, &last))
		return -EOVERFLOW;
	ret = vfio_dirty_check_bitmap(&range->bitmap, range->size);
	if (ret)
		return ret;
	if (range->bitmap.pgsize != pgsize || !IS_ALIGNED(range->iova | range->size, pgsize) ||
	    !iommu->dirty_page_tracking)
		return -EINVAL;
	/* Mappings are reported whole. */
	dma = vfio_find_dma(iommu, range->iova, range->iova);
	if (dma && dma->node.start != range->iova)
		return -EINVAL;
	dma = vfio_find_dma(iommu, last, last);
	if (dma && dma->node.last != last)
		return -EINVAL;
	itree_for_each(node, &iommu->dmas, range->iova, last) {
		ret = vfio_dirty_report(container_of(node, struct vfio_dma, node),
					(uintptr_t)range->bitmap.data, range->iova, pgsize);
		if (ret)
			return ret;
	}
	return 0;
}

long vfio_dirty_pages(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dirty_bitmap *dirty,
		      uintptr_t arg)
{
	struct vfio_iommu_type1_dirty_bitmap_get range;

	switch (dirty->flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		iommu->dirty_page_tracking = true;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		iommu->dirty_page_tracking = false;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		if (dirty->argsz - sizeof(*dirty) < sizeof(range))
			return -EINVAL;
		if (copy_from_user(&range, arg + sizeof(*dirty), sizeof(range)))
			return -EFAULT;
		return get_bitmap(iommu, &range);
	default:
		/* None or several. */
		return -EINVAL;
	}
}
