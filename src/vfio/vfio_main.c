/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry of devices and their opening and closing (the kernel's drivers/vfio/vfio_main.c).
 *
 * A registered device can be opened through its group; vdev->users counts look-ups and open files,
 * and unregistering waits until it is 0. Files of one device share its memfd and are one struct
 * file, so that mappings and fds agree; open_count is above 1 only while an old file is being
 * released.
 *
 * An open device file holds the group's file, as in the kernel: closing the group's fd alone
 * neither detaches the container nor frees the group.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/depth.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "device/trace.h"
#include "vfio/vfio_priv.h"

#define REQUEST_INTERVAL_SEC 10

static struct vfio_core *the_core;

void vfio_core_set(struct vfio_core *core)
{
	the_core = core;
}

struct vfio_core *vfio_core_get(void)
{
	return the_core;
}

static void core_init_cond(struct vfio_core *core)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&core->released, &attr);
	pthread_condattr_destroy(&attr);
}

int vfio_core_create(const struct vfio_env *env, struct vfio_core **out)
{
	struct vfio_core *core;

	core = FAIL_POINT() ? NULL : calloc(1, sizeof(*core));
	if (!core)
		return -ENOMEM;
	core->env = *env;
	pthread_mutex_init(&core->lock, NULL);
	core_init_cond(core);
	list_init(&core->groups);
	list_init(&core->iommu_drivers);
	list_init(&core->windows);
	list_init(&core->found);
	*out = core;
	return 0;
}

void vfio_core_destroy(struct vfio_core *core)
{
	struct vfio_iommu_driver *driver, *tmp;

	if (!core)
		return;
	list_for_each_entry_safe(driver, tmp, &core->iommu_drivers, node)
		free(driver);
	pthread_cond_destroy(&core->released);
	pthread_mutex_destroy(&core->lock);
	if (the_core == core)
		the_core = NULL;
	free(core);
}

void vfio_core_after_fork(struct vfio_core *core)
{
	struct vfio_group *group;
	struct vfio_device *vdev;

	/* What the parent's other threads held or waited for is nobody's here. */
	pthread_mutex_init(&core->lock, NULL);
	core_init_cond(core);
	list_init(&core->windows);
	list_init(&core->found);
	atomic_store(&core->num_found, 0);
	list_for_each_entry(group, &core->groups, node) {
		pthread_mutex_init(&group->lock, NULL);
		if (group->opened_file)
			group->refs--;
		group->opened_file = NULL;
		group->claimed = false;
		group->container = NULL;
		group->container_users = 0;
		list_init(&group->container_node);
		list_for_each_entry(vdev, &group->devices, group_node) {
			pthread_mutex_init(&vdev->lock, NULL);
			vdev->inherited |= vdev->open_count != 0;
			vdev->open_count = 0;
			vdev->users = 0;
			vdev->file = NULL;
			atomic_store(&vdev->container, NULL);
			list_init(&vdev->iommu_entry);
		}
	}
}

int vfio_init_device(struct vfio_device *vdev, struct device *dev,
		     const struct vfio_device_ops *ops, void *priv)
{
	memset(vdev, 0, sizeof(*vdev));
	vdev->dev = dev;
	vdev->ops = ops;
	vdev->priv = priv;
	vdev->memfd = -1;
	list_init(&vdev->group_node);
	list_init(&vdev->iommu_entry);
	return -pthread_mutex_init(&vdev->lock, NULL);
}

static int register_dev(struct vfio_device *vdev, enum vfio_group_type type)
{
	struct vfio_core *core = vfio_core_get();
	int ret;

	if (!core)
		return -ENODEV;
	trace_bind_enter(vdev->dev, BIND_VFIO_DEVICE_SET_GROUP, 0);
	ret = vfio_device_set_group(core, vdev, type);
	trace_bind_leave(vdev->dev, BIND_VFIO_DEVICE_SET_GROUP, ret);
	if (ret)
		return ret;
	vdev->type = vdev->group->type;
	vdev->users = 0;
	vdev->unregistering = false;
	pthread_mutex_lock(&core->lock);
	list_add_tail(&vdev->group_node, &vdev->group->devices);
	pthread_mutex_unlock(&core->lock);
	trace_bind(vdev->dev, BIND_VFIO_DEVICE_GROUP_REGISTER, vdev->group->id, 0);
	return 0;
}

int vfio_register_group_dev(struct vfio_device *vdev, enum vfio_group_type type)
{
	trace_bind_enter(vdev->dev, BIND_VFIO_REGISTER_GROUP_DEV, type);
	return trace_bind_leave(vdev->dev, BIND_VFIO_REGISTER_GROUP_DEV, register_dev(vdev, type));
}

/* Until nobody has the device. */
static void wait_for_users(struct vfio_core *core, struct vfio_device *vdev)
{
	unsigned int asked = 0;
	struct timespec until;

	pthread_mutex_lock(&core->lock);
	vdev->unregistering = true;
	while (vdev->users) {
		pthread_mutex_unlock(&core->lock);
		trace_bind(vdev->dev, BIND_VFIO_PCI_CORE_REQUEST, asked, 0);
		if (vdev->ops->request)
			vdev->ops->request(vdev, asked);
		if (asked++ == 1)
			pr_warn("%s %s: Device is currently in use, waiting for its release",
				vdev->ops->name, vdev->dev->name);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += REQUEST_INTERVAL_SEC;
		pthread_mutex_lock(&core->lock);
		while (vdev->users &&
		       pthread_cond_timedwait(&core->released, &core->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&core->lock);
}

void vfio_unregister_group_dev(struct vfio_device *vdev)
{
	const struct vfio_group *group = vdev->group;

	trace_bind_enter(vdev->dev, BIND_VFIO_UNREGISTER_GROUP_DEV, 0);
	trace_bind(vdev->dev, BIND_VFIO_DEVICE_GROUP_UNREGISTER, group->id, 0);
	wait_for_users(group->core, vdev);
	vfio_group_remove_device(vdev);
	vdev->group = NULL;
	pthread_mutex_destroy(&vdev->lock);
	trace_bind_leave(vdev->dev, BIND_VFIO_UNREGISTER_GROUP_DEV, 0);
}

/* 1, 0 or -errno. */
static int match_name(struct vfio_device *vdev, const char *name)
{
	if (vdev->ops->match)
		return vdev->ops->match(vdev, name);
	return strcmp(vdev->dev->name, name) == 0;
}

static bool device_going(const struct vfio_core *core, struct vfio_device *vdev)
{
	return vdev->unregistering ||
	       (core->env.device_going && core->env.device_going(core->env.arg, vdev->dev));
}

struct vfio_device *vfio_device_get_from_name(struct vfio_group *group, const char *name, int *err)
{
	struct vfio_core *core = group->core;
	struct vfio_device *vdev, *found = NULL;
	int match;

	*err = -ENODEV;
	pthread_mutex_lock(&core->lock);
	list_for_each_entry(vdev, &group->devices, group_node) {
		match = match_name(vdev, name);
		if (match < 0) {
			*err = match;
			break;
		}
		if (match && !device_going(core, vdev)) {
			vdev->users++;
			found = vdev;
			break;
		}
	}
	pthread_mutex_unlock(&core->lock);
	return found;
}

void vfio_device_put_registration(struct vfio_device *vdev)
{
	struct vfio_core *core = vdev->group->core;

	pthread_mutex_lock(&core->lock);
	if (--vdev->users == 0)
		pthread_cond_broadcast(&core->released);
	pthread_mutex_unlock(&core->lock);
}

/* Makes the file of an open device, or finds the one that it has. vdev->lock held. */
static int device_make_file(struct vfio_device_file *df, struct file **out, bool *existed)
{
	struct vfio_device *vdev = df->vdev;
	struct file *file;
	int ret;

	*existed = false;
	if (vdev->memfd >= 0)
		ret = file_alloc_memfd(&vfio_device_fops, df, O_RDWR, vdev->memfd, &file, existed);
	else
		ret = file_alloc(&vfio_device_fops, df, O_RDWR, 0, &file);
	if (ret)
		return ret;
	if (!*existed) {
		/* As fstat() shows the kernel's anonymous inode. */
		file->mode = 0600;
		strcpy(file->path, "anon_inode:[vfio-device]");
		vdev->file = file;
	}
	*out = file;
	return 0;
}

/* The first open powers the device up, the others share it. group->lock and vdev->lock held. */
static int device_open_locked(struct vfio_device_file *df, struct file **out, bool *existed)
{
	struct vfio_device *vdev = df->vdev;
	int ret;

	if (!vdev->group->container)
		return -EINVAL;
	if (vdev->inherited)
		return -EIO;
	ret = vfio_group_use_container(vdev->group, vdev->open_count == 0);
	if (ret)
		return ret;
	if (vdev->open_count++ == 0) {
		vfio_device_container_register(vdev);
		ret = vdev->ops->open_device ? vdev->ops->open_device(vdev) : 0;
		if (ret)
			goto out_unregister;
	}
	ret = device_make_file(df, out, existed);
	if (ret)
		goto out_close;
	if (*existed) {
		/* The file is counted already. */
		vdev->open_count--;
		vdev->group->container_users--;
	}
	return 0;
out_close:
	if (vdev->open_count == 1 && vdev->ops->close_device)
		vdev->ops->close_device(vdev);
out_unregister:
	if (vdev->open_count == 1)
		vfio_device_container_unregister(vdev);
	vdev->open_count--;
	vdev->group->container_users--;
	return ret;
}

int vfio_device_open_file(struct vfio_device *vdev, struct file **out)
{
	struct vfio_group *group = vdev->group;
	struct vfio_device_file *df;
	bool existed = false;
	int ret;

	df = FAIL_POINT() ? NULL : calloc(1, sizeof(*df));
	if (!df)
		return -ENOMEM;
	df->vdev = vdev;
	pthread_mutex_lock(&group->lock);
	if (group->opened_file)
		df->group_file = file_get(group->opened_file);
	pthread_mutex_lock(&vdev->lock);
	ret = device_open_locked(df, out, &existed);
	pthread_mutex_unlock(&vdev->lock);
	pthread_mutex_unlock(&group->lock);
	if (ret || existed) {
		if (df->group_file)
			file_put(df->group_file);
		free(df);
	}
	/* One registration for one file. */
	if (existed)
		vfio_device_put_registration(vdev);
	return ret;
}

static void device_release(struct file *file)
{
	struct vfio_device_file *df = file->priv;
	struct vfio_device *vdev = df->vdev;
	struct vfio_group *group = vdev->group;

	pthread_mutex_lock(&group->lock);
	pthread_mutex_lock(&vdev->lock);
	if (vdev->file == file)
		vdev->file = NULL;
	if (vdev->open_count == 1) {
		vfio_p2p_device_closed(vdev);
		if (vdev->ops->close_device)
			vdev->ops->close_device(vdev);
		vfio_device_container_unregister(vdev);
	}
	vdev->open_count--;
	group->container_users--;
	pthread_mutex_unlock(&vdev->lock);
	pthread_mutex_unlock(&group->lock);
	vfio_device_put_registration(vdev);
	/* Without any lock: this may be what closes the group and frees the container's
	 * mappings. */
	if (df->group_file)
		file_put(df->group_file);
	free(df);
}

static struct vfio_device *file_vdev(struct file *file)
{
	return ((struct vfio_device_file *)file->priv)->vdev;
}

static int device_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags)
{
	struct vfio_device *vdev = file_vdev(file);

	if (!vdev->ops->mmap)
		return -EINVAL;
	return vdev->ops->mmap(vdev, vfio_offset_region(off), vfio_offset_in_region(off), len, prot,
			       flags);
}

static uint64_t device_mmio_read(struct file *file, uint64_t off, unsigned int width)
{
	struct vfio_device *vdev = file_vdev(file);

	if (!vdev->ops->mmio_read)
		return ~0ULL;
	/* The handler has raised the depth once; anything above is library code below us. */
	return vdev->ops->mmio_read(vdev, vfio_offset_region(off), vfio_offset_in_region(off),
				    width, lib_depth > 1);
}

static void device_mmio_write(struct file *file, uint64_t off, unsigned int width, uint64_t value,
			      bool nested)
{
	struct vfio_device *vdev = file_vdev(file);

	if (vdev->ops->mmio_write)
		vdev->ops->mmio_write(vdev, vfio_offset_region(off), vfio_offset_in_region(off),
				      width, value, nested);
}

const struct file_operations vfio_device_fops = {
	.name = "vfio-device",
	.kind = FILE_DEVICE,
	.release = device_release,
	.ioctl = vfio_device_ioctl,
	.read = vfio_device_read,
	.write = vfio_device_write,
	.mmap = device_mmap,
	.mmio_read = device_mmio_read,
	.mmio_write = device_mmio_write,
};
