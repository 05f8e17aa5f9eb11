/* SPDX-License-Identifier: BSD-3-Clause */
/* Files, the fd cache and the checks before operations. */
#include "file/file.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/fault.h"
#include "base/failpoint.h"
#include "base/fd.h"

static int released;

static void count_release(struct file *file)
{
	__atomic_add_fetch(&released, 1, __ATOMIC_RELAXED);
}

static long echo_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return (long)(cmd + arg);
}

/* Reads give the position's low byte. */
static ssize_t pos_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	uint8_t byte = (uint8_t)*pos;

	if (count && copy_to_user(ubuf, &byte, 1))
		return -EFAULT;
	*pos += count;
	return (ssize_t)count;
}

static ssize_t swallow(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	*pos += count;
	return (ssize_t)count;
}

static const struct file_operations test_ops = {
	.name = "test",
	.release = count_release,
	.ioctl = echo_ioctl,
	.read = pos_read,
	.write = swallow,
};

static const struct file_operations no_ops = { .name = "none", .release = count_release };

static struct file *new_file(int oflags)
{
	struct file *file;

	ck_assert_int_eq(file_alloc(&test_ops, NULL, oflags, 0, &file), 0);
	return file;
}

/* A file behind an fd, nothing else. */
static int new_fd(void)
{
	int fd = file_install(new_file(O_RDWR), 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void put_if(struct file *file)
{
	if (file)
		file_put(file);
}

static bool is_file(int fd)
{
	struct file *file = file_from_fd(fd);

	put_if(file);
	return file;
}

static void setup(void)
{
	released = 0;
	ck_assert_int_eq(fault_init(), 0);
}

START_TEST(test_install_lookup_close)
{
	struct file *file = new_file(O_RDWR), *found;
	int fd;

	ck_assert(!file_fd_maybe(0) && !file_fd_maybe(-1) && !file_fd_maybe(INT32_MAX));
	ck_assert_ptr_null(file_from_fd(-1));
	fd = file_install(file, O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(fd, 64);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert(file_fd_maybe(fd));
	found = file_from_fd(fd);
	ck_assert_ptr_eq(found, file);
	file_put(found);
	ck_assert_int_eq(released, 0);
	file_fd_close(fd);
	close(fd);
	ck_assert_int_eq(released, 1);
	ck_assert(!file_fd_maybe(fd));
	ck_assert(!is_file(fd));
}
END_TEST

START_TEST(test_dup_and_close_range)
{
	int fd = new_fd(), other = dup(fd), third;

	file_fd_dup(fd, other);
	ck_assert(file_fd_maybe(other) && is_file(other));
	file_fd_close(fd);
	close(fd);
	ck_assert_int_eq(released, 0);
	third = fcntl(other, F_DUPFD, 300);
	file_fd_dup(other, third);
	/* dup2 of something else over ours */
	ck_assert_int_eq(dup2(0, other), other);
	file_fd_dup(0, other);
	ck_assert(!file_fd_maybe(other));
	ck_assert_int_eq(released, 0);
	file_fd_close_range(299, ~0U);
	ck_assert_int_eq(released, 1);
	file_fd_close_range(~0U, ~0U);
	close(third);
	close(other);
}
END_TEST

START_TEST(test_stale_number)
{
	int fd = new_fd(), again;

	syscall(SYS_close, fd);
	ck_assert(!is_file(fd));
	ck_assert_int_eq(released, 1);
	fd = new_fd();
	syscall(SYS_close, fd);
	again = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(again, fd);
	ck_assert(file_fd_maybe(fd));
	ck_assert(!is_file(fd));
	ck_assert(!file_fd_maybe(fd));
	ck_assert_int_eq(released, 2);
	close(again);
}
END_TEST

/* The number was closed behind our back and is another file of ours now. */
START_TEST(test_stale_number_is_ours_again)
{
	struct file *first = new_file(O_RDWR), *second = new_file(O_RDWR), *found;
	int fd = file_install(first, 0);

	ck_assert_int_eq(syscall(SYS_dup2, second->memfd, fd), fd);
	found = file_from_fd(fd);
	ck_assert_ptr_eq(found, second);
	ck_assert_int_eq(released, 1);
	file_put(found);
	file_put(second);
	file_fd_close(fd);
	ck_assert_int_eq(released, 2);
	close(fd);
}
END_TEST

static int send_fd(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int pair[2], arrived;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(pair[0], &msg, 0), 1);
	ck_assert_int_eq(recvmsg(pair[1], &msg, 0), 1);
	memcpy(&arrived, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(arrived));
	close(pair[0]);
	close(pair[1]);
	return arrived;
}

START_TEST(test_unknown_numbers)
{
	struct file *file = new_file(O_RDWR), *found;
	int fd = file_install(file, 0), arrived = send_fd(fd), raw, anew;
	char name[64];

	raw = (int)syscall(SYS_dup, fd);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	anew = open(name, O_RDWR);
	found = file_from_fd(arrived);
	ck_assert_ptr_eq(found, file);
	put_if(found);
	found = file_from_fd(raw);
	ck_assert_ptr_eq(found, file);
	put_if(found);
	found = file_from_fd(anew);
	ck_assert_ptr_eq(found, file);
	put_if(found);
	ck_assert(file_fd_maybe(arrived) && file_fd_maybe(raw) && file_fd_maybe(anew));
	/* The program moves the position by a raw call. */
	syscall(SYS_lseek, fd, 3, SEEK_SET);
	ck_assert(is_file(fd));
	ck_assert(!is_file(0));
	file_fd_close_range(3, 200);
	ck_assert_int_eq(released, 1);
	close(fd);
	close(arrived);
	close(raw);
	close(anew);
}
END_TEST

START_TEST(test_memfd_identity)
{
	struct file *a, *b;
	bool existed;
	int memfd = fd_memfd("shared", 4096);

	ck_assert_int_eq(file_alloc_memfd(&test_ops, NULL, O_RDWR, memfd, &a, &existed), 0);
	ck_assert(!existed);
	ck_assert_int_eq(file_alloc_memfd(&no_ops, NULL, O_RDWR, memfd, &b, &existed), 0);
	ck_assert(existed);
	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_eq(b->ops, &test_ops);
	file_put(a);
	file_put(b);
	ck_assert_int_eq(released, 1);
	ck_assert_int_eq(file_alloc_memfd(&test_ops, NULL, O_RDWR, -1, &a, &existed), -EBADF);
	fd_close(memfd);
}
END_TEST

START_TEST(test_read_write_checks)
{
	struct file *file = new_file(O_RDWR), *ro = new_file(O_RDONLY), *wo = new_file(O_WRONLY);
	struct file *none;
	uint8_t byte = 0;
	uintptr_t buf = (uintptr_t)&byte;

	ck_assert_int_eq(file_alloc(&no_ops, NULL, O_RDWR, 0, &none), 0);
	ck_assert_int_eq(file_pread(file, buf, 1, 0x42), 1);
	ck_assert_uint_eq(byte, 0x42);
	ck_assert_int_eq(file_pread(file, buf, 1, 1ULL << 63), -EINVAL);
	ck_assert_int_eq(file_pread(file, 16, 1, 0), -EFAULT);
	ck_assert_int_eq(file_pread(file, ~0UL - 4, 8, 0), -EFAULT);
	ck_assert_int_eq(file_pwrite(file, 0x7fffffffffff, 8, 0), -EFAULT);
	ck_assert_int_eq(file_pread(wo, buf, 1, 0), -EBADF);
	ck_assert_int_eq(file_pwrite(ro, buf, 1, 0), -EBADF);
	ck_assert_int_eq(file_pwrite(wo, buf, 1, 0), 1);
	ck_assert_int_eq(file_pread(none, buf, 1, 0), -EINVAL);
	ck_assert_int_eq(file_pwrite(none, buf, 1, 0), -EINVAL);
	ck_assert_int_eq(file_ioctl(none, 1, 2), -ENOTTY);
	ck_assert_int_eq(file_ioctl(file, 1, 2), 3);
	/* The kernel moves at most this much. */
	ck_assert_int_eq(file_pwrite(file, 0x10000, 0x80000000UL, 0), 0x7ffff000);
	file_put(file);
	file_put(ro);
	file_put(wo);
	file_put(none);
}
END_TEST

START_TEST(test_position)
{
	struct file *file = new_file(O_RDWR);
	struct stat st;
	uint8_t byte;

	ck_assert_int_eq(file_lseek(file, 0, SEEK_SET), -ESPIPE);
	ck_assert_int_eq(file_lseek(file, 0, 99), -EINVAL);
	ck_assert_int_eq(file_stat(file, &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
	ck_assert_int_eq(st.st_size, 0);
	file->mode = S_IFREG | 0644;
	ck_assert_int_eq(file_lseek(file, 7, SEEK_SET), 7);
	ck_assert_int_eq(file_read(file, (uintptr_t)&byte, 1), 1);
	ck_assert_uint_eq(byte, 7);
	ck_assert_int_eq(file_write(file, (uintptr_t)&byte, 1), 1);
	ck_assert_int_eq(file_lseek(file, -2, SEEK_CUR), 7);
	ck_assert_int_eq(file_lseek(file, -8, SEEK_CUR), -EINVAL);
	ck_assert_int_eq(file_lseek(file, -1, SEEK_END), 4095);
	ck_assert_int_eq(file_lseek(file, 4096, SEEK_DATA), -ENXIO);
	ck_assert_int_eq(file_lseek(file, 5, SEEK_HOLE), 4096);
	ck_assert_int_eq(file_stat(file, &st), 0);
	ck_assert_int_eq(st.st_size, 4096);
	file_put(file);
}
END_TEST

/* A vfork child lives in our memory; what it closes are its own fds. */
START_TEST(test_close_in_another_process)
{
	int fd = new_fd(), status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		file_fd_close(fd); /* before file_after_fork(): as a vfork child does */
		file_fd_dup(fd, dup2(fd, 100));
		_exit(file_fd_maybe(fd) && !file_fd_maybe(100) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	file_fd_close(fd);
	close(fd);
	ck_assert_int_eq(released, 1);
}
END_TEST

static int child_of_fork(int fd)
{
	struct file *file = file_from_fd(fd);
	char byte;

	if (!file || file_ioctl(file, 1, 2) != -EIO ||
	    file_pread(file, (uintptr_t)&byte, 1, 0) != -EIO)
		return 1;
	file_put(file);
	file_fd_close(fd);
	if (released)
		return 2;
	/* A file of its own works. */
	fd = new_fd();
	file = file_from_fd(fd);
	if (file_ioctl(file, 1, 2) != 3)
		return 3;
	file_put(file);
	file_fd_close(fd);
	return released == 1 ? 0 : 4;
}

START_TEST(test_fork)
{
	int fd = new_fd(), status;
	pid_t pid;

	file_fork_prepare();
	pid = fork();
	if (!pid) {
		file_after_fork();
		_exit(child_of_fork(fd));
	}
	file_fork_parent();
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert(is_file(fd));
	file_fd_close(fd);
	close(fd);
	ck_assert_int_eq(released, 1);
}
END_TEST

#define SHARED_FDS 8
static atomic_int stop;

static void *look_up(void *arg)
{
	int *fds = arg, i = 0;

	while (!atomic_load(&stop)) {
		struct file *file = file_from_fd(fds[i++ % SHARED_FDS]);

		if (file) {
			ck_assert_int_eq(file_ioctl(file, 1, 2), 3);
			file_put(file);
		}
	}
	return NULL;
}

/* Numbers come and go while others look them up. */
START_TEST(test_concurrent_lookup)
{
	int fds[SHARED_FDS], round, i, made = 0;
	pthread_t threads[2];

	for (i = 0; i < SHARED_FDS; i++, made++)
		fds[i] = new_fd();
	atomic_store(&stop, 0);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, look_up, fds);
	for (round = 0; round < 2000; round++) {
		i = round % SHARED_FDS;
		file_fd_close(fds[i]);
		close(fds[i]);
		ck_assert_int_eq(new_fd(), fds[i]);
		made++;
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < SHARED_FDS; i++)
		file_fd_close(fds[i]);
	ck_assert_int_eq(released, made);
}
END_TEST

START_TEST(test_out_of_memory)
{
	struct file *file = NULL;
	unsigned int nth;
	int ret, fd;

	for (nth = 1;; nth++) {
		failpoint_arm(nth);
		ret = file_alloc(&test_ops, NULL, O_RDWR, 0, &file);
		if (!ret) {
			fd = file_install(file, 0);
			if (fd < 0)
				file_put(file);
			ret = fd;
		}
		failpoint_arm(0);
		if (ret >= 0)
			break;
		ck_assert(ret == -ENOMEM || ret == -EMFILE);
	}
	ck_assert_uint_gt(nth, 2);
	ck_assert(is_file(ret));
	file_fd_close(ret);
	close(ret);
	ck_assert_int_eq(fd_next_own(0), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, test_install_lookup_close);
	tcase_add_test(tcase, test_dup_and_close_range);
	tcase_add_test(tcase, test_stale_number);
	tcase_add_test(tcase, test_stale_number_is_ours_again);
	tcase_add_test(tcase, test_unknown_numbers);
	tcase_add_test(tcase, test_memfd_identity);
	tcase_add_test(tcase, test_read_write_checks);
	tcase_add_test(tcase, test_position);
	tcase_add_test(tcase, test_close_in_another_process);
	tcase_add_test(tcase, test_fork);
	tcase_add_test(tcase, test_concurrent_lookup);
	tcase_add_test(tcase, test_out_of_memory);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
