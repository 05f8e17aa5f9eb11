/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of extents: what is available is what can be taken, and nothing overlaps. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "drivers/nvme_mdev/extents.h"

#define MIB (1ull << 20)

static struct extents *table;

static void setup(void)
{
	table = calloc(1, sizeof(*table));
}

static void teardown(void)
{
	free(table);
}

static void ck_disjoint(uint64_t total)
{
	for (unsigned int i = 0; i < EXTENTS_MAX; i++) {
		const struct extent *a = &table->extent[i];

		if (a->state == EXTENT_FREE)
			continue;
		ck_assert_uint_le(a->start + a->size, total);
		for (unsigned int k = 0; k < i; k++) {
			const struct extent *b = &table->extent[k];

			if (b->state != EXTENT_FREE)
				ck_assert(a->start + a->size <= b->start ||
					  b->start + b->size <= a->start);
		}
	}
}

static int cleared(void *arg, uint64_t start, uint64_t size)
{
	++*(unsigned int *)arg;
	return 0;
}

static int refuses(void *arg, uint64_t start, uint64_t size)
{
	return -EIO;
}

START_TEST(take_and_drop)
{
	unsigned int clears = 0;
	int a, b;

	ck_assert_uint_eq(extents_available(table, 8 * MIB, 4 * MIB), 2);
	a = extents_take(table, 8 * MIB, 4 * MIB, "a");
	b = extents_take(table, 8 * MIB, 4 * MIB, "b");
	ck_assert_int_ge(a, 0);
	ck_assert_int_ge(b, 0);
	ck_disjoint(8 * MIB);
	ck_assert_int_eq(extents_take(table, 8 * MIB, MIB, "c"), -ENOSPC);
	ck_assert_int_eq(extents_find(table, "b"), b);
	ck_assert_int_eq(extents_find(table, "c"), -ENOENT);
	extents_drop(table, (unsigned int)b);
	/* Not before it is clean. */
	ck_assert_int_eq(extents_find(table, "b"), -ENOENT);
	ck_assert_uint_eq(extents_available(table, 8 * MIB, MIB), 0);
	ck_assert_int_eq(extents_take(table, 8 * MIB, MIB, "c"), -ENOSPC);
	extents_clean(table, refuses, NULL);
	ck_assert_int_eq(extents_take(table, 8 * MIB, MIB, "c"), -ENOSPC);
	extents_clean(table, cleared, &clears);
	ck_assert_uint_eq(clears, 1);
	ck_assert_uint_eq(extents_available(table, 8 * MIB, MIB), 4);
	ck_assert_int_ge(extents_take(table, 8 * MIB, MIB, "c"), 0);
}
END_TEST

/* The smallest gap: large ones stay whole. */
START_TEST(best_fit)
{
	unsigned int clears = 0;
	int gap;

	extents_take(table, 16 * MIB, MIB, "a");
	gap = extents_take(table, 16 * MIB, 2 * MIB, "b");
	extents_take(table, 16 * MIB, MIB, "c");
	extents_drop(table, (unsigned int)gap);
	extents_clean(table, cleared, &clears);
	extents_take(table, 16 * MIB, MIB, "d");
	ck_assert_uint_eq(table->extent[extents_find(table, "d")].start, MIB);
	ck_assert_uint_eq(extents_available(table, 16 * MIB, 8 * MIB), 1);
	ck_assert_uint_eq(extents_available(table, 16 * MIB, 4 * MIB), 3);
}
END_TEST

/* At any moment, for any size: as many as is said can be taken, and not one more. */
START_TEST(available_is_true)
{
	const uint64_t total = 61 * MIB + 4096;
	struct extents before;
	unsigned int seed = 11, clears = 0;
	char name[EXTENT_OWNER];

	for (unsigned int round = 0; round < 300; round++) {
		uint64_t size = MIB << rand_r(&seed) % 5;
		unsigned int n = extents_available(table, total, size), took = 0;

		before = *table;
		while (extents_take(table, total, size, "x") >= 0)
			took++;
		ck_assert_uint_eq(took, n);
		ck_disjoint(total);
		*table = before;
		snprintf(name, sizeof(name), "%u", rand_r(&seed) % 12);
		if (extents_find(table, name) >= 0)
			extents_drop(table, (unsigned int)extents_find(table, name));
		else
			extents_take(table, total, size, name);
		extents_clean(table, cleared, &clears);
	}
	ck_assert_uint_gt(clears, 20);
}
END_TEST

START_TEST(full_table)
{
	const uint64_t total = 4096 * MIB;

	ck_assert_uint_eq(extents_available(table, total, MIB), EXTENTS_MAX);
	for (unsigned int i = 0; i < EXTENTS_MAX; i++)
		ck_assert_int_ge(extents_take(table, total, MIB, "x"), 0);
	ck_assert_uint_eq(extents_available(table, total, MIB), 0);
	ck_assert_int_eq(extents_take(table, total, MIB, "x"), -ENOSPC);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("extents");
	Suite *s = suite_create("nvme_mdev extents");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, take_and_drop);
	tcase_add_test(tc, best_fit);
	tcase_add_test(tc, available_is_true);
	tcase_add_test(tc, full_table);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
