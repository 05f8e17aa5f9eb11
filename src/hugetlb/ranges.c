/* SPDX-License-Identifier: BSD-3-Clause */
#include "hugetlb/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"

void huge_ranges_free(struct huge_ranges *table)
{
	free(table->entries);
	*table = (struct huge_ranges){ 0 };
}

/* The index of the first entry that ends behind @addr. */
static size_t above(const struct huge_ranges *table, uintptr_t addr)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (table->entries[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct huge_range *huge_ranges_above(const struct huge_ranges *table, uintptr_t addr)
{
	size_t i = above(table, addr);

	return i < table->count ? &table->entries[i] : NULL;
}

const struct huge_range *huge_ranges_at(const struct huge_ranges *table, uintptr_t addr)
{
	const struct huge_range *range = huge_ranges_above(table, addr);

	return range && range->start <= addr ? range : NULL;
}

static bool cuts_page(const struct huge_ranges *table, uintptr_t addr)
{
	const struct huge_range *range = huge_ranges_at(table, addr);

	return range && !IS_ALIGNED(addr, huge_bytes(range->size));
}

bool huge_ranges_cuttable(const struct huge_ranges *table, uintptr_t start, uintptr_t end)
{
	return !cuts_page(table, start) && !cuts_page(table, end);
}

int huge_ranges_reserve(struct huge_ranges *table)
{
	/* A removal may make two of one. */
	size_t need = table->count + 2, room = MAX(need, 2 * table->room);
	struct huge_range *entries;

	if (need <= table->room)
		return 0;
	entries = FAIL_POINT() ? NULL : realloc(table->entries, room * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	table->entries = entries;
	table->room = room;
	return 0;
}

static void insert(struct huge_ranges *table, size_t i, const struct huge_range *range)
{
	struct huge_range copy = *range;

	memmove(table->entries + i + 1, table->entries + i,
		(table->count - i) * sizeof(*table->entries));
	table->entries[i] = copy;
	table->count++;
}

void huge_ranges_remove(struct huge_ranges *table, uintptr_t start, uintptr_t end)
{
	size_t i = above(table, start);

	while (i < table->count && table->entries[i].start < end) {
		struct huge_range *range = &table->entries[i], tail = *range;

		if (range->start < start && range->end > end) {
			range->end = start;
			tail.start = end;
			insert(table, i + 1, &tail);
			return;
		}
		if (range->start < start) {
			range->end = start;
			i++;
		} else if (range->end > end) {
			range->start = end;
			return;
		} else {
			table->count--;
			memmove(range, range + 1, (table->count - i) * sizeof(*range));
		}
	}
}

void huge_ranges_add(struct huge_ranges *table, const struct huge_range *range)
{
	insert(table, above(table, range->start), range);
}
