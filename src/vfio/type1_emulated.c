/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Emulated devices of a container: who is told when the user unmaps what is pinned, and DMA that is
 * done by copying (vfio_dma_rw).
 *
 * device_list_lock is taken without iommu->lock, so that a device that is told can unpin, and that
 * a thread of the device's which holds the device's lock can finish what it pins. A device leaves
 * the list when it is closed: nobody is telling it anything when that is done.
 */
#include "vfio/type1_priv.h"

#include <errno.h>

#include "base/copy.h"

void vfio_type1_register_device(struct vfio_iommu *iommu, struct vfio_device *vdev)
{
	if (vdev->type != VFIO_EMULATED_IOMMU && !vdev->ops->dma_unmap && !vdev->pin_ops)
		return;
	pthread_mutex_lock(&iommu->device_list_lock);
	list_add(&vdev->iommu_entry, &iommu->devices);
	pthread_mutex_unlock(&iommu->device_list_lock);
}

void vfio_type1_unregister_device(struct vfio_iommu *iommu, struct vfio_device *vdev)
{
	if (vdev->pin_ops)
		vdev->pin_ops->unmap(vdev, 0, UINT64_MAX);
	pthread_mutex_lock(&iommu->device_list_lock);
	list_del(&vdev->iommu_entry);
	list_init(&vdev->iommu_entry);
	pthread_mutex_lock(&iommu->lock);
	vfio_pfns_drop_device(iommu, vdev);
	pthread_mutex_unlock(&iommu->lock);
	pthread_mutex_unlock(&iommu->device_list_lock);
}

void vfio_notify_dma_unmap(struct vfio_iommu *iommu, const struct vfio_dma *dma)
{
	const iova_t iova = vfio_dma_iova(dma);
	const uint64_t size = dma->size;
	struct vfio_device *vdev;

	pthread_mutex_unlock(&iommu->lock);
	pthread_mutex_lock(&iommu->device_list_lock);
	list_for_each_entry(vdev, &iommu->devices, iommu_entry) {
		if (vdev->pin_ops)
			vdev->pin_ops->unmap(vdev, iova, size);
		if (vdev->ops->dma_unmap)
			vdev->ops->dma_unmap(vdev, iova, size);
	}
	pthread_mutex_unlock(&iommu->device_list_lock);
	pthread_mutex_lock(&iommu->lock);
}

/* ---- DMA by copying -------------------------------------------------------------------------- */

/* Up to @len bytes, at least one. Bytes moved or -errno. */
static ssize_t move_run(uintptr_t vaddr, void *buf, size_t len, bool write)
{
	struct file *file = NULL;
	uint64_t off;
	int ret;

	if (file_find_mapping(vaddr, len, &file, &off))
		/* Part of it is another device's. */
		len = file_mapping_run(vaddr, len);
	if (file) {
		ret = vfio_p2p_rw(file, off, buf, len, write);
		file_put_later(file);
	} else {
		ret = write ? copy_to_user(vaddr, buf, len) : copy_from_user(buf, vaddr, len);
	}
	return ret ? ret : (ssize_t)len;
}

/* What lies in one mapping. */
static ssize_t dma_rw_chunk(struct vfio_iommu *iommu, iova_t iova, void *buf, size_t len,
			    bool write)
{
	struct vfio_dma *dma = vfio_find_dma(iommu, iova, iova);
	uint64_t off;
	ssize_t n;

	if (!dma)
		return -EINVAL;
	/* Whoever may only be written cannot be written like this. */
	if ((write && !(dma->prot & IOMMU_WRITE)) || !(dma->prot & IOMMU_READ))
		return -EPERM;
	off = iova - vfio_dma_iova(dma);
	n = move_run(dma->vaddr + off, buf, MIN(len, dma->size - off), write);
	if (n > 0 && write)
		vfio_dirty_set(dma, iova, (uint64_t)n);
	return n;
}

int vfio_type1_dma_rw(struct vfio_iommu *iommu, iova_t iova, void *buf, size_t len, bool write)
{
	char *bytes = buf;
	ssize_t n = 0;

	pthread_mutex_lock(&iommu->lock);
	if (iommu->vaddr_invalid_count)
		n = -EBUSY;
	for (; len && n >= 0; iova += (uint64_t)n, bytes += n, len -= (size_t)n) {
		n = dma_rw_chunk(iommu, iova, bytes, len, write);
		if (n < 0)
			break;
	}
	pthread_mutex_unlock(&iommu->lock);
	return n < 0 ? (int)n : 0;
}
