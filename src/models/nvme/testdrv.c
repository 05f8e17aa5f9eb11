/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver for the unit tests (testdrv.h). */
#include "models/nvme/testdrv.h"

#include <string.h>
#include <time.h>

#include "models/nvme/nvme.h"

#define QUEUES 65

struct queue {
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	uint32_t tail, head;
	uint16_t phase;
};

const struct pci_model *const drv_model = &nvme_model;
static struct queue queues[QUEUES];

/* ---- life ----------------------------------------------------------------------------------- */

void drv_start(const char *const *options)
{
	drv_plug(options);
	memset(queues, 0, sizeof(queues));
}

void drv_stop(void)
{
	drv_unplug();
}

void drv_start_enabled(const char *const *options)
{
	drv_start(options);
	ck_assert_uint_eq(drv_enable(), NVME_CSTS_RDY);
}

/* ---- registers ------------------------------------------------------------------------------ */

uint32_t drv_read32(uint32_t off)
{
	return (uint32_t)pci_bar_read(drv_dev, 0, off, 4);
}

uint64_t drv_read64(uint32_t off)
{
	return pci_bar_read(drv_dev, 0, off, 8);
}

void drv_write32(uint32_t off, uint32_t value)
{
	pci_bar_write(drv_dev, 0, off, 4, value);
}

void drv_write64(uint32_t off, uint64_t value)
{
	pci_bar_write(drv_dev, 0, off, 8, value);
}

static void alloc_queue(unsigned int id)
{
	struct queue *q = &queues[id];

	if (!q->sq) {
		q->sq = drv_alloc(DRV_DEPTH * sizeof(*q->sq));
		q->cq = drv_alloc(DRV_DEPTH * sizeof(*q->cq));
	}
	memset(q->sq, 0, DRV_DEPTH * sizeof(*q->sq));
	memset(q->cq, 0, DRV_DEPTH * sizeof(*q->cq));
	q->tail = q->head = 0;
	q->phase = 1;
}

uint32_t drv_enable(void)
{
	alloc_queue(0);
	drv_write32(NVME_REG_AQA, (DRV_DEPTH - 1) << 16 | (DRV_DEPTH - 1));
	drv_write64(NVME_REG_ASQ, drv_iova(queues[0].sq));
	drv_write64(NVME_REG_ACQ, drv_iova(queues[0].cq));
	drv_write32(NVME_REG_CC, NVME_CC_EN | 6u << 16 | 4u << 20);
	return drv_read32(NVME_REG_CSTS);
}

void drv_create_pair(unsigned int id, bool ien)
{
	struct nvme_sqe cq = { .opcode = NVME_ADM_CREATE_CQ,
			       .cdw10 = (DRV_DEPTH - 1) << 16 | id,
			       .cdw11 = ien ? id << 16 | 3 : 1 };
	struct nvme_sqe sq = { .opcode = NVME_ADM_CREATE_SQ,
			       .cdw10 = (DRV_DEPTH - 1) << 16 | id,
			       .cdw11 = id << 16 | 1 };

	alloc_queue(id);
	cq.prp1 = drv_iova(queues[id].cq);
	sq.prp1 = drv_iova(queues[id].sq);
	ck_status(0, cq, NVME_SC_SUCCESS);
	ck_status(0, sq, NVME_SC_SUCCESS);
}

/* ---- queues --------------------------------------------------------------------------------- */

struct nvme_sqe *drv_sq(unsigned int id)
{
	return queues[id].sq;
}

struct nvme_cqe *drv_cq(unsigned int id)
{
	return queues[id].cq;
}

void drv_push(unsigned int id, struct nvme_sqe cmd)
{
	struct queue *q = &queues[id];

	q->sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % DRV_DEPTH;
}

void drv_ring(unsigned int id)
{
	drv_write32(NVME_REG_DBS + 8 * id, queues[id].tail);
}

bool drv_peek(unsigned int id)
{
	const struct queue *q = &queues[id];

	return (__atomic_load_n(&q->cq[q->head].status, __ATOMIC_ACQUIRE) & 1) == q->phase;
}

bool drv_reap(unsigned int id, struct nvme_cqe *cqe, bool ack)
{
	static const struct timespec pause = { .tv_nsec = 100000 };
	struct queue *q = &queues[id];

	for (unsigned int i = 0; !drv_peek(id); i++) {
		if (i == 50000)
			return false;
		nanosleep(&pause, NULL);
	}
	*cqe = q->cq[q->head];
	q->head = (q->head + 1) % DRV_DEPTH;
	q->phase ^= q->head == 0;
	if (ack)
		drv_write32(NVME_REG_DBS + 8 * id + 4, q->head);
	return true;
}

struct nvme_cqe drv_exec(unsigned int id, struct nvme_sqe cmd)
{
	struct nvme_cqe cqe;

	drv_push(id, cmd);
	drv_ring(id);
	ck_assert_msg(drv_reap(id, &cqe, true), "opcode %02x on queue %u: no completion",
		      cmd.opcode, id);
	ck_assert_uint_eq(cqe.cid, cmd.cid);
	ck_assert_uint_eq(cqe.sqid, id);
	return cqe;
}

uint16_t drv_status(unsigned int id, struct nvme_sqe cmd)
{
	return (drv_exec(id, cmd).status >> 1) & 0x7ff;
}

struct nvme_sqe drv_rw(uint8_t opcode, uint64_t slba, uint32_t nlb, const void *buf)
{
	return (struct nvme_sqe){ .opcode = opcode,
				  .cid = 0x1234,
				  .nsid = 1,
				  .prp1 = drv_iova(buf),
				  .prp2 = drv_iova(buf) + DRV_PAGE,
				  .cdw10 = (uint32_t)slba,
				  .cdw11 = (uint32_t)(slba >> 32),
				  .cdw12 = nlb - 1 };
}
