/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the mdev core share. */
#ifndef MDEV_MDEV_PRIV_H
#define MDEV_MDEV_PRIV_H

#include "mdev/mdev.h"

struct mdev_core {
	struct bus_type bus;
	struct mdev_env env;
	struct mdev_core *outer; /* of another machine, whose turn it is when this one has gone */
	/* Guarded by the device core's lock. */
	struct list_head parents, devices;
};

/* The core of this process' machine; NULL: its module is not loaded. */
struct mdev_core *mdev_core_get(void);

/* mdev_driver.c: what the bus "mdev" is. */
void mdev_bus_setup(struct bus_type *bus);
/* mdev_sysfs.c: attributes of every instance. */
extern const struct attribute mdev_device_attrs[];

/* mdev_state.c: a state of @size bytes behind its header. 0 or -errno; *@out is the driver's
 * part. With @size 0 there is none. */
int mdev_state_get(struct mdev_core *core, const char *name, size_t size, struct mdev_state **out,
		   void **state);
void mdev_state_put(struct mdev_core *core, struct mdev_state *shared, size_t size);

/* Of the driver or, for vfio_mdev, of the parent. */
size_t mdev_parent_state_size(const struct mdev_parent *parent);
size_t mdev_state_size(const struct mdev_parent *parent);
const char *mdev_device_api(const struct mdev_parent *parent);

/* vfio_mdev.c */
extern struct mdev_driver vfio_mdev_driver;

#endif
