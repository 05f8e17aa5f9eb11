/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Log Page (5.14). Each page is built in c->page and cut to the offset and length asked for.
 * Reading a page without RAE lets its asynchronous event type speak again.
 */
#include <string.h>

#include "models/nvme/nvme_priv.h"

#define LOG_RAE BIT(15)

_Static_assert(NVME_ERROR_LOG * sizeof(struct nvme_error_entry) <=
		       sizeof(((struct nvme_ctrl *)0)->page),
	       "the error log fits the page");

static uint32_t fill_error(struct nvme_ctrl *c)
{
	nvme_error_read(c, (struct nvme_error_entry *)(void *)c->page, NVME_ERROR_LOG);
	return NVME_ERROR_LOG * sizeof(struct nvme_error_entry);
}

static uint32_t fill_smart(struct nvme_ctrl *c)
{
	nvme_smart_fill(c, (struct nvme_smart_log *)(void *)c->page);
	return sizeof(struct nvme_smart_log);
}

static uint32_t fill_firmware(struct nvme_ctrl *c)
{
	struct nvme_firmware_log *log = (struct nvme_firmware_log *)(void *)c->page;

	log->afi = 1;
	memcpy(log->revision[0], "1.0     ", 8);
	return sizeof(*log);
}

static uint32_t fill_changed_ns(struct nvme_ctrl *c)
{
	uint32_t *list = (uint32_t *)(void *)c->page;

	for (uint32_t i = 0; i < c->namespaces; i++)
		if (c->events.ns_changed[i])
			*list++ = i + 1;
	return sizeof(c->page);
}

static uint32_t fill_effects(struct nvme_ctrl *c)
{
	struct nvme_effects_log *log = (struct nvme_effects_log *)(void *)c->page;

	for (unsigned int i = 0; i < 256; i++) {
		if (nvme_admin_supported(c, (uint8_t)i))
			log->admin[i] = NVME_EFFECT_CSUPP;
		if (nvme_io_supported((uint8_t)i))
			log->io[i] = NVME_EFFECT_CSUPP;
	}
	log->admin[NVME_ADM_FORMAT] |= NVME_EFFECT_LBCC | NVME_EFFECT_NCC;
	log->io[NVME_IO_WRITE] |= NVME_EFFECT_LBCC;
	log->io[NVME_IO_WRITE_ZEROES] |= NVME_EFFECT_LBCC;
	log->io[NVME_IO_DSM] |= NVME_EFFECT_LBCC;
	return sizeof(*log);
}

static const struct log_page {
	uint32_t (*fill)(struct nvme_ctrl *c); /* c->page is zeroed; returns the size */
	int event;			       /* the type that it unmasks; -1: none */
} pages[] = {
	[NVME_LOG_ERROR] = { fill_error, NVME_EVENT_ERROR },
	[NVME_LOG_SMART] = { fill_smart, NVME_EVENT_SMART },
	[NVME_LOG_FIRMWARE] = { fill_firmware, -1 },
	[NVME_LOG_CHANGED_NS] = { fill_changed_ns, NVME_EVENT_NOTICE },
	[NVME_LOG_EFFECTS] = { fill_effects, -1 },
};

static void page_was_read(struct nvme_ctrl *c, uint8_t lid)
{
	if (pages[lid].event >= 0)
		nvme_event_unmask(c, (enum nvme_event_type)pages[lid].event);
	if (lid == NVME_LOG_CHANGED_NS)
		memset(c->events.ns_changed, 0, sizeof(c->events.ns_changed));
}

uint16_t nvme_get_log(struct nvme_ctrl *c, struct nvme_req *req)
{
	const struct nvme_sqe *cmd = req->cmd;
	uint8_t lid = (uint8_t)cmd->cdw10;
	uint64_t off = cmd->cdw12 | (uint64_t)cmd->cdw13 << 32;
	uint64_t len = ((cmd->cdw10 >> 16 | (uint64_t)(cmd->cdw11 & 0xffff) << 16) + 1) * 4;
	uint32_t size;
	uint16_t status = NVME_SC_SUCCESS;

	if (lid >= ARRAY_SIZE(pages) || !pages[lid].fill)
		return NVME_SC_INVALID_LOG_PAGE;
	/* SMART per namespace is not offered (LPA bit 0). */
	if (lid == NVME_LOG_SMART && cmd->nsid && cmd->nsid != NVME_NSID_ALL)
		return nvme_nsid_valid(c, cmd->nsid) ? NVME_SC_INVALID_FIELD
						     : NVME_SC_INVALID_NS_OR_FORMAT;
	if ((off & 3) || len > NVME_MDTS_BYTES)
		return NVME_SC_INVALID_FIELD;
	memset(c->page, 0, sizeof(c->page));
	size = pages[lid].fill(c);
	if (off > size)
		return NVME_SC_INVALID_FIELD;
	len = MIN(len, size - off);
	if (len)
		status = nvme_data_put(c, cmd, c->page + off, (uint32_t)len);
	if (status == NVME_SC_SUCCESS && !(cmd->cdw10 & LOG_RAE))
		page_was_read(c, lid);
	return status;
}
