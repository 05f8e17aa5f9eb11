/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions through read and write at an offset: bounds, widths, and when there is nothing. */
#include <sys/uio.h>
#include "probe.h"

#define CONFIG	       VFIO_PCI_CONFIG_REGION_INDEX
#define COMMAND_MEMORY 2u

static struct ctx setup_memory(unsigned *bar)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);

	*bar = memory_bar(ctx.device);
	config_write(ctx.device, 4, 2, config_read(ctx.device, 4, 2) | COMMAND_MEMORY);
	return ctx;
}

static void try_read(int device, const char *what, size_t count, uint64_t pos)
{
	static char buf[8192];

	result(what, pread(device, buf, count, (off_t)pos));
}

static const size_t widths[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 64, 100 };

static void bar_width(long i)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar);
	char buf[128] = { 0 };

	try_read(ctx.device, "read", widths[i], base);
	try_read(ctx.device, "read +1", widths[i], base + 1);
	try_read(ctx.device, "read +4", widths[i], base + 4);
	/* 0xf00 is reserved in an NVMe controller: a write has no effect. */
	result("write", pwrite(ctx.device, buf, widths[i], (off_t)(base + 0xf00)));
	result("write +2", pwrite(ctx.device, buf, widths[i], (off_t)(base + 0xf02)));
}

static void bar_bounds(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar), size = region_size(ctx.device, bar);
	char buf[16] = { 0 };

	try_read(ctx.device, "last 4", 4, base + size - 4);
	try_read(ctx.device, "over the end", 4, base + size - 2);
	try_read(ctx.device, "8 over the end", 8, base + size - 4);
	try_read(ctx.device, "at the end", 4, base + size);
	try_read(ctx.device, "beyond", 4, base + size + 4096);
	try_read(ctx.device, "far beyond", 4, base + (1ul << 39));
	try_read(ctx.device, "end of the slot", 4, base + (1ul << 40) - 4);
	result("write at the end", pwrite(ctx.device, buf, 4, (off_t)(base + size)));
	result("write over the end", pwrite(ctx.device, buf, 8, (off_t)(base + size - 4)));
	result("negative", pread(ctx.device, buf, 4, -4));
	result("bad buffer", pread(ctx.device, BAD_PTR, 4, (off_t)base));
	result("bad source", pwrite(ctx.device, BAD_PTR, 4, (off_t)(base + 0xf00)));
	result("null, 0 bytes", pread(ctx.device, NULL, 0, (off_t)base));
}

static void bar_consistent(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar), whole = 0, parts = 0;

	result("8", pread(ctx.device, &whole, 8, (off_t)base));
	for (unsigned i = 0; i < 8; i++) {
		uint64_t byte = 0;

		if (pread(ctx.device, &byte, 1, (off_t)(base + i)) != 1)
			result("byte", -1);
		parts |= byte << 8 * i;
	}
	say(" bytes=%d", whole == parts);
	parts = 0;
	for (unsigned i = 0; i < 8; i += 2) {
		uint64_t word = 0;

		if (pread(ctx.device, &word, 2, (off_t)(base + i)) != 2)
			result("word", -1);
		parts |= word << 8 * i;
	}
	say(" words=%d nonzero=%d", whole == parts, whole != 0);
}

static void bar_file_position(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	char buf[64];
	struct iovec iov[2] = { { buf, 4 }, { buf + 4, 4 } };

	result("lseek",
	       lseek(ctx.device, (off_t)region_offset(ctx.device, CONFIG), SEEK_SET) < 0 ? -1 : 0);
	result("read", read(ctx.device, buf, 4));
	result("read", read(ctx.device, buf + 4, 4));
	result("readv", readv(ctx.device, iov, 2));
	result("preadv", preadv(ctx.device, iov, 2, (off_t)region_offset(ctx.device, CONFIG)));
	result("write", write(ctx.device, buf, 4));
	result("SEEK_CUR", lseek(ctx.device, 0, SEEK_CUR) < 0 ? -1 : 0);
	result("SEEK_END", lseek(ctx.device, 0, SEEK_END) < 0 ? -1 : 0);
}

static void bar_memory_off(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar);
	char buf[8] = { 0 };

	config_write(ctx.device, 4, 2, 0);
	try_read(ctx.device, "read", 4, base);
	result("write", pwrite(ctx.device, buf, 4, (off_t)(base + 0xf00)));
	try_read(ctx.device, "at the end", 4, base + region_size(ctx.device, bar));
	config_write(ctx.device, 4, 2, COMMAND_MEMORY);
	try_read(ctx.device, "on again", 4, base);
}

static void bar_low_power(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	uint64_t base = region_offset(ctx.device, bar);
	unsigned pm = config_find_cap(ctx.device, 1);

	say(" pm=%d", pm != 0);
	config_write(ctx.device, pm + 4, 2, 3);
	say(" state=%u", config_read(ctx.device, pm + 4, 2) & 3);
	try_read(ctx.device, "read", 4, base);
	say(" config=%d", config_read(ctx.device, 0, 2) != 0xffff);
	config_write(ctx.device, pm + 4, 2, 0);
	say(" state=%u", config_read(ctx.device, pm + 4, 2) & 3);
	try_read(ctx.device, "read", 4, base);
}

static void region_absent(long region)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint64_t base = (uint64_t)region << 40;
	char buf[8] = { 0 };

	try_read(ctx.device, "read", 4, base);
	try_read(ctx.device, "read 0", 0, base);
	result("write", pwrite(ctx.device, buf, 4, (off_t)base));
}

static void config_bounds(long arg)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint64_t base = region_offset(ctx.device, CONFIG), size = region_size(ctx.device, CONFIG);
	char buf[8] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
		try_read(ctx.device, "read", widths[i], base + 1);
	try_read(ctx.device, "whole", size, base);
	try_read(ctx.device, "more", size + 100, base);
	try_read(ctx.device, "last", 1, base + size - 1);
	try_read(ctx.device, "over the end", 4, base + size - 2);
	try_read(ctx.device, "at the end", 4, base + size);
	try_read(ctx.device, "beyond", 4, base + size + 4);
	result("write at the end", pwrite(ctx.device, buf, 4, (off_t)(base + size)));
	result("write over the end", pwrite(ctx.device, buf, 4, (off_t)(base + size - 2)));
	result("bad buffer", pread(ctx.device, BAD_PTR, 4, (off_t)base));
	result("bad source", pwrite(ctx.device, BAD_PTR, 4, (off_t)base));
}

/* The vector table is vfio-pci's: reads give all ones, writes go nowhere. The PBA can be read. */
static void bar_msix_table(long arg)
{
	unsigned bar;
	struct ctx ctx = setup_memory(&bar);
	unsigned cap = config_find_cap(ctx.device, 0x11);
	uint32_t table = config_read(ctx.device, cap + 4, 4);
	uint32_t pba = config_read(ctx.device, cap + 8, 4), value = 0;
	uint64_t base = region_offset(ctx.device, table & 7) + (table & ~7u);

	result("read", pread(ctx.device, &value, 4, (off_t)base));
	say(" value=%#x", value);
	result("read", pread(ctx.device, &value, 4, (off_t)(base + 12)));
	say(" value=%#x", value);
	value = 0x12345678;
	result("write", pwrite(ctx.device, &value, 4, (off_t)(base + 8)));
	result("read", pread(ctx.device, &value, 4, (off_t)(base + 8)));
	say(" value=%#x", value);
	base = region_offset(ctx.device, pba & 7) + (pba & ~7u);
	result("pba", pread(ctx.device, &value, 4, (off_t)base));
	say(" value=%#x", value);
}

static const struct probe table_of_probes[] = {
	{ "bar-width", bar_width, 0, ARRAY_SIZE(widths) },
	{ "bar-bounds", bar_bounds, 0, 0 },
	{ "bar-consistent", bar_consistent, 0, 0 },
	{ "bar-file-position", bar_file_position, 0, 0 },
	{ "bar-memory-off", bar_memory_off, 0, 0 },
	{ "bar-low-power", bar_low_power, 0, 0 },
	{ "bar-msix-table", bar_msix_table, 0, 0 },
	{ "region-absent", region_absent, 1, 6 },
	{ "region-absent", region_absent, 8, 3 },
	{ "config-bounds", config_bounds, 0, 0 },
};

PROBE_SET(region_probes, table_of_probes);
