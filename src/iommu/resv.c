/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reserved regions: IOVAs that a unit does not translate like others.
 *
 * Both kinds take writes to 0xfeexxxxx as interrupts (VT-d 3.14 "Handling Requests to Interrupt
 * Address Range"; AMD 48882 2.1.4.2 "Interrupt Address Range"). AMD's HyperTransport heritage
 * keeps the addresses from 0xfd00000000 up to 2^40 for itself (48882, table 3 "Special Address
 * Controls").
 */
#include "iommu/iommu_priv.h"

static const struct iommu_resv_region intel_regions[] = {
	{ .start = 0xfee00000, .last = 0xfeefffff, .type = IOMMU_RESV_MSI },
};

static const struct iommu_resv_region amd_regions[] = {
	{ .start = 0xfee00000, .last = 0xfeefffff, .type = IOMMU_RESV_MSI },
	{ .start = 0xfd00000000, .last = 0xffffffffff, .type = IOMMU_RESV_RESERVED },
};

size_t iommu_group_resv_regions(const struct iommu_group *group, struct iommu_resv_region *regions,
				size_t max)
{
	const struct iommu_resv_region *table = amd_regions;
	const struct iommu *unit = iommu_group_unit(group);
	size_t n = ARRAY_SIZE(amd_regions), i;

	if (!unit)
		return 0;
	if (unit->model == IOMMU_MODEL_INTEL) {
		table = intel_regions;
		n = ARRAY_SIZE(intel_regions);
	}
	for (i = 0; i < n && i < max; i++)
		regions[i] = table[i];
	return n;
}
