/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NVM command set (6): Flush, Write, Read, Compare, Write Zeroes, Dataset Management, Verify.
 *
 * Data moves in one copy between the medium's mapping and the program's memory. Whether the medium
 * has its pages is asked first, so that a failing file is a media error and not a failed transfer.
 * Commands that wait for a disk or make system calls run on the device's thread (nvme_io_blocks()).
 */
#include <string.h>

#include "base/log.h"
#include "base/overflow.h"
#include "models/nvme/nvme_priv.h"

/* Ranges from this size on are discarded, verified and so on by the thread. */
#define LONG_RANGE (64u << 10)

/* The command's blocks as bytes of the medium. */
static uint16_t block_range(struct nvme_ctrl *c, uint32_t nsid, uint64_t slba, uint64_t nlb,
			    uint64_t *off, uint64_t *len)
{
	unsigned int shift = nvme_ns_shift(c, nsid);
	const struct nvme_ns *ns = &c->ns[nsid - 1];

	if (!range_within(slba, nlb, ns->size >> shift))
		return NVME_SC_LBA_RANGE;
	*off = ns->off + (slba << shift);
	*len = nlb << shift;
	return NVME_SC_SUCCESS;
}

static uint16_t rw_range(struct nvme_ctrl *c, struct nvme_req *req, uint64_t *off, uint64_t *len)
{
	const struct nvme_sqe *cmd = req->cmd;

	req->lba = cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
	return block_range(c, cmd->nsid, req->lba, NVME_RW_NLB(cmd->cdw12), off, len);
}

/* The same for commands with a data buffer, which is resolved as well. */
static uint16_t rw_buffer(struct nvme_ctrl *c, struct nvme_req *req, bool to_host, uint64_t *off,
			  uint64_t *len)
{
	uint64_t bytes = (uint64_t)NVME_RW_NLB(req->cmd->cdw12) << nvme_ns_shift(c, req->cmd->nsid);
	uint16_t status;

	if (bytes > NVME_MDTS_BYTES)
		return NVME_SC_INVALID_FIELD;
	status = rw_range(c, req, off, len);
	if (status)
		return status;
	req->run->bytes -= MIN(req->run->bytes, bytes);
	return nvme_data_map(c, req->cmd, (uint32_t)bytes, to_host);
}

static void count_read(struct nvme_req *req, uint64_t len)
{
	req->run->reads++;
	req->run->units_read += len >> 9;
}

/* The volatile write cache is off, or the command forces its way through it. */
static bool must_sync(const struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return c->backing.durable && ((cmd->cdw12 & NVME_RW_FUA) || !c->feat.write_cache);
}

static uint16_t finish_write(struct nvme_ctrl *c, struct nvme_req *req, uint64_t off, uint64_t len)
{
	bool ok;

	if (!must_sync(c, req->cmd))
		return NVME_SC_SUCCESS;
	if (!nvme_sync_dropped(c, req, off, len, &ok))
		return NVME_NO_COMPLETION;
	return ok ? NVME_SC_SUCCESS : NVME_SC_WRITE_FAULT;
}

/* The host has no page for the medium: the command's status, and one line a controller. */
static uint16_t medium_failed(struct nvme_ctrl *c, uint16_t status)
{
	if (!c->medium_told)
		pr_err("nvme %s: %s", c->dev->dev.name, nvme_backing_why(&c->backing));
	c->medium_told = true;
	return status;
}

/* Holes of a disk in memory when there is no page left to map into them: they are read still. */
static uint16_t read_unmapped(struct nvme_ctrl *c, uint64_t off)
{
	for (unsigned int i = 0; i < c->n_segments; i++) {
		const struct nvme_segment *s = &c->segments[i];

		for (uint32_t done = 0, n; done < s->len; done += n, off += n) {
			n = MIN(s->len - done, (uint32_t)sizeof(c->page));
			if (!nvme_backing_copy(&c->backing, off, c->page, n))
				return medium_failed(c, NVME_SC_UNRECOVERED_READ);
			if (!s->discard && nvme_dma_write(c, s->iova + done, c->page, n))
				return NVME_SC_DATA_XFER;
		}
	}
	return NVME_SC_SUCCESS;
}

static uint16_t io_read(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint64_t off, len;
	uint16_t status = rw_buffer(c, req, true, &off, &len);

	if (status)
		return status;
	if (nvme_holes_covers(&c->backing, off, len)) {
		count_read(req, len);
		return nvme_data_to_host(c, NULL);
	}
	count_read(req, len);
	if (!nvme_backing_touch(&c->backing, off, len, false))
		return read_unmapped(c, off);
	return nvme_data_to_host(c, c->backing.mem + off);
}

static uint16_t io_write(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint64_t off, len;
	uint16_t status = rw_buffer(c, req, false, &off, &len);

	if (status)
		return status;
	if (!nvme_backing_touch(&c->backing, off, len, true))
		return medium_failed(c, NVME_SC_WRITE_FAULT);
	req->run->writes++;
	req->run->units_written += len >> 9;
	status = nvme_data_from_host(c, c->backing.mem + off);
	return status ? status : finish_write(c, req, off, len);
}

static uint16_t compare_piece(struct nvme_ctrl *c, const struct nvme_segment *s, uint64_t off)
{
	for (uint32_t done = 0, n; done < s->len; done += n) {
		n = MIN(s->len - done, (uint32_t)sizeof(c->page));
		if (nvme_dma_read(c, s->iova + done, c->page, n))
			return NVME_SC_DATA_XFER;
		if (!nvme_backing_read(&c->backing, off + done, c->page2, n))
			return NVME_SC_UNRECOVERED_READ;
		if (memcmp(c->page, c->page2, n))
			return NVME_SC_COMPARE_FAILED;
	}
	return NVME_SC_SUCCESS;
}

static uint16_t io_compare(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint64_t off, len;
	uint16_t status = rw_buffer(c, req, false, &off, &len);

	if (status)
		return status;
	count_read(req, len);
	for (unsigned int i = 0; i < c->n_segments && !status; i++) {
		status = compare_piece(c, &c->segments[i], off);
		off += c->segments[i].len;
	}
	return status;
}

static uint16_t io_verify(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint64_t off, len;
	uint16_t status = rw_range(c, req, &off, &len);

	if (status)
		return status;
	req->run->bytes -= MIN(req->run->bytes, len);
	count_read(req, len);
	if (nvme_holes_covers(&c->backing, off, len) ||
	    nvme_backing_touch(&c->backing, off, len, false))
		return NVME_SC_SUCCESS;
	return NVME_SC_UNRECOVERED_READ;
}

static uint16_t io_write_zeroes(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint64_t off, len;
	uint16_t status = rw_range(c, req, &off, &len);
	bool ok;

	if (status)
		return status;
	req->run->bytes -= MIN(req->run->bytes, len);
	/* Discarded blocks read as zeroes, so both ways are right (6.17). */
	if ((req->cmd->cdw12 & NVME_RW_DEAC) || len >= LONG_RANGE)
		ok = nvme_backing_discard(&c->backing, off, len);
	else
		ok = nvme_backing_zero(&c->backing, off, len);
	return ok ? finish_write(c, req, off, len) : medium_failed(c, NVME_SC_WRITE_FAULT);
}

static uint16_t io_flush(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_ns *ns;
	uint64_t off = 0, len = c->backing.size;
	bool ok;

	if (req->cmd->nsid != NVME_NSID_ALL) {
		ns = &c->ns[req->cmd->nsid - 1];
		off = ns->off;
		len = ns->size;
	}
	if (!nvme_sync_dropped(c, req, off, len, &ok))
		return NVME_NO_COMPLETION;
	return ok ? NVME_SC_SUCCESS : NVME_SC_WRITE_FAULT;
}

static uint16_t io_dsm(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_sqe *cmd = req->cmd;
	/* 256 ranges are one page; c->list is free again once the buffer is resolved. */
	const struct nvme_dsm_range *ranges = (const struct nvme_dsm_range *)(void *)c->list;
	uint32_t n = (cmd->cdw10 & 0xff) + 1;
	uint64_t off, len;
	uint16_t status;

	status = nvme_data_get(c, cmd, c->list, n * (uint32_t)sizeof(*ranges));
	if (status)
		return status;
	for (uint32_t i = 0; i < n && !status; i++) {
		req->lba = ranges[i].slba;
		status = block_range(c, cmd->nsid, ranges[i].slba, ranges[i].nlb, &off, &len);
	}
	if (status || !(cmd->cdw11 & NVME_DSM_AD))
		return status; /* the other attributes are hints */
	for (uint32_t i = 0; i < n; i++) {
		block_range(c, cmd->nsid, ranges[i].slba, ranges[i].nlb, &off, &len);
		if (len && !nvme_backing_discard(&c->backing, off, len)) {
			req->lba = ranges[i].slba;
			return NVME_SC_WRITE_FAULT;
		}
	}
	return NVME_SC_SUCCESS;
}

static bool long_range(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return nvme_nsid_valid(c, cmd->nsid) &&
	       (uint64_t)NVME_RW_NLB(cmd->cdw12) << nvme_ns_shift(c, cmd->nsid) >= LONG_RANGE;
}

static bool flush_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return c->backing.durable;
}

static bool write_zeroes_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return must_sync(c, cmd) || long_range(c, cmd);
}

static bool write_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return must_sync(c, cmd);
}

static bool dsm_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return cmd->cdw11 & NVME_DSM_AD;
}

static const struct io_command {
	nvme_handler fn;
	/* Must run on the device's thread; NULL: never. */
	bool (*blocks)(struct nvme_ctrl *c, const struct nvme_sqe *cmd);
	bool all_namespaces; /* NSID FFFFFFFFh is allowed */
} commands[] = {
	[NVME_IO_FLUSH] = { io_flush, flush_blocks, true },
	[NVME_IO_WRITE] = { io_write, write_blocks, false },
	[NVME_IO_READ] = { io_read, NULL, false },
	[NVME_IO_COMPARE] = { io_compare, NULL, false },
	[NVME_IO_WRITE_ZEROES] = { io_write_zeroes, write_zeroes_blocks, false },
	[NVME_IO_DSM] = { io_dsm, dsm_blocks, false },
	[NVME_IO_VERIFY] = { io_verify, long_range, false },
};

bool nvme_io_supported(uint8_t opcode)
{
	return opcode < ARRAY_SIZE(commands) && commands[opcode].fn;
}

bool nvme_io_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return nvme_io_supported(cmd->opcode) && commands[cmd->opcode].blocks &&
	       commands[cmd->opcode].blocks(c, cmd);
}

uint64_t nvme_io_cost(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	switch (cmd->opcode) {
	case NVME_IO_WRITE:
	case NVME_IO_READ:
	case NVME_IO_COMPARE:
	case NVME_IO_VERIFY:
	case NVME_IO_WRITE_ZEROES:
		return nvme_nsid_valid(c, cmd->nsid)
			       ? (uint64_t)NVME_RW_NLB(cmd->cdw12) << nvme_ns_shift(c, cmd->nsid)
			       : 0;
	default:
		return 0;
	}
}

uint16_t nvme_io(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_sqe *cmd = req->cmd;

	if (!nvme_io_supported(cmd->opcode))
		return NVME_SC_INVALID_OPCODE;
	if (!nvme_nsid_valid(c, cmd->nsid) &&
	    !(commands[cmd->opcode].all_namespaces && cmd->nsid == NVME_NSID_ALL))
		return NVME_SC_INVALID_NS_OR_FORMAT;
	return commands[cmd->opcode].fn(c, req);
}
