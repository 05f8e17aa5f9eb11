/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair sharing of one medium between its instances, across processes: a deficit round robin without
 * rounds. Each instance moves data on credit; credit is granted in quanta, and who has been granted
 * more than another that waits gets no more until that one has caught up.
 *
 * struct fair is pointer-free and stands in the session's shared state. Every instance writes to
 * its own cache line alone while it has credit; the others' are looked at once a quantum. No lock,
 * no system call: the caller does the waiting.
 *
 * What is shared is a budget (fair_set_rate()): quanta come out of a bucket that fills at this
 * rate. An instance that is ahead may still have them when the bucket is full, since then nobody
 * else takes them: the budget is used up whenever anybody has work. Who gives no sign of life for a
 * while although it has work has stopped or died: nobody waits for it any more, and who noticed
 * takes its credit.
 *
 * Without a budget nothing is scarce but CPU time, which the kernel shares: nobody waits for
 * anybody, and nothing is counted.
 */
#ifndef DRIVERS_NVME_MDEV_FAIR_H
#define DRIVERS_NVME_MDEV_FAIR_H

#include <stdatomic.h>

#include "base/types.h"

#define FAIR_SLOTS   1024
#define FAIR_QUANTUM (256u << 10) /* bytes; smaller ones with a small budget */

/* An instance. The tag is its owner's to write; credit and waiting may be taken away. */
struct fair_slot {
	_Alignas(64) _Atomic uint64_t tag; /* bytes granted since the session began */
	_Atomic int64_t credit;		   /* of them not used yet; below 0: overdrawn */
	_Atomic uint32_t waiting;	   /* commands are there: 1 */
	_Atomic uint32_t joined;
	/* Since when others see it wait without a sign of life; 0: they have not looked yet. */
	_Atomic uint64_t silent;
};

struct fair {
	_Atomic uint64_t rate;	 /* bytes a second; 0: no budget */
	_Atomic uint64_t vtime;	 /* the tag that was served last */
	_Atomic uint64_t filled; /* ns: the bucket's content is what came in since then */
	_Atomic uint32_t end;	 /* slots from here on were never joined */
	struct fair_slot slots[FAIR_SLOTS];
};

/* A new budget in bytes a second, 0: none. At once, for everybody. */
void fair_set_rate(struct fair *f, uint64_t rate);
uint64_t fair_rate(const struct fair *f);

/* An instance is there, or is there no longer; what credit it had is gone. */
void fair_join(struct fair *f, unsigned int slot);
void fair_leave(struct fair *f, unsigned int slot);

/* It has commands (again): before its first fair_admit(). */
void fair_begin(struct fair *f, unsigned int slot);
/* @waiting: it still has some and will go on. */
void fair_end(struct fair *f, unsigned int slot, bool waiting);

/*
 * May instance @slot move @bytes? 0: yes; else it should ask again in so many nanoseconds. @now:
 * CLOCK_MONOTONIC in ns, asked for when it is needed.
 */
uint64_t fair_admit(struct fair *f, unsigned int slot, uint64_t bytes, uint64_t (*now)(void));

#endif
