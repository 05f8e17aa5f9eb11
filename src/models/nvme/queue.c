/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Submission and completion queues (4.1): rings in the program's memory, reached by DMA.
 *
 * Entries are fetched several at a time; each is copied before it is looked at, since the program
 * may change its memory. A completion's last two dwords go out in one store of their own behind
 * the first two: the phase tag is in there, and whoever sees it flipped must find the rest in
 * place (4.6).
 *
 * A queue that cannot be fetched or posted to leaves nothing to report with: CSTS.CFS (9.5).
 */
#include <string.h>

#include "models/nvme/nvme_priv.h"

void nvme_cq_init(struct nvme_ctrl *c, unsigned int id, iova_t base, uint32_t size, bool ien,
		  uint16_t vector)
{
	c->cq[id] = (struct nvme_cq){
		.live = true, .ien = ien, .phase = 1, .vector = vector, .size = size, .base = base
	};
	c->last_queue = MAX(c->last_queue, id);
	nvme_doorbell_clear(c, id, true);
}

void nvme_sq_init(struct nvme_ctrl *c, unsigned int id, iova_t base, uint32_t size, uint16_t cqid)
{
	c->sq[id] = (struct nvme_sq){ .live = true,
				      .id = (uint16_t)id,
				      .cqid = cqid,
				      .gen = c->sq[id].gen + 1,
				      .size = size,
				      .base = base };
	c->cq[cqid].sqs++;
	c->last_queue = MAX(c->last_queue, id);
	nvme_doorbell_clear(c, id, false);
}

static void find_last_queue(struct nvme_ctrl *c)
{
	while (c->last_queue && !c->sq[c->last_queue].live && !c->cq[c->last_queue].live)
		c->last_queue--;
}

void nvme_cq_end(struct nvme_ctrl *c, unsigned int id)
{
	struct nvme_cq *cq = &c->cq[id];

	cq->live = false;
	nvme_intr_update(c, cq);
	c->notify[id / 64] &= ~BIT_ULL(id % 64);
	find_last_queue(c);
}

void nvme_sq_end(struct nvme_ctrl *c, unsigned int id, bool abort)
{
	struct nvme_sq *sq = &c->sq[id];

	if (sq->busy)
		c->cq[sq->cqid].reserved--;
	if (abort && sq->busy && nvme_cq_space(&c->cq[sq->cqid]))
		nvme_complete(c, sq, sq->busy_cid, NVME_SC_ABORTED_SQ_DELETED, 0);
	sq->live = false;
	sq->busy = false;
	sq->gen++;
	c->cq[sq->cqid].sqs--;
	find_last_queue(c);
}

void nvme_queues_end(struct nvme_ctrl *c)
{
	for (unsigned int i = 0; i < NVME_QUEUES; i++)
		if (c->sq[i].live)
			nvme_sq_end(c, i, false);
	for (unsigned int i = 0; i < NVME_QUEUES; i++)
		if (c->cq[i].live)
			nvme_cq_end(c, i);
	c->last_queue = 0;
	c->next_queue = 0;
}

uint32_t nvme_cq_space(const struct nvme_cq *cq)
{
	uint32_t used = cq->tail >= cq->head ? cq->tail - cq->head : cq->tail + cq->size - cq->head;

	return cq->size - 1 - used - cq->reserved;
}

void nvme_complete(struct nvme_ctrl *c, struct nvme_sq *sq, uint16_t cid, uint16_t status,
		   uint32_t result)
{
	struct nvme_cq *cq = &c->cq[sq->cqid];
	struct nvme_cqe cqe = { .dw0 = result,
				.sqhd = (uint16_t)sq->head,
				.sqid = sq->id,
				.cid = cid,
				.status = (uint16_t)(status << 1 | cq->phase) };
	iova_t iova = cq->base + ((uint64_t)cq->tail << NVME_CQE_SHIFT);

	if (nvme_dma_write(c, iova, &cqe, 8) || nvme_dma_write(c, iova + 8, &cqe.sqhd, 8)) {
		nvme_fatal(c);
		return;
	}
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
	c->notify[sq->cqid / 64] |= BIT_ULL(sq->cqid % 64);
}

/* Trying again would end the same way (4.6.1, Do Not Retry). */
static bool status_is_final(uint16_t status)
{
	switch (status) {
	case NVME_SC_CID_CONFLICT:
	case NVME_SC_DATA_XFER:
	case NVME_SC_INTERNAL:
	case NVME_SC_ABORTED_BY_REQUEST:
	case NVME_SC_ABORTED_SQ_DELETED:
	case NVME_SC_ABORT_LIMIT:
	case NVME_SC_AER_LIMIT:
		return false;
	default:
		return true;
	}
}

static uint16_t fail(struct nvme_ctrl *c, struct nvme_req *req, uint16_t status)
{
	if (status_is_final(status))
		status |= NVME_SC_DNR;
	status |= NVME_SC_MORE;
	nvme_error_add(c, req->sq->id, req->cmd->cid, status, req->cmd->nsid, req->lba);
	return status;
}

static void run_cmd(struct nvme_ctrl *c, struct nvme_sq *sq, const struct nvme_sqe *cmd,
		    struct nvme_run *run)
{
	struct nvme_req req = { .cmd = cmd, .sq = sq, .run = run };
	uint16_t status;

	if (NVME_SQE_FUSE(cmd->flags)) /* Identify Controller, FUSES: none */
		status = NVME_SC_INVALID_FIELD;
	else
		status = sq->id ? nvme_io(c, &req) : nvme_admin(c, &req);
	if (status == NVME_NO_COMPLETION)
		return;
	if (unlikely(status))
		status = fail(c, &req, status);
	nvme_complete(c, sq, cmd->cid, status, req.result);
}

/* Fetches up to @max entries from the head up to the ring's end; 0: the queue cannot be read. */
static uint32_t fetch(struct nvme_ctrl *c, const struct nvme_sq *sq, uint32_t max)
{
	uint32_t n = sq->tail > sq->head ? sq->tail - sq->head : sq->size - sq->head;

	n = MIN(n, max);
	if (nvme_dma_read(c, sq->base + ((uint64_t)sq->head << NVME_SQE_SHIFT), c->fetched,
			  (size_t)n << NVME_SQE_SHIFT))
		return 0;
	return n;
}

/* Runs @n fetched entries; stops early when one has to wait or when the state they were fetched
 * under changed. What was not run is fetched again. */
static void run_batch(struct nvme_ctrl *c, struct nvme_sq *sq, struct nvme_run *run, uint32_t n)
{
	uint32_t gen = sq->gen;

	run->dropped = false;
	for (uint32_t i = 0; i < n; i++) {
		struct nvme_sqe cmd = c->fetched[i];

		if (!nvme_cq_space(&c->cq[sq->cqid]) || !run->bytes)
			return;
		if (!run->may_block &&
		    (sq->id ? nvme_io_blocks(c, &cmd) : nvme_admin_blocks(c, &cmd))) {
			sq->parked = true;
			return;
		}
		sq->parked = false;
		if (sq->id && !nvme_gate_admit(c, &cmd, run))
			return;
		if (++sq->head == sq->size)
			sq->head = 0;
		run->cmds--;
		run_cmd(c, sq, &cmd, run);
		if (c->fatal || run->dropped || sq->gen != gen)
			return;
	}
}

bool nvme_run_sq(struct nvme_ctrl *c, struct nvme_sq *sq, struct nvme_run *run)
{
	while (sq->live && !sq->busy && !c->fatal && sq->head != sq->tail) {
		uint32_t n = nvme_cq_space(&c->cq[sq->cqid]);

		if (!n)
			return false; /* goes on with the completion queue's doorbell */
		if ((sq->parked && !run->may_block) || (sq->id && run->held)) {
			c->kick = true;
			return false;
		}
		if (!run->cmds || !run->bytes)
			return true;
		n = fetch(c, sq, MIN(MIN(n, run->cmds), NVME_FETCH));
		if (!n) {
			nvme_fatal(c);
			return false;
		}
		run_batch(c, sq, run, n);
	}
	return false;
}

bool nvme_run_all(struct nvme_ctrl *c, struct nvme_run *run)
{
	unsigned int n = c->last_queue, first = c->next_queue;
	bool more;

	more = nvme_run_sq(c, &c->sq[0], run);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = (first + i) % n;

		if (!c->sq[1 + k].live)
			continue;
		more |= nvme_run_sq(c, &c->sq[1 + k], run);
		if (!run->cmds || !run->bytes)
			c->next_queue = k + 1; /* round robin (4.13) */
	}
	return more;
}

void nvme_run_begin(struct nvme_run *run, bool may_block)
{
	*run = (struct nvme_run){ .cmds = NVME_INLINE_CMDS,
				  .bytes = NVME_INLINE_BYTES,
				  .may_block = may_block };
}

static void add_counter(_Atomic uint64_t *counter, uint64_t n)
{
	if (n)
		atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void nvme_run_end(struct nvme_ctrl *c, struct nvme_run *run)
{
	struct nvme_shared *s = nvme_shared(c);

	add_counter(&s->units_read, run->units_read);
	add_counter(&s->units_written, run->units_written);
	add_counter(&s->host_reads, run->reads);
	add_counter(&s->host_writes, run->writes);
	nvme_gate_leave(c, run);
	nvme_event_deliver(c);
	nvme_intr_notify(c);
	if (c->kick) {
		c->kick = false;
		pci_dev_kick(c->dev);
	}
}

bool nvme_sync_dropped(struct nvme_ctrl *c, struct nvme_req *req, uint64_t off, uint64_t len,
		       bool *ok)
{
	struct nvme_sq *sq = req->sq;
	uint32_t gen = sq->gen;

	if (!c->backing.durable || !req->run->may_block) {
		*ok = true;
		return true;
	}
	sq->busy = true;
	/* Queues that go on meanwhile must not take the last entry. */
	c->cq[sq->cqid].reserved++;
	sq->busy_cid = req->cmd->cid;
	req->run->dropped = true;
	nvme_intr_notify(c);
	pci_dev_unlock(c->dev);
	*ok = nvme_backing_sync(&c->backing, off, len);
	pci_dev_lock(c->dev);
	if (sq->gen != gen)
		return false;
	sq->busy = false;
	c->cq[sq->cqid].reserved--;
	return true;
}
