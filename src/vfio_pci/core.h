/* SPDX-License-Identifier: BSD-3-Clause */
/* What variant drivers build on (vfio_pci_core in the kernel): make an instance, register its
 * vdev. */
#ifndef VFIO_PCI_CORE_H
#define VFIO_PCI_CORE_H

#include "pci/pci.h"
#include "vfio/vfio_device.h"

struct vfio_pci_device;

extern const struct vfio_device_ops vfio_pci_ops;

/* vdev is initialised, not registered. 0 or -ENOMEM. */
int vfio_pci_device_create(struct pci_dev *pdev, struct vfio_pci_device **out);
struct vfio_device *vfio_pci_device_vdev(struct vfio_pci_device *vpd);
/* vdev is not registered (any more). */
void vfio_pci_device_destroy(struct vfio_pci_device *vpd);

#endif
