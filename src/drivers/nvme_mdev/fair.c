/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair sharing (fair.h).
 *
 * tag counts what an instance has been granted, credit what of it is left. Who begins anew starts
 * at most LEAD quanta behind what is being served, and who was stopped for long is not further
 * behind than LAG of them: nobody saves up service that it did not ask for, or could not use, and
 * starves the others with it later.
 *
 * Two owners never write the same word but vtime and filled, which move forward only. All loads and
 * stores may be relaxed: nothing but numbers is passed on, and an old one is a quantum's mistake.
 */
#include "drivers/nvme_mdev/fair.h"

#define LEAD 2u
#define LAG  8u
/* With a budget a quantum is a millisecond's worth at most, and not less than this. */
#define QUANTUM_MIN   (4u << 10)
#define BUCKET_QUANTA 4u
#define WAIT_MIN_NS   20000u
#define WAIT_MAX_NS   10000000u
#define NS_PER_SEC    1000000000u
/* Who has work and has given no sign of life for so long is not waited for; then, it may be dead.
 * Whoever lives and has a CPU asks every WAIT_MAX_NS. */
#define ABSENT_NS 20000000u
#define SILENT_NS 100000000u

#define load(p)		atomic_load_explicit(p, memory_order_relaxed)
#define store(p, v)	atomic_store_explicit(p, v, memory_order_relaxed)
#define fetch_add(p, v) atomic_fetch_add_explicit(p, v, memory_order_relaxed)

static void advance(_Atomic uint64_t *p, uint64_t to)
{
	uint64_t old = load(p);

	while (old < to && !atomic_compare_exchange_weak_explicit(p, &old, to, memory_order_relaxed,
								  memory_order_relaxed))
		;
}

static uint64_t quantum(uint64_t rate)
{
	return MAX(MIN(rate / 1000, (uint64_t)FAIR_QUANTUM), (uint64_t)QUANTUM_MIN);
}

static void raise_tag(struct fair *f, struct fair_slot *s, uint64_t behind)
{
	uint64_t vtime = load(&f->vtime);

	if (vtime > behind && load(&s->tag) < vtime - behind)
		store(&s->tag, vtime - behind);
}

void fair_set_rate(struct fair *f, uint64_t rate)
{
	store(&f->rate, rate);
}

uint64_t fair_rate(const struct fair *f)
{
	return load(&f->rate);
}

void fair_join(struct fair *f, unsigned int slot)
{
	struct fair_slot *s = &f->slots[slot];
	uint32_t end = load(&f->end);

	store(&s->waiting, 0);
	store(&s->credit, 0);
	store(&s->silent, 0);
	store(&s->tag, load(&f->vtime));
	store(&s->joined, 1);
	while (end <= slot && !atomic_compare_exchange_weak(&f->end, &end, slot + 1))
		;
}

void fair_leave(struct fair *f, unsigned int slot)
{
	store(&f->slots[slot].waiting, 0);
	store(&f->slots[slot].credit, 0);
	store(&f->slots[slot].joined, 0);
}

void fair_begin(struct fair *f, unsigned int slot)
{
	struct fair_slot *s = &f->slots[slot];

	if (load(&s->waiting))
		return;
	raise_tag(f, s, LEAD * quantum(load(&f->rate)));
	store(&s->silent, 0);
	store(&s->waiting, 1);
}

void fair_end(struct fair *f, unsigned int slot, bool waiting)
{
	if (!waiting)
		store(&f->slots[slot].waiting, 0);
}

/* Whether somebody is behind @s, which says that it has work. Of the dead @to takes the credit. */
static bool is_alive(struct fair_slot *s, struct fair_slot *to, uint64_t now)
{
	uint64_t since = load(&s->silent);
	int64_t credit;

	if (!since) {
		store(&s->silent, now);
		return true;
	}
	if (now < since || now - since < ABSENT_NS)
		return true;
	if (now - since < SILENT_NS)
		return false;
	store(&s->waiting, 0);
	credit = atomic_exchange_explicit(&s->credit, 0, memory_order_relaxed);
	if (credit > 0)
		fetch_add(&to->credit, credit);
	return false;
}

/* Whether somebody who waits has been granted less than this one, by more than @lead. */
static bool is_ahead(struct fair *f, unsigned int slot, uint64_t lead, uint64_t now)
{
	const uint64_t mine = load(&f->slots[slot].tag);
	uint32_t end = MIN(load(&f->end), (uint32_t)FAIR_SLOTS);

	for (uint32_t i = 0; i < end; i++) {
		struct fair_slot *s = &f->slots[i];

		if (i != slot && load(&s->waiting) && load(&s->joined) &&
		    is_alive(s, &f->slots[slot], now) &&
		    (int64_t)(mine - load(&s->tag)) > (int64_t)lead)
			return true;
	}
	return false;
}

static void grant(struct fair *f, struct fair_slot *s, uint64_t bytes)
{
	advance(&f->vtime, load(&s->tag));
	fetch_add(&s->tag, bytes);
	fetch_add(&s->credit, (int64_t)bytes);
}

/* Takes what @cost ns are worth out of the bucket, which holds @deep ns; 0: done, else when. */
static uint64_t take(struct fair *f, uint64_t cost, uint64_t deep, bool only_full, uint64_t now)
{
	uint64_t filled = load(&f->filled), from;

	do {
		/* (A clock that others read later may be ahead of this one's.) */
		from = now > deep && filled < now - deep ? now - deep : filled;
		if (only_full ? from + deep > now : from + cost > now)
			return from + (only_full ? deep : cost) - now;
	} while (!atomic_compare_exchange_weak_explicit(
		&f->filled, &filled, from + cost, memory_order_relaxed, memory_order_relaxed));
	return 0;
}

/* 0: it has some; else when it should ask again. */
static uint64_t get_credit(struct fair *f, unsigned int slot, uint64_t rate, uint64_t now)
{
	struct fair_slot *s = &f->slots[slot];
	uint64_t q = quantum(rate), cost = q * NS_PER_SEC / rate, wait;

	raise_tag(f, s, LAG * q);
	/* A command larger than a quantum is paid off quantum by quantum. */
	while (load(&s->credit) <= 0) {
		wait = take(f, cost, BUCKET_QUANTA * cost, is_ahead(f, slot, LEAD * q, now), now);
		if (wait)
			return MIN(MAX(wait, (uint64_t)WAIT_MIN_NS), (uint64_t)WAIT_MAX_NS);
		grant(f, s, q);
	}
	return 0;
}

uint64_t fair_admit(struct fair *f, unsigned int slot, uint64_t bytes, uint64_t (*now)(void))
{
	struct fair_slot *s = &f->slots[slot];
	uint64_t rate = load(&f->rate), wait;

	if (!rate)
		return 0;
	if (unlikely(load(&s->credit) <= 0)) {
		store(&s->silent, 0);
		store(&s->waiting, 1);
		wait = get_credit(f, slot, rate, now());
		if (wait)
			return wait;
	}
	fetch_add(&s->credit, -(int64_t)bytes);
	return 0;
}
