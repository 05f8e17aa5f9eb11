/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The admin command set (5): dispatch, and Abort. What is not in the table is not supported:
 * firmware update, namespace management, self-test, security, sanitize, directives.
 */
#include "models/nvme/nvme_priv.h"

/* 5.1. Only event requests wait in the controller; everything else is over before an Abort is
 * read, or is with the device's thread and cannot be called back. Both are
 * "not aborted" (bit 0). */
static uint16_t nvme_abort(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint16_t sqid = (uint16_t)req->cmd->cdw10, cid = (uint16_t)(req->cmd->cdw10 >> 16);

	req->result = sqid == 0 && nvme_event_abort(c, cid) ? 0 : 1;
	return NVME_SC_SUCCESS;
}

static const struct admin_command {
	nvme_handler fn;
	bool blocks; /* must run on the device's thread */
} commands[256] = {
	[NVME_ADM_DELETE_SQ] = { nvme_delete_sq, false },
	[NVME_ADM_CREATE_SQ] = { nvme_create_sq, false },
	[NVME_ADM_GET_LOG_PAGE] = { nvme_get_log, false },
	[NVME_ADM_DELETE_CQ] = { nvme_delete_cq, false },
	[NVME_ADM_CREATE_CQ] = { nvme_create_cq, false },
	[NVME_ADM_IDENTIFY] = { nvme_identify, false },
	[NVME_ADM_ABORT] = { nvme_abort, false },
	[NVME_ADM_SET_FEATURES] = { nvme_set_features, false },
	[NVME_ADM_GET_FEATURES] = { nvme_get_features, false },
	[NVME_ADM_ASYNC_EVENT] = { nvme_async_event, false },
	[NVME_ADM_VIRT_MANAGEMENT] = { nvme_virt_management, false },
	[NVME_ADM_FORMAT] = { nvme_format, true },
};

bool nvme_admin_supported(const struct nvme_ctrl *c, uint8_t opcode)
{
	return commands[opcode].fn && (opcode != NVME_ADM_VIRT_MANAGEMENT || c->dev->sriov);
}

bool nvme_admin_blocks(struct nvme_ctrl *c, const struct nvme_sqe *cmd)
{
	return commands[cmd->opcode].blocks;
}

uint16_t nvme_admin(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_sqe *cmd = req->cmd;

	if (!nvme_admin_supported(c, cmd->opcode))
		return NVME_SC_INVALID_OPCODE;
	/* Over PCI Express, admin commands use PRPs (4.2, PSDT). */
	if (NVME_SQE_PSDT(cmd->flags))
		return NVME_SC_INVALID_FIELD;
	if (nvme_event_holds(c, cmd->cid))
		return NVME_SC_CID_CONFLICT;
	return commands[cmd->opcode].fn(c, req);
}
