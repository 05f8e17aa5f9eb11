/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <check.h>
#include <sched.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/depth.h"
#include "base/log.h"

struct seen {
	int depth, cpus;
	sigset_t blocked;
	char name[32];
};

static void *look_around(void *arg)
{
	struct seen *seen = arg;
	cpu_set_t set;

	seen->depth = lib_depth;
	sched_getaffinity(0, sizeof(set), &set);
	seen->cpus = CPU_COUNT(&set);
	pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	return arg;
}

/* Started by a thread that has pinned itself to one CPU and blocks nothing. */
START_TEST(test_thread_surroundings)
{
	struct seen seen = { 0 };
	cpu_set_t set;
	pthread_t thread;
	sigset_t mine;
	void *ret;
	int cpus;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	cpus = CPU_COUNT(&set);
	ck_assert_int_eq(thread_cpus(), cpus);
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);

	ck_assert_int_eq(thread_create(&thread, "a-name-that-is-too-long", look_around, &seen), 0);
	pthread_join(thread, &ret);
	ck_assert_ptr_eq(ret, &seen);
	ck_assert_int_ge(seen.depth, 1);
	ck_assert_int_eq(seen.cpus, cpus);
	ck_assert_str_eq(seen.name, "a-name-that-is-");
	ck_assert(sigismember(&seen.blocked, SIGTERM) && sigismember(&seen.blocked, SIGRTMAX));
	ck_assert(!sigismember(&seen.blocked, SIGSEGV) && !sigismember(&seen.blocked, SIGBUS));
	ck_assert(!sigismember(&seen.blocked, SIGILL) && !sigismember(&seen.blocked, SIGTRAP));

	ck_assert_int_eq(lib_depth, 0);
	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	ck_assert(!sigismember(&mine, SIGTERM));
	ck_assert_int_eq(thread_cpus(), cpus);
}
END_TEST

static char last_line[1024];
static enum log_level last_level;

static void remember(void *arg, enum log_level level, const char *message)
{
	ck_assert_ptr_eq(arg, last_line);
	last_level = level;
	strncpy(last_line, message, sizeof(last_line) - 1);
}

static void *wait_word(void *arg)
{
	atomic_int *stop = arg;

	while (!atomic_load(stop))
		usleep(1000);
	return NULL;
}

/* The C library asks each thread to change its ids, by a signal, and waits for all of them. */
START_TEST(test_setuid)
{
	atomic_int stop = 0;
	pthread_t thread;

	ck_assert_int_eq(thread_create(&thread, "idle", wait_word, &stop), 0);
	ck_assert_int_eq(setresuid(getuid(), geteuid(), geteuid()), 0);
	ck_assert_int_eq(setresgid(getgid(), getegid(), getegid()), 0);
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(test_log_sink)
{
	char longer[2000];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	pr_err("nobody listens");
	log_set_sink(remember, last_line);
	pr_warn("vfio-pci %s: enabling device\n", "0000:01:00.0");
	ck_assert_str_eq(last_line, "vfio-pci 0000:01:00.0: enabling device");
	ck_assert_int_eq(last_level, LOG_WARN);
	pr_info("%s", longer);
	ck_assert_uint_eq(strlen(last_line), 511);
	log_set_sink(NULL, NULL);
	pr_err("gone");
	ck_assert_uint_eq(strlen(last_line), 511);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("thread");
	TCase *tcase = tcase_create("thread");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_thread_surroundings);
	tcase_add_test(tcase, test_setuid);
	tcase_add_test(tcase, test_log_sink);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
