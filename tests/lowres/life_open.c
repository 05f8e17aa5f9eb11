/* SPDX-License-Identifier: BSD-3-Clause */
/* A life's beginning and end: groups, containers, IOMMU types, device fds; closing, the binding of
 * drivers, dynamic IDs, removal and rescan. */
#include <stdlib.h>
#include <sys/eventfd.h>

#include "life.h"
#include "life_priv.h"

/* ---- the beginning --------------------------------------------------------------------------- */

/* The group's number: of /dev/vfio/1 on, the one that has the device. */
static int find_group(const char *name, char *path)
{
	char kernel[128];

	for (int i = 0; i < 16; i++) {
		snprintf(kernel, sizeof(kernel), "/sys/kernel/iommu_groups/%d/devices/%s", i, name);
		if (!life_exists(kernel))
			continue;
		snprintf(path, 64, "/dev/vfio/%d", i);
		return 0;
	}
	/* Asking for a name takes memory as well, and access() has no other answer here. */
	return -ENOMEM;
}

static int step_groups(void)
{
	int ret = find_group(LIFE_FIRST, life.path[0]);

	return ret ? ret : find_group(LIFE_SECOND, life.path[1]);
}

static int keep(int ret, int *fd)
{
	if (ret < 0)
		return ret;
	*fd = ret;
	return 0;
}

/* The old type, by one who leaves again. */
static int step_v1(void)
{
	int container = life_open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), group, ret;

	if (container < 0)
		return container;
	group = ret = life_open(life.path[0], O_RDWR | O_CLOEXEC);
	if (group >= 0) {
		ret = door_ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
		if (!ret)
			ret = door_ioctl(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU);
		if (!ret)
			ret = door_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
		life_close(group);
	}
	life_close(container);
	return ret;
}

static int step_container(void)
{
	return keep(life_open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), &life.container);
}

static int step_group(void)
{
	return keep(life_open(life.path[0], O_RDWR | O_CLOEXEC), &life.group[0]);
}

static int step_second_group(void)
{
	return keep(life_open(life.path[1], O_RDWR | O_CLOEXEC), &life.group[1]);
}

static int step_set_container(void)
{
	return door_ioctl(life.group[0], VFIO_GROUP_SET_CONTAINER, &life.container);
}

static int step_second_set_container(void)
{
	return door_ioctl(life.group[1], VFIO_GROUP_SET_CONTAINER, &life.container);
}

static int step_set_iommu(void)
{
	return door_ioctl(life.container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
}

static int step_iommu_info(void)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[256];
	} a = { .info = { .argsz = sizeof(a) } };

	return door_ioctl(life.container, VFIO_IOMMU_GET_INFO, &a);
}

static int step_device(void)
{
	return keep(door_ioctl(life.group[0], VFIO_GROUP_GET_DEVICE_FD, (void *)LIFE_FIRST),
		    &life.device[0]);
}

static int step_second_device(void)
{
	return keep(door_ioctl(life.group[1], VFIO_GROUP_GET_DEVICE_FD, (void *)LIFE_SECOND),
		    &life.device[1]);
}

static int step_eventfds(void)
{
	int fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fds[i] < 0) {
			int ret = -errno;

			while (i--)
				close(fds[i]);
			return ret;
		}
	}
	memcpy(life.event, fds, sizeof(fds));
	return 0;
}

/* A controller's disk is a file, for which its file system may have no room. */
static const int image[] = { ENOSPC, 0 };

const struct life_step life_open_steps[] = {
	{ "groups", step_groups, NULL },
	{ "v1", step_v1, NULL },
	{ "container", step_container, NULL },
	{ "group", step_group, NULL },
	{ "set container", step_set_container, NULL },
	{ "set iommu", step_set_iommu, NULL },
	{ "device", step_device, image },
	{ "second group", step_second_group, NULL },
	{ "second set container", step_second_set_container, NULL },
	{ "iommu info", step_iommu_info, NULL },
	{ "second device", step_second_device, NULL },
	{ "eventfds", step_eventfds, NULL },
	{ NULL, NULL, NULL },
};

/* ---- the end --------------------------------------------------------------------------------- */

static void put_fd(int *fd)
{
	if (*fd >= 0)
		life_close(*fd);
	*fd = -1;
}

static int step_close(void)
{
	for (int i = 0; i < 2; i++) {
		put_fd(&life.device[i]);
		put_fd(&life.group[i]);
	}
	put_fd(&life.container);
	for (int i = 0; i < 3; i++)
		close(life.event[i]);
	return 0;
}

static int step_sysfs(void)
{
	static const char *const paths[] = { DEVICES LIFE_FIRST "/resource",
					     DEVICES LIFE_FIRST "/config",
					     DEVICES LIFE_SECOND "/resource0",
					     DRIVER "/module/parameters/disable_vga" };
	char buf[4096];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = life_open(paths[i], O_RDONLY | O_CLOEXEC), ret = fd;

		/* A BAR is for mapping: read() says so. */
		if (fd >= 0 && !strstr(paths[i], "resource0"))
			ret = life_pread(fd, buf, sizeof(buf), 0);
		if (fd >= 0)
			life_close(fd);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int change(const char *path, const char *text, const char *link, bool there)
{
	int ret = life_put(path, text);

	return ret ? ret : life_exists(link) == there ? 0 : -EIO;
}

static int step_unbind(void)
{
	return change(DRIVER "/unbind", LIFE_FIRST, DEVICES LIFE_FIRST "/driver", false);
}

static int step_override(void)
{
	return life_put(DEVICES LIFE_FIRST "/driver_override", "vfio-pci");
}

static int step_bind(void)
{
	return change(DRIVER "/bind", LIFE_FIRST, DEVICES LIFE_FIRST "/driver", true);
}

static int step_new_id(void)
{
	return life_put(DRIVER "/new_id", "1234 5678");
}

static int step_remove_id(void)
{
	return life_put(DRIVER "/remove_id", "1234 5678");
}

static int step_remove(void)
{
	return change(DEVICES LIFE_SECOND "/remove", "1", DEVICES LIFE_SECOND, false);
}

/* A rescan does not say that a function could not be added, nor does Linux's. */
static int step_rescan(void)
{
	int ret = life_put("/sys/bus/pci/rescan", "1");

	return ret ? ret : life_exists(DEVICES LIFE_SECOND) ? 0 : -ENOMEM;
}

static int step_again(void)
{
	int ret = step_container();

	if (ret)
		return ret;
	ret = step_group();
	if (ret == -ENOENT) {
		/* Nor does a bind say, as Linux's devtmpfs does not, that a name had no room. */
		put_fd(&life.container);
		ret = step_unbind();
		if (!ret)
			ret = step_bind();
		return ret ? ret : -ENOMEM;
	}
	if (!ret)
		ret = step_set_container();
	if (!ret)
		ret = step_set_iommu();
	if (!ret)
		ret = step_device();
	put_fd(&life.device[0]);
	put_fd(&life.group[0]);
	put_fd(&life.container);
	return ret;
}

/* The attributes lie on a disk. */
static const int tree[] = { ENOSPC, ENOLCK, 0 };

const struct life_step life_close_steps[] = {
	{ "close", step_close, NULL },
	{ "sysfs", step_sysfs, NULL },
	{ "unbind", step_unbind, tree },
	{ "override", step_override, tree },
	{ "bind", step_bind, tree },
	{ "new id", step_new_id, tree },
	{ "remove id", step_remove_id, tree },
	{ "remove", step_remove, tree },
	{ "rescan", step_rescan, tree },
	{ "again", step_again, image },
	{ NULL, NULL, NULL },
};
