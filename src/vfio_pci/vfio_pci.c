/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver vfio-pci: it fits only functions whose driver_override names it or that new_id gave
 * it. A bound function idles in D3hot.
 */
#include "vfio_pci/vfio_pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "device/trace.h"
#include "vfio_pci/core.h"
#include "vfio_pci/vfio_pci_priv.h"

/* Functions of Intel's that a user could take the host down with: QAT, DSA and IAX. */
static const uint16_t denylist[] = {
	0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0435, 0x0443, 0x0b25, 0x0cfe
};

static bool is_denied(const struct pci_dev *pdev, bool disabled)
{
	for (size_t i = 0; i < ARRAY_SIZE(denylist); i++) {
		if (pdev->vendor != 0x8086 || pdev->device != denylist[i])
			continue;
		if (disabled)
			pr_warn("vfio-pci %s: device denylist disabled - allowing device "
				"%04x:%04x.",
				pdev->dev.name, pdev->vendor, pdev->device);
		else
			pr_warn("vfio-pci %s: %04x:%04x exists in vfio-pci device denylist, "
				"driver probing disallowed.",
				pdev->dev.name, pdev->vendor, pdev->device);
		return !disabled;
	}
	return false;
}

static int core_register(struct vfio_pci_device *vpd, struct device *dev)
{
	int ret;

	trace_bind_enter(dev, BIND_VFIO_PCI_CORE_REGISTER_DEVICE, 0);
	ret = vfio_register_group_dev(&vpd->vdev, VFIO_IOMMU);
	return trace_bind_leave(dev, BIND_VFIO_PCI_CORE_REGISTER_DEVICE, ret);
}

static int do_probe(struct device *dev)
{
	const struct vfio_pci_params *params = dev->driver->priv;
	struct pci_dev *pdev = to_pci_dev(dev);
	struct vfio_pci_device *vpd;
	int ret;

	if (is_denied(pdev, *params->disable_denylist) || pdev->is_bridge)
		return -EINVAL;
	ret = vfio_pci_device_create(pdev, &vpd);
	if (ret)
		return ret;
	vpd->nointxmask = *params->nointxmask;
	vpd->disable_idle_d3 = *params->disable_idle_d3;
	vpd->disable_vga = *params->disable_vga;
	ret = core_register(vpd, dev);
	if (ret) {
		vfio_pci_device_destroy(vpd);
		return ret;
	}
	dev->drvdata = vpd;
	/* Without the parameter a function that nobody has open sleeps. */
	if (vpd->disable_idle_d3)
		pci_set_power_state(pdev, 0);
	vfio_pci_sleep(vpd);
	return 0;
}

static int probe(struct device *dev)
{
	trace_bind_enter(dev, BIND_VFIO_PCI_PROBE, 0);
	return trace_bind_leave(dev, BIND_VFIO_PCI_PROBE, do_probe(dev));
}

static void driver_remove(struct device *dev)
{
	struct vfio_pci_device *vpd = dev->drvdata;

	trace_bind_enter(dev, BIND_VFIO_PCI_REMOVE, 0);
	trace_bind_enter(dev, BIND_VFIO_PCI_CORE_UNREGISTER_DEVICE, 0);
	/* Returns when the last user is gone. */
	vfio_unregister_group_dev(&vpd->vdev);
	trace_bind_leave(dev, BIND_VFIO_PCI_CORE_UNREGISTER_DEVICE, 0);
	vfio_pci_wake(vpd);
	vfio_pci_device_destroy(vpd);
	trace_bind_leave(dev, BIND_VFIO_PCI_REMOVE, 0);
}

/* The user hears of it; what is to be done is the user's business. */
static void error_detected(struct pci_dev *pdev)
{
	struct vfio_pci_device *vpd = pdev->dev.drvdata;
	struct irq_trigger *trigger;

	pthread_mutex_lock(&vpd->req_lock);
	trigger = atomic_load(&vpd->err_trigger);
	if (trigger)
		irq_trigger_signal(trigger);
	pthread_mutex_unlock(&vpd->req_lock);
}

static const struct pci_device_id ids[] = {
	{ .vendor = PCI_ANY_ID,
	  .device = PCI_ANY_ID,
	  .subvendor = PCI_ANY_ID,
	  .subdevice = PCI_ANY_ID,
	  .override_only = true },
	{ .vendor = 0 },
};

int vfio_pci_register(struct pci_bus *bus, const struct vfio_pci_params *params,
		      struct pci_driver **out)
{
	struct pci_driver *drv = calloc(1, sizeof(*drv) + sizeof(*params));
	int ret;

	if (!drv)
		return -ENOMEM;
	drv->drv.priv = memcpy(drv + 1, params, sizeof(*params));
	drv->drv.name = "vfio-pci";
	drv->drv.module = "vfio_pci";
	drv->drv.probe = probe;
	drv->drv.remove = driver_remove;
	drv->idles = true;
	drv->error_detected = error_detected;
	drv->sriov_configure = vfio_pci_sriov_configure;
	drv->vfs_changed = vfio_pci_vfs_changed;
	drv->vf_added = vfio_pci_vf_added;
	drv->vf_bound = vfio_pci_vf_bound;
	drv->id_table = ids;
	ret = pci_driver_register(bus, drv);
	if (ret) {
		free(drv);
		return ret;
	}
	*out = drv;
	return 0;
}

void vfio_pci_unregister(struct pci_driver *drv)
{
	pci_driver_unregister(drv);
	free(drv);
}
