/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command's data buffer: physical region pages (4.3) and scatter gather lists (4.4).
 *
 * The whole list is resolved and checked before a byte moves, so that a command with a bad list
 * changes nothing. Neighbours that continue each other become one piece. What the lists point to is
 * found out by the DMA itself: a fault ends the command with Data Transfer Error.
 */
#include <string.h>

#include "base/overflow.h"
#include "models/nvme/nvme_priv.h"

#define SGL_TYPE(id)	(((id) >> 4) & 15)
#define SGL_SUBTYPE(id) ((id)&15)
/* Descriptors looked at for one command; bounds chains that lead nowhere. */
#define SGL_MAX_DESCRIPTORS 4096

static uint16_t add_segment(struct nvme_ctrl *c, iova_t iova, uint32_t len, bool discard)
{
	struct nvme_segment *s = &c->segments[c->n_segments];
	uint64_t last;

	if (!range_last(iova, len, &last))
		return NVME_SC_DATA_XFER;
	/* (What ends at 2^64 has no neighbour.) */
	if (c->n_segments && iova && !discard && !s[-1].discard && s[-1].iova + s[-1].len == iova) {
		s[-1].len += len;
		return NVME_SC_SUCCESS;
	}
	if (c->n_segments == NVME_SEGMENTS)
		return NVME_SC_INVALID_SGL_COUNT;
	*s = (struct nvme_segment){ .iova = iova, .len = len, .discard = discard };
	c->n_segments++;
	return NVME_SC_SUCCESS;
}

/* The list at @list describes @left bytes in whole pages. Its last slot before a page's end
 * leads to the next list when more entries are needed than fit. */
static uint16_t map_prp_list(struct nvme_ctrl *c, iova_t list, uint32_t left)
{
	uint64_t *entries = (uint64_t *)(void *)c->list;
	uint32_t page = c->page_size;

	if (list & 7)
		return NVME_SC_INVALID_PRP_OFFSET;
	for (;;) {
		uint32_t slots = (page - (uint32_t)(list & (page - 1))) / 8;
		uint32_t need = (left + page - 1) / page;
		uint32_t n = MIN(slots, need);
		bool chained = need > slots;

		/* MDTS keeps need, hence n, within one list of 4096 bytes. */
		if (nvme_dma_read(c, list, entries, n * sizeof(*entries)))
			return NVME_SC_DATA_XFER;
		for (uint32_t i = 0; i < n - chained; i++) {
			uint32_t len = MIN(left, page);
			uint16_t status;

			if (entries[i] & (page - 1))
				return NVME_SC_INVALID_PRP_OFFSET;
			status = add_segment(c, entries[i], len, false);
			if (status)
				return status;
			left -= len;
		}
		if (!chained)
			return NVME_SC_SUCCESS;
		list = entries[n - 1];
		if (list & (page - 1))
			return NVME_SC_INVALID_PRP_OFFSET;
	}
}

static uint16_t map_prps(struct nvme_ctrl *c, const struct nvme_sqe *cmd, uint32_t len)
{
	uint32_t page = c->page_size;
	uint32_t first = MIN(len, page - (uint32_t)(cmd->prp1 & (page - 1)));
	uint16_t status;

	if (cmd->prp1 & 3)
		return NVME_SC_INVALID_PRP_OFFSET;
	status = add_segment(c, cmd->prp1, first, false);
	len -= first;
	if (status || !len)
		return status;
	if (len > page)
		return map_prp_list(c, cmd->prp2, len);
	if (cmd->prp2 & (page - 1))
		return NVME_SC_INVALID_PRP_OFFSET;
	return add_segment(c, cmd->prp2, len, false);
}

static uint16_t add_descriptor(struct nvme_ctrl *c, const struct nvme_sgl *d, uint32_t *left,
			       bool to_host)
{
	bool bucket = SGL_TYPE(d->id) == NVME_SGL_BIT_BUCKET;

	if (SGL_SUBTYPE(d->id) != 0)
		return NVME_SC_SGL_TYPE;
	/* A bucket in a source buffer stands for nothing. */
	if (!d->len || (bucket && !to_host))
		return NVME_SC_SUCCESS;
	if (d->len > *left)
		return NVME_SC_SGL_LENGTH;
	*left -= d->len;
	return add_segment(c, bucket ? 0 : d->addr, d->len, bucket);
}

/* Goes over the segment that @seg describes. The descriptor of the next one, or one of length 0,
 * replaces @seg. */
static uint16_t map_sgl_segment(struct nvme_ctrl *c, struct nvme_sgl *seg, uint32_t *left,
				bool to_host)
{
	const struct nvme_sgl *chunk = (const struct nvme_sgl *)(void *)c->list;
	bool last = SGL_TYPE(seg->id) == NVME_SGL_LAST_SEGMENT;
	uint32_t n = seg->len / (uint32_t)sizeof(*chunk), max = sizeof(c->list) / sizeof(*chunk);
	iova_t iova = seg->addr;

	for (uint32_t i = 0; i < n; i++) {
		const struct nvme_sgl *d = &chunk[i % max];
		uint16_t status;

		if (i % max == 0 &&
		    nvme_dma_read(c, iova + i * sizeof(*d), c->list, MIN(n - i, max) * sizeof(*d)))
			return NVME_SC_DATA_XFER;
		switch (SGL_TYPE(d->id)) {
		case NVME_SGL_DATA_BLOCK:
		case NVME_SGL_BIT_BUCKET:
			status = add_descriptor(c, d, left, to_host);
			if (status)
				return status;
			break;
		case NVME_SGL_SEGMENT:
		case NVME_SGL_LAST_SEGMENT:
			if (last)
				return NVME_SC_INVALID_SGL_SEGMENT;
			if (i != n - 1)
				return NVME_SC_INVALID_SGL_COUNT;
			*seg = *d;
			return NVME_SC_SUCCESS;
		default:
			return NVME_SC_SGL_TYPE;
		}
	}
	seg->len = 0;
	/* Only a last segment may end without leading on. */
	return last ? NVME_SC_SUCCESS : NVME_SC_INVALID_SGL_SEGMENT;
}

static uint16_t map_sgls(struct nvme_ctrl *c, const struct nvme_sqe *cmd, uint32_t len,
			 bool to_host)
{
	struct nvme_sgl seg = cmd->sgl1;
	uint32_t visited = 0;
	uint16_t status;

	switch (SGL_TYPE(seg.id)) {
	case NVME_SGL_DATA_BLOCK:
	case NVME_SGL_BIT_BUCKET:
		status = add_descriptor(c, &seg, &len, to_host);
		if (status)
			return status;
		return len ? NVME_SC_SGL_LENGTH : NVME_SC_SUCCESS;
	case NVME_SGL_SEGMENT:
	case NVME_SGL_LAST_SEGMENT:
		break;
	default:
		return NVME_SC_SGL_TYPE;
	}
	do {
		if (SGL_SUBTYPE(seg.id) != 0)
			return NVME_SC_SGL_TYPE;
		if (!seg.len || seg.len % sizeof(seg))
			return NVME_SC_INVALID_SGL_SEGMENT;
		visited += seg.len / (uint32_t)sizeof(seg);
		if (visited > SGL_MAX_DESCRIPTORS)
			return NVME_SC_INVALID_SGL_COUNT;
		status = map_sgl_segment(c, &seg, &len, to_host);
		if (status)
			return status;
	} while (seg.len);
	return len ? NVME_SC_SGL_LENGTH : NVME_SC_SUCCESS;
}

uint16_t nvme_data_map(struct nvme_ctrl *c, const struct nvme_sqe *cmd, uint32_t len, bool to_host)
{
	c->n_segments = 0;
	switch (NVME_SQE_PSDT(cmd->flags)) {
	case 0:
		return map_prps(c, cmd, len);
	case 1: /* they differ in where metadata is, of which there is none */
	case 2:
		return map_sgls(c, cmd, len, to_host);
	default:
		return NVME_SC_INVALID_FIELD;
	}
}

uint16_t nvme_data_to_host(struct nvme_ctrl *c, const void *buf)
{
	const uint8_t *p = buf;

	for (unsigned int i = 0; i < c->n_segments; i++) {
		const struct nvme_segment *s = &c->segments[i];

		if (!s->discard &&
		    (p ? nvme_dma_write(c, s->iova, p, s->len) : nvme_dma_zero(c, s->iova, s->len)))
			return NVME_SC_DATA_XFER;
		if (p)
			p += s->len;
	}
	return NVME_SC_SUCCESS;
}

uint16_t nvme_data_from_host(struct nvme_ctrl *c, void *buf)
{
	uint8_t *p = buf;

	for (unsigned int i = 0; i < c->n_segments; i++) {
		const struct nvme_segment *s = &c->segments[i];

		if (nvme_dma_read(c, s->iova, p, s->len))
			return NVME_SC_DATA_XFER;
		p += s->len;
	}
	return NVME_SC_SUCCESS;
}

uint16_t nvme_data_put(struct nvme_ctrl *c, const struct nvme_sqe *cmd, const void *buf,
		       uint32_t len)
{
	uint16_t status = nvme_data_map(c, cmd, len, true);

	return status ? status : nvme_data_to_host(c, buf);
}

uint16_t nvme_data_get(struct nvme_ctrl *c, const struct nvme_sqe *cmd, void *buf, uint32_t len)
{
	uint16_t status = nvme_data_map(c, cmd, len, false);

	return status ? status : nvme_data_from_host(c, buf);
}
