/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"

START_TEST(test_moved_high_and_cloexec)
{
	int low = open("/dev/null", O_RDONLY), fd;

	ck_assert_int_ge(low, 0);
	fd = fd_move_high(low);
	ck_assert_int_ge(fd, 256);
	ck_assert_int_eq(fcntl(low, F_GETFD), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert(fd_is_own(fd));
	ck_assert(!fd_is_own(low));
	ck_assert(!fd_is_own(-1));
	ck_assert(!fd_is_own(INT32_MAX));
	errno = 5;
	fd_close(fd);
	fd_close(-1);
	ck_assert_int_eq(errno, 5);
	ck_assert(!fd_is_own(fd));
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(test_memfd)
{
	struct stat st;
	int fd = fd_memfd("test", 1ULL << 45);

	ck_assert_int_ge(fd, 256);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, 1ULL << 45);
	fd_close(fd);
}
END_TEST

START_TEST(test_next_own)
{
	int a = fd_memfd("a", 1), b = fd_memfd("b", 1);

	ck_assert_int_eq(fd_next_own(0), a);
	ck_assert_int_eq(fd_next_own(a), a);
	ck_assert_int_eq(fd_next_own(a + 1), b);
	ck_assert_int_eq(fd_next_own(b + 1), -1);
	fd_close(a);
	fd_close(b);
	ck_assert_int_eq(fd_next_own(0), -1);
}
END_TEST

/* More than fit above the base: the rest goes lower, none is lost, and the limit is an error. */
START_TEST(test_many)
{
	struct rlimit limit = { 64, 64 };
	int fds[64], n = 0, fd, i;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fd = fd_memfd("many", 1)) >= 0) {
		ck_assert(fd_is_own(fd));
		ck_assert_int_lt(n, 64);
		fds[n++] = fd;
	}
	ck_assert_int_eq(fd, -EMFILE);
	ck_assert_int_gt(n, 20);
	for (i = 0; i < n; i++)
		fd_close(fds[i]);
}
END_TEST

START_TEST(test_failpoint_consumes)
{
	int low = open("/dev/null", O_RDONLY);

	failpoint_arm(1);
	ck_assert_int_eq(fd_move_high(low), -EMFILE);
	ck_assert(failpoint_fired());
	ck_assert_int_eq(fcntl(low, F_GETFD), -1);
	low = open("/dev/null", O_RDONLY);
	low = fd_move_high(low);
	ck_assert_int_ge(low, 0);
	fd_close(low);
	failpoint_arm(2);
	ck_assert(!FAIL_POINT());
	ck_assert(!failpoint_fired());
	ck_assert(FAIL_POINT());
	failpoint_arm(0);
	ck_assert(!FAIL_POINT());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fd");
	TCase *tcase = tcase_create("fd");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_moved_high_and_cloexec);
	tcase_add_test(tcase, test_memfd);
	tcase_add_test(tcase, test_next_own);
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_failpoint_consumes);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
