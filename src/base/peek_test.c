/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/peek.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/types.h"

/* Two pages, and one behind them that is not there. */
static char *two_pages(void)
{
	char *at = mmap(NULL, 3 * HOST_PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_int_eq(munmap(at + 2 * HOST_PAGE_SIZE, HOST_PAGE_SIZE), 0);
	return at;
}

START_TEST(ranges)
{
	char *at = two_pages(), *end = at + 2 * HOST_PAGE_SIZE;

	ck_assert(peek_page((uintptr_t)end - 1));
	ck_assert(!peek_page((uintptr_t)end));
	ck_assert(peek_range(at, 2 * HOST_PAGE_SIZE));
	ck_assert(!peek_range(at, 2 * HOST_PAGE_SIZE + 1));
	ck_assert(peek_range(end - 1, 1));
	ck_assert(peek_range(end, 0));
	ck_assert(!peek_range(NULL, 1));
	ck_assert(!peek_range((void *)-4096, 8192));
	ck_assert(!peek_range((void *)(1UL << 60), 1));
	ck_assert_int_eq(mprotect(at, HOST_PAGE_SIZE, PROT_NONE), 0);
	ck_assert(!peek_range(at, 1));
	ck_assert_int_eq(mprotect(at, HOST_PAGE_SIZE, PROT_READ), 0);
	ck_assert(peek_range(at, 1));
}
END_TEST

START_TEST(strings)
{
	char *at = two_pages(), *end = at + 2 * HOST_PAGE_SIZE;
	char *list[] = { at, end - 1, NULL }, **last = (char **)end - 1;

	memset(at, 'x', 2 * HOST_PAGE_SIZE);
	ck_assert(!peek_string(at));
	end[-1] = '\0';
	ck_assert(peek_string(at));
	ck_assert(peek_string(end - 1));
	ck_assert(!peek_string(NULL));
	ck_assert(peek_strings(NULL));
	ck_assert(peek_strings(list));
	list[1] = end;
	ck_assert(!peek_strings(list));
	/* A list without an end. */
	*last = (char *)"x";
	ck_assert(!peek_strings(last));
	*last = NULL;
	ck_assert(peek_strings(last));
	ck_assert(!peek_strings((char **)end));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peek");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, ranges);
	tcase_add_test(tcase, strings);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
