/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event ring. A writer takes the next sequence number, claims the number's slot and publishes
 * it; nobody waits for anybody, so that a signal handler may write while it interrupts a writer.
 *
 * A slot's state is seq << 1 | busy. Invariants: only the writer that made a slot busy writes its
 * fields; a state never goes back. A writer that finds its slot busy or newer has been overtaken by
 * a whole ring and drops its event; readers count what they miss as lost.
 */
#include "base/event.h"

#include <stdatomic.h>
#include <time.h>

#define EVENT_SLOTS 4096 /* a power of two */
/* A slot that is not published while this many newer events exist is given up. */
#define EVENT_PATIENCE (EVENT_SLOTS / 2)

struct event_slot {
	atomic_ullong state;
	/* nsec, type << 32 | dev, a, b, c. Release stores: who sees one sees the busy state too;
	 * acquire loads: the state is looked at again after them. */
	atomic_ullong word[5];
};

uint32_t event_enabled;
static struct event_slot event_slots[EVENT_SLOTS];
static atomic_ullong event_head; /* the last sequence number given out */

typedef void (*event_sink_fn)(void *arg, const struct event *event);
static _Atomic(event_sink_fn) sink;
static void *_Atomic sink_arg;
static _Atomic uint32_t sink_types;

void event_set_sink(uint32_t types, void (*fn)(void *arg, const struct event *event), void *arg)
{
	/* Nobody is called with another's argument. */
	atomic_store(&sink, NULL);
	atomic_store(&sink_arg, arg);
	atomic_store(&sink_types, types);
	atomic_store(&sink, fn);
}

static bool tell_sink(const struct event *event)
{
	event_sink_fn fn = atomic_load(&sink);

	if (!fn || !(atomic_load_explicit(&sink_types, memory_order_relaxed) >> event->type & 1))
		return false;
	fn(atomic_load(&sink_arg), event);
	return true;
}

static uint64_t now_nsec(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void ring_put(const struct event *event)
{
	uint64_t seq = atomic_fetch_add(&event_head, 1) + 1;
	struct event_slot *slot = &event_slots[seq % EVENT_SLOTS];
	unsigned long long state = atomic_load_explicit(&slot->state, memory_order_relaxed);
	const uint64_t words[5] = { event->nsec, (uint64_t)event->type << 32 | event->dev, event->a,
				    event->b, event->c };

	if ((state & 1) || state >> 1 >= seq)
		return;
	if (!atomic_compare_exchange_strong(&slot->state, &state, seq << 1 | 1))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		atomic_store_explicit(&slot->word[i], words[i], memory_order_release);
	atomic_store_explicit(&slot->state, seq << 1, memory_order_release);
}

void event_write(enum event_type type, uint32_t dev, uint64_t a, uint64_t b, uint64_t c)
{
	const struct event event = {
		.nsec = now_nsec(), .type = type, .dev = dev, .a = a, .b = b, .c = c
	};

	if (!tell_sink(&event))
		ring_put(&event);
}

uint64_t event_last(void)
{
	return atomic_load_explicit(&event_head, memory_order_acquire);
}

/* 1: *@event is event @seq; 0: not published yet; -1: overwritten. */
static int event_slot_read(uint64_t seq, struct event *event)
{
	struct event_slot *slot = &event_slots[seq % EVENT_SLOTS];
	unsigned long long state = atomic_load_explicit(&slot->state, memory_order_acquire);
	uint64_t words[5];
	size_t i;

	if (state >> 1 > seq)
		return -1;
	if (state != seq << 1)
		return 0;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = atomic_load_explicit(&slot->word[i], memory_order_acquire);
	if (atomic_load_explicit(&slot->state, memory_order_relaxed) != state)
		return -1;
	event->seq = seq;
	event->nsec = words[0];
	event->type = (uint32_t)(words[1] >> 32);
	event->dev = (uint32_t)words[1];
	event->a = words[2];
	event->b = words[3];
	event->c = words[4];
	return 1;
}

size_t event_read(uint64_t *seq, struct event *events, size_t max, uint64_t *lost)
{
	uint64_t head = atomic_load_explicit(&event_head, memory_order_acquire);
	size_t count = 0;

	if (head > *seq && head - *seq > EVENT_SLOTS) {
		*lost += head - *seq - EVENT_SLOTS;
		*seq = head - EVENT_SLOTS;
	}
	while (count < max && *seq < head) {
		int ret = event_slot_read(*seq + 1, &events[count]);

		if (ret == 0 && head - *seq <= EVENT_PATIENCE)
			break;
		if (ret == 1)
			count++;
		else
			(*lost)++;
		(*seq)++;
	}
	return count;
}
