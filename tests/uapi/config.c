/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space as vfio-pci shows it. What a device is (ids, class, which capabilities, where) is
 * not compared; which bits a user can change is.
 */
#include "probe.h"

#define COMMAND 0x04
#define BAR0	0x10
#define ROM	0x30

/* The bits of a register that take what is written; the old value is put back. */
static uint32_t writable(int device, unsigned off, unsigned width)
{
	uint32_t old = config_read(device, off, width), ones, zeros;

	config_write(device, off, width, ~0u);
	ones = config_read(device, off, width);
	config_write(device, off, width, 0);
	zeros = config_read(device, off, width);
	config_write(device, off, width, old);
	return ones ^ zeros;
}

static const struct {
	const char *name;
	unsigned off, width;
} header[] = {
	{ "vendor", 0x00, 2 },	   { "device", 0x02, 2 },      { "command", 0x04, 2 },
	{ "status", 0x06, 2 },	   { "revision", 0x08, 1 },    { "class", 0x09, 2 },
	{ "cache-line", 0x0c, 1 }, { "latency", 0x0d, 1 },     { "header-type", 0x0e, 1 },
	{ "bist", 0x0f, 1 },	   { "cardbus", 0x28, 4 },     { "subvendor", 0x2c, 2 },
	{ "subsystem", 0x2e, 2 },  { "cap-pointer", 0x34, 1 }, { "reserved", 0x35, 1 },
	{ "reserved", 0x38, 4 },   { "int-line", 0x3c, 1 },    { "int-pin", 0x3d, 1 },
	{ "min-gnt", 0x3e, 1 },	   { "max-lat", 0x3f, 1 },
};

static void config_header(long i)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	say(" %s writable=%#x", header[i].name,
	    writable(ctx.device, header[i].off, header[i].width));
}

static void config_command(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	say(" master=%d", (config_read(ctx.device, COMMAND, 2) & 4) != 0);
	for (unsigned bit = 0; bit < 16; bit++) {
		config_write(ctx.device, COMMAND, 2, 1u << bit);
		say(" %u:%#x", bit, config_read(ctx.device, COMMAND, 2));
	}
	config_write(ctx.device, COMMAND, 1, 7);
	say(" byte:%#x", config_read(ctx.device, COMMAND, 2));
	config_write(ctx.device, COMMAND + 1, 1, 4);
	say(" high byte:%#x", config_read(ctx.device, COMMAND, 2));
}

static void config_status(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t status = config_read(ctx.device, 6, 2);

	say(" caps=%d", (status & 0x10) != 0);
	config_write(ctx.device, 6, 2, 0xffff);
	say(" same=%d", config_read(ctx.device, 6, 2) == status);
}

static void config_bar(long bar)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	unsigned off = BAR0 + 4 * (unsigned)bar;
	uint32_t old = config_read(ctx.device, off, 4), mask;
	uint64_t size = region_size(ctx.device, (unsigned)bar);

	config_write(ctx.device, off, 4, ~0u);
	mask = config_read(ctx.device, off, 4);
	say(" zero=%d", mask == 0);
	if (size)
		say(" size=%d flags=%#x", (uint32_t) ~(mask & ~0xfu) + 1 == size, mask & 0xf);
	config_write(ctx.device, off, 4, 0x12345678);
	mask = config_read(ctx.device, off, 4);
	say(" kept=%d", mask == (size ? (0x12345678 & ~((uint32_t)size - 1)) | (old & 0xf) : mask));
	config_write(ctx.device, off + 1, 1, 0xff);
	config_write(ctx.device, off, 4, old);
	say(" back=%d", config_read(ctx.device, off, 4) == old);
}

/* A BAR's upper half belongs to it. */
static void config_bar_upper(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	unsigned bar = memory_bar(ctx.device), off = BAR0 + 4 * bar;

	say(" type=%u", config_read(ctx.device, off, 4) >> 1 & 3);
	say(" upper=%#x", writable(ctx.device, off + 4, 4));
}

static void config_rom(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	say(" value=%#x writable=%#x", config_read(ctx.device, ROM, 4),
	    writable(ctx.device, ROM, 4));
}

/* Capabilities in the order of their ids, with the bits that can be changed in each word. */
static void config_capability(long id)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	unsigned pos = config_find_cap(ctx.device, (uint8_t)id);
	unsigned sizes[] = { [0x01] = 8, [0x05] = 24, [0x10] = 60, [0x11] = 12 };

	say(" present=%d", pos != 0);
	if (!pos || (size_t)id >= ARRAY_SIZE(sizes))
		return;
	for (unsigned i = 0; i < sizes[id]; i += 2) {
		/* Device Control: bit 15 resets the function. */
		if (id == 0x10 && i == 8) {
			uint32_t old = config_read(ctx.device, pos + i, 2);

			config_write(ctx.device, pos + i, 2, 0x7fff);
			say(" %u:%#x", i, config_read(ctx.device, pos + i, 2));
			config_write(ctx.device, pos + i, 2, old);
			continue;
		}
		if (writable(ctx.device, pos + i, 2))
			say(" %u:%#x", i, writable(ctx.device, pos + i, 2));
	}
}

/* The function level reset bit works and reads as zero. */
static void config_flr(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	unsigned pos = config_find_cap(ctx.device, 0x10);
	uint32_t old;

	if (!pos)
		setup_failed("no PCI Express capability");
	say(" offered=%d", (config_read(ctx.device, pos + 4, 4) >> 28) & 1);
	old = config_read(ctx.device, pos + 8, 2);
	config_write(ctx.device, COMMAND, 2, 7);
	config_write(ctx.device, pos + 8, 2, old | 0x8000);
	say(" bit=%u command=%#x", config_read(ctx.device, pos + 8, 2) >> 15,
	    config_read(ctx.device, COMMAND, 2) & 7);
}

static void config_reset(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t bar = config_read(ctx.device, BAR0, 4);

	config_write(ctx.device, COMMAND, 2, 0x407);
	config_write(ctx.device, BAR0, 4, 0x40000000);
	config_write(ctx.device, 0x3c, 1, 0x55);
	config_write(ctx.device, 0x0c, 1, 0x10);
	result("reset", ioctl(ctx.device, VFIO_DEVICE_RESET));
	say(" command=%#x bar-kept=%d line=%#x cache-line=%#x", config_read(ctx.device, COMMAND, 2),
	    (config_read(ctx.device, BAR0, 4) & ~0xfu) == 0x40000000,
	    config_read(ctx.device, 0x3c, 1), config_read(ctx.device, 0x0c, 1));
	config_write(ctx.device, BAR0, 4, bar);
}

/* What a user wrote ends with the last descriptor. */
static void config_reopen(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t line = config_read(ctx.device, 0x3c, 1), bar = config_read(ctx.device, BAR0, 4);
	int second = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf);

	config_write(ctx.device, 0x3c, 1, line ^ 0xff);
	config_write(ctx.device, BAR0, 4, 0x40000000);
	config_write(ctx.device, COMMAND, 2, 7);
	say(" shared=%d", config_read(second, 0x3c, 1) == (line ^ 0xff));
	close(second);
	close(ctx.device);
	ctx.device = ioctl(ctx.group, VFIO_GROUP_GET_DEVICE_FD, probe_bdf);
	if (ctx.device < 0)
		setup_failed("GET_DEVICE_FD");
	say(" line=%d bar=%d command=%#x", config_read(ctx.device, 0x3c, 1) == line,
	    config_read(ctx.device, BAR0, 4) == bar, config_read(ctx.device, COMMAND, 2) & 7);
}

/* The same bytes in every width and at every alignment. */
static void config_widths(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	off_t base = (off_t)region_offset(ctx.device, VFIO_PCI_CONFIG_REGION_INDEX);
	unsigned char whole[256], part[8];
	unsigned wrong = 0;

	result("whole", pread(ctx.device, whole, sizeof(whole), base));
	for (unsigned width = 1; width <= 8; width++) {
		for (unsigned off = 0; off + width <= sizeof(whole); off++) {
			if (pread(ctx.device, part, width, base + off) != (ssize_t)width ||
			    memcmp(part, whole + off, width))
				wrong++;
		}
	}
	say(" wrong=%u", wrong);
}

static void config_wide_write(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	off_t base = (off_t)region_offset(ctx.device, VFIO_PCI_CONFIG_REGION_INDEX);
	unsigned char bytes[64], before[64], after[64];

	result("read", pread(ctx.device, before, sizeof(before), base));
	memset(bytes, 0, sizeof(bytes));
	result("zeros", pwrite(ctx.device, bytes, sizeof(bytes), base));
	result("read", pread(ctx.device, after, sizeof(after), base));
	say(" ids=%d command=%#x line=%#x", !memcmp(before, after, 4), after[4], after[0x3c]);
	result("back", pwrite(ctx.device, before, sizeof(before), base));
	result("read", pread(ctx.device, after, sizeof(after), base));
	say(" same=%d", !memcmp(before, after, sizeof(after)));
	result("odd", pwrite(ctx.device, bytes, 5, base + 3));
	say(" command=%#x", config_read(ctx.device, COMMAND, 2) & 7);
}

static void config_extended(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t head = config_read(ctx.device, 0x100, 4);

	say(" head-writable=%#x", writable(ctx.device, 0x100, 4));
	say(" same=%d", config_read(ctx.device, 0x100, 4) == head);
}

/* Bytes that no capability covers belong to the user's copy. */
static void config_gap(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	say(" 0xfc=%#x 0xffc=%#x", writable(ctx.device, 0xfc, 4), writable(ctx.device, 0xffc, 4));
}

/* MSI-X is switched on by SET_IRQS, never by writing the capability. */
static void config_msix_enable(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	unsigned pos = config_find_cap(ctx.device, 0x11);
	uint32_t old = config_read(ctx.device, pos + 2, 2);
	int fd = eventfd(0, 0);

	config_write(ctx.device, pos + 2, 2, 0xc000);
	say(" enabled=%u same=%d", config_read(ctx.device, pos + 2, 2) >> 14,
	    config_read(ctx.device, pos + 2, 2) == old);
	result("set", set_irqs(ctx.device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			       VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &fd, sizeof(fd)));
	say(" enabled=%u", config_read(ctx.device, pos + 2, 2) >> 14);
	result("off", set_irqs(ctx.device, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			       VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL, 0));
	say(" enabled=%u", config_read(ctx.device, pos + 2, 2) >> 14);
}

static const struct probe table[] = {
	{ "config-header", config_header, 0, ARRAY_SIZE(header) },
	{ "config-command", config_command, 0, 0 },
	{ "config-status", config_status, 0, 0 },
	{ "config-bar", config_bar, 0, 6 },
	{ "config-bar-upper", config_bar_upper, 0, 0 },
	{ "config-rom", config_rom, 0, 0 },
	{ "config-capability", config_capability, 1, 20 },
	{ "config-flr", config_flr, 0, 0 },
	{ "config-reset", config_reset, 0, 0 },
	{ "config-reopen", config_reopen, 0, 0 },
	{ "config-widths", config_widths, 0, 0 },
	{ "config-wide-write", config_wide_write, 0, 0 },
	{ "config-extended", config_extended, 0, 0 },
	{ "config-gap", config_gap, 0, 0 },
	{ "config-msix-enable", config_msix_enable, 0, 0 },
};

PROBE_SET(config_probes, table);
