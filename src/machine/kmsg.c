/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's kernel log: DIR/kmsg, to which every process of the session appends its messages,
 * one write each, in the form of dmesg. Errors of a process that only uses the session go to its
 * stderr too: nobody reads the log unasked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"

/* A log that cannot be written is no reason to fail, but to say so once. */
static void put(int fd, const char *line, size_t len)
{
	static atomic_bool failed;
	const char *why;
	int err = errno;

	if (write(fd, line, len) < 0 && fd != STDERR_FILENO && !atomic_exchange(&failed, true)) {
		why = strerror(errno);
		dprintf(STDERR_FILENO, "uvfio: the session's kernel log cannot be written: %s\n",
			why);
	}
	errno = err;
}

static void kmsg_sink(void *arg, enum log_level level, const char *message)
{
	const struct uvfio_machine *machine = arg;
	struct timespec now;
	char line[640];
	int len;

	clock_gettime(CLOCK_MONOTONIC, &now);
	len = snprintf(line, sizeof(line), "<%d>[%5lld.%06ld] %s\n", (int)level,
		       (long long)now.tv_sec, now.tv_nsec / 1000, message);
	put(machine->kmsg_fd, line, (size_t)MIN(len, (int)sizeof(line) - 1));
	if (level > LOG_ERR || !machine->log_to_stderr)
		return;
	len = snprintf(line, sizeof(line), "uvfio: %s\n", message);
	put(STDERR_FILENO, line, (size_t)MIN(len, (int)sizeof(line) - 1));
}

void kmsg_open(struct uvfio_machine *machine, bool log_to_stderr)
{
	char path[4096];

	machine->kmsg_fd = -1;
	machine->log_to_stderr = log_to_stderr;
	if (session_path(machine->session, "kmsg", path, sizeof(path)))
		return;
	machine->kmsg_fd = fd_move_high(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
	if (machine->kmsg_fd >= 0)
		log_set_sink(kmsg_sink, machine);
}

void kmsg_close(struct uvfio_machine *machine)
{
	if (machine->kmsg_fd < 0)
		return;
	log_set_sink(NULL, NULL);
	fd_close(machine->kmsg_fd);
	machine->kmsg_fd = -1;
}
