/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: the devices that share an isolation boundary and therefore a domain. A group without a
 * user's domain has its default one, in which the devices of this machine can reach nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "iommu/iommu_priv.h"

int iommu_group_create(unsigned int id, struct iommu_group **out)
{
	struct iommu_group *group = calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	group->id = id;
	pthread_mutex_init(&group->lock, NULL);
	list_init(&group->devs);
	*out = group;
	return 0;
}

void iommu_group_destroy(struct iommu_group *group)
{
	if (!group)
		return;
	pthread_mutex_destroy(&group->lock);
	free(group);
}

unsigned int iommu_group_id(const struct iommu_group *group)
{
	return group->id;
}

void iommu_group_add_device(struct iommu_group *group, struct iommu_dev *dev)
{
	pthread_mutex_lock(&group->lock);
	dev->group = group;
	list_add_tail(&dev->group_node, &group->devs);
	/* A device of the wrong kind for the group's domain reaches nothing. */
	if (group->domain)
		domain_attach_dev(group->domain, dev);
	pthread_mutex_unlock(&group->lock);
}

void iommu_group_remove_device(struct iommu_dev *dev)
{
	struct iommu_group *group = dev->group;

	if (!group)
		return;
	pthread_mutex_lock(&group->lock);
	if (group->domain)
		domain_detach_dev(group->domain, dev);
	list_del(&dev->group_node);
	dev->group = NULL;
	pthread_mutex_unlock(&group->lock);
}

struct iommu_group *iommu_group_of(const struct iommu_dev *dev)
{
	return dev->group;
}

int iommu_group_for_each_dev(struct iommu_group *group, int (*fn)(struct iommu_dev *, void *),
			     void *arg)
{
	struct iommu_dev *dev;
	int ret = 0;

	pthread_mutex_lock(&group->lock);
	list_for_each_entry(dev, &group->devs, group_node) {
		ret = fn(dev, arg);
		if (ret)
			break;
	}
	pthread_mutex_unlock(&group->lock);
	return ret;
}

struct iommu *iommu_group_unit(const struct iommu_group *group)
{
	if (list_empty(&group->devs))
		return NULL;
	return list_first_entry(&group->devs, struct iommu_dev, group_node)->iommu;
}

/* What Debian's kernel chooses: intel-iommu queues flushes, amd-iommu does not. */
const char *iommu_group_default_type(const struct iommu_group *group)
{
	const struct iommu *unit = iommu_group_unit(group);

	if (!unit)
		return "unknown";
	return unit->model == IOMMU_MODEL_INTEL ? "DMA-FQ" : "DMA";
}

int iommu_attach_group(struct iommu_domain *domain, struct iommu_group *group)
{
	struct iommu_dev *dev, *undo;
	int ret = 0;

	pthread_mutex_lock(&group->lock);
	if (group->domain) {
		ret = -EBUSY;
		goto out;
	}
	list_for_each_entry(dev, &group->devs, group_node) {
		ret = domain_attach_dev(domain, dev);
		if (ret)
			goto undo;
	}
	group->domain = domain;
	goto out;
undo:
	list_for_each_entry(undo, &group->devs, group_node) {
		if (undo == dev)
			break;
		domain_detach_dev(domain, undo);
	}
out:
	pthread_mutex_unlock(&group->lock);
	return ret;
}

void iommu_detach_group(struct iommu_domain *domain, struct iommu_group *group)
{
	struct iommu_dev *dev;

	pthread_mutex_lock(&group->lock);
	if (group->domain == domain) {
		list_for_each_entry(dev, &group->devs, group_node)
			domain_detach_dev(domain, dev);
		group->domain = NULL;
	}
	pthread_mutex_unlock(&group->lock);
}
