/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kinds of the trace offer to its table (trace.c): one event as a line with its newline;
 * false: it is none. */
#ifndef MACHINE_TRACE_PRIV_H
#define MACHINE_TRACE_PRIV_H

#include "base/event.h"

bool trace_format_mdev(const struct event *event, char *line, size_t size);
bool trace_format_irq(const struct event *event, char *line, size_t size);

#endif
