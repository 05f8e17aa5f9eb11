/* SPDX-License-Identifier: BSD-3-Clause */
/* Traps of several threads while pages open and close, and while mappings come and go. */
#include "file/mapping_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"

/* A thread with the alternate stack that Rust's standard library gives its threads. */
static void *small_stack(void *arg)
{
	static uint8_t memory[8192] __attribute__((aligned(16)));
	stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };
	uint8_t *at = arg;
	int i;

	if (sigaltstack(&stack, NULL))
		return (void *)1;
	for (i = 0; i < 100; i++)
		store32(at + 4 * (i % 16), (uint32_t)i);
	memcpy(at + 100, at, 64);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	return NULL;
}

START_TEST(test_small_alternate_stack)
{
	uint8_t *at = map(0, PAGE, PROT_READ | PROT_WRITE);
	pthread_t thread;
	void *ret;

	set_access(0, 1, PAGE_TRAP_ALL);
	ck_assert_int_eq(pthread_create(&thread, NULL, small_stack, at), 0);
	pthread_join(thread, &ret);
	ck_assert_ptr_null(ret);
	ck_assert_mem_eq(alias, alias + 100, 64);
	ck_assert_int_ge(writes, 100);
}
END_TEST

/*
 * The model itself meets a page that is not there, as DMA may: that second signal must leave the
 * frame of the first one alone, and the alternate stack is the program's again afterwards.
 */
static void *fault_in_fault(void *arg)
{
	static uint8_t memory[65536] __attribute__((aligned(16)));
	stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) }, now;
	uint8_t *at = arg;
	int i;

	if (sigaltstack(&stack, NULL))
		return (void *)1;
	for (i = 0; i < 100; i++)
		store32(at + 4 * (i % 16), (uint32_t)i);
	if (sigaltstack(NULL, &now) || now.ss_sp != memory || now.ss_flags ||
	    now.ss_size != sizeof(memory))
		return (void *)2;
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	return NULL;
}

START_TEST(test_fault_on_alternate_stack)
{
	uint8_t *at = map(0, PAGE, PROT_READ | PROT_WRITE);
	pthread_t thread;
	void *ret;

	set_access(0, 1, PAGE_TRAP_ALL);
	ck_assert_int_eq(mprotect(alias, PAGE, PROT_NONE), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, fault_in_fault, at), 0);
	pthread_join(thread, &ret);
	ck_assert_ptr_null(ret);
	ck_assert_int_eq(writes, 100);
}
END_TEST

static atomic_int stop;

/* Writes its own word and reads it back: whatever the page is at the moment, a store is seen. */
static void *hammer(void *arg)
{
	uint8_t *word = arg;
	uintptr_t wrong = 0;
	uint32_t i;

	for (i = 1; !atomic_load(&stop); i++) {
		uint64_t value;

		store_nofault((uintptr_t)word + 64, 4, i); /* may be refused, must not trap */
		__asm__ volatile("movl %1, (%0)" : : "r"(word), "r"(i) : "memory");
		__asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(word) : "memory");
		wrong += (uint32_t)value != i;
	}
	return (void *)wrong;
}

START_TEST(test_open_and_close_under_stores)
{
	uint8_t *at = map(0, 2 * PAGE, PROT_READ | PROT_WRITE);
	pthread_t threads[3];
	void *ret;
	int i;

	quiet = true;
	set_access(0, 1, PAGE_TRAP_WRITE);
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, hammer, at + 256 * i);
	for (i = 0; i < 2000; i++) {
		set_access(0, 1,
			   i % 3 == 0	? PAGE_DIRECT
			   : i % 3 == 1 ? PAGE_TRAP_WRITE
					: PAGE_TRAP_ALL);
		if (i % 50 == 0) /* other mappings come and go */
			unmap(map(PAGE, PAGE, PROT_READ), PAGE);
		if (i % 100 == 0)
			usleep(1000);
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i], &ret);
		ck_assert_ptr_null(ret);
	}
	ck_assert_int_gt(writes, 0);
}
END_TEST

/* The last reference goes while a trap holds one. */
static void *store_until_gone(void *arg)
{
	uint8_t *at = arg;

	while (!atomic_load(&stop))
		store32(at, 1);
	return NULL;
}

static void ignore_segv(int sig, siginfo_t *info, void *ucontext)
{
	atomic_store(&stop, 1);
	pthread_exit(NULL);
}

START_TEST(test_unmap_under_trap)
{
	struct sigaction act = { .sa_sigaction = ignore_segv, .sa_flags = SA_SIGINFO };
	pthread_t thread;
	uint8_t *at;
	int round;

	quiet = true;
	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(fault_program_action(SIGSEGV, &act, NULL), 0);
	set_access(0, 1, PAGE_TRAP_WRITE);
	for (round = 0; round < 50; round++) {
		at = map(0, PAGE, PROT_READ | PROT_WRITE);
		atomic_store(&stop, 0);
		pthread_create(&thread, NULL, store_until_gone, at);
		usleep(200);
		unmap(at, PAGE);
		pthread_join(thread, NULL);
	}
	file_put(file);
	/* What a trap put last is ended by the next ordinary call. */
	file_munmap((uintptr_t)at, PAGE);
	ck_assert_int_eq(released, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trap_threads");
	TCase *tcase = tcase_create("trap_threads");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_small_alternate_stack);
	tcase_add_test(tcase, test_fault_on_alternate_stack);
	tcase_add_test(tcase, test_open_and_close_under_stores);
	tcase_add_test(tcase, test_unmap_under_trap);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
