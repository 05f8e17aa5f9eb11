/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings of files: tracking, protection, revocation, what a trap does. */
#include "file/mapping_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fault.h"

static const struct file_operations no_ops = { .name = "none" };

/* The signal that touching @at raises in a child, 0 if none. */
static int death_by(uint8_t *at, bool write)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		if (write)
			store32(at, 1);
		else
			load32(at);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void expect_mapping(const void *at, bool tracked, uint64_t off)
{
	struct file *found = NULL;
	uint64_t got = 0;

	ck_assert_int_eq(file_find_mapping((uintptr_t)at, 1, &found, &got), tracked);
	ck_assert_ptr_eq(found, tracked ? file : NULL);
	if (tracked) {
		ck_assert_uint_eq(got, off);
		file_put(found);
	}
}

START_TEST(test_store_and_load)
{
	uint8_t *at = map(PAGE, 2 * PAGE, PROT_READ | PROT_WRITE);

	set_access(2, 1, PAGE_TRAP_ALL);
	errno = 77;
	store32(at + PAGE + 8, 0x12345678);
	ck_assert_int_eq(errno, 77);
	ck_assert_uint_eq(last_off, 2 * PAGE + 8);
	ck_assert_uint_eq(last_width, 4);
	ck_assert_uint_eq(last_value, 0x12345678);
	ck_assert(sigterm_blocked);
	ck_assert_int_eq(depth_seen, 1);
	ck_assert_int_eq(lib_depth, 0);
	ck_assert_uint_eq(load32(at + PAGE + 8), 0x12345678);
	store32(at, 5);
	ck_assert_uint_eq(load32(alias + PAGE), 5);
	ck_assert_int_eq(reads, 1);
	ck_assert_int_eq(writes, 1);
	unmap(at, 2 * PAGE);
	file_put(file);
	ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(test_nested_is_said)
{
	uint8_t *at = map(0, PAGE, PROT_READ | PROT_WRITE);

	set_access(0, 1, PAGE_TRAP_WRITE);
	depth_enter();
	store32(at, 1);
	depth_leave();
	ck_assert_int_eq(nested_writes, 1);
	ck_assert_int_eq(writes, 0);
}
END_TEST

/* What has trapped once is remembered; what was revoked, or never set, is not. */
START_TEST(test_trapped_once)
{
	set_access(1, 1, PAGE_TRAP_WRITE);
	set_access(1, 1, PAGE_DIRECT);
	set_access(0, PAGES, PAGE_REVOKED);
	set_access(0, PAGES, PAGE_DIRECT);
	ck_assert(!file_has_trapped(file, 0, PAGE));
	ck_assert(file_has_trapped(file, 0, 2 * PAGE));
	ck_assert(file_has_trapped(file, PAGE, PAGE));
	ck_assert(!file_has_trapped(file, 2 * PAGE, PAGE));
	set_access(2, 1, PAGE_TRAP_ALL);
	ck_assert(file_has_trapped(file, 2 * PAGE, PAGE));
}
END_TEST

START_TEST(test_mmap_checks)
{
	struct file *none, *ro;
	void *at;
	int rw = PROT_READ | PROT_WRITE;

	ck_assert_int_eq(file_alloc(&no_ops, NULL, O_RDWR, 0, &none), 0);
	ck_assert_int_eq(file_alloc(&ops, &quiet, O_RDONLY, PAGE, &ro), 0);
	ck_assert_int_eq(file_mmap(none, NULL, PAGE, rw, MAP_SHARED, 0, &at), -ENODEV);
	ck_assert_int_eq(file_mmap(ro, NULL, PAGE, rw, MAP_SHARED, 0, &at), -EACCES);
	ck_assert_int_eq(file_mmap(ro, NULL, PAGE, PROT_READ, MAP_SHARED, 0, &at), 0);
	ck_assert_int_eq(file_mmap(file, NULL, 0, rw, MAP_SHARED, 0, &at), -EINVAL);
	ck_assert_int_eq(file_mmap(file, NULL, PAGE, rw, MAP_SHARED, 5, &at), -EINVAL);
	ck_assert_int_eq(file_mmap(file, NULL, PAGE, rw, 0, 0, &at), -EINVAL);
	ck_assert_int_eq(file_mmap(file, NULL, ~0UL, rw, MAP_SHARED, 0, &at), -ENOMEM);
	ck_assert_int_eq(file_mmap(file, NULL, PAGE, rw, MAP_SHARED, ~0UL << 12, &at), -EOVERFLOW);
	ck_assert_int_eq(file_mmap(file, (void *)1, PAGE, rw, MAP_SHARED | MAP_FIXED, 0, &at),
			 -EINVAL);
	mmap_answer = -EPERM;
	ck_assert_int_eq(file_mmap(file, NULL, PAGE, rw, MAP_SHARED, 0, &at), -EPERM);
	file_put(none);
	file_put(ro);
}
END_TEST

START_TEST(test_munmap_splits)
{
	uint8_t *at = map(0, 5 * PAGE, PROT_READ | PROT_WRITE);

	set_access(0, PAGES, PAGE_TRAP_WRITE);
	unmap(at + 2 * PAGE, PAGE);
	expect_mapping(at + PAGE + 7, true, PAGE + 7);
	expect_mapping(at + 2 * PAGE, false, 0);
	expect_mapping(at + 3 * PAGE, true, 3 * PAGE);
	store32(at + 4 * PAGE, 9);
	ck_assert_uint_eq(last_off, 4 * PAGE);
	ck_assert_int_eq(death_by(at + 2 * PAGE, true), SIGSEGV);
	ck_assert(file_find_mapping((uintptr_t)at, 5 * PAGE, NULL, NULL));
	ck_assert(!file_find_mapping((uintptr_t)at + 2 * PAGE, PAGE, NULL, NULL));
	ck_assert(!file_find_mapping((uintptr_t)at + 5 * PAGE, PAGE, NULL, NULL));
	ck_assert(!file_find_mapping((uintptr_t)at, 0, NULL, NULL));
	ck_assert_uint_eq(file_mapping_run((uintptr_t)at + 1, 9 * PAGE), 2 * PAGE - 1);
	ck_assert_uint_eq(file_mapping_run((uintptr_t)at + 2 * PAGE, 9 * PAGE), PAGE);
	ck_assert_uint_eq(file_mapping_run((uintptr_t)at, PAGE), PAGE);
	ck_assert_uint_eq(file_mapping_run((uintptr_t)at + 5 * PAGE, 9 * PAGE), 9 * PAGE);
	file_put(file);
	unmap(at, 2 * PAGE);
	ck_assert_int_eq(released, 0);
	file_munmap((uintptr_t)at + PAGE, 10 * PAGE);
	ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(test_fixed_over_fixed)
{
	uint8_t *at = map(0, 4 * PAGE, PROT_READ | PROT_WRITE);
	void *again;

	set_access(0, PAGES, PAGE_TRAP_WRITE);
	ck_assert_int_eq(file_mmap(file, at + PAGE, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, 6 * PAGE, &again),
			 0);
	ck_assert_ptr_eq(again, at + PAGE);
	store32(at + PAGE + 4, 1);
	ck_assert_uint_eq(last_off, 6 * PAGE + 4);
	store32(at + 2 * PAGE, 1);
	ck_assert_uint_eq(last_off, 2 * PAGE);
	unmap(at, 4 * PAGE);
	expect_mapping(at + PAGE, false, 0);
}
END_TEST

START_TEST(test_mremap_by_kernel)
{
	uint8_t *at = map(0, 2 * PAGE, PROT_READ | PROT_WRITE), *to;

	set_access(0, PAGES, PAGE_TRAP_ALL);
	to = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_eq(mremap(at, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	file_mremap((uintptr_t)at, 2 * PAGE, (uintptr_t)to, 2 * PAGE);
	expect_mapping(at, false, 0);
	expect_mapping(to + PAGE, true, PAGE);
	store32(to + PAGE, 3);
	ck_assert_uint_eq(last_off, PAGE);
	/* shrink */
	ck_assert_ptr_eq(mremap(to, 2 * PAGE, PAGE, 0), to);
	file_mremap((uintptr_t)to, 2 * PAGE, (uintptr_t)to, PAGE);
	expect_mapping(to, true, 0);
	expect_mapping(to + PAGE, false, 0);
	/* an anonymous mapping that is moved over it */
	at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_eq(mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	file_mremap((uintptr_t)at, PAGE, (uintptr_t)to, PAGE);
	expect_mapping(to, false, 0);
}
END_TEST

START_TEST(test_mremap_by_us)
{
	uint8_t *at = map(0, 3 * PAGE, PROT_READ | PROT_WRITE), *to;
	uintptr_t a = (uintptr_t)at, t;

	set_access(1, 1, PAGE_TRAP_WRITE);
	to = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t = (uintptr_t)to;
	ck_assert_int_eq(file_do_mremap(t, PAGE, PAGE, MREMAP_MAYMOVE, 0), 0);
	ck_assert_int_eq(file_do_mremap(a, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0), -EFAULT);
	ck_assert_int_eq(file_do_mremap(a, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t),
			 -EFAULT);
	ck_assert_int_eq(file_do_mremap(a, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0),
			 -EINVAL);
	ck_assert_int_eq(file_do_mremap(a, PAGE, 0, MREMAP_MAYMOVE, 0), -EINVAL);
	ck_assert_int_eq(file_do_mremap(a, PAGE, PAGE, MREMAP_FIXED, t), -EINVAL);
	ck_assert_int_eq(file_do_mremap(a, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0), (long)a);
	/* Pages of different protection move as one. */
	ck_assert_int_eq(file_do_mremap(a, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t),
			 (long)t);
	expect_mapping(at, false, 0);
	expect_mapping(to + 2 * PAGE, true, 2 * PAGE);
	store32(to, 1);
	ck_assert_int_eq(writes, 0);
	store32(to + PAGE, 1);
	ck_assert_int_eq(writes, 1);
	ck_assert_int_eq(file_do_mremap(t, 3 * PAGE, PAGE, 0, 0), (long)t);
	expect_mapping(to + PAGE, false, 0);
	file_put(file);
	unmap(to, PAGE);
	ck_assert_int_eq(released, 1);
}
END_TEST

/* The memory in front of a mapping moves, the mapping behind it is cut off: the kernel's work. */
START_TEST(test_mremap_cuts_off)
{
	uint8_t *to, *area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	uintptr_t a = (uintptr_t)area;
	void *at;

	to = area + 3 * PAGE;
	ck_assert_int_eq(
		file_mmap(file, area + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 0, &at), 0);
	ck_assert_int_eq(file_do_mremap(a, 2 * PAGE, PAGE, flags, (uintptr_t)to), 0);
	expect_mapping(area + PAGE, true, 0);
	ck_assert_ptr_eq(mremap(area, 2 * PAGE, PAGE, flags, to), to);
	file_mremap(a, 2 * PAGE, (uintptr_t)to, PAGE);
	expect_mapping(area + PAGE, false, 0);
	expect_mapping(to, false, 0);
	file_put(file);
	ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(test_mprotect)
{
	uint8_t *at = map(0, 3 * PAGE, PROT_READ | PROT_WRITE), *anon;

	set_access(1, 1, PAGE_TRAP_ALL);
	anon = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_int_eq(file_mprotect((uintptr_t)anon, PAGE, PROT_READ), 0);
	ck_assert_int_eq(file_mprotect((uintptr_t)at, 2 * PAGE, PROT_READ), 1);
	ck_assert_int_eq(death_by(at, true), SIGSEGV);
	ck_assert_int_eq(death_by(at + PAGE, true), SIGSEGV);
	ck_assert_int_eq(death_by(at + PAGE, false), 0);
	ck_assert_int_eq(death_by(at + 2 * PAGE, true), 0);
	/* What is closed meanwhile opens with the protection that the client asked for. */
	set_access(1, 1, PAGE_DIRECT);
	ck_assert_int_eq(death_by(at + PAGE, true), SIGSEGV);
	ck_assert_int_eq(file_mprotect((uintptr_t)at, 3 * PAGE, PROT_NONE), 1);
	ck_assert_int_eq(death_by(at + PAGE, false), SIGSEGV);
	ck_assert_int_eq(file_mprotect((uintptr_t)at, 3 * PAGE, PROT_READ | PROT_WRITE), 1);
	ck_assert_int_eq(death_by(at + PAGE, true), 0);
	/* A range with a hole that is not ours. */
	unmap(at + PAGE, PAGE);
	ck_assert_int_eq(file_mprotect((uintptr_t)at, 3 * PAGE, PROT_READ), -ENOMEM);
}
END_TEST

START_TEST(test_write_only_mapping)
{
	uint8_t *at = map(0, PAGE, PROT_WRITE);

	set_access(0, 1, PAGE_TRAP_WRITE);
	store32(at, 11);
	ck_assert_int_eq(writes, 1);
	ck_assert_uint_eq(load32(at), 11);
}
END_TEST

START_TEST(test_revoked)
{
	uint8_t *at = map(0, 2 * PAGE, PROT_READ | PROT_WRITE);
	uint64_t value;
	int pipes[2];

	set_access(0, 2, PAGE_REVOKED);
	ck_assert_int_eq(death_by(at + 8, false), SIGBUS);
	ck_assert_int_eq(death_by(at + PAGE, true), SIGBUS);
	ck_assert_int_eq(load_nofault((uintptr_t)at, 4, &value), -EFAULT);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(write(pipes[1], at, 4), -1);
	ck_assert_int_eq(errno, EFAULT);
	/* A mapping that the client made without access is its own fault. */
	ck_assert_int_eq(file_mprotect((uintptr_t)at, PAGE, PROT_NONE), 1);
	ck_assert_int_eq(death_by(at, false), SIGSEGV);
	set_access(0, 2, PAGE_DIRECT);
	store32(at + PAGE, 3);
	ck_assert_uint_eq(load32(alias + PAGE), 3);
	/* New mappings of revoked pages are born revoked. */
	set_access(3, 1, PAGE_REVOKED);
	ck_assert_int_eq(death_by(map(3 * PAGE, PAGE, PROT_READ), false), SIGBUS);
	ck_assert_int_eq(reads + writes, 0);
}
END_TEST

static sigjmp_buf jump;
static void *volatile bus_addr;
static volatile int bus_code;

static void on_bus(int sig, siginfo_t *info, void *ucontext)
{
	bus_addr = info->si_addr;
	bus_code = info->si_code;
	siglongjmp(jump, sig);
}

START_TEST(test_sigbus_handler)
{
	uint8_t *at = map(0, 2 * PAGE, PROT_READ | PROT_WRITE);
	struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	int sig;

	ck_assert_int_eq(fault_program_action(SIGBUS, &act, NULL), 0);
	set_access(1, 1, PAGE_REVOKED);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		store32(at + PAGE + 0x124, 1);
	ck_assert_int_eq(sig, SIGBUS);
	ck_assert_ptr_eq(bus_addr, at + PAGE + 0x124);
	ck_assert_int_eq(bus_code, BUS_ADRERR);
	/* An access that begins on a good page and ends on a revoked one. */
	set_access(0, 1, PAGE_TRAP_ALL);
	bus_addr = NULL;
	sig = sigsetjmp(jump, 1);
	if (!sig)
		store32(at + PAGE - 2, 1);
	ck_assert_int_eq(sig, SIGBUS);
	ck_assert_ptr_eq(bus_addr, at + PAGE);
	ck_assert_int_eq(lib_depth, 0);
}
END_TEST

/* trap_cases.S */
void trap_unknown(void *addr);

START_TEST(test_unknown_instruction)
{
	uint8_t *at = map(0, PAGE, PROT_READ | PROT_WRITE);
	struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	int sig;

	ck_assert_int_eq(fault_program_action(SIGSEGV, &act, NULL), 0);
	set_access(0, 1, PAGE_TRAP_ALL);
	sig = sigsetjmp(jump, 1);
	if (!sig)
		trap_unknown(at + 16);
	ck_assert_int_eq(sig, SIGSEGV);
	ck_assert_ptr_eq(bus_addr, at + 16);
}
END_TEST

START_TEST(test_access_ranges)
{
	uint8_t *at = map(0, PAGES * PAGE, PROT_READ | PROT_WRITE);
	enum page_access model[PAGES] = { PAGE_DIRECT };
	uint64_t state = 3, page, pages, i;
	int round, before;

	ck_assert_int_eq(file_set_access(file, 5, PAGE, PAGE_DIRECT), -EINVAL);
	ck_assert_int_eq(file_set_access(file, 0, 0, PAGE_DIRECT), -EINVAL);
	for (round = 0; round < 300; round++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		page = state >> 40 & 7;
		pages = 1 + (state >> 44) % (PAGES - page);
		for (i = 0; i < pages; i++)
			model[page + i] = (enum page_access)(state >> 50 & 1);
		set_access(page, pages, (enum page_access)(state >> 50 & 1));
		for (i = 0; i < PAGES; i++) {
			before = writes;
			store32(at + i * PAGE, 1);
			ck_assert_int_eq(writes - before, model[i] == PAGE_TRAP_WRITE);
		}
	}
}
END_TEST

START_TEST(test_other_fd_and_base)
{
	int other = memfd_create("other", MFD_CLOEXEC);
	uint8_t *at;

	ck_assert_int_eq(ftruncate(other, 4 * (off_t)PAGE), 0);
	ck_assert_int_eq(pwrite(other, "wxyz", 4, 3 * (off_t)PAGE), 4);
	file->map_fd = other;
	file->map_base = 2 * PAGE;
	at = map(PAGE, PAGE, PROT_READ);
	ck_assert_mem_eq(at, "wxyz", 4);
	expect_mapping(at, true, PAGE);
	close(other);
}
END_TEST

static uint8_t *inherited;

static int child_of_fork(void)
{
	struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	int sig;

	file_after_fork();
	if (fault_program_action(SIGBUS, &act, NULL))
		return 1;
	sig = sigsetjmp(jump, 1);
	if (!sig)
		store32(inherited, 1);
	file_munmap((uintptr_t)inherited, PAGE);
	return sig == SIGBUS && released == 0 ? 0 : 2;
}

START_TEST(test_fork)
{
	pid_t pid;
	int status;

	inherited = map(0, PAGE, PROT_READ | PROT_WRITE);
	file_fork_prepare();
	pid = fork();
	if (!pid)
		_exit(child_of_fork());
	file_fork_parent();
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	store32(inherited, 5);
	ck_assert_uint_eq(load32(alias), 5);
}
END_TEST

START_TEST(test_out_of_memory)
{
	unsigned int nth;
	void *at;
	int ret;

	for (nth = 1;; nth++) {
		failpoint_arm(nth);
		ret = file_set_access(file, PAGE, PAGE, PAGE_TRAP_ALL);
		if (!ret)
			ret = file_mmap(file, NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0,
					&at);
		if (!ret)
			ret = file_mprotect((uintptr_t)at + PAGE, PAGE, PROT_READ);
		ret = MIN(ret, 0);
		failpoint_arm(0);
		if (!ret)
			break;
		ck_assert_int_eq(ret, -ENOMEM);
	}
	ck_assert_uint_gt(nth, 2);
	expect_mapping(at, true, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mapping");
	TCase *tcase = tcase_create("mapping");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_store_and_load);
	tcase_add_test(tcase, test_nested_is_said);
	tcase_add_test(tcase, test_trapped_once);
	tcase_add_test(tcase, test_mmap_checks);
	tcase_add_test(tcase, test_munmap_splits);
	tcase_add_test(tcase, test_fixed_over_fixed);
	tcase_add_test(tcase, test_mremap_by_kernel);
	tcase_add_test(tcase, test_mremap_by_us);
	tcase_add_test(tcase, test_mremap_cuts_off);
	tcase_add_test(tcase, test_mprotect);
	tcase_add_test(tcase, test_write_only_mapping);
	tcase_add_test(tcase, test_revoked);
	tcase_add_test(tcase, test_sigbus_handler);
	tcase_add_test(tcase, test_unknown_instruction);
	tcase_add_test(tcase, test_access_ranges);
	tcase_add_test(tcase, test_other_fd_and_base);
	tcase_add_test(tcase, test_fork);
	tcase_add_test(tcase, test_out_of_memory);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
