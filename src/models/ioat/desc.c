/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors: fetched one at a time into the channel, checked, then executed in pieces, so that a
 * large one can be interrupted by others' turns and by commands.
 *
 * Copy and block fill are implemented; page breaks (DMACAPABILITY bit 0) split a side at the end
 * of its 4 KiB page. The null bit makes a descriptor that moves nothing and only completes, which
 * drivers use as an interrupt descriptor. Snoop, fence and cache hints have nothing to act on:
 * descriptors are executed in order and memory is coherent.
 */
#include <string.h>

#include "base/overflow.h"
#include "models/ioat/ioat_priv.h"

/* Where byte @off of a side is, and how many bytes are contiguous from there. */
static iova_t side_at(uint64_t first, uint64_t rest, bool split, uint32_t off, uint32_t *contig)
{
	uint32_t before = IOAT_PAGE - (uint32_t)(first & (IOAT_PAGE - 1));

	if (!split)
		return first + off;
	if (off < before) {
		*contig = MIN(*contig, before - off);
		return first + off;
	}
	return rest + (off - before);
}

/* False when the side's addresses wrap. */
static bool side_valid(uint64_t first, uint64_t rest, bool split, uint32_t size)
{
	uint32_t before = IOAT_PAGE - (uint32_t)(first & (IOAT_PAGE - 1));
	uint64_t last;

	if (!split || size <= before)
		return range_last(first, size, &last);
	return range_last(rest, size - before, &last);
}

static uint32_t check(const struct ioat_desc *desc)
{
	unsigned int op = IOAT_CTL_OP(desc->ctl);
	uint32_t err = 0;

	if (op != IOAT_OP_COPY && op != IOAT_OP_FILL)
		return IOAT_ERR_DESC_CTRL;
	/* Of null descriptors, too. */
	if (!desc->size || desc->size > 1u << IOAT_XFERCAP)
		return IOAT_ERR_LENGTH;
	if (desc->ctl & IOAT_CTL_NULL)
		return 0;
	if (op == IOAT_OP_COPY &&
	    !side_valid(desc->src, desc->next_src, desc->ctl & IOAT_CTL_SRC_BREAK, desc->size))
		err |= IOAT_ERR_SRC_ADDR;
	if (!side_valid(desc->dst, desc->next_dst, desc->ctl & IOAT_CTL_DST_BREAK, desc->size))
		err |= IOAT_ERR_DEST_ADDR;
	return err;
}

bool ioat_desc_fetch(struct ioat *d, struct ioat_chan *ch)
{
	uint32_t err;

	/* There is nothing to go on with after these, whatever the mask says. */
	if (!IS_ALIGNED(ch->next, IOAT_DESC_SIZE)) {
		ioat_chan_halt(d, ch, IOAT_ERR_NEXT_ADDR);
		return false;
	}
	if (!d->dev->iommu || dma_read(d->dev->iommu, ch->next, &ch->desc, IOAT_DESC_SIZE)) {
		ioat_chan_halt(d, ch, IOAT_ERR_DESC);
		return false;
	}
	ch->addr = ch->next;
	ch->off = 0;
	ch->busy = true;
	err = check(&ch->desc);
	ch->skip = err;
	return !err || !ioat_chan_error(d, ch, err);
}

/* The pattern's bytes from byte @off of the destination on. */
static int fill_piece(struct ioat *d, iova_t dst, uint64_t pattern, uint32_t off, uint32_t len)
{
	unsigned int turn = 8 * (off % 8);

	if (!pattern)
		return dma_zero(d->dev->iommu, dst, len);
	if (turn)
		pattern = pattern >> turn | pattern << (64 - turn);
	for (uint32_t i = 0; i < MIN(ALIGN_UP(len, 8u), sizeof(d->pattern)); i += 8)
		memcpy(d->pattern + i, &pattern, 8);
	while (len) {
		uint32_t n = MIN(len, (uint32_t)sizeof(d->pattern));

		if (dma_write(d->dev->iommu, dst, d->pattern, n))
			return -EIO;
		dst += n;
		len -= n;
	}
	return 0;
}

/* Moves a piece that is contiguous on both sides; CHANERR bits. */
static uint32_t move_piece(struct ioat *d, struct ioat_chan *ch, uint32_t *len)
{
	const struct ioat_desc *desc = &ch->desc;
	iova_t dst =
		side_at(desc->dst, desc->next_dst, desc->ctl & IOAT_CTL_DST_BREAK, ch->off, len);
	iova_t src;
	bool at_dst;

	if (IOAT_CTL_OP(desc->ctl) == IOAT_OP_FILL)
		return fill_piece(d, dst, desc->src, ch->off, *len) ? IOAT_ERR_WRITE_DATA : 0;
	src = side_at(desc->src, desc->next_src, desc->ctl & IOAT_CTL_SRC_BREAK, ch->off, len);
	if (!dma_copy(d->dev->iommu, dst, src, *len, &at_dst))
		return 0;
	return at_dst ? IOAT_ERR_WRITE_DATA : IOAT_ERR_READ_DATA;
}

bool ioat_desc_move(struct ioat *d, struct ioat_chan *ch, struct ioat_run *run)
{
	uint32_t left = ch->desc.size - ch->off;

	if (ch->skip || (ch->desc.ctl & IOAT_CTL_NULL))
		return true;
	while (left && run->bytes) {
		uint32_t len = (uint32_t)MIN(left, run->bytes), err;

		err = move_piece(d, ch, &len);
		if (err)
			return !ioat_chan_error(d, ch, err);
		ch->off += len;
		left -= len;
		run->bytes -= len;
	}
	return !left;
}
