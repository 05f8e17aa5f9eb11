/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/stack.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"

/* What a sanitizer's runtime takes of a thread's stack does not fit into the smallest. */
#define SMALL_STACK (64U << 10)
#define DEEP	    (100U << 10)

struct seen {
	bool is_short, short_again, deep_done;
	uintptr_t known, outside, inside;
	int calls;
};

/* More than a small stack has. */
static void go_deep(void *arg)
{
	struct seen *seen = arg;
	volatile char deep[DEEP];
	size_t i;

	for (i = 0; i < sizeof(deep); i += HOST_PAGE_SIZE)
		deep[i] = 1;
	seen->inside = (uintptr_t)deep;
	seen->deep_done = deep[0] == 1;
	seen->calls++;
}

static void go_deep_twice(void *arg)
{
	stack_run(go_deep, arg);
	go_deep(arg);
}

static void *look(void *arg)
{
	struct seen *seen = arg;

	seen->outside = (uintptr_t)__builtin_frame_address(0);
	seen->is_short = stack_is_short();
	seen->known = stack_known;
	seen->short_again = stack_is_short();
	stack_run(go_deep, seen);
	stack_run(go_deep_twice, seen);
	return NULL;
}

static void in_thread(size_t stack, struct seen *seen)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, stack), 0);
	ck_assert_int_eq(pthread_create(&thread, &attr, look, seen), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	ck_assert(seen->deep_done);
	ck_assert_int_eq(seen->calls, 3);
}

START_TEST(a_small_stack)
{
	struct seen seen = { 0 };

	in_thread(SMALL_STACK, &seen);
	ck_assert(seen.is_short && seen.short_again);
	ck_assert_uint_eq(seen.known, 0);
	ck_assert(seen.inside - (seen.outside - SMALL_STACK) > 2 * SMALL_STACK);
}
END_TEST

START_TEST(a_large_stack)
{
	struct seen seen = { 0 };

	in_thread(1 << 20, &seen);
	ck_assert(!seen.is_short && !seen.short_again);
	ck_assert_uint_ne(seen.known, 0);
}
END_TEST

static __attribute__((noinline)) int descend(int levels)
{
	volatile char frame[HOST_PAGE_SIZE];

	frame[0] = 1;
	/* All of it is used, for what the compiler knows. */
	__asm__ volatile("" : : "r"(frame) : "memory");
	ck_assert(!stack_is_short());
	if (levels)
		frame[0] += (char)descend(levels - frame[0]);
	return frame[0];
}

/* What is known grows on the way down and serves on the way up. */
START_TEST(deeper_and_deeper)
{
	uintptr_t first, last;

	ck_assert(!stack_is_short());
	first = stack_known;
	ck_assert_int_eq(descend(100), 101);
	last = stack_known;
	ck_assert_uint_lt(last & ~STACK_PAGES, (first & ~STACK_PAGES) - (50 << HOST_PAGE_SHIFT));
	ck_assert_uint_gt(last & STACK_PAGES, (first & STACK_PAGES) + 50);
	ck_assert(!stack_is_short());
	ck_assert_uint_eq(stack_known, last);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_small_stack);
	tcase_add_test(tcase, a_large_stack);
	tcase_add_test(tcase, deeper_and_deeper);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
