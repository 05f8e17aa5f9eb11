/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All of config space: each word in each width with four patterns, and writes that are not aligned,
 * as a hash for each 64 bytes (vfio_pci/config_writes.h). The BARs are left out: they hold
 * addresses.
 */
#include "probe.h"
#include "vfio_pci/config_writes.h"

#define BLOCK 64u

static bool is_bar(unsigned off)
{
	return off >= 0x10 && off < 0x28;
}

static uint32_t word_hash(int device, unsigned off, uint32_t hash)
{
	uint32_t old = config_read(device, off, 4);

	hash = fnv(hash, old);
	for (unsigned i = 0; i < N_WRITES; i++) {
		config_write(device, off + writes[i].at, writes[i].width, writes[i].pattern);
		hash = fnv(hash, config_read(device, off, 4));
		config_write(device, off, 4, old);
	}
	return hash;
}

static void config_words(long block)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	uint32_t hash = FNV_START;

	for (unsigned off = BLOCK * (unsigned)block; off < BLOCK * ((unsigned)block + 1); off += 4)
		if (!is_bar(off))
			hash = word_hash(ctx.device, off, hash);
	say(" hash=%08x", hash);
}

static void odd_writes(int device, off_t base, unsigned off, uint32_t *hash)
{
	unsigned word = off & ~3u;
	uint64_t pattern = ODD_PATTERN;
	uint32_t old[3];

	for (unsigned k = 0; k < 3; k++)
		old[k] = config_read(device, word + 4 * k, 4);
	for (unsigned i = 0; i < N_ODD_WIDTHS; i++) {
		if (pwrite(device, &pattern, odd_widths[i], base + off) != odd_widths[i])
			setup_failed("config write");
		for (unsigned k = 0; k < 3; k++)
			*hash = fnv(*hash, config_read(device, word + 4 * k, 4));
		for (unsigned k = 0; k < 3; k++)
			config_write(device, word + 4 * k, 4, old[k]);
	}
}

static void config_odd(long block)
{
	struct ctx ctx = setup_device(VFIO_TYPE1_IOMMU);
	off_t base = (off_t)region_offset(ctx.device, VFIO_PCI_CONFIG_REGION_INDEX);
	unsigned first = BLOCK * (unsigned)block;
	uint32_t hash = FNV_START;

	for (unsigned off = first + 1; off < first + BLOCK; off++)
		if (!is_bar(off) && !is_bar(off + 11) && off + 12 < 4096)
			odd_writes(ctx.device, base, off, &hash);
	say(" hash=%08x", hash);
}

static const struct probe table[] = {
	{ "config-words", config_words, 0, 64 },
	{ "config-odd", config_odd, 0, 6 },
};

PROBE_SET(words_probes, table);
