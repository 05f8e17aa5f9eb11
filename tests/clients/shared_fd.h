/* SPDX-License-Identifier: BSD-3-Clause */
/* For shared_fd.c: VFIO's first steps, and an NVMe controller with its admin queue. */
#ifndef CLIENTS_SHARED_FD_H
#define CLIENTS_SHARED_FD_H

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	    4096UL
#define ENTRIES	    16U
#define MEMORY	    (16 * PAGE)
#define IOVA	    0x100000UL
#define REG_VS	    0x08 /* 3.1.2 */
#define REG_INTMS   0x0c /* 3.1.3: written ones mask; 0 changes nothing */
#define REG_CC	    0x14
#define REG_CSTS    0x1c
#define REG_AQA	    0x24
#define REG_ASQ	    0x28
#define REG_ACQ	    0x30
#define REG_SQ0TDBL 0x1000
#define REG_CQ0HDBL 0x1004
#define CC_ENABLE   0x00460001U
#define CONFIG	    ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

static const char *bdf = "0000:01:00.0", *mode;
static int container, group, device, interrupt;
static volatile uint8_t *bar;
static uint8_t *memory; /* submission queue, completion queue, data */
static unsigned int tail, head, phase = 1;

#define die(...)                                                            \
	do {                                                                \
		fprintf(stderr, "shared_fd %s, line %d: ", mode, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                               \
		fprintf(stderr, " (errno %d)\n", errno);                    \
		exit(1);                                                    \
	} while (0)
#define expect(good)                      \
	do {                              \
		if (!(good))              \
			die("%s", #good); \
	} while (0)
#define expect_error(call, number)                         \
	do {                                               \
		errno = 0;                                 \
		expect((call) == -1 && errno == (number)); \
	} while (0)

/* ---- opening --------------------------------------------------------------------------------- */

static int open_group(void)
{
	char path[128], link[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	expect(len > 0);
	link[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Once another process has ended, its descriptors have gone; the session hears of it soon. */
static int open_group_eventually(void)
{
	int fd;

	for (int i = 0; i < 1000; i++) {
		fd = open_group();
		if (fd >= 0 || errno != EBUSY)
			return fd;
		usleep(10000);
	}
	return -1;
}

static void open_files(bool with_device)
{
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	expect(container >= 0);
	group = open_group();
	expect(group >= 0);
	expect(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	expect(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	if (with_device)
		expect((device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf)) >= 0);
}

static void set_command(uint16_t bits, bool on)
{
	uint16_t command;

	expect(pread(device, &command, 2, CONFIG + 4) == 2);
	command = on ? command | bits : command & ~bits;
	expect(pwrite(device, &command, 2, CONFIG + 4) == 2);
}

static void map_bar(void)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };

	expect(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region));
	expect(region.flags & VFIO_REGION_INFO_FLAG_MMAP);
	set_command(6, true); /* memory decode, bus master */
	bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		   (off_t)region.offset);
	expect(bar != MAP_FAILED);
}

static long map_dma(void *addr, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static long unmap_dma(uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
						    .iova = iova,
						    .size = size };
	long ret = ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	expect(ret || unmap.size == size);
	return ret;
}

/* ---- the controller -------------------------------------------------------------------------- */

static uint32_t reg_read(unsigned int off)
{
	return *(volatile uint32_t *)(bar + off);
}

static void reg_write(unsigned int off, uint32_t value)
{
	*(volatile uint32_t *)(bar + off) = value;
}

static void wait_ready(uint32_t ready)
{
	for (int i = 0; i < 10000 && (reg_read(REG_CSTS) & 1) != ready; i++)
		usleep(1000);
	expect((reg_read(REG_CSTS) & 1) == ready);
}

static void start_controller(void)
{
	memset(memory, 0, 2 * PAGE);
	tail = head = 0;
	phase = 1;
	reg_write(REG_CC, 0);
	wait_ready(0);
	reg_write(REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	reg_write(REG_ASQ, IOVA);
	reg_write(REG_ASQ + 4, 0);
	reg_write(REG_ACQ, IOVA + PAGE);
	reg_write(REG_ACQ + 4, 0);
	reg_write(REG_CC, CC_ENABLE);
	wait_ready(1);
}

static void wait_interrupt(void)
{
	struct pollfd fd = { .fd = interrupt, .events = POLLIN };
	uint64_t count;

	expect(poll(&fd, 1, 60000) == 1);
	expect(read(interrupt, &count, sizeof(count)) == sizeof(count) && count);
}

/* Identify (5.15) into the data page; its status must be 0. */
static void identify(bool by_interrupt)
{
	volatile uint32_t *sqe = (volatile uint32_t *)(memory + tail * 64);
	volatile uint32_t *cqe = (volatile uint32_t *)(memory + PAGE + head * 16);

	for (int i = 0; i < 16; i++)
		sqe[i] = 0;
	sqe[0] = 0x06 | tail << 16;
	sqe[6] = IOVA + 2 * PAGE;
	sqe[10] = 1; /* controller */
	memset(memory + 2 * PAGE, 0xee, 64);
	tail = (tail + 1) % ENTRIES;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	reg_write(REG_SQ0TDBL, tail);
	if (by_interrupt)
		wait_interrupt();
	for (int i = 0; i < 60000000 && (cqe[3] >> 16 & 1) != phase; i++)
		if (i > 1000)
			usleep(i > 2000 ? 1000 : 0);
	expect((cqe[3] >> 16 & 1) == phase);
	expect(!(cqe[3] >> 17));
	head = (head + 1) % ENTRIES;
	if (!head)
		phase ^= 1;
	reg_write(REG_CQ0HDBL, head);
	/* VID (Figure 247): the subsystem's vendor in config space agrees. */
	uint16_t vendor;

	expect(pread(device, &vendor, 2, CONFIG) == 2);
	expect(!memcmp(memory + 2 * PAGE, &vendor, 2));
}

static void set_interrupt(bool on)
{
	uint8_t buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

	set->argsz = on ? sizeof(buf) : sizeof(*set);
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
		     (on ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->start = 0;
	set->count = on;
	if (on) {
		int32_t bad = 987;

		/* A number that is no descriptor is refused. */
		memcpy(set->data, &bad, sizeof(bad));
		expect_error(ioctl(device, VFIO_DEVICE_SET_IRQS, set), EBADF);
		interrupt = eventfd(0, EFD_CLOEXEC);
		memcpy(set->data, &interrupt, sizeof(interrupt));
	}
	expect(!ioctl(device, VFIO_DEVICE_SET_IRQS, set));
	if (!on)
		close(interrupt);
}

/* Memory that both processes may map. */
static int make_memory(void)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);

	expect(fd >= 0 && !ftruncate(fd, MEMORY));
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(memory != MAP_FAILED);
	return fd;
}

/* A whole life of the device in whoever has its descriptors. */
static void drive(int rounds)
{
	map_bar();
	expect(reg_read(REG_VS) >> 16 == 1);
	expect(!map_dma(memory, MEMORY, IOVA));
	expect_error(map_dma(memory, PAGE, IOVA), EEXIST);
	start_controller();
	for (int i = 0; i < rounds; i++)
		identify(false);
	set_interrupt(true);
	for (int i = 0; i < rounds; i++)
		identify(true);
	set_interrupt(false);
	expect(!unmap_dma(IOVA, MEMORY));
}

#endif
