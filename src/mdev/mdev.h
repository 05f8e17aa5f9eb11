/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mediated devices (the kernel's include/linux/mdev.h and drivers/vfio/mdev/): a parent's driver
 * offers types, a UUID written to a type's `create` makes an instance, a driver on the bus "mdev"
 * makes a vfio_device of it.
 *
 * An instance has two lives. In the session it is made once and goes once: create() and destroy()
 * of its driver, in whichever process was asked. In each process that knows it there is an object:
 * probe() and remove(), which in the process that made it follow upon create(). What processes
 * share of an instance or a parent is a pointer-free state in the session.
 *
 * Locks: everything here runs with the device core's lock held unless said otherwise; remove() runs
 * without it, since it waits for the instance's user.
 */
#ifndef MDEV_MDEV_H
#define MDEV_MDEV_H

#include "base/list.h"
#include "base/types.h"
#include "device/device.h"
#include "vfio/vfio_device.h"

#define MDEV_NAME_LEN 37 /* a UUID with its NUL */

struct mdev_core;
struct mdev_device;
struct mdev_driver;
struct mdev_parent;
struct mdev_parent_ops;
struct mdev_state;

/* Given by the parent's driver, and outlives the registration. */
struct mdev_type {
	const char *sysfs_name;	 /* its directory is "<name of the parent's driver>-<this>" */
	const char *pretty_name; /* what `name` says; NULL: sysfs_name */
	uintptr_t arg;		 /* the parent driver's own */
	/* The core's from here. */
	struct mdev_parent *parent;
	struct list_head node; /* of the parent's types */
	char dir[64];	       /* "mtty-1" */
};

/* Embedded in what the parent's driver keeps of a parent: one in a process for each parent. */
struct mdev_parent {
	struct device *dev;
	struct mdev_driver *mdev_driver;
	/* NULL unless its instances are those of the driver vfio_mdev. */
	const struct mdev_parent_ops *ops;
	/* Of parent_state_size bytes, zeroed at first use in the session; NULL: none asked for. */
	void *state;
	/* The core's from here. */
	const char *driver_name; /* in the directories of its types */
	struct mdev_core *core;
	struct list_head types, node;
	struct mdev_state *shared;
	bool unregistering;
};

struct mdev_device {
	struct device dev; /* on the bus "mdev", named by its UUID, below the parent's device */
	struct mdev_type *type;
	/* Of state_size bytes, zeroed when the instance was made; NULL: none asked for. */
	void *state;
	void *drvdata; /* the driver's, or the parent's whose operations vfio_mdev calls */
	/* The core's from here. */
	struct mdev_parent *parent;
	struct mdev_state *shared;
	struct list_head node;	  /* of all instances */
	struct vfio_device *vdev; /* of vfio_mdev */
	bool active;		  /* made completely and not being removed */
	uint32_t id;		  /* names it in events */
	void *priv;		  /* of whoever keeps the session's instances */
};

/* Attaches explicitly (Linux 6.1 and later): mtty is one. */
struct mdev_driver {
	struct device_driver driver;
	const char *device_api; /* "vfio-pci" */
	/* How many instances a parent has at most; without get_available. */
	unsigned int max_instances;
	size_t parent_state_size, state_size;
	/* How many more of @type can be made. NULL: what max_instances leaves. */
	unsigned int (*get_available)(struct mdev_type *type);
	/* Text of the type's `description` into @buf: its length. NULL: it has none. */
	ssize_t (*show_description)(struct mdev_type *type, char *buf, size_t size);
	/*
	 * Once in the session, before the first probe(): takes what the instance needs of its
	 * parent. 0 or -errno, which whoever writes to `create` gets. destroy(), once, when nobody
	 * has the instance any more. Both may be NULL.
	 */
	int (*create)(struct mdev_device *mdev);
	void (*destroy)(struct mdev_device *mdev);
	/* In each process: makes and registers the instance's vfio_device
	 * (VFIO_EMULATED_IOMMU); remove() undoes it and waits for the user, without locks. */
	int (*probe)(struct mdev_device *mdev);
	void (*remove)(struct mdev_device *mdev);
	/* A process died while it held mdev_parent_lock() or mdev_lock() (@mdev). May be NULL. */
	void (*recover)(struct mdev_parent *parent, struct mdev_device *mdev);
	/* Attributes of an instance while it is bound. */
	const struct attribute *dev_attrs;
};

/*
 * What a parent gives whose instances the generic driver vfio_mdev takes (Linux up to 5.15), which
 * does nothing itself: each operation of its vfio_device is the one below of the same name, with
 * the instance instead. A NULL one is missing there as well.
 */
struct mdev_parent_ops {
	const char *name; /* of the parent's driver, in the names of types */
	const char *device_api;
	unsigned int max_instances;
	size_t parent_state_size, state_size;
	unsigned int (*get_available)(struct mdev_type *type);
	ssize_t (*show_description)(struct mdev_type *type, char *buf, size_t size);
	int (*create)(struct mdev_device *mdev);
	void (*destroy)(struct mdev_device *mdev);
	void (*recover)(struct mdev_parent *parent, struct mdev_device *mdev);
	/* In each process, before the instance can be opened there and when it no longer can be. */
	int (*probe)(struct mdev_device *mdev);
	void (*remove)(struct mdev_device *mdev);

	int (*open_device)(struct mdev_device *mdev);
	void (*close_device)(struct mdev_device *mdev);
	int (*get_info)(struct mdev_device *mdev, struct vfio_device_info *info,
			struct vfio_info_cap *caps);
	int (*get_region_info)(struct mdev_device *mdev, struct vfio_region_info *info,
			       struct vfio_info_cap *caps);
	int (*get_irq_info)(struct mdev_device *mdev, struct vfio_irq_info *info);
	int (*set_irqs)(struct mdev_device *mdev, uint32_t flags, unsigned int index,
			unsigned int start, unsigned int count, const void *data);
	int (*reset)(struct mdev_device *mdev);
	ssize_t (*region_read)(struct mdev_device *mdev, unsigned int region, uint64_t off,
			       void *buf, size_t count);
	ssize_t (*region_write)(struct mdev_device *mdev, unsigned int region, uint64_t off,
				const void *buf, size_t count);
	int (*mmap)(struct mdev_device *mdev, unsigned int region, uint64_t off, uint64_t len,
		    int prot, int flags);
	uint64_t (*mmio_read)(struct mdev_device *mdev, unsigned int region, uint64_t off,
			      unsigned int width, bool nested);
	void (*mmio_write)(struct mdev_device *mdev, unsigned int region, uint64_t off,
			   unsigned int width, uint64_t value, bool nested);
	void (*request)(struct mdev_device *mdev, unsigned int count);
	int (*device_feature)(struct mdev_device *mdev, uint32_t flags, uint32_t feature,
			      void *data, size_t size);
	void (*dma_unmap)(struct mdev_device *mdev, iova_t iova, uint64_t len);
	long (*ioctl)(struct mdev_device *mdev, unsigned int cmd, unsigned long arg);
};

static inline struct mdev_device *to_mdev_device(struct device *dev)
{
	return container_of(dev, struct mdev_device, dev);
}

/* ---- for parents' drivers -------------------------------------------------------------------- */

/*
 * Offers @types of @dev, which outlives the registration. Writes all of *@parent. 0, -ENODEV: the
 * core is not there (its module is not loaded), -EBUSY: @drv is not registered, -ENOMEM.
 */
int mdev_register_parent(struct mdev_parent *parent, struct device *dev, struct mdev_driver *drv,
			 struct mdev_type **types, unsigned int nr_types);
/* The same for a parent whose instances are vfio_mdev's. -EBUSY: that driver is not there. */
int mdev_register_parent_ops(struct mdev_parent *parent, struct device *dev,
			     const struct mdev_parent_ops *ops, struct mdev_type **types,
			     unsigned int nr_types);
/* Takes this process' objects of all instances away first, waiting for users here. No lock may be
 * held. */
void mdev_unregister_parent(struct mdev_parent *parent);

/* @drv->driver.name and @drv->device_api are set. 0, -EINVAL, -EBUSY: there is one of that name,
 * -ENODEV as above. Lock not held. */
int mdev_register_driver(struct mdev_driver *drv);
void mdev_unregister_driver(struct mdev_driver *drv);

/* The generic driver comes and goes with its module. */
int vfio_mdev_init(void);
void vfio_mdev_exit(void);
/* Of an instance of vfio_mdev that is bound; NULL: of another driver. */
struct vfio_device *mdev_vfio_device(struct mdev_device *mdev);

/* Hold off other processes from the states. Where one died meanwhile, the driver's recover() has
 * been called when they return. Need no other lock; where no state was asked for there is
 * nothing to hold. */
void mdev_parent_lock(struct mdev_parent *parent);
void mdev_parent_unlock(struct mdev_parent *parent);
void mdev_lock(struct mdev_device *mdev);
void mdev_unlock(struct mdev_device *mdev);

/* ---- for whoever keeps the session's instances ----------------------------------------------- */

/* How a state begins, in memory that processes share; the driver's bytes are MDEV_STATE_HEADER
 * behind. */
#define MDEV_STATE_HEADER 128

/* NULL functions: one process is the whole session. */
struct mdev_env {
	void *arg;
	/*
	 * Memory of @size bytes for the state of the parent or instance @name, which processes
	 * share and which is zero at first: 0 or -errno. The other unmaps it.
	 */
	int (*state_get)(void *arg, const char *name, size_t size, void **out);
	void (*state_put)(void *arg, void *state, size_t size);
	/* A parent and its types are there, or are about to go. */
	int (*parent_added)(void *arg, struct mdev_parent *parent);
	void (*parent_removed)(void *arg, struct mdev_parent *parent);
	/* A UUID, in small letters, was written to `create`: by default mdev_device_create(). */
	int (*create)(void *arg, struct mdev_type *type, const char *uuid);
	/* `remove`: by default mdev_device_remove(). */
	int (*remove)(void *arg, struct mdev_device *mdev);
	/* The device is about to be freed; NULL, or only called where mdev->priv is set. */
	void (*released)(void *arg, struct mdev_device *mdev);
};

/* The bus "mdev" comes and goes with its module. 0, -ENOMEM. No parent and no driver is
 * registered at the end. */
int mdev_init(struct device_core *core, const struct mdev_env *env);
void mdev_exit(void);
/* NULL: the core is not there. */
struct bus_type *mdev_bus_type(void);

/* The parent of a device, or NULL. */
struct mdev_parent *mdev_find_parent(const struct device *dev);
/* By the name of its directory; NULL: none. */
struct mdev_type *mdev_find_type(struct mdev_parent *parent, const char *dir);
struct mdev_device *mdev_find_device(const char *uuid);
/* Stops when @fn returns non-zero and returns that. @fn may delete the instance. */
int mdev_for_each_parent(int (*fn)(void *arg, struct mdev_parent *parent), void *arg);
int mdev_for_each_device(int (*fn)(void *arg, struct mdev_device *mdev), void *arg);
/* What `available_instances` says. */
unsigned int mdev_type_available(struct mdev_type *type);

/* The instance @uuid of @type: all that the kernel does for `create`. 0, -EEXIST, -EUSERS, -ENODEV,
 * or what its driver says. */
int mdev_device_create(struct mdev_type *type, const char *uuid);
/* All that `remove` does, the session's part included: 0, -EAGAIN: not made completely or being
 * removed. The lock is held once and dropped while the user is waited for. */
int mdev_device_remove(struct mdev_device *mdev);

/*
 * The steps of these two, for a session of several processes. An object of an instance in this
 * process: the same errors but for -EUSERS. @id names it in events.
 */
int mdev_device_add(struct mdev_type *type, const char *uuid, uint32_t id,
		    struct mdev_device **out);
/* Whether one more instance is allowed: 0, -EEXIST, -EUSERS. */
int mdev_device_may_create(struct mdev_type *type, const char *uuid);
/* The driver's create() and destroy(). */
int mdev_device_construct(struct mdev_device *mdev);
void mdev_device_destruct(struct mdev_device *mdev);
/* The parent's driver takes it: 0 or its error. */
int mdev_device_bind(struct mdev_device *mdev);
/* Made completely: it has its links and can be removed. */
void mdev_device_activate(struct mdev_device *mdev);
/* Unbinds, with the lock dropped while the user is waited for, and frees it. */
void mdev_device_del(struct mdev_device *mdev);
/* Whether its driver attaches only when the instance is made: after an unbind it stays free, and
 * what create() took is given back by then. */
bool mdev_device_attaches_once(const struct mdev_device *mdev);

/* Of a struct mdev_type: `create`, `available_instances` and so on. */
extern const struct attribute mdev_type_attrs[];

#endif
