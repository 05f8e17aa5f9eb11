/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of libc that programs make seldom, on files of the session: errno and effects as Linux has
 * them. */
#include <dirent.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <signal.h>
#include <spawn.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "preload/preload_test.h"

extern char **environ;

#define RESOURCE DEVICE "/resource0"

static void assert_errno(long result, int error)
{
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(errno, error);
}

/* ---- reading and writing --------------------------------------------------------------------- */

START_TEST(lengths_of_vectors)
{
	int fd = must_open(DEVICE "/config", O_RDWR);
	char buf[4] = "";
	struct iovec iov[2] = { { buf, 2 }, { buf, (size_t)-1 } };

	assert_errno(readv(fd, iov, 2), EINVAL);
	assert_errno(preadv(fd, iov, 2, 0), EINVAL);
	assert_errno(writev(fd, iov, 2), EINVAL);
	iov[1].iov_len = 2;
	ck_assert_int_eq(readv(fd, iov, 2), 4);
}
END_TEST

START_TEST(non_blocking)
{
	int fd = must_open(CONTAINER, O_RDWR), on = 1;

	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(ioctl(fd, FIONBIO, &on), 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	on = 0;
	ck_assert_int_eq(ioctl(fd, FIONBIO, &on), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

/* A memory BAR has no read: hexdump(1), which reopens its stdin, is told. */
START_TEST(a_resource_is_not_read)
{
	FILE *stream = fopen(RESOURCE, "r");

	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(fgetc(stream), EOF);
	ck_assert_int_eq(errno, EIO);
	ck_assert_ptr_eq(freopen(RESOURCE, "r", stream), stream);
	errno = 0;
	ck_assert_int_eq(fgetc(stream), EOF);
	ck_assert_int_eq(errno, EIO);
	ck_assert_int_ne(ferror(stream), 0);
}
END_TEST

/* Whatever number the file gets. */
START_TEST(attributes_on_low_numbers)
{
	for (int fd = 0; fd < 3; fd++) {
		int before = dup(fd);

		close(fd);
		ck_assert_int_eq(open(DRIVER "/unbind", O_WRONLY), fd);
		ck_assert_int_eq(write(fd, "nonsense", 8), -1);
		ck_assert_int_eq(errno, ENODEV);
		dup2(before, fd);
		close(before);
	}
}
END_TEST

/* ---- names of descriptors -------------------------------------------------------------------- */

static int again(int fd)
{
	char name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, O_RDWR);
}

START_TEST(opened_again_by_number)
{
	struct client c;
	int container;

	client_open(&c);
	assert_errno(again(c.group), EBUSY);
	assert_errno(again(c.device), ENXIO);
	container = again(c.container);
	ck_assert_int_ge(container, 0);
	ck_assert(is_container(container));
	/* Another one: it has no group. */
	assert_errno(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), EINVAL);
}
END_TEST

/* ---- the host's devices ---------------------------------------------------------------------- */

/* A link below /sys/class or /sys/block that leads to a PCI device of the host's is not there,
 * whoever asks; those of other devices are. */
static void look_at(const char *dir, int *left)
{
	struct dirent *entry;
	char path[600], target[600], hidden[700];
	DIR *list = opendir(dir);
	ssize_t len;

	while (list && (entry = readdir(list))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		ck_assert_msg(!strstr(target, "/devices/pci"), "%s -> %s", path, target);
		snprintf(hidden, sizeof(hidden), "%s/uevent", path);
		*left += access(hidden, F_OK) == 0;
	}
	if (list)
		closedir(list);
}

START_TEST(host_devices_are_hidden)
{
	char name[300];
	int left = 0;
	FILE *disks;

	look_at("/sys/class/net", &left);
	look_at("/sys/block", &left);
	look_at("/sys/class/block", &left);
	look_at("/sys/bus/virtio/devices", &left);
	/* What the kernel has, /proc says: each is in /sys/block, or leads to a PCI device. */
	disks = fopen("/proc/partitions", "r");
	while (disks && fgets(name, sizeof(name), disks)) {
		char path[400], real[4096];
		char *base = strrchr(name, ' ');

		if (!base || name[0] == 'm')
			continue;
		base[strcspn(base, "\n")] = '\0';
		snprintf(path, sizeof(path), "/sys/class/block/%s", base + 1);
		if (realpath(path, real))
			ck_assert_msg(strncmp(real, "/sys/devices/pci", 16) != 0, "%s", real);
	}
	if (disks)
		fclose(disks);
	/* Nothing to look at where no /sys is mounted. */
	ck_assert(left > 0 || access("/sys/class/net/lo", F_OK) != 0);
}
END_TEST

/* ---- rare calls ------------------------------------------------------------------------------ */

START_TEST(raw_numbers)
{
	struct open_how how = { .flags = O_RDONLY };
	char buf[64] = "";
	struct iovec iov = { buf, 4 };
	struct statx stx;
	int fd;

	ck_assert_int_eq(syscall(SYS_faccessat2, AT_FDCWD, DEVICE "/vendor", R_OK, 0), 0);
	fd = (int)syscall(SYS_openat2, AT_FDCWD, DEVICE "/config", &how, sizeof(how));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(syscall(SYS_preadv, fd, &iov, 1, 8, 0), 4);
	ck_assert_int_eq((uint8_t)buf[3], 1); /* mass storage */
	ck_assert_int_eq(syscall(SYS_readv, fd, &iov, 1), 4);
	ck_assert_int_eq(syscall(SYS_statx, AT_FDCWD, CONTAINER, 0, STATX_TYPE, &stx), 0);
	ck_assert(S_ISCHR(stx.stx_mode));
	assert_errno(syscall(SYS_unlink, DEVICE "/vendor"), EPERM);
	assert_errno(syscall(SYS_rename, DEVICE "/vendor", DEVICE "/new"), EPERM);
	assert_errno(syscall(SYS_link, DEVICE "/vendor", DEVICE "/device"), EEXIST);
	ck_assert_int_eq(syscall(SYS_chown, DEVICE "/vendor", 0, 0), 0);
	assert_errno(syscall(SYS_openat2, AT_FDCWD, DEVICE "/config", 16, sizeof(how)), EFAULT);
	assert_errno(syscall(SYS_mkdirat, AT_FDCWD, DEVICE "/new", 0755), EPERM);
	assert_errno(syscall(SYS_fsync, fd), EINVAL);
}
END_TEST

/* What getdents64() says of @dir, as names between blanks; in small pieces. */
static void raw_names(const char *dir, char *text, size_t size)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	char buf[512] __attribute__((aligned(8)));
	size_t used = 0;
	ssize_t len;

	ck_assert_int_ge(fd, 0);
	text[0] = '\0';
	while ((len = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (char *at = buf; at < buf + len; at += ((struct dirent *)at)->d_reclen)
			used += (size_t)snprintf(text + used, size - used, " %s ",
						 ((struct dirent *)at)->d_name);
	ck_assert_int_eq(len, 0);
	close(fd);
}

START_TEST(raw_directories)
{
	static const char *const dirs[] = { "/sys/class", "/sys/bus", "/dev", "/sys/class/net",
					    "/sys/bus/pci/devices" };
	char names[16384], name[300];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		DIR *list = opendir(dirs[i]);
		struct dirent *entry;
		size_t count = 0;

		if (!list)
			continue;
		raw_names(dirs[i], names, sizeof(names));
		while ((entry = readdir(list))) {
			snprintf(name, sizeof(name), " %s ", entry->d_name);
			ck_assert_msg(strstr(names, name) != NULL, "%s: no %s", dirs[i], name);
			count += strlen(name);
		}
		/* And nothing else. */
		ck_assert_uint_eq(strlen(names), count);
		closedir(list);
	}
	raw_names("/sys/class", names, sizeof(names));
	ck_assert_ptr_nonnull(strstr(names, " vfio "));
}
END_TEST

START_TEST(extended_attributes)
{
	int fd = must_open(DEVICE "/config", O_RDWR);

	assert_errno(fsetxattr(fd, "user.a", "b", 1, 0), EOPNOTSUPP);
	assert_errno(removexattr(DEVICE "/vendor", "user.a"), EOPNOTSUPP);
	assert_errno(lremovexattr(DEVICE, "user.a"), EOPNOTSUPP);
}
END_TEST

START_TEST(ports_of_the_host)
{
	assert_errno(syscall(SYS_iopl, 3), EPERM);
	assert_errno(syscall(SYS_ioperm, 0xcf8, 8, 1), EPERM);
	assert_errno(open("/proc/bus/pci/devices", O_RDONLY), ENOENT);
}
END_TEST

/* ---- posix_spawn ----------------------------------------------------------------------------- */

/* Runs @command by /bin/sh with @actions; what it wrote on its stdout in @text. */
static int spawn_shell(posix_spawn_file_actions_t *actions, const char *command, char *text,
		       size_t size)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	int fds[2], ret, status;
	ssize_t len;
	pid_t pid;

	text[0] = '\0';
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(posix_spawn_file_actions_adddup2(actions, fds[1], 5), 0);
	ret = posix_spawn(&pid, "/bin/sh", actions, NULL, argv, environ);
	close(fds[1]);
	if (ret) {
		close(fds[0]);
		return -ret;
	}
	while ((len = read(fds[0], text, size - 1)) > 0) {
		text += len;
		size -= (size_t)len;
	}
	*text = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool bound(void)
{
	return access(DEVICE "/driver", F_OK) == 0;
}

START_TEST(spawn_opens_attributes)
{
	posix_spawn_file_actions_t actions;
	char text[256];

	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(
		posix_spawn_file_actions_addopen(&actions, 0, DEVICE "/class", O_RDONLY, 0), 0);
	ck_assert_int_eq(
		posix_spawn_file_actions_addopen(&actions, 1, DRIVER "/unbind", O_WRONLY, 0), 0);
	ck_assert_int_eq(spawn_shell(&actions, "cat >&5; echo " BDF, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "0x010802\n");
	ck_assert(!bound());
	posix_spawn_file_actions_destroy(&actions);
	/* The object is another one now: nothing of the first is left. */
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_addopen(&actions, 1, DRIVER "/bind", O_WRONLY, 0),
			 0);
	ck_assert_int_eq(spawn_shell(&actions, "echo " BDF, text, sizeof(text)), 0);
	ck_assert(bound());
	posix_spawn_file_actions_destroy(&actions);
}
END_TEST

START_TEST(spawn_moves_attributes)
{
	int fd = open(DRIVER "/unbind", O_WRONLY | O_CLOEXEC);
	posix_spawn_file_actions_t actions;
	char text[256];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, fd, 1), 0);
	ck_assert_int_eq(posix_spawn_file_actions_addclose(&actions, fd), 0);
	ck_assert_int_eq(spawn_shell(&actions, "echo nonsense 2>&5; echo " BDF, text, sizeof(text)),
			 0);
	/* dash's words for any error. */
	ck_assert_ptr_nonnull(strstr(text, "I/O error"));
	ck_assert(!bound());
	ck_assert_int_eq(system("echo " BDF " > " DRIVER "/bind"), 0);
	ck_assert(bound());
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
}
END_TEST

START_TEST(spawn_changes_directory)
{
	posix_spawn_file_actions_t actions;
	char text[256];

	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_addchdir_np(&actions, "/sys/bus/pci/devices"), 0);
	ck_assert_int_eq(spawn_shell(&actions, "cd " BDF " && cat class >&5", text, sizeof(text)),
			 0);
	ck_assert_str_eq(text, "0x010802\n");
	posix_spawn_file_actions_destroy(&actions);
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_addchdir_np(&actions, "/sys/bus/pci/nothing"), 0);
	ck_assert_int_eq(spawn_shell(&actions, "true", text, sizeof(text)), -ENOENT);
	posix_spawn_file_actions_destroy(&actions);
}
END_TEST

/* A program that is named relative to where the actions go. */
START_TEST(spawn_judges_what_it_starts)
{
	char dir[] = "/tmp/uvfio-spawn.XXXXXX", command[128];
	char *argv[] = { (char *)"busybox", (char *)"true", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	if (access("/bin/busybox", X_OK) || !mkdtemp(dir))
		return;
	snprintf(command, sizeof(command), "cp /bin/busybox %s/prog", dir);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	ck_assert_int_eq(posix_spawn_file_actions_addchdir_np(&actions, dir), 0);
	ck_assert_int_eq(posix_spawn(&pid, "./prog", &actions, NULL, argv, environ), EACCES);
	posix_spawn_file_actions_destroy(&actions);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(spawn_keeps_its_attributes)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"kill -USR1 $$; read group < /proc/$$/stat; set -- $group; "
				 "test $5 = $$ && exit 7",
			 NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t mask;
	int status;
	pid_t pid;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &mask);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, "/");
	ck_assert_int_eq(posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %x", status);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
}
END_TEST

/* Where nothing is: EFAULT, as the kernel says it. */
START_TEST(bad_pointers)
{
	char *at = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *const argv[] = { (char *)"true", NULL }, *const bad_argv[] = { at, NULL };
	const char *volatile near_zero = (const char *)8;
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };
	struct msghdr msg = { .msg_name = at, .msg_namelen = sizeof(nl) };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);

	ck_assert_ptr_ne(at, MAP_FAILED);
#define FAULTS(call)                                          \
	do {                                                  \
		errno = 0;                                    \
		ck_assert_msg((call) == -1, #call " worked"); \
		ck_assert_msg(errno == EFAULT, #call ": %m"); \
	} while (0)
	FAULTS(execve(at, argv, environ));
	FAULTS(execve(near_zero, argv, environ));
	FAULTS(execve("/bin/true", (char **)at, environ));
	FAULTS(execve("/bin/true", bad_argv, environ));
	FAULTS(execve("/bin/true", argv, (char **)at));
	FAULTS(execve("/bin/true", argv, bad_argv));
	FAULTS(syscall(SYS_execveat, AT_FDCWD, at, argv, environ, 0));
	ck_assert_int_eq(execve("/nothing", bad_argv, environ), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_ge(fd, 0);
	FAULTS(bind(fd, (struct sockaddr *)at, sizeof(nl)));
	FAULTS(connect(fd, (struct sockaddr *)at, sizeof(nl)));
	FAULTS(sendto(fd, "x", 1, 0, (struct sockaddr *)at, sizeof(nl)));
	FAULTS(sendmsg(fd, &msg, 0));
	FAULTS(sendmsg(fd, (struct msghdr *)at, 0));
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FAULTS(connect(fd, (struct sockaddr *)at, sizeof(struct sockaddr_un)));
	close(fd);
	munmap(at, 1 << 16);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, bad_pointers);
	tcase_add_test(tcase, spawn_opens_attributes);
	tcase_add_test(tcase, spawn_moves_attributes);
	tcase_add_test(tcase, spawn_changes_directory);
	tcase_add_test(tcase, spawn_judges_what_it_starts);
	tcase_add_test(tcase, spawn_keeps_its_attributes);
	tcase_add_test(tcase, lengths_of_vectors);
	tcase_add_test(tcase, non_blocking);
	tcase_add_test(tcase, attributes_on_low_numbers);
	tcase_add_test(tcase, a_resource_is_not_read);
	tcase_add_test(tcase, opened_again_by_number);
	tcase_add_test(tcase, host_devices_are_hidden);
	tcase_add_test(tcase, raw_numbers);
	tcase_add_test(tcase, raw_directories);
	tcase_add_test(tcase, extended_attributes);
	tcase_add_test(tcase, ports_of_the_host);
}

int main(void)
{
	return run_suite("preload-calls", add);
}
