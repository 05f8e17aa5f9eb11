/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peer-to-peer DMA: a program mapped a device's region and maps that mapping for DMA. Such memory
 * is never touched by pointer (its pages trap, and a store to them has side effects): the IOMMU's
 * entries hold routed addresses, which end in the other device's own access operations.
 *
 * A window keeps neither the device nor its file open, as a DMA mapping of a BAR does not in the
 * kernel; when the device is closed, DMA to the window fails.
 *
 * Lock: p2p->lock guards vdev and is held over an access. It lies below the device that does the
 * DMA; accesses below it are made as nested ones, which take no lock (file/file.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "iommu/dma.h"
#include "vfio/vfio_priv.h"

/* A file that was found under locks, where its reference must not be dropped. */
struct found_file {
	struct list_head node; /* of core->found; core->lock */
	struct file *file;
};

struct vfio_p2p {
	struct vfio_core *core;
	struct list_head node; /* core->lock */
	pthread_mutex_t lock;
	struct vfio_device *vdev; /* NULL: closed */
	unsigned int region;
	uint64_t off;
	paddr_t base;
};

/* The widest access at @off that is naturally aligned and not longer than @len. */
static unsigned int access_width(uint64_t off, size_t len)
{
	unsigned int width = 8;

	while (width > len || off & (width - 1))
		width /= 2;
	return width;
}

/* The device stays open meanwhile. */
static int region_access(struct vfio_device *vdev, unsigned int region, uint64_t off, uint8_t *buf,
			 size_t len, bool write)
{
	const struct vfio_device_ops *ops = vdev->ops;
	unsigned int width;
	uint64_t value;

	if (!ops->mmio_read || !ops->mmio_write)
		return -EIO;
	for (; len; off += width, buf += width, len -= width) {
		width = access_width(off, len);
		if (write) {
			value = 0;
			memcpy(&value, buf, width);
			ops->mmio_write(vdev, region, off, width, value, true);
		} else {
			value = ops->mmio_read(vdev, region, off, width, true);
			memcpy(buf, &value, width);
		}
	}
	return 0;
}

static int p2p_access(struct vfio_p2p *p2p, uint64_t off, uint8_t *buf, size_t len, bool write)
{
	int ret = -EIO;

	pthread_mutex_lock(&p2p->lock);
	if (p2p->vdev)
		ret = region_access(p2p->vdev, p2p->region, p2p->off + off, buf, len, write);
	pthread_mutex_unlock(&p2p->lock);
	return ret;
}

int vfio_p2p_rw(struct file *file, uint64_t off, void *buf, size_t len, bool write)
{
	if (file->ops != &vfio_device_fops)
		return -EFAULT;
	return region_access(((struct vfio_device_file *)file->priv)->vdev, vfio_offset_region(off),
			     vfio_offset_in_region(off), buf, len, write);
}

static int p2p_read(void *priv, uint64_t off, void *buf, size_t len)
{
	return p2p_access(priv, off, buf, len, false);
}

static int p2p_write(void *priv, uint64_t off, const void *buf, size_t len)
{
	return p2p_access(priv, off, (uint8_t *)buf, len, true);
}

static const struct dma_window_ops p2p_window_ops = { .read = p2p_read, .write = p2p_write };

struct file *vfio_p2p_find(struct vfio_core *core, uintptr_t addr, uint64_t *off)
{
	struct found_file *found, *known;
	struct file *file = NULL;
	bool have = false;

	if (!file_find_mapping(addr, HOST_PAGE_SIZE, &file, off) || !file)
		return NULL;
	found = malloc(sizeof(*found));
	pthread_mutex_lock(&core->lock);
	list_for_each_entry(known, &core->found, node)
		have |= known->file == file;
	if (found && !have) {
		found->file = file;
		list_add(&found->node, &core->found);
		atomic_fetch_add(&core->num_found, 1);
	}
	pthread_mutex_unlock(&core->lock);
	/* One reference a file is kept for later, so that this is never the last. */
	if (have || !found)
		file_put(file);
	if (have)
		free(found);
	return have || found ? file : NULL;
}

void vfio_p2p_put_found(struct vfio_core *core)
{
	struct found_file *found;
	bool more;

	if (likely(!atomic_load_explicit(&core->num_found, memory_order_relaxed)))
		return;
	do {
		found = NULL;
		pthread_mutex_lock(&core->lock);
		more = !list_empty(&core->found);
		if (more) {
			found = list_first_entry(&core->found, struct found_file, node);
			list_del(&found->node);
			atomic_fetch_sub(&core->num_found, 1);
		}
		pthread_mutex_unlock(&core->lock);
		if (found)
			file_put(found->file);
		free(found);
	} while (more);
}

int vfio_p2p_create(struct vfio_core *core, struct file *file, uint64_t off, uint64_t len,
		    struct vfio_p2p **out)
{
	struct vfio_p2p *p2p;
	int ret;

	if (file->ops != &vfio_device_fops)
		return -EFAULT;
	p2p = FAIL_POINT() ? NULL : calloc(1, sizeof(*p2p));
	if (!p2p)
		return -ENOMEM;
	p2p->core = core;
	p2p->vdev = ((struct vfio_device_file *)file->priv)->vdev;
	p2p->region = vfio_offset_region(off);
	p2p->off = vfio_offset_in_region(off);
	pthread_mutex_init(&p2p->lock, NULL);
	ret = dma_window_create(len, &p2p_window_ops, p2p, &p2p->base);
	if (ret) {
		pthread_mutex_destroy(&p2p->lock);
		free(p2p);
		return ret;
	}
	pthread_mutex_lock(&core->lock);
	list_add_tail(&p2p->node, &core->windows);
	pthread_mutex_unlock(&core->lock);
	*out = p2p;
	return 0;
}

void vfio_p2p_destroy(struct vfio_p2p *p2p)
{
	pthread_mutex_lock(&p2p->core->lock);
	list_del(&p2p->node);
	pthread_mutex_unlock(&p2p->core->lock);
	/* Waits for accesses that are running: afterwards none is. */
	dma_window_destroy(p2p->base);
	pthread_mutex_destroy(&p2p->lock);
	free(p2p);
}

paddr_t vfio_p2p_base(const struct vfio_p2p *p2p)
{
	return p2p->base;
}

void vfio_p2p_device_closed(struct vfio_device *vdev)
{
	struct vfio_core *core = vdev->group->core;
	struct vfio_p2p *p2p;

	pthread_mutex_lock(&core->lock);
	list_for_each_entry(p2p, &core->windows, node) {
		pthread_mutex_lock(&p2p->lock);
		if (p2p->vdev == vdev)
			p2p->vdev = NULL;
		pthread_mutex_unlock(&p2p->lock);
	}
	pthread_mutex_unlock(&core->lock);
}
