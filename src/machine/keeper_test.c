/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper: its protocol, spoken by hand, and a real unbind that waits for the user of the device
 * in another process, who is asked by the REQ eventfd.
 */
#include "machine/testing.h"

#include <linux/vfio.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "file/file.h"
#include "machine/keeper.h"
#include "machine/keeper_client.h"
#include "machine/keeper_msg.h"
#include "machine/machine_priv.h"
#include "machine/session_create.h"

#define BDF "0000:01:00.0"

static struct session *session;
static struct keeper *keeper;

static void setup(void)
{
	static const char *const devices[] = { "nvme,size=16M", NULL };

	make_machine(devices, "amd");
	ck_assert_int_eq(session_open(uvfio_machine_directory(machine), &session), 0);
	ck_assert_int_eq(keeper_create(session, &keeper), 0);
}

static void teardown(void)
{
	keeper_destroy(keeper);
	session_close(session);
	uvfio_machine_destroy(machine);
}

/* ---- by hand --------------------------------------------------------------------------------- */

static int connect_client(void)
{
	int fd = keeper_connect(session, false);

	ck_assert_int_ge(fd, 0);
	keeper_work(keeper);
	return fd;
}

static void say(int fd, uint32_t type, uint32_t id, uint32_t group)
{
	struct keeper_msg msg = {
		.magic = KEEPER_MAGIC, .type = type, .id = id, .group = group, .device = BDF
	};

	ck_assert_int_eq(send(fd, &msg, sizeof(msg), 0), sizeof(msg));
	keeper_work(keeper);
}

/* The next message's type, 0 when there is none; *@id is its id. */
static uint32_t hear(int fd, uint32_t *id)
{
	struct keeper_msg msg;

	if (recv(fd, &msg, sizeof(msg), MSG_DONTWAIT) != sizeof(msg))
		return 0;
	ck_assert_str_eq(msg.device, BDF);
	*id = msg.id;
	return msg.type;
}

START_TEST(one_keeper_a_session)
{
	struct keeper *second;

	ck_assert_int_eq(keeper_create(session, &second), -EBUSY);
	keeper_destroy(keeper);
	ck_assert_int_eq(keeper_create(session, &keeper), 0);
}
END_TEST

START_TEST(a_release_is_answered_by_all_holders)
{
	int a = connect_client(), b = connect_client(), other = connect_client(),
	    asker = connect_client();
	uint32_t id_a = 0, id_b = 0, id = 0;

	ck_assert_uint_eq(keeper_clients(keeper), 4);
	say(a, KEEPER_HOLD, 0, 2);
	say(b, KEEPER_HOLD, 0, 2);
	say(other, KEEPER_HOLD, 0, 3);
	say(asker, KEEPER_RELEASE, 42, 2);
	ck_assert_uint_eq(hear(a, &id_a), KEEPER_REQUEST);
	ck_assert_uint_eq(hear(b, &id_b), KEEPER_REQUEST);
	ck_assert_uint_eq(hear(other, &id), 0);
	ck_assert_uint_eq(hear(asker, &id), 0);
	say(a, KEEPER_GIVEN, id_a, 2);
	ck_assert_uint_eq(hear(asker, &id), 0);
	say(b, KEEPER_GIVEN, id_b, 2);
	ck_assert_uint_eq(hear(asker, &id), KEEPER_DONE);
	ck_assert_uint_eq(id, 42);
}
END_TEST

START_TEST(a_dead_holder_answers_too)
{
	int holder = connect_client(), asker = connect_client();
	uint32_t id;

	say(holder, KEEPER_HOLD, 0, 2);
	say(asker, KEEPER_RELEASE, 7, 2);
	ck_assert_uint_eq(hear(asker, &id), 0);
	close(holder);
	keeper_work(keeper);
	ck_assert_uint_eq(hear(asker, &id), KEEPER_DONE);
	ck_assert_uint_eq(keeper_clients(keeper), 1);
}
END_TEST

START_TEST(a_free_group_needs_no_waiting)
{
	int holder = connect_client(), asker = connect_client();
	uint32_t id;

	say(holder, KEEPER_HOLD, 0, 2);
	say(holder, KEEPER_DROP, 0, 2);
	say(asker, KEEPER_RELEASE, 1, 2);
	ck_assert_uint_eq(hear(holder, &id), 0);
	ck_assert_uint_eq(hear(asker, &id), KEEPER_DONE);
}
END_TEST

START_TEST(a_holder_may_come_late)
{
	int asker = connect_client(), holder, claim = session_claim_group(session, 2);
	uint32_t id;

	ck_assert_int_ge(claim, 0);
	say(asker, KEEPER_RELEASE, 1, 2);
	ck_assert_uint_eq(hear(asker, &id), 0);
	holder = connect_client();
	say(holder, KEEPER_HOLD, 0, 2);
	ck_assert_uint_eq(hear(holder, &id), KEEPER_REQUEST);
	say(holder, KEEPER_GIVEN, id, 2);
	ck_assert_uint_eq(hear(asker, &id), KEEPER_DONE);
	/* One that never comes: the claim tells when it is gone. */
	close(holder);
	keeper_work(keeper);
	say(asker, KEEPER_RELEASE, 2, 2);
	ck_assert_uint_eq(hear(asker, &id), 0);
	close(claim);
	usleep(80000);
	keeper_work(keeper);
	ck_assert_uint_eq(hear(asker, &id), KEEPER_DONE);
}
END_TEST

START_TEST(nonsense_is_the_end)
{
	int fd = connect_client();

	ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
	keeper_work(keeper);
	ck_assert_uint_eq(keeper_clients(keeper), 0);
	ck_assert_int_eq(recv(fd, (char[8]){ 0 }, 8, 0), 0);
}
END_TEST

/* Without a free fd it sleeps, and takes the client when there is one again. */
/* What a program opens next has the lowest number that is free: the library's thread has none. */
START_TEST(low_numbers_are_the_programs)
{
	int before = dup(0), fd;

	close(before);
	for (int i = 0; i < 200; i++) {
		keeper_client_hold(machine, 0);
		/* While the thread begins. */
		for (int j = 0; j < 500; j++) {
			fd = dup(0);
			ck_assert_int_eq(fd, before);
			close(fd);
		}
		keeper_client_stop(machine);
		keeper_work(keeper);
	}
}
END_TEST

START_TEST(no_room_for_a_client)
{
	struct rlimit old, none;
	struct pollfd pfd = { .fd = keeper_fd(keeper), .events = POLLIN };
	int fd, wakes = 0;

	fd = keeper_connect(session, false);
	ck_assert_int_ge(fd, 0);
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	/* A spinning keeper is woken thousands of times. */
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(poll(&pfd, 1, 5000), 1);
		keeper_work(keeper);
		for (wakes = 0; poll(&pfd, 1, 0) == 1 && wakes < 10; wakes++)
			keeper_work(keeper);
		ck_assert_int_lt(wakes, 10);
	}
	ck_assert_uint_eq(keeper_clients(keeper), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (!keeper_clients(keeper)) {
		ck_assert_int_eq(poll(&pfd, 1, 5000), 1);
		keeper_work(keeper);
	}
	close(fd);
}
END_TEST

/* ---- a real unbind --------------------------------------------------------------------------- */

static void set_req_eventfd(int device, int eventfd)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int)] __attribute__((aligned(8)));
	struct vfio_irq_set *set = (void *)buf;

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER,
				      .index = VFIO_PCI_REQ_IRQ_INDEX,
				      .count = 1 };
	memcpy(set->data, &eventfd, sizeof(eventfd));
	if (uvfio_ioctl(machine, device, VFIO_DEVICE_SET_IRQS, set))
		_exit(20);
}

/* Drives the device until somebody wants it back, then takes its time to close it. */
static void user(int ready)
{
	int container, group, device, req = eventfd(0, 0);
	struct pollfd poll_req = { .fd = req, .events = POLLIN };
	struct session *own;
	char why[512];

	file_after_fork();
	machine_after_fork(machine);
	if (session_open(uvfio_machine_directory(machine), &own) ||
	    machine_attach(own, &machine, why, sizeof(why)))
		_exit(10);
	container = uvfio_open(machine, "/dev/vfio/vfio", O_RDWR);
	group = uvfio_open(machine, "/dev/vfio/2", O_RDWR);
	if (uvfio_ioctl(machine, group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    uvfio_ioctl(machine, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU))
		_exit(11);
	device = uvfio_ioctl(machine, group, VFIO_GROUP_GET_DEVICE_FD, (void *)BDF);
	if (device < 0)
		_exit(12);
	set_req_eventfd(device, req);
	if (write(ready, "r", 1) != 1 || poll(&poll_req, 1, 60000) != 1)
		_exit(13);
	usleep(100000);
	if (write(ready, "c", 1) != 1)
		_exit(14);
	uvfio_close(machine, device);
	uvfio_close(machine, group);
	uvfio_close(machine, container);
	_exit(0);
}

static _Atomic bool stop;

static void *keeper_thread(void *arg)
{
	struct pollfd fd = { .fd = keeper_fd(keeper), .events = POLLIN };

	while (!stop)
		if (poll(&fd, 1, 20) > 0)
			keeper_work(keeper);
	return NULL;
}

START_TEST(an_unbind_waits_for_the_user_elsewhere)
{
	pthread_t thread;
	int ready[2], status;
	char word[3] = "";
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_NONBLOCK), 0);
	pid = fork();
	if (!pid)
		user(ready[1]);
	pthread_create(&thread, NULL, keeper_thread, NULL);
	while (read(ready[0], word, 1) != 1)
		usleep(1000);
	ck_assert_str_eq(word, "r");
	ck_assert_int_eq(put("/sys/bus/pci/drivers/vfio-pci/unbind", BDF), 12);
	/* Not before the user had closed the device. */
	ck_assert_int_eq(read(ready[0], word, 1), 1);
	ck_assert_str_eq(word, "c");
	ck_assert(!exists("/dev/vfio/2"));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_eq(put("/sys/bus/pci/drivers/vfio-pci/bind", BDF), 12);
	stop = true;
	pthread_join(thread, NULL);
}
END_TEST

/* A user that is killed has given everything back. */
START_TEST(an_unbind_ends_with_the_user)
{
	pthread_t thread;
	int ready[2], status;
	char word[2] = "";
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid)
		user(ready[1]);
	pthread_create(&thread, NULL, keeper_thread, NULL);
	ck_assert_int_eq(read(ready[0], word, 1), 1);
	kill(pid, SIGSTOP);
	alarm(60);
	/* The stopped process cannot answer; its death does. */
	if (!fork()) {
		usleep(200000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	ck_assert_int_eq(put("/sys/bus/pci/drivers/vfio-pci/unbind", BDF), 12);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	stop = true;
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keeper");
	TCase *tc = tcase_create("keeper");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_keeper_a_session);
	tcase_add_test(tc, a_release_is_answered_by_all_holders);
	tcase_add_test(tc, a_dead_holder_answers_too);
	tcase_add_test(tc, a_free_group_needs_no_waiting);
	tcase_add_test(tc, a_holder_may_come_late);
	tcase_add_test(tc, nonsense_is_the_end);
	tcase_add_test(tc, low_numbers_are_the_programs);
	tcase_add_test(tc, no_room_for_a_client);
	tcase_add_test(tc, an_unbind_waits_for_the_user_elsewhere);
	tcase_add_test(tc, an_unbind_ends_with_the_user);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
