/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration and DMA logging of a device (version 2 of the migration uAPI; in the kernel
 * include/linux/vfio.h with struct vfio_migration_ops and struct vfio_log_ops). The core checks
 * arguments, takes the state machine's steps apart and moves data and file descriptors; a driver
 * does the arcs between two states.
 *
 * A driver sets vdev->mig_ops, vdev->migration_flags and vdev->log_ops before it registers. No lock
 * of the core is held when an operation is called, and several may be called at once: a driver has
 * a lock of its own around its state.
 */
#ifndef VFIO_MIGRATION_H
#define VFIO_MIGRATION_H

#include "base/types.h"
#include "uapi/vfio.h"
#include "vfio/vfio_device.h"

struct vfio_migration_ops {
	/*
	 * Brings the device to @new_state, by way of vfio_mig_get_next_state(). When the last step
	 * opens a data transfer, *@file becomes its file (vfio_mig_file_create()) with one
	 * reference, which the core consumes. *@file is NULL before. 0 or -errno.
	 */
	int (*set_state)(struct vfio_device *vdev, enum vfio_device_mig_state new_state,
			 struct file **file);
	int (*get_state)(struct vfio_device *vdev, enum vfio_device_mig_state *state);
	/* Bytes that STOP_COPY will give, about. */
	int (*get_data_size)(struct vfio_device *vdev, uint64_t *stop_copy_length);
};

/*
 * The first state on the way from @cur to @new that the driver has to do, by the kernel's table:
 * states that vdev->migration_flags lack are skipped. -EINVAL: there is no such way, or no such
 * state.
 */
int vfio_mig_get_next_state(const struct vfio_device *vdev, enum vfio_device_mig_state cur,
			    enum vfio_device_mig_state new, enum vfio_device_mig_state *next);

/* ---- the data transfer's file ---------------------------------------------------------------- */

/* What stands behind the file of a data transfer. The buffers are the library's memory. */
struct vfio_mig_file_ops {
	const char *name;
	/* STOP_COPY, PRE_COPY: the next up to @count bytes; 0 at the end, -ENOMSG when there is
	 * nothing more before the next state (PRE_COPY), -ENODEV: the session is over. NULL: the
	 * file cannot be read (-EBADF). */
	ssize_t (*read)(void *priv, void *buf, size_t count);
	/* The last @count bytes have not reached the user: the next read gives them again. NULL:
	 * they are lost. */
	void (*unread)(void *priv, size_t count);
	/* RESUMING. NULL: it cannot be written (-EBADF). */
	ssize_t (*write)(void *priv, const void *buf, size_t count);
	/* VFIO_MIG_GET_PRECOPY_INFO; info->flags is 0, argsz has been checked. NULL: -ENOTTY. */
	int (*precopy_info)(void *priv, struct vfio_precopy_info *info);
	/* The last fd is closed. */
	void (*release)(void *priv);
};

/* A stream: no position, read and write go on where the last one ended (pread: -ESPIPE). 0, the
 * file has one reference, or -errno and @priv stays the caller's. */
int vfio_mig_file_create(const struct vfio_mig_file_ops *ops, void *priv, struct file **out);

/* ---- DMA logging ----------------------------------------------------------------------------- */

struct vfio_log_range {
	iova_t start, last; /* inclusive */
};

struct iova_bitmap;

struct vfio_log_ops {
	/* Log writes to @ranges, @nranges of them in order and without overlap, by pages of
	 * *@page_size bytes or what the device can instead. */
	int (*log_start)(struct vfio_device *vdev, const struct vfio_log_range *ranges,
			 size_t nranges, uint64_t *page_size);
	int (*log_stop)(struct vfio_device *vdev);
	/* Tells what was written in [@iova, @iova + @length) with iova_bitmap_set(), and forgets
	 * it. */
	int (*log_read_and_clear)(struct vfio_device *vdev, iova_t iova, uint64_t length,
				  struct iova_bitmap *dirty);
};

/* Sets the bits of [@iova, @iova + @length) in the user's bitmap; what lies outside of it is
 * dropped. An address that is not the user's ends the whole report with -EFAULT. */
void iova_bitmap_set(struct iova_bitmap *bitmap, iova_t iova, uint64_t length);

#endif
