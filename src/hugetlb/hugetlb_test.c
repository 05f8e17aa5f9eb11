/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hugetlb/pool.h"
#include "hugetlb/ranges.h"
#include "hugetlb/text.h"

#define M2 (2UL << 20)

/* ---- the pool: the numbers are those of Linux 7.3 ------------------------------------------- */

static void expect(const struct huge_pool *pool, uint64_t allocated, uint64_t total, uint64_t free,
		   uint64_t reserved, uint64_t surplus)
{
	struct huge_counters c;

	huge_pool_count(pool, allocated, &c);
	ck_assert_uint_eq(c.total, total);
	ck_assert_uint_eq(c.free, free);
	ck_assert_uint_eq(c.reserved, reserved);
	ck_assert_uint_eq(c.surplus, surplus);
}

START_TEST(pool_reserves)
{
	struct huge_pool pool;

	huge_pool_init(&pool, 1, 100);
	ck_assert_int_eq(huge_pool_charge(&pool, 1), -ENOMEM);
	ck_assert_int_eq(huge_pool_charge(&pool, 0), 0);
	huge_pool_resize(&pool, 8);
	ck_assert_int_eq(huge_pool_charge(&pool, 2), 0);
	expect(&pool, 0, 8, 8, 2, 0);
	expect(&pool, 1, 8, 7, 1, 0);
	ck_assert_int_eq(huge_pool_charge(&pool, 7), -ENOMEM);
	ck_assert_int_eq(huge_pool_charge(&pool, UINT64_MAX), -ENOMEM);
	ck_assert_int_eq(huge_pool_charge(&pool, 6), 0);
	huge_pool_uncharge(&pool, 8);
	expect(&pool, 0, 8, 8, 0, 0);
}
END_TEST

START_TEST(pool_shrinks_to_surplus)
{
	struct huge_pool pool;

	huge_pool_init(&pool, 1, 100);
	huge_pool_resize(&pool, 6);
	ck_assert_int_eq(huge_pool_charge(&pool, 4), 0);
	huge_pool_resize(&pool, 1);
	expect(&pool, 2, 4, 2, 2, 3);
	ck_assert_int_eq(huge_pool_charge(&pool, 1), -ENOMEM);
	huge_pool_uncharge(&pool, 4);
	expect(&pool, 0, 1, 1, 0, 0);
	pool.overcommit = 2;
	ck_assert_int_eq(huge_pool_charge(&pool, 3), 0);
	expect(&pool, 0, 3, 3, 3, 2);
	ck_assert_int_eq(huge_pool_charge(&pool, 1), -ENOMEM);
}
END_TEST

START_TEST(pool_is_bounded_and_spread)
{
	struct huge_counters c;
	struct huge_pool pool;

	huge_pool_init(&pool, 2, 100);
	huge_pool_resize(&pool, 1000);
	ck_assert_uint_eq(huge_pool_persistent(&pool), 100);
	huge_pool_resize(&pool, 7);
	ck_assert_uint_eq(pool.node[0], 4);
	ck_assert_uint_eq(pool.node[1], 3);
	ck_assert_int_eq(huge_pool_resize_node(&pool, 1, 10), 0);
	ck_assert_int_eq(huge_pool_resize_node(&pool, 2, 10), -EINVAL);
	ck_assert_int_eq(huge_pool_charge(&pool, 6), 0);
	huge_pool_count(&pool, 6, &c);
	ck_assert_uint_eq(c.node_total[0], 4);
	ck_assert_uint_eq(c.node_free[0], 0);
	ck_assert_uint_eq(c.node_free[1], 8);
	ck_assert_int_eq(huge_pool_resize_node(&pool, 0, 1000), 0);
	ck_assert_uint_eq(huge_pool_persistent(&pool), 100);
}
END_TEST

START_TEST(map_counts)
{
	struct huge_map map = { 0 };

	ck_assert_uint_eq(huge_map_missing(&map, 0, 1000), 1000);
	ck_assert_int_eq(huge_map_add(&map, 60, 70), 0);
	ck_assert_int_eq(huge_map_add(&map, 65, 72), 0);
	ck_assert_uint_eq(map.set, 12);
	ck_assert_uint_eq(huge_map_missing(&map, 0, 100), 88);
	ck_assert(huge_map_has(&map, 71) && !huge_map_has(&map, 72) &&
		  !huge_map_has(&map, 1 << 25));
	ck_assert_uint_eq(huge_map_remove(&map, 64, UINT64_MAX), 8);
	ck_assert_uint_eq(map.set, 4);
	ck_assert_int_eq(huge_map_add(&map, HUGE_MAP_MAX, HUGE_MAP_MAX + 1), -ENOMEM);
	huge_map_free(&map);
}
END_TEST

/* ---- ranges ---------------------------------------------------------------------------------- */

static void add(struct huge_ranges *table, uintptr_t start, uintptr_t end)
{
	const struct huge_range range = { .start = start, .end = end, .size = HUGE_2M };

	ck_assert_int_eq(huge_ranges_reserve(table), 0);
	huge_ranges_add(table, &range);
}

START_TEST(ranges_are_cut)
{
	struct huge_ranges table = { 0 };

	add(&table, 20 * M2, 30 * M2);
	add(&table, 10 * M2, 12 * M2);
	ck_assert_ptr_eq(huge_ranges_at(&table, 12 * M2), NULL);
	ck_assert_ptr_ne(huge_ranges_at(&table, 12 * M2 - 1), NULL);
	ck_assert(huge_ranges_cuttable(&table, 21 * M2, 22 * M2));
	ck_assert(!huge_ranges_cuttable(&table, 21 * M2, 22 * M2 + 4096));
	ck_assert(!huge_ranges_cuttable(&table, 20 * M2 + 4096, 31 * M2));
	ck_assert(huge_ranges_cuttable(&table, 4096, 31 * M2 + 4096));
	ck_assert_int_eq(huge_ranges_reserve(&table), 0);
	huge_ranges_remove(&table, 22 * M2, 24 * M2);
	ck_assert_uint_eq(table.count, 3);
	ck_assert_uint_eq(huge_ranges_at(&table, 21 * M2)->end, 22 * M2);
	ck_assert_uint_eq(huge_ranges_at(&table, 25 * M2)->start, 24 * M2);
	ck_assert_int_eq(huge_ranges_reserve(&table), 0);
	huge_ranges_remove(&table, 11 * M2, 29 * M2);
	ck_assert_uint_eq(table.count, 2);
	ck_assert_uint_eq(table.entries[0].end, 11 * M2);
	ck_assert_uint_eq(table.entries[1].start, 29 * M2);
	huge_ranges_free(&table);
}
END_TEST

/* ---- texts ----------------------------------------------------------------------------------- */

static const struct huge_text_mount mounts[] = {
	{ "/dev/hugepages", "hugetlbfs", "pagesize=2M", 7, false },
	{ "/mnt/a b", "nodev", "pagesize=1024M", 8, true },
};

static void expect_text(int ret, char *text, const char *want)
{
	ck_assert_int_eq(ret, 0);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(text_meminfo)
{
	const struct huge_counters counters[HUGE_SIZES] = {
		{ .total = 8, .free = 7, .reserved = 1 }, { .total = 1 }
	};
	static const char want[] = "MemTotal:       24684092 kB\n"
				   "HugePages_Total:       8\n"
				   "HugePages_Free:        7\n"
				   "HugePages_Rsvd:        1\n"
				   "HugePages_Surp:        0\n"
				   "Hugepagesize:       2048 kB\n"
				   "Hugetlb:         1064960 kB\n"
				   "DirectMap4k:       65536 kB\n";
	char *text = NULL;
	int ret;

	ret = huge_text_meminfo("MemTotal:       24684092 kB\n"
				"HugePages_Total:       0\n"
				"Hugepagesize:       2048 kB\n"
				"Hugetlb:               0 kB\n"
				"DirectMap4k:       65536 kB\n",
				counters, &text);
	expect_text(ret, text, want);
	ret = huge_text_meminfo("MemTotal:       24684092 kB\nDirectMap4k:       65536 kB\n",
				counters, &text);
	expect_text(ret, text, want);
}
END_TEST

START_TEST(text_mounts)
{
	char *text = NULL;
	int ret;

	ret = huge_text_mounts("proc /proc proc rw 0 0\n"
			       "hugetlbfs /hugepages hugetlbfs rw,pagesize=2M 0 0\n"
			       "none /dev/hugepages tmpfs rw 0 0\n",
			       mounts, 2, &text);
	expect_text(ret, text,
		    "proc /proc proc rw 0 0\n"
		    "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
		    "nodev /mnt/a\\040b hugetlbfs ro,relatime,pagesize=1024M 0 0\n");
	ret = huge_text_mountinfo("20 1 0:20 / / rw - ext4 /dev/vda rw\n"
				  "24 20 0:5 / /dev rw - devtmpfs devtmpfs rw\n"
				  "31 24 0:30 / /dev/hugepages rw - hugetlbfs hugetlbfs rw\n",
				  mounts, 2, &text);
	expect_text(ret, text,
		    "20 1 0:20 / / rw - ext4 /dev/vda rw\n"
		    "24 20 0:5 / /dev rw - devtmpfs devtmpfs rw\n"
		    "32 24 0:7 / /dev/hugepages rw,relatime - hugetlbfs hugetlbfs rw,pagesize=2M\n"
		    "33 20 0:8 / /mnt/a\\040b ro,relatime - hugetlbfs nodev ro,pagesize=1024M\n");
	ret = huge_text_filesystems("nodev\tproc\n\text4\n", &text);
	expect_text(ret, text, "nodev\tproc\n\text4\nnodev\thugetlbfs\n");
	ret = huge_text_filesystems("nodev\thugetlbfs\n\text4\n", &text);
	expect_text(ret, text, "nodev\thugetlbfs\n\text4\n");
}
END_TEST

START_TEST(text_maps)
{
	struct huge_ranges table = { 0 };
	char *text = NULL;
	int ret;

	add(&table, 0x40000000, 0x40400000);
	ret = huge_text_smaps("3ffff000-40000000 rw-p 00000000 00:00 0 \n"
			      "KernelPageSize:        4 kB\n"
			      "40000000-40400000 rw-s 00000000 00:01 77"
			      "                        /memfd:dev/hugepages/a (deleted)\n"
			      "Size:               4096 kB\n"
			      "KernelPageSize:        4 kB\n"
			      "Rss:                   4 kB\n"
			      "Shared_Hugetlb:        0 kB\n"
			      "Private_Hugetlb:       0 kB\n"
			      "VmFlags: rd wr sh \n",
			      &table, &text);
	expect_text(ret, text,
		    "3ffff000-40000000 rw-p 00000000 00:00 0 \n"
		    "KernelPageSize:        4 kB\n"
		    "40000000-40400000 rw-s 00000000 00:01 77"
		    "                        /dev/hugepages/a\n"
		    "Size:               4096 kB\n"
		    "KernelPageSize:     2048 kB\n"
		    "Rss:                   0 kB\n"
		    "Shared_Hugetlb:        0 kB\n"
		    "Private_Hugetlb:    2048 kB\n"
		    "VmFlags: rd wr sh ht \n");
	ret = huge_text_numa_maps("3ffff000 default anon=1 N0=1 kernelpagesize_kB=4\n"
				  "40000000 bind:0 file=/memfd:dev/hugepages/a\\040(deleted) "
				  "dirty=513 mapmax=2 active=0 N0=512 N1=1 kernelpagesize_kB=4\n",
				  &table, &text);
	expect_text(ret, text,
		    "3ffff000 default anon=1 N0=1 kernelpagesize_kB=4\n"
		    "40000000 bind:0 file=/dev/hugepages/a huge dirty=2 mapmax=2 active=0 N0=1 "
		    "N1=1 kernelpagesize_kB=2048\n");
	huge_ranges_free(&table);
}
END_TEST

START_TEST(text_names)
{
	char ours[] = "/memfd:dev/hugepages/rtemap_0 (deleted)", other[] = "/memfd:x (deleted)";

	ck_assert(huge_text_name(ours));
	ck_assert_str_eq(ours, "/dev/hugepages/rtemap_0");
	ck_assert(!huge_text_name(other));
}
END_TEST

START_TEST(sizes)
{
	enum huge_size size;

	ck_assert(huge_by_shift(0, &size) && size == HUGE_2M);
	ck_assert(huge_by_shift(21, &size) && size == HUGE_2M);
	ck_assert(huge_by_shift(30, &size) && size == HUGE_1G);
	ck_assert(!huge_by_shift(16, &size));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hugetlb");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, pool_reserves);
	tcase_add_test(tc, pool_shrinks_to_surplus);
	tcase_add_test(tc, pool_is_bounded_and_spread);
	tcase_add_test(tc, map_counts);
	tcase_add_test(tc, ranges_are_cut);
	tcase_add_test(tc, text_meminfo);
	tcase_add_test(tc, text_mounts);
	tcase_add_test(tc, text_maps);
	tcase_add_test(tc, text_names);
	tcase_add_test(tc, sizes);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
