/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event stream (design D12): map, unmap, fault, interrupt, register access, bind. One ring a
 * process, written without locks, read by the log, the trace, the DMA checker and statistics.
 * Each type is switched on by itself; off, an event costs one predictable branch.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include "base/types.h"

enum event_type {
	EVENT_MAP,	 /* a: iova, b: size, c: host pointer */
	EVENT_UNMAP,	 /* a: iova, b: size */
	EVENT_DMA_FAULT, /* a: iova, b: size, c: enum dma_fault_reason | direction << 8 */
	EVENT_IRQ,	 /* irq/trace.h */
	EVENT_REG_READ,	 /* a: region << 40 | offset, b: width, c: value */
	EVENT_REG_WRITE, /* same */
	EVENT_BIND,	 /* device/trace.h */
	EVENT_RESET,
	EVENT_IRQ_BYPASS, /* irq/trace.h */
	EVENT_MDEV,	  /* mdev/trace.h */
};

struct event {
	uint64_t seq;  /* counts from 1; 0: never written */
	uint64_t nsec; /* CLOCK_MONOTONIC */
	uint32_t type; /* enum event_type */
	uint32_t dev;  /* requester id: domain << 16 | bus << 8 | devfn; ~0: none */
	uint64_t a, b, c;
};

extern uint32_t event_enabled; /* bits of enum event_type */

/* What is emitted from now on: bits of enum event_type. */
static inline void event_switch(uint32_t types)
{
	__atomic_store_n(&event_enabled, types, __ATOMIC_RELAXED);
}

static inline bool event_is_on(enum event_type type)
{
	return __atomic_load_n(&event_enabled, __ATOMIC_RELAXED) >> type & 1;
}

/*
 * Who is told of events of @types (seq 0) at once, on the thread that emits them, which may hold
 * locks and be in signal context: no lock, no allocation. At most one; NULL: nobody. They do not go
 * into the ring then.
 */
void event_set_sink(uint32_t types, void (*fn)(void *arg, const struct event *event), void *arg);

/* Safe in signal context. */
void event_write(enum event_type type, uint32_t dev, uint64_t a, uint64_t b, uint64_t c);

static inline void event_emit(enum event_type type, uint32_t dev, uint64_t a, uint64_t b,
			      uint64_t c)
{
	if (unlikely(event_is_on(type)))
		event_write(type, dev, a, b, c);
}

/* The last sequence number that was given out. */
uint64_t event_last(void);
/* Copies up to @max events with seq > *@seq in order and advances *@seq; returns how many. Events
 * that were overwritten before they could be read are added to *@lost. */
size_t event_read(uint64_t *seq, struct event *events, size_t max, uint64_t *lost);

#endif
