/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DRIVERS_MODULE_PARENT_PRIV_H
#define DRIVERS_MODULE_PARENT_PRIV_H

#include <pthread.h>
#include <uvfio/mdev.h>

#include "irq/trigger.h"
#include "mdev/mdev.h"

#define PARENT_REGIONS	    16
#define PARENT_IRQS	    16
#define PARENT_VECTORS	    2048
#define PARENT_REGION_SHIFT 40 /* region i of a device file is at i << this, as in vfio-pci */
#define PARENT_REQUEST_IRQ  4  /* VFIO_PCI_REQ_IRQ_INDEX */

struct module_parent {
	struct uvfio_mdev_parent pub;
	struct mdev_parent mdev;
	struct mdev_parent_ops ops;
	struct mdev_type *types, **list;
	struct device *dev;
};

/* One vector; dev->irq_lock. */
struct parent_vector {
	struct module_device *dev;
	struct irq_trigger *trigger; /* NULL: the user has not set it up */
	struct virqfd *unmask;
	bool automasked;
	bool high; /* a level; of an edge: it came while the vector was masked */
	bool masked;
};

/* An instance in this process. */
struct module_device {
	struct uvfio_mdev pub;
	struct mdev_device *mdev;
	pthread_mutex_t lock; /* around the parent's read, write and reset */
	/* Guards the vectors; a leaf. */
	pthread_mutex_t irq_lock;
	struct parent_vector *vectors[PARENT_IRQS]; /* of each index; NULL: it has none */
	int memfd;				    /* of the open device; -1 */
	void *mem[PARENT_REGIONS];
};

static inline struct module_parent *to_module_parent(struct mdev_parent *mdev)
{
	return container_of(mdev, struct module_parent, mdev);
}

static inline struct module_device *module_device_of(struct mdev_device *mdev)
{
	return mdev->drvdata;
}

static inline const struct uvfio_mdev_ops *ops_of(const struct module_device *dev)
{
	return dev->pub.parent->ops;
}

/* parent_device.c: the operations that vfio_mdev calls, for @parent->pub.ops. */
void parent_set_ops(struct module_parent *parent);

/* parent_irq.c */
int parent_irqs_init(struct module_device *dev);
void parent_irqs_destroy(struct module_device *dev);
/* No vector is set up any more, none is high. */
void parent_irqs_close(struct module_device *dev);
int parent_get_irq_info(struct mdev_device *mdev, struct vfio_irq_info *info);
int parent_set_irqs(struct mdev_device *mdev, uint32_t flags, unsigned int index,
		    unsigned int start, unsigned int count, const void *data);
int parent_irq_raise(struct uvfio_mdev *pub, unsigned int index, unsigned int vector);
int parent_irq_lower(struct uvfio_mdev *pub, unsigned int index, unsigned int vector);

/* parent_host.c: what parents may call. */
extern const struct uvfio_mdev_host parent_host;

#endif
