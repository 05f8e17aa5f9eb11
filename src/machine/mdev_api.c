/* SPDX-License-Identifier: BSD-3-Clause */
/* The C API's mdev.h (include/uvfio): parents of a program that has a machine. */
#include <uvfio/mdev.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/depth.h"
#include "machine/mdev_priv.h"
#include "machine/modules.h"
#include "machine/parents.h"
#include "mdev/mdev.h"

#define API __attribute__((visibility("default")))

/* The core of mediated devices and the driver that takes the instances. */
static int load_modules(struct uvfio_machine *machine)
{
	static const char *const names[] = { "mdev", "vfio_mdev" };
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !ret; i++)
		if (!machine_module_loaded(machine, names[i], NULL))
			ret = machine_module_load(machine, names[i], "");
	return ret;
}

static int do_register(struct uvfio_machine *machine, const struct uvfio_mdev_ops *ops,
		       struct uvfio_mdev_parent **out, char *err, size_t err_size)
{
	int ret = load_modules(machine);

	if (!ret)
		ret = admin_begin(machine);
	if (ret)
		return ret;
	machine_write_begin(machine);
	ret = parents_add(machine, ops, out, err, err_size);
	if (!ret)
		admin_changed(machine);
	machine_write_end(machine);
	admin_end(machine);
	return ret;
}

API int uvfio_mdev_register(struct uvfio_machine *machine, const struct uvfio_mdev_ops *ops,
			    struct uvfio_mdev_parent **out, char *err, size_t err_size)
{
	char message[512] = "";
	int ret;

	depth_enter();
	ret = do_register(machine, ops, out, message, sizeof(message));
	depth_leave();
	if (ret && err && err_size)
		snprintf(err, err_size, "%s", message[0] ? message : strerror(-ret));
	return ret;
}

static int in_use(void *arg, struct mdev_device *mdev)
{
	struct vfio_device *vdev = mdev_vfio_device(mdev);

	return !strcmp(mdev->parent->dev->name, arg) && vdev && vdev->open_count;
}

static int do_unregister(struct uvfio_machine *machine, struct uvfio_mdev_parent *parent)
{
	const char *name = parent->ops->name;
	char path[128];
	int ret = admin_begin(machine);

	if (ret)
		return ret;
	if (mdev_for_each_device(in_use, (void *)(uintptr_t)name)) {
		admin_end(machine);
		return -EBUSY;
	}
	snprintf(path, sizeof(path), "/sys/devices/virtual/uvfio/%s", name);
	/* Drops the locks when it fails. */
	ret = mdevs_remove_children(machine, path);
	if (ret)
		return ret;
	machine_write_begin(machine);
	parents_remove(machine, parent);
	admin_changed(machine);
	machine_write_end(machine);
	admin_end(machine);
	return 0;
}

API int uvfio_mdev_unregister(struct uvfio_machine *machine, struct uvfio_mdev_parent *parent)
{
	int ret;

	depth_enter();
	ret = do_unregister(machine, parent);
	depth_leave();
	return ret;
}
