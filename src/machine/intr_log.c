/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Linux tells its log of an interrupt that the remapping stopped: the DMAR driver's two lines
 * with VT-d's fault reasons, or the AMD driver's event (an IO_PAGE_FAULT with the interrupt flag).
 *
 * It runs where the fault is, perhaps in signal context: no allocation, no lock of the process's;
 * kmsg_write() opens the file anew. As in Linux ten messages in five seconds are told, no more.
 */
#include "machine/intr_log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "machine/kmsg.h"
#include "machine/machine_priv.h"

#define BURST	      10
#define INTERVAL_SEC  5
#define AMD_EVENT_INT 0x0008 /* the request was an interrupt */

static const char *reason_text(enum dma_fault_reason reason)
{
	switch (reason) {
	case DMA_FAULT_INTR_RESERVED:
		return "Detected reserved fields in the decoded interrupt-remapped request";
	case DMA_FAULT_INTR_INDEX:
		return "Interrupt index exceeded the interrupt-remapping table size";
	case DMA_FAULT_INTR_ABSENT:
		return "Present field in the IRTE entry is clear";
	case DMA_FAULT_INTR_COMPAT:
		return "Blocked a compatibility format interrupt request";
	case DMA_FAULT_INTR_SOURCE:
		return "Blocked an interrupt request due to source-id verification failure";
	default:
		return "Unknown";
	}
}

static bool may_tell(void)
{
	static _Atomic uint64_t begin;
	static _Atomic unsigned int told;
	struct timespec now;
	uint64_t sec;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sec = (uint64_t)now.tv_sec + 1;
	if (sec - atomic_load(&begin) > INTERVAL_SEC) {
		atomic_store(&begin, sec);
		atomic_store(&told, 0);
	}
	return atomic_fetch_add(&told, 1) < BURST;
}

static void tell(struct uvfio_machine *machine, const char *text, int len)
{
	kmsg_write(machine->session, LOG_ERR, text, (size_t)len);
}

void intr_log(struct uvfio_machine *machine, const struct dma_fault *fault)
{
	unsigned int bus = fault->rid >> 8 & 0xff, slot = fault->rid >> 3 & 0x1f,
		     function = fault->rid & 7;
	char text[256];

	if (fault->reason < DMA_FAULT_INTR_RESERVED || !machine->iommu || !may_tell())
		return;
	if (iommu_model(machine->iommu) == IOMMU_MODEL_AMD) {
		tell(machine, text,
		     snprintf(text, sizeof(text),
			      "AMD-Vi: Event logged [IO_PAGE_FAULT device=%04x:%02x:%02x.%x "
			      "domain=0x0000 address=0x%llx flags=0x%04x]",
			      fault->rid >> 16, bus, slot, function,
			      (unsigned long long)fault->iova, AMD_EVENT_INT));
		return;
	}
	tell(machine, text,
	     snprintf(text, sizeof(text), "DMAR: DRHD: handling fault status reg 2"));
	tell(machine, text,
	     snprintf(text, sizeof(text),
		      "DMAR: [INTR-REMAP] Request device [%02x:%02x.%x] fault index 0x%x "
		      "[fault reason 0x%02x] %s",
		      bus, slot, function, fault->index & 0xffff, fault->reason,
		      reason_text(fault->reason)));
}
