/* SPDX-License-Identifier: BSD-3-Clause */
/* What the driver core's files share. */
#ifndef DEVICE_DEVICE_PRIV_H
#define DEVICE_DEVICE_PRIV_H

#include <pthread.h>
#include "device/device.h"
#include "device/uevent.h"

struct device_core {
	pthread_mutex_t lock;	/* recursive */
	unsigned int depth;	/* how often the owner holds it. Guarded by lock */
	pthread_cond_t unbound; /* an unbind has ended */
	struct list_head buses; /* guarded by lock */
	void (*observer)(void *arg, struct device *dev, enum device_change what);
	void *observer_arg; /* both guarded by lock */
	int (*uevent)(void *arg, struct uevent *event);
	void *uevent_arg; /* both guarded by lock */
};

/* The lock is released completely, however deep it is held, and taken again as deep. */
unsigned int device_core_drop(struct device_core *core);
void device_core_retake(struct device_core *core, unsigned int depth);

void device_notify(struct device *dev, enum device_change what);

/* uevent.c: stores of `uevent`. */
ssize_t bus_uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len);
ssize_t driver_uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len);
ssize_t device_uevent_store(void *obj, const struct attribute *attr, const char *buf, size_t len);

extern const struct attribute bus_core_attrs[];
extern const struct attribute driver_core_attrs[];
extern const struct attribute device_core_attrs[];

#endif
