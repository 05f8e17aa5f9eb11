/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that knows nothing of uvfio and is run inside a session (`uvfio run -d nvme`): what it
 * sees through libc must be what the kernel would show. Each test is a process of its own, forked by
 * Check, so that what it opens is its own.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BDF	  "0000:01:00.0"
#define DEVICE	  "/sys/bus/pci/devices/" BDF
#define DRIVER	  "/sys/bus/pci/drivers/vfio-pci"
#define CONTAINER "/dev/vfio/vfio"

#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN true
#else
#define WITH_ASAN false
#endif

extern char **environ;

/* ---- helpers ------------------------------------------------------------------------- */

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static bool is_container(int fd)
{
	return ioctl(fd, VFIO_GET_API_VERSION) == VFIO_API_VERSION;
}

static int group_number(void)
{
	char link[256];
	ssize_t len = readlink(DEVICE "/iommu_group", link, sizeof(link) - 1);

	ck_assert_int_gt(len, 0);
	link[len] = '\0';
	return atoi(strrchr(link, '/') + 1);
}

struct client {
	int container, group, device;
	uint8_t *bar;
	size_t bar_size;
};

/* As a driver opens its device. */
static void client_open(struct client *c)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	char path[32];

	c->container = must_open(CONTAINER, O_RDWR);
	snprintf(path, sizeof(path), "/dev/vfio/%d", group_number());
	c->group = must_open(path, O_RDWR);
	ck_assert_int_eq(ioctl(c->group, VFIO_GROUP_SET_CONTAINER, &c->container), 0);
	ck_assert_int_eq(ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	c->device = ioctl(c->group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	ck_assert_int_ge(c->device, 0);
	ck_assert_int_eq(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	c->bar_size = region.size;
	c->bar = mmap(NULL, c->bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
		      (off_t)region.offset);
	ck_assert_ptr_ne(c->bar, MAP_FAILED);
}

/* NVMe's CAP register, whose low half is never 0, and CC, which keeps what is written. */
static bool bar_works(struct client *c)
{
	volatile uint32_t *cap = (void *)c->bar, *aqa = (void *)(c->bar + 0x24);

	*aqa = 0x001f001f;
	return *cap != 0 && *aqa == 0x001f001f;
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = must_open(path, O_RDONLY);
	ssize_t len = read(fd, text, size - 1);

	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	close(fd);
}

/* ---- names --------------------------------------------------------------------------- */

START_TEST(names_resolve)
{
	char text[64], path[PATH_MAX];

	read_text(DEVICE "/vendor", text, sizeof(text));
	ck_assert_str_eq(text, "0x1b36\n");
	read_text("/sys//bus/./pci/drivers/../devices/" BDF "/vendor", text, sizeof(text));
	ck_assert_str_eq(text, "0x1b36\n");
	/* The parent of a symlink's target, not of its name. */
	ck_assert_ptr_nonnull(realpath(DEVICE "/..", path));
	ck_assert_int_eq(strncmp(path, "/sys/devices/pci0000:00/", 24), 0);
	ck_assert_ptr_nonnull(realpath(DEVICE "/subsystem", path));
	ck_assert_str_eq(path, "/sys/bus/pci");
	/* Out of the tree again, to the host. */
	ck_assert_int_eq(access("/sys/bus/pci/../../../etc/passwd", R_OK), 0);
	ck_assert_int_eq(access("/sys/bus/pci/nothing", F_OK), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(open(DEVICE "/vendor/", O_RDONLY), -1);
	ck_assert_int_eq(errno, ENOTDIR);
}
END_TEST

START_TEST(current_directory)
{
	char path[PATH_MAX], text[64];
	char *name;

	ck_assert_int_eq(chdir("/sys"), 0);
	ck_assert_int_eq(access("bus/pci/devices", F_OK), 0);
	ck_assert_int_eq(chdir("bus/pci"), 0);
	ck_assert_str_eq(getcwd(path, sizeof(path)), "/sys/bus/pci");
	ck_assert_ptr_null(getcwd(path, 4));
	ck_assert_int_eq(errno, ERANGE);
	name = get_current_dir_name();
	ck_assert_str_eq(name, "/sys/bus/pci");
	free(name);
	read_text("devices/" BDF "/vendor", text, sizeof(text));
	ck_assert_str_eq(text, "0x1b36\n");
	ck_assert_int_ge(readlink("/proc/self/cwd", path, sizeof(path)), 12);
	ck_assert_int_eq(memcmp(path, "/sys/bus/pci", 12), 0);
	ck_assert_int_eq(chdir("../../../tmp"), 0);
	ck_assert_str_eq(getcwd(path, sizeof(path)), "/tmp");
}
END_TEST

START_TEST(directory_fds)
{
	int sys = must_open("/sys", O_RDONLY | O_DIRECTORY), dir, fd, copy;
	struct stat a, b;
	char text[8];

	dir = openat(sys, "bus/pci/devices", O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(dir, 0);
	copy = dup(dir);
	fd = openat(copy, BDF "/vendor", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, text, 7), 7);
	ck_assert_int_eq(memcmp(text, "0x1b36\n", 7), 0);
	ck_assert_int_eq(fstatat(dir, BDF, &a, 0), 0);
	ck_assert_int_eq(stat(DEVICE, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(fchdir(dir), 0);
	ck_assert_int_eq(access(BDF, F_OK), 0);
	ck_assert_int_eq(faccessat(dir, "../../../../etc/passwd", F_OK, 0), 0);
}
END_TEST

START_TEST(device_nodes)
{
	struct statx stx;
	struct stat st;
	int fd;

	ck_assert_int_eq(stat(CONTAINER, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_uint_eq(st.st_rdev, makedev(10, 196));
	ck_assert_int_eq(statx(AT_FDCWD, CONTAINER, 0, STATX_BASIC_STATS, &stx), 0);
	ck_assert(S_ISCHR(stx.stx_mode));
	ck_assert_uint_eq(stx.stx_rdev_minor, 196);
	fd = must_open(CONTAINER, O_RDWR);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
}
END_TEST

static bool listed(const char *path, const char *name)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int found = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		found += !strcmp(entry->d_name, name);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		found += !strcmp(entry->d_name, name);
	closedir(dir);
	ck_assert_int_le(found, 2);
	return found == 2;
}

static int by_prefix(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "0000:", 5);
}

static int walked;

static int count_vendor(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	walked += type == FTW_F && !strcmp(path + ftw->base, "vendor");
	return 0;
}

START_TEST(listings)
{
	struct dirent **names;
	glob_t found;
	int n;

	ck_assert(listed("/sys/bus/pci/devices", BDF));
	ck_assert(listed("/sys/bus", "pci"));
	ck_assert(listed("/dev", "vfio"));
	ck_assert(listed("/dev", "null"));
	ck_assert(listed("/dev/vfio", "vfio"));
	n = scandir("/sys/bus/pci/devices", &names, by_prefix, alphasort);
	ck_assert_int_ge(n, 1);
	ck_assert_int_eq(glob("/sys/bus/pci/devices/*:01:00.0/vend*", 0, NULL, &found), 0);
	ck_assert_uint_eq(found.gl_pathc, 1);
	ck_assert_str_eq(found.gl_pathv[0], DEVICE "/vendor");
	globfree(&found);
	ck_assert_int_eq(nftw("/sys/devices/pci0000:00", count_vendor, 8, FTW_PHYS), 0);
	ck_assert_int_ge(walked, n);
}
END_TEST

START_TEST(refused_changes)
{
	ck_assert_int_eq(mkdir("/sys/bus/pci/new", 0755), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(unlink(DEVICE "/vendor"), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(rename(DEVICE, "/sys/bus/pci/devices/x"), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(open("/sys/bus/pci/new", O_WRONLY | O_CREAT, 0644), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(open(DEVICE "/vendor", O_WRONLY), -1);
	ck_assert_int_eq(errno, EACCES);
}
END_TEST

START_TEST(raw_calls)
{
	long fd = syscall(SYS_openat, AT_FDCWD, CONTAINER, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(syscall(SYS_ioctl, fd, VFIO_GET_API_VERSION, 0), VFIO_API_VERSION);
	ck_assert_int_eq(syscall(SYS_close, fd), 0);
	ck_assert_int_eq(syscall(SYS_getpid), getpid());
}
END_TEST

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
	char *const argv[] = { "ldconfig", "-p", NULL };
	pid_t pid;

	if (access("/sbin/ldconfig", X_OK))
		return;
	ck_assert_int_eq(posix_spawn(&pid, "/sbin/ldconfig", NULL, NULL, argv, environ), EACCES);
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

/* ---- stores ------------------------------------------------------------------------------ */

START_TEST(write_stores)
{
	struct iovec iov[] = { { "vfio", 4 }, { "-pci\n", 5 } };
	int fd = must_open(DEVICE "/driver_override", O_WRONLY | O_TRUNC);
	char text[64];

	ck_assert_int_eq(writev(fd, iov, 2), 9);
	ck_assert_int_eq(close(fd), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "vfio-pci\n");
	fd = must_open(DRIVER "/unbind", O_WRONLY);
	ck_assert_int_eq(write(fd, "0000:77:00.0", 12), -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_int_eq(dprintf(fd, "%s", "nothing"), -1);
	ck_assert_int_eq(errno, ENODEV);
	close(fd);
}
END_TEST

START_TEST(stdio_stores)
{
	FILE *f = fopen(DEVICE "/driver_override", "w");
	char text[64];

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fileno(f), 0);
	ck_assert_int_eq(fprintf(f, "%s\n", "abc"), 4);
	ck_assert_int_eq(fclose(f), 0);
	f = fopen(DEVICE "/driver_override", "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_str_eq(fgets(text, sizeof(text), f), "abc\n");
	fclose(f);
	f = fopen(DRIVER "/unbind", "w");
	fputs("nothing", f);
	ck_assert_int_eq(fclose(f), EOF);
	ck_assert_int_eq(errno, ENODEV);
	f = fdopen(must_open(DRIVER "/unbind", O_WRONLY), "w");
	setvbuf(f, NULL, _IONBF, 0);
	ck_assert_int_lt(fputs("nothing", f), 0);
	ck_assert_int_eq(errno, ENODEV);
	fclose(f);
}
END_TEST

/* As a shell does: its stdout is moved onto the attribute, and libc writes inside itself. */
static int store_by_stdout(const char *path, const char *text, int buffering)
{
	int fd = must_open(path, O_WRONLY), saved = dup(1), error;

	fflush(stdout);
	setvbuf(stdout, NULL, buffering, 4096);
	dup2(fd, 1);
	close(fd);
	printf("%s\n", text);
	errno = 0;
	error = fflush(stdout) == EOF && ferror(stdout) ? errno : 0;
	clearerr(stdout);
	dup2(saved, 1);
	close(saved);
	return error;
}

START_TEST(stdout_stores)
{
	char text[64];

	ck_assert_int_eq(store_by_stdout(DEVICE "/driver_override", "line", _IOLBF), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "line\n");
	ck_assert_int_eq(store_by_stdout(DEVICE "/driver_override", "full", _IOFBF), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "full\n");
	ck_assert_int_eq(store_by_stdout(DRIVER "/unbind", "nothing", _IOLBF), ENODEV);
	ck_assert_int_eq(store_by_stdout(DRIVER "/unbind", "nothing", _IOFBF), ENODEV);
}
END_TEST

static int shell(const char *command)
{
	return WEXITSTATUS(system(command));
}

START_TEST(shells_store)
{
	char text[64];

	ck_assert_int_eq(shell("bash -c 'echo one > " DEVICE "/driver_override'"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "one\n");
	ck_assert_int_eq(shell("echo two > " DEVICE "/driver_override"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "two\n");
	ck_assert_int_eq(shell("echo three | tee " DEVICE "/driver_override > /dev/null"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "three\n");
	ck_assert_int_eq(shell("echo four | dd of=" DEVICE "/driver_override status=none"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "four\n");
	ck_assert_int_eq(shell("/bin/echo five > " DEVICE "/driver_override"), 0);
	read_text(DEVICE "/driver_override", text, sizeof(text));
	ck_assert_str_eq(text, "five\n");
	ck_assert_int_eq(shell("bash -c 'echo x > " DRIVER "/unbind' 2>/dev/null"), 1);
	ck_assert_int_eq(shell("bash -c 'printf x > " DRIVER "/unbind' 2>/dev/null"), 1);
	ck_assert_int_ne(shell("echo x | tee " DRIVER "/unbind >/dev/null 2>&1"), 0);
	ck_assert_int_eq(shell("/bin/echo x > " DRIVER "/unbind 2>/dev/null"), 1);
}
END_TEST

static void add_tests(TCase *names, TCase *rest)
{
	tcase_add_test(names, names_resolve);
	tcase_add_test(names, current_directory);
	tcase_add_test(names, directory_fds);
	tcase_add_test(names, device_nodes);
	tcase_add_test(names, listings);
	tcase_add_test(names, refused_changes);
	tcase_add_test(names, raw_calls);
	tcase_add_test(rest, duplicates);
	tcase_add_test(rest, closed_behind_our_back);
	tcase_add_test(rest, closed_ranges);
	tcase_add_test(rest, passed_over_a_socket);
	tcase_add_test(rest, forked_child);
	tcase_add_test(rest, vfork_and_exec);
	tcase_add_test(rest, exec_goes_along);
	tcase_add_test(rest, static_programs_are_refused);
	tcase_add_test(rest, own_segv_handler);
	tcase_add_test(rest, blocked_segv);
	tcase_add_test(rest, mmio_in_a_handler);
	/* gcc 12's runtime takes the stack of a cancelled thread for wild. */
	if (!WITH_ASAN)
		tcase_add_test(rest, cancellation);
	tcase_add_test(rest, threads);
	tcase_add_test(rest, write_stores);
	tcase_add_test(rest, stdio_stores);
	tcase_add_test(rest, stdout_stores);
	tcase_add_test(rest, shells_store);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("preload");
	TCase *names = tcase_create("names"), *rest = tcase_create("files");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return child_main();
	tcase_set_timeout(rest, 30);
	suite_add_tcase(suite, names);
	suite_add_tcase(suite, rest);
	add_tests(names, rest);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
