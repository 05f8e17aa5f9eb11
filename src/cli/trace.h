/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace of a session, shown while its command runs (machine/trace.h). */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct session;

struct trace_reader {
	struct session *session;
	uint32_t kinds; /* 0: nothing is traced */
	int in, notify; /* -1: not started */
	int out;	/* stderr, or the user's file */
};

#define TRACE_READER_INIT                                    \
	{                                                    \
		.in = -1, .notify = -1, .out = STDERR_FILENO \
	}

/* Each: 0, or EXIT_USAGE with a message. */
int trace_reader_output(struct trace_reader *reader, const char *path);
/* @from_start: also what is in the trace already. */
int trace_reader_start(struct trace_reader *reader, struct session *session, bool from_start);
/* reader->notify can be read. */
void trace_reader_work(struct trace_reader *reader);
/* The last lines, and the end of the trace. */
void trace_reader_end(struct trace_reader *reader);

#endif
