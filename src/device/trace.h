/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding and unbinding as events (EVENT_BIND): the steps of the chain, named after the kernel's
 * functions. A step that has others in it is entered and left, with its result; the others are
 * told. Off, each costs one predictable branch. A thread that follows another process tells
 * nothing.
 */
#ifndef DEVICE_TRACE_H
#define DEVICE_TRACE_H

#include "base/event.h"
#include "device/device.h"

/* Behind each: what its event's b and c are. */
enum bind_step {
	BIND_DRIVER_PROBE_DEVICE, /* the driver's name, 16 bytes */
	BIND_VFIO_PCI_PROBE,
	BIND_VFIO_PCI_CORE_REGISTER_DEVICE,
	BIND_VFIO_REGISTER_GROUP_DEV, /* enum vfio_group_type */
	BIND_VFIO_DEVICE_SET_GROUP,
	BIND_VFIO_GROUP_FIND_OR_ALLOC,
	BIND_IOMMU_GROUP_GET, /* the group's number, ~0: none */
	BIND_VFIO_NOIOMMU_GROUP_ALLOC,
	BIND_IOMMU_GROUP_ALLOC,		 /* number */
	BIND_IOMMU_GROUP_ADD_DEVICE,	 /* number */
	BIND_VFIO_CREATE_GROUP,		 /* number, enum vfio_group_type */
	BIND_ADD_TAINT,			 /* flag */
	BIND_VFIO_DEVICE_GROUP_REGISTER, /* number */
	BIND_DEVICE_RELEASE_DRIVER,	 /* the driver's name, 16 bytes */
	BIND_VFIO_PCI_REMOVE,
	BIND_VFIO_PCI_CORE_UNREGISTER_DEVICE,
	BIND_VFIO_UNREGISTER_GROUP_DEV,
	BIND_VFIO_DEVICE_GROUP_UNREGISTER, /* number */
	BIND_VFIO_PCI_CORE_REQUEST,	   /* how often the user was asked before */
	BIND_VFIO_DEVICE_REMOVE_GROUP,	   /* number, enum vfio_group_type */
	BIND_VFIO_GROUP_DETACH_CONTAINER,  /* number */
	BIND_IOMMU_GROUP_REMOVE_DEVICE,	   /* number */
	BIND_STEPS,
};

#define BIND_NO_GROUP UINT64_MAX

/* Of an event's a. The depth counts the steps that have been entered. */
#define BIND_EVENT(step, depth, left) \
	((uint64_t)(step) | (uint64_t)(depth) << 16 | (uint64_t)(left) << 32)
#define BIND_EVENT_STEP(a)  ((unsigned int)((a)&0xffff))
#define BIND_EVENT_DEPTH(a) ((unsigned int)((a) >> 16 & 0xffff))
#define BIND_EVENT_LEFT(a)  ((bool)((a) >> 32))

void trace_bind_write(const struct device *dev, enum bind_step step, uint64_t b, uint64_t c);
void trace_bind_enter_write(const struct device *dev, enum bind_step step, uint64_t b, uint64_t c);
void trace_bind_leave_write(const struct device *dev, enum bind_step step, int ret);
/* The same with the name of a driver. */
void trace_bind_driver_write(const struct device *dev, enum bind_step step, const char *name);

static inline bool trace_bind_on(void)
{
	return unlikely(event_is_on(EVENT_BIND));
}

static inline void trace_bind(const struct device *dev, enum bind_step step, uint64_t b, uint64_t c)
{
	if (trace_bind_on())
		trace_bind_write(dev, step, b, c);
}

static inline void trace_bind_enter(const struct device *dev, enum bind_step step, uint64_t b)
{
	if (trace_bind_on())
		trace_bind_enter_write(dev, step, b, 0);
}

/* Returns @ret. */
static inline int trace_bind_leave(const struct device *dev, enum bind_step step, int ret)
{
	if (trace_bind_on())
		trace_bind_leave_write(dev, step, ret);
	return ret;
}

#endif
