/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this driver share: a parent in this process, and the states. */
#ifndef DRIVERS_NVME_MDEV_SLICE_H
#define DRIVERS_NVME_MDEV_SLICE_H

#include "drivers/nvme_mdev/extents.h"
#include "drivers/nvme_mdev/fair.h"
#include "mdev/mdev.h"
#include "models/nvme/slice.h"
#include "pci/pci.h"

#define NVME_MDEV_TYPES 40 /* 1 MiB to 2^59 bytes */

_Static_assert(EXTENTS_MAX == FAIR_SLOTS, "an extent's number is its slot");

/* Of a parent, in the session: under mdev_parent_lock() but for fair. */
struct nvme_mdev_state {
	struct extents extents;
	struct fair fair;
};

/* Of an instance, in the session. The group's owner uses it. */
struct slice_state {
	uint32_t extent; /* number plus 1; 0: none yet */
	uint32_t used;	 /* the controller's part has been set up */
	_Alignas(64) uint8_t controller[NVME_SLICE_STATE];
};

/* States begin where the core puts them; ours on a cache line. */
#define STATE_SIZE(type) (sizeof(type) + 64)

struct nvme_mdev {
	struct mdev_parent parent;
	struct pci_dev *card;
	uint64_t total; /* bytes of its medium */
	unsigned int n_types;
	struct mdev_type types[NVME_MDEV_TYPES];
	char names[NVME_MDEV_TYPES][16];
};

static inline struct nvme_mdev *nvme_mdev_of(struct mdev_parent *parent)
{
	return container_of(parent, struct nvme_mdev, parent);
}

static inline void *state_align(void *state)
{
	return (void *)ALIGN_UP((uintptr_t)state, (uintptr_t)64);
}

static inline struct nvme_mdev_state *parent_state(struct mdev_parent *parent)
{
	return state_align(parent->state);
}

static inline struct slice_state *slice_state(struct mdev_device *mdev)
{
	return state_align(mdev->state);
}

extern const struct mdev_parent_ops nvme_mdev_ops;

/* slice.c: an instance in this process, and the operations of an open one, for nvme_mdev_ops. */
int slice_probe(struct mdev_device *mdev);
void slice_remove(struct mdev_device *mdev);
int slice_open(struct mdev_device *mdev);
void slice_close(struct mdev_device *mdev);
int slice_get_info(struct mdev_device *mdev, struct vfio_device_info *info,
		   struct vfio_info_cap *caps);
int slice_get_region_info(struct mdev_device *mdev, struct vfio_region_info *info,
			  struct vfio_info_cap *caps);
int slice_get_irq_info(struct mdev_device *mdev, struct vfio_irq_info *info);
int slice_set_irqs(struct mdev_device *mdev, uint32_t flags, unsigned int index, unsigned int start,
		   unsigned int count, const void *data);
int slice_reset(struct mdev_device *mdev);
ssize_t slice_region_read(struct mdev_device *mdev, unsigned int region, uint64_t off, void *buf,
			  size_t count);
ssize_t slice_region_write(struct mdev_device *mdev, unsigned int region, uint64_t off,
			   const void *buf, size_t count);
int slice_mmap(struct mdev_device *mdev, unsigned int region, uint64_t off, uint64_t len, int prot,
	       int flags);
uint64_t slice_mmio_read(struct mdev_device *mdev, unsigned int region, uint64_t off,
			 unsigned int width, bool nested);
void slice_mmio_write(struct mdev_device *mdev, unsigned int region, uint64_t off,
		      unsigned int width, uint64_t value, bool nested);
void slice_request(struct mdev_device *mdev, unsigned int count);
long slice_ioctl(struct mdev_device *mdev, unsigned int cmd, unsigned long arg);

#endif
