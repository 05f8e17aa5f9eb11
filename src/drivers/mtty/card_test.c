/* SPDX-License-Identifier: BSD-3-Clause */
/* The card as VFIO's core sees it: instances and their ports, regions, interrupts, lines that lead
 * out of the process. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/mtty/fixture.h"
#include "drivers/mtty/stream.h"
#include "vfio/fixture.h"

#define BAR0   VFIO_PCI_BAR0_REGION_INDEX
#define BAR1   VFIO_PCI_BAR1_REGION_INDEX
#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

#define EVENTFD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define NOW	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)
#define UNMASK	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK)
#define MASK	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK)

static struct vfio_device *a, *b; /* two ports, one port */

static void setup(void)
{
	mtty_fixture_setup();
	a = mtty_fixture_create("mtty-2", UUID_A);
	b = mtty_fixture_create("mtty-1", UUID_B);
}

static void teardown(void)
{
	mtty_fixture_teardown();
}

static int set_irqs(uint32_t flags, unsigned int index, unsigned int count, const void *data)
{
	return a->ops->set_irqs(a, flags, index, 0, count, data);
}

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Waits for one; the test's own time limit ends it. */
static void wait_signal(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, -1), 1);
	ck_assert_uint_gt(signals(fd), 0);
}

START_TEST(types)
{
	struct mdev_parent *parent = mdev_find_device(UUID_A)->parent;
	struct mdev_type *one = mdev_find_type(parent, "mtty-1");
	struct mdev_type *two = mdev_find_type(parent, "mtty-2");
	char uuid[MDEV_NAME_LEN];

	ck_assert_str_eq(parent->dev->sysfs_path, "/sys/devices/virtual/mtty/mtty");
	ck_assert_str_eq(one->pretty_name, "Single port serial");
	ck_assert_str_eq(two->pretty_name, "Dual port serial");
	ck_assert_uint_eq(mdev_type_available(one), 21);
	ck_assert_uint_eq(mdev_type_available(two), 10);
	for (unsigned int i = 0; i < 10; i++) {
		snprintf(uuid, sizeof(uuid), "00000000-0000-0000-0000-%012u", i);
		ck_assert_int_eq(mdev_device_create(two, uuid), 0);
	}
	ck_assert_int_eq(mdev_device_create(two, UUID_C), -ENOSPC);
	ck_assert_ptr_null(mdev_find_device(UUID_C));
	ck_assert_uint_eq(mdev_type_available(one), 1);
	ck_assert_int_eq(mdev_device_create(one, UUID_C), 0);
	ck_assert_uint_eq(mdev_type_available(one), 0);
	ck_assert_int_eq(mdev_device_remove(mdev_find_device(UUID_A)), 0);
	ck_assert_uint_eq(mdev_type_available(one), 2);
}
END_TEST

START_TEST(infos)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };

	ck_assert_int_eq(a->ops->get_info(a, &info, NULL), 0);
	ck_assert_uint_eq(info.flags, VFIO_DEVICE_FLAGS_PCI);
	ck_assert_uint_eq(info.num_regions, 9);
	ck_assert_uint_eq(info.num_irqs, 5);
	for (region.index = 0; region.index < 9; region.index++) {
		ck_assert_int_eq(b->ops->get_region_info(b, &region, NULL), 0);
		ck_assert_uint_eq(region.size, region.index == 0 ? 8 : region.index == 7 ? 255 : 0);
		ck_assert_uint_eq(region.flags, 3);
		ck_assert_uint_eq(region.offset, (uint64_t)region.index << 40);
	}
	ck_assert_int_eq(b->ops->get_region_info(b, &region, NULL), -EINVAL);
	region.index = 1;
	ck_assert_int_eq(a->ops->get_region_info(a, &region, NULL), 0);
	ck_assert_uint_eq(region.size, 8);
	for (irq.index = 0; irq.index < 5; irq.index++)
		ck_assert_int_eq(a->ops->get_irq_info(a, &irq), irq.index < 2 ? 0 : -EINVAL);
	irq.index = 0;
	a->ops->get_irq_info(a, &irq);
	ck_assert_uint_eq(irq.flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
					     VFIO_IRQ_INFO_AUTOMASKED);
	irq.index = 1;
	a->ops->get_irq_info(a, &irq);
	ck_assert_uint_eq(irq.flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
	ck_assert_uint_eq(irq.count, 1);
}
END_TEST

static uint32_t config_read(struct vfio_device *vdev, unsigned int off)
{
	uint32_t val = 0;

	ck_assert_int_eq(vdev->ops->region_read(vdev, CONFIG, off, &val, 4), 4);
	return val;
}

static void config_write(struct vfio_device *vdev, unsigned int off, uint32_t val, unsigned int len)
{
	ck_assert_int_eq(vdev->ops->region_write(vdev, CONFIG, off, &val, len), len);
}

START_TEST(config_space)
{
	uint8_t all[256];

	ck_assert_int_eq(a->ops->region_read(a, CONFIG, 0, all, 255), 255);
	ck_assert_uint_eq(config_read(a, 0), 0x32534348);
	ck_assert_uint_eq(config_read(a, 4), 0x02000001);
	ck_assert_uint_eq(config_read(a, 8), 0x07000210);
	ck_assert_uint_eq(config_read(a, 0x10), 1);
	ck_assert_uint_eq(config_read(a, 0x14), 1);
	ck_assert_uint_eq(config_read(b, 0x14), 0);
	ck_assert_uint_eq(config_read(a, 0x2c), 0x32534348);
	ck_assert_uint_eq(config_read(a, 0x3c), 0x100);
	ck_assert_mem_eq(all + 0x60, "PCI Serial/UART", 15);
	config_write(a, 0x10, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(a, 0x10), 0xfffffff9);
	config_write(a, 0x10, 0xc150, 4);
	ck_assert_uint_eq(config_read(a, 0x10), 0xc151);
	config_write(a, 0x11, 0xd2, 1);
	ck_assert_uint_eq(config_read(a, 0x10), 0xd251);
	config_write(b, 0x14, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(b, 0x14), 0);
	config_write(a, 0x18, 0xffffffff, 4);
	ck_assert_uint_eq(config_read(a, 0x18), 0);
	config_write(a, 0x3c, 0x020b, 2);
	ck_assert_uint_eq(config_read(a, 0x3c), 0x10b);
	config_write(a, 0, 0, 4);
	config_write(a, 4, 0, 2);
	ck_assert_uint_eq(config_read(a, 0), 0x32534348);
	ck_assert_uint_eq(config_read(a, 4), 0x02000001);
	ck_assert_int_eq(a->ops->region_read(a, CONFIG, 256, all, 1), -EFAULT);
	ck_assert_int_eq(a->ops->region_read(a, CONFIG, 255, all, 1), 1);
	ck_assert_int_eq(a->ops->region_write(a, CONFIG, 254, all, 4), -EFAULT);
}
END_TEST

static uint8_t rd(struct vfio_device *vdev, unsigned int bar, unsigned int reg)
{
	uint8_t val = 0;

	ck_assert_int_eq(vdev->ops->region_read(vdev, bar, reg, &val, 1), 1);
	return val;
}

static void wr(struct vfio_device *vdev, unsigned int bar, unsigned int reg, unsigned int val)
{
	uint8_t byte = (uint8_t)val;

	ck_assert_int_eq(vdev->ops->region_write(vdev, bar, reg, &byte, 1), 1);
}

START_TEST(bars)
{
	uint32_t wide = 0xffffffff;

	ck_assert_int_eq(a->ops->open_device(a), 0);
	wr(a, BAR0, UART_SCR, 0x11);
	wr(a, BAR1, UART_SCR, 0x22);
	ck_assert_uint_eq(rd(a, BAR0, UART_SCR), 0x11);
	ck_assert_uint_eq(rd(a, BAR1, UART_SCR), 0x22);
	/* A wide access is one register. */
	wr(a, BAR0, UART_LCR, 3);
	ck_assert_int_eq(a->ops->region_read(a, BAR0, 4, &wide, 4), 4);
	ck_assert_uint_eq(wide, 0);
	ck_assert_int_eq(a->ops->region_read(a, BAR0, 0x10, &wide, 4), 4);
	ck_assert_int_eq(a->ops->region_read(a, 2, 0, &wide, 4), -EFAULT);
	ck_assert_int_eq(b->ops->region_read(b, BAR1, 0, &wide, 1), -EFAULT);
	ck_assert_int_eq(a->ops->region_read(a, 6, 0, &wide, 4), -EFAULT);
	ck_assert_int_eq(a->ops->region_read(a, 8, 0, &wide, 4), -EFAULT);
	ck_assert_int_eq(a->ops->region_read(a, 1000, 0, &wide, 4), -EFAULT);
	a->ops->close_device(a);
	/* Registers live on; a reset is a reset. */
	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_uint_eq(rd(a, BAR0, UART_SCR), 0x11);
	ck_assert_int_eq(a->ops->reset(a), 0);
	ck_assert_uint_eq(rd(a, BAR0, UART_SCR), 0);
	ck_assert_uint_eq(rd(a, BAR1, UART_SCR), 0);
	a->ops->close_device(a);
}
END_TEST

START_TEST(intx)
{
	int fd = eventfd(0, EFD_NONBLOCK), none = -1, bad = 9999;
	uint8_t no = 0, yes = 1;

	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(set_irqs(MASK, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 1, &fd), 0);
	ck_assert_int_eq(set_irqs(EVENTFD, 1, 1, &fd), -EINVAL);
	for (unsigned int index = 2; index < 5; index++)
		ck_assert_int_eq(set_irqs(EVENTFD, index, 1, &fd), -ENOTTY);
	ck_assert_int_eq(a->ops->set_irqs(a, EVENTFD, 0, 1, 1, &fd), -EINVAL);
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 2, &fd), -EINVAL);
	wr(a, BAR0, UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(signals(fd), 1);
	/* Masked since it fired; the level fires again. */
	wr(a, BAR1, UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(signals(fd), 0);
	ck_assert_int_eq(set_irqs(UNMASK, 0, 1, NULL), 0);
	ck_assert_uint_eq(signals(fd), 1);
	ck_assert_uint_eq(rd(a, BAR0, UART_IIR), UART_IIR_THRI);
	ck_assert_uint_eq(rd(a, BAR1, UART_IIR), UART_IIR_THRI);
	ck_assert_int_eq(set_irqs(UNMASK, 0, 1, NULL), 0);
	ck_assert_uint_eq(signals(fd), 0);
	ck_assert_int_eq(set_irqs(MASK, 0, 1, NULL), 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), 0);
	ck_assert_uint_eq(signals(fd), 0);
	ck_assert_int_eq(set_irqs(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &no),
			 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), 0);
	ck_assert_uint_eq(signals(fd), 0);
	ck_assert_int_eq(set_irqs(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &yes),
			 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), 0);
	ck_assert_uint_eq(signals(fd), 1);
	ck_assert_int_eq(
		set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &fd),
		-ENOTTY);
	/* An fd that is none takes the old one away. */
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 1, &bad), -EBADF);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 1, &fd), 0);
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 1, &none), 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 1, &fd), 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 0, NULL), 0);
	ck_assert_int_eq(set_irqs(NOW, 0, 1, NULL), -EINVAL);
	a->ops->close_device(a);
	close(fd);
}
END_TEST

START_TEST(msi)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_int_eq(set_irqs(EVENTFD, 1, 1, &fd), 0);
	ck_assert_int_eq(set_irqs(MASK, 1, 1, NULL), -ENOTTY);
	ck_assert_int_eq(set_irqs(MASK, 0, 1, NULL), -EINVAL);
	/* Every new cause is told, an old one once. */
	wr(a, BAR0, UART_FCR, UART_FCR_ENABLE);
	wr(a, BAR0, UART_IER, UART_IER_RDI);
	wr(a, BAR0, UART_THR, 'a');
	ck_assert_uint_eq(signals(fd), 1);
	wr(a, BAR0, UART_THR, 'b');
	ck_assert_uint_eq(signals(fd), 0);
	wr(a, BAR0, UART_IER, UART_IER_RDI | UART_IER_THRI);
	ck_assert_uint_eq(signals(fd), 1);
	rd(a, BAR0, UART_RBR);
	rd(a, BAR0, UART_RBR);
	wr(a, BAR0, UART_THR, 'c');
	ck_assert_uint_gt(signals(fd), 0);
	ck_assert_int_eq(set_irqs(NOW, 1, 1, NULL), 0);
	ck_assert_uint_eq(signals(fd), 1);
	a->ops->close_device(a);
	close(fd);
}
END_TEST

static void store(const char *uuid, const char *name, const char *text, ssize_t expected)
{
	mtty_fixture_store(uuid, name, text, expected);
}

START_TEST(attributes)
{
	ck_assert_str_eq(mtty_fixture_show(UUID_A, "vendor/sample_mdev_dev"),
			 "This is MDEV " UUID_A "\n");
	ck_assert_str_eq(mtty_fixture_show(UUID_A, "vendor/port1"), "loopback\n");
	ck_assert_ptr_null(mtty_fixture_show(UUID_B, "vendor/port1"));
	store(UUID_A, "vendor/port1", "cable:" UUID_B ":0\n", 0);
	ck_assert_str_eq(mtty_fixture_show(UUID_B, "vendor/port0"), "cable:" UUID_A ":1\n");
	store(UUID_A, "vendor/port1", "nowhere\n", -EINVAL);
	store(UUID_A, "vendor/port1", "cable:" UUID_C ":0\n", -ENODEV);
	ck_assert_int_eq(mdev_device_remove(mdev_find_device(UUID_B)), 0);
	ck_assert_str_eq(mtty_fixture_show(UUID_A, "vendor/port1"), "loopback\n");
}
END_TEST

/* What one card sends interrupts the other's user, who sleeps. */
START_TEST(cable)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	store(UUID_A, "vendor/port0", "cable:" UUID_B ":0", 0);
	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_int_eq(b->ops->open_device(b), 0);
	ck_assert_int_eq(set_irqs(EVENTFD, 0, 1, &fd), 0);
	wr(a, BAR0, UART_FCR, UART_FCR_ENABLE);
	wr(a, BAR0, UART_IER, UART_IER_RDI | UART_IER_MSI);
	wr(b, BAR0, UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	wait_signal(fd);
	ck_assert_uint_eq(rd(a, BAR0, UART_MSR) >> 4, (UART_MSR_LINES & ~UART_MSR_RI) >> 4);
	ck_assert_int_eq(set_irqs(UNMASK, 0, 1, NULL), 0);
	wr(b, BAR0, UART_THR, 'h');
	wait_signal(fd);
	ck_assert_uint_eq(rd(a, BAR0, UART_RBR), 'h');
	b->ops->close_device(b);
	ck_assert_int_eq(set_irqs(UNMASK, 0, 1, NULL), 0);
	wait_signal(fd);
	ck_assert_uint_eq(rd(a, BAR0, UART_MSR) & UART_MSR_LINES, 0);
	a->ops->close_device(a);
	close(fd);
}
END_TEST

START_TEST(file_line)
{
	char path[] = "/tmp/uvfio-mtty-XXXXXX", text[64], back[64] = "";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	snprintf(text, sizeof(text), "file:%s\n", path);
	store(UUID_A, "vendor/port0", text, 0);
	ck_assert_int_eq(a->ops->open_device(a), 0);
	for (const char *c = "sent"; *c; c++)
		wr(a, BAR0, UART_THR, (unsigned int)*c);
	ck_assert_uint_eq(rd(a, BAR0, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	a->ops->close_device(a);
	ck_assert_int_eq(pread(fd, back, sizeof(back), 0), 4);
	ck_assert_str_eq(back, "sent");
	close(fd);
	unlink(path);
	store(UUID_A, "vendor/port0", "file:/nonexistent/dir/file", 0);
	ck_assert_int_eq(a->ops->open_device(a), -ENOENT);
}
END_TEST

/* What lies in the session's state is other processes' to write, too: no count of theirs leads out
 * of the card's memory. */
START_TEST(scribbled)
{
	struct mtty_card *card = to_card(a);
	struct uart *u = &card->ports->port[card->number[1]].uart;
	struct {
		struct mtty_stream_port port;
		uint8_t behind[512];
	} saved;

	ck_assert_int_eq(a->ops->open_device(a), 0);
	memset(card->inst, 0xff, sizeof(*card->inst));
	memset(u, 0xff, sizeof(*u));
	ck_assert_uint_eq(rd(a, BAR0, UART_SCR), 0);
	for (unsigned int reg = 0; reg < UART_NR_REGS; reg++)
		rd(a, BAR1, reg);
	memset(&saved, 0x5a, sizeof(saved));
	mtty_stream_save(u, &saved.port);
	for (unsigned int i = 0; i < sizeof(saved.behind); i++)
		ck_assert_uint_eq(saved.behind[i], 0x5a);
	ck_assert_int_eq(a->ops->reset(a), 0);
	a->ops->close_device(a);
	card->inst->nr_ports = 2;
}
END_TEST

/* A pipe has a reader that may be slow, or go: what it does not take is lost, and no signal ends
 * the program. */
START_TEST(pipe_line)
{
	char dir[] = "/tmp/uvfio-mtty-XXXXXX", path[64], text[80], back[64];
	int fd;

	signal(SIGPIPE, SIG_DFL);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pipe", dir);
	snprintf(text, sizeof(text), "file:%s\n", path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	store(UUID_A, "vendor/port0", text, 0);
	ck_assert_int_eq(a->ops->open_device(a), 0);
	ck_assert_int_eq(fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
	for (unsigned int i = 0; i < 4096 + 100; i++)
		wr(a, BAR0, UART_THR, 'x');
	ck_assert_uint_eq(rd(a, BAR0, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	while (read(fd, back, sizeof(back)) > 0)
		;
	wr(a, BAR0, UART_THR, 'y');
	ck_assert_int_eq(read(fd, back, sizeof(back)), 1);
	ck_assert_int_eq(back[0], 'y');
	close(fd);
	wr(a, BAR0, UART_THR, 'z');
	ck_assert_uint_eq(rd(a, BAR0, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	a->ops->close_device(a);
	unlink(path);
	rmdir(dir);
}
END_TEST

/* More than any FIFO or pty holds, both ways, and nothing lost. */
START_TEST(pty)
{
	enum { BYTES = 20000 };
	int irq, tty;
	unsigned int sent = 0, received = 0, back = 0;
	char name[80];

	if (!mtty_fixture_has_ptys()) {
		fprintf(stderr, "pty: left out, /dev/pts is not mounted here\n");
		return;
	}
	irq = eventfd(0, EFD_NONBLOCK);
	store(UUID_A, "vendor/port0", "pty\n", 0);
	ck_assert_int_eq(a->ops->open_device(a), 0);
	snprintf(name, sizeof(name), "%.60s", mtty_fixture_show(UUID_A, "vendor/port0"));
	ck_assert_int_eq(strncmp(name, "pty:/dev/pts/", 13), 0);
	name[strcspn(name, "\n")] = '\0';
	/* Nobody there: it is lost and nobody waits. */
	wr(a, BAR0, UART_FCR, UART_FCR_ENABLE);
	wr(a, BAR0, UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	for (unsigned int i = 0; i < 10000; i++)
		wr(a, BAR0, UART_THR, 'x');
	tty = open(name + 4, O_RDWR | O_NOCTTY | O_NONBLOCK);
	ck_assert_int_ge(tty, 0);
	while (read(tty, name, sizeof(name)) > 0)
		;
	ck_assert_int_eq(set_irqs(EVENTFD, 1, 1, &irq), 0);
	wr(a, BAR0, UART_IER, UART_IER_RDI | UART_IER_THRI);
	while (received < BYTES || back < BYTES) {
		uint8_t in[64], lsr = rd(a, BAR0, UART_LSR);
		ssize_t n;

		ck_assert_uint_eq(lsr & UART_LSR_OE, 0);
		for (unsigned int i = 0; lsr & UART_LSR_THRE && i < 16 && sent < BYTES; i++)
			wr(a, BAR0, UART_THR, sent++ * 7);
		for (n = read(tty, in, sizeof(in)); n > 0; n = read(tty, in, sizeof(in))) {
			for (ssize_t i = 0; i < n; i++)
				ck_assert_uint_eq(in[i], (uint8_t)(received++ * 7));
			ck_assert_int_eq(write(tty, in, (size_t)n), n);
		}
		while (rd(a, BAR0, UART_LSR) & UART_LSR_DR)
			ck_assert_uint_eq(rd(a, BAR0, UART_RBR), (uint8_t)(back++ * 7));
		rd(a, BAR0, UART_IIR);
	}
	a->ops->close_device(a);
	ck_assert_str_eq(mtty_fixture_show(UUID_A, "vendor/port0"), "pty\n");
	close(tty);
	close(irq);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("card");
	TCase *tc = tcase_create("card");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, types);
	tcase_add_test(tc, infos);
	tcase_add_test(tc, config_space);
	tcase_add_test(tc, bars);
	tcase_add_test(tc, intx);
	tcase_add_test(tc, msi);
	tcase_add_test(tc, attributes);
	tcase_add_test(tc, cable);
	tcase_add_test(tc, file_line);
	tcase_add_test(tc, pipe_line);
	tcase_add_test(tc, scribbled);
	tcase_add_test(tc, pty);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
