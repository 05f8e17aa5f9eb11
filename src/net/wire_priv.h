/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ports of a wire share: a pointer-free struct and the rings behind it, in one file.
 *
 * Vocabulary: a wire has two ends; a card is at one end; each end has stations, the functions of
 * its card. A station's number on the wire is end * NET_STATIONS + station.
 *
 * A station is owned by the port's thread of the process that has opened it: the thread holds
 * `owner` as long as it lives, so that its death at any instant (kill, exec, exit) is seen by
 * whoever tries the mutex. A station's ring has many producers, which take `producers` in turn, and
 * one consumer, the owner. A producer that dies has published nothing of what it was writing, since
 * `tail` is stored last: there is nothing to mend.
 */
#ifndef NET_WIRE_PRIV_H
#define NET_WIRE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/port.h"

#define NET_MAGIC      0x6572697775ULL /* "uwire" */
#define NET_VERSION    1
#define NET_ENDS       2
#define NET_ALL	       (NET_ENDS * NET_STATIONS)
#define NET_RING_SIZE  (256U << 10) /* a power of two, whole pages; 27 of the longest frames */
#define NET_RING_ALIGN 8U
#define NET_CARD_LEN   16
#define NET_OFF_RINGS  (16U << 10) /* of the first ring in the file */
#define NET_CACHE_LINE 64

_Static_assert((NET_RING_SIZE & (NET_RING_SIZE - 1)) == 0, "positions wrap with 32 bits");

/* Stands in the ring before each frame. */
struct net_record {
	uint32_t len; /* of the frame, which follows, padded to NET_RING_ALIGN */
	uint32_t src; /* the sender's number on the wire */
};

struct net_station {
	pthread_mutex_t owner;	   /* robust; held by the thread that owns the station */
	pthread_mutex_t producers; /* robust; who writes into the ring */
	_Atomic uint32_t attached; /* 1: frames are wanted */
	_Atomic uint64_t missed;   /* frames lost with flow=off */
	_Atomic uint64_t xoff;	   /* how often a sender was told to wait, and to go on */
	_Atomic uint64_t xon;

	/* Bytes ever written and ever read, modulo 2^32. */
	_Alignas(NET_CACHE_LINE) _Atomic uint32_t tail; /* under `producers` */
	_Alignas(NET_CACHE_LINE) _Atomic uint32_t head; /* the owner's */
	/* Stations that wait for room in this ring, by number on the wire. */
	_Alignas(NET_CACHE_LINE) _Atomic uint32_t waiters;
	/* The doorbell: the owner sleeps on `bell` as a futex after having set `sleeping`. */
	_Alignas(NET_CACHE_LINE) _Atomic uint32_t bell;
	_Atomic uint32_t sleeping;
	_Atomic uint32_t resume; /* room has come where this station waited */
};

struct net_end {
	char card[NET_CARD_LEN];   /* under the file's lock; "": free */
	_Atomic uint32_t on;	   /* the card's transmitter */
	_Atomic uint32_t recorded; /* 1: the pcap file of this session has been begun */
	struct net_station station[NET_STATIONS];
};

struct net_wire_file {
	uint64_t magic; /* written last */
	uint32_t version, size;
	_Atomic uint32_t changes; /* of anything that makes links: stations, transmitters */
	struct net_end end[NET_ENDS];
};

_Static_assert(sizeof(struct net_wire_file) <= NET_OFF_RINGS, "the rings are behind it");

/* A process' view of a wire. */
struct net_wire {
	struct net_wire_file *file;
	enum net_kind kind;
	unsigned int end; /* this card's */
	/* Each ring is mapped twice in a row, so that a frame never wraps. */
	uint8_t *ring[NET_ALL];
	int fd;
};

static inline struct net_station *net_station(const struct net_wire *wire, unsigned int number)
{
	return &wire->file->end[number / NET_STATIONS].station[number % NET_STATIONS];
}

static inline unsigned int net_peer(const struct net_wire *wire)
{
	return wire->kind == NET_LOOP ? wire->end : !wire->end;
}

/* wire.c */

/*
 * Opens the wire's file and finds the card's end. @dir may be NULL (nobody else can join). @card of
 * a pump (tap.c) is "tap". -EBUSY: two other cards are there.
 */
int net_wire_open(const struct net_config *config, const char *dir, const char *card,
		  struct net_wire *wire);
void net_wire_close(struct net_wire *wire);
/* The caller's thread owns the station from now on: room for its ring, an empty ring. -EBUSY:
 * another thread does. */
int net_station_attach(struct net_wire *wire, unsigned int number);
void net_station_detach(struct net_wire *wire, unsigned int number);
/* Whether the owner is gone without having said so; then it is detached. */
bool net_station_dead(struct net_wire *wire, unsigned int number);
/* Stations of @end that are attached, as bits. */
uint32_t net_end_stations(const struct net_wire *wire, unsigned int end);
void net_wire_set_on(struct net_wire *wire, bool on);
bool net_wire_link(const struct net_wire *wire);
/* Wakes the owner, when it sleeps, after something was stored that it looks at. */
void net_station_ring_bell(struct net_station *station);
/* Sleeps until the bell rings, *@stop is set or @timeout_ms have passed; -1: for ever. @busy is
 * asked once more after going to sleep has been announced. False: the time is over. */
bool net_station_sleep(struct net_station *station, bool (*busy)(void *arg), void *arg,
		       int timeout_ms);

/* ring.c */

/* What a frame of @len bytes takes. */
static inline uint32_t net_record_size(uint32_t len)
{
	return (uint32_t)sizeof(struct net_record) + ALIGN_UP(len, NET_RING_ALIGN);
}

int net_ring_lock(struct net_station *station);
void net_ring_unlock(struct net_station *station);
/* Producers' lock held. Whether @len more bytes fit. A consumer that talks nonsense has no room. */
bool net_ring_room(const struct net_station *station, uint32_t len);
/* Producers' lock held. @from waits until there is room; false: there is room now. */
bool net_ring_wait(struct net_station *station, uint32_t len, unsigned int from);
/* Producers' lock held, there is room. */
void net_ring_put(struct net_station *station, uint8_t *ring, unsigned int from,
		  const struct iovec *iov, unsigned int count, uint32_t len);
/* The owner alone. */
bool net_ring_empty(const struct net_station *station);
/* Copies the first frame into @frame (of NET_FRAME_MAX bytes), which stays in the ring; 0: none. A
 * ring with nonsense in it is emptied. */
uint32_t net_ring_peek(struct net_station *station, const uint8_t *ring, void *frame,
		       unsigned int *from);
/* Takes it out. */
void net_ring_drop(struct net_wire *wire, struct net_station *station, uint32_t len);
/* Everybody who waits for room here is told that there may be some. */
void net_ring_resume(struct net_wire *wire, struct net_station *station);

#endif
