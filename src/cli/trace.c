/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio run --trace`: lines that the session's processes append to its trace go to stderr or to a
 * file. inotify says when there are some.
 */
#include "cli/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cli/cli.h"
#include "machine/session.h"
#include "machine/trace.h"

int trace_reader_output(struct trace_reader *reader, const char *path)
{
	reader->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (reader->out < 0)
		return fail("--trace-file=%s: %s", path, strerror(errno));
	return 0;
}

int trace_reader_start(struct trace_reader *reader, struct session *session, bool from_start)
{
	char path[4096];
	int ret;

	if (!reader->kinds)
		return 0;
	ret = trace_switch(session, reader->kinds, true);
	if (!ret)
		reader->in = trace_open(session);
	if (ret || reader->in < 0)
		return fail("the session cannot be traced: %s", strerror(ret ? -ret : -reader->in));
	if (from_start)
		lseek(reader->in, 0, SEEK_SET);
	reader->session = session;
	reader->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	snprintf(path, sizeof(path), "%s/trace", session_dir(session));
	if (reader->notify < 0 || inotify_add_watch(reader->notify, path, IN_MODIFY) < 0)
		return fail("the session cannot be traced: %s", strerror(errno));
	return 0;
}

void trace_reader_work(struct trace_reader *reader)
{
	char buf[4096];
	ssize_t n;

	if (reader->in < 0)
		return;
	/* What they say is not needed, only that they come. */
	while (read(reader->notify, buf, sizeof(buf)) > 0)
		;
	while ((n = read(reader->in, buf, sizeof(buf))) > 0)
		if (write(reader->out, buf, (size_t)n) < 0)
			break;
}

void trace_reader_end(struct trace_reader *reader)
{
	if (reader->in < 0)
		return;
	trace_switch(reader->session, reader->kinds, false);
	trace_reader_work(reader);
	close(reader->in);
	close(reader->notify);
	if (reader->out != STDERR_FILENO)
		close(reader->out);
	reader->in = reader->notify = -1;
}
