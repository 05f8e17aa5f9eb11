/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parent and the mdev driver. The parent's state is the session's ports, an instance's is
 * struct mtty_instance; create() takes ports, destroy() gives them back. Attributes of an instance,
 * in the folder `vendor`: `sample_mdev_dev`, which Linux's sample has, and for each port where its
 * line goes (`port0`, `port1`; port.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/following.h"
#include "base/log.h"
#include "drivers/mtty/card.h"
#include "drivers/mtty/mtty.h"

static struct mtty_ports *ports_of(struct mdev_parent *parent)
{
	return parent->state;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static ssize_t sample_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "This is MDEV %s\n", ((struct device *)obj)->name);
}

static ssize_t port_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct mdev_device *mdev = to_mdev_device(obj);
	struct mtty_ports *ports = ports_of(mdev->parent);
	ssize_t ret;

	mdev_parent_lock(mdev->parent);
	ret = mtty_port_find(ports, mdev->dev.name, (unsigned int)attr->arg);
	if (ret >= 0)
		ret = mtty_line_show(ports, (unsigned int)ret, buf, size);
	mdev_parent_unlock(mdev->parent);
	return ret;
}

static ssize_t port_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct mdev_device *mdev = to_mdev_device(obj);
	struct mtty_ports *ports = ports_of(mdev->parent);
	int ret;

	mdev_parent_lock(mdev->parent);
	ret = mtty_port_find(ports, mdev->dev.name, (unsigned int)attr->arg);
	if (ret >= 0)
		ret = mtty_line_parse(ports, (unsigned int)ret, buf);
	mdev_parent_unlock(mdev->parent);
	return ret ? ret : (ssize_t)len;
}

static bool port_visible(void *obj, const struct attribute *attr)
{
	return attr->arg < to_mdev_device(obj)->type->arg;
}

static const struct attribute mtty_attrs[] = {
	{ .name = "vendor/sample_mdev_dev", .mode = 0444, .show = sample_show },
	{ .name = "vendor/port0",
	  .mode = 0644,
	  .show = port_show,
	  .store = port_store,
	  .arg = 0,
	  .visible = port_visible,
	  .volatile_value = true },
	{ .name = "vendor/port1",
	  .mode = 0644,
	  .show = port_show,
	  .store = port_store,
	  .arg = 1,
	  .visible = port_visible,
	  .volatile_value = true },
	{ .name = NULL },
};

/* ---- the session's side ---------------------------------------------------------------------- */

static unsigned int get_available(struct mdev_type *type)
{
	unsigned int n;

	mdev_parent_lock(type->parent);
	n = mtty_ports_free(ports_of(type->parent)) / (unsigned int)type->arg;
	mdev_parent_unlock(type->parent);
	return n;
}

static int create(struct mdev_device *mdev)
{
	struct mtty_instance *inst = mdev->state;
	unsigned int n = (unsigned int)mdev->type->arg;
	uint8_t numbers[MTTY_CARD_PORTS];
	int ret;

	mdev_parent_lock(mdev->parent);
	ret = mtty_ports_take(ports_of(mdev->parent), mdev->dev.name, n, numbers);
	mdev_parent_unlock(mdev->parent);
	if (ret)
		return ret;
	inst->nr_ports = (uint8_t)n;
	mtty_config_init(inst);
	return 0;
}

static void destroy(struct mdev_device *mdev)
{
	mdev_parent_lock(mdev->parent);
	mtty_ports_release(ports_of(mdev->parent), mdev->dev.name);
	mdev_parent_unlock(mdev->parent);
}

static void recover(struct mdev_parent *parent, struct mdev_device *mdev)
{
	if (!mdev)
		mtty_ports_recover(ports_of(parent));
}

/* ---- the process' side ----------------------------------------------------------------------- */

/* -ENODEV: they are not there, as after a creator that died. */
static int find_ports(struct mtty_card *card)
{
	struct mdev_device *mdev = card->mdev;
	int number = 0;

	mdev_parent_lock(mdev->parent);
	card->nr_ports = (unsigned int)mdev->type->arg;
	for (unsigned int i = 0; i < card->nr_ports && number >= 0; i++) {
		number = mtty_port_find(card->ports, mdev->dev.name, i);
		card->number[i] = (unsigned int)number;
	}
	mdev_parent_unlock(mdev->parent);
	return MIN(number, 0);
}

static int probe(struct mdev_device *mdev)
{
	struct mtty_card *card = FAIL_POINT() ? NULL : calloc(1, sizeof(*card));
	int ret;

	if (!card)
		return -ENOMEM;
	card->mdev = mdev;
	card->inst = mdev->state;
	card->ports = ports_of(mdev->parent);
	card->irq_index = -1;
	ret = find_ports(card);
	if (!ret)
		ret = vfio_init_device(&card->vdev, &mdev->dev, &mtty_device_ops, card);
	if (ret)
		goto fail;
	/* As the sample: whatever fits the device's number of indexes gets to mtty_set_irqs(). */
	card->vdev.set_irqs_max = VFIO_PCI_NUM_IRQS;
	ret = mtty_mig_create(card);
	if (ret)
		goto fail_device;
	ret = vfio_register_group_dev(&card->vdev, VFIO_EMULATED_IOMMU);
	if (ret)
		goto fail_mig;
	mdev->drvdata = card;
	return 0;
fail_mig:
	mtty_mig_destroy(card);
fail_device:
	pthread_mutex_destroy(&card->vdev.lock);
fail:
	free(card);
	return ret;
}

static void remove_card(struct mdev_device *mdev)
{
	struct mtty_card *card = mdev->drvdata;

	vfio_unregister_group_dev(&card->vdev);
	mtty_mig_destroy(card);
	pthread_mutex_destroy(&card->vdev.lock);
	mdev->drvdata = NULL;
	free(card);
}

static struct mdev_driver driver = {
	.driver = { .name = "mtty", .module = "mtty" },
	.device_api = "vfio-pci",
	.parent_state_size = sizeof(struct mtty_ports),
	.state_size = sizeof(struct mtty_instance),
	.get_available = get_available,
	.create = create,
	.destroy = destroy,
	.probe = probe,
	.remove = remove_card,
	.recover = recover,
	.dev_attrs = mtty_attrs,
};

/* ---- the module ------------------------------------------------------------------------------ */

static struct mdev_type types[] = {
	{ .sysfs_name = "1", .pretty_name = "Single port serial", .arg = 1 },
	{ .sysfs_name = "2", .pretty_name = "Dual port serial", .arg = 2 },
};
static struct mdev_type *type_list[] = { &types[0], &types[1] };

static struct device *parent_dev;
static struct mdev_parent parent;

static void release_parent(struct device *dev)
{
	free(dev);
}

int mtty_init(void)
{
	int ret;

	if (!lib_following)
		pr_info("mtty_dev: mtty_dev_init");
	ret = mdev_register_driver(&driver);
	if (ret)
		return ret;
	parent_dev = FAIL_POINT() ? NULL : calloc(1, sizeof(*parent_dev));
	ret = -ENOMEM;
	if (!parent_dev)
		goto fail_driver;
	snprintf(parent_dev->name, sizeof(parent_dev->name), "mtty");
	parent_dev->release = release_parent;
	parent_dev->sysfs_path = strdup("/sys/devices/virtual/mtty/mtty");
	if (!parent_dev->sysfs_path) {
		free(parent_dev);
		goto fail_driver;
	}
	ret = device_add(parent_dev);
	if (ret) {
		free(parent_dev->sysfs_path);
		free(parent_dev);
		goto fail_driver;
	}
	ret = mdev_register_parent(&parent, parent_dev, &driver, type_list, ARRAY_SIZE(type_list));
	if (!ret)
		return 0;
	device_del(parent_dev);
fail_driver:
	parent_dev = NULL;
	mdev_unregister_driver(&driver);
	return ret;
}

void mtty_exit(void)
{
	mdev_unregister_parent(&parent);
	device_del(parent_dev);
	parent_dev = NULL;
	mdev_unregister_driver(&driver);
	if (!lib_following)
		pr_info("mtty_dev: Unloaded!");
}
