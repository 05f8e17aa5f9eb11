/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_SET_IRQS: the form of the request, for each of the five indexes. */
#include "probe.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

#define INDEXES 5 /* INTX, MSI, MSIX, ERR, REQ */

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	if (fd < 0)
		setup_failed("eventfd");
	return fd;
}

/* With eventfds as data where the flags say so. */
static int set(int device, uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	int32_t fds[8];
	uint8_t bools[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = flags & EVENTFD ? new_eventfd() : 0;
	if (flags & EVENTFD)
		return set_irqs(device, flags, index, start, count, fds, sizeof(fds[0]) * count);
	if (flags & BOOL)
		return set_irqs(device, flags, index, start, count, bools, count);
	return set_irqs(device, flags, index, start, count, NULL, 0);
}

static const struct {
	const char *name;
	uint32_t flags;
} flag_sets[] = {
	{ "nothing", 0 },
	{ "none", NONE },
	{ "trigger", TRIGGER },
	{ "none+bool", NONE | BOOL | TRIGGER },
	{ "none+eventfd", NONE | EVENTFD | TRIGGER },
	{ "bool+eventfd", BOOL | EVENTFD | TRIGGER },
	{ "mask+unmask", NONE | MASK | UNMASK },
	{ "mask+trigger", NONE | MASK | TRIGGER },
	{ "all actions", NONE | MASK | UNMASK | TRIGGER },
	{ "unknown", NONE | TRIGGER | 1u << 6 },
	{ "high", NONE | TRIGGER | 1u << 31 },
	{ "none mask", NONE | MASK },
	{ "none unmask", NONE | UNMASK },
	{ "none trigger", NONE | TRIGGER },
	{ "bool mask", BOOL | MASK },
	{ "bool unmask", BOOL | UNMASK },
	{ "bool trigger", BOOL | TRIGGER },
	{ "eventfd mask", EVENTFD | MASK },
	{ "eventfd unmask", EVENTFD | UNMASK },
	{ "eventfd trigger", EVENTFD | TRIGGER },
};

/* Each set of flags on each index, with the interrupt off; then again, after the last one. */
static void irq_flags(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	for (size_t i = 0; i < ARRAY_SIZE(flag_sets); i++)
		result(flag_sets[i].name,
		       set(ctx.device, flag_sets[i].flags, (uint32_t)index, 0, 1));
}

/* The same with the interrupt on. */
static void irq_flags_enabled(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("enable", set(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1));
	for (size_t i = 0; i < ARRAY_SIZE(flag_sets); i++)
		result(flag_sets[i].name,
		       set(ctx.device, flag_sets[i].flags, (uint32_t)index, 0, 1));
}

static void irq_range(long index)
{
	static const struct {
		uint32_t start, count;
	} ranges[] = { { 0, 0 },    { 1, 0 },	       { 1, 1 },	 { 0, 2 },
		       { 5000, 1 }, { 0xffffffff, 1 }, { 5000, 0 },	 { 0xffffffff, 0 },
		       { 0, 5000 }, { 0, 0xffffffff }, { 1, 0xffffffff } };
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		say(" [%u+%u", ranges[i].start, ranges[i].count);
		result("none", set_irqs(ctx.device, NONE | TRIGGER, (uint32_t)index,
					ranges[i].start, ranges[i].count, NULL, 0));
		if (ranges[i].count <= 8)
			result("eventfd", set(ctx.device, EVENTFD | TRIGGER, (uint32_t)index,
					      ranges[i].start, ranges[i].count));
		say("]");
	}
}

static void irq_argsz(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} arg = { .set = { .flags = EVENTFD | TRIGGER, .index = (uint32_t)index, .count = 1 },
		  .fd = new_eventfd() };

	for (uint32_t size = 0; size <= 28; size += 4) {
		arg.set.argsz = size;
		result("set", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, &arg));
	}
	arg.set.argsz = 10000;
	result("large", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, &arg));
	arg.set.flags = BOOL | TRIGGER;
	arg.set.argsz = 20;
	result("bool 0 bytes", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, &arg));
	arg.set.argsz = 21;
	result("bool 1 byte", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, &arg));
}

static void irq_bad_fd(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fds[] = { -1, -2, 9999, open("/dev/null", O_RDWR), ctx.device, ctx.container };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		result("trigger", set_irqs(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1,
					   &fds[i], sizeof(fds[i])));
	result("good", set(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		result("trigger", set_irqs(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1,
					   &fds[i], sizeof(fds[i])));
}

static void irq_pointer(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	char *pages = memory(2 * PAGE);
	struct vfio_irq_set *irq = (void *)(pages + PAGE - sizeof(*irq));

	mprotect(pages + PAGE, PAGE, PROT_NONE);
	result("bad", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, BAD_PTR));
	result("null", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, NULL));
	*irq = (struct vfio_irq_set){ 24, EVENTFD | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1 };
	result("data beyond", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, irq));
	*irq = (struct vfio_irq_set){ 20, NONE | TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0 };
	result("no data", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, irq));
	irq = (void *)(pages + PAGE - 16);
	result("head beyond", ioctl(ctx.device, VFIO_DEVICE_SET_IRQS, irq));
}

static void irq_index(long arg)
{
	static const uint32_t indexes[] = { 5, 6, 100, 0xffffffff };
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		result("eventfd", set(ctx.device, EVENTFD | TRIGGER, indexes[i], 0, 1));
		result("off", set(ctx.device, NONE | TRIGGER, indexes[i], 0, 0));
	}
}

/* Only one of INTx, MSI and MSI-X at a time. */
static void irq_exclusive(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("intx", set(ctx.device, EVENTFD | TRIGGER, 0, 0, 1));
	result("msix", set(ctx.device, EVENTFD | TRIGGER, 2, 0, 1));
	result("msix off", set(ctx.device, NONE | TRIGGER, 2, 0, 0));
	result("intx off", set(ctx.device, NONE | TRIGGER, 0, 0, 0));
	result("msix", set(ctx.device, EVENTFD | TRIGGER, 2, 0, 1));
	result("intx", set(ctx.device, EVENTFD | TRIGGER, 0, 0, 1));
	result("intx mask", set(ctx.device, NONE | MASK, 0, 0, 1));
	result("intx off", set(ctx.device, NONE | TRIGGER, 0, 0, 0));
	result("msix off", set(ctx.device, NONE | TRIGGER, 2, 0, 0));
	result("msix off", set(ctx.device, NONE | TRIGGER, 2, 0, 0));
	result("intx", set(ctx.device, EVENTFD | TRIGGER, 0, 0, 1));
	result("err", set(ctx.device, EVENTFD | TRIGGER, 3, 0, 1));
	result("req", set(ctx.device, EVENTFD | TRIGGER, 4, 0, 1));
}

/* More vectors later: MSI-X here has no NORESIZE. */
static void irq_msix_grow(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	int32_t fds[4] = { new_eventfd(), -1, new_eventfd(), new_eventfd() };
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };

	result("info", ioctl(ctx.device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	say(" noresize=%d", (info.flags & VFIO_IRQ_INFO_NORESIZE) != 0);
	result("1", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 0, 1, fds, 4));
	result("4 with a hole", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 0, 4, fds, 16));
	result("vector 1", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 1, 1, fds, 4));
	result("same fd twice", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 3, 1, fds, 4));
	result("release 2", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 2, 1, &fds[1], 4));
	result("last", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, info.count - 1, 1, fds, 4));
	result("one too many", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, info.count, 1, fds, 4));
	result("off", set(ctx.device, NONE | TRIGGER, 2, 0, 0));
	result("vector 3 first", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 3, 1, fds, 4));
	result("all -1", set_irqs(ctx.device, EVENTFD | TRIGGER, 2, 0, 1, &fds[1], 4));
}

static void irq_close_enabled(long index)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	result("on", set(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1));
	result("close", close(ctx.device));
	ctx.device = result_fd("open", ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf));
	result("on", set(ctx.device, EVENTFD | TRIGGER, (uint32_t)index, 0, 1));
}

static const struct probe table[] = {
	{ "irq-flags", irq_flags, 0, INDEXES },
	{ "irq-flags-enabled", irq_flags_enabled, 0, INDEXES },
	{ "irq-range", irq_range, 0, INDEXES },
	{ "irq-argsz", irq_argsz, 0, INDEXES },
	{ "irq-bad-fd", irq_bad_fd, 0, INDEXES },
	{ "irq-pointer", irq_pointer, 0, 0 },
	{ "irq-index", irq_index, 0, 0 },
	{ "irq-exclusive", irq_exclusive, 0, 0 },
	{ "irq-msix-grow", irq_msix_grow, 0, 0 },
	{ "irq-close-enabled", irq_close_enabled, 0, INDEXES },
};

PROBE_SET(irq_probes, table);
