/* SPDX-License-Identifier: BSD-3-Clause */
/* What SET_IRQS does: software triggers reach the eventfd, replaced and removed ones do not. */
#include <poll.h>
#include "probe.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	if (fd < 0)
		setup_failed("eventfd");
	return fd;
}

/* Says how often the eventfd was signalled since last time; it may take a moment. */
static void say_count(const char *what, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	poll(&pfd, 1, 20);
	if (read(fd, &n, sizeof(n)) != sizeof(n))
		n = 0;
	say(" %s:%lu", what, n);
}

static int simple(int device, uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(device, flags, index, start, count, NULL, 0);
}

static void trigger_software(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fd = new_eventfd();
	uint8_t yes = 1, no = 0, two = 2;
	uint32_t i = (uint32_t)index;

	result("on", set_irqs(ctx.device, EVENTFD | TRIGGER, i, 0, 1, &fd, 4));
	say_count("idle", fd);
	result("none", simple(ctx.device, NONE | TRIGGER, i, 0, 1));
	say_count("none", fd);
	result("bool 1", set_irqs(ctx.device, BOOL | TRIGGER, i, 0, 1, &yes, 1));
	say_count("1", fd);
	result("bool 0", set_irqs(ctx.device, BOOL | TRIGGER, i, 0, 1, &no, 1));
	say_count("0", fd);
	result("bool 2", set_irqs(ctx.device, BOOL | TRIGGER, i, 0, 1, &two, 1));
	say_count("2", fd);
	for (int n = 0; n < 3; n++)
		simple(ctx.device, NONE | TRIGGER, i, 0, 1);
	say_count("three", fd);
	result("off", simple(ctx.device, NONE | TRIGGER, i, 0, 0));
	say_count("after off", fd);
	result("none", simple(ctx.device, NONE | TRIGGER, i, 0, 1));
	say_count("none", fd);
}

static void trigger_replace(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t first = new_eventfd(), second = new_eventfd(), none = -1;
	uint32_t i = (uint32_t)index;

	result("first", set_irqs(ctx.device, EVENTFD | TRIGGER, i, 0, 1, &first, 4));
	result("second", set_irqs(ctx.device, EVENTFD | TRIGGER, i, 0, 1, &second, 4));
	result("trigger", simple(ctx.device, NONE | TRIGGER, i, 0, 1));
	say_count("first", first);
	say_count("second", second);
	result("-1", set_irqs(ctx.device, EVENTFD | TRIGGER, i, 0, 1, &none, 4));
	result("trigger", simple(ctx.device, NONE | TRIGGER, i, 0, 1));
	say_count("second", second);
	result("first again", set_irqs(ctx.device, EVENTFD | TRIGGER, i, 0, 1, &first, 4));
	result("trigger", simple(ctx.device, NONE | TRIGGER, i, 0, 1));
	say_count("first", first);
}

/* The kernel keeps the eventfd, whatever happens to the descriptor. */
static void trigger_closed_eventfd(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fd = new_eventfd();
	int copy = dup(fd);

	result("on", set_irqs(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1, &fd, 4));
	close(fd);
	result("trigger", simple(ctx.device, NONE | TRIGGER, (uint32_t)index, 0, 1));
	say_count("copy", copy);
}

static void trigger_vectors(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fds[4] = { new_eventfd(), new_eventfd(), new_eventfd(), new_eventfd() };
	uint8_t pattern[4] = { 1, 0, 0, 1 };

	result("on", set_irqs(ctx.device, EVENTFD | TRIGGER, MSIX, 0, 4, fds, 16));
	result("2 of 4", simple(ctx.device, NONE | TRIGGER, MSIX, 1, 2));
	for (int i = 0; i < 4; i++)
		say_count("", fds[i]);
	result("pattern", set_irqs(ctx.device, BOOL | TRIGGER, MSIX, 0, 4, pattern, 4));
	for (int i = 0; i < 4; i++)
		say_count("", fds[i]);
	result("5 of 4", simple(ctx.device, NONE | TRIGGER, MSIX, 0, 5));
	for (int i = 0; i < 4; i++)
		say_count("", fds[i]);
	result("beyond", simple(ctx.device, NONE | TRIGGER, MSIX, 10, 1));
}

/* DEVICE_RESET tears the triggers down. */
static void trigger_reset(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fd = new_eventfd();

	result("on", set_irqs(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1, &fd, 4));
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	result("trigger", simple(ctx.device, NONE | TRIGGER, (uint32_t)index, 0, 1));
	say_count("count", fd);
}

static void intx_mask(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fd = new_eventfd(), unmask = new_eventfd(), none = -1;
	uint8_t yes = 1, no = 0;
	uint64_t one = 1;

	result("mask first", simple(ctx.device, NONE | MASK, INTX, 0, 1));
	result("on", set_irqs(ctx.device, EVENTFD | TRIGGER, INTX, 0, 1, &fd, 4));
	result("mask", simple(ctx.device, NONE | MASK, INTX, 0, 1));
	result("trigger", simple(ctx.device, NONE | TRIGGER, INTX, 0, 1));
	say_count("masked", fd);
	result("unmask", simple(ctx.device, NONE | UNMASK, INTX, 0, 1));
	say_count("unmasked", fd);
	result("unmask again", simple(ctx.device, NONE | UNMASK, INTX, 0, 1));
	result("mask bool 0", set_irqs(ctx.device, BOOL | MASK, INTX, 0, 1, &no, 1));
	result("mask bool 1", set_irqs(ctx.device, BOOL | MASK, INTX, 0, 1, &yes, 1));
	result("unmask bool 1", set_irqs(ctx.device, BOOL | UNMASK, INTX, 0, 1, &yes, 1));
	result("mask eventfd", set_irqs(ctx.device, EVENTFD | MASK, INTX, 0, 1, &unmask, 4));
	result("unmask eventfd", set_irqs(ctx.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	result("twice", set_irqs(ctx.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	result("signal", write(unmask, &one, 8));
	result("unmask -1", set_irqs(ctx.device, EVENTFD | UNMASK, INTX, 0, 1, &none, 4));
	result("mask 2", simple(ctx.device, NONE | MASK, INTX, 0, 2));
	result("mask at 1", simple(ctx.device, NONE | MASK, INTX, 1, 1));
	result("off", simple(ctx.device, NONE | TRIGGER, INTX, 0, 0));
	result("mask", simple(ctx.device, NONE | MASK, INTX, 0, 1));
}

/* COMMAND's INTx disable bit is the user's, also while vfio-pci masks. */
static void intx_disable_bit(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fd = new_eventfd();

	say(" %d", (config_read(ctx.device, 4, 2) & 0x400) != 0);
	result("on", set_irqs(ctx.device, EVENTFD | TRIGGER, INTX, 0, 1, &fd, 4));
	result("mask", simple(ctx.device, NONE | MASK, INTX, 0, 1));
	say(" %d", (config_read(ctx.device, 4, 2) & 0x400) != 0);
	config_write(ctx.device, 4, 2, config_read(ctx.device, 4, 2) | 0x400);
	say(" %d", (config_read(ctx.device, 4, 2) & 0x400) != 0);
	result("unmask", simple(ctx.device, NONE | UNMASK, INTX, 0, 1));
	say(" %d", (config_read(ctx.device, 4, 2) & 0x400) != 0);
	config_write(ctx.device, 4, 2, config_read(ctx.device, 4, 2) & ~0x400u);
	say(" %d", (config_read(ctx.device, 4, 2) & 0x400) != 0);
}

static const struct probe table[] = {
	{ "trigger-software", trigger_software, 0, 5 },
	{ "trigger-replace", trigger_replace, 0, 5 },
	{ "trigger-closed-eventfd", trigger_closed_eventfd, 0, 5 },
	{ "trigger-vectors", trigger_vectors, 0, 0 },
	{ "trigger-reset", trigger_reset, 0, 5 },
	{ "intx-mask", intx_mask, 0, 0 },
	{ "intx-disable-bit", intx_disable_bit, 0, 0 },
};

PROBE_SET(trigger_probes, table);
