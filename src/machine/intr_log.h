/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel log's lines about interrupts that were stopped. */
#ifndef MACHINE_INTR_LOG_H
#define MACHINE_INTR_LOG_H

#include "iommu/dma.h"

struct uvfio_machine;

/* Faults of another kind are left alone. For a fault sink (iommu/dma.h). */
void intr_log(struct uvfio_machine *machine, const struct dma_fault *fault);

#endif
