/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty page tracking of a container (VFIO_IOMMU_DIRTY_PAGES and UNMAP_DMA with
 * FLAG_GET_DIRTY_BITMAP).
 *
 * A group behind an IOMMU writes memory without telling, so while one is there each of its pages
 * counts as dirty, each time it is asked. Emulated groups alone tell: what they have pinned counts
 * as dirty as long as it is pinned, and what is copied for them until it was asked for once.
 *
 * One bit a page of the smallest size, in 64-bit words; in the user's bitmap from the first IOVA
 * asked for, in a mapping's own from its first page.
 */
#include "vfio/type1_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
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

/* ---- a mapping's bitmap ---------------------------------------------------------------------- */

static uint64_t dma_pages(const struct vfio_dma *dma)
{
	return dma->size >> page_shift(vfio_iommu_pgsize(dma->iommu));
}

static size_t bitmap_words(uint64_t pages)
{
	return (pages + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

static void set_bits(uint64_t *bitmap, uint64_t first, uint64_t end)
{
	for (uint64_t index = first / BITS_PER_WORD; index * BITS_PER_WORD < end; index++)
		bitmap[index] |= bitmap_word(index, first, end);
}

void vfio_dirty_set(struct vfio_dma *dma, iova_t iova, uint64_t len)
{
	const unsigned int shift = page_shift(vfio_iommu_pgsize(dma->iommu));
	const uint64_t off = iova - vfio_dma_iova(dma);

	if (dma->bitmap)
		set_bits(dma->bitmap, off >> shift, ((off + len - 1) >> shift) + 1);
}

/* What is pinned is dirty. */
static void populate(struct vfio_dma *dma)
{
	struct itree_node *node;

	itree_for_each(node, &dma->pfns, 0, UINT64_MAX)
		vfio_dirty_set(dma, node->start, HOST_PAGE_SIZE);
}

int vfio_dirty_start(struct vfio_dma *dma)
{
	const uint64_t pages = dma_pages(dma);

	if (pages > DIRTY_BITMAP_SIZE_MAX * 8 - 1)
		return -EINVAL;
	dma->bitmap = FAIL_POINT() ? NULL : calloc(bitmap_words(pages), sizeof(*dma->bitmap));
	if (!dma->bitmap)
		return -ENOMEM;
	populate(dma);
	return 0;
}

static void stop_all(struct vfio_iommu *iommu)
{
	struct itree_node *node;
	struct vfio_dma *dma;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX) {
		dma = container_of(node, struct vfio_dma, node);
		free(dma->bitmap);
		dma->bitmap = NULL;
	}
	iommu->dirty_page_tracking = false;
}

static int start_all(struct vfio_iommu *iommu)
{
	struct itree_node *node;
	int ret;

	if (iommu->dirty_page_tracking)
		return 0;
	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX) {
		ret = vfio_dirty_start(container_of(node, struct vfio_dma, node));
		if (ret) {
			stop_all(iommu);
			return ret;
		}
	}
	iommu->dirty_page_tracking = true;
	return 0;
}

void vfio_dirty_set_all(struct vfio_iommu *iommu)
{
	struct itree_node *node;

	itree_for_each(node, &iommu->dmas, 0, UINT64_MAX)
		vfio_dirty_set(container_of(node, struct vfio_dma, node), node->start,
			       node->last - node->start + 1);
}

/* Asked for: what was copied is clean again. */
static void restart(struct vfio_dma *dma)
{
	memset(dma->bitmap, 0, bitmap_words(dma_pages(dma)) * sizeof(*dma->bitmap));
	populate(dma);
}

/* ---- reports --------------------------------------------------------------------------------- */

/* Bits [@at, @at + 64) of the mapping's bitmap, 0 outside of it. @at may be below 0. */
static uint64_t dma_word(const struct vfio_dma *dma, int64_t at, uint64_t pages)
{
	const uint64_t words = bitmap_words(pages);
	const int64_t index = at >> 6;
	const unsigned int shift = (unsigned int)at % BITS_PER_WORD;
	uint64_t word = 0;

	if (index >= 0 && (uint64_t)index < words)
		word = dma->bitmap[index] >> shift;
	if (shift && index + 1 >= 0 && (uint64_t)(index + 1) < words)
		word |= dma->bitmap[index + 1] << (BITS_PER_WORD - shift);
	return word;
}

int vfio_dirty_report(const struct vfio_dma *dma, uintptr_t ubitmap, iova_t base, uint64_t pgsize)
{
	const bool all = dma->iommu->num_non_pinned_groups && dma->iommu_mapped;
	const unsigned int shift = page_shift(pgsize);
	const uint64_t first = (vfio_dma_iova(dma) - base) >> shift;
	const uint64_t pages = dma->size >> shift, end = first + pages;
	uint64_t words[WORDS_AT_ONCE], before, index, n;

	for (index = first / BITS_PER_WORD; index * BITS_PER_WORD < end; index += n) {
		for (n = 0; n < WORDS_AT_ONCE && (index + n) * BITS_PER_WORD < end; n++)
			words[n] = all ? bitmap_word(index + n, first, end)
				       : dma_word(dma,
						  (int64_t)((index + n) * BITS_PER_WORD - first),
						  pages);
		/* The mapping before this one may share the first word: nothing in it is
		 * cleared. */
		if (index * BITS_PER_WORD < first) {
			if (copy_from_user(&before, ubitmap + index * sizeof(before),
					   sizeof(before)))
				return -EFAULT;
			words[0] |= before;
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
		dma = container_of(node, struct vfio_dma, node);
		ret = vfio_dirty_report(dma, (uintptr_t)range->bitmap.data, range->iova, pgsize);
		if (ret)
			return ret;
		restart(dma);
	}
	return 0;
}

long vfio_dirty_pages(struct vfio_iommu *iommu, const struct vfio_iommu_type1_dirty_bitmap *dirty,
		      uintptr_t arg)
{
	struct vfio_iommu_type1_dirty_bitmap_get range;

	switch (dirty->flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		return start_all(iommu);
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		stop_all(iommu);
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
