/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VFIO core's offer to the composition root: one struct vfio_core a machine holds the groups,
 * the IOMMU drivers and what opens /dev/vfio/vfio and /dev/vfio/<group>.
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include "base/types.h"
#include "device/device.h"
#include "hostmem/hostmem.h"
#include "iommu/iommu.h"

/* Bits of /proc/sys/kernel/tainted. */
#define TAINT_USER 6

struct file;
struct vfio_core;
struct vfio_group;

/* What the core asks of its surroundings. */
struct vfio_env {
	void *arg;
	struct hostmem *hm;
	/* The IOMMU group of a device; NULL: none. */
	struct iommu_group *(*group_of)(void *arg, struct device *dev);
	/* Whether every device of the group is bound to a VFIO driver or harmless (viable). */
	bool (*group_viable)(void *arg, struct iommu_group *group);
	/* Somebody takes the device away, in whichever process: it has no new users. May be
	 * NULL. */
	bool (*device_going)(void *arg, struct device *dev);
	/* Claims the group for this process: 0 or -EBUSY (another process has it); release ends
	 * it. */
	int (*group_claim)(void *arg, unsigned int group_id);
	void (*group_release)(void *arg, unsigned int group_id);
	/* Module parameters of vfio_iommu_type1. */
	unsigned int (*dma_entry_limit)(void *arg);
	bool (*disable_hugepages)(void *arg);
	bool (*allow_unsafe_interrupts)(void *arg);
	bool (*capable)(void *arg, int cap); /* CAP_* of the session's identity */
	/* vfio's enable_unsafe_noiommu_mode: devices without an IOMMU may be given to users. */
	bool (*noiommu)(void *arg);
	/* Makes a group of the lowest free number for @dev, which has none: 0 or -errno. The device
	 * core's lock is held. group_free() takes @dev out of it again, and no lock is held. */
	int (*group_alloc)(void *arg, struct device *dev, struct iommu_group **out);
	void (*group_free)(void *arg, struct device *dev);
	void (*add_taint)(void *arg, unsigned int flag); /* TAINT_*, for the session's life */
};

int vfio_core_create(const struct vfio_env *env, struct vfio_core **out);
void vfio_core_destroy(struct vfio_core *core);

/* Opening the device nodes. @oflags as open(2). 0 or -errno; the file has one reference. */
int vfio_container_open(struct vfio_core *core, int oflags, struct file **out);
/* -ENODEV: no such group; -EPERM: the user may not (no-IOMMU); -EBUSY: open already (here or in
 * another process). */
int vfio_group_open(struct vfio_core *core, unsigned int id, int oflags, struct file **out);

/* GET_DEVICE_FD on an open group without an fd: @name is an address of the user's. 0, the file has
 * one reference, or -errno. */
int vfio_group_open_device(struct file *group_file, uintptr_t name, struct file **out);

/*
 * In the child of a fork, whose inherited files are dead: groups are closed here, locks are free. A
 * device that was open at that moment stays the parent's: opening it in the child gives -EIO.
 */
void vfio_core_after_fork(struct vfio_core *core);

/* Lets drivers find the core: set by machine/ before drivers probe. */
void vfio_core_set(struct vfio_core *core);
struct vfio_core *vfio_core_get(void);

#endif
