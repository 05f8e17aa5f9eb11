/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/trigger.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/failpoint.h"

static uint64_t take(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

START_TEST(signals_add_up)
{
	int fd = eventfd(0, _i ? EFD_NONBLOCK : 0);
	struct irq_trigger *trigger;

	ck_assert_int_eq(irq_trigger_create(fd, &trigger), 0);
	for (int i = 0; i < 3; i++)
		irq_trigger_signal(trigger);
	ck_assert_uint_eq(take(fd), 3);
	ck_assert_uint_eq(irq_trigger_count(trigger), 3);
	irq_trigger_destroy(trigger);
	close(fd);
}
END_TEST

START_TEST(outlives_the_users_fd)
{
	int fd = eventfd(0, EFD_NONBLOCK), other = dup(fd);
	struct irq_trigger *trigger;

	ck_assert_int_eq(irq_trigger_create(fd, &trigger), 0);
	close(fd);
	irq_trigger_signal(trigger);
	ck_assert_uint_eq(take(other), 1);
	irq_trigger_destroy(trigger);
	close(other);
}
END_TEST

/* A full counter must not stop the device: a blocking write would hang here. */
START_TEST(full_counter_does_not_block)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, 0);
	struct irq_trigger *trigger;

	ck_assert_int_eq(irq_trigger_create(fd, &trigger), 0);
	ck_assert_int_eq(write(fd, &full, sizeof(full)), sizeof(full));
	irq_trigger_signal(trigger);
	ck_assert_uint_eq(take(fd), full);
	irq_trigger_destroy(trigger);
	close(fd);
}
END_TEST

START_TEST(errno_is_kept)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_NONBLOCK);
	struct irq_trigger *trigger;

	ck_assert_int_eq(irq_trigger_create(fd, &trigger), 0);
	ck_assert_int_eq(write(fd, &full, sizeof(full)), sizeof(full));
	errno = ENODATA;
	irq_trigger_signal(trigger);
	ck_assert_int_eq(errno, ENODATA);
	irq_trigger_destroy(trigger);
	close(fd);
}
END_TEST

START_TEST(refuses_what_is_no_eventfd)
{
	struct irq_trigger *trigger = NULL;
	int memfd = memfd_create("x", 0), pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(irq_trigger_create(-1, &trigger), -EBADF);
	ck_assert_int_eq(irq_trigger_create(pipes[1], &trigger), -EINVAL);
	ck_assert_int_eq(irq_trigger_create(memfd, &trigger), -EINVAL);
	close(memfd);
	ck_assert_int_eq(irq_trigger_create(memfd, &trigger), -EBADF);
	ck_assert_ptr_null(trigger);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

static int open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 2048; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(every_failure_leaves_nothing)
{
	int fd = eventfd(0, 0), before = open_fds();
	struct irq_trigger *trigger;
	unsigned int nth;
	int ret;

	for (nth = 1;; nth++) {
		failpoint_arm(nth);
		ret = irq_trigger_create(fd, &trigger);
		if (!failpoint_fired())
			break;
		ck_assert_int_lt(ret, 0);
		ck_assert_int_eq(open_fds(), before);
	}
	failpoint_arm(0);
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_gt(nth, 1);
	irq_trigger_destroy(trigger);
	ck_assert_int_eq(open_fds(), before);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trigger");
	TCase *tc = tcase_create("trigger");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, signals_add_up, 0, 2);
	tcase_add_test(tc, outlives_the_users_fd);
	tcase_add_test(tc, full_counter_does_not_block);
	tcase_add_test(tc, errno_is_kept);
	tcase_add_test(tc, refuses_what_is_no_eventfd);
	tcase_add_test(tc, every_failure_leaves_nothing);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
