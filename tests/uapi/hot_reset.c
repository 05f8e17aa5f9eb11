/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_GET_PCI_HOT_RESET_INFO and VFIO_DEVICE_PCI_HOT_RESET. */
#include "probe.h"

#define ROOM 16

struct hot_info {
	struct vfio_pci_hot_reset_info head;
	struct vfio_pci_dependent_device devices[ROOM];
};

struct hot_request {
	struct vfio_pci_hot_reset head;
	int32_t fds[ROOM];
};

static const uint32_t sizes[] = { 0, 8, 11, 12, 13, 19, 20, 24, 28, 200 };

static void hot_reset_info(long i)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct hot_info info = { .head = { .argsz = sizes[i], .flags = 0xff, .count = 77 } };
	unsigned segment, bus, dev, fn;

	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info));
	say(" argsz=%u flags=%#x count=%u", info.head.argsz, info.head.flags, info.head.count);
	sscanf(probe_bdf, "%x:%x:%x.%x", &segment, &bus, &dev, &fn);
	if (info.head.count == 1 && info.head.argsz >= 20)
		say(" segment=%d bus=%d devfn=%d group=%d", info.devices[0].segment == segment,
		    info.devices[0].bus == bus, info.devices[0].devfn == (dev << 3 | fn),
		    info.devices[0].group_id == (unsigned)atoi(strrchr(probe_group, '/') + 1));
}

static void hot_reset_info_pointer(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_pci_hot_reset_info *info = (void *)(pages + PAGE - sizeof(*info));

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	result("bad", ioctl(ctx.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, BAD_PTR));
	info->argsz = 4096;
	result("no room", ioctl(ctx.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info));
}

static int hot_reset(int device, uint32_t argsz, uint32_t flags, uint32_t count, int fd)
{
	struct hot_request req = { .head = { .argsz = argsz, .flags = flags, .count = count } };

	for (int i = 0; i < ROOM; i++)
		req.fds[i] = fd;
	return ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, &req);
}

static void hot_reset_request(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("count 0", hot_reset(ctx.device, 12, 0, 0, ctx.group));
	result("argsz 0", hot_reset(ctx.device, 0, 0, 1, ctx.group));
	result("argsz 11", hot_reset(ctx.device, 11, 0, 1, ctx.group));
	result("flags", hot_reset(ctx.device, 16, 1, 1, ctx.group));
	result("not a group", hot_reset(ctx.device, 16, 0, 1, ctx.container));
	result("device", hot_reset(ctx.device, 16, 0, 1, ctx.device));
	result("fd -1", hot_reset(ctx.device, 16, 0, 1, -1));
	result("null device", hot_reset(ctx.device, 16, 0, 1, open("/dev/null", O_RDWR)));
	result("twice the group", hot_reset(ctx.device, 20, 0, 2, ctx.group));
	result("count 1000", hot_reset(ctx.device, 12 + 4 * ROOM, 0, 1000, ctx.group));
	result("bad pointer", ioctl(ctx.device, VFIO_DEVICE_PCI_HOT_RESET, BAD_PTR));
}

static void hot_reset_group(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("group", hot_reset(ctx.device, 16, 0, 1, ctx.group));
	result("argsz 12 for one", hot_reset(ctx.device, 12, 0, 1, ctx.group));
}

/* A hot reset gives the function back as DEVICE_RESET does. */
static void hot_reset_config(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t command = config_read(ctx.device, 4, 2);

	config_write(ctx.device, 4, 2, command | 7);
	result("group", hot_reset(ctx.device, 16, 0, 1, ctx.group));
	say(" command=%#x", config_read(ctx.device, 4, 2) & 7);
}

static const struct probe table[] = {
	{ "hot-reset-info", hot_reset_info, 0, ARRAY_SIZE(sizes) },
	{ "hot-reset-info-pointer", hot_reset_info_pointer, 0, 0 },
	{ "hot-reset", hot_reset_request, 0, 0 },
	{ "hot-reset-group", hot_reset_group, 0, 0 },
	{ "hot-reset-config", hot_reset_config, 0, 0 },
};

PROBE_SET(hot_reset_probes, table);
