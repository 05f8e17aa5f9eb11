/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU groups of the machine and their attributes (the kernel's drivers/iommu/iommu.c): type and
 * reserved_regions. A group exists as long as it has members. Guarded by the core's lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/mdev_priv.h"

int group_add(struct uvfio_machine *machine, unsigned int id, struct iommu_dev *dev)
{
	struct machine_group *group = &machine->groups[id];
	int ret;

	if (!group->group) {
		ret = iommu_group_create(id, &group->group);
		if (ret)
			return ret;
		group->members = 0;
		group->emulated = !dev;
		if (dev)
			iommu_group_add_device(group->group, dev);
		snprintf(group->type, sizeof(group->type), "%s",
			 dev ? iommu_group_default_type(group->group) : "unknown");
		ret = names_add_group(machine, id);
		if (ret) {
			if (dev)
				iommu_group_remove_device(dev);
			iommu_group_destroy(group->group);
			group->group = NULL;
			return ret;
		}
	} else {
		iommu_group_add_device(group->group, dev);
	}
	group->members++;
	return 0;
}

void group_remove(struct uvfio_machine *machine, unsigned int id, struct iommu_dev *dev)
{
	struct machine_group *group = &machine->groups[id];

	if (dev)
		iommu_group_remove_device(dev);
	if (--group->members)
		return;
	names_remove_group(machine, id);
	iommu_group_destroy(group->group);
	group->group = NULL;
}

unsigned int machine_free_group(const struct uvfio_machine *machine)
{
	bool used[MACHINE_GROUPS] = { false };
	const struct machine_function *fn;
	unsigned int id = 0;

	list_for_each_entry(fn, &machine->functions, node)
		if ((!machine->iommu || fn->slot->present) && fn->slot->group < MACHINE_GROUPS)
			used[fn->slot->group] = true;
	mdevs_note_groups(machine, used);
	while (id < MACHINE_GROUPS && (used[id] || machine->groups[id].group))
		id++;
	return id < MACHINE_GROUPS ? id : NO_GROUP;
}

static ssize_t type_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct machine_group *group = obj;

	return snprintf(buf, size, "%s\n", group->type);
}

static ssize_t type_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	static const char *const types[] = { "identity", "DMA", "DMA-FQ" };
	struct machine_group *group = obj;
	const char *wanted = NULL;

	/* There is no domain whose type it could be. */
	if (!group->machine->iommu || group->emulated)
		return -EINVAL;
	if (sysfs_streq(buf, "auto"))
		wanted = iommu_group_default_type(group->group);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (sysfs_streq(buf, types[i]))
			wanted = types[i];
	if (!wanted)
		return -EINVAL;
	/* Lazy flushing can be switched on under a running driver; all else needs a group that
	 * nobody drives. */
	if ((strcmp(wanted, "DMA-FQ") || strcmp(group->type, "DMA")) &&
	    session_group_claimed(group->machine->session, iommu_group_id(group->group)))
		return -EPERM;
	snprintf(group->type, sizeof(group->type), "%s", wanted);
	return (ssize_t)len;
}

static ssize_t reserved_regions_show(void *obj, const struct attribute *attr, char *buf,
				     size_t size)
{
	static const char *const names[] = {
		[IOMMU_RESV_DIRECT] = "direct",
		[IOMMU_RESV_RESERVED] = "reserved",
		[IOMMU_RESV_MSI] = "msi",
	};
	const struct machine_group *group = obj;
	struct iommu_resv_region regions[16];
	size_t n = iommu_group_resv_regions(group->group, regions, ARRAY_SIZE(regions)), len = 0;

	for (size_t i = 0; i < n && i < ARRAY_SIZE(regions) && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "0x%016llx 0x%016llx %s\n",
					(unsigned long long)regions[i].start,
					(unsigned long long)regions[i].last,
					names[regions[i].type]);
	return (ssize_t)len;
}

static ssize_t name_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "vfio-noiommu\n");
}

const struct attribute group_noiommu_attrs[] = {
	{ .name = "name", .mode = 0444, .show = name_show },
	{ .name = "reserved_regions", .mode = 0444, .show = reserved_regions_show },
	{ .name = "type", .mode = 0644, .show = type_show, .store = type_store },
	{ .name = NULL },
};

/* Its type cannot change: nothing has to be asked of the disk. */
const struct attribute group_emulated_attrs[] = {
	{ .name = "name", .mode = 0444, .show = name_show },
	{ .name = "reserved_regions", .mode = 0444, .show = reserved_regions_show },
	{ .name = "type",
	  .mode = 0644,
	  .show = type_show,
	  .store = type_store,
	  .volatile_value = true },
	{ .name = NULL },
};

const struct attribute group_attrs[] = {
	{ .name = "reserved_regions", .mode = 0444, .show = reserved_regions_show },
	{ .name = "type", .mode = 0644, .show = type_show, .store = type_store },
	{ .name = NULL },
};
