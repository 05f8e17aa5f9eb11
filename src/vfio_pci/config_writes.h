/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: what is written to each word of config space when its answers are recorded
 * (tests/config/record.c) and compared (config_recorded_test.c). */
#ifndef VFIO_PCI_CONFIG_WRITES_H
#define VFIO_PCI_CONFIG_WRITES_H

#include <stdint.h>

struct config_write {
	uint8_t at, width;
	uint32_t pattern;
};

#define PATTERNS(at, width)                                                     \
	{ at, width, 0xffffffff }, { at, width, 0 }, { at, width, 0xaaaaaaaa }, \
	{                                                                       \
		at, width, 0x55555555                                           \
	}
static const struct config_write writes[] = {
	PATTERNS(0, 4), PATTERNS(0, 2), PATTERNS(2, 2), PATTERNS(0, 1),
	PATTERNS(1, 1), PATTERNS(2, 1), PATTERNS(3, 1),
};
#define N_WRITES (sizeof(writes) / sizeof(writes[0]))

/* @old after @w on plain memory. */
static inline uint32_t merged(uint32_t old, const struct config_write *w)
{
	uint32_t mask = (w->width == 4 ? 0xffffffffu : (1u << (8 * w->width)) - 1) << (8 * w->at);

	return (old & ~mask) | (w->pattern << (8 * w->at) & mask);
}

/* Writes that are not naturally aligned or no power of two: everywhere in the conventional space,
 * here and there beyond. */
static const uint8_t odd_widths[] = { 2, 3, 4, 5, 6, 7, 8 };
#define N_ODD_WIDTHS sizeof(odd_widths)

#define ODD_PATTERN 0xa5ff00c35affffffull

static inline unsigned int odd_step(unsigned int off)
{
	return off < 0x300 ? 1 : 13;
}

/* @off is the last of its 32 bytes that is written at. */
static inline int odd_block_ends(unsigned int off)
{
	return (off + odd_step(off)) / 32 != off / 32;
}

/* Fowler, Noll and Vo's hash of the words, FNV-1a. */
#define FNV_START 2166136261u
static inline uint32_t fnv(uint32_t hash, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		hash = (hash ^ ((value >> (8 * i)) & 0xff)) * 16777619u;
	return hash;
}

#endif
