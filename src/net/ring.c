/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A station's receive ring: records of a length and a frame, many producers, one consumer, in
 * memory that other processes may scribble over. Whatever is read from it is read once and checked
 * before it is used; frames are copied out before anybody looks into them.
 *
 * Order. Put: record, then `tail` (release), then a full fence and a look at `sleeping`; the owner
 * stores `sleeping`, fence, then looks at `tail`: one of the two sees the other. The same pair
 * between `waiters` and `head`: a sender that finds no room says so and looks at `head` once more,
 * a consumer stores `head` and then looks at `waiters`.
 */
#include <errno.h>
#include <string.h>

#include "net/wire_priv.h"

/* Senders go on when so much is free, so that a full ring does not cost a wake-up a frame. */
#define RESUME_ROOM (NET_RING_SIZE / 2)

int net_ring_lock(struct net_station *station)
{
	int ret = pthread_mutex_lock(&station->producers);

	/* Its holder died: what it was writing lies behind `tail`, nobody has seen it. */
	if (ret == EOWNERDEAD)
		ret = pthread_mutex_consistent(&station->producers);
	return -ret;
}

void net_ring_unlock(struct net_station *station)
{
	pthread_mutex_unlock(&station->producers);
}

static uint32_t used(const struct net_station *station, memory_order order)
{
	uint32_t tail = atomic_load_explicit(&station->tail, memory_order_relaxed);

	/* Pairs with the consumer's release: it has done with what is overwritten. */
	return tail - atomic_load_explicit(&station->head, order);
}

bool net_ring_room(const struct net_station *station, uint32_t len)
{
	uint32_t filled = used(station, memory_order_acquire);

	return filled <= NET_RING_SIZE && NET_RING_SIZE - filled >= net_record_size(len);
}

bool net_ring_wait(struct net_station *station, uint32_t len, unsigned int from)
{
	/* Two full orders: see above. */
	uint32_t before = atomic_fetch_or(&station->waiters, BIT(from));

	atomic_thread_fence(memory_order_seq_cst);
	if (net_ring_room(station, len)) {
		/* A resume that comes all the same does no harm. */
		atomic_fetch_and(&station->waiters, ~BIT(from));
		return false;
	}
	if (!(before & BIT(from)))
		atomic_fetch_add_explicit(&station->xoff, 1, memory_order_relaxed);
	return true;
}

void net_ring_put(struct net_station *station, uint8_t *ring, unsigned int from,
		  const struct iovec *iov, unsigned int count, uint32_t len)
{
	uint32_t tail = atomic_load_explicit(&station->tail, memory_order_relaxed);
	uint8_t *to = ring + (tail & (NET_RING_SIZE - 1));
	const struct net_record record = { .len = len, .src = from };

	memcpy(to, &record, sizeof(record));
	to += sizeof(record);
	for (unsigned int i = 0; i < count; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	atomic_store_explicit(&station->tail, tail + net_record_size(len), memory_order_release);
}

bool net_ring_empty(const struct net_station *station)
{
	return atomic_load_explicit(&station->tail, memory_order_acquire) ==
	       atomic_load_explicit(&station->head, memory_order_relaxed);
}

/* Positions or a record that no producer of ours has written: all of it is thrown away. */
static void restart(struct net_station *station)
{
	net_ring_lock(station);
	atomic_store(&station->head, 0);
	atomic_store(&station->tail, 0);
	net_ring_unlock(station);
	atomic_fetch_add_explicit(&station->missed, 1, memory_order_relaxed);
}

uint32_t net_ring_peek(struct net_station *station, const uint8_t *ring, void *frame,
		       unsigned int *from)
{
	/* Pairs with the producer's release: the record is there. */
	uint32_t tail = atomic_load_explicit(&station->tail, memory_order_acquire);
	uint32_t head = atomic_load_explicit(&station->head, memory_order_relaxed);
	uint32_t filled = tail - head;
	const uint8_t *at = ring + (head & (NET_RING_SIZE - 1));
	struct net_record record;

	if (!filled)
		return 0;
	if (filled > NET_RING_SIZE || (filled | head) % NET_RING_ALIGN) {
		restart(station);
		return 0;
	}
	record.len = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED);
	record.src = __atomic_load_n((const uint32_t *)(const void *)(at + 4), __ATOMIC_RELAXED);
	if (record.len < NET_FRAME_MIN || record.len > NET_FRAME_MAX ||
	    net_record_size(record.len) > filled || record.src >= NET_ALL) {
		restart(station);
		return 0;
	}
	memcpy(frame, at + sizeof(record), record.len);
	*from = record.src;
	return record.len;
}

void net_ring_resume(struct net_wire *wire, struct net_station *station)
{
	uint32_t waiters = atomic_exchange(&station->waiters, 0);

	for (unsigned int i = 0; waiters && i < NET_ALL; i++) {
		struct net_station *waiter = net_station(wire, i);

		if (!(waiters & BIT(i)))
			continue;
		waiters &= ~BIT(i);
		atomic_fetch_add_explicit(&station->xon, 1, memory_order_relaxed);
		atomic_store(&waiter->resume, 1);
		net_station_ring_bell(waiter);
	}
}

void net_ring_drop(struct net_wire *wire, struct net_station *station, uint32_t len)
{
	uint32_t head = atomic_load_explicit(&station->head, memory_order_relaxed);

	/* Release: the frame has been copied out. */
	atomic_store_explicit(&station->head, head + net_record_size(len), memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&station->waiters, memory_order_relaxed)) &&
	    used(station, memory_order_relaxed) <= NET_RING_SIZE - RESUME_ROOM)
		net_ring_resume(wire, station);
}
