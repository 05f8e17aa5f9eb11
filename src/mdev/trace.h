/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to mediated devices as events (EVENT_MDEV): instances come and go, and what the
 * driver vfio_mdev hands on to their parents. dev is the instance's number, a is the operation,
 * with MDEV_RESULT when b is what it returned.
 */
#ifndef MDEV_TRACE_H
#define MDEV_TRACE_H

#include "base/event.h"
#include "mdev/mdev.h"

/* Behind each: what b and c are. */
enum mdev_op {
	MDEV_CREATE,
	MDEV_REMOVE,
	MDEV_OPEN_DEVICE,
	MDEV_CLOSE_DEVICE,
	MDEV_GET_INFO,
	MDEV_GET_REGION_INFO, /* index */
	MDEV_GET_IRQ_INFO,    /* index */
	MDEV_SET_IRQS,	      /* index, count */
	MDEV_RESET,
	MDEV_REGION_READ,    /* region << 40 | offset, bytes */
	MDEV_REGION_WRITE,   /* the same */
	MDEV_MMAP,	     /* the same */
	MDEV_MMIO_READ,	     /* the same */
	MDEV_MMIO_WRITE,     /* the same */
	MDEV_REQUEST,	     /* how often the user was asked before */
	MDEV_DEVICE_FEATURE, /* number, flags */
	MDEV_DMA_UNMAP,	     /* IOVA, bytes */
	MDEV_IOCTL,	     /* command */
	MDEV_OPS,
};

#define MDEV_RESULT (1ULL << 32)

static inline void trace_mdev(const struct mdev_device *mdev, enum mdev_op op, uint64_t b,
			      uint64_t c)
{
	event_emit(EVENT_MDEV, mdev->id, op, b, c);
}

/* Returns @ret. */
static inline long trace_mdev_result(const struct mdev_device *mdev, enum mdev_op op, long ret)
{
	event_emit(EVENT_MDEV, mdev->id, op | MDEV_RESULT, (uint64_t)ret, 0);
	return ret;
}

#endif
