/* SPDX-License-Identifier: BSD-3-Clause */
/* The features of migration and DMA logging, as the dispatcher of VFIO_DEVICE_FEATURE calls them.
 * @arg: the user's address behind struct vfio_device_feature, @size: bytes that argsz leaves. */
#ifndef VFIO_MIGRATION_PRIV_H
#define VFIO_MIGRATION_PRIV_H

#include "base/types.h"
#include "vfio/vfio_device.h"

/* 1: do it; 0: it was a PROBE of something that is there; -EINVAL. @supported: GET, SET. */
int vfio_check_feature(uint32_t flags, size_t size, uint32_t supported, size_t minsz);

/* migration.c */
long vfio_feature_migration(struct vfio_device *vdev, uint32_t flags, uintptr_t arg, size_t size);
long vfio_feature_mig_device_state(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				   size_t size);
long vfio_feature_mig_data_size(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				size_t size);
long vfio_feature_mig_precopy_info_v2(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				      size_t size);
/* dma_logging.c */
long vfio_feature_logging_start(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				size_t size);
long vfio_feature_logging_stop(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
			       size_t size);
long vfio_feature_logging_report(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				 size_t size);

#endif
