/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA for the hardware behind an emulated device: an iommu_dev whose DMA (iommu/dma.h) goes
 * through the user's mappings of a vfio_device. What it touches is pinned with vfio_pin_pages() at
 * the first touch and then reached without locks; it is let go when the user unmaps it, when the
 * device is closed, or when too much is pinned. Pages of other devices' go through vfio_dma_rw().
 *
 * The promise holds: when UNMAP_DMA has returned, nothing touches the memory any more.
 */
#ifndef VFIO_EMULATED_DMA_H
#define VFIO_EMULATED_DMA_H

#include "iommu/dma.h"
#include "vfio/vfio_device.h"

#define VFIO_EMULATED_DMA_PAGES 131072 /* pinned at most, when nothing else is said */

struct vfio_emulated_dma;

/*
 * Between vfio_init_device() and vfio_register_group_dev() of @vdev, which gets the handle's
 * pin_ops; its driver needs no dma_unmap. @max_pages: pinned at most; 0: VFIO_EMULATED_DMA_PAGES.
 * 0 or -ENOMEM. The device is master of the bus only after dma_set_master().
 */
int vfio_emulated_dma_create(struct vfio_device *vdev, size_t max_pages,
			     struct vfio_emulated_dma **out);
/* Behind vfio_unregister_group_dev(); no DMA runs. */
void vfio_emulated_dma_destroy(struct vfio_emulated_dma *dma);
/* The device for iommu/dma.h, as long as the handle. One thread at a time may use it. */
struct iommu_dev *vfio_emulated_dma_dev(struct vfio_emulated_dma *dma);
/* Pages that are pinned now. */
size_t vfio_emulated_dma_pinned(struct vfio_emulated_dma *dma);

#endif
