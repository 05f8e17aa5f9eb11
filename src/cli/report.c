/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run leaves in the session file: statistics of the devices, DMA faults. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "machine/shared.h"

void report_stats(const struct session *session, FILE *out)
{
	const struct shared_header *shared = session_shared(session);

	fprintf(out, "%-12s %10s %14s %14s %11s %9s %9s %7s\n", "device", "mappings", "dma read",
		"dma written", "interrupts", "trapped", "polled", "faults");
	for (uint32_t i = 0; i < shared->num_devices; i++) {
		const struct shared_device *dev = &shared->device[i];

		if (!dev->endpoint)
			continue;
		fprintf(out,
			"%-12s %10" PRIu64 " %14" PRIu64 " %14" PRIu64 " %11" PRIu64 " %9" PRIu64
			" %9" PRIu64 " %7" PRIu64 "\n",
			dev->name, dev->dma.maps, dev->dma.bytes_read, dev->dma.bytes_written,
			dev->stats.irqs, dev->stats.doorbells_trapped, dev->stats.doorbells_polled,
			dev->dma.faults);
	}
}

uint64_t report_faults(const struct session *session, uint64_t before, FILE *out)
{
	const struct shared_header *shared = session_shared(session);
	uint64_t last = shared->faults, listed = 0;

	if (last <= before)
		return 0;
	fprintf(out, "uvfio: %" PRIu64 " DMA error%s:\n", last - before,
		last - before == 1 ? "" : "s");
	for (uint64_t i = before; i < last && i < SHARED_MAX_FAULTS; i++) {
		const struct shared_fault *f = &shared->fault[i];

		if (!atomic_load_explicit(&f->ready, memory_order_acquire))
			continue;
		listed++;
		fprintf(out, "  %s: %s of %" PRIu64 " bytes at %s 0x%" PRIx64 ": %s (%s, pid %u)\n",
			f->name, f->write ? "write" : "read", f->len,
			f->what[0] ? "address" : "IOVA", f->iova,
			f->what[0] ? f->what : dma_fault_reason_text(f->reason), f->comm, f->pid);
	}
	if (listed < last - before)
		fprintf(out, "  and %" PRIu64 " more\n", last - before - listed);
	return last - before;
}
