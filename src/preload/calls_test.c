/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of libc that programs make seldom, on files of the session: errno and effects as Linux has
 * them. */
#include <dirent.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <spawn.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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
	assert_errno(syscall(SYS_mkdirat, AT_FDCWD, DEVICE "/new", 0755), EPERM);
	assert_errno(syscall(SYS_fsync, fd), EINVAL);
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

static void add(TCase *tcase)
{
	tcase_add_test(tcase, lengths_of_vectors);
	tcase_add_test(tcase, non_blocking);
	tcase_add_test(tcase, a_resource_is_not_read);
	tcase_add_test(tcase, opened_again_by_number);
	tcase_add_test(tcase, host_devices_are_hidden);
	tcase_add_test(tcase, raw_numbers);
	tcase_add_test(tcase, extended_attributes);
	tcase_add_test(tcase, ports_of_the_host);
}

int main(void)
{
	return run_suite("preload-calls", add);
}
