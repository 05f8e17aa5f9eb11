/* SPDX-License-Identifier: BSD-3-Clause */
#include "preload/fdset.h"

struct fdset fdset_dirs, fdset_served, fdset_attrs, fdset_uevents, fdset_huge;

atomic_uint fdset_total;

bool fdset_look(const struct fdset *set, int fd)
{
	if ((unsigned int)fd >= FDSET_MAX)
		return false;
	return atomic_load_explicit(&set->words[fd / 64], memory_order_relaxed) >> (fd % 64) & 1;
}

void fdset_add(struct fdset *set, int fd)
{
	uint64_t bit = BIT_ULL(fd % 64);

	if ((unsigned int)fd >= FDSET_MAX)
		return;
	if (atomic_fetch_or(&set->words[fd / 64], bit) & bit)
		return;
	atomic_fetch_add(&set->count, 1);
	atomic_fetch_add(&fdset_total, 1);
}

void fdset_remove(struct fdset *set, int fd)
{
	uint64_t bit = BIT_ULL(fd % 64);

	if ((unsigned int)fd >= FDSET_MAX)
		return;
	if (!(atomic_fetch_and(&set->words[fd / 64], ~bit) & bit))
		return;
	atomic_fetch_sub(&set->count, 1);
	atomic_fetch_sub(&fdset_total, 1);
}

int fdset_next(const struct fdset *set, int fd)
{
	unsigned int i, from = fd < 0 ? 0 : (unsigned int)fd;
	uint64_t word;

	if (!atomic_load(&set->count))
		return -1;
	for (i = from / 64; i < ARRAY_SIZE(set->words); i++) {
		word = atomic_load(&set->words[i]);
		if (i == from / 64)
			word &= ~0ULL << (from % 64);
		if (word)
			return (int)(i * 64) + __builtin_ctzll(word);
	}
	return -1;
}
