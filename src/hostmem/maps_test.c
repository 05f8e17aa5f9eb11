/* SPDX-License-Identifier: BSD-3-Clause */
/* The process' mappings, as the kernel is asked for them and as /proc/self/maps has them. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/types.h"
#include "hostmem/maps.h"

struct list {
	struct map_range maps[200];
	size_t count;
};

static bool add(const struct map_range *map, void *arg)
{
	struct list *list = arg;

	/* The stack grows and the reader's own buffers come and go. */
	list->maps[list->count++] = *map;
	return list->count == ARRAY_SIZE(list->maps);
}

/* Both ways to look at mappings say the same. */
START_TEST(maps)
{
	static struct list asked, read_in;
	int fd = open("/proc/self/maps", O_RDONLY), copy = memfd_create("maps", 0);
	struct map_range map;
	char buf[4096];
	ssize_t n;

	maps_each(fd, 0, add, &asked);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(copy, buf, (size_t)n), n);
	maps_each(copy, 0, add, &read_in);
	ck_assert_uint_gt(asked.count, 10);
	/* vsyscall is only in the text. */
	ck_assert_uint_ge(read_in.count, asked.count);
	for (size_t i = 0; i < asked.count; i++) {
		const struct map_range *a = &asked.maps[i], *b = &read_in.maps[i];

		ck_assert_uint_eq(a->start, b->start);
		ck_assert_uint_eq(a->end, b->end);
		ck_assert_uint_eq(a->off, b->off);
		ck_assert_uint_eq(a->ino, b->ino);
		ck_assert_uint_eq(a->dev, b->dev);
		ck_assert_int_eq(a->shared, b->shared);
		ck_assert_int_eq(a->write, b->write);
		ck_assert_uint_eq(maps_page_size(a), maps_page_size(b));
		ck_assert_str_eq(a->name, b->name);
	}
	ck_assert(maps_find(copy, (uintptr_t)&asked, &map));
	ck_assert_uint_le(map.start, (uintptr_t)&asked);
	ck_assert_uint_gt(map.end, (uintptr_t)&asked);
	ck_assert(!maps_find(copy, 0x1000, &map));
	close(fd);
	close(copy);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frames-maps");
	TCase *tc = tcase_create("maps");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, maps);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
