/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VFIO core's own structures (the kernel's drivers/vfio/vfio.h).
 *
 * Locks, outermost first: group->lock -> vdev->lock -> container->lock -> the IOMMU driver's own ->
 * core->lock. The last is a leaf: it guards lists and counts and is never held over a call.
 */
#ifndef VFIO_VFIO_PRIV_H
#define VFIO_VFIO_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "file/file.h"
#include "vfio/iommu_driver.h"
#include "vfio/vfio.h"
#include "vfio/vfio_device.h"

struct vfio_core {
	struct vfio_env env;
	pthread_mutex_t lock;
	pthread_cond_t released; /* a user of a device or group went away; with lock */
	/* Guarded by lock. */
	struct list_head groups, iommu_drivers, windows;
	struct list_head found; /* p2p.c */
	atomic_uint num_found;
};

struct vfio_container {
	struct vfio_core *core;
	atomic_uint refs; /* one for the file, one for each group */
	/* Held for reading over the IOMMU driver's ioctl, for writing when the fields change. */
	pthread_rwlock_t lock;
	struct list_head groups;
	bool noiommu; /* of the groups: all of them are VFIO_NO_IOMMU, or none */
	const struct vfio_iommu_driver *iommu_driver; /* NULL: SET_IOMMU has not been done */
	void *iommu_data;
};

struct vfio_group {
	struct vfio_core *core;
	unsigned int id;
	enum vfio_group_type type;
	/* Guarded by core->lock. */
	struct list_head node, devices;
	unsigned int refs; /* one for each device, one for the open file */
	/* Guarded by lock. */
	pthread_mutex_t lock;
	struct iommu_group *iommu_group; /* NULL: the last device is gone */
	struct file *opened_file;	 /* NULL: closed */
	bool claimed;			 /* env->group_claim() was done */
	struct vfio_container *container;
	unsigned int container_users;	 /* 1 for SET_CONTAINER, 1 for each open device file */
	struct list_head container_node; /* container->lock */
};

/* What the types of groups differ in (group_type.c). NULL: nothing to do. */
struct vfio_group_type_ops {
	const char *name;
	/* Whether the session's user may open the group, put it into a container and open a device
	 * of it: 0 or -EPERM. No lock is taken. */
	int (*check_user)(struct vfio_core *core);
	/* The group enters a container: 0, or -EPERM when a host driver uses a device of it. The
	 * group's and the container's lock are held. */
	int (*attach)(struct vfio_core *core, struct vfio_group *group);
	/* A file of the device has been opened. No lock is held. */
	void (*opened)(struct vfio_device *vdev);
	/* The device leaves the group for good. No lock is held. */
	void (*remove_device)(struct vfio_device *vdev);
};

/* An open device file: what holds the group open. */
struct vfio_device_file {
	struct vfio_device *vdev;
	struct file *group_file; /* one reference */
};

extern const struct file_operations vfio_container_fops, vfio_group_fops, vfio_device_fops;

/* group_type.c */
const struct vfio_group_type_ops *vfio_group_type(const struct vfio_group *group);
int vfio_group_check_user(const struct vfio_group *group);

/* The host's administrator lets users have devices without an IOMMU. */
static inline bool vfio_noiommu(const struct vfio_core *core)
{
	return core->env.noiommu && core->env.noiommu(core->env.arg);
}

/* container.c. The group's lock is held for all three. */
int vfio_container_attach_group(struct vfio_container *container, struct vfio_group *group);
void vfio_group_detach_container(struct vfio_group *group);
/* A device of the group is to be opened: -EINVAL when the container has no IOMMU yet; with @first,
 * when nobody has the device open, -EPERM when the user may not. */
int vfio_group_use_container(struct vfio_group *group, bool first);

/* The device's first open and last close, with the group in a container that has an IOMMU. */
void vfio_device_container_register(struct vfio_device *vdev);
void vfio_device_container_unregister(struct vfio_device *vdev);
/* As vfio_pin_pages(), but -ENXIO for another device's pages. */
int vfio_device_container_pin_pages(struct vfio_device *vdev, iova_t iova, int npage, int prot,
				    paddr_t *pages);

/*
 * group.c: the group for one more device. VFIO_IOMMU: that of its IOMMU group, made when it is the
 * first; where it has none, a no-IOMMU one when these are allowed, else -EINVAL. Any other type: a
 * group of its own.
 */
int vfio_device_set_group(struct vfio_core *core, struct vfio_device *vdev,
			  enum vfio_group_type type);
void vfio_group_put(struct vfio_group *group);
/* Takes @vdev out of its group and drops its reference. With the last device the group is nobody's
 * any more: it leaves its container, and what is still open answers -ENODEV. */
void vfio_group_remove_device(struct vfio_device *vdev);

/* vfio_main.c */
struct vfio_device *vfio_device_get_from_name(struct vfio_group *group, const char *name, int *err);
void vfio_device_put_registration(struct vfio_device *vdev);
/* Opens @vdev, whose registration the caller holds; consumed on success. */
int vfio_device_open_file(struct vfio_device *vdev, struct file **out);

/* A device file's offsets: the region in bits 40 and up, as in the kernel. */
static inline unsigned int vfio_offset_region(uint64_t off)
{
	return (unsigned int)(off >> 40);
}

static inline uint64_t vfio_offset_in_region(uint64_t off)
{
	return off & ((1ULL << 40) - 1);
}

/* device_ioctl.c, device_rw.c */
long vfio_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
ssize_t vfio_device_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos);
ssize_t vfio_device_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos);

/*
 * Copies an info structure with its capability chain to the user, as every GET_INFO does: @info has
 * @size bytes and starts with argsz and flags; @cap_offset points into it. The user gets at most
 * MIN(argsz, size) bytes of it; when the chain does not fit, argsz says what would.
 */
int vfio_info_copy_to_user(uintptr_t arg, void *info, size_t size, uint32_t *cap_offset,
			   uint32_t caps_flag, struct vfio_info_cap *caps);
void vfio_info_cap_free(struct vfio_info_cap *caps);

/* p2p.c: a stretch of an open device's region as a target of other devices' DMA. */
struct vfio_p2p;
/* @file: a device's, with the caller's reference; @off in it. 0, -EFAULT no device region,
 * -ENOMEM. */
int vfio_p2p_create(struct vfio_core *core, struct file *file, uint64_t off, uint64_t len,
		    struct vfio_p2p **out);
/*
 * The device file that is mapped at the page @addr and the offset there; NULL: none. The pointer is
 * good until vfio_p2p_put_found(), which must be called without locks: dropping the last reference
 * closes the device.
 */
struct file *vfio_p2p_find(struct vfio_core *core, uintptr_t addr, uint64_t *off);
void vfio_p2p_put_found(struct vfio_core *core);
/* Moves bytes to or from @off of @file, which the caller keeps open. 0, -EFAULT no device region,
 * -EIO. */
int vfio_p2p_rw(struct file *file, uint64_t off, void *buf, size_t len, bool write);
void vfio_p2p_destroy(struct vfio_p2p *p2p);
paddr_t vfio_p2p_base(const struct vfio_p2p *p2p);
/* The device is being closed: DMA to its windows fails from now on. vdev->lock is held. */
void vfio_p2p_device_closed(struct vfio_device *vdev);

#endif
