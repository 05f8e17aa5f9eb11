/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE as stock vfio-pci answers it: low power (power.c), the VF token of physical
 * functions with SR-IOV, and BARs as dma-buf (dmabuf.c).
 */
#include <errno.h>
#include <string.h>

#include "pci/sriov.h"
#include "vfio_pci/vfio_pci_priv.h"

#define FEATURE_DMA_BUF 11 /* VFIO_DEVICE_FEATURE_DMA_BUF of newer headers */

/* 1: go on and do it. */
static int check_feature(uint32_t flags, size_t size, uint32_t supported, size_t minsz)
{
	const uint32_t ops = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;

	if (flags & ops & ~supported)
		return -EINVAL;
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	return !(flags & ops) || size < minsz ? -EINVAL : 1;
}

static int feature_low_power_wakeup(struct vfio_pci_device *vpd, uint32_t flags, const void *data,
				    size_t size)
{
	struct {
		int32_t eventfd;
		uint32_t reserved;
	} entry;
	struct irq_trigger *wakeup;
	int ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, sizeof(entry));

	if (ret != 1)
		return ret;
	memcpy(&entry, data, sizeof(entry));
	if (entry.eventfd < 0)
		return -EINVAL;
	ret = irq_trigger_create(entry.eventfd, &wakeup);
	if (ret)
		return ret;
	ret = vfio_pci_low_power_entry(vpd, wakeup);
	if (ret)
		irq_trigger_destroy(wakeup);
	return ret;
}

/* Only a physical function with SR-IOV has one. It is never told: it may be the last user's. */
static int feature_vf_token(struct vfio_pci_device *vpd, uint32_t flags, const void *data,
			    size_t size)
{
	int ret;

	if (!vpd->pdev->sriov)
		return -ENOTTY;
	ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 16);
	if (ret != 1)
		return ret;
	pci_vf_token_set(vpd->pdev, data);
	return 0;
}

static int feature(struct vfio_pci_device *vpd, uint32_t flags, uint32_t number, void *data,
		   size_t size)
{
	int ret;

	switch (number) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
		return ret == 1 ? vfio_pci_low_power_entry(vpd, NULL) : ret;
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		return feature_low_power_wakeup(vpd, flags, data, size);
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
		if (ret != 1)
			return ret;
		vfio_pci_low_power_exit(vpd);
		return 0;
	case VFIO_DEVICE_FEATURE_PCI_VF_TOKEN:
		return feature_vf_token(vpd, flags, data, size);
	case FEATURE_DMA_BUF:
		ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, 16);
		return ret == 1 ? vfio_pci_feature_dma_buf(vpd, data, size) : ret;
	default:
		return -ENOTTY;
	}
}

int vfio_pci_feature(struct vfio_device *vdev, uint32_t flags, uint32_t number, void *data,
		     size_t size)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	bool used = vfio_pci_use(vpd);
	int ret = feature(vpd, flags, number, data, size);

	vfio_pci_unuse(vpd, used);
	return ret;
}
