/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One device with two functions: they share a bus and a group, and a hot reset takes both. The
 * machine has it at bus 3; without it, no lines.
 */
#include "probe.h"

#define ROOM 4

struct hot_info {
	struct vfio_pci_hot_reset_info head;
	struct vfio_pci_dependent_device devices[ROOM];
};

struct hot_request {
	struct vfio_pci_hot_reset head;
	int32_t fds[ROOM];
};

static const char *const names[] = { "0000:03:00.0", "0000:03:00.1" };

static int open_functions_group(char *path, size_t size)
{
	char link[128], target[256];
	ssize_t len;
	int fd;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", names[0]);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		setup_failed("two functions");
	target[len] = 0;
	snprintf(path, size, "/dev/vfio/%s", strrchr(target, '/') + 1);
	fd = open(path, O_RDWR);
	if (fd < 0)
		setup_failed("open group");
	return fd;
}

static struct ctx setup_functions(int *second)
{
	struct ctx ctx = { open_container(), -1, -1 };
	char path[64];

	ctx.group = open_functions_group(path, sizeof(path));
	if (ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &ctx.container) ||
	    ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		setup_failed("container");
	ctx.device = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, names[0]);
	if (ctx.device < 0)
		setup_failed("GET_DEVICE_FD");
	if (second)
		*second = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, names[1]);
	return ctx;
}

static void functions_info(long room)
{
	struct ctx ctx = setup_functions(NULL);
	struct hot_info info = { .head = { .argsz = (uint32_t)(12 + 8 * room) } };

	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info));
	say(" count=%u", info.head.count);
	for (unsigned i = 0; i < info.head.count && i < (unsigned)room; i++)
		say(" %x:%x bus=%d same=%d", info.devices[i].segment, info.devices[i].devfn,
		    info.devices[i].bus == 3, info.devices[i].group_id == info.devices[0].group_id);
}

static int hot_reset(int device, uint32_t count, int first, int second)
{
	struct hot_request req = { .head = { .argsz = 12 + 4 * count, .count = count },
				   .fds = { first, second, -1, -1 } };

	return ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, &req);
}

static void functions_owner(long arg)
{
	struct ctx ctx = setup_functions(NULL);
	int other = open_group();

	result("another's group", hot_reset(ctx.device, 1, other, -1));
	result("three", hot_reset(ctx.device, 3, ctx.group, ctx.group));
	result("bad second", hot_reset(ctx.device, 2, ctx.group, -1));
	result("bad first", hot_reset(ctx.device, 2, -1, ctx.group));
	result("no group", hot_reset(ctx.device, 2, ctx.group, ctx.container));
}

static void functions_unbound(long arg)
{
	struct ctx ctx;
	int fd;

	fd = open("/sys/bus/pci/drivers/vfio-pci/unbind", O_WRONLY);
	result("unbind", write(fd, names[1], strlen(names[1])));
	ctx = setup_functions(NULL);
	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
			     &(struct hot_info){ .head = { .argsz = 100 } }));
	result("reset", hot_reset(ctx.device, 1, ctx.group, -1));
	fd = open("/sys/bus/pci/drivers/vfio-pci/bind", O_WRONLY);
	result("bind", write(fd, names[1], strlen(names[1])));
}

/* A function-level reset is each function's own. */
static void functions_flr(long arg)
{
	int second;
	struct ctx ctx = setup_functions(&second);

	config_write(second, 0x3c, 1, 0x42);
	config_write(second, 4, 2, 6);
	config_write(ctx.device, 4, 2, 6);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	say(" first=%#x second=%#x line=%#x", config_read(ctx.device, 4, 2),
	    config_read(second, 4, 2), config_read(second, 0x3c, 1));
	say(" type=%#x,%#x", config_read(ctx.device, 0x0e, 1), config_read(second, 0x0e, 1));
}

static void functions_group(long arg)
{
	int second;
	struct ctx ctx = setup_functions(&second);
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];

	say(" second=%s", second >= 0 ? "fd" : strerrorname_np(errno));
	result("status", ioctl(ctx.group, VFIO_GROUP_GET_STATUS, &status));
	say(" flags=%u", status.flags);
	result("map", dma_map(ctx.container, 3, memory(PAGE), IOVA, PAGE));
	result("close first", close(ctx.device));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("close second", close(second));
	result("unset", ioctl(ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	close(ctx.group);
	result("again", close(open_functions_group(path, sizeof(path))));
}

static void functions_reset_method(long i)
{
	char path[128], text[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", names[i]);
	fd = open(path, O_RDONLY);
	result("read", read(fd, text, sizeof(text) - 1) > 0 ? 0 : -1);
	text[strcspn(text, "\n")] = 0;
	say(" \"%s\"", text);
}

static const struct probe table[] = {
	{ "functions-info", functions_info, 0, 4 },
	{ "functions-owner", functions_owner, 0, 0 },
	{ "functions-unbound", functions_unbound, 0, 0 },
	{ "functions-flr", functions_flr, 0, 0 },
	{ "functions-group", functions_group, 0, 0 },
	{ "functions-reset-method", functions_reset_method, 0, 2 },
};

PROBE_SET(functions_probes, table);
