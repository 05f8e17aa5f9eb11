/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open slice: a controller of its own (models/nvme/slice.h) on no bus, in its user's hands as
 * any PCI function is (vfio_pci/core.h). The parent's operations are those of that function; its
 * DMA goes to the memory of whoever opened the instance, its commands pass the parent's fair
 * sharing.
 *
 * The function exists from open to close, under the vfio_device's lock, since a session may know a
 * thousand instances and use a few, and the number of queues makes a controller large. Whoever asks
 * for the device back comes without that lock: slice->lock keeps the function for it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/failpoint.h"
#include "drivers/nvme_mdev/slice.h"
#include "vfio/emulated_dma.h"
#include "vfio_pci/core.h"

/* An instance in this process. */
struct slice {
	struct vfio_device *outer; /* the instance's */
	struct vfio_emulated_dma *dma;
	pthread_mutex_t lock; /* guards open */
	bool open;
	/* While it is open: */
	struct pci_dev *pdev;
	struct vfio_pci_device *vpd;
	struct vfio_device *inner; /* vpd's: never registered, nobody but this file knows it */
	struct fair *fair;
	unsigned int slot;
};

static struct slice *slice_of(const struct mdev_device *mdev)
{
	return mdev->drvdata;
}

static struct vfio_device *inner_of(const struct mdev_device *mdev)
{
	return slice_of(mdev)->inner;
}

/* ---- fair sharing ---------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t gate_admit(void *arg, uint64_t bytes)
{
	const struct slice *s = arg;

	return fair_admit(s->fair, s->slot, bytes, now_ns);
}

static void gate_enter(void *arg)
{
	const struct slice *s = arg;

	fair_begin(s->fair, s->slot);
}

static void gate_leave(void *arg, bool waiting)
{
	const struct slice *s = arg;

	fair_end(s->fair, s->slot, waiting);
}

/* ---- life ------------------------------------------------------------------------------------ */

int slice_probe(struct mdev_device *mdev)
{
	struct slice *s = FAIL_POINT() ? NULL : calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->outer = mdev_vfio_device(mdev);
	ret = vfio_emulated_dma_create(s->outer, 0, &s->dma);
	if (ret) {
		free(s);
		return ret;
	}
	pthread_mutex_init(&s->lock, NULL);
	mdev->drvdata = s;
	return 0;
}

void slice_remove(struct mdev_device *mdev)
{
	struct slice *s = slice_of(mdev);

	mdev->drvdata = NULL;
	vfio_emulated_dma_destroy(s->dma);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The program has opened /dev/kvm, perhaps since. */
static void follow_card(const struct mdev_device *mdev)
{
	const struct pci_dev *card = nvme_mdev_of(mdev->type->parent)->card;

	slice_of(mdev)->pdev->sparse_mmap = card->sparse_mmap;
}

static int make_function(struct mdev_device *mdev, struct slice *s)
{
	struct nvme_mdev *p = nvme_mdev_of(mdev->type->parent);
	struct nvme_mdev_state *parent = parent_state(&p->parent);
	struct slice_state *state = slice_state(mdev);
	uint32_t extent = state->extent;
	struct nvme_slice args;
	int ret;

	if (!extent || extent > EXTENTS_MAX)
		return -ENODEV;
	s->fair = &parent->fair;
	s->slot = extent - 1;
	args = (struct nvme_slice){ .card = p->card,
				    .start = parent->extents.extent[s->slot].start,
				    .size = mdev->type->arg,
				    .uuid = mdev->dev.name,
				    .state = state->controller,
				    .fresh = !state->used };
	if (fair_rate(s->fair))
		args.gate = (struct nvme_gate){
			.admit = gate_admit, .enter = gate_enter, .leave = gate_leave, .arg = s
		};
	ret = nvme_slice_create(&args, &s->pdev);
	if (ret)
		return ret;
	state->used = 1;
	snprintf(s->pdev->dev.name, sizeof(s->pdev->dev.name), "%s", mdev->dev.name);
	s->pdev->dev.requester = mdev->dev.requester;
	s->pdev->iommu = vfio_emulated_dma_dev(s->dma);
	s->pdev->no_mmap = p->card->no_mmap;
	follow_card(mdev);
	return 0;
}

static void set_open(struct slice *s, bool open)
{
	pthread_mutex_lock(&s->lock);
	s->open = open;
	pthread_mutex_unlock(&s->lock);
}

int slice_open(struct mdev_device *mdev)
{
	struct slice *s = slice_of(mdev);
	int ret = make_function(mdev, s);

	if (ret)
		return ret;
	ret = vfio_pci_device_create(s->pdev, &s->vpd);
	if (ret)
		goto out_function;
	s->inner = vfio_pci_device_vdev(s->vpd);
	fair_join(s->fair, s->slot);
	ret = vfio_pci_ops.open_device(s->inner);
	if (ret)
		goto out_vpd;
	s->outer->memfd = s->inner->memfd;
	set_open(s, true);
	return 0;
out_vpd:
	fair_leave(s->fair, s->slot);
	vfio_pci_device_destroy(s->vpd);
out_function:
	pci_dev_destroy(s->pdev);
	return ret;
}

void slice_close(struct mdev_device *mdev)
{
	struct slice *s = slice_of(mdev);

	set_open(s, false);
	vfio_pci_ops.close_device(s->inner);
	s->outer->memfd = -1;
	fair_leave(s->fair, s->slot);
	vfio_pci_device_destroy(s->vpd);
	pci_dev_destroy(s->pdev);
}

void slice_request(struct mdev_device *mdev, unsigned int count)
{
	struct slice *s = slice_of(mdev);

	pthread_mutex_lock(&s->lock);
	if (s->open)
		vfio_pci_ops.request(s->inner, count);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the function's operations --------------------------------------------------------------- */

int slice_get_info(struct mdev_device *mdev, struct vfio_device_info *info,
		   struct vfio_info_cap *caps)
{
	return vfio_pci_ops.get_info(inner_of(mdev), info, caps);
}

int slice_get_region_info(struct mdev_device *mdev, struct vfio_region_info *info,
			  struct vfio_info_cap *caps)
{
	follow_card(mdev);
	return vfio_pci_ops.get_region_info(inner_of(mdev), info, caps);
}

int slice_get_irq_info(struct mdev_device *mdev, struct vfio_irq_info *info)
{
	return vfio_pci_ops.get_irq_info(inner_of(mdev), info);
}

int slice_set_irqs(struct mdev_device *mdev, uint32_t flags, unsigned int index, unsigned int start,
		   unsigned int count, const void *data)
{
	return vfio_pci_ops.set_irqs(inner_of(mdev), flags, index, start, count, data);
}

int slice_reset(struct mdev_device *mdev)
{
	return vfio_pci_ops.reset(inner_of(mdev));
}

ssize_t slice_region_read(struct mdev_device *mdev, unsigned int region, uint64_t off, void *buf,
			  size_t count)
{
	return vfio_pci_ops.region_read(inner_of(mdev), region, off, buf, count);
}

ssize_t slice_region_write(struct mdev_device *mdev, unsigned int region, uint64_t off,
			   const void *buf, size_t count)
{
	return vfio_pci_ops.region_write(inner_of(mdev), region, off, buf, count);
}

int slice_mmap(struct mdev_device *mdev, unsigned int region, uint64_t off, uint64_t len, int prot,
	       int flags)
{
	follow_card(mdev);
	/* The file whose pages change their ways; it is there once the device is open. */
	inner_of(mdev)->file = slice_of(mdev)->outer->file;
	return vfio_pci_ops.mmap(inner_of(mdev), region, off, len, prot, flags);
}

uint64_t slice_mmio_read(struct mdev_device *mdev, unsigned int region, uint64_t off,
			 unsigned int width, bool nested)
{
	return vfio_pci_ops.mmio_read(inner_of(mdev), region, off, width, nested);
}

void slice_mmio_write(struct mdev_device *mdev, unsigned int region, uint64_t off,
		      unsigned int width, uint64_t value, bool nested)
{
	vfio_pci_ops.mmio_write(inner_of(mdev), region, off, width, value, nested);
}

/* Of what PCI has besides: it is on no bus that could be reset. */
long slice_ioctl(struct mdev_device *mdev, unsigned int cmd, unsigned long arg)
{
	if (cmd != VFIO_DEVICE_IOEVENTFD)
		return -ENOTTY;
	return vfio_pci_ops.ioctl(inner_of(mdev), cmd, arg);
}
