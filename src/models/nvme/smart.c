/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the controller remembers beyond a reset: the error log and the SMART counters. They are the
 * hardware's, so they live in the session's shared state.
 */
#include <string.h>
#include <time.h>

#include "models/nvme/nvme_priv.h"

void nvme_error_add(struct nvme_ctrl *c, uint16_t sqid, uint16_t cid, uint16_t status,
		    uint32_t nsid, uint64_t lba)
{
	struct nvme_shared *s = nvme_shared(c);
	struct nvme_error_entry *e;
	uint16_t code = status & 0x7ff;

	if (code == NVME_SC_WRITE_FAULT || code == NVME_SC_UNRECOVERED_READ)
		atomic_fetch_add_explicit(&s->media_errors, 1, memory_order_relaxed);
	/* Nothing in here is left half-done by a holder that died. */
	pci_shared_lock(nvme_card(c));
	e = &s->errors[s->error_count % NVME_ERROR_LOG];
	s->error_count++;
	*e = (struct nvme_error_entry){ .error_count = s->error_count,
					.sqid = sqid,
					.cid = cid,
					.status = (uint16_t)(status << 1),
					.param_location = 0xffff, /* not said */
					.lba = lba,
					.nsid = nsid };
	pci_shared_unlock(nvme_card(c));
}

unsigned int nvme_error_read(struct nvme_ctrl *c, struct nvme_error_entry *entries,
			     unsigned int max)
{
	struct nvme_shared *s = nvme_shared(c);
	unsigned int n;

	pci_shared_lock(nvme_card(c));
	n = (unsigned int)MIN(s->error_count, (uint64_t)MIN(max, NVME_ERROR_LOG));
	for (unsigned int i = 0; i < n; i++)
		entries[i] = s->errors[(s->error_count - 1 - i) % NVME_ERROR_LOG];
	pci_shared_unlock(nvme_card(c));
	return n;
}

uint8_t nvme_critical_warning(const struct nvme_ctrl *c)
{
	if (NVME_TEMPERATURE >= c->feat.temp_over || NVME_TEMPERATURE <= c->feat.temp_under)
		return NVME_SMART_WARN_TEMPERATURE;
	return 0;
}

static uint64_t get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void nvme_smart_fill(struct nvme_ctrl *c, struct nvme_smart_log *log)
{
	struct nvme_shared *s = nvme_shared(c);
	uint64_t on = get(&s->power_on_time);
	struct timespec now;

	log->critical_warning = nvme_critical_warning(c);
	log->temperature[0] = NVME_TEMPERATURE & 0xff;
	log->temperature[1] = NVME_TEMPERATURE >> 8;
	log->avail_spare = 100;
	log->spare_threshold = 10;
	log->data_units_read[0] = (get(&s->units_read) + 999) / 1000;
	log->data_units_written[0] = (get(&s->units_written) + 999) / 1000;
	log->host_reads[0] = get(&s->host_reads);
	log->host_writes[0] = get(&s->host_writes);
	log->power_cycles[0] = get(&s->power_cycles);
	clock_gettime(CLOCK_REALTIME, &now);
	if ((uint64_t)now.tv_sec > on)
		log->power_on_hours[0] = ((uint64_t)now.tv_sec - on) / 3600;
	log->unsafe_shutdowns[0] = get(&s->unsafe_shutdowns);
	log->media_errors[0] = get(&s->media_errors);
	pci_shared_lock(nvme_card(c));
	log->error_entries[0] = s->error_count;
	pci_shared_unlock(nvme_card(c));
}
