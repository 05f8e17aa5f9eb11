/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct vfio_device: one device, two doors. The uAPI (group, container, cdev) and the vfio-user
 * server drive a device through these operations alone. Structures come from <linux/vfio.h>
 * (uapi/vfio.h); every argument has been copied and checked for size by the dispatcher, no
 * operation sees a user pointer except mmap'ed access.
 *
 * Locks: vdev->lock (the kernel's device-set lock) is held for open, close, set_irqs and reset.
 */
#ifndef VFIO_VFIO_DEVICE_H
#define VFIO_VFIO_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/list.h"
#include "base/types.h"
#include "device/device.h"
#include "uapi/vfio.h"

struct file;
struct vfio_container;
struct vfio_device;
struct vfio_group;
struct vfio_log_ops;
struct vfio_migration_ops;

enum vfio_group_type { VFIO_IOMMU, VFIO_EMULATED_IOMMU, VFIO_NO_IOMMU };

/* Collects capability chains (VFIO_REGION_INFO_CAP_*); offsets are from the info structure's
 * start. */
struct vfio_info_cap {
	uint8_t *buf;
	size_t size;
};
int vfio_info_add_capability(struct vfio_info_cap *caps, const struct vfio_info_cap_header *cap,
			     size_t size);

/* SET_IRQS' header: that its counts fit @num_irqs interrupts of its index and @max_irq_type
 * indexes, and that argsz covers the data, of which *@data_size are the bytes. 0 or -EINVAL. */
int vfio_set_irqs_validate_and_prepare(const struct vfio_irq_set *hdr, unsigned int num_irqs,
				       unsigned int max_irq_type, size_t *data_size);

struct vfio_device_ops {
	const char *name; /* "vfio-pci" */
	/* First open; the file is vdev->file. 0 or -errno. */
	int (*open_device)(struct vfio_device *vdev);
	/* Last close. Cannot fail. */
	void (*close_device)(struct vfio_device *vdev);
	/* Fill flags, num_regions, num_irqs and capabilities. */
	int (*get_info)(struct vfio_device *vdev, struct vfio_device_info *info,
			struct vfio_info_cap *caps);
	/* info->index is set; fill the rest. -EINVAL: no such region. */
	int (*get_region_info)(struct vfio_device *vdev, struct vfio_region_info *info,
			       struct vfio_info_cap *caps);
	int (*get_irq_info)(struct vfio_device *vdev, struct vfio_irq_info *info);
	/* @data: eventfds (int32_t) or bools (uint8_t) as @flags say, @count of them; NULL for
	 * DATA_NONE. The header has been checked (vfio_set_irqs_validate_and_prepare). */
	int (*set_irqs)(struct vfio_device *vdev, uint32_t flags, unsigned int index,
			unsigned int start, unsigned int count, const void *data);
	int (*reset)(struct vfio_device *vdev); /* NULL: -EINVAL */
	/* Region access; @buf is the library's memory. Bytes moved or -errno. */
	ssize_t (*region_read)(struct vfio_device *vdev, unsigned int region, uint64_t off,
			       void *buf, size_t count);
	ssize_t (*region_write)(struct vfio_device *vdev, unsigned int region, uint64_t off,
				const void *buf, size_t count);
	/* Whether this stretch of a region may be mapped. */
	int (*mmap)(struct vfio_device *vdev, unsigned int region, uint64_t off, uint64_t len,
		    int prot, int flags);
	/* Trapped access through a mapping. */
	uint64_t (*mmio_read)(struct vfio_device *vdev, unsigned int region, uint64_t off,
			      unsigned int width, bool nested);
	void (*mmio_write)(struct vfio_device *vdev, unsigned int region, uint64_t off,
			   unsigned int width, uint64_t value, bool nested);
	/* Someone wants the device back; @count is how often it was asked before. No lock is
	 * held. */
	void (*request)(struct vfio_device *vdev, unsigned int count);
	/* Whether @name ("0000:01:00.0 vf_token=…") means this device: 1, 0 or -errno. NULL: name
	 * equals the device's. */
	int (*match)(struct vfio_device *vdev, const char *name);
	/* @flags: VFIO_DEVICE_FEATURE_{GET,SET,PROBE}; @feature its number; @data of @size bytes is
	 * in and out. 0 or -errno; -ENOTTY: unknown. */
	int (*device_feature)(struct vfio_device *vdev, uint32_t flags, uint32_t feature,
			      void *data, size_t size);
	/* The user unmaps a range in which pages are pinned: unpin what is yours of it before you
	 * return, and touch it no more. On the user's thread; of VFIO's locks none is held that
	 * vfio_unpin_pages() takes. No lock may be taken here under which the device is opened or
	 * closed. */
	void (*dma_unmap)(struct vfio_device *vdev, iova_t iova, uint64_t len);
	/* What only this bus has: VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, ... with the raw user
	 * argument. NULL: -ENOTTY */
	long (*ioctl)(struct vfio_device *vdev, unsigned int cmd, unsigned long arg);
};

/*
 * For who keeps the pointers of pinned pages (emulated_dma.h does). Set before the device is
 * registered, as vdev->pin_ops.
 */
struct vfio_pin_ops {
	/* As vfio_device_ops.dma_unmap; also when the device was closed, for everything. */
	void (*unmap)(struct vfio_device *vdev, iova_t iova, uint64_t len);
	/*
	 * The program takes the memory of the pinned page at @iova away: it stays pinned, but will
	 * be elsewhere. Forget the pointer and return when nothing uses it any more;
	 * vfio_pin_pages() gives the new one. Locks of VFIO's are held: pin and unpin nothing.
	 */
	void (*moving)(struct vfio_device *vdev, iova_t iova);
};

struct vfio_device {
	struct device *dev;
	const struct vfio_device_ops *ops;
	void *priv;
	struct vfio_group *group;
	enum vfio_group_type type;
	pthread_mutex_t lock;
	unsigned int open_count; /* guarded by lock */
	bool inherited;		 /* open in the parent of this forked process */
	struct file *file;	 /* of the open device; NULL when closed. Guarded by lock */
	int memfd; /* the file's backing, given by open_device; -1: a plain one is made */
	struct list_head group_node;
	/* Where the DMA of an open device goes; NULL: closed. */
	struct vfio_container *_Atomic container;
	atomic_bool may_pin;	      /* open, and not being closed */
	struct list_head iommu_entry; /* of the IOMMU driver's devices; its lock */
	const struct vfio_pin_ops *pin_ops;
	void *pin_priv;
	/* Set between vfio_init_device() and registration; NULL: the device has none of it. */
	const struct vfio_migration_ops *mig_ops; /* migration.h */
	const struct vfio_log_ops *log_ops;
	uint32_t migration_flags; /* VFIO_MIGRATION_* */
	/* How many interrupts SET_IRQS lets pass of any index, for a driver that looks for itself;
	 * 0: as many as get_irq_info says. */
	unsigned int set_irqs_max;
	atomic_bool precopy_info_v2; /* the user knows of vfio_precopy_info.flags */
	/* Guarded by the core's lock: who keeps vfio_unregister_group_dev() waiting. */
	unsigned int users;
	bool unregistering;
};

/* The registry (the kernel's vfio_main.c). Register makes or finds the group of vdev->dev. */
int vfio_init_device(struct vfio_device *vdev, struct device *dev,
		     const struct vfio_device_ops *ops, void *priv);
int vfio_register_group_dev(struct vfio_device *vdev, enum vfio_group_type type);
/* Asks the user to let go (ops->request, now and every ten seconds) and waits until the device is
 * closed. No lock may be held: for a driver's remove(). */
void vfio_unregister_group_dev(struct vfio_device *vdev);

/* ---- DMA of emulated devices ----------------------------------------------------------------- */

#define VFIO_PIN_PAGES_MAX_ENTRIES 512

/*
 * Pins @npage pages of the user's memory from @iova on (the offset in the page does not matter) for
 * IOMMU_READ and IOMMU_WRITE as @prot says, and gives the pages' addresses in this process. They
 * are touched only through base/copy.h, and hold as long as the program leaves its memory where it
 * is: whoever keeps them has pin_ops. A page that is pinned already, by any device, is counted.
 * Returns @npage, or -errno and nothing is pinned: -EINVAL not open, nothing mapped there, a page
 * of another device's, or nobody to tell of an unmap (dma_unmap, pin_ops); -E2BIG; -EPERM the
 * mapping does not allow @prot; -EFAULT; -ENOMEM, also over the memlock limit; -EACCES type1's
 * version 1; -ENOTTY no IOMMU.
 */
int vfio_pin_pages(struct vfio_device *vdev, iova_t iova, int npage, int prot, paddr_t *pages);
/* Takes one count of each page back. Pages that @vdev has not pinned are reported and left. */
void vfio_unpin_pages(struct vfio_device *vdev, iova_t iova, int npage);
/*
 * Moves @len bytes between @data and the user's memory at @iova, across mappings; memory of other
 * devices' that the program has mapped, too. The mappings must be readable, for @write writable as
 * well. 0, or -errno when a part could not be moved, what came before it has been: -EINVAL not
 * mapped, -EPERM, -EFAULT. The caller holds no lock of VFIO's.
 */
int vfio_dma_rw(struct vfio_device *vdev, iova_t iova, void *data, size_t len, bool write);

/* Whether @file is an open group, and whether @vdev is in it: what a user shows to prove that it
 * owns a device (VFIO_DEVICE_PCI_HOT_RESET). */
bool vfio_file_is_group(const struct file *file);
bool vfio_file_has_dev(const struct file *file, const struct vfio_device *vdev);

#endif
