/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe slices: the parent (nvme_mdev.h), its types, and the session's part of an instance's life.
 *
 * Types are the powers of two from 1 MiB up that fit the medium. create() takes an extent of it,
 * destroy() gives it back; its blocks are cleared before the next one gets them, however the
 * process that was at it ended. The rest of an instance is slice.c's.
 */
#include "drivers/nvme_mdev/nvme_mdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "drivers/nvme_mdev/slice.h"

#define MIN_SHIFT 20

static int clear(void *arg, uint64_t start, uint64_t size)
{
	struct nvme_mdev *p = arg;
	int ret = nvme_medium_clear(p->card, start, size);

	if (ret)
		pr_err("nvme_mdev %s: %llu bytes at %llu cannot be cleared and are not given out",
		       p->card->dev.name, (unsigned long long)size, (unsigned long long)start);
	return ret;
}

static unsigned int get_available(struct mdev_type *type)
{
	struct nvme_mdev *p = nvme_mdev_of(type->parent);
	struct nvme_mdev_state *state = parent_state(type->parent);
	unsigned int n;

	mdev_parent_lock(&p->parent);
	extents_clean(&state->extents, clear, p);
	n = extents_available(&state->extents, p->total, type->arg);
	mdev_parent_unlock(&p->parent);
	return n;
}

static ssize_t show_description(struct mdev_type *type, char *buf, size_t size)
{
	return snprintf(buf, size, "NVMe controller, one namespace of %llu bytes\n",
			(unsigned long long)type->arg);
}

static int create(struct mdev_device *mdev)
{
	struct nvme_mdev *p = nvme_mdev_of(mdev->type->parent);
	struct nvme_mdev_state *state = parent_state(&p->parent);
	int n;

	mdev_parent_lock(&p->parent);
	extents_clean(&state->extents, clear, p);
	n = extents_take(&state->extents, p->total, mdev->type->arg, mdev->dev.name);
	mdev_parent_unlock(&p->parent);
	if (n < 0)
		return n;
	slice_state(mdev)->extent = (uint32_t)n + 1;
	return 0;
}

static void destroy(struct mdev_device *mdev)
{
	struct nvme_mdev *p = nvme_mdev_of(mdev->type->parent);
	struct nvme_mdev_state *state = parent_state(&p->parent);
	int n;

	mdev_parent_lock(&p->parent);
	/* By name: a creator that died has not noted the number. */
	n = extents_find(&state->extents, mdev->dev.name);
	if (n >= 0) {
		fair_leave(&state->fair, (unsigned int)n);
		extents_drop(&state->extents, (unsigned int)n);
	}
	extents_clean(&state->extents, clear, p);
	mdev_parent_unlock(&p->parent);
	slice_state(mdev)->extent = 0;
}

const struct mdev_parent_ops nvme_mdev_ops = {
	.name = "nvme_mdev",
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.max_instances = EXTENTS_MAX,
	.parent_state_size = STATE_SIZE(struct nvme_mdev_state),
	.state_size = STATE_SIZE(struct slice_state),
	.get_available = get_available,
	.show_description = show_description,
	.create = create,
	.destroy = destroy,
	.probe = slice_probe,
	.remove = slice_remove,
	.open_device = slice_open,
	.close_device = slice_close,
	.get_info = slice_get_info,
	.get_region_info = slice_get_region_info,
	.get_irq_info = slice_get_irq_info,
	.set_irqs = slice_set_irqs,
	.reset = slice_reset,
	.region_read = slice_region_read,
	.region_write = slice_region_write,
	.mmap = slice_mmap,
	.mmio_read = slice_mmio_read,
	.mmio_write = slice_mmio_write,
	.request = slice_request,
	.ioctl = slice_ioctl,
};

/* ---- the parent ------------------------------------------------------------------------------ */

static void make_types(struct nvme_mdev *p, struct mdev_type **types)
{
	static const char units[] = "MGTPE";

	for (unsigned int shift = MIN_SHIFT; shift < 60 && 1ull << shift <= p->total; shift++) {
		unsigned int i = p->n_types++;

		/* `name` says "nvme-1G", the directory "nvme_mdev-1G". */
		snprintf(p->names[i], sizeof(p->names[i]), "nvme-%u%c", 1u << shift % 10,
			 units[shift / 10 - 2]);
		p->types[i] = (struct mdev_type){ .sysfs_name = strchr(p->names[i], '-') + 1,
						  .pretty_name = p->names[i],
						  .arg = 1ull << shift };
		types[i] = &p->types[i];
	}
}

int nvme_mdev_probe(struct pci_dev *dev, bool first)
{
	struct mdev_type *types[NVME_MDEV_TYPES];
	struct nvme_mdev *p;
	int ret;

	if (!nvme_medium_size(dev)) {
		pr_err("nvme_mdev %s: not an NVMe controller with a medium of its own",
		       dev->dev.name);
		return -ENODEV;
	}
	p = FAIL_POINT() ? NULL : calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->card = dev;
	p->total = nvme_medium_size(dev);
	make_types(p, types);
	if (!p->n_types) {
		pr_err("nvme_mdev %s: the medium has %llu bytes, the smallest slice 1 MiB",
		       dev->dev.name, (unsigned long long)p->total);
		free(p);
		return -ENOSPC;
	}
	ret = mdev_register_parent_ops(&p->parent, &dev->dev, &nvme_mdev_ops, types, p->n_types);
	if (ret) {
		free(p);
		return ret;
	}
	fair_set_rate(&parent_state(&p->parent)->fair, nvme_medium_bandwidth(dev));
	dev->dev.drvdata = p;
	return 0;
}

void nvme_mdev_remove(struct pci_dev *dev, bool first)
{
	struct nvme_mdev *p = dev->dev.drvdata;

	if (!p)
		return;
	mdev_unregister_parent(&p->parent);
	dev->dev.drvdata = NULL;
	free(p);
}
