/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Format NVM (5.23): another LBA format, or a secure erase, of one namespace or of all. Either way
 * the contents are gone: blocks read as zeroes. Runs on the device's thread.
 */
#include "models/nvme/nvme_priv.h"

#define FORMAT_LBAF(v) ((v)&15)
#define FORMAT_PI(v)   (((v) >> 5) & 7)
#define FORMAT_SES(v)  (((v) >> 9) & 7)
#define SES_USER_DATA  1

static bool format_one(struct nvme_ctrl *c, uint32_t nsid, uint8_t format)
{
	const struct nvme_ns *ns = &c->ns[nsid - 1];

	if (!nvme_backing_discard(&c->backing, ns->off, ns->size))
		return false;
	if (nvme_ns_format(c, nsid) != format) {
		atomic_store(&nvme_shared(c)->lba_format[nsid - 1], format);
		c->events.ns_changed[nsid - 1] = true;
		if (c->feat.async_event & NVME_OAES_NS_ATTR)
			nvme_event_raise(c, NVME_EVENT_NOTICE, NVME_EVENT_INFO_NS_CHANGED);
	}
	return true;
}

uint16_t nvme_format(struct nvme_ctrl *c, struct nvme_req *req)
{
	uint32_t nsid = req->cmd->nsid, cdw10 = req->cmd->cdw10;
	uint8_t format = FORMAT_LBAF(cdw10);
	uint32_t first = nsid, last = nsid;

	if (nsid == NVME_NSID_ALL) {
		first = 1;
		last = c->namespaces;
	} else if (!nvme_nsid_valid(c, nsid)) {
		return NVME_SC_INVALID_NS_OR_FORMAT;
	}
	if (format >= NVME_LBA_FORMATS || FORMAT_PI(cdw10))
		return NVME_SC_INVALID_FORMAT;
	/* No cryptographic erase (Identify Controller, FNA). */
	if (FORMAT_SES(cdw10) > SES_USER_DATA)
		return NVME_SC_INVALID_FIELD;
	for (uint32_t i = first; i <= last; i++)
		if (!format_one(c, i, format))
			return NVME_SC_WRITE_FAULT;
	return NVME_SC_SUCCESS;
}
