/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups: /dev/vfio/<group> (the kernel's drivers/vfio/group.c).
 *
 * A group is open at most once. Device files keep its file open, so it stays busy until the last of
 * them is closed as well; "busy" reaches over process borders through env->group_claim().
 *
 * A group lives as long as it has devices or an open file; group->refs counts both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/following.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "device/trace.h"
#include "vfio/vfio_priv.h"

#define NAME_MAX_BYTES 4096 /* GET_DEVICE_FD's string with its NUL */

/* A group of @iommu_group for @vdev, its first device. 0 or -ENOMEM. */
static int create_group(struct vfio_device *vdev, struct iommu_group *iommu_group,
			enum vfio_group_type type, struct vfio_core *core)
{
	struct vfio_group *group = FAIL_POINT() ? NULL : calloc(1, sizeof(*group));

	if (!group)
		return -ENOMEM;
	group->core = core;
	group->id = iommu_group_id(iommu_group);
	group->type = type;
	group->refs = 1;
	group->iommu_group = iommu_group;
	list_init(&group->devices);
	list_init(&group->container_node);
	pthread_mutex_init(&group->lock, NULL);
	pthread_mutex_lock(&core->lock);
	list_add_tail(&group->node, &core->groups);
	pthread_mutex_unlock(&core->lock);
	trace_bind(vdev->dev, BIND_VFIO_CREATE_GROUP, group->id, type);
	vdev->group = group;
	return 0;
}

static struct vfio_group *find_from_iommu(struct vfio_core *core, struct iommu_group *iommu_group)
{
	struct vfio_group *group, *found = NULL;

	pthread_mutex_lock(&core->lock);
	list_for_each_entry(group, &core->groups, node) {
		if (group->iommu_group != iommu_group)
			continue;
		group->refs++;
		found = group;
		break;
	}
	pthread_mutex_unlock(&core->lock);
	return found;
}

/* A group that is made for the device and goes with it. */
static int noiommu_group_alloc(struct vfio_core *core, struct vfio_device *vdev,
			       enum vfio_group_type type)
{
	struct iommu_group *iommu_group;
	unsigned int id;
	int ret;

	if (!core->env.group_alloc)
		return -EINVAL;
	ret = core->env.group_alloc(core->env.arg, vdev->dev, &iommu_group);
	if (ret)
		return ret;
	id = iommu_group_id(iommu_group);
	trace_bind(vdev->dev, BIND_IOMMU_GROUP_ALLOC, id, 0);
	trace_bind(vdev->dev, BIND_IOMMU_GROUP_ADD_DEVICE, id, 0);
	ret = create_group(vdev, iommu_group, type, core);
	if (ret)
		core->env.group_free(core->env.arg, vdev->dev);
	return ret;
}

static int alloc_traced(struct vfio_core *core, struct vfio_device *vdev, enum vfio_group_type type)
{
	trace_bind_enter(vdev->dev, BIND_VFIO_NOIOMMU_GROUP_ALLOC, 0);
	return trace_bind_leave(vdev->dev, BIND_VFIO_NOIOMMU_GROUP_ALLOC,
				noiommu_group_alloc(core, vdev, type));
}

/* Of a device that has no IOMMU group. */
static int taint_alloc(struct vfio_core *core, struct vfio_device *vdev)
{
	int ret = alloc_traced(core, vdev, VFIO_NO_IOMMU);

	if (ret)
		return ret;
	core->env.add_taint(core->env.arg, TAINT_USER);
	trace_bind(vdev->dev, BIND_ADD_TAINT, TAINT_USER, 0);
	if (!lib_following)
		pr_warn("%s %s: Adding kernel taint for vfio-noiommu group on device",
			vdev->ops->name, vdev->dev->name);
	return 0;
}

static int find_or_alloc(struct vfio_core *core, struct vfio_device *vdev)
{
	struct iommu_group *iommu_group = core->env.group_of(core->env.arg, vdev->dev);

	trace_bind(vdev->dev, BIND_IOMMU_GROUP_GET,
		   iommu_group ? iommu_group_id(iommu_group) : BIND_NO_GROUP, 0);
	if (!iommu_group)
		return vfio_noiommu(core) ? taint_alloc(core, vdev) : -EINVAL;
	vdev->group = find_from_iommu(core, iommu_group);
	return vdev->group ? 0 : create_group(vdev, iommu_group, VFIO_IOMMU, core);
}

int vfio_device_set_group(struct vfio_core *core, struct vfio_device *vdev,
			  enum vfio_group_type type)
{
	/* Registering is serialised by the device core's lock: nobody adds the same group. */
	if (type != VFIO_IOMMU)
		return alloc_traced(core, vdev, type);
	trace_bind_enter(vdev->dev, BIND_VFIO_GROUP_FIND_OR_ALLOC, 0);
	return trace_bind_leave(vdev->dev, BIND_VFIO_GROUP_FIND_OR_ALLOC,
				find_or_alloc(core, vdev));
}

void vfio_group_put(struct vfio_group *group)
{
	struct vfio_core *core = group->core;
	bool last;

	pthread_mutex_lock(&core->lock);
	last = --group->refs == 0;
	if (last)
		list_del(&group->node);
	pthread_mutex_unlock(&core->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&group->lock);
	free(group);
}

/* Group's lock held. */
static void group_unclaim(struct vfio_group *group)
{
	struct vfio_core *core = group->core;

	if (group->claimed)
		core->env.group_release(core->env.arg, group->id);
	group->claimed = false;
}

void vfio_group_remove_device(struct vfio_device *vdev)
{
	struct vfio_group *group = vdev->group;
	const struct vfio_group_type_ops *ops = vfio_group_type(group);
	struct vfio_core *core = group->core;
	bool last;

	trace_bind(vdev->dev, BIND_VFIO_DEVICE_REMOVE_GROUP, group->id, group->type);
	pthread_mutex_lock(&core->lock);
	list_del(&vdev->group_node);
	last = list_empty(&group->devices);
	/* A device that comes now gets a new group of the same number. */
	if (last)
		list_del(&group->node);
	pthread_mutex_unlock(&core->lock);
	if (last) {
		pthread_mutex_lock(&group->lock);
		if (group->container) {
			trace_bind(vdev->dev, BIND_VFIO_GROUP_DETACH_CONTAINER, group->id, 0);
			vfio_group_detach_container(group);
		}
		group->iommu_group = NULL;
		/* Whoever has it open does not keep the next group of this number busy. */
		group_unclaim(group);
		pthread_mutex_unlock(&group->lock);
	}
	/* Behind the last use of the IOMMU group, which may go with the device. */
	if (ops->remove_device) {
		trace_bind(vdev->dev, BIND_IOMMU_GROUP_REMOVE_DEVICE, group->id, 0);
		ops->remove_device(vdev);
	}
	vfio_group_put(group);
}

static long get_status(struct vfio_group *group, unsigned long arg)
{
	struct vfio_core *core = group->core;
	struct vfio_group_status status;
	long ret = 0;

	if (copy_from_user(&status, arg, sizeof(status)))
		return -EFAULT;
	if (status.argsz < sizeof(status))
		return -EINVAL;
	status.flags = 0;
	pthread_mutex_lock(&group->lock);
	if (!group->iommu_group)
		ret = -ENODEV;
	else if (group->container)
		status.flags = VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE;
	else if (core->env.group_viable(core->env.arg, group->iommu_group))
		status.flags = VFIO_GROUP_FLAGS_VIABLE;
	pthread_mutex_unlock(&group->lock);
	if (ret)
		return ret;
	return copy_to_user(arg, &status, sizeof(status));
}

static long set_container(struct vfio_group *group, unsigned long arg)
{
	struct file *file;
	int32_t fd;
	long ret;

	if (copy_from_user(&fd, arg, sizeof(fd)))
		return -EFAULT;
	file = file_from_fd(fd);
	if (!file && raw_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	pthread_mutex_lock(&group->lock);
	if (group->container)
		ret = -EINVAL;
	else if (!group->iommu_group)
		ret = -ENODEV;
	else if (!file || file->ops != &vfio_container_fops)
		ret = -EBADFD;
	else
		ret = vfio_container_attach_group(file->priv, group);
	pthread_mutex_unlock(&group->lock);
	if (file)
		file_put(file);
	return ret;
}

static long unset_container(struct vfio_group *group, unsigned long arg)
{
	long ret = 0;

	pthread_mutex_lock(&group->lock);
	if (!group->container)
		ret = -EINVAL;
	else if (group->container_users != 1)
		ret = -EBUSY;
	else
		vfio_group_detach_container(group);
	pthread_mutex_unlock(&group->lock);
	return ret;
}

/* The user's string of at most NAME_MAX_BYTES with its NUL: -EFAULT, -EINVAL too long. */
static int copy_name(uintptr_t uaddr, char *name)
{
	size_t done = 0, piece, missing;

	while (done < NAME_MAX_BYTES) {
		/* Never beyond the page of the last byte needed: what follows may not be there. */
		piece = HOST_PAGE_SIZE - ((uaddr + done) & (HOST_PAGE_SIZE - 1));
		piece = MIN(piece, NAME_MAX_BYTES - done);
		missing = copy_nofault(name + done, (const void *)(uaddr + done), piece);
		if (memchr(name + done, '\0', piece - missing))
			return 0;
		if (missing)
			return -EFAULT;
		done += piece;
	}
	return -EINVAL;
}

/* Of the group's own file: what is ours and open. */
static int group_memfd(struct vfio_group *group)
{
	int memfd;

	pthread_mutex_lock(&group->lock);
	memfd = group->opened_file ? group->opened_file->memfd : -1;
	pthread_mutex_unlock(&group->lock);
	return memfd;
}

/* Opens the device that the user's string at @arg names. 0 with its file, or -errno. */
static int open_named(struct vfio_group *group, uintptr_t arg, struct file **file)
{
	struct vfio_device *vdev;
	int ret, spare;
	char *name;

	name = FAIL_POINT() ? NULL : malloc(NAME_MAX_BYTES);
	if (!name)
		return -ENOMEM;
	ret = copy_name(arg, name);
	if (ret)
		goto out_free;
	vdev = vfio_device_get_from_name(group, name, &ret);
	if (!vdev)
		goto out_free;
	/* Without a number for it the device is neither opened nor reset: hold one meanwhile. */
	spare = raw_fcntl(group_memfd(group), F_DUPFD_CLOEXEC, 0);
	ret = spare < 0 ? spare : vfio_device_open_file(vdev, file);
	if (spare >= 0)
		raw_close(spare);
	if (ret)
		vfio_device_put_registration(vdev);
	else if (vfio_group_type(group)->opened)
		vfio_group_type(group)->opened(vdev);
out_free:
	free(name);
	return ret;
}

static long get_device_fd(struct vfio_group *group, unsigned long arg)
{
	struct file *file;
	int ret = open_named(group, arg, &file);

	if (ret)
		return ret;
	ret = file_install(file, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		file_put(file);
	return ret;
}

int vfio_group_open_device(struct file *group_file, uintptr_t name, struct file **out)
{
	return open_named(group_file->priv, name, out);
}

static const struct group_ioctl_op {
	unsigned int cmd;
	const char *name;
	long (*fn)(struct vfio_group *group, unsigned long arg);
} group_ioctls[] = {
	{ VFIO_GROUP_GET_STATUS, "GET_STATUS", get_status },
	{ VFIO_GROUP_SET_CONTAINER, "SET_CONTAINER", set_container },
	{ VFIO_GROUP_UNSET_CONTAINER, "UNSET_CONTAINER", unset_container },
	{ VFIO_GROUP_GET_DEVICE_FD, "GET_DEVICE_FD", get_device_fd },
};

static long group_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(group_ioctls); i++)
		if (group_ioctls[i].cmd == cmd)
			return group_ioctls[i].fn(file->priv, arg);
	return -ENOTTY;
}

static void group_release(struct file *file)
{
	struct vfio_group *group = file->priv;

	/* Open device files hold references to this file: there are none. */
	pthread_mutex_lock(&group->lock);
	if (group->container)
		vfio_group_detach_container(group);
	group->opened_file = NULL;
	group_unclaim(group);
	pthread_mutex_unlock(&group->lock);
	vfio_group_put(group);
}

const struct file_operations vfio_group_fops = {
	.name = "vfio-group",
	.kind = FILE_GROUP,
	.release = group_release,
	.ioctl = group_ioctl,
};

static struct vfio_group *group_get(struct vfio_core *core, unsigned int id)
{
	struct vfio_group *group;

	pthread_mutex_lock(&core->lock);
	list_for_each_entry(group, &core->groups, node) {
		if (group->id != id)
			continue;
		group->refs++;
		pthread_mutex_unlock(&core->lock);
		return group;
	}
	pthread_mutex_unlock(&core->lock);
	return NULL;
}

int vfio_group_open(struct vfio_core *core, unsigned int id, int oflags, struct file **out)
{
	struct vfio_group *group = group_get(core, id);
	int ret;

	if (!group)
		return -ENODEV;
	pthread_mutex_lock(&group->lock);
	ret = vfio_group_check_user(group);
	if (ret)
		goto out_unlock;
	if (group->opened_file) {
		ret = -EBUSY;
		goto out_unlock;
	}
	ret = core->env.group_claim(core->env.arg, id);
	if (ret)
		goto out_unlock;
	ret = file_alloc(&vfio_group_fops, group, oflags, 0, out);
	if (ret) {
		core->env.group_release(core->env.arg, id);
		goto out_unlock;
	}
	group->claimed = true;
	group->opened_file = *out;
out_unlock:
	pthread_mutex_unlock(&group->lock);
	if (ret)
		vfio_group_put(group);
	return ret;
}

bool vfio_file_is_group(const struct file *file)
{
	return file->ops == &vfio_group_fops;
}

bool vfio_file_has_dev(const struct file *file, const struct vfio_device *vdev)
{
	return vfio_file_is_group(file) && file->priv == vdev->group;
}
