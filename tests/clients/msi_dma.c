/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that writes interrupt messages by DMA: an I/OAT channel copies four bytes into the
 * window at 0xfee00000 (registers as in the Xeon E5 v2 datasheet, volume 2, "Crystal Beach DMA").
 *
 *   msi_dma MODE SENDER OTHER
 *
 * MODE own: the message that the host gave to the sender, whose eventfd is signalled. MODE other:
 * the message of the other device. MODE free: the same, and nothing is there to stop it. Status 0:
 * all was as it has to be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	     4096UL
#define IOVA	     0x10000000UL
#define CHAN	     0x80
#define DMACOUNT     (CHAN + 0x06)
#define CHANSTS	     (CHAN + 0x08)
#define CHAINADDR    (CHAN + 0x10)
#define CHANCMP	     (CHAN + 0x18)
#define CHANERR	     (CHAN + 0x28)
#define STATE_HALTED 3

struct descriptor {
	uint32_t size, ctl;
	uint64_t src, dst, next, rest[4];
};

struct message {
	uint64_t addr;
	uint32_t data;
};

struct device {
	int group, fd, eventfd;
	uint64_t config; /* offset of config space */
};

static int container;
static struct device dev[2];
static bool iommu = true;

static void expect(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "msi_dma: not as expected: %s (%s)\n", what, strerror(errno));
	exit(1);
}

static uint64_t offset_of(const struct device *d, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	expect(!ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &info), "GET_REGION_INFO");
	return info.offset;
}

static void open_group(struct device *d, const char *bdf)
{
	char path[128], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(path, target, sizeof(target) - 1);
	expect(len > 0, "the group");
	target[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	d->group = open(path, O_RDWR);
	expect(d->group >= 0 && !ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &container),
	       "SET_CONTAINER");
}

static void open_device(struct device *d, const char *bdf)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set *set = (void *)buf;
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	d->fd = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	expect(d->fd >= 0, "GET_DEVICE_FD");
	d->config = offset_of(d, VFIO_PCI_CONFIG_REGION_INDEX);
	expect(pwrite(d->fd, &command, 2, (off_t)d->config + PCI_COMMAND) == 2, "COMMAND");
	d->eventfd = eventfd(0, EFD_NONBLOCK);
	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_MSIX_IRQ_INDEX,
				      .count = 1 };
	memcpy(set->data, &d->eventfd, sizeof(int32_t));
	expect(!ioctl(d->fd, VFIO_DEVICE_SET_IRQS, set), "SET_IRQS");
}

/* Vector 0's, out of the MSI-X table. */
static struct message message_of(const struct device *d)
{
	uint8_t config[256], at;
	const volatile uint32_t *words;
	struct message message;
	uint32_t table;
	char *page;

	expect(pread(d->fd, config, sizeof(config), (off_t)d->config) == sizeof(config), "config");
	for (at = config[PCI_CAPABILITY_LIST]; at && config[at] != PCI_CAP_ID_MSIX;)
		at = config[at + 1];
	expect(at, "an MSI-X capability");
	memcpy(&table, config + at + PCI_MSIX_TABLE, sizeof(table));
	/* read(2) does not show it; a mapping does. */
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, d->fd,
		    (off_t)((offset_of(d, table & PCI_MSIX_TABLE_BIR) +
			     (table & PCI_MSIX_TABLE_OFFSET)) &
			    ~(PAGE - 1)));
	expect(page != MAP_FAILED, "mmap of the table");
	words = (const volatile uint32_t *)(page + (table & PCI_MSIX_TABLE_OFFSET) % PAGE);
	message.addr = words[0] | (uint64_t)words[1] << 32;
	message.data = words[2];
	expect(message.addr >> 20 == 0xfee, "an address in the window");
	return message;
}

static bool signalled(const struct device *d)
{
	uint64_t value;

	return read(d->eventfd, &value, sizeof(value)) == sizeof(value);
}

/* The sender copies the message's data to its address. What CHANERR says. */
static uint32_t send_message(const struct message *message)
{
	const time_t end = time(NULL) + 60;
	char *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ |
							 VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (uintptr_t)mem,
						.iova = IOVA,
						.size = PAGE };
	volatile uint64_t *completion = (volatile uint64_t *)(mem + PAGE / 2);
	volatile uint8_t *bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev[0].fd,
				     (off_t)offset_of(&dev[0], VFIO_PCI_BAR0_REGION_INDEX));
	struct descriptor *desc = (struct descriptor *)mem;
	uint64_t base = IOVA;

	expect(mem != MAP_FAILED && bar != MAP_FAILED, "mmap");
	if (iommu) {
		expect(!ioctl(container, VFIO_IOMMU_MAP_DMA, &map), "MAP_DMA");
	} else {
		int pagemap = open("/proc/self/pagemap", O_RDONLY);

		*mem = 1;
		expect(pread(pagemap, &base, 8, (off_t)((uintptr_t)mem / PAGE * 8)) == 8,
		       "a frame number");
		base = (base & ((1ULL << 55) - 1)) * PAGE;
		close(pagemap);
	}
	memcpy(mem + PAGE / 4, &message->data, sizeof(message->data));
	*desc = (struct descriptor){ .size = sizeof(message->data),
				     .ctl = 8,
				     .src = base + PAGE / 4,
				     .dst = message->addr,
				     .next = base };
	*(volatile uint64_t *)(bar + CHANCMP) = base + PAGE / 2;
	*(volatile uint64_t *)(bar + CHAINADDR) = base;
	*(volatile uint16_t *)(bar + DMACOUNT) = 1;
	while (!*completion && (*(volatile uint64_t *)(bar + CHANSTS) & 7) != STATE_HALTED) {
		expect(time(NULL) < end, "an end of the copy");
		sched_yield();
	}
	return *(volatile uint32_t *)(bar + CHANERR);
}

int main(int argc, char **argv)
{
	struct message message;
	const char *mode;
	uint32_t error;

	if (argc != 4)
		return 2;
	mode = argv[1];
	iommu = strcmp(mode, "free") != 0;
	container = open("/dev/vfio/vfio", O_RDWR);
	expect(container >= 0, "/dev/vfio/vfio");
	for (int i = 0; i < 2; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", i);
		if (iommu) {
			open_group(&dev[i], argv[2 + i]);
		} else {
			dev[i].group = open(path, O_RDWR);
			expect(!ioctl(dev[i].group, VFIO_GROUP_SET_CONTAINER, &container), path);
		}
	}
	expect(!ioctl(container, VFIO_SET_IOMMU, iommu ? VFIO_TYPE1v2_IOMMU : VFIO_NOIOMMU_IOMMU),
	       "SET_IOMMU");
	for (int i = 0; i < 2; i++)
		open_device(&dev[i], argv[2 + i]);
	message = message_of(&dev[strcmp(mode, "own") != 0]);
	error = send_message(&message);
	if (!strcmp(mode, "own")) {
		expect(!error && signalled(&dev[0]) && !signalled(&dev[1]), "its own interrupt");
	} else if (!strcmp(mode, "free")) {
		expect(!error && signalled(&dev[1]) && !signalled(&dev[0]),
		       "the other's interrupt");
	} else {
		/* Posted writes have no answer: the engine goes on. */
		expect(!signalled(&dev[0]) && !signalled(&dev[1]), "no interrupt");
	}
	printf("%s: as expected\n", mode);
	return 0;
}
