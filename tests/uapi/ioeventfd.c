/* SPDX-License-Identifier: BSD-3-Clause */
/* Ioeventfds that do something, and how many there may be. */
#include <sys/resource.h>
#include "probe.h"

#define NVME_AQA 0x24u /* admin queue sizes: two registers of 16 bits */
#define NVME_ASQ 0x28u /* admin submission queue: 64 bits */

static int ioeventfd(int device, uint32_t width, uint64_t off, uint64_t data, int fd)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg), .flags = width, .offset = off, .data = data, .fd = fd
	};

	return ioctl(device, VFIO_DEVICE_IOEVENTFD, &arg);
}

static uint64_t bar_read(int device, unsigned off)
{
	uint64_t value = 0;

	if (pread(device, &value, 8, off) != 8)
		setup_failed("BAR read");
	return value;
}

/* Until the register reads so, or a second has passed. */
static uint64_t await(int device, unsigned off, uint64_t mask, uint64_t wanted)
{
	uint64_t value = 0;

	for (int i = 0; i < 100; i++) {
		value = bar_read(device, off & ~7u) >> 8 * (off & 7) & mask;
		if (value == wanted)
			break;
		usleep(10000);
	}
	return value;
}

static void ioeventfd_write(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int fd = eventfd(0, 0), second = eventfd(0, 0);

	config_write(ctx.device, 4, 2, 6);
	result("4 bytes", ioeventfd(ctx.device, 4, NVME_AQA, 0x00070007, fd));
	result("signal", eventfd_write(fd, 1));
	say(" value=%#lx", (unsigned long)await(ctx.device, NVME_AQA, 0xffffffff, 0x00070007));
	result("again", ioeventfd(ctx.device, 4, NVME_AQA, 0x00070007, second));
	result("other data", ioeventfd(ctx.device, 4, NVME_AQA, 0x000f000f, second));
	result("signal", eventfd_write(second, 5));
	say(" value=%#lx", (unsigned long)await(ctx.device, NVME_AQA, 0xffffffff, 0x000f000f));
	result("remove", ioeventfd(ctx.device, 4, NVME_AQA, 0x00070007, -1));
	result("remove again", ioeventfd(ctx.device, 4, NVME_AQA, 0x00070007, -1));
	result("signal", eventfd_write(fd, 1));
	usleep(50000);
	say(" value=%#lx", (unsigned long)await(ctx.device, NVME_AQA, 0xffffffff, 0x000f000f));
	result("memory off", (config_write(ctx.device, 4, 2, 0), 0));
	result("other", ioeventfd(ctx.device, 4, NVME_AQA, 0x00010001, fd));
	result("signal", eventfd_write(fd, 1));
	usleep(50000);
	config_write(ctx.device, 4, 2, 2);
	say(" value=%#lx", (unsigned long)await(ctx.device, NVME_AQA, 0xffffffff, 0x000f000f));
}

static void ioeventfd_wide(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int fd = eventfd(0, 0);

	config_write(ctx.device, 4, 2, 2);
	result("8 bytes", ioeventfd(ctx.device, 8, NVME_ASQ, 0x123456789a000, fd));
	result("signal", eventfd_write(fd, 1));
	say(" value=%#lx", (unsigned long)await(ctx.device, NVME_ASQ, ~0ul, 0x123456789a000));
	result("odd", ioeventfd(ctx.device, 8, NVME_ASQ + 1, 0, fd));
	result("no fd", ioeventfd(ctx.device, 8, NVME_ASQ, 1, 9999));
	result("no eventfd", ioeventfd(ctx.device, 8, NVME_ASQ, 1, ctx.container));
	result("table", ioeventfd(ctx.device, 4, 0x2000, 1, fd));
	result("over the table", ioeventfd(ctx.device, 8, 0x1ffc, 1, fd));
	result("before the table", ioeventfd(ctx.device, 4, 0x1ffc, 1, fd));
	result("absent BAR", ioeventfd(ctx.device, 4, 2ull << 40, 1, fd));
	result("ROM", ioeventfd(ctx.device, 4, 6ull << 40, 1, fd));
}

static void ioeventfd_limit(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct rlimit limit;
	int ret = 0, n;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* An eventfd wakes one of the kernel's at a time. */
	for (n = 0; n < 1100 && !ret; n++)
		ret = ioeventfd(ctx.device, 4, NVME_AQA, (uint64_t)n, eventfd(0, 0));
	result("last", ret);
	say(" n=%d", n);
	result("remove", ioeventfd(ctx.device, 4, NVME_AQA, 7, -1));
	result("room", ioeventfd(ctx.device, 4, NVME_AQA, 5000, eventfd(0, 0)));
}

static const struct probe table[] = {
	{ "ioeventfd-write", ioeventfd_write, 0, 0 },
	{ "ioeventfd-wide", ioeventfd_wide, 0, 0 },
	{ "ioeventfd-limit", ioeventfd_limit, 0, 0 },
};

PROBE_SET(ioeventfd_probes, table);
