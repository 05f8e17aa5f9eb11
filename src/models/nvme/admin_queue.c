/* SPDX-License-Identifier: BSD-3-Clause */
/* Create and Delete I/O Submission and Completion Queue (5.3 to 5.6). */
#include "models/nvme/nvme_priv.h"
#include "pci/msi.h"

#define QUEUE_PC     BIT(0) /* physically contiguous: CAP.CQR demands it */
#define QUEUE_CQ_IEN BIT(1)

static bool sq_exists(const struct nvme_ctrl *c, uint16_t id)
{
	return id >= 1 && id <= c->pairs && c->sq[id].live;
}

static bool cq_exists(const struct nvme_ctrl *c, uint16_t id)
{
	return id >= 1 && id <= c->pairs && c->cq[id].live;
}

/* What both kinds have in common; @entry_shift is CC's, @wanted what it has to be. */
static uint16_t check_ring(const struct nvme_ctrl *c, const struct nvme_sqe *cmd,
			   uint32_t entry_shift, uint32_t wanted)
{
	uint32_t qsize = cmd->cdw10 >> 16; /* 0's based */

	if (!qsize || qsize > NVME_MQES || entry_shift != wanted)
		return NVME_SC_INVALID_QUEUE_SIZE;
	if (!(cmd->cdw11 & QUEUE_PC))
		return NVME_SC_INVALID_FIELD;
	if (cmd->prp1 & (c->page_size - 1))
		return NVME_SC_INVALID_PRP_OFFSET;
	return NVME_SC_SUCCESS;
}

static uint32_t read_cc(const struct nvme_ctrl *c)
{
	return *(const uint32_t *)(const void *)(c->regs + NVME_REG_CC);
}

uint16_t nvme_create_cq(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_sqe *cmd = req->cmd;
	uint16_t id = (uint16_t)cmd->cdw10, vector = (uint16_t)(cmd->cdw11 >> 16), status;
	bool ien = cmd->cdw11 & QUEUE_CQ_IEN;

	if (!id || id > c->feat.ncq || c->cq[id].live)
		return NVME_SC_INVALID_QID;
	status = check_ring(c, cmd, NVME_CC_IOCQES(read_cc(c)), NVME_CQE_SHIFT);
	if (status)
		return status;
	/* The pin has one vector, number 0. */
	if (vector >= c->vectors || (ien && vector && pci_irq_mode(c->dev) == PCI_IRQ_INTX))
		return NVME_SC_INVALID_VECTOR;
	nvme_cq_init(c, id, cmd->prp1, (cmd->cdw10 >> 16) + 1, ien, vector);
	return NVME_SC_SUCCESS;
}

uint16_t nvme_create_sq(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_sqe *cmd = req->cmd;
	uint16_t id = (uint16_t)cmd->cdw10, cqid = (uint16_t)(cmd->cdw11 >> 16), status;

	if (!id || id > c->feat.nsq || c->sq[id].live)
		return NVME_SC_INVALID_QID;
	if (!cqid || cqid > c->pairs)
		return NVME_SC_INVALID_QID;
	if (!c->cq[cqid].live)
		return NVME_SC_CQ_INVALID;
	status = check_ring(c, cmd, NVME_CC_IOSQES(read_cc(c)), NVME_SQE_SHIFT);
	if (status)
		return status;
	nvme_sq_init(c, id, cmd->prp1, (cmd->cdw10 >> 16) + 1, cqid);
	return NVME_SC_SUCCESS;
}

uint16_t nvme_delete_cq(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint16_t id = (uint16_t)req->cmd->cdw10;

	if (!cq_exists(c, id))
		return NVME_SC_INVALID_QID;
	if (c->cq[id].sqs)
		return NVME_SC_INVALID_QUEUE_DELETION;
	nvme_cq_end(c, id);
	return NVME_SC_SUCCESS;
}

uint16_t nvme_delete_sq(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint16_t id = (uint16_t)req->cmd->cdw10;

	if (!sq_exists(c, id))
		return NVME_SC_INVALID_QID;
	nvme_sq_end(c, id, true);
	return NVME_SC_SUCCESS;
}
