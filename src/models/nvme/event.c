/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asynchronous events (5.2). A request waits until something happens; once a type was reported,
 * that type stays quiet until its log page has been read without RAE.
 */
#include <string.h>

#include "models/nvme/nvme_priv.h"

static const uint8_t log_page[NVME_EVENT_TYPES] = {
	[NVME_EVENT_ERROR] = NVME_LOG_ERROR,
	[NVME_EVENT_SMART] = NVME_LOG_SMART,
	[NVME_EVENT_NOTICE] = NVME_LOG_CHANGED_NS,
};

uint16_t nvme_async_event(struct nvme_ctrl *c, struct nvme_req *req)
{
	struct nvme_events *e = &c->events;

	if (e->requests == NVME_AERS)
		return NVME_SC_AER_LIMIT;
	e->cid[e->requests++] = req->cmd->cid;
	return NVME_NO_COMPLETION; /* nvme_run_end() delivers what is pending */
}

static void drop_request(struct nvme_events *e, unsigned int i)
{
	e->requests--;
	memmove(&e->cid[i], &e->cid[i + 1], (e->requests - i) * sizeof(e->cid[0]));
}

bool nvme_event_holds(const struct nvme_ctrl *c, uint16_t cid)
{
	for (unsigned int i = 0; i < c->events.requests; i++)
		if (c->events.cid[i] == cid)
			return true;
	return false;
}

bool nvme_event_abort(struct nvme_ctrl *c, uint16_t cid)
{
	struct nvme_events *e = &c->events;

	/* Two completions follow: the request's and the Abort's. */
	if (nvme_cq_space(&c->cq[0]) < 2)
		return false;
	for (unsigned int i = 0; i < e->requests; i++) {
		if (e->cid[i] != cid)
			continue;
		drop_request(e, i);
		nvme_complete(c, &c->sq[0], cid, NVME_SC_ABORTED_BY_REQUEST, 0);
		return true;
	}
	return false;
}

void nvme_event_raise(struct nvme_ctrl *c, enum nvme_event_type type, unsigned int info)
{
	c->events.pending[type] |= BIT(info);
}

void nvme_event_unmask(struct nvme_ctrl *c, enum nvme_event_type type)
{
	c->events.masked[type] = false;
	c->events.pending[type] = 0;
}

void nvme_event_deliver(struct nvme_ctrl *c)
{
	struct nvme_events *e = &c->events;

	if (!e->requests || !c->ready)
		return;
	for (unsigned int type = 0; type < NVME_EVENT_TYPES; type++) {
		unsigned int info;
		uint16_t cid;

		if (!e->pending[type] || e->masked[type])
			continue;
		if (!e->requests || c->fatal || !nvme_cq_space(&c->cq[0]))
			return;
		info = (unsigned int)__builtin_ctz(e->pending[type]);
		e->pending[type] &= e->pending[type] - 1;
		e->masked[type] = true;
		cid = e->cid[0];
		drop_request(e, 0);
		nvme_complete(c, &c->sq[0], cid, NVME_SC_SUCCESS,
			      type | info << 8 | (uint32_t)log_page[type] << 16);
	}
}

void nvme_event_temperature(struct nvme_ctrl *c)
{
	if (nvme_critical_warning(c) & c->feat.async_event & NVME_SMART_WARN_TEMPERATURE)
		nvme_event_raise(c, NVME_EVENT_SMART, NVME_EVENT_INFO_TEMPERATURE);
}
