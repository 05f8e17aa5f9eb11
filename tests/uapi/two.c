/* SPDX-License-Identifier: BSD-3-Clause */
/* Two devices in two groups: one container for both, or one each; without a second one, no
 * lines. */
#include "probe.h"

#define RW 3u

/* Two groups, the second with its device's name; both in the container if @joined. */
struct pair {
	struct ctx ctx;
	int group, device;
};

static int open_second_group(void)
{
	int fd = open(probe_group2, O_RDWR);

	if (fd < 0)
		setup_failed("open second group");
	return fd;
}

static struct pair setup_pair(void)
{
	struct pair p = { setup_iommu(VFIO_TYPE1v2_IOMMU), open_second_group(), -1 };

	if (ioctl(p.group, VFIO_GROUP_SET_CONTAINER, &p.ctx.container))
		setup_failed("SET_CONTAINER of the second group");
	return p;
}

static void say_flags(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (result("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status)) == 0)
		say(" flags=%u", status.flags);
}

static int get_device(int group, const char *name)
{
	return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
}

static void two_join(long arg)
{
	struct pair p = { setup_group(), open_second_group(), -1 };

	say_flags(p.group);
	result("set", ioctl(p.group, VFIO_GROUP_SET_CONTAINER, &p.ctx.container));
	say_flags(p.group);
	result("iommu", ioctl(p.ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	result_fd("first", get_device(p.ctx.group, probe_bdf));
	result_fd("second", get_device(p.group, probe_bdf2));
	result("map", dma_map(p.ctx.container, RW, memory(PAGE), IOVA, PAGE));
}

/* The second group joins when there are mappings already. */
static void two_join_late(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1v2_IOMMU);
	int group = open_second_group();
	uint64_t size;

	result("map", dma_map(ctx.container, RW, memory(4 * PAGE), IOVA, 4 * PAGE));
	result("alone", get_device(group, probe_bdf2));
	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &ctx.container));
	result("iommu again", ioctl(ctx.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	result_fd("second", get_device(group, probe_bdf2));
	result("exists", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 4 * PAGE, &size));
	say(" size=%#lx", size);
}

static void two_names(long arg)
{
	struct pair p = setup_pair();

	result("second of first", get_device(p.ctx.group, probe_bdf2));
	result("first of second", get_device(p.group, probe_bdf));
	result_fd("first", get_device(p.ctx.group, probe_bdf));
	result_fd("second", get_device(p.group, probe_bdf2));
}

/* The container keeps its IOMMU and its mappings until the last group has left. */
static void two_leave(long arg)
{
	struct pair p = setup_pair();
	uint64_t size;

	result("map", dma_map(p.ctx.container, RW, memory(PAGE), IOVA, PAGE));
	p.device = result_fd("second", get_device(p.group, probe_bdf2));
	result("unset first", ioctl(p.ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	say_flags(p.ctx.group);
	result("first", get_device(p.ctx.group, probe_bdf));
	result("exists", dma_map(p.ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("unset second", ioctl(p.group, VFIO_GROUP_UNSET_CONTAINER));
	result("close", close(p.device));
	result("set first", ioctl(p.ctx.group, VFIO_GROUP_SET_CONTAINER, &p.ctx.container));
	result("unset second", ioctl(p.group, VFIO_GROUP_UNSET_CONTAINER));
	result("unmap", dma_unmap(p.ctx.container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
	result("unset first", ioctl(p.ctx.group, VFIO_GROUP_UNSET_CONTAINER));
	result("map", dma_map(p.ctx.container, RW, memory(PAGE), IOVA, PAGE));
}

static void two_containers(long arg)
{
	struct ctx ctx = setup_iommu(VFIO_TYPE1v2_IOMMU);
	int container = open_container(), group = open_second_group();
	uint64_t size;

	result("set", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	result("iommu", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	result("map", dma_map(ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("map", dma_map(container, RW, memory(4 * PAGE), IOVA, 4 * PAGE));
	result("first to the other", ioctl(ctx.group, VFIO_GROUP_SET_CONTAINER, &container));
	result("unmap", dma_unmap(ctx.container, 0, IOVA, 4 * PAGE, &size));
	say(" size=%#lx", size);
	result("unmap", dma_unmap(container, 0, IOVA, PAGE, &size));
	say(" size=%#lx", size);
}

static void two_close(long order)
{
	struct pair p = setup_pair();

	p.ctx.device = get_device(p.ctx.group, probe_bdf);
	p.device = get_device(p.group, probe_bdf2);
	result("map", dma_map(p.ctx.container, RW, memory(PAGE), IOVA, PAGE));
	if (order) {
		close(p.device);
		close(p.group);
	} else {
		close(p.ctx.device);
		close(p.ctx.group);
	}
	result("exists", dma_map(p.ctx.container, RW, memory(PAGE), IOVA, PAGE));
	result("reset", ioctl(order ? p.ctx.device : p.device, VFIO_DEVICE_RESET));
	result_fd("open", open(order ? probe_group2 : probe_group, O_RDWR));
	result("still busy", open(order ? probe_group : probe_group2, O_RDWR));
}

/* A hot reset asks for the groups of what it resets, and no others. */
static void two_hot_reset(long arg)
{
	struct pair p = setup_pair();
	struct {
		struct vfio_pci_hot_reset head;
		int32_t fds[2];
	} req = { .head = { .argsz = sizeof(req), .count = 1 }, .fds = { p.group, p.ctx.group } };

	p.ctx.device = get_device(p.ctx.group, probe_bdf);
	result("other group", ioctl(p.ctx.device, VFIO_DEVICE_PCI_HOT_RESET, &req));
	req.head.count = 2;
	result("both", ioctl(p.ctx.device, VFIO_DEVICE_PCI_HOT_RESET, &req) == 0 || errno == ENOTTY
			       ? 0
			       : -1);
}

static void two_resets(long arg)
{
	struct pair p = setup_pair();

	p.ctx.device = get_device(p.ctx.group, probe_bdf);
	p.device = get_device(p.group, probe_bdf2);
	config_write(p.ctx.device, 0x3c, 1, 0x55);
	config_write(p.device, 0x3c, 1, 0x66);
	result("reset", ioctl(p.ctx.device, VFIO_DEVICE_RESET));
	say(" lines=%#x,%#x", config_read(p.ctx.device, 0x3c, 1), config_read(p.device, 0x3c, 1));
}

static void two_elsewhere(long arg)
{
	int ready[2], done[2], group;
	char byte = 0;

	if (pipe(ready) || pipe(done))
		setup_failed("pipe");
	if (fork() == 0) {
		group = open(probe_group, O_RDWR);
		byte = group >= 0;
		if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1)
			_exit(1);
		close(group);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	result("child", read(ready[0], &byte, 1));
	say(" opened=%d", byte);
	result("busy", open(probe_group, O_RDWR));
	result_fd("second", open(probe_group2, O_RDWR));
	result("go on", write(done[1], &byte, 1));
	result("closed", read(ready[0], &byte, 1));
	result_fd("free", open(probe_group, O_RDWR));
}

static const struct probe table[] = {
	{ "two-join", two_join, 0, 0 },
	{ "two-join-late", two_join_late, 0, 0 },
	{ "two-names", two_names, 0, 0 },
	{ "two-leave", two_leave, 0, 0 },
	{ "two-containers", two_containers, 0, 0 },
	{ "two-close", two_close, 0, 2 },
	{ "two-hot-reset", two_hot_reset, 0, 0 },
	{ "two-resets", two_resets, 0, 0 },
	{ "two-elsewhere", two_elsewhere, 0, 0 },
};

PROBE_SET(two_probes, table);
