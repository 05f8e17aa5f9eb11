/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of instances of other people's parents: SET_IRQS as vfio-pci has it, for each index by
 * the flags that its parent gave. An AUTOMASKED vector is a level, and masked when it is delivered.
 * Any other is an edge: it waits while the vector is masked, and is lost while nobody has set the
 * vector up.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "drivers/module/parent_priv.h"
#include "uapi/vfio.h"

int parent_irqs_init(struct module_device *dev)
{
	const struct uvfio_mdev_ops *ops = ops_of(dev);

	for (unsigned int i = 0; i < ops->num_irqs; i++) {
		const struct uvfio_mdev_irq *irq = &ops->irqs[i];

		if (!irq->count)
			continue;
		dev->vectors[i] = FAIL_POINT() ? NULL
					       : calloc(irq->count, sizeof(*dev->vectors[i]));
		if (!dev->vectors[i]) {
			parent_irqs_destroy(dev);
			return -ENOMEM;
		}
		for (uint32_t v = 0; v < irq->count; v++) {
			dev->vectors[i][v].dev = dev;
			dev->vectors[i][v].automasked = irq->flags & UVFIO_IRQ_AUTOMASKED;
		}
	}
	return 0;
}

void parent_irqs_destroy(struct module_device *dev)
{
	for (unsigned int i = 0; i < PARENT_IRQS; i++) {
		free(dev->vectors[i]);
		dev->vectors[i] = NULL;
	}
}

/* ---- delivery -------------------------------------------------------------------------------- */

/* irq_lock held. */
static void deliver(struct parent_vector *vector)
{
	if (vector->masked || !vector->high)
		return;
	if (vector->automasked)
		vector->masked = vector->trigger != NULL;
	else
		vector->high = false;
	if (vector->trigger)
		irq_trigger_signal(vector->trigger);
}

static struct parent_vector *vector_of(struct module_device *dev, unsigned int index,
				       unsigned int vector)
{
	const struct uvfio_mdev_ops *ops = ops_of(dev);

	/* In create() and destroy() there are none. */
	if (index >= ops->num_irqs || vector >= ops->irqs[index].count || !dev->vectors[index])
		return NULL;
	return &dev->vectors[index][vector];
}

static int set_level(struct uvfio_mdev *pub, unsigned int index, unsigned int number, bool high)
{
	struct module_device *dev = container_of(pub, struct module_device, pub);
	struct parent_vector *vector = vector_of(dev, index, number);

	if (!vector)
		return -EINVAL;
	pthread_mutex_lock(&dev->irq_lock);
	vector->high = high;
	deliver(vector);
	pthread_mutex_unlock(&dev->irq_lock);
	return 0;
}

int parent_irq_raise(struct uvfio_mdev *pub, unsigned int index, unsigned int vector)
{
	return set_level(pub, index, vector, true);
}

int parent_irq_lower(struct uvfio_mdev *pub, unsigned int index, unsigned int vector)
{
	return set_level(pub, index, vector, false);
}

/* ---- the user's side ------------------------------------------------------------------------- */

static void set_mask(struct parent_vector *vector, bool masked)
{
	struct module_device *dev = vector->dev;

	pthread_mutex_lock(&dev->irq_lock);
	vector->masked = masked;
	deliver(vector);
	pthread_mutex_unlock(&dev->irq_lock);
}

static void unmask_by_eventfd(void *arg)
{
	set_mask(arg, false);
}

/* @fd: -1 takes the eventfd away. */
static int set_unmask_eventfd(struct parent_vector *vector, int fd)
{
	struct virqfd *virqfd = NULL;
	int ret = fd < 0 ? 0 : virqfd_enable(fd, unmask_by_eventfd, vector, &virqfd);

	if (ret)
		return ret;
	if (vector->unmask)
		virqfd_disable(vector->unmask);
	vector->unmask = virqfd;
	return 0;
}

static void set_trigger(struct parent_vector *vector, struct irq_trigger *trigger)
{
	struct irq_trigger *old;

	pthread_mutex_lock(&vector->dev->irq_lock);
	old = vector->trigger;
	vector->trigger = trigger;
	/* A level that nobody heard of yet. */
	if (!old)
		vector->masked = false;
	if (trigger)
		deliver(vector);
	pthread_mutex_unlock(&vector->dev->irq_lock);
	if (old)
		irq_trigger_destroy(old);
}

static void disable(struct parent_vector *vector)
{
	set_unmask_eventfd(vector, -1);
	set_trigger(vector, NULL);
	pthread_mutex_lock(&vector->dev->irq_lock);
	vector->masked = false;
	if (!vector->automasked)
		vector->high = false;
	pthread_mutex_unlock(&vector->dev->irq_lock);
}

/* All of them, or none when one of the eventfds does not serve. */
static int set_triggers(struct parent_vector *vectors, unsigned int count, const int32_t *fds)
{
	struct irq_trigger **made = FAIL_POINT() ? NULL
						 : calloc(count, sizeof(struct irq_trigger *));
	unsigned int i;
	int ret = made ? 0 : -ENOMEM;

	for (i = 0; i < count && !ret; i++)
		if (fds[i] != -1)
			ret = irq_trigger_create(fds[i], &made[i]);
	for (i = 0; made && i < count; i++) {
		if (!ret)
			set_trigger(&vectors[i], made[i]);
		else if (made[i])
			irq_trigger_destroy(made[i]);
	}
	free(made);
	return ret;
}

/* A user's own interrupt, to try what is behind the eventfd. */
static void test_trigger(struct parent_vector *vector)
{
	pthread_mutex_lock(&vector->dev->irq_lock);
	if (vector->trigger)
		irq_trigger_signal(vector->trigger);
	pthread_mutex_unlock(&vector->dev->irq_lock);
}

static int set_irqs_action(struct parent_vector *vectors, uint32_t flags, unsigned int count,
			   const void *data)
{
	const bool trigger = flags & VFIO_IRQ_SET_ACTION_TRIGGER;
	const bool unmask = flags & VFIO_IRQ_SET_ACTION_UNMASK;
	const uint8_t *bools = flags & VFIO_IRQ_SET_DATA_BOOL ? data : NULL;
	const int32_t *fds = data;
	int ret = 0;

	if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (trigger)
			return set_triggers(vectors, count, fds);
		if (!unmask)
			return -ENOTTY;
		for (unsigned int i = 0; i < count && !ret; i++)
			ret = set_unmask_eventfd(&vectors[i], fds[i]);
		return ret;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (bools && !bools[i])
			continue;
		if (trigger)
			test_trigger(&vectors[i]);
		else
			set_mask(&vectors[i], !unmask);
	}
	return 0;
}

int parent_set_irqs(struct mdev_device *mdev, uint32_t flags, unsigned int index,
		    unsigned int start, unsigned int count, const void *data)
{
	struct module_device *dev = module_device_of(mdev);
	const struct uvfio_mdev_ops *ops = ops_of(dev);
	const uint32_t action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (index >= ops->num_irqs || start + (uint64_t)count > ops->irqs[index].count)
		return -EINVAL;
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER && !(ops->irqs[index].flags & UVFIO_IRQ_MASKABLE))
		return -ENOTTY;
	if ((flags & VFIO_IRQ_SET_DATA_EVENTFD) && !(ops->irqs[index].flags & UVFIO_IRQ_EVENTFD))
		return -ENOTTY;
	if (!count && (flags & VFIO_IRQ_SET_DATA_NONE) && action == VFIO_IRQ_SET_ACTION_TRIGGER) {
		for (uint32_t v = 0; v < ops->irqs[index].count; v++)
			disable(&dev->vectors[index][v]);
		return 0;
	}
	return count ? set_irqs_action(dev->vectors[index] + start, flags, count, data) : -EINVAL;
}

int parent_get_irq_info(struct mdev_device *mdev, struct vfio_irq_info *info)
{
	const struct uvfio_mdev_ops *ops = ops_of(module_device_of(mdev));

	if (info->index >= ops->num_irqs)
		return -EINVAL;
	info->count = ops->irqs[info->index].count;
	info->flags = info->count ? ops->irqs[info->index].flags : 0;
	return 0;
}

void parent_irqs_close(struct module_device *dev)
{
	const struct uvfio_mdev_ops *ops = ops_of(dev);

	for (unsigned int i = 0; i < ops->num_irqs; i++)
		for (uint32_t v = 0; v < ops->irqs[i].count; v++) {
			disable(&dev->vectors[i][v]);
			dev->vectors[i][v].high = false;
		}
}
