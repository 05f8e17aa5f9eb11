/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VFIO program for a panel of led.c, which knows nothing of uvfio: lights LEDs in each of the
 * ways that the device has and looks whether they are lit.
 *
 *	show UUID [COUNT]	lights COUNT LEDs (5) and says "lit COUNT"
 *	show UUID hold		opens the panel, says "open" and closes it when it is asked to
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define IOVA 0x40000000ull
#define PAGE 4096

enum { ID = 0x00, SIZE = 0x04, ADDR_LOW = 0x08, ADDR_HIGH = 0x0c, COMMAND = 0x10, STATUS = 0x14 };
enum { LIT = 0x18 };
enum { SHOW = 1, READ_BACK, SHOW_MEMORY, FOLLOW, FOLLOW_NOT };

static int container, group, device, irq;
static uint64_t bar0, bar1;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	int err = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (%s)\n", strerror(err));
	exit(1);
}

static uint32_t get(uint64_t off)
{
	uint32_t value;

	if (pread(device, &value, 4, (off_t)(bar0 + off)) != 4)
		fail("register %#llx", (unsigned long long)off);
	return value;
}

static void put(uint64_t off, uint32_t value)
{
	if (pwrite(device, &value, 4, (off_t)(bar0 + off)) != 4)
		fail("register %#llx", (unsigned long long)off);
}

static void open_device(const char *uuid)
{
	char path[256], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		fail("%s", path);
	target[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0)
		fail("%s", path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		fail("container");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (device < 0)
		fail("%s", uuid);
}

static uint64_t region_offset(unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		fail("region %u", index);
	return info.offset;
}

static int set_eventfd(unsigned int index)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;
	int32_t fd = eventfd(0, EFD_CLOEXEC);

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = index,
				      .count = 1 };
	memcpy(set->data, &fd, sizeof(fd));
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, set))
		fail("interrupt %u", index);
	return fd;
}

static void wait_for(int fd, const char *what)
{
	struct pollfd wait = { fd, POLLIN, 0 };
	uint64_t count;

	if (poll(&wait, 1, 60000) != 1 || read(fd, &count, sizeof(count)) != sizeof(count))
		fail("no %s", what);
}

/* A command, its interrupt, and what came of it. */
static void command(uint32_t what)
{
	struct vfio_irq_set unmask = { .argsz = sizeof(unmask),
				       .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
				       .index = VFIO_PCI_INTX_IRQ_INDEX,
				       .count = 1 };

	put(COMMAND, what);
	wait_for(irq, "interrupt");
	if (get(STATUS) != 1)
		fail("command %u: status %#x", what, get(STATUS));
	put(STATUS, 3);
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, &unmask))
		fail("unmask");
}

static void expect_lit(unsigned int count, const char *when)
{
	if (get(LIT) != count)
		fail("%s: %u LEDs are lit, not %u", when, get(LIT), count);
}

static void try_all(unsigned int count)
{
	uint8_t *frame =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (uintptr_t)frame,
						.iova = IOVA,
						.size = PAGE };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = IOVA,
						    .size = PAGE };
	uint8_t *memory;

	if (frame == MAP_FAILED || ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
		fail("memory");
	put(ADDR_LOW, (uint32_t)IOVA);
	put(ADDR_HIGH, (uint32_t)(IOVA >> 32));
	memset(frame, 1, count);
	command(SHOW);
	expect_lit(count, "shown from memory");
	memset(frame, 0, PAGE);
	command(READ_BACK);
	for (unsigned int i = 0; i < PAGE; i++)
		if (frame[i] != (i < count))
			fail("byte %u of the frame came back as %u", i, frame[i]);
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)bar1);
	if (memory == MAP_FAILED)
		fail("BAR 1");
	memset(memory, 7, count + 1);
	command(SHOW_MEMORY);
	expect_lit(count + 1, "shown from BAR 1");
	/* The panel follows what the program writes, as long as it is mapped. */
	command(FOLLOW);
	memset(frame, 0, PAGE);
	expect_lit(0, "followed");
	memset(frame, 1, count + 2);
	expect_lit(count + 2, "followed");
	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) || unmap.size != PAGE)
		fail("unmap");
	expect_lit(count + 1, "after the frame was unmapped");
	put(COMMAND, SHOW);
	wait_for(irq, "interrupt");
	if (get(STATUS) != 2)
		fail("a frame that is not mapped: status %#x", get(STATUS));
	put(STATUS, 3);
	munmap(memory, PAGE);
}

int main(int argc, char **argv)
{
	unsigned int count = argc > 2 ? (unsigned int)atoi(argv[2]) : 5;
	int request;

	if (argc < 2) {
		fprintf(stderr, "usage: show UUID [COUNT|hold]\n");
		return 2;
	}
	open_device(argv[1]);
	bar0 = region_offset(0);
	bar1 = region_offset(1);
	if (get(ID) != 0x1ed50001)
		fail("not a panel: %#x", get(ID));
	irq = set_eventfd(VFIO_PCI_INTX_IRQ_INDEX);
	request = set_eventfd(VFIO_PCI_REQ_IRQ_INDEX);
	if (argc > 2 && !strcmp(argv[2], "hold")) {
		printf("open\n");
		fflush(stdout);
		wait_for(request, "request");
		printf("asked to let go\n");
		return 0;
	}
	try_all(count);
	if (get(SIZE) == (8 | 8 << 16))
		printf("small panel: ");
	printf("lit %u\n", get(LIT));
	return 0;
}
