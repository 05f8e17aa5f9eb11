/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire between processes, one of which is killed at any instant, again and again: the survivor
 * sees the link go and come, gets no wrong frame, and is never stuck.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net_fixture.h"
#include "net/port_priv.h"

#define ROUNDS 30

/* Sends and receives for ever, as fast as it can; frames of all lengths. */
static void peer(const char *dir, unsigned int seed)
{
	struct card card = { .next = 0 };
	char err[256];

	/* No ck_assert here: it is the framework's process no more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	net_config_init(&card.config);
	if (net_config_set(&card.config, "net", "wire:x", err, sizeof(err)) ||
	    card_try_open(&card, dir, "b", seed % 3, err, sizeof(err))) {
		fprintf(stderr, "peer: %s\n", err);
		_exit(1);
	}
	for (uint64_t i = 0;; i++)
		while (card_send(&card, NET_DEST_WIRE, 22 + (i * 61 + seed) % 3000, i) < 0)
			usleep(10);
}

static pid_t start_peer(const char *dir, unsigned int seed)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		char number[16];

		/* A program of its own: sanitizers do not like threads in the child of one that has
		 * some. */
		snprintf(number, sizeof(number), "%u", seed);
		execl("/proc/self/exe", "peer", dir, number, NULL);
		_exit(127);
	}
	return pid;
}

/* Of one life: whole, and in the sender's order, but from where on is the killed one's affair. */
static int survivor_receive(void *priv, const void *frame, size_t len, unsigned int src)
{
	struct card *card = priv;
	uint64_t number;

	if (!frame_right(frame, len, &number) || (number != card->next && number != 0))
		card->wrong++;
	card->next = number + 1;
	card->received++;
	return 0;
}

START_TEST(killed)
{
	const struct net_port_ops ops = { card_poll, survivor_receive, card_link, card_resume };
	struct card card = { .link = false };
	char *dir = dir_make(), err[256];
	const struct net_port_args args = {
		.config = &card.config, .dir = dir, .card = "a", .ops = &ops, .priv = &card
	};

	net_config_init(&card.config);
	ck_assert_int_eq(net_config_set(&card.config, "net", "wire:x", err, sizeof(err)), 0);
	pthread_mutex_init(&card.lock, NULL);
	pthread_mutex_lock(&card.lock);
	ck_assert_int_eq(net_port_open(&args, &card.port, err, sizeof(err)), 0);
	pthread_mutex_unlock(&card.lock);
	srandom((unsigned int)getpid());
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pid_t pid = start_peer(dir, i);
		uint64_t before = card.received;

		WAIT_FOR(card.received > before);
		for (long n = random() % 3000; n; n--)
			card_send(&card, NET_DEST_WIRE, 22 + (size_t)n, (uint64_t)n);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		/* Sometimes the next one comes before the death was noticed. */
		if (i % 2)
			WAIT_FOR(!net_port_link(card.port));
	}
	ck_assert_uint_eq(card.wrong, 0);
	card_close(&card);
	dir_remove(dir);
}
END_TEST

/* It dies while it holds the ring: the next sender goes on. */
START_TEST(killed_with_the_ring)
{
	struct card a, b;
	char *dir = dir_make();
	int ready[2];
	char byte;
	pid_t pid;

	card_open(&a, "wire:x", "on", dir, "a", 0);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct net_wire wire;

		if (net_wire_open(&a.config, dir, "b", &wire) ||
		    net_ring_lock(net_station(&wire, 0)) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	card_open(&b, "wire:x", "on", dir, "b", 0);
	ck_assert_int_eq(card_send(&b, NET_DEST_WIRE, 60, 0), 0);
	WAIT_FOR(a.received == 1);
	ck_assert_uint_eq(a.wrong, 0);
	close(ready[0]);
	close(ready[1]);
	card_close(&a);
	card_close(&b);
	dir_remove(dir);
}
END_TEST

/* A receiver that takes nothing dies while a sender waits for it: the sender is told. */
START_TEST(killed_while_full)
{
	struct card a, b;
	char *dir = dir_make();
	int ready[2], ret = 0;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		card_open(&b, "wire:x", "on", dir, "b", 0);
		b.refuse = true;
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	card_open(&a, "wire:x", "on", dir, "a", 0);
	for (uint64_t i = 0; i < 1000 && !ret; i++)
		ret = card_send(&a, NET_DEST_WIRE, 1500, i);
	ck_assert_int_eq(ret, -EAGAIN);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(!net_port_link(a.port));
	card_open(&b, "wire:x", "on", dir, "b", 0);
	WAIT_FOR(a.resumes);
	/* The new one does not see the old one's frames. */
	ck_assert_int_eq(card_send(&a, NET_DEST_WIRE, 100, 0), 0);
	WAIT_FOR(b.received == 1);
	ck_assert_uint_eq(b.wrong, 0);
	close(ready[0]);
	close(ready[1]);
	card_close(&a);
	card_close(&b);
	dir_remove(dir);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("death");
	TCase *tc = tcase_create("death");
	SRunner *runner;
	int failed;

	if (argc == 3)
		peer(argv[1], (unsigned int)atoi(argv[2]));
	tcase_set_timeout(tc, 150);
	tcase_add_test(tc, killed);
	tcase_add_test(tc, killed_with_the_ring);
	tcase_add_test(tc, killed_while_full);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
