/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages go to one sink. A sink is published as one pointer to a slot that is written before and
 * not reused for the next few changes, so that printing takes no lock and a sink may print itself.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/types.h"

#define LOG_LINE 512

struct log_sink {
	log_sink_fn fn;
	void *arg;
};

static struct log_sink log_slots[16];
static atomic_uint log_slot_next;
static _Atomic(struct log_sink *) log_sink;

void log_set_sink(log_sink_fn fn, void *arg)
{
	struct log_sink *slot;

	if (!fn) {
		atomic_store(&log_sink, NULL);
		return;
	}
	slot = &log_slots[atomic_fetch_add(&log_slot_next, 1) % ARRAY_SIZE(log_slots)];
	slot->fn = fn;
	slot->arg = arg;
	atomic_store_explicit(&log_sink, slot, memory_order_release);
}

void log_print(enum log_level level, const char *format, ...)
{
	struct log_sink *sink = atomic_load_explicit(&log_sink, memory_order_acquire);
	char line[LOG_LINE];
	va_list args;
	int len;

	if (!sink)
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0)
		return;
	len = MIN(len, (int)sizeof(line) - 1);
	while (len > 0 && line[len - 1] == '\n')
		line[--len] = '\0';
	sink->fn(sink->arg, level, line);
}
