/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/event.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WRITERS	   3
#define PER_WRITER 20000

static atomic_int writers_left;

START_TEST(test_off_costs_nothing)
{
	struct event event;
	uint64_t seq = 0, lost = 0;

	event_emit(EVENT_MAP, 1, 2, 3, 4);
	ck_assert_uint_eq(event_read(&seq, &event, 1, &lost), 0);
	event_switch(~0U);
	event_emit(EVENT_MAP, 1, 2, 3, 4);
	ck_assert_uint_eq(event_read(&seq, &event, 1, &lost), 1);
	ck_assert_uint_eq(event.seq, 1);
	ck_assert_uint_eq(event.type, EVENT_MAP);
	ck_assert_uint_eq(event.dev, 1);
	ck_assert_uint_eq(event.a, 2);
	ck_assert_uint_eq(event.b, 3);
	ck_assert_uint_eq(event.c, 4);
	ck_assert_uint_gt(event.nsec, 0);
	ck_assert_uint_eq(event_read(&seq, &event, 1, &lost), 0);
	ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(test_overwritten_are_counted)
{
	struct event events[100];
	uint64_t seq = 0, lost = 0, expect, i;
	size_t n;

	for (i = 1; i <= 10000; i++)
		event_write(EVENT_IRQ, ~0U, i, 0, 0);
	n = event_read(&seq, events, 100, &lost);
	ck_assert_uint_eq(n, 100);
	ck_assert_uint_eq(lost, 10000 - 4096);
	expect = lost + 1;
	do {
		for (i = 0; i < n; i++, expect++) {
			ck_assert_uint_eq(events[i].seq, expect);
			ck_assert_uint_eq(events[i].a, expect);
		}
		n = event_read(&seq, events, 100, &lost);
	} while (n);
	ck_assert_uint_eq(expect, 10001);
}
END_TEST

static void *writer(void *arg)
{
	uint64_t self = (uint64_t)(uintptr_t)arg, i;

	for (i = 0; i < PER_WRITER; i++)
		event_write(EVENT_REG_WRITE, (uint32_t)self, i, i * 3 + self, ~i);
	atomic_fetch_sub(&writers_left, 1);
	return NULL;
}

/* Every event that is read is whole, in order for its writer; read + lost is what was written. */
START_TEST(test_concurrent_writers)
{
	uint64_t next[WRITERS] = { 0 }, seq = 0, lost = 0, read = 0;
	uint64_t written = WRITERS * PER_WRITER;
	pthread_t threads[WRITERS];
	struct event events[64];
	bool done;
	size_t n, i;

	atomic_store(&writers_left, WRITERS);
	for (i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, writer, (void *)i), 0);
	do {
		done = atomic_load(&writers_left) == 0;
		n = event_read(&seq, events, 64, &lost);
		for (i = 0; i < n; i++) {
			ck_assert_uint_lt(events[i].dev, WRITERS);
			ck_assert_uint_ge(events[i].a, next[events[i].dev]);
			ck_assert_uint_eq(events[i].b, events[i].a * 3 + events[i].dev);
			ck_assert_uint_eq(events[i].c, ~events[i].a);
			next[events[i].dev] = events[i].a + 1;
		}
		read += n;
		/* A reader waits for an event that its writer has dropped until there are newer
		 * ones (writer 0's numbers go on). */
		if (done && !n && read + lost < written) {
			i = written - (WRITERS - 1) * PER_WRITER;
			event_write(EVENT_REG_WRITE, 0, i, i * 3, ~i);
			written++;
		}
	} while (!done || n || (read + lost < written && written < 2 * WRITERS * PER_WRITER));
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(read + lost, written);
	ck_assert_uint_gt(read, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event");
	TCase *tcase = tcase_create("event");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_off_costs_nothing);
	tcase_add_test(tcase, test_overwritten_are_counted);
	tcase_add_test(tcase, test_concurrent_writers);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
