/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver nvme_mdev for the bus: a function of the model nvme that is bound to it becomes the
 * parent of mediated devices, slices of its medium. Functions of other models are refused.
 *
 * Each process of a session follows a binding; @first is true in the one that makes it.
 */
#ifndef DRIVERS_NVME_MDEV_NVME_MDEV_H
#define DRIVERS_NVME_MDEV_NVME_MDEV_H

#include "pci/pci.h"

/* core->lock held. 0, -ENODEV: not an NVMe controller, or the mdev core is not there; -ENOSPC: the
 * medium is too small for any type; -EBUSY: the driver vfio_mdev is not there; -ENOMEM. */
int nvme_mdev_probe(struct pci_dev *dev, bool first);
/* No lock held: waits for the users of instances in this process. */
void nvme_mdev_remove(struct pci_dev *dev, bool first);

#endif
