/* SPDX-License-Identifier: BSD-3-Clause */
/* IOMMU units and the devices in front of which they stand. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/intr_priv.h"
#include "iommu/iommu_priv.h"

int iommu_create(enum iommu_model model, const char *name, struct iommu **out)
{
	struct iommu *iommu = calloc(1, sizeof(*iommu));

	if (!iommu)
		return -ENOMEM;
	iommu->model = model;
	list_init(&iommu->intr_tables);
	snprintf(iommu->name, sizeof(iommu->name), "%s", name);
	*out = iommu;
	return 0;
}

void iommu_destroy(struct iommu *iommu)
{
	if (iommu)
		intr_unit_destroy(iommu);
	free(iommu);
}

const char *iommu_name(const struct iommu *iommu)
{
	return iommu->name;
}

enum iommu_model iommu_model(const struct iommu *iommu)
{
	return iommu->model;
}

bool iommu_capable_intr_remap(const struct iommu *iommu)
{
	return true;
}

int iommu_dev_create(struct iommu *iommu, uint32_t rid, const char *name, struct iommu_dev **out)
{
	struct iommu_dev *dev = NULL;
	size_t i;

	/* The section word has cache lines of its own. */
	if (posix_memalign((void **)&dev, 64, ALIGN_UP(sizeof(*dev), 64)))
		return -ENOMEM;
	memset(dev, 0, sizeof(*dev));
	dev->rid = rid;
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->iommu = iommu;
	dev->stats = &dev->own_stats;
	list_init(&dev->group_node);
	list_init(&dev->domain_node);
	for (i = 0; i < WALK_CACHE_SIZE; i++)
		dev->cache[i].tag = WALK_CACHE_NONE;
	if (intr_dev_init(dev)) {
		free(dev);
		return -ENOMEM;
	}
	epoch_add_dev(dev);
	*out = dev;
	return 0;
}

void iommu_dev_destroy(struct iommu_dev *dev)
{
	if (!dev)
		return;
	iommu_group_remove_device(dev);
	epoch_remove_dev(dev);
	intr_dev_destroy(dev);
	free(dev);
}

struct dma_stats *dma_stats(struct iommu_dev *dev)
{
	return dev->stats;
}

void dma_set_stats(struct iommu_dev *dev, struct dma_stats *stats)
{
	dev->stats = stats ? stats : &dev->own_stats;
}
