/* SPDX-License-Identifier: BSD-3-Clause */
#include "device/trace.h"

#include <string.h>

#include "base/following.h"

/* Steps that this thread has entered while the events were on. */
static _Thread_local unsigned int depth __attribute__((tls_model("initial-exec")));

void trace_bind_write(const struct device *dev, enum bind_step step, uint64_t b, uint64_t c)
{
	if (!lib_following)
		event_emit(EVENT_BIND, dev->requester, BIND_EVENT(step, depth, false), b, c);
}

void trace_bind_enter_write(const struct device *dev, enum bind_step step, uint64_t b, uint64_t c)
{
	trace_bind_write(dev, step, b, c);
	if (!lib_following)
		depth++;
}

void trace_bind_leave_write(const struct device *dev, enum bind_step step, int ret)
{
	if (lib_following)
		return;
	/* 0: they were switched on in between. */
	if (depth)
		depth--;
	event_emit(EVENT_BIND, dev->requester, BIND_EVENT(step, depth, true),
		   (uint64_t)(int64_t)ret, 0);
}

void trace_bind_driver_write(const struct device *dev, enum bind_step step, const char *name)
{
	uint64_t words[2] = { 0 };

	memcpy(words, name, MIN(strlen(name), sizeof(words)));
	trace_bind_enter_write(dev, step, words[0], words[1]);
}
