/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair sharing with a clock of the test's: instances that move data in a loop, each at most one
 * command at a time, as fast as the medium lets them or slower.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "drivers/nvme_mdev/fair.h"

#define MAX_INSTANCES 16
#define MS	      1000000ull
#define SEC	      (1000 * MS)
#define MIB	      (1ull << 20)

static struct fair *fair;
static uint64_t clock_ns;

static uint64_t now(void)
{
	return clock_ns;
}

/* One instance of the simulation. */
struct instance {
	uint64_t size;	      /* of its commands */
	uint64_t cpu;	      /* ns that it needs for one */
	uint64_t think;	      /* ns from one command's end to the next one */
	uint64_t from, until; /* when it has work */
	uint64_t dies;	      /* 0: never. In the middle, nothing cleaned up */
	uint64_t next, moved;
};

static void setup(void)
{
	fair = aligned_alloc(64, sizeof(*fair));
	*fair = (struct fair){ 0 };
	clock_ns = 5 * SEC;
}

static void teardown(void)
{
	free(fair);
}

static bool has_work(const struct instance *in, uint64_t t)
{
	return t >= in->from && t < in->until && (!in->dies || t < in->dies);
}

/* Instance @i's turn at clock_ns. */
static void step(struct instance *in, unsigned int i)
{
	uint64_t wait;

	fair_begin(fair, i);
	wait = fair_admit(fair, i, in->size, now);
	if (wait) {
		ck_assert_uint_le(wait, 10 * MS);
		in->next = clock_ns + wait;
		return;
	}
	in->moved += in->size;
	in->next = clock_ns + in->cpu + in->think;
	if (in->think || in->next >= 5 * SEC + in->until)
		fair_end(fair, i, false);
}

/* Times of instances count from now. */
static void run(struct instance *in, unsigned int n, uint64_t ns)
{
	uint64_t start = clock_ns, end = start + ns;

	for (unsigned int i = 0; i < n; i++) {
		if (!in[i].until)
			in[i].until = ns;
		in[i].next = start + in[i].from;
		if (!fair->slots[i].joined)
			fair_join(fair, i);
	}
	for (;;) {
		unsigned int first = n;

		for (unsigned int i = 0; i < n; i++)
			if (has_work(&in[i], in[i].next - start) &&
			    (first == n || in[i].next < in[first].next))
				first = i;
		if (first == n || in[first].next >= end)
			break;
		clock_ns = in[first].next;
		step(&in[first], first);
	}
	clock_ns = end;
}

static void ck_share(uint64_t moved, uint64_t expected, unsigned int percent)
{
	ck_assert_msg(moved * 100 >= expected * (100 - percent) &&
			      moved * 100 <= expected * (100 + percent),
		      "%llu bytes moved, %llu expected", (unsigned long long)moved,
		      (unsigned long long)expected);
}

/* Large commands and small ones: as many bytes. */
START_TEST(shares_are_equal)
{
	struct instance in[] = { { .size = 512 << 10, .cpu = 50000 },
				 { .size = 4096, .cpu = 1000 },
				 { .size = 65536, .cpu = 7000 },
				 { .size = 512, .cpu = 900 } };

	fair_set_rate(fair, 100 * MIB);
	run(in, 4, 2 * SEC);
	for (unsigned int i = 0; i < 4; i++)
		ck_share(in[i].moved, 50 * MIB, 5);
}
END_TEST

START_TEST(alone_gets_everything)
{
	struct instance in[] = { { .size = 65536, .cpu = 1000 } };

	fair_set_rate(fair, 200 * MIB);
	run(in, 1, SEC);
	ck_share(in[0].moved, 200 * MIB, 2);
	/* Others that are there but have nothing to do change nothing. */
	for (unsigned int i = 1; i < 8; i++)
		fair_join(fair, i);
	in[0].moved = 0;
	run(in, 1, SEC);
	ck_share(in[0].moved, 200 * MIB, 2);
}
END_TEST

/* What one does not want the others get. */
START_TEST(work_conserving)
{
	struct instance in[] = { { .size = 65536, .cpu = 1000 },
				 { .size = 65536, .cpu = 1000 },
				 /* 4 KiB a millisecond: 4 MiB/s */
				 { .size = 4096, .cpu = 1000, .think = MS } };

	fair_set_rate(fair, 100 * MIB);
	run(in, 3, 2 * SEC);
	ck_assert_uint_ge(in[2].moved, 6 * MIB);
	ck_share(in[0].moved, in[1].moved, 5);
	ck_share(in[0].moved + in[1].moved + in[2].moved, 200 * MIB, 3);
}
END_TEST

/* Nobody saves up: who comes late does not take the medium away from who was there. */
START_TEST(idle_time_is_no_claim)
{
	struct instance in[] = { { .size = 65536, .cpu = 1000 },
				 { .size = 65536, .cpu = 1000, .from = 3 * SEC } };
	uint64_t before;

	fair_set_rate(fair, 100 * MIB);
	run(in, 2, 3 * SEC);
	before = in[0].moved;
	ck_share(before, 300 * MIB, 3);
	in[1].from = 0;
	in[1].until = in[0].until = SEC;
	in[0].moved = 0;
	run(in, 2, SEC);
	ck_share(in[0].moved, 50 * MIB, 5);
	ck_share(in[1].moved, 50 * MIB, 5);
}
END_TEST

/* One that stopped for ten seconds with work left does not get ten seconds of its own then. */
START_TEST(stopped_is_no_claim)
{
	struct instance in[] = { { .size = 65536, .cpu = 1000 }, { .size = 65536, .cpu = 1000 } };

	fair_set_rate(fair, 100 * MIB);
	fair_join(fair, 0);
	fair_join(fair, 1);
	fair_begin(fair, 1);
	ck_assert_uint_eq(fair_admit(fair, 1, 65536, now), 0);
	in[0].next = clock_ns;
	for (uint64_t end = clock_ns + 10 * SEC; in[0].next < end;) {
		clock_ns = in[0].next;
		step(&in[0], 0);
	}
	ck_share(in[0].moved, 1000 * MIB, 3);
	/* It wakes up; both have work for a tenth of a second. */
	in[0].moved = 0;
	in[1].next = clock_ns;
	for (uint64_t end = clock_ns + SEC / 10; clock_ns < end;) {
		unsigned int i = in[0].next <= in[1].next ? 0 : 1;

		clock_ns = in[i].next;
		step(&in[i], i);
	}
	ck_assert_uint_ge(in[0].moved, 4 * MIB);
	ck_assert_uint_ge(in[1].moved, 4 * MIB);
}
END_TEST

/* The dead are found out; the living share what there is, and equally. */
START_TEST(dead_cost_nothing)
{
	struct instance in[] = { { .size = 65536, .cpu = 1000 },
				 { .size = 4096, .cpu = 1000 },
				 { .size = 65536, .cpu = 1000, .dies = SEC / 2 } };

	fair_set_rate(fair, 90 * MIB);
	run(in, 3, 3 * SEC);
	ck_assert_uint_eq(fair->slots[2].waiting, 0);
	ck_assert_int_le(fair->slots[2].credit, 0);
	ck_share(in[0].moved, in[1].moved, 5);
	ck_share(in[0].moved + in[1].moved + in[2].moved, 270 * MIB, 3);
	ck_share(in[2].moved, 15 * MIB, 10);
}
END_TEST

/* Credit that a dead one had not used is used. */
START_TEST(credit_is_reclaimed)
{
	fair_set_rate(fair, 1000 * MIB);
	fair_join(fair, 0);
	fair_join(fair, 1);
	fair_begin(fair, 1);
	ck_assert_uint_eq(fair_admit(fair, 1, 512, now), 0);
	ck_assert_int_gt(fair->slots[1].credit, 0);
	fair_begin(fair, 0);
	ck_assert_uint_eq(fair_admit(fair, 0, FAIR_QUANTUM, now), 0);
	clock_ns += SEC;
	ck_assert_uint_eq(fair_admit(fair, 0, FAIR_QUANTUM, now), 0);
	ck_assert_int_eq(fair->slots[1].credit, 0);
	ck_assert_int_ge(fair->slots[0].credit, FAIR_QUANTUM - 512);
}
END_TEST

START_TEST(small_budget)
{
	struct instance in[] = { { .size = 512 << 10, .cpu = 50000 },
				 { .size = 4096, .cpu = 1000 } };

	fair_set_rate(fair, MIB);
	run(in, 2, 20 * SEC);
	ck_share(in[0].moved, 10 * MIB, 10);
	ck_share(in[1].moved, 10 * MIB, 10);
}
END_TEST

/* Without a budget nobody waits, however unequal they are. */
START_TEST(free_for_all)
{
	struct instance in[] = { { .size = 512 << 10, .cpu = 50000 },
				 { .size = 4096, .cpu = 4000 } };

	run(in, 2, SEC);
	ck_share(in[0].moved, 20000ull * (512 << 10), 1);
	ck_share(in[1].moved, 250000ull * 4096, 1);
	ck_assert_uint_eq(fair->vtime, 0);
}
END_TEST

START_TEST(many)
{
	struct instance in[MAX_INSTANCES];

	for (unsigned int i = 0; i < MAX_INSTANCES; i++)
		in[i] = (struct instance){ .size = 512u << i % 11, .cpu = 1000 };
	fair_set_rate(fair, 160 * MIB);
	run(in, MAX_INSTANCES, 4 * SEC);
	for (unsigned int i = 0; i < MAX_INSTANCES; i++)
		ck_share(in[i].moved, 40 * MIB, 8);
}
END_TEST

/* ---- threads and a real clock ---------------------------------------------------------------- */

#define THREADS 4

static uint64_t real_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

static void *mover(void *arg)
{
	unsigned int slot = (unsigned int)(uintptr_t)arg;
	uint64_t size = 4096ull << slot, wait;

	for (uint64_t moved = 0; moved < MIB; moved += size) {
		fair_begin(fair, slot);
		while ((wait = fair_admit(fair, slot, size, real_now)))
			nanosleep(&(struct timespec){ .tv_nsec = (long)wait }, NULL);
		fair_end(fair, slot, false);
	}
	return NULL;
}

/* All come to their end, and not sooner than the budget allows. */
START_TEST(threads)
{
	uint64_t begin = real_now();
	pthread_t id[THREADS];

	fair_set_rate(fair, 40 * MIB);
	for (uintptr_t i = 0; i < THREADS; i++) {
		fair_join(fair, (unsigned int)i);
		ck_assert_int_eq(pthread_create(&id[i], NULL, mover, (void *)i), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(id[i], NULL), 0);
	ck_assert_uint_ge(real_now() - begin, 90 * MS);
	for (unsigned int i = 0; i < THREADS; i++)
		ck_assert_uint_eq(fair->slots[i].waiting, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("fair");
	Suite *s = suite_create("nvme_mdev fair");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, shares_are_equal);
	tcase_add_test(tc, alone_gets_everything);
	tcase_add_test(tc, work_conserving);
	tcase_add_test(tc, idle_time_is_no_claim);
	tcase_add_test(tc, stopped_is_no_claim);
	tcase_add_test(tc, dead_cost_nothing);
	tcase_add_test(tc, credit_is_reclaimed);
	tcase_add_test(tc, small_budget);
	tcase_add_test(tc, free_for_all);
	tcase_add_test(tc, many);
	tcase_add_test(tc, threads);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
