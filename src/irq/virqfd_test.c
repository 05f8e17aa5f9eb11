/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/trigger.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct seen {
	sem_t called;
	atomic_int calls;
	_Atomic bool leave;	       /* the function returns only then */
	_Atomic(struct virqfd *) self; /* disabled from inside the function */
};

static void on_event(void *arg)
{
	struct seen *seen = arg;
	struct virqfd *self = atomic_load(&seen->self);

	atomic_fetch_add(&seen->calls, 1);
	if (self)
		virqfd_disable(self);
	sem_post(&seen->called);
	while (!atomic_load(&seen->leave))
		sched_yield();
}

static struct seen *make(void)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	sem_init(&seen->called, 0, 0);
	atomic_init(&seen->leave, true);
	return seen;
}

static void ring(int fd)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

START_TEST(calls_and_empties)
{
	int fd = eventfd(0, _i ? EFD_NONBLOCK : 0);
	struct seen *seen = make();
	struct virqfd *virqfd;

	ck_assert_int_eq(virqfd_enable(fd, on_event, seen, &virqfd), 0);
	for (int i = 1; i <= 3; i++) {
		ring(fd);
		sem_wait(&seen->called);
		ck_assert_int_eq(atomic_load(&seen->calls), i);
	}
	virqfd_disable(virqfd);
	ring(fd);
	ck_assert_int_eq(atomic_load(&seen->calls), 3);
	close(fd);
	free(seen);
}
END_TEST

START_TEST(fires_at_once_when_signalled_before)
{
	int fd = eventfd(1, 0);
	struct seen *seen = make();
	struct virqfd *virqfd;

	ck_assert_int_eq(virqfd_enable(fd, on_event, seen, &virqfd), 0);
	sem_wait(&seen->called);
	virqfd_disable(virqfd);
	close(fd);
	free(seen);
}
END_TEST

static void *disabler(void *arg)
{
	virqfd_disable(arg);
	return NULL;
}

/* virqfd_disable() waits for a function that is running. */
START_TEST(disable_waits)
{
	int fd = eventfd(1, 0);
	struct seen *seen = make();
	struct virqfd *virqfd;
	struct timespec soon;
	pthread_t thread;

	atomic_store(&seen->leave, false);
	ck_assert_int_eq(virqfd_enable(fd, on_event, seen, &virqfd), 0);
	sem_wait(&seen->called);
	ck_assert_int_eq(pthread_create(&thread, NULL, disabler, virqfd), 0);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	ck_assert_int_eq(pthread_timedjoin_np(thread, NULL, &soon), ETIMEDOUT);
	atomic_store(&seen->leave, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close(fd);
	free(seen);
}
END_TEST

START_TEST(disable_from_the_function)
{
	int fd = eventfd(0, 0);
	struct seen *seen = make();
	struct virqfd *virqfd;

	ck_assert_int_eq(virqfd_enable(fd, on_event, seen, &virqfd), 0);
	atomic_store(&seen->self, virqfd);
	ring(fd);
	sem_wait(&seen->called);
	ring(fd);
	/* Another one still works: the thread lives on. */
	atomic_store(&seen->self, NULL);
	ck_assert_int_eq(virqfd_enable(fd, on_event, seen, &virqfd), 0);
	sem_wait(&seen->called);
	ck_assert_int_eq(atomic_load(&seen->calls), 2);
	virqfd_disable(virqfd);
	close(fd);
	free(seen);
}
END_TEST

#ifndef __SANITIZE_THREAD__
/* _i: nobody tells the child that it is one. */
START_TEST(child_starts_its_own_thread)
{
	int fd = eventfd(0, 0), status = -1;
	struct seen *seen = make();
	struct virqfd *parents, *virqfd;
	pid_t pid;

	ck_assert_int_eq(virqfd_enable(fd, on_event, seen, &parents), 0);
	/* The thread is up and holds no lock of malloc's, which a child might never get. */
	ring(fd);
	sem_wait(&seen->called);
	pid = fork();
	if (pid == 0) {
		int own = eventfd(1, 0);

		alarm(100);
		if (!_i)
			irq_after_fork();
		virqfd_disable(parents);
		if (virqfd_enable(own, on_event, seen, &virqfd))
			_exit(1);
		sem_wait(&seen->called);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ring(fd);
	sem_wait(&seen->called);
	virqfd_disable(parents);
	close(fd);
	free(seen);
}
END_TEST
#endif

START_TEST(refuses_what_is_no_eventfd)
{
	struct virqfd *virqfd;
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(virqfd_enable(pipes[0], on_event, NULL, &virqfd), -EINVAL);
	ck_assert_int_eq(virqfd_enable(-1, on_event, NULL, &virqfd), -EBADF);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virqfd");
	TCase *tc = tcase_create("virqfd");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, calls_and_empties, 0, 2);
	tcase_add_test(tc, fires_at_once_when_signalled_before);
	tcase_add_test(tc, disable_waits);
	tcase_add_test(tc, disable_from_the_function);
#ifndef __SANITIZE_THREAD__ /* it refuses threads in a child of a process with threads */
	tcase_add_loop_test(tc, child_starts_its_own_thread, 0, 2);
#endif
	tcase_add_test(tc, refuses_what_is_no_eventfd);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
