/* SPDX-License-Identifier: BSD-3-Clause */
/* A device: GET_INFO, GET_REGION_INFO, GET_IRQ_INFO for every index and size, and DEVICE_RESET. */
#include <poll.h>
#include "probe.h"

#define REGIONS 10
#define IRQS	7

/* How much of a buffer that was filled with 0xa5 has been written, rounded to nothing. */
static size_t written(const unsigned char *buf, size_t size)
{
	size_t end = 0;

	for (size_t i = 0; i < size; i++)
		if (buf[i] != 0xa5)
			end = i + 1;
	return end;
}

static const uint32_t info_sizes[] = { 0, 8, 15, 16, 17, 19, 20, 24, 28, 64, 4096 };

static void device_info(long i)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t size = info_sizes[i];
	unsigned char buf[4200];
	struct vfio_device_info *info = (void *)buf;

	memset(buf, 0xa5, sizeof(buf));
	info->argsz = size;
	info->flags = 0;
	if (result("info", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, info)))
		return;
	say(" argsz=%u flags=%#x regions=%u irqs=%u", info->argsz, info->flags, info->num_regions,
	    info->num_irqs);
	if (size >= 20)
		say(" cap_offset=%u", info->cap_offset);
	say(" inside=%d", written(buf, sizeof(buf)) <= size);
}

static void device_info_pointer(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_device_info *info = (void *)(pages + PAGE - 20);

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	result("bad", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, BAD_PTR));
	result("null", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, NULL));
	info->argsz = 4096;
	result("end of page", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, info));
	info = (void *)pages;
	info->argsz = 20;
	mprotect(pages, PAGE, PROT_READ);
	result("read-only", ioctl(ctx.device, VFIO_DEVICE_GET_INFO, info));
}

static void say_region(const struct vfio_region_info *info, uint32_t index)
{
	say(" argsz=%s flags=%#x cap_offset=%u", info->argsz == sizeof(*info) ? "32" : "more",
	    info->flags, info->cap_offset);
	say(" size=%s pages=%d offset=index<<40:%d", info->size ? "some" : "0",
	    index == VFIO_PCI_CONFIG_REGION_INDEX || info->size % PAGE == 0,
	    info->offset == (uint64_t)index << 40);
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		say(" config=%#llx", info->size);
}

static void region_info(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct vfio_region_info info = { .argsz = sizeof(info), .index = (uint32_t)index };

	if (result("info", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, &info)) == 0)
		say_region(&info, info.index);
	say(" index=%u", info.index);
}

static void region_info_full(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	char buf[1024];
	struct vfio_region_info *info = (void *)buf;
	uint32_t off;

	memset(buf, 0, sizeof(buf));
	info->argsz = sizeof(buf);
	info->index = (uint32_t)index;
	if (result("info", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, info)))
		return;
	say(" argsz=%u flags=%#x", info->argsz, info->flags);
	for (off = info->cap_offset; off;) {
		struct vfio_info_cap_header *cap = (void *)(buf + off);

		say(" cap{@%u id=%u v=%u}", off, cap->id, cap->version);
		off = cap->next;
	}
}

static void region_info_index(long arg)
{
	static const uint32_t indexes[] = { 10, 40, 255, 0x10000, 0x7fffffff, 0xffffffff };
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		struct vfio_region_info info = { .argsz = sizeof(info), .index = indexes[i] };

		result("info", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, &info));
	}
}

static const uint32_t region_sizes[] = { 0, 8, 31, 32, 33, 39, 40, 64 };

static void region_info_size(long i)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t size = region_sizes[i];
	unsigned char buf[256];
	struct vfio_region_info *info = (void *)buf;

	memset(buf, 0xa5, sizeof(buf));
	info->argsz = size;
	info->index = memory_bar(ctx.device);
	if (result("bar", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, info)) == 0)
		say(" grown=%d cap_offset=%u inside=%d", info->argsz > size, info->cap_offset,
		    written(buf, sizeof(buf)) <= size);
	info->argsz = size;
	info->flags = 0;
	info->index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (result("config", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, info)) == 0)
		say(" argsz=%u cap_offset=%u", info->argsz, info->cap_offset);
}

static void region_info_pointer(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_region_info *info = (void *)(pages + PAGE - 32);

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	result("bad", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, BAD_PTR));
	info->argsz = 32;
	info->index = memory_bar(ctx.device);
	result("fits", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, info));
	info->argsz = 4096;
	result("chain does not fit", ioctl(ctx.device, VFIO_DEVICE_GET_REGION_INFO, info));
}

static void irq_info(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct vfio_irq_info info = {
		.argsz = sizeof(info), .flags = 0xff00, .index = (uint32_t)index, .count = 1234
	};

	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	/* How many messages a device has is its own affair; 0 and 1 are not. */
	say(" argsz=%u flags=%#x index=%u count=%s", info.argsz, info.flags, info.index,
	    info.count == 0	 ? "0"
	    : info.count == 1	 ? "1"
	    : info.count == 1234 ? "-"
				 : "n");
}

static const uint32_t irq_sizes[] = { 0, 8, 15, 16, 17, 64 };

static void irq_info_size(long i)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct vfio_irq_info info[8] = { { .argsz = irq_sizes[i], .index = 0 } };

	result("intx", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, info));
	say(" argsz=%u flags=%#x count=%u", info->argsz, info->flags, info->count);
}

static void irq_info_index(long arg)
{
	static const uint32_t indexes[] = { 5, 6, 7, 255, 0x80000000, 0xffffffff };
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = indexes[i] };

		result("info", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	}
	result("bad pointer", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, BAD_PTR));
}

static void device_reset(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	result("garbage argument", ioctl(ctx.device, VFIO_DEVICE_RESET, BAD_PTR));
}

static void device_foreign_ioctls(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char buf[64] = { 0 };

	result("unknown", ioctl(ctx.device, _IO(VFIO_TYPE, 150)));
	result("version", ioctl(ctx.device, VFIO_GET_API_VERSION));
	result("extension", ioctl(ctx.device, VFIO_CHECK_EXTENSION, 1));
	result("group status", ioctl(ctx.device, VFIO_GROUP_GET_STATUS, &status));
	result("map", dma_map(ctx.device, 3, memory(PAGE), IOVA, PAGE));
	result("TCGETS", ioctl(ctx.device, 0x5401, buf));
	result("other type", ioctl(ctx.device, _IO('<', 111)));
}

static void device_poll(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct pollfd pfd = { .fd = ctx.device, .events = POLLIN | POLLOUT };

	result("poll", poll(&pfd, 1, 0));
	say(" revents=%#x", pfd.revents);
	result("ftruncate", ftruncate(ctx.device, 0));
	result("fallocate", posix_fallocate(ctx.device, 0, 4096) ? 1 : 0);
}

static const uint32_t ioeventfd_flags[] = { 0, 1, 2, 4, 8, 3, 16 };

static void device_ioeventfd(long i)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	unsigned bar = memory_bar(ctx.device);
	struct vfio_device_ioeventfd arg = { .argsz = sizeof(arg),
					     .flags = ioeventfd_flags[i],
					     .offset = region_offset(ctx.device, bar) + 0x1000,
					     .fd = eventfd(0, 0) };

	result("bar", ioctl(ctx.device, VFIO_DEVICE_IOEVENTFD, &arg));
	arg.fd = -1;
	result("remove", ioctl(ctx.device, VFIO_DEVICE_IOEVENTFD, &arg));
	arg.fd = -2;
	result("fd -2", ioctl(ctx.device, VFIO_DEVICE_IOEVENTFD, &arg));
	arg.fd = eventfd(0, 0);
	arg.offset = region_offset(ctx.device, VFIO_PCI_CONFIG_REGION_INDEX);
	result("config", ioctl(ctx.device, VFIO_DEVICE_IOEVENTFD, &arg));
	arg.offset = region_offset(ctx.device, bar) + region_size(ctx.device, bar);
	result("beyond", ioctl(ctx.device, VFIO_DEVICE_IOEVENTFD, &arg));
	arg.argsz = 8;
	result("argsz", ioctl(ctx.device, VFIO_DEVICE_IOEVENTFD, &arg));
}

static const struct probe table[] = {
	{ "device-info-argsz", device_info, 0, ARRAY_SIZE(info_sizes) },
	{ "device-info-pointer", device_info_pointer, 0, 0 },
	{ "region-info", region_info, 0, REGIONS },
	{ "region-info-full", region_info_full, 0, REGIONS },
	{ "region-info-index", region_info_index, 0, 0 },
	{ "region-info-argsz", region_info_size, 0, ARRAY_SIZE(region_sizes) },
	{ "region-info-pointer", region_info_pointer, 0, 0 },
	{ "irq-info", irq_info, 0, IRQS },
	{ "irq-info-argsz", irq_info_size, 0, ARRAY_SIZE(irq_sizes) },
	{ "irq-info-index", irq_info_index, 0, 0 },
	{ "device-reset", device_reset, 0, 0 },
	{ "device-foreign-ioctls", device_foreign_ioctls, 0, 0 },
	{ "device-poll", device_poll, 0, 0 },
	{ "device-ioeventfd", device_ioeventfd, 0, ARRAY_SIZE(ioeventfd_flags) },
};

PROBE_SET(device_probes, table);
