/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bus "mdev" (the kernel's drivers/vfio/mdev/mdev_driver.c). A driver of Linux 6.1 and later
 * never matches: it gets the instances of its parents when they are made, and only then. The
 * generic driver vfio_mdev matches every instance whose parent gives operations, as it did up to
 * Linux 5.15.
 */
#include <errno.h>

#include "mdev/mdev_priv.h"

static struct mdev_driver *driver_of(struct device *dev)
{
	return container_of(dev->driver, struct mdev_driver, driver);
}

static int mdev_probe(struct device *dev)
{
	const struct mdev_driver *drv = driver_of(dev);
	int ret = drv->probe ? drv->probe(to_mdev_device(dev)) : 0;

	if (!ret)
		dev->attrs = drv->dev_attrs;
	return ret;
}

static void mdev_remove(struct device *dev)
{
	const struct mdev_driver *drv = driver_of(dev);

	if (drv->remove)
		drv->remove(to_mdev_device(dev));
	dev->attrs = NULL;
}

static bool mdev_match(struct device *dev, struct device_driver *drv)
{
	return drv == &vfio_mdev_driver.driver && to_mdev_device(dev)->parent->ops;
}

void mdev_bus_setup(struct bus_type *bus)
{
	bus->name = "mdev";
	bus->match = mdev_match;
	bus->dev_attrs = mdev_device_attrs;
}

int mdev_register_driver(struct mdev_driver *drv)
{
	struct mdev_core *core = mdev_core_get();

	if (!core)
		return -ENODEV;
	if (!drv->device_api && drv != &vfio_mdev_driver)
		return -EINVAL;
	drv->driver.bus = &core->bus;
	drv->driver.probe = mdev_probe;
	drv->driver.remove = mdev_remove;
	return driver_register(&drv->driver);
}

void mdev_unregister_driver(struct mdev_driver *drv)
{
	driver_unregister(&drv->driver);
	drv->driver.bus = NULL;
}
