/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE as stock vfio-pci answers it: low power, the VF token (of physical functions
 * with SR-IOV only), and the export of BARs as dma-buf, which a process cannot make: asking for one
 * fails as it does for ranges that cannot be exported.
 */
#include <errno.h>
#include <string.h>

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

/* Takes @wakeup on success. */
static int low_power_entry(struct vfio_pci_device *vpd, struct irq_trigger *wakeup)
{
	int ret = 0;

	pthread_mutex_lock(&vpd->memory_lock);
	if (atomic_load(&vpd->low_power)) {
		ret = -EINVAL;
	} else {
		vpd->wakeup = wakeup;
		atomic_store(&vpd->low_power, true);
		atomic_store(&vpd->wake_on_use, wakeup != NULL);
		vfio_pci_memory_update(vpd);
	}
	pthread_mutex_unlock(&vpd->memory_lock);
	return ret;
}

void vfio_pci_low_power_exit(struct vfio_pci_device *vpd, bool signal)
{
	pthread_mutex_lock(&vpd->memory_lock);
	atomic_store(&vpd->wake_on_use, false);
	if (vpd->wakeup) {
		if (signal)
			irq_trigger_signal(vpd->wakeup);
		irq_trigger_destroy(vpd->wakeup);
		vpd->wakeup = NULL;
	}
	if (atomic_load(&vpd->low_power)) {
		atomic_store(&vpd->low_power, false);
		vfio_pci_memory_update(vpd);
	}
	pthread_mutex_unlock(&vpd->memory_lock);
}

/* The host has to wake the function for whatever is asked of it; who gave an eventfd hears of
 * it. */
void vfio_pci_resume(struct vfio_pci_device *vpd)
{
	if (unlikely(atomic_load_explicit(&vpd->wake_on_use, memory_order_relaxed)))
		vfio_pci_low_power_exit(vpd, true);
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
	ret = low_power_entry(vpd, wakeup);
	if (ret)
		irq_trigger_destroy(wakeup);
	return ret;
}

int vfio_pci_feature(struct vfio_device *vdev, uint32_t flags, uint32_t feature, void *data,
		     size_t size)
{
	struct vfio_pci_device *vpd = to_vpd(vdev);
	int ret;

	vfio_pci_resume(vpd);
	switch (feature) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
		return ret == 1 ? low_power_entry(vpd, NULL) : ret;
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		return feature_low_power_wakeup(vpd, flags, data, size);
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
		if (ret == 1) {
			vfio_pci_low_power_exit(vpd, false);
			ret = 0;
		}
		return ret;
	case FEATURE_DMA_BUF:
		ret = check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, 0);
		return ret == 1 ? -EINVAL : ret;
	default:
		return -ENOTTY;
	}
}
