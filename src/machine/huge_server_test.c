/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper's part in huge pages, its protocol spoken by hand: one socket a process. */
#include "machine/testing.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "machine/huge.h"
#include "machine/huge_server.h"
#include "machine/session_create.h"

#define M2 (2UL << 20)

struct process {
	int fd, keepers; /* the ends of the connection */
	struct huge_peer *peer;
};

static struct session *session;
static struct huge_server *server;
static struct process a, b;

static void process_start(struct process *p)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	p->fd = fds[0];
	p->keepers = fds[1];
	p->peer = huge_server_join(server, p->keepers);
	ck_assert_ptr_nonnull(p->peer);
}

/* As the keeper does when the connection has ended. */
static void process_end(struct process *p)
{
	close(p->fd);
	ck_assert(!huge_server_serve(server, p->peer));
	huge_server_leave(server, p->peer);
	close(p->keepers);
}

/* One request and its answer. */
static int ask(struct process *p, struct huge_request req, int fd, struct huge_reply *reply,
	       int *out_fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = "";
	struct iovec iov = { &req, sizeof(req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	req.magic = HUGE_MAGIC;
	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	ck_assert_int_eq(sendmsg(p->fd, &msg, 0), sizeof(req));
	ck_assert(huge_server_serve(server, p->peer));
	iov = (struct iovec){ reply, sizeof(*reply) };
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	ck_assert_int_eq(recvmsg(p->fd, &msg, MSG_DONTWAIT), sizeof(*reply));
	cmsg = CMSG_FIRSTHDR(&msg);
	ck_assert((cmsg != NULL) == (out_fd != NULL));
	if (cmsg)
		memcpy(out_fd, CMSG_DATA(cmsg), sizeof(*out_fd));
	return reply->ret;
}

static int plain(struct process *p, struct huge_request req)
{
	struct huge_reply reply;

	return ask(p, req, -1, &reply, NULL);
}

static void expect(uint64_t total, uint64_t free, uint64_t reserved)
{
	struct huge_reply reply;

	ck_assert_int_eq(ask(&a, (struct huge_request){ .op = HUGE_COUNTERS }, -1, &reply, NULL),
			 0);
	ck_assert_uint_eq(reply.counters[HUGE_2M].total, total);
	ck_assert_uint_eq(reply.counters[HUGE_2M].free, free);
	ck_assert_uint_eq(reply.counters[HUGE_2M].reserved, reserved);
}

/* The placeholder of a name on /dev/hugepages. */
static void name_path(const char *name, char *path, size_t size)
{
	char logical[64];

	snprintf(logical, sizeof(logical), "/dev/hugepages/%s", name);
	ck_assert(session_translate(session, logical, path, size));
}

static int open_name(struct process *p, const char *name, struct huge_reply *reply)
{
	char path[1024];
	int placeholder, fd;

	name_path(name, path, sizeof(path));
	placeholder = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(placeholder, 0);
	ck_assert_int_eq(ask(p,
			     (struct huge_request){ .op = HUGE_OPEN, .mode = O_RDWR, .text = "x" },
			     placeholder, reply, &fd),
			 0);
	close(placeholder);
	return fd;
}

static void setup(void)
{
	static const char *const devices[] = { "nvme,size=16M", NULL };
	const struct huge_config fake = { .mode = HUGE_FAKE };

	make_machine(devices, "amd");
	ck_assert_int_eq(session_open(uvfio_machine_directory(machine), &session), 0);
	/* The host may have some of its own. */
	if (!huge_served(session))
		ck_assert_int_eq(huge_setup(session, &fake), 0);
	ck_assert_int_eq(huge_server_create(session, &server), 0);
	process_start(&a);
	process_start(&b);
	ck_assert_int_eq(
		plain(&a, (struct huge_request){ .op = HUGE_SET_POOL, .node = ~0U, .value = 8 }),
		0);
}

static void teardown(void)
{
	process_end(&a);
	process_end(&b);
	huge_server_destroy(server);
	session_close(session);
	uvfio_machine_destroy(machine);
}

START_TEST(private_pages_end_with_their_process)
{
	const struct huge_request four = { .op = HUGE_PRIVATE, .first = 16 * M2, .end = 20 * M2 };
	struct process c;

	process_start(&c);
	ck_assert_int_eq(plain(&c, four), 0);
	ck_assert_int_eq(plain(&b, four), 0);
	ck_assert_int_eq(plain(&a, four), -ENOMEM);
	process_end(&c);
	ck_assert_int_eq(plain(&a, four), 0);
	/* Cut in the middle, and an end moved. */
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_RELEASE,
							  .first = 17 * M2,
							  .end = 18 * M2 }),
			 0);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_MOVE,
							  .first = 18 * M2,
							  .end = 19 * M2,
							  .value = 40 * M2 }),
			 0);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_RELEASE,
							  .first = 16 * M2,
							  .end = 20 * M2 }),
			 0);
	/* Four of a's, and the one that moved away. */
	ck_assert_int_eq(plain(&b, four), -ENOMEM);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_RELEASE,
							  .first = 40 * M2,
							  .end = 41 * M2 }),
			 0);
	ck_assert_int_eq(plain(&b, four), 0);
}
END_TEST

/* MAP_FIXED: what stood at the addresses is charged no more. */
START_TEST(private_pages_in_the_place_of_others)
{
	const struct huge_request two = { .op = HUGE_PRIVATE, .first = 16 * M2, .end = 18 * M2 };

	ck_assert_int_eq(plain(&a, two), 0);
	ck_assert_int_eq(plain(&a, two), 0);
	expect(8, 8, 2);
	ck_assert_int_eq(plain(&a, (struct huge_request){ .op = HUGE_PRIVATE,
							  .first = 17 * M2,
							  .end = 20 * M2 }),
			 0);
	expect(8, 8, 4);
	ck_assert_int_eq(plain(&b, two), 0);
	expect(8, 8, 6);
}
END_TEST

START_TEST(a_name_is_one_file)
{
	struct huge_reply first, second;
	char path[1024], *x, *y;
	int f, g;

	f = open_name(&a, "file", &first);
	g = open_name(&b, "file", &second);
	ck_assert_uint_eq(first.ino, second.ino);
	ck_assert_int_eq(ftruncate(f, 3 * M2), 0);
	ck_assert_int_eq(
		plain(&a, (struct huge_request){ .op = HUGE_RESERVE, .ino = first.ino, .end = 3 }),
		0);
	expect(8, 8, 3);
	x = mmap(NULL, M2, PROT_READ | PROT_WRITE, MAP_SHARED, f, M2);
	y = mmap(NULL, M2, PROT_READ | PROT_WRITE, MAP_SHARED, g, M2);
	ck_assert(x != MAP_FAILED && y != MAP_FAILED);
	x[4097] = 7;
	ck_assert_int_eq(y[4097], 7);
	expect(8, 7, 2);
	/* The name outlives its openers, the mapping outlives the name. */
	close(f);
	close(g);
	expect(8, 7, 2);
	name_path("file", path, sizeof(path));
	ck_assert_int_eq(unlink(path), 0);
	munmap(x, M2);
	expect(8, 7, 2);
	munmap(y, M2);
	expect(8, 8, 0);
}
END_TEST

START_TEST(a_file_without_name_ends_with_its_last_user)
{
	struct huge_reply reply;
	int fd;

	ck_assert_int_eq(ask(&b,
			     (struct huge_request){ .op = HUGE_OPEN, .mode = O_RDWR, .text = "x" },
			     -1, &reply, &fd),
			 0);
	ck_assert_int_eq(
		plain(&b,
		      (struct huge_request){ .op = HUGE_FALLOCATE, .ino = reply.ino, .end = 9 }),
		-ENOSPC);
	expect(8, 0, 0);
	close(fd);
	expect(8, 8, 0);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_RESERVE, .ino = reply.ino }),
			 -ENOENT);
}
END_TEST

START_TEST(a_mount_in_use_stays)
{
	struct huge_request mount = { .op = HUGE_MOUNT, .mode = 0755, .max_pages = 2 };
	struct huge_request umount = { .op = HUGE_UMOUNT, .text = "/mnt/x" };
	struct huge_reply reply;
	char path[1024];
	int placeholder, fd;

	ck_assert(!session_translate(session, "/mnt/x/f", path, sizeof(path)));
	memcpy(mount.text, "/mnt/x\0nodev\0pagesize=2M", sizeof("/mnt/x\0nodev\0pagesize=2M"));
	ck_assert_int_eq(plain(&a, mount), 0);
	ck_assert(session_translate(session, "/mnt/x/f", path, sizeof(path)));
	placeholder = open(path, O_RDWR | O_CREAT, 0600);
	mount = (struct huge_request){ .op = HUGE_OPEN, .mode = O_RDWR, .node = 1, .text = "x" };
	ck_assert_int_eq(ask(&a, mount, placeholder, &reply, &fd), 0);
	close(placeholder);
	ck_assert_int_eq(
		plain(&a, (struct huge_request){ .op = HUGE_RESERVE, .ino = reply.ino, .end = 3 }),
		-ENOMEM);
	ck_assert_int_eq(
		plain(&a, (struct huge_request){ .op = HUGE_RESERVE, .ino = reply.ino, .end = 2 }),
		0);
	ck_assert_int_eq(plain(&a, umount), -EBUSY);
	umount.flags = MNT_DETACH;
	ck_assert_int_eq(plain(&a, umount), 0);
	ck_assert_int_eq(plain(&a, umount), -EINVAL);
	expect(8, 8, 2);
	close(fd);
	expect(8, 8, 0);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	struct huge_request req = { .magic = HUGE_MAGIC + 1 };
	struct process c;

	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = 99 }), -ENOSYS);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_SET_POOL, .size = 7 }),
			 -EINVAL);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_SET_POOL, .node = 99 }),
			 -EINVAL);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_STAT, .ino = 12345 }),
			 -ENOENT);
	ck_assert_int_eq(
		plain(&b, (struct huge_request){ .op = HUGE_PRIVATE, .first = 2 * M2, .end = M2 }),
		-EINVAL);
	ck_assert_int_eq(plain(&b, (struct huge_request){ .op = HUGE_OPEN, .size = 2 }), -EINVAL);
	process_start(&c);
	ck_assert_int_eq(send(c.fd, &req, sizeof(req), 0), sizeof(req));
	ck_assert(!huge_server_serve(server, c.peer));
	ck_assert_int_eq(send(c.fd, &req, 3, 0), 3);
	process_end(&c);
	expect(8, 8, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("huge_server");
	TCase *tc = tcase_create("huge_server");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, private_pages_end_with_their_process);
	tcase_add_test(tc, private_pages_in_the_place_of_others);
	tcase_add_test(tc, a_name_is_one_file);
	tcase_add_test(tc, a_file_without_name_ends_with_its_last_user);
	tcase_add_test(tc, a_mount_in_use_stays);
	tcase_add_test(tc, nonsense_is_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
