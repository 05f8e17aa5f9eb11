/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells (3.1.24, 3.1.25): where the program says how far it has come.
 *
 * A value gets into BAR memory by a trapped write, which is looked at at once, or natively while
 * the page is open; then nvme_doorbell_poll() compares it with what it saw last. Both end in the
 * same two functions. A bad value or a doorbell without queue is an asynchronous event (5.2,
 * Figure 146) and changes nothing.
 */
#include "file/file.h"
#include "models/nvme/nvme_priv.h"

static volatile uint32_t *doorbell(struct nvme_ctrl *c, unsigned int id, bool cq)
{
	return (volatile uint32_t *)(void *)(c->regs + NVME_REG_DBS) + 2 * id + cq;
}

static uint32_t load(struct nvme_ctrl *c, unsigned int id, bool cq)
{
	/* Pairs with the program's store: the entries that it announces are read after it. */
	return __atomic_load_n(doorbell(c, id, cq), __ATOMIC_ACQUIRE);
}

void nvme_doorbell_clear(struct nvme_ctrl *c, unsigned int id, bool cq)
{
	*doorbell(c, id, cq) = 0;
}

static uint32_t ring_distance(uint32_t from, uint32_t to, uint32_t size)
{
	return to >= from ? to - from : to + size - from;
}

static void invalid(struct nvme_ctrl *c, unsigned int id, unsigned int info)
{
	nvme_error_add(c, (uint16_t)id, 0xffff, 0, 0, 0);
	nvme_event_raise(c, NVME_EVENT_ERROR, info);
}

static void sq_tail(struct nvme_ctrl *c, unsigned int id, uint32_t value)
{
	struct nvme_sq *sq = &c->sq[id];

	sq->db = value;
	if (value >= sq->size || ring_distance(sq->head, sq->tail, sq->size) +
						 ring_distance(sq->tail, value, sq->size) >=
					 sq->size)
		invalid(c, id, NVME_EVENT_INFO_DB_VALUE);
	else
		sq->tail = value;
}

/* True when the queue had been full: someone may be waiting. */
static bool cq_head(struct nvme_ctrl *c, unsigned int id, uint32_t value)
{
	struct nvme_cq *cq = &c->cq[id];
	bool full = nvme_cq_space(cq) == 0;

	cq->db = value;
	if (value >= cq->size || ring_distance(cq->head, value, cq->size) >
					 ring_distance(cq->head, cq->tail, cq->size)) {
		invalid(c, id, NVME_EVENT_INFO_DB_VALUE);
		return false;
	}
	cq->head = value;
	nvme_intr_update(c, cq);
	return full;
}

static void resume_cq(struct nvme_ctrl *c, unsigned int cqid, struct nvme_run *run)
{
	for (unsigned int i = 0; i <= c->last_queue; i++)
		if (c->sq[i].live && c->sq[i].cqid == cqid && nvme_run_sq(c, &c->sq[i], run))
			c->kick = true;
}

void nvme_doorbell_write(struct nvme_ctrl *c, uint32_t off)
{
	unsigned int id = (off - NVME_REG_DBS) / 8;
	bool cq = off & 4;
	struct nvme_run run;

	if (!c->ready || c->fatal)
		return;
	nvme_run_begin(&run, false);
	if (id >= NVME_QUEUES || !(cq ? c->cq[id].live : c->sq[id].live)) {
		invalid(c, id, NVME_EVENT_INFO_DB_REGISTER);
	} else if (cq) {
		if (cq_head(c, id, load(c, id, true)))
			resume_cq(c, id, &run);
	} else {
		sq_tail(c, id, load(c, id, false));
		if (nvme_run_sq(c, &c->sq[id], &run))
			c->kick = true;
	}
	nvme_run_end(c, &run);
}

bool nvme_doorbell_poll(struct nvme_ctrl *c)
{
	struct nvme_run run;
	bool did = false, more;

	if (!c->ready || c->fatal)
		return false;
	for (unsigned int i = 0; i <= c->last_queue; i++) {
		uint32_t value = load(c, i, true);

		if (c->cq[i].live && value != c->cq[i].db) {
			cq_head(c, i, value);
			did = true;
		}
		value = load(c, i, false);
		if (c->sq[i].live && value != c->sq[i].db) {
			sq_tail(c, i, value);
			did = true;
		}
	}
	nvme_run_begin(&run, false);
	more = nvme_run_all(c, &run);
	did |= run.cmds != NVME_INLINE_CMDS;
	/* While the page is open the next look goes on; the last one, after closing, cannot. */
	if (more && c->dev->bar[0].page_access[NVME_REG_DBS / HOST_PAGE_SIZE] != PAGE_DIRECT)
		c->kick = true;
	if (did || c->kick)
		nvme_run_end(c, &run);
	return did || more;
}
