/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio run --trace`: events of the session's processes as lines of text. A process writes the
 * lines of what it did to the file DIR/trace, and who asked for them reads them there. Kinds of
 * events are rows of a table (trace.c); the session file says which ones are wanted.
 */
#ifndef MACHINE_TRACE_H
#define MACHINE_TRACE_H

#include "base/types.h"

struct session;
struct uvfio_machine;

/* "bind", or several kinds with commas: their bits. 0 or -EINVAL with a sentence in @err. */
int trace_parse(const char *text, uint32_t *kinds, char *err, size_t err_size);
/* Switches kinds on or off for the whole session; the file is there then. 0 or -errno. */
int trace_switch(struct session *session, uint32_t kinds, bool on);
/* Opens DIR/trace for reading, at its end. The fd or -errno. */
int trace_open(const struct session *session);

/* This process emits what the session wants. */
void trace_follow(struct uvfio_machine *machine);
void trace_stop(struct uvfio_machine *machine);
/* No thread of the machine's is left that might be writing a line that began before. */
void trace_close(struct uvfio_machine *machine);
/* What was emitted since the last time goes out. Core's lock held. */
void trace_flush(struct uvfio_machine *machine);

#endif
