/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Features and Set Features (5.13, 5.21). Nothing can be saved: a controller reset brings the
 * defaults back, and Get's "saved" value is the default.
 */
#include <string.h>
#include <time.h>

#include "models/nvme/nvme_priv.h"

#define SET_SV	      BIT(31)
#define GET_SELECT(v) (((v) >> 8) & 7)
enum { SELECT_CURRENT, SELECT_DEFAULT, SELECT_SAVED, SELECT_CAPABILITIES };

/* Figure 273: what "supported capabilities" says. */
#define CAP_NAMESPACE  BIT(1)
#define CAP_CHANGEABLE BIT(2)

#define TEMP_SELECT(v) (((v) >> 16) & 15)
#define TEMP_ALL       15
#define TEMP_TYPE(v)   (((v) >> 20) & 3)
#define TEMP_UNDER     1

#define RECOVERY_TLER  0xffffu
#define RECOVERY_DULBE BIT(16)

/* Timestamp (5.21.1.14): milliseconds in 48 bits, then where they come from. */
#define TIMESTAMP_MASK	  ((1ULL << 48) - 1)
#define TIMESTAMP_BY_HOST (1ULL << 49)

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void set_defaults(const struct nvme_ctrl *c, struct nvme_features *f)
{
	*f = (struct nvme_features){ .arbitration = 6,
				     .temp_over = NVME_WCTEMP,
				     .write_cache = 1,
				     .nsq = (uint16_t)c->pairs,
				     .ncq = (uint16_t)c->pairs };
	f->timestamp_set = now_ms();
}

void nvme_features_reset(struct nvme_ctrl *c)
{
	set_defaults(c, &c->feat);
}

/* ---- plain values --------------------------------------------------------------------------- */

static uint16_t get_arbitration(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = f->arbitration;
	return NVME_SC_SUCCESS;
}

static uint16_t set_arbitration(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	f->arbitration = req->cmd->cdw11 & 0xffffff07;
	return NVME_SC_SUCCESS;
}

static uint16_t get_power(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = f->power;
	return NVME_SC_SUCCESS;
}

static uint16_t set_power(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	if (req->cmd->cdw11 & 0x1f) /* Identify Controller, NPSS: state 0 only */
		return NVME_SC_INVALID_FIELD;
	f->power = req->cmd->cdw11 & 0xff;
	return NVME_SC_SUCCESS;
}

static uint16_t get_write_cache(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = f->write_cache;
	return NVME_SC_SUCCESS;
}

static uint16_t set_write_cache(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	f->write_cache = req->cmd->cdw11 & 1;
	return NVME_SC_SUCCESS;
}

static uint16_t get_coalescing(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = f->coalescing;
	return NVME_SC_SUCCESS;
}

/* Accepted and remembered; each batch is signalled at once all the same, which 7.5.3 allows. */
static uint16_t set_coalescing(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	f->coalescing = req->cmd->cdw11 & 0xffff;
	return NVME_SC_SUCCESS;
}

static uint16_t get_atomicity(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = f->write_atomicity;
	return NVME_SC_SUCCESS;
}

static uint16_t set_atomicity(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	f->write_atomicity = req->cmd->cdw11 & 1;
	return NVME_SC_SUCCESS;
}

static uint16_t get_async(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = f->async_event;
	return NVME_SC_SUCCESS;
}

static uint16_t set_async(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	f->async_event = req->cmd->cdw11;
	nvme_event_temperature(c);
	return NVME_SC_SUCCESS;
}

/* ---- values with a selector ----------------------------------------------------------------- */

static uint16_t get_temperature(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint32_t v = req->cmd->cdw11;

	if (TEMP_SELECT(v) ||
	    TEMP_TYPE(v) > TEMP_UNDER) /* there is the composite temperature only */
		return NVME_SC_INVALID_FIELD;
	req->result = TEMP_TYPE(v) == TEMP_UNDER ? f->temp_under : f->temp_over;
	return NVME_SC_SUCCESS;
}

static uint16_t set_temperature(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint32_t v = req->cmd->cdw11;

	if ((TEMP_SELECT(v) && TEMP_SELECT(v) != TEMP_ALL) || TEMP_TYPE(v) > TEMP_UNDER)
		return NVME_SC_INVALID_FIELD;
	if (TEMP_TYPE(v) == TEMP_UNDER)
		f->temp_under = v & 0xffff;
	else
		f->temp_over = v & 0xffff;
	nvme_event_temperature(c);
	return NVME_SC_SUCCESS;
}

static uint16_t get_recovery(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	if (!nvme_nsid_valid(c, req->cmd->nsid))
		return NVME_SC_INVALID_NS_OR_FORMAT;
	req->result = f->error_recovery[req->cmd->nsid - 1];
	return NVME_SC_SUCCESS;
}

static uint16_t set_recovery(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint32_t nsid = req->cmd->nsid;
	uint16_t tler = req->cmd->cdw11 & RECOVERY_TLER;

	if (nsid != NVME_NSID_ALL && !nvme_nsid_valid(c, nsid))
		return NVME_SC_INVALID_NS_OR_FORMAT;
	/* Deallocated blocks read as zeroes; there is no error for them (NSFEAT bit 2). */
	if (req->cmd->cdw11 & RECOVERY_DULBE)
		return NVME_SC_INVALID_FIELD;
	for (uint32_t i = 1; i <= c->namespaces; i++)
		if (nsid == NVME_NSID_ALL || nsid == i)
			f->error_recovery[i - 1] = tler;
	return NVME_SC_SUCCESS;
}

static uint16_t get_vector(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint32_t iv = req->cmd->cdw11 & 0xffff;

	if (iv >= c->vectors)
		return NVME_SC_INVALID_FIELD;
	req->result = iv | (uint32_t)f->vector_no_coalescing[iv] << 16;
	return NVME_SC_SUCCESS;
}

static uint16_t set_vector(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint32_t iv = req->cmd->cdw11 & 0xffff;

	if (iv >= c->vectors)
		return NVME_SC_INVALID_FIELD;
	f->vector_no_coalescing[iv] = req->cmd->cdw11 & BIT(16);
	return NVME_SC_SUCCESS;
}

/* ---- number of queues (5.21.1.7) ------------------------------------------------------------ */

static uint16_t get_queues(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	req->result = (f->nsq - 1u) | (f->ncq - 1u) << 16;
	return NVME_SC_SUCCESS;
}

static uint16_t set_queues(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint32_t nsq = req->cmd->cdw11 & 0xffff, ncq = req->cmd->cdw11 >> 16;

	if (nsq == 0xffff || ncq == 0xffff)
		return NVME_SC_INVALID_FIELD;
	if (c->last_queue) /* I/O queues exist already */
		return NVME_SC_COMMAND_SEQUENCE;
	f->nsq = (uint16_t)MIN(nsq + 1, c->pairs);
	f->ncq = (uint16_t)MIN(ncq + 1, c->pairs);
	return get_queues(c, req, f);
}

/* ---- timestamp (5.21.1.14) ------------------------------------------------------------------ */

static uint16_t get_timestamp(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint64_t v = (f->timestamp + (now_ms() - f->timestamp_set)) & TIMESTAMP_MASK;

	if (f->timestamp_by_host)
		v |= TIMESTAMP_BY_HOST;
	return nvme_data_put(c, req->cmd, &v, sizeof(v));
}

static uint16_t set_timestamp(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f)
{
	uint64_t v;
	uint16_t status = nvme_data_get(c, req->cmd, &v, sizeof(v));

	if (status)
		return status;
	f->timestamp = v & TIMESTAMP_MASK;
	f->timestamp_set = now_ms();
	f->timestamp_by_host = true;
	return NVME_SC_SUCCESS;
}

/* ---- dispatch ------------------------------------------------------------------------------- */

typedef uint16_t (*feature_fn)(struct nvme_ctrl *c, struct nvme_req *req, struct nvme_features *f);

static const struct feature {
	feature_fn get, set;
	uint32_t caps;
	bool any_namespace; /* a namespace is accepted although the feature has none */
} features[] = {
	[NVME_FEAT_ARBITRATION] = { get_arbitration, set_arbitration, CAP_CHANGEABLE, false },
	[NVME_FEAT_POWER] = { get_power, set_power, CAP_CHANGEABLE, false },
	[NVME_FEAT_TEMPERATURE] = { get_temperature, set_temperature, CAP_CHANGEABLE, false },
	[NVME_FEAT_ERROR_RECOVERY] = { get_recovery, set_recovery, CAP_CHANGEABLE | CAP_NAMESPACE,
				       false },
	/* QEMU's driver names its namespace here and takes a refusal for a broken controller. */
	[NVME_FEAT_WRITE_CACHE] = { get_write_cache, set_write_cache, CAP_CHANGEABLE, true },
	[NVME_FEAT_QUEUES] = { get_queues, set_queues, CAP_CHANGEABLE, false },
	[NVME_FEAT_COALESCING] = { get_coalescing, set_coalescing, CAP_CHANGEABLE, false },
	[NVME_FEAT_VECTOR_CONFIG] = { get_vector, set_vector, CAP_CHANGEABLE, false },
	[NVME_FEAT_WRITE_ATOMICITY] = { get_atomicity, set_atomicity, CAP_CHANGEABLE, false },
	[NVME_FEAT_ASYNC_EVENT] = { get_async, set_async, CAP_CHANGEABLE, false },
	[NVME_FEAT_TIMESTAMP] = { get_timestamp, set_timestamp, CAP_CHANGEABLE, false },
};

static const struct feature *find_feature(const struct nvme_sqe *cmd)
{
	uint8_t fid = (uint8_t)cmd->cdw10;

	return fid < ARRAY_SIZE(features) && features[fid].get ? &features[fid] : NULL;
}

uint16_t nvme_get_features(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct feature *feature = find_feature(req->cmd);
	struct nvme_features defaults;

	if (!feature)
		return NVME_SC_INVALID_FIELD;
	switch (GET_SELECT(req->cmd->cdw10)) {
	case SELECT_CURRENT:
		return feature->get(c, req, &c->feat);
	case SELECT_DEFAULT:
	case SELECT_SAVED:
		set_defaults(c, &defaults);
		return feature->get(c, req, &defaults);
	case SELECT_CAPABILITIES:
		req->result = feature->caps;
		return NVME_SC_SUCCESS;
	default:
		return NVME_SC_INVALID_FIELD;
	}
}

uint16_t nvme_set_features(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct feature *feature = find_feature(req->cmd);
	uint32_t nsid = req->cmd->nsid;

	if (!feature)
		return NVME_SC_INVALID_FIELD;
	if (req->cmd->cdw10 & SET_SV)
		return NVME_SC_FEATURE_NOT_SAVEABLE;
	if (!(feature->caps & CAP_NAMESPACE) && nsid && nsid != NVME_NSID_ALL) {
		if (!nvme_nsid_valid(c, nsid))
			return NVME_SC_INVALID_NS_OR_FORMAT;
		if (!feature->any_namespace)
			return NVME_SC_FEATURE_NOT_NS_SPECIFIC;
	}
	return feature->set(c, req, &c->feat);
}
