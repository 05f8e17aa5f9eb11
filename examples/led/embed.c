/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parent of led.c in a program that has a machine of its own (libuvfio): registered, an
 * instance made, opened and read through the C API, removed.
 *
 *	cc -o embed embed.c led.c $(pkg-config --cflags --libs uvfio)
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <uvfio/machine.h>
#include <uvfio/mdev.h>

#define UUID  "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define TYPES "/sys/class/mdev_bus/led/mdev_supported_types/"

extern const struct uvfio_mdev_ops led_ops;

static struct uvfio_machine *machine;

/* One write, as echo does it. */
static int put(const char *path, const char *text)
{
	int fd = uvfio_open(machine, path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = uvfio_pwrite(machine, fd, text, strlen(text), 0);
	uvfio_close(machine, fd);
	return n < 0 ? (int)n : 0;
}

static int group_of(const char *uuid)
{
	char path[64];
	int fd;

	/* The machine has few groups: the last one is the newest. */
	(void)uuid;
	for (int i = 63; i >= 0; i--) {
		snprintf(path, sizeof(path), "/dev/vfio/%d", i);
		fd = uvfio_open(machine, path, O_RDWR);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static int use(void)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 0 };
	int container = uvfio_open(machine, "/dev/vfio/vfio", O_RDWR), group = group_of(UUID);
	uint32_t id = 0;
	int device;

	if (container < 0 || group < 0)
		return -1;
	if (uvfio_ioctl(machine, group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    uvfio_ioctl(machine, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU))
		return -1;
	device = uvfio_ioctl(machine, group, VFIO_GROUP_GET_DEVICE_FD, (void *)UUID);
	if (device < 0 || uvfio_ioctl(machine, device, VFIO_DEVICE_GET_REGION_INFO, &region))
		return -1;
	uvfio_pread(machine, device, &id, sizeof(id), region.offset);
	printf("a panel, %08x\n", id);
	uvfio_close(machine, device);
	uvfio_close(machine, group);
	uvfio_close(machine, container);
	return 0;
}

int main(void)
{
	struct uvfio_mdev_parent *parent;
	char err[512];
	int ret;

	if (uvfio_machine_create(NULL, &machine, err, sizeof(err)) ||
	    uvfio_mdev_register(machine, &led_ops, &parent, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	ret = put(TYPES "led-8/create", UUID);
	if (!ret)
		ret = use();
	if (!ret)
		ret = put("/sys/bus/mdev/devices/" UUID "/remove", "1");
	if (!ret)
		ret = uvfio_mdev_unregister(machine, parent);
	if (ret)
		fprintf(stderr, "failed: %s\n", strerror(ret < 0 ? -ret : ret));
	uvfio_machine_destroy(machine);
	return ret != 0;
}
