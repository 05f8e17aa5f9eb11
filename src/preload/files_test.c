/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that knows nothing of uvfio and is run inside a session: descriptors, processes,
 * signals and threads beside an open device. Each test is a process of its own, forked by
 * Check.
 */
#include "preload/preload_test.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifndef __has_feature /* clang's way to say it */
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WITH_ASAN true
#else
#define WITH_ASAN false
#endif

extern char **environ;

/* ---- descriptors ----------------------------------------------------------------------- */

START_TEST(duplicates)
{
	int fd = must_open(CONTAINER, O_RDWR), copy, null = must_open("/dev/null", O_RDWR);

	copy = dup(fd);
	ck_assert(is_container(copy));
	ck_assert_int_eq(dup2(fd, 77), 77);
	ck_assert_int_eq(close(fd), 0);
	ck_assert(is_container(77));
	ck_assert(is_container(copy));
	/* Replaced, and what stands there now is not ours. */
	ck_assert_int_eq(dup2(null, 77), 77);
	ck_assert(!is_container(77));
	ck_assert_int_eq(errno, ENOTTY);
	fd = fcntl(copy, F_DUPFD_CLOEXEC, 100);
	ck_assert_int_ge(fd, 100);
	ck_assert(is_container(fd));
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	close(copy);
	ck_assert_int_eq(ioctl(copy, VFIO_GET_API_VERSION), -1);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

static long raw_close(int fd)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(SYS_close), "D"(fd) : "rcx", "r11", "memory");
	return ret;
}

START_TEST(closed_behind_our_back)
{
	int fd = must_open(CONTAINER, O_RDWR), null;

	ck_assert_int_eq(raw_close(fd), 0);
	null = must_open("/dev/null", O_RDWR);
	ck_assert_int_eq(null, fd);
	ck_assert(!is_container(null));
	ck_assert_int_eq(write(null, "x", 1), 1);
	ck_assert_int_eq(close(null), 0);
}
END_TEST

START_TEST(closed_ranges)
{
	struct client c;
	int fd;

	client_open(&c);
	fd = must_open(CONTAINER, O_RDWR);
	ck_assert_int_eq(close_range((unsigned int)fd, ~0U, 0), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	/* The library's own descriptors are not among them. */
	ck_assert(bar_works(&c));
	ck_assert(is_container(c.container));
	closefrom(3);
	ck_assert_int_eq(fcntl(c.device, F_GETFD), -1);
	ck_assert(is_container(must_open(CONTAINER, O_RDWR)));
}
END_TEST

START_TEST(passed_over_a_socket)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))), byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room,
			      .msg_controllen = sizeof(room) };
	int fd = must_open(CONTAINER, O_RDWR), pair[2], got;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(pair[0], &msg, 0), 1);
	msg.msg_controllen = sizeof(room);
	ck_assert_int_eq(recvmsg(pair[1], &msg, 0), 1);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(got));
	ck_assert_int_ne(got, fd);
	close(fd);
	ck_assert(is_container(got));
}
END_TEST

/* ---- processes --------------------------------------------------------------------------- */

static int status_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(forked_child)
{
	struct client c;
	pid_t pid;

	client_open(&c);
	pid = fork();
	if (pid == 0) {
		int own, ret = ioctl(c.container, VFIO_GET_API_VERSION);

		if (ret != -1 || errno != EIO)
			_exit(1);
		own = open(CONTAINER, O_RDWR);
		_exit(own >= 0 && is_container(own) ? 0 : 2);
	}
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert(bar_works(&c));
	ck_assert(is_container(c.container));
}
END_TEST

START_TEST(forked_child_drives)
{
	struct client c;
	pid_t pid;

	/* The machine is built in the parent, which lets go of the device, or never had it. */
	client_open(&c);
	munmap(c.bar, c.bar_size);
	close(c.device);
	close(c.group);
	close(c.container);
	pid = fork();
	if (pid == 0) {
		client_open(&c);
		_exit(bar_works(&c) && !ioctl(c.device, VFIO_DEVICE_RESET) ? 0 : 1);
	}
	ck_assert_int_eq(status_of(pid), 0);
	/* And again here. */
	client_open(&c);
	ck_assert(bar_works(&c));
}
END_TEST

/* Run by exec_goes_along: tells by its status whether it is in the session. */
static int child_main(void)
{
	int fd = open(CONTAINER, O_RDWR);

	return fd >= 0 && is_container(fd) ? 42 : 1;
}

START_TEST(vfork_and_exec)
{
	char *const argv[] = { "/proc/self/exe", "child", NULL };
	char *const none[] = { NULL };
	struct client c;
	pid_t pid;

	client_open(&c);
	pid = vfork();
	if (pid == 0) {
		close(c.container);
		close(c.device);
		execve(argv[0], argv, none);
		_exit(1);
	}
	ck_assert_int_eq(status_of(pid), 42);
	ck_assert(is_container(c.container));
	ck_assert(bar_works(&c));
}
END_TEST

START_TEST(exec_goes_along)
{
	char *const argv[] = { "test", "child", NULL };
	char *const none[] = { NULL };
	pid_t pid;

	ck_assert_int_eq(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, none), 0);
	ck_assert_int_eq(status_of(pid), 42);
	pid = fork();
	if (pid == 0) {
		execle("/proc/self/exe", "test", "child", NULL, none);
		_exit(1);
	}
	ck_assert_int_eq(status_of(pid), 42);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test", "child", NULL);
		_exit(1);
	}
	ck_assert_int_eq(status_of(pid), 42);
	ck_assert_int_eq(WEXITSTATUS(system("env -i test -c " CONTAINER)), 0);
}
END_TEST

START_TEST(static_programs_are_refused)
{
	char *const argv[] = { "busybox", "true", NULL };
	pid_t pid;

	if (access("/bin/busybox", X_OK))
		return;
	ck_assert_int_eq(posix_spawn(&pid, "/bin/busybox", NULL, NULL, argv, environ), EACCES);
}
END_TEST

/* ---- signals ----------------------------------------------------------------------------- */

static sigjmp_buf back;
static volatile sig_atomic_t seen;

static void on_segv(int sig, siginfo_t *info, void *context)
{
	seen = info->si_addr == (void *)16 ? 1 : 2;
	siglongjmp(back, 1);
}

static void catch_segv(void)
{
	struct sigaction act = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	volatile int *volatile wrong = (void *)16;

	ck_assert_int_eq(sigaction(SIGSEGV, &act, NULL), 0);
	if (!sigsetjmp(back, 1))
		*wrong = 1;
	ck_assert_int_eq(seen, 1);
}

START_TEST(own_segv_handler)
{
	struct sigaction old;
	struct client c;

	/* Installed before ours, and after it. */
	catch_segv();
	client_open(&c);
	ck_assert(bar_works(&c));
	ck_assert_int_eq(sigaction(SIGSEGV, NULL, &old), 0);
	ck_assert_ptr_eq(old.sa_sigaction, on_segv);
	seen = 0;
	catch_segv();
	ck_assert(bar_works(&c));
	ck_assert_ptr_ne(signal(SIGSEGV, SIG_DFL), SIG_ERR);
	ck_assert(bar_works(&c));
}
END_TEST

START_TEST(blocked_segv)
{
	struct client c;
	sigset_t all, old;

	client_open(&c);
	sigfillset(&all);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, NULL), 0);
	ck_assert(bar_works(&c));
	/* The program is told what it set. */
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &old), 0);
	ck_assert_int_eq(sigismember(&old, SIGSEGV), 1);
	ck_assert_int_eq(sigismember(&old, SIGUSR1), 1);
	sigemptyset(&all);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, NULL), 0);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &old), 0);
	ck_assert_int_eq(sigismember(&old, SIGSEGV), 0);
}
END_TEST

static struct client in_handler;
static volatile sig_atomic_t handler_worked;

static void on_alarm(int sig)
{
	handler_worked = bar_works(&in_handler);
}

START_TEST(mmio_in_a_handler)
{
	struct sigaction act = { .sa_handler = on_alarm }, old;

	client_open(&in_handler);
	sigfillset(&act.sa_mask);
	ck_assert_int_eq(sigaction(SIGALRM, &act, NULL), 0);
	ck_assert_int_eq(sigaction(SIGALRM, NULL, &old), 0);
	ck_assert_int_eq(sigismember(&old.sa_mask, SIGSEGV), 1);
	raise(SIGALRM);
	ck_assert_int_eq(handler_worked, 1);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------- */

static void *blocked_reader(void *arg)
{
	char byte;

	return read(*(int *)arg, &byte, 1) == 1 ? arg : NULL;
}

static void *endless_ioctls(void *arg)
{
	for (;;) {
		struct vfio_device_info info = { .argsz = sizeof(info) };
		char byte;

		ioctl(*(int *)arg, VFIO_DEVICE_GET_INFO, &info);
		/* A cancellation point, here as in the kernel. */
		if (pread(*(int *)arg, &byte, 1, (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) != 1)
			return NULL;
	}
}

static void cancel(void *(*fn)(void *), int fd)
{
	pthread_t thread;
	void *result;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, &fd), 0);
	usleep(20000);
	ck_assert_int_eq(pthread_cancel(thread), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}

START_TEST(cancellation)
{
	struct client c;
	int pipes[2];

	client_open(&c);
	ck_assert_int_eq(pipe(pipes), 0);
	cancel(blocked_reader, pipes[0]);
	cancel(endless_ioctls, c.device);
	/* No lock of the library's went with the thread. */
	ck_assert(bar_works(&c));
	ck_assert_int_eq(ioctl(c.device, VFIO_DEVICE_RESET), 0);
}
END_TEST

static void *mmio_thread(void *arg)
{
	bool *worked = malloc(sizeof(*worked));
	int i;

	*worked = true;
	for (i = 0; i < 1000; i++)
		*worked = *worked && bar_works(arg);
	return worked;
}

START_TEST(threads)
{
	pthread_t thread[3];
	struct client c;
	void *result;
	int i;

	client_open(&c);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, mmio_thread, &c), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_join(thread[i], &result), 0);
		ck_assert(*(bool *)result);
		free(result);
	}
}
END_TEST

#define SIZE 4096UL

/* Memory that devices reach stays where it is when its move is refused. */
START_TEST(refused_moves)
{
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
						.flags = VFIO_DMA_MAP_FLAG_READ,
						.iova = 0x100000,
						.size = 4 * SIZE };
	struct client c;
	char *at;

	client_open(&c);
	at = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(at, MAP_FAILED);
	memset(at, 7, 4 * SIZE);
	map.vaddr = (uintptr_t)at;
	ck_assert_int_eq(ioctl(c.container, VFIO_IOMMU_MAP_DMA, &map), 0);
	ck_assert_ptr_eq(mremap(at, 2 * SIZE, 2 * SIZE, fixed, at + SIZE), MAP_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_eq(mremap(at, SIZE, SIZE, MREMAP_FIXED, at + 3 * SIZE), MAP_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_eq(mmap(at, SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, -1, 0), MAP_FAILED);
	ck_assert_int_eq(errno, EBADF);
	/* Behind the device's last region. */
	ck_assert_ptr_eq(
		mmap(at, SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, c.device, (off_t)(20ULL << 40)),
		MAP_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	for (size_t i = 0; i < 4 * SIZE; i += SIZE)
		ck_assert_int_eq(at[i], 7);
	ck_assert_ptr_eq(mmap(at, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 at);
	ck_assert_int_eq(at[0], 0);
	ck_assert_int_eq(at[SIZE], 7);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, duplicates);
	tcase_add_test(tcase, closed_behind_our_back);
	tcase_add_test(tcase, closed_ranges);
	tcase_add_test(tcase, passed_over_a_socket);
	tcase_add_test(tcase, forked_child);
	tcase_add_test(tcase, forked_child_drives);
	tcase_add_test(tcase, vfork_and_exec);
	tcase_add_test(tcase, exec_goes_along);
	tcase_add_test(tcase, static_programs_are_refused);
	tcase_add_test(tcase, own_segv_handler);
	tcase_add_test(tcase, blocked_segv);
	tcase_add_test(tcase, mmio_in_a_handler);
	/* gcc 12's runtime takes the stack of a cancelled thread for wild. */
	if (!WITH_ASAN)
		tcase_add_test(tcase, cancellation);
	tcase_add_test(tcase, threads);
	tcase_add_test(tcase, refused_moves);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child"))
		return child_main();
	return run_suite("preload-files", add_tests);
}
