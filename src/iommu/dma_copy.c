/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A copy from one IOVA to another, as a DMA engine makes it: one pass over the bytes, no buffer in
 * between, both sides translated inside the same section (iommu/dma.h).
 *
 * Memory without a pointer (peer-to-peer windows) goes through a small buffer outside of sections.
 */
#include <errno.h>

#include "base/copy.h"
#include "base/overflow.h"
#include "iommu/dma.h"
#include "iommu/iommu_priv.h"

#define SECTION_BYTES (128 * 1024U)
/* On the stack, perhaps a signal handler's. */
#define BOUNCE_BYTES 1024U

struct dma_copy {
	struct iommu_dev *dev;
	iova_t src, dst;
	uint64_t left;
	bool at_dst; /* where the last step ended */
};

/* What a section ended with. */
enum copy_end { COPY_ON, COPY_THAW, COPY_ROUTED, COPY_FAULT };

static void add_bytes(_Atomic uint64_t *counter, uint64_t n)
{
	/* One writer: no locked addition. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void copy_advance(struct dma_copy *copy, uint64_t n)
{
	copy->src += n;
	copy->dst += n;
	copy->left -= n;
}

/* The pointer for one side; *@n shrinks to what is contiguous there. */
static void *side_pointer(struct dma_copy *copy, bool dst, size_t *n, enum copy_end *end)
{
	size_t contig;
	bool again;
	void *p = dma_translate(copy->dev, dst ? copy->dst : copy->src, *n, dst, &contig, &again);

	if (likely(p)) {
		*n = contig;
		return p;
	}
	copy->at_dst = dst;
	*end = again ? COPY_THAW : contig ? COPY_ROUTED : COPY_FAULT;
	return NULL;
}

static enum copy_end copy_section(struct dma_copy *copy)
{
	uint64_t budget = MIN(copy->left, SECTION_BYTES), moved = 0;
	enum copy_end end = COPY_ON;

	dma_enter(copy->dev);
	while (moved < budget) {
		size_t n = budget - moved, residue;
		const char *src = side_pointer(copy, false, &n, &end);
		char *dst = src ? side_pointer(copy, true, &n, &end) : NULL;

		if (unlikely(!dst))
			break;
		residue = copy_nofault(dst, src, n);
		copy_advance(copy, n - residue);
		moved += n - residue;
		if (unlikely(residue)) {
			copy->at_dst = touch_read((uintptr_t)src + n - residue) == 0;
			dma_fault_stale(copy->dev, copy->at_dst ? copy->dst : copy->src, copy->left,
					copy->at_dst);
			end = COPY_FAULT;
			break;
		}
	}
	dma_leave(copy->dev);
	add_bytes(&copy->dev->stats->bytes_read, moved);
	add_bytes(&copy->dev->stats->bytes_written, moved);
	return end;
}

static int copy_bounce(struct dma_copy *copy)
{
	uint64_t buf[BOUNCE_BYTES / sizeof(uint64_t)];
	/* Up to a page's end on either side, so that what can be moved is moved. */
	size_t n = MIN(copy->left, BOUNCE_BYTES - (copy->src & (BOUNCE_BYTES - 1)));

	n = MIN(n, BOUNCE_BYTES - (copy->dst & (BOUNCE_BYTES - 1)));
	copy->at_dst = false;
	if (dma_read(copy->dev, copy->src, buf, n))
		return -EIO;
	copy->at_dst = true;
	if (dma_write(copy->dev, copy->dst, buf, n))
		return -EIO;
	copy_advance(copy, n);
	return 0;
}

int dma_copy(struct iommu_dev *dev, iova_t dst, iova_t src, size_t len, bool *at_dst)
{
	struct dma_copy copy = { .dev = dev, .src = src, .dst = dst, .left = len };
	uint64_t last;
	int ret = 0;

	if (unlikely(len && (!range_last(src, len, &last) || !range_last(dst, len, &last)))) {
		copy.at_dst = range_last(src, len, &last);
		fault_record(dev, copy.at_dst ? dst : src, len, copy.at_dst, DMA_FAULT_NOT_PRESENT);
		ret = -EIO;
	}
	while (copy.left && !ret) {
		switch (copy_section(&copy)) {
		case COPY_ON:
			break;
		case COPY_THAW:
			dma_wait_thaw(dev, copy.at_dst ? copy.dst : copy.src);
			break;
		case COPY_ROUTED:
			ret = copy_bounce(&copy);
			break;
		case COPY_FAULT:
			ret = -EIO;
			break;
		}
	}
	*at_dst = copy.at_dst;
	return ret;
}
