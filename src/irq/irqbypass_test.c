/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The irqbypass manager against a plain model: a pair exists while both of a token are registered.
 * Every order of registering and unregistering is walked as a tree; each step is taken back before
 * the next one at the same place, which is a step of its own. Orders that differ only by the names
 * of like objects are walked once.
 */
#include "irq/irqbypass.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "irq/irq_priv.h"
#include "irq/trigger.h"

#define MAX_SIDE 3

/* ---- objects that write down what is asked of them -------------------------------------- */

struct producer {
	struct irq_bypass_producer p;
	unsigned int id;
	int add_ret;
};

struct consumer {
	struct irq_bypass_consumer c;
	unsigned int id;
	int add_ret;
};

/* ck_assert() writes to a pipe each time: too slow for millions. */
#define require(cond)                              \
	do {                                       \
		if (unlikely(!(cond)))             \
			ck_abort_msg("%s", #cond); \
	} while (0)

static char calls[64];
static size_t n_calls;

static void note(char what, unsigned int id)
{
	require(n_calls + 2 < sizeof(calls));
	calls[n_calls++] = what;
	calls[n_calls++] = (char)('0' + id);
	calls[n_calls] = '\0';
}

static void calls_clear(void)
{
	n_calls = 0;
	calls[0] = '\0';
}

static struct producer *p_of(struct irq_bypass_producer *p)
{
	return container_of(p, struct producer, p);
}

static struct consumer *c_of(struct irq_bypass_consumer *c)
{
	return container_of(c, struct consumer, c);
}

static int p_add(struct irq_bypass_producer *p, struct irq_bypass_consumer *c)
{
	note('A', p_of(p)->id);
	note('-', c_of(c)->id);
	return p_of(p)->add_ret;
}

static void p_del(struct irq_bypass_producer *p, struct irq_bypass_consumer *c)
{
	note('D', p_of(p)->id);
	note('-', c_of(c)->id);
}

static void p_stop(struct irq_bypass_producer *p)
{
	note('T', p_of(p)->id);
}

static void p_start(struct irq_bypass_producer *p)
{
	note('S', p_of(p)->id);
}

static int c_add(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	note('a', c_of(c)->id);
	note('-', p_of(p)->id);
	return c_of(c)->add_ret;
}

static void c_del(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	note('d', c_of(c)->id);
	note('-', p_of(p)->id);
}

static void c_stop(struct irq_bypass_consumer *c)
{
	note('t', c_of(c)->id);
}

static void c_start(struct irq_bypass_consumer *c)
{
	note('s', c_of(c)->id);
}

static struct producer producers[MAX_SIDE];
static struct consumer consumers[MAX_SIDE];

static void objects_init(void)
{
	for (unsigned int i = 0; i < MAX_SIDE; i++) {
		producers[i] = (struct producer){
			.p = { .add_consumer = p_add,
			       .del_consumer = p_del,
			       .stop = p_stop,
			       .start = p_start },
			.id = i,
		};
		consumers[i] = (struct consumer){
			.c = { .add_producer = c_add,
			       .del_producer = c_del,
			       .stop = c_stop,
			       .start = c_start },
			.id = i,
		};
	}
	calls_clear();
}

/* ---- all orders ------------------------------------------------------------------------- */

/* Objects 0..2 are producers, 3..5 consumers. */
enum phase { BEFORE, TRIED, AFTER };

struct walk {
	unsigned int n[2];     /* producers, consumers */
	unsigned int token[6]; /* 1.. */
	bool like;	       /* objects of the same kind and token are interchangeable */
	enum phase phase[6];
	bool in[6]; /* the model: registered */
	unsigned long orders, steps;
};

static bool is_consumer(unsigned int i)
{
	return i >= MAX_SIDE;
}

static bool there(const struct walk *w, unsigned int i)
{
	return i % MAX_SIDE < w->n[is_consumer(i)];
}

/* Who of the kind is registered with @token; -1: nobody. */
static int holder(const struct walk *w, bool consumer, unsigned int token)
{
	for (unsigned int i = consumer ? MAX_SIDE : 0; i < (consumer ? 6U : MAX_SIDE); i++)
		if (there(w, i) && w->in[i] && w->token[i] == token)
			return (int)i;
	return -1;
}

static void expect(const char *format, unsigned int p, unsigned int c)
{
	char text[64];
	size_t n = 0;

	/* P and C stand for the two numbers. */
	for (; *format; format++)
		text[n++] = *format == 'P'   ? (char)('0' + p)
			    : *format == 'C' ? (char)('0' + c)
					     : *format;
	text[n] = '\0';
	if (strcmp(calls, text) != 0)
		ck_assert_str_eq(calls, text);
	calls_clear();
}

static void check_pairs(const struct walk *w)
{
	for (unsigned int i = 0; i < 6; i++) {
		int peer;

		if (!there(w, i))
			continue;
		peer = w->in[i] ? holder(w, !is_consumer(i), w->token[i]) : -1;
		if (is_consumer(i))
			require(consumers[i - MAX_SIDE].c.producer ==
				(peer < 0 ? NULL : &producers[peer].p));
		else
			require(producers[i].p.consumer ==
				(peer < 0 ? NULL : &consumers[peer - MAX_SIDE].c));
	}
}

static void step_register(struct walk *w, unsigned int i)
{
	int peer = holder(w, !is_consumer(i), w->token[i]);
	int same = holder(w, is_consumer(i), w->token[i]);
	unsigned int p = is_consumer(i) ? (unsigned int)peer : i;
	unsigned int c = (is_consumer(i) ? i : (unsigned int)peer) - MAX_SIDE;
	int ret;

	ret = is_consumer(i) ? irq_bypass_add_consumer(&consumers[i - MAX_SIDE].c, w->token[i])
			     : irq_bypass_add_producer(&producers[i].p, w->token[i], 40);
	require(ret == (same >= 0 ? -EBUSY : 0));
	w->in[i] = !ret;
	if (!ret && peer >= 0)
		expect("TPtCAP-CaC-PsCSP", p, c);
	else
		expect("", 0, 0);
	w->steps++;
	check_pairs(w);
}

static void step_unregister(struct walk *w, unsigned int i)
{
	int peer = w->in[i] ? holder(w, !is_consumer(i), w->token[i]) : -1;
	unsigned int p = is_consumer(i) ? (unsigned int)peer : i;
	unsigned int c = (is_consumer(i) ? i : (unsigned int)peer) - MAX_SIDE;

	if (is_consumer(i))
		irq_bypass_unregister_consumer(&consumers[i - MAX_SIDE].c);
	else
		irq_bypass_unregister_producer(&producers[i].p);
	w->in[i] = false;
	if (peer >= 0)
		expect("TPtCdC-PDP-CsCSP", p, c);
	else
		expect("", 0, 0);
	w->steps++;
	check_pairs(w);
}

/* Of like objects that are still to come, the first one stands for all. */
static bool stands_for_it(const struct walk *w, unsigned int i)
{
	if (!w->like || w->phase[i] != BEFORE)
		return true;
	for (unsigned int j = is_consumer(i) ? MAX_SIDE : 0; j < i; j++)
		if (w->phase[j] == BEFORE && w->token[j] == w->token[i])
			return false;
	return true;
}

/* Of tokens that nobody has used yet, the lowest one stands for all. */
static bool token_in_turn(const struct walk *w, unsigned int i)
{
	if (w->like)
		return true;
	for (unsigned int j = 0; j < 6; j++)
		if (there(w, j) && w->phase[j] != BEFORE && w->token[j] == w->token[i])
			return true;
	for (unsigned int token = 1; token < w->token[i]; token++) {
		bool used = false;

		for (unsigned int j = 0; j < 6; j++)
			used |= there(w, j) && w->phase[j] != BEFORE && w->token[j] == token;
		if (!used)
			return false;
	}
	return true;
}

static void walk_all(struct walk *w, unsigned int left)
{
	if (!left) {
		w->orders++;
		return;
	}
	for (unsigned int i = 0; i < 6; i++) {
		bool had = w->in[i];

		if (!there(w, i) || w->phase[i] == AFTER || !stands_for_it(w, i) ||
		    !token_in_turn(w, i))
			continue;
		if (w->phase[i] == BEFORE) {
			step_register(w, i);
			w->phase[i] = TRIED;
			walk_all(w, left - 1);
			w->phase[i] = BEFORE;
			step_unregister(w, i);
		} else {
			step_unregister(w, i);
			w->phase[i] = AFTER;
			walk_all(w, left - 1);
			w->phase[i] = TRIED;
			if (had)
				step_register(w, i);
		}
	}
}

/* Three eventfds, a producer and a consumer each, as far as there are that many. */
START_TEST(all_orders_of_pairs)
{
	unsigned long orders = 0;

	for (unsigned int p = 0; p <= MAX_SIDE; p++) {
		for (unsigned int c = 0; c <= MAX_SIDE; c++) {
			/* Tokens count as one another only when each has both. */
			struct walk w = { .n = { p, c }, .token = { 1, 2, 3, 1, 2, 3 } };

			objects_init();
			w.like = p != c;
			walk_all(&w, 2 * (p + c));
			orders += w.orders;
			if (p == MAX_SIDE && c == MAX_SIDE)
				/* 12! / 2^6, the names of the three eventfds left out. */
				ck_assert_uint_eq(w.orders, 1247400);
		}
	}
	ck_assert_uint_gt(orders, 1247400);
}
END_TEST

/* All on one eventfd: the first of each kind has it, the others are busy. */
START_TEST(all_orders_of_duplicates)
{
	struct walk w = { .n = { 3, 3 }, .token = { 1, 1, 1, 1, 1, 1 }, .like = true };

	objects_init();
	walk_all(&w, 12);
	/* 12! / 2^6 / 3! / 3! */
	ck_assert_uint_eq(w.orders, 207900);
}
END_TEST

/* Two and two in every distribution over two eventfds; nothing left out. */
START_TEST(all_orders_of_mixtures)
{
	for (unsigned int bits = 0; bits < 16; bits++) {
		struct walk w = { .n = { 2, 2 },
				  .token = { 1 + (bits & 1), 1 + (bits >> 1 & 1), 0,
					     1 + (bits >> 2 & 1), 1 + (bits >> 3 & 1), 0 } };

		objects_init();
		w.like = true;
		walk_all(&w, 8);
		ck_assert_uint_ge(w.orders, 630);
	}
}
END_TEST

/* ---- single rules ----------------------------------------------------------------------- */

START_TEST(duplicates_of_an_eventfd_are_one)
{
	int fd = eventfd(0, 0), other = eventfd(0, 0), same = dup(fd), pipes[2];
	uint64_t a, b, c;

	ck_assert_int_eq(irq_bypass_eventfd_token(fd, &a), 0);
	ck_assert_int_eq(irq_bypass_eventfd_token(same, &b), 0);
	ck_assert_int_eq(irq_bypass_eventfd_token(other, &c), 0);
	ck_assert_uint_eq(a, b);
	ck_assert_uint_ne(a, c);
	ck_assert_uint_ne(a, 0);
	ck_assert_uint_ne(c, 0);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(irq_bypass_eventfd_token(pipes[0], &a), -EINVAL);
	close(pipes[0]);
	ck_assert_int_eq(irq_bypass_eventfd_token(pipes[0], &a), -EBADF);

	objects_init();
	ck_assert_int_eq(irq_bypass_register_consumer(&consumers[0].c, same), 0);
	ck_assert_int_eq(irq_bypass_register_producer(&producers[0].p, fd, 77), 0);
	expect("TPtCAP-CaC-PsCSP", 0, 0);
	ck_assert_int_eq(producers[0].p.irq, 77);
	ck_assert_int_eq(irq_bypass_register_producer(&producers[1].p, same, 78), -EBUSY);
	ck_assert_int_eq(irq_bypass_register_producer(&producers[0].p, other, 77), -EINVAL);
	ck_assert_int_eq(irq_bypass_register_consumer(&consumers[0].c, other), -EINVAL);
	ck_assert_int_eq(irq_bypass_register_producer(&producers[1].p, pipes[1], 78), -EINVAL);
	irq_bypass_unregister_producer(&producers[0].p);
	expect("TPtCdC-PDP-CsCSP", 0, 0);
	irq_bypass_unregister_producer(&producers[0].p);
	irq_bypass_unregister_consumer(&consumers[0].c);
	irq_bypass_unregister_consumer(&consumers[1].c);
	expect("", 0, 0);
	close(fd);
	close(same);
	close(other);
	close(pipes[1]);
}
END_TEST

START_TEST(failures_leave_nothing)
{
	objects_init();
	/* The producer does not want: the consumer is not asked. */
	producers[0].add_ret = -ENOSPC;
	ck_assert_int_eq(irq_bypass_add_producer(&producers[0].p, 5, 1), 0);
	ck_assert_int_eq(irq_bypass_add_consumer(&consumers[0].c, 5), -ENOSPC);
	expect("TPtCAP-CsCSP", 0, 0);
	ck_assert_uint_eq(consumers[0].c.token, 0);
	ck_assert_ptr_null(producers[0].p.consumer);
	irq_bypass_unregister_producer(&producers[0].p);
	expect("", 0, 0);
	/* The consumer does not: the producer takes its part back. */
	producers[0].add_ret = 0;
	consumers[0].add_ret = -EIO;
	ck_assert_int_eq(irq_bypass_add_consumer(&consumers[0].c, 5), 0);
	ck_assert_int_eq(irq_bypass_add_producer(&producers[0].p, 5, 1), -EIO);
	expect("TPtCAP-CaC-PDP-CsCSP", 0, 0);
	ck_assert_uint_eq(producers[0].p.token, 0);
	/* Another one takes the place. */
	consumers[0].add_ret = 0;
	ck_assert_int_eq(irq_bypass_add_producer(&producers[1].p, 5, 1), 0);
	expect("TPtCAP-CaC-PsCSP", 1, 0);
	irq_bypass_unregister_consumer(&consumers[0].c);
	expect("TPtCdC-PDP-CsCSP", 1, 0);
	irq_bypass_unregister_producer(&producers[1].p);
}
END_TEST

START_TEST(operations_may_be_missing)
{
	struct producer plain = { .id = 2 };
	struct irq_bypass_consumer bare = { .del_producer = c_del };
	int fd = eventfd(0, 0);

	objects_init();
	ck_assert_int_eq(irq_bypass_register_consumer(&bare, fd), -EINVAL);
	bare = (struct irq_bypass_consumer){ .add_producer = c_add };
	ck_assert_int_eq(irq_bypass_register_consumer(&bare, fd), -EINVAL);
	consumers[0].c.stop = consumers[0].c.start = NULL;
	ck_assert_int_eq(irq_bypass_register_consumer(&consumers[0].c, fd), 0);
	ck_assert_int_eq(irq_bypass_register_producer(&plain.p, fd, 3), 0);
	ck_assert_ptr_eq(plain.p.consumer, &consumers[0].c);
	irq_bypass_unregister_consumer(&consumers[0].c);
	irq_bypass_unregister_producer(&plain.p);
	close(fd);
}
END_TEST

START_TEST(a_child_has_its_own)
{
	int fd = eventfd(0, 0), status;
	pid_t pid;

	objects_init();
	ck_assert_int_eq(irq_bypass_register_producer(&producers[0].p, fd, 1), 0);
	ck_assert_int_eq(irq_bypass_register_consumer(&consumers[0].c, fd), 0);
	calls_clear();
	pid = fork();
	if (!pid) {
		irq_after_fork();
		/* The parent's do not stand in the way, and going they touch nobody. */
		if (irq_bypass_register_producer(&producers[1].p, fd, 2) || n_calls)
			_exit(1);
		irq_bypass_unregister_producer(&producers[0].p);
		irq_bypass_unregister_consumer(&consumers[0].c);
		if (n_calls || producers[0].p.token || producers[1].p.consumer)
			_exit(2);
		_exit(irq_bypass_register_consumer(&consumers[1].c, fd) || n_calls != 16 ? 3 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	irq_bypass_unregister_consumer(&consumers[0].c);
	expect("TPtCdC-PDP-CsCSP", 0, 0);
	irq_bypass_unregister_producer(&producers[0].p);
	close(fd);
}
END_TEST

/* ---- threads ---------------------------------------------------------------------------- */

#define STRESS_TOKENS 4
#define STRESS_ROUNDS 2000

/* Written by the operations alone, under the manager's lock. */
static unsigned int paired[STRESS_TOKENS + 1];

static int stress_add(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	return paired[p->irq]++ ? -EIO : 0;
}

static void stress_del(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	paired[p->irq]--;
}

static void *stress_producer(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	struct irq_bypass_producer p = { 0 };
	uintptr_t bad = 0;

	for (unsigned int i = 0; i < STRESS_ROUNDS; i++) {
		int token = 1 + (int)(rand_r(&seed) % STRESS_TOKENS);
		int ret = irq_bypass_add_producer(&p, (uint64_t)token, token);

		bad += ret && ret != -EBUSY;
		irq_bypass_unregister_producer(&p);
		bad += p.consumer != NULL;
	}
	return (void *)bad;
}

static void *stress_consumer(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	struct irq_bypass_consumer c = { .add_producer = stress_add, .del_producer = stress_del };
	uintptr_t bad = 0;

	for (unsigned int i = 0; i < STRESS_ROUNDS; i++) {
		int ret = irq_bypass_add_consumer(&c, 1 + rand_r(&seed) % STRESS_TOKENS);

		bad += ret && ret != -EBUSY;
		irq_bypass_unregister_consumer(&c);
		bad += c.producer != NULL;
	}
	return (void *)bad;
}

START_TEST(threads)
{
	pthread_t thread[6];
	void *bad;

	for (uintptr_t i = 0; i < 6; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL,
						i & 1 ? stress_producer : stress_consumer,
						(void *)(i + 1)),
				 0);
	for (unsigned int i = 0; i < 6; i++) {
		ck_assert_int_eq(pthread_join(thread[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	for (unsigned int i = 1; i <= STRESS_TOKENS; i++)
		ck_assert_uint_eq(paired[i], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("irqbypass");
	TCase *tcase = tcase_create("irqbypass");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, all_orders_of_pairs);
	tcase_add_test(tcase, all_orders_of_duplicates);
	tcase_add_test(tcase, all_orders_of_mixtures);
	tcase_add_test(tcase, duplicates_of_an_eventfd_are_one);
	tcase_add_test(tcase, failures_leave_nothing);
	tcase_add_test(tcase, operations_may_be_missing);
	tcase_add_test(tcase, a_child_has_its_own);
	tcase_add_test(tcase, threads);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
