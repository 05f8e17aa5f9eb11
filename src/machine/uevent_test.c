/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events from the driver core to a socket: what arrives, in which order, what a full buffer and a
 * dead keeper do to it. The keeper runs in a thread of the test.
 */
#include "machine/testing.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sys/socket.h>

#include "machine/keeper.h"
#include "machine/keeper_uevent.h"
#include "machine/machine.h"
#include "machine/session_create.h"
#include "machine/shared.h"
#include "machine/uevent_packet.h"
#include "machine/uevent_socket.h"

#define BDF "0000:01:00.0"
#define DEV "/sys/bus/pci/devices/" BDF

static struct session *session;
static struct keeper *keeper;
static struct uevent_sockets *sockets;
static pthread_t thread;
static _Atomic bool stop;

static void *keeper_thread(void *arg)
{
	while (!stop) {
		keeper_work(keeper);
		usleep(500);
	}
	return NULL;
}

static void start_keeper(void)
{
	stop = false;
	ck_assert_int_eq(keeper_create(session, &keeper), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, keeper_thread, NULL), 0);
}

static void stop_keeper(void)
{
	stop = true;
	pthread_join(thread, NULL);
	keeper_destroy(keeper);
}

static void setup(void)
{
	static const char *const devices[] = { "nvme,size=16M,driver=none", NULL };

	make_machine(devices, "amd");
	ck_assert_int_eq(session_open(uvfio_machine_directory(machine), &session), 0);
	start_keeper();
	ck_assert_int_eq(uevent_sockets_create(session, &sockets), 0);
}

static void teardown(void)
{
	uevent_sockets_destroy(sockets);
	stop_keeper();
	session_close(session);
	uvfio_machine_destroy(machine);
}

static int listen_to(uint32_t groups, struct shared_uevent_socket **slot)
{
	int fd = uevent_socket_open(sockets, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK);

	ck_assert_int_ge(fd, 0);
	*slot = uevent_socket_slot(session, fd);
	ck_assert_ptr_nonnull(*slot);
	ck_assert_int_eq(uevent_socket_bind(session, *slot, 0, groups), 0);
	return fd;
}

/* The next message's first line, "" when there is none. */
static const char *hear(int fd)
{
	static char msg[UDEV_PACKET_MAX];
	ssize_t len = recv(fd, msg, sizeof(msg) - 1, MSG_DONTWAIT);

	msg[len < 0 ? 0 : len] = '\0';
	return msg;
}

static unsigned int count(int fd)
{
	unsigned int n = 0;

	while (*hear(fd))
		n++;
	return n;
}

START_TEST(a_rescan_is_heard_before_the_write_returns)
{
	struct shared_uevent_socket *slot;
	int fd = listen_to(UDEV_GROUP_KERNEL, &slot);
	uint64_t before = session_shared(session)->uevent_seqnum;
	char text[32];

	ck_assert_int_eq(put(DEV "/remove", "1"), 1);
	ck_assert_str_eq(hear(fd), "remove@/devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_int_eq(put("/sys/bus/pci/rescan", "1"), 1);
	ck_assert_str_eq(hear(fd), "add@/devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(hear(fd), "bind@/devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(hear(fd), "");
	ck_assert_uint_eq(session_shared(session)->uevent_seqnum, before + 3);
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)before + 3);
	ck_assert_str_eq(get("/sys/kernel/uevent_seqnum"), text);
	close(fd);
}
END_TEST

START_TEST(each_group_has_its_own_form)
{
	struct shared_uevent_socket *kernel_slot, *udev_slot, *none_slot;
	int kernel = listen_to(UDEV_GROUP_KERNEL, &kernel_slot);
	int udev = listen_to(UDEV_GROUP_UDEV, &udev_slot), none = listen_to(0, &none_slot);
	char msg[UDEV_PACKET_MAX];
	uint32_t word[10];
	ssize_t len;

	ck_assert_uint_ne(kernel_slot->pid, udev_slot->pid);
	ck_assert_int_eq(uevent_socket_bind(session, udev_slot, kernel_slot->pid, 2), -EINVAL);
	ck_assert_int_eq(put(DEV "/uevent", "change"), 6);
	ck_assert_uint_eq(count(kernel), 1);
	ck_assert_uint_eq(count(none), 0);
	len = recv(udev, msg, sizeof(msg), MSG_DONTWAIT);
	ck_assert_int_gt(len, 40);
	ck_assert_mem_eq(msg, "libudev", 8);
	memcpy(word, msg, sizeof(word));
	ck_assert_uint_eq(ntohl(word[2]), 0xfeedcafe);
	ck_assert_uint_eq(word[3], 40);
	ck_assert_uint_eq(word[4], 40);
	ck_assert_uint_eq(word[5], len - 40);
	/* What systemd's libudev compares with for the subsystem "pci". */
	ck_assert_uint_eq(ntohl(word[6]), 0x59163b92);
	ck_assert_str_eq(uevent_keys_get(msg + 40, (size_t)len - 40, "PCI_SLOT_NAME="), BDF);
	ck_assert_ptr_nonnull(uevent_keys_get(msg + 40, (size_t)len - 40, "USEC_INITIALIZED="));
	close(kernel);
	close(udev);
	close(none);
}
END_TEST

START_TEST(a_full_buffer_drops_until_it_is_empty)
{
	struct shared_uevent_socket *slot, *other_slot;
	int fd = listen_to(UDEV_GROUP_KERNEL, &slot), other = listen_to(1, &other_slot);
	unsigned int kept;

	uevent_socket_set_rcvbuf(slot, 2048, false);
	ck_assert_uint_eq(slot->rcvbuf, 4096);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(put(DEV "/uevent", "change"), 6);
	ck_assert_uint_eq(slot->overrun, 1);
	ck_assert_uint_eq(other_slot->overrun, 0);
	ck_assert_uint_eq(count(other), 30);
	/* One read makes room, but it is congested until all is read. */
	ck_assert_str_ne(hear(fd), "");
	put(DEV "/uevent", "add");
	for (kept = 1;; kept++) {
		const char *msg = hear(fd);

		if (!*msg)
			break;
		ck_assert_str_eq(msg, "change@/devices/pci0000:00/0000:00:01.0/" BDF);
	}
	ck_assert_uint_ge(kept, 2);
	ck_assert_uint_le(kept, 5);
	put(DEV "/uevent", "move");
	ck_assert_str_eq(hear(fd), "move@/devices/pci0000:00/0000:00:01.0/" BDF);
	close(fd);
	close(other);
}
END_TEST

START_TEST(a_filter_is_the_kernels)
{
	/* Wants nothing. */
	struct sock_filter ins[] = { { .code = BPF_RET | BPF_K, .k = 0 } };
	const struct sock_fprog prog = { .len = 1, .filter = ins };
	struct shared_uevent_socket *slot;
	int fd = listen_to(UDEV_GROUP_KERNEL, &slot);

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), 0);
	put(DEV "/uevent", "change");
	ck_assert_uint_eq(count(fd), 0);
	ck_assert_uint_eq(slot->overrun, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &prog, sizeof(prog)), 0);
	put(DEV "/uevent", "change");
	ck_assert_uint_eq(count(fd), 1);
	close(fd);
}
END_TEST

START_TEST(a_closed_socket_gives_its_slot_back)
{
	struct shared_header *shared = session_shared(session);
	struct shared_uevent_socket *slot;
	int fd = listen_to(UDEV_GROUP_KERNEL, &slot), copy = dup(fd);

	ck_assert_uint_eq(shared->num_uevent_sockets, 1);
	close(fd);
	usleep(20000);
	ck_assert_uint_eq(shared->num_uevent_sockets, 1);
	close(copy);
	for (int i = 0; i < 12000 && shared->num_uevent_sockets; i++)
		usleep(5000);
	ck_assert_uint_eq(shared->num_uevent_sockets, 0);
	ck_assert_uint_eq(slot->ino, 0);
	/* All slots, and one too many. */
	for (int i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++)
		listen_to(UDEV_GROUP_KERNEL, &slot);
	ck_assert_int_eq(uevent_socket_open(sockets, SOCK_RAW), -ENOBUFS);
}
END_TEST

START_TEST(the_next_keeper_goes_on)
{
	struct shared_uevent_socket *slot;
	int fd = listen_to(UDEV_GROUP_KERNEL, &slot);

	put(DEV "/uevent", "change");
	stop_keeper();
	/* What the old one put into the socket is still there. */
	start_keeper();
	put(DEV "/uevent", "add");
	put(DEV "/uevent", "move");
	for (int i = 0; i < 2000 && slot->last_seq != session_shared(session)->uevent_seqnum; i++)
		usleep(5000);
	ck_assert_str_eq(hear(fd), "change@/devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(hear(fd), "add@/devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(hear(fd), "move@/devices/pci0000:00/0000:00:01.0/" BDF);
	ck_assert_str_eq(hear(fd), "");
	close(fd);
}
END_TEST

/* By hand: events between the keepers are kept for those who come again, and come once. */
START_TEST(nothing_is_lost_between_keepers)
{
	static const char first[] = "add@/a\0ACTION=add\0DEVPATH=/a\0SUBSYSTEM=pci\0SEQNUM=101",
			  second[] = "add@/b\0ACTION=add\0DEVPATH=/b\0SUBSYSTEM=pci\0SEQNUM=102";
	struct shared_header *shared = session_shared(session);
	struct shared_uevent_socket *slot = &shared->uevent_socket[7], *lost = slot + 1;
	struct keeper_uevents *uevents;
	int pair[2];

	stop_keeper();
	*slot = (struct shared_uevent_socket){ .ino = 4711, .groups = 3, .rcvbuf = 1 << 20 };
	*lost = (struct shared_uevent_socket){ .ino = 4712, .groups = 1 };
	slot->last_seq = 101;
	ck_assert_int_eq(keeper_uevents_create(session, &uevents), 0);
	ck_assert_uint_eq(shared->num_uevent_sockets, 2);
	keeper_uevents_event(uevents, first, sizeof(first), 101, 0);
	keeper_uevents_event(uevents, second, sizeof(second), 102, 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		ck_assert_int_eq(keeper_uevents_listen(uevents, 7, 4711, pair[1]), 7);
		/* The first was delivered by the dead one. */
		ck_assert_str_eq(hear(pair[0]), i ? "" : "add@/b");
		ck_assert_str_eq(hear(pair[0]), i ? "" : "libudev");
		ck_assert_str_eq(hear(pair[0]), "");
	}
	/* Another socket in its place gets another slot. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ck_assert_int_eq(keeper_uevents_listen(uevents, 7, 4713, pair[1]), 0);
	ck_assert_uint_eq(keeper_uevents_count(uevents), 2);
	ck_assert_uint_eq(shared->num_uevent_sockets, 3);
	/* Nobody has come for the other one yet. */
	ck_assert_uint_eq(lost->ino, 4712);
	keeper_uevents_destroy(uevents);
	start_keeper();
}
END_TEST

START_TEST(names_of_the_database)
{
	static const char pci[] = "ACTION=add\0DEVPATH=/devices/x/" BDF "\0SUBSYSTEM=pci";
	static const char node[] = "DEVPATH=/devices/virtual/vfio/2\0SUBSYSTEM=vfio\0MAJOR=243\0"
				   "MINOR=7";
	static const char module[] = "DEVPATH=/module/vfio\0SUBSYSTEM=module";
	char id[64];

	ck_assert(udev_device_id(pci, sizeof(pci), id, sizeof(id)));
	ck_assert_str_eq(id, "+pci:" BDF);
	ck_assert(udev_device_id(node, sizeof(node), id, sizeof(id)));
	ck_assert_str_eq(id, "c243:7");
	ck_assert(!udev_device_id(module, sizeof(module), id, sizeof(id)));
	ck_assert(!udev_device_id(pci, sizeof(pci), id, 8));
	ck_assert(exists("/run/udev/data/+pci:" BDF));
	put(DEV "/remove", "1");
	ck_assert(!exists("/run/udev/data/+pci:" BDF));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uevent");
	TCase *tc = tcase_create("uevent");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_rescan_is_heard_before_the_write_returns);
	tcase_add_test(tc, each_group_has_its_own_form);
	tcase_add_test(tc, a_full_buffer_drops_until_it_is_empty);
	tcase_add_test(tc, a_filter_is_the_kernels);
	tcase_add_test(tc, a_closed_socket_gives_its_slot_back);
	tcase_add_test(tc, the_next_keeper_goes_on);
	tcase_add_test(tc, nothing_is_lost_between_keepers);
	tcase_add_test(tc, names_of_the_database);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
