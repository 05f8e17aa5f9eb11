/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports in one process: options, loop, wire, stations of one card, flow control, bad bytes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/net_fixture.h"
#include "net/port_priv.h"

START_TEST(options)
{
	static const struct {
		const char *key, *value;
		int ret;
	} cases[] = {
		{ "net", "none", 0 },
		{ "net", "loop", 0 },
		{ "net", "loops", -EINVAL },
		{ "net", "wire:a", 0 },
		{ "net", "wire:", -EINVAL },
		{ "net", "wire:a/b", -EINVAL },
		{ "net", "wire:..", -EINVAL },
		{ "net", "wire:0123456789012345678901234567890", 0 },
		{ "net", "wire:01234567890123456789012345678901", -EINVAL },
		{ "net", "tap:tap0", 0 },
		{ "net", "tap:0123456789012345", -EINVAL },
		{ "net", "", -EINVAL },
		{ "flow", "on", 0 },
		{ "flow", "yes", -EINVAL },
		{ "mac", "52:54:00:12:34:56", 0 },
		{ "mac", "53:54:00:12:34:56", -EINVAL },
		{ "mac", "00:00:00:00:00:00", -EINVAL },
		{ "mac", "52:54:00:12:34:5", -EINVAL },
		{ "mac", "52:54:00:12:34:5g", -EINVAL },
		{ "mac", "52:54:00:12:34::6", -EINVAL },
		{ "mac", "52:54:00:12:34:567", -EINVAL },
		{ "mac", "", 0 },
		{ "size", "1", -ENOENT },
	};
	struct net_config config;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char err[256] = "";

		net_config_init(&config);
		ck_assert_msg(net_config_set(&config, cases[i].key, cases[i].value, err,
					     sizeof(err)) == cases[i].ret,
			      "%s=%s", cases[i].key, cases[i].value);
		/* The sentence names key and value. */
		ck_assert(cases[i].ret != -EINVAL ||
			  (strstr(err, cases[i].key) && strstr(err, cases[i].value)));
	}
}
END_TEST

START_TEST(loop)
{
	struct card card;

	card_open(&card, "loop", "on", NULL, "0000:01:00.0", 0);
	for (uint64_t i = 0; i < 100; i++)
		ck_assert_int_eq(card_send(&card, NET_DEST_WIRE, 60 + i, i), 0);
	WAIT_FOR(card.received == 100);
	ck_assert_uint_eq(card.wrong, 0);
	ck_assert_uint_eq(card.src, NET_SRC_WIRE);
	ck_assert(card.link);
	card_close(&card);
}
END_TEST

START_TEST(no_cable)
{
	struct card card;

	card_open(&card, "none", "on", NULL, "0000:01:00.0", 0);
	ck_assert(!net_port_link(card.port));
	ck_assert_int_eq(card_send(&card, NET_DEST_WIRE, 60, 0), -ENETDOWN);
	card_close(&card);
}
END_TEST

START_TEST(lengths)
{
	struct card a, b;
	char *dir = dir_make();

	card_open(&a, "wire:x", "on", dir, "a", 0);
	card_open(&b, "wire:x", "on", dir, "b", 0);
	ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, NET_FRAME_MAX + 1, 0), -EMSGSIZE);
	ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, NET_FRAME_MAX, 0), 0);
	WAIT_FOR(b.received == 1);
	ck_assert_uint_eq(b.last_len, NET_FRAME_MAX);
	ck_assert_uint_eq(b.wrong, 0);
	ck_assert_uint_eq(b.src, NET_SRC_WIRE);
	card_close(&a);
	card_close(&b);
	dir_remove(dir);
}
END_TEST

/* Frames of every length while the receiver refuses now and then: all come, in order. */
START_TEST(nothing_lost)
{
	struct card a, b;
	char *dir = dir_make();
	const uint64_t frames = 20000;
	struct net_port_stats sa, sb;

	card_open(&a, "wire:x", "on", dir, "a", 0);
	card_open(&b, "wire:x", "on", dir, "b", 0);
	for (uint64_t i = 0; i < frames; i++) {
		size_t len = 22 + i * 37 % (i % 50 ? 1500 : NET_FRAME_MAX - 22);

		if (i % 1000 == 500 || i % 1000 == 900) {
			pthread_mutex_lock(&b.lock);
			b.refuse = i % 1000 == 500;
			net_port_ready(b.port);
			pthread_mutex_unlock(&b.lock);
		}
		while (card_send(&a, NET_DEST_WIRE, len, i) == -EAGAIN) {
			unsigned int resumes = a.resumes;

			pthread_mutex_lock(&b.lock);
			b.refuse = false;
			net_port_ready(b.port);
			pthread_mutex_unlock(&b.lock);
			WAIT_FOR(a.resumes != resumes);
		}
	}
	WAIT_FOR(b.received == frames);
	ck_assert_uint_eq(b.wrong, 0);
	net_port_stats(a.port, &sa);
	net_port_stats(b.port, &sb);
	ck_assert_uint_eq(sa.tx_frames, frames);
	ck_assert_uint_eq(sb.rx_frames, frames);
	ck_assert_uint_eq(sb.missed, 0);
	/* 400 frames of 750 bytes are more than the ring holds. */
	ck_assert_uint_gt(sa.xoff_rx, 0);
	ck_assert_uint_eq(sa.xoff_rx, sb.xoff_tx);
	card_close(&a);
	card_close(&b);
	dir_remove(dir);
}
END_TEST

START_TEST(lost_and_counted)
{
	struct card a, b;
	char *dir = dir_make();
	struct net_port_stats stats;

	card_open(&a, "wire:x", "off", dir, "a", 0);
	card_open(&b, "wire:x", "off", dir, "b", 0);
	b.refuse = true;
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, 1500, i), 0);
	pthread_mutex_lock(&b.lock);
	b.refuse = false;
	net_port_ready(b.port);
	pthread_mutex_unlock(&b.lock);
	WAIT_FOR((net_port_stats(b.port, &stats), stats.rx_frames + stats.missed == 1000));
	ck_assert_uint_eq(stats.rx_frames, NET_RING_SIZE / (8 + 1504));
	ck_assert_uint_eq(b.wrong, 0);
	card_close(&a);
	card_close(&b);
	dir_remove(dir);
}
END_TEST

START_TEST(link_follows_both)
{
	struct card a, b, c;
	char *dir = dir_make(), err[256];

	card_open(&a, "wire:x", "on", dir, "a", 0);
	ck_assert(!net_port_link(a.port));
	ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, 60, 0), -ENETDOWN);
	card_open(&b, "wire:x", "on", dir, "b", 0);
	WAIT_FOR(a.link && b.link);
	/* The refused transmit is told. */
	WAIT_FOR(a.resumes == 1);
	pthread_mutex_lock(&b.lock);
	net_port_set_link(b.port, false);
	pthread_mutex_unlock(&b.lock);
	WAIT_FOR(!a.link);
	pthread_mutex_lock(&b.lock);
	net_port_set_link(b.port, true);
	pthread_mutex_unlock(&b.lock);
	WAIT_FOR(a.link);
	/* A third card, and the same one twice. */
	c.config = a.config;
	ck_assert_int_eq(card_try_open(&c, dir, "c", 0, err, sizeof(err)), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err, "net=wire:x"));
	ck_assert_int_eq(card_try_open(&c, dir, "b", 0, err, sizeof(err)), -EBUSY);
	card_close(&b);
	WAIT_FOR(!a.link);
	ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, 60, 0), -ENETDOWN);
	card_close(&a);
	dir_remove(dir);
}
END_TEST

/* PF and VFs: between each other, and all of them from the wire. */
START_TEST(stations)
{
	struct card pf, vf, other;
	char *dir = dir_make();

	card_open(&pf, "wire:x", "on", dir, "a", 0);
	card_open(&vf, "wire:x", "on", dir, "a", 3);
	card_open(&other, "wire:x", "on", dir, "b", 0);
	ck_assert_uint_eq(net_port_stations(pf.port), BIT(0) | BIT(3));
	ck_assert_int_eq(card_send(&pf, NET_DEST_STATION(3) | NET_DEST_STATION(7), 60, 0), 0);
	WAIT_FOR(vf.received == 1);
	ck_assert_uint_eq(vf.src, 0);
	ck_assert_int_eq(card_send(&vf, NET_DEST_STATION(0) | NET_DEST_WIRE, 60, 0), 0);
	WAIT_FOR(pf.received == 1 && other.received == 1);
	ck_assert_uint_eq(pf.src, 3);
	ck_assert_uint_eq(other.src, NET_SRC_WIRE);
	ck_assert_int_eq(card_send(&other, NET_DEST_WIRE, 60, 1), 0);
	WAIT_FOR(pf.received == 2 && vf.received == 2);
	ck_assert_uint_eq(vf.src, NET_SRC_WIRE);
	ck_assert_uint_eq(pf.wrong + vf.wrong + other.wrong, 0);
	card_close(&vf);
	ck_assert_uint_eq(net_port_stations(pf.port), BIT(0));
	card_close(&pf);
	card_close(&other);
	dir_remove(dir);
}
END_TEST

/* What another process may have left in the ring: nothing of it is believed. */
START_TEST(nonsense)
{
	static const struct {
		uint32_t tail, len, src;
	} cases[] = {
		{ 64, NET_FRAME_MAX + 1, 0 },
		{ 64, 13, 0 },
		{ 64, 60, 0 },
		{ 64, UINT32_MAX, 0 },
		{ 72, 60, 18 },
		{ NET_RING_SIZE + 8, 60, 0 },
		{ 71, 60, 0 },
		{ 64, 0, 0 },
	};
	struct card a, b;
	char *dir = dir_make();
	uint64_t received = 0;

	card_open(&a, "wire:x", "on", dir, "a", 0);
	card_open(&b, "wire:x", "on", dir, "b", 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_record record = { cases[i].len, cases[i].src };
		struct net_station *station = b.port->station;
		struct net_port_stats stats;

		pthread_mutex_lock(&b.lock);
		net_ring_lock(station);
		atomic_store(&station->head, 0);
		memcpy(b.port->wire.ring[b.port->number], &record, sizeof(record));
		atomic_store(&station->tail, cases[i].tail);
		net_ring_unlock(station);
		pthread_mutex_unlock(&b.lock);
		net_station_ring_bell(station);
		WAIT_FOR((net_port_stats(b.port, &stats), stats.missed == i + 1));
		ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, 100, i), 0);
		received++;
		WAIT_FOR(b.received == received);
	}
	ck_assert_uint_eq(b.wrong, 0);
	card_close(&a);
	card_close(&b);
	dir_remove(dir);
}
END_TEST

static void record_into(struct card *card, char *dir, const char *file)
{
	char err[256] = "";

	memset(card, 0, sizeof(*card));
	net_config_init(&card->config);
	card->config.kind = NET_LOOP;
	snprintf(card->config.pcap, sizeof(card->config.pcap), "%s/%s", dir, file);
	ck_assert_msg(!card_try_open(card, dir, file, 0, err, sizeof(err)), "%s", err);
}

static bool signal_pending(int sig)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, sig);
}

/* A reader that goes and a file that may not grow end the recording, not the program. */
START_TEST(recording_ends)
{
	struct rlimit before, limit = { .rlim_cur = 24 }; /* the file's header */
	char *dir = dir_make(), path[256];
	struct card card;
	int fd, ret;

	snprintf(path, sizeof(path), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	record_into(&card, dir, "fifo");
	ck_assert_int_eq(card_send(&card, NET_DEST_WIRE, 60, 0), 0);
	ck_assert_int_ge(atomic_load(&card.port->pcap.fd), 0);
	close(fd);
	ck_assert_int_eq(card_send(&card, NET_DEST_WIRE, 60, 1), 0);
	ck_assert_int_eq(atomic_load(&card.port->pcap.fd), -1);
	card_close(&card);

	record_into(&card, dir, "file");
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	/* libcheck writes files, too. */
	ret = setrlimit(RLIMIT_FSIZE, &limit);
	ret = ret ? ret : card_send(&card, NET_DEST_WIRE, 60, 0);
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(atomic_load(&card.port->pcap.fd), -1);
	card_close(&card);
	ck_assert(!signal_pending(SIGPIPE) && !signal_pending(SIGXFSZ));
	dir_remove(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("port");
	TCase *tc = tcase_create("port");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, options);
	tcase_add_test(tc, loop);
	tcase_add_test(tc, no_cable);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, nothing_lost);
	tcase_add_test(tc, lost_and_counted);
	tcase_add_test(tc, link_follows_both);
	tcase_add_test(tc, stations);
	tcase_add_test(tc, nonsense);
	tcase_add_test(tc, recording_ends);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
