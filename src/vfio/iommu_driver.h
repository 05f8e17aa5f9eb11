/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pluggable IOMMU drivers of a container (struct vfio_iommu_driver_ops in the kernel's
 * drivers/vfio/vfio.h). type1 serves VFIO_TYPE1_IOMMU and VFIO_TYPE1v2_IOMMU, noiommu
 * VFIO_NOIOMMU_IOMMU. The operations
 * behind detach_group may be NULL: not offered.
 */
#ifndef VFIO_IOMMU_DRIVER_H
#define VFIO_IOMMU_DRIVER_H

#include "base/list.h"
#include "vfio/vfio.h"
#include "vfio/vfio_device.h"

struct vfio_iommu_driver_ops {
	const char *name;
	/* @arg: the number given to SET_IOMMU. 0 and the driver's object, or -errno. */
	int (*open)(struct vfio_core *core, unsigned long arg, void **data);
	void (*release)(void *data);
	/* Container ioctls that the container does not handle itself; @data is NULL for
	 * VFIO_CHECK_EXTENSION asked before SET_IOMMU. */
	long (*ioctl)(struct vfio_core *core, void *data, unsigned int cmd, unsigned long arg);
	int (*attach_group)(void *data, struct iommu_group *group, enum vfio_group_type type);
	void (*detach_group)(void *data, struct iommu_group *group);
	/* For emulated devices: vfio_pin_pages() and its like in vfio_device.h. -ENXIO: pages of
	 * another device's, which have no pointer. */
	int (*pin_pages)(void *data, struct vfio_device *vdev, iova_t iova, int npage, int prot,
			 paddr_t *pages);
	void (*unpin_pages)(void *data, struct vfio_device *vdev, iova_t iova, int npage);
	int (*dma_rw)(void *data, iova_t iova, void *buf, size_t len, bool write);
	/* Before the device's first open and behind its last close: who is told of unmaps. */
	void (*register_device)(void *data, struct vfio_device *vdev);
	void (*unregister_device)(void *data, struct vfio_device *vdev);
	struct iommu_domain *(*group_iommu_domain)(void *data, struct iommu_group *group);
};

struct vfio_iommu_driver {
	struct list_head node;
	const struct vfio_iommu_driver_ops *ops;
};

/* -EBUSY: an operations table is registered once. */
int vfio_register_iommu_driver(struct vfio_core *core, const struct vfio_iommu_driver_ops *ops);
void vfio_unregister_iommu_driver(struct vfio_core *core, const struct vfio_iommu_driver_ops *ops);

extern const struct vfio_iommu_driver_ops vfio_iommu_driver_ops_type1,
	vfio_iommu_driver_ops_noiommu;

#endif
