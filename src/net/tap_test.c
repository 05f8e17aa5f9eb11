/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net=tap: a card, a tap device of a network namespace of our own, and a packet socket as the host.
 * Skipped where the host gives no tap device.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net_fixture.h"

#define PROTOCOL 0x88b5 /* frame_make()'s */

static int packet_socket(void)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(PROTOCOL) };
	struct ifreq ifr = { .ifr_name = "uv0" };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(PROTOCOL));

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags |= IFF_UP;
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	ck_assert_int_eq(ioctl(fd, SIOCGIFINDEX, &ifr), 0);
	addr.sll_ifindex = ifr.ifr_ifindex;
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* From the host to the card: its own frames stand in the queue, so the number tells them apart. */
static void host_to_card(struct card *card, int fd, uint64_t number)
{
	uint8_t frame[100];
	uint64_t before = card->received;

	frame_make(frame, sizeof(frame), number);
	ck_assert_int_eq(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	WAIT_FOR(card->received > before);
}

static void card_to_host(struct card *card, int fd, uint64_t number)
{
	const struct timeval limit = { 60, 0 };
	uint8_t frame[2048];
	uint64_t got;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	ck_assert_int_eq(card_send(card, NET_DEST_WIRE, 200, number), 0);
	do {
		ssize_t n = recv(fd, frame, sizeof(frame), 0);

		ck_assert_int_gt(n, 0);
		ck_assert(frame_right(frame, (size_t)n, &got));
	} while (got != number);
}

static bool have_tap(void)
{
	struct net_config config = { .kind = NET_TAP, .name = "uv0" };
	char err[256] = "";

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	return !net_check(&config, err, sizeof(err));
}

START_TEST(both_ways)
{
	struct card card;
	char *dir = dir_make();
	int fd;

	card_open(&card, "tap:uv0", "on", dir, "0000:01:00.0", 0);
	WAIT_FOR(net_port_link(card.port));
	fd = packet_socket();
	for (uint64_t i = 0; i < 50; i++) {
		host_to_card(&card, fd, i);
		card_to_host(&card, fd, 1000 + i);
	}
	close(fd);
	card_close(&card);
	dir_remove(dir);
}
END_TEST

/* The function that pumps is closed: another one of the card's goes on. */
START_TEST(takeover)
{
	struct card pf, vf;
	char *dir = dir_make();
	int fd;

	card_open(&pf, "tap:uv0", "on", dir, "0000:01:00.0", 0);
	card_open(&vf, "tap:uv0", "on", dir, "0000:01:00.0", 1);
	WAIT_FOR(net_port_link(vf.port));
	card_close(&pf);
	WAIT_FOR(net_port_link(vf.port));
	fd = packet_socket();
	host_to_card(&vf, fd, 7);
	card_to_host(&vf, fd, 8);
	close(fd);
	card_close(&vf);
	dir_remove(dir);
}
END_TEST

START_TEST(taken)
{
	struct card a, b;
	char *dir = dir_make(), *other = dir_make(), err[256];

	card_open(&a, "tap:uv0", "on", dir, "a", 0);
	b.config = a.config;
	ck_assert_int_eq(card_try_open(&b, other, "b", 0, err, sizeof(err)), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err, "net=tap:uv0"));
	ck_assert_ptr_nonnull(strstr(err, "another program"));
	card_close(&a);
	dir_remove(dir);
	dir_remove(other);
}
END_TEST

/* The host deletes the device: the cable is out. */
START_TEST(deleted)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} del = { .head = { .nlmsg_len = sizeof(del),
			    .nlmsg_type = RTM_DELLINK,
			    .nlmsg_flags = NLM_F_REQUEST } };
	struct card card;
	char *dir = dir_make();
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	ck_assert_int_ge(fd, 0);
	card_open(&card, "tap:uv0", "on", dir, "0000:01:00.0", 0);
	WAIT_FOR(net_port_link(card.port));
	del.info.ifi_index = (int)if_nametoindex("uv0");
	ck_assert_int_eq(send(fd, &del, sizeof(del), 0), sizeof(del));
	WAIT_FOR(!net_port_link(card.port));
	close(fd);
	card_close(&card);
	dir_remove(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tap");
	TCase *tc = tcase_create("tap");
	SRunner *runner;
	int failed;

	if (!have_tap())
		return 77;
	tcase_set_timeout(tc, 150);
	tcase_add_test(tc, both_ways);
	tcase_add_test(tc, takeover);
	tcase_add_test(tc, taken);
	tcase_add_test(tc, deleted);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
