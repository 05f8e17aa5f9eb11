/* SPDX-License-Identifier: BSD-3-Clause */
/* Chaining to the program's own handling, each case in a child that ends in the expected way. */
#include "base/fault.h"

#include <check.h>
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/copy.h"

#define BAD_ADDRESS 0x1230UL

/* Sanitizers leave the program's signals to the program. */
#define SANITIZER_OPTIONS "handle_segv=0:handle_sigbus=0"
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

__attribute__((used)) const char *__asan_default_options(void)
{
	return SANITIZER_OPTIONS;
}

__attribute__((used)) const char *__tsan_default_options(void)
{
	return SANITIZER_OPTIONS;
}

static sigjmp_buf jump;
static volatile sig_atomic_t calls;
static char alt_stack[64 * 1024];

/* Runs @fn in a child; its wait status. */
static int in_child(void (*fn)(void))
{
	struct rlimit no_core = { 0, 0 };
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(60);
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_exit(void (*fn)(void), int code)
{
	int status = in_child(fn);

	ck_assert_msg(WIFEXITED(status), "status %#x", status);
	ck_assert_int_eq(WEXITSTATUS(status), code);
}

static void expect_death(void (*fn)(void), int sig)
{
	int status = in_child(fn);

	ck_assert_msg(WIFSIGNALED(status), "status %#x", status);
	ck_assert_int_eq(WTERMSIG(status), sig);
}

/* Leaves the child with a code that says what failed. */
static void want(bool ok, int code)
{
	if (!ok)
		_exit(code);
}

static void crash(void)
{
	*(volatile int *)BAD_ADDRESS = 1;
}

/* As a program in our library sees it: the interposed sigaction leads here. */
static void program_sigaction(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigaddset(&act.sa_mask, SIGUSR1);
	want(fault_program_action(sig, &act, NULL) == 0, 90);
}

static void jump_out(int sig, siginfo_t *info, void *ucontext)
{
	sigset_t mask;

	want(sig == SIGSEGV && info->si_addr == (void *)BAD_ADDRESS && info->si_code == SEGV_MAPERR,
	     91);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	want(sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGSEGV), 92);
	calls++;
	siglongjmp(jump, 1);
}

static void run_default(void)
{
	fault_init();
	crash();
}

static void run_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	fault_init();
	kill(getpid(), SIGSEGV);
	calls = 1;
	crash();
}

static void run_jump_twice(void)
{
	fault_init();
	program_sigaction(SIGSEGV, jump_out, 0);
	if (!sigsetjmp(jump, 1))
		crash();
	if (calls == 1)
		crash();
	want(calls == 2, 1);
}

static void run_handler_of_before(void)
{
	struct sigaction act = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO }, old;

	sigaddset(&act.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &act, NULL);
	fault_init();
	want(fault_program_action(SIGSEGV, NULL, &old) == 0, 2);
#ifndef __SANITIZE_THREAD__ /* which gives the kernel a handler of its own */
	want(old.sa_sigaction == jump_out && old.sa_flags == SA_SIGINFO, 3);
	want(sigismember(&old.sa_mask, SIGUSR1) && !sigismember(&old.sa_mask, SIGUSR2), 4);
#endif
	if (!sigsetjmp(jump, 1))
		crash();
	want(calls == 1, 1);
}

static void fix_address(int sig, siginfo_t *info, void *ucontext)
{
	errno = ENOTTY;
	calls++;
	want(mmap(info->si_addr, 4096, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED,
	     5);
}

static volatile char *hole(void)
{
	char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p, 4096);
	return p;
}

static void run_repair(void)
{
	volatile char *p = hole();

	fault_init();
	program_sigaction(SIGSEGV, fix_address, 0);
	*p = 7;
	want(*p == 7 && calls == 1, 6);
}

static void run_reset_hand(void)
{
	volatile char *p = hole();

	fault_init();
	program_sigaction(SIGSEGV, fix_address, (int)SA_RESETHAND);
	*p = 7;
	crash();
}

static void crash_again(int sig, siginfo_t *info, void *ucontext)
{
	want(++calls == 1, 7);
	crash();
}

static void run_crash_in_handler(void)
{
	fault_init();
	program_sigaction(SIGSEGV, crash_again, 0);
	crash();
}

static void nested_once(int sig, siginfo_t *info, void *ucontext)
{
	if (++calls == 1)
		crash();
	_exit(calls == 2 ? 0 : 8);
}

static void run_nodefer(void)
{
	fault_init();
	program_sigaction(SIGSEGV, nested_once, SA_NODEFER);
	crash();
}

static void count_async(int sig, siginfo_t *info, void *ucontext)
{
	want(info->si_code == SI_USER && info->si_pid == getpid(), 9);
	calls++;
}

static void run_async(void)
{
	fault_init();
	program_sigaction(SIGSEGV, count_async, 0);
	kill(getpid(), SIGSEGV);
	want(calls == 1, 10);
}

static void run_async_default(void)
{
	fault_init();
	kill(getpid(), SIGSEGV);
	_exit(11);
}

static void use_alt_stack(void)
{
	stack_t stack = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };

	want(sigaltstack(&stack, NULL) == 0, 12);
}

static bool on_alt_stack(const void *p)
{
	return (const char *)p >= alt_stack && (const char *)p < alt_stack + sizeof(alt_stack);
}

static double float_kept = 1.0;

static void on_normal_stack(int sig, siginfo_t *info, void *ucontext)
{
	ucontext_t *uc = ucontext;
	volatile double scratch = float_kept;

	want(!on_alt_stack((const void *)&scratch) && !on_alt_stack(info) && !on_alt_stack(uc), 13);
	want(info->si_addr == (void *)uc->uc_mcontext.gregs[REG_RDI], 14);
	scratch *= 3;
	fix_address(sig, info, ucontext);
}

static void run_without_onstack(void)
{
	volatile char *p = hole();
	double kept = 2.5;

	use_alt_stack();
	fault_init();
	program_sigaction(SIGSEGV, on_normal_stack, 0);
	__asm__ volatile("movsd %0, %%xmm5\n\tmovb $9, (%%rdi)\n\tmovsd %%xmm5, %0"
			 : "+m"(kept)
			 : "D"(p)
			 : "memory", "xmm5");
	want(*p == 9 && calls == 1, 15);
	want(kept == 2.5, 16);
}

static void onstack_handler(int sig, siginfo_t *info, void *ucontext)
{
	want(on_alt_stack((const void *)&sig), 17);
	fix_address(sig, info, ucontext);
}

static void run_with_onstack(void)
{
	volatile char *p = hole();

	use_alt_stack();
	fault_init();
	program_sigaction(SIGSEGV, onstack_handler, SA_ONSTACK);
	*p = 1;
	want(calls == 1, 18);
}

static bool turn_into_sigbus(int sig, siginfo_t *info, void *ucontext)
{
	if (info->si_addr != (void *)BAD_ADDRESS)
		return false;
	info->si_signo = SIGBUS;
	info->si_code = BUS_ADRERR;
	fault_deliver(SIGBUS, info, ucontext);
	return true;
}

static void see_sigbus(int sig, siginfo_t *info, void *ucontext)
{
	want(sig == SIGBUS && info->si_code == BUS_ADRERR && info->si_addr == (void *)BAD_ADDRESS,
	     19);
	_exit(0);
}

static void run_sigbus_handler(void)
{
	fault_init();
	fault_set_mmio(turn_into_sigbus);
	program_sigaction(SIGBUS, see_sigbus, 0);
	crash();
}

static void run_sigbus_default(void)
{
	fault_init();
	fault_set_mmio(turn_into_sigbus);
	crash();
}

static void fixup_in_handler(int sig, siginfo_t *info, void *ucontext)
{
	char c;

	want(copy_from_user(&c, BAD_ADDRESS, 1) == -EFAULT, 20);
	_exit(0);
}

static void run_copy_in_handler(void)
{
	fault_init();
	program_sigaction(SIGSEGV, fixup_in_handler, 0);
	crash();
}

static void run_action_before_init(void)
{
	struct sigaction old;

	program_sigaction(SIGSEGV, jump_out, SA_NODEFER);
	want(sigaction(SIGSEGV, NULL, &old) == 0, 21);
	want(old.sa_sigaction == jump_out && (old.sa_flags & SA_NODEFER), 22);
	want(fault_program_action(SIGUSR1, NULL, &old) == -EINVAL, 23);
	want(!fault_installed() && fault_init() == 0 && fault_init() == 0 && fault_installed(), 24);
	want(fault_program_action(SIGSEGV, NULL, &old) == 0, 25);
	want(old.sa_sigaction == jump_out && old.sa_flags == (SA_SIGINFO | SA_NODEFER), 26);
}

static const struct {
	void (*run)(void);
	int death; /* the signal that kills; 0: exits with 0 */
} cases[] = {
	{ run_default, SIGSEGV },
	{ run_ignored, SIGSEGV },
	{ run_jump_twice, 0 },
	{ run_handler_of_before, 0 },
	{ run_repair, 0 },
	{ run_reset_hand, SIGSEGV },
	{ run_crash_in_handler, SIGSEGV },
	{ run_nodefer, 0 },
	{ run_async, 0 },
	{ run_async_default, SIGSEGV },
	{ run_without_onstack, 0 },
	{ run_with_onstack, 0 },
	{ run_sigbus_handler, 0 },
	{ run_sigbus_default, SIGBUS },
	{ run_copy_in_handler, 0 },
	{ run_action_before_init, 0 },
};

START_TEST(test_chaining)
{
	if (cases[_i].death)
		expect_death(cases[_i].run, cases[_i].death);
	else
		expect_exit(cases[_i].run, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fault");
	TCase *tcase = tcase_create("fault");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, test_chaining, 0, (int)ARRAY_SIZE(cases));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
