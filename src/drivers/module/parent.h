/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parents of mediated devices that are not ours: those of <uvfio/mdev.h>. Each becomes a parent
 * with operations, whose instances the driver vfio_mdev takes; what is common to all of them
 * (regions' bounds and memory, interrupts, what the library does for a parent) is here.
 */
#ifndef DRIVERS_MODULE_PARENT_H
#define DRIVERS_MODULE_PARENT_H

#include <stddef.h>

struct uvfio_mdev_ops;
struct uvfio_mdev_parent;

/*
 * Makes the device /sys/devices/virtual/uvfio/NAME and registers it as parent; the driver vfio_mdev
 * is there. -EINVAL what @ops says does not serve, -EEXIST a parent of that name, -ENODEV the mdev
 * core is not there, -EBUSY vfio_mdev is not, -ENOMEM. @err gets a sentence for -EINVAL and
 * -EEXIST. The core's lock is not held.
 */
int module_parent_register(const struct uvfio_mdev_ops *ops, struct uvfio_mdev_parent **out,
			   char *err, size_t err_size);
/* What module_parent_register() says -EINVAL to. */
int module_parent_check(const struct uvfio_mdev_ops *ops, char *err, size_t err_size);
/* Waits for users of instances in this process. No lock may be held. */
void module_parent_unregister(struct uvfio_mdev_parent *parent);

#endif
