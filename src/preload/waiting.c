/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll and ppoll for files of ours that make somebody wait (/dev/kmsg). The kernel takes their
 * memfd for a file that is always ready: libc is asked about the others alone, for a short time,
 * again and again. select and epoll do not do this (docs/limits.md).
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "file/file.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/waiting.h"
#include "preload/wrappers.h"

#define SLICE_MSEC 20
#define FDS_MAX	   1024

/* Which of @fds are ours and may wait, and what they are ready for; -1: not ours. Returns how many
 * are ours; *@ready: how many of these are ready. */
static unsigned int look(const struct pollfd *fds, nfds_t n, int *events, int *ready)
{
	unsigned int ours = 0;

	*ready = 0;
	for (nfds_t i = 0; i < n; i++) {
		struct file *file = file_fd_maybe(fds[i].fd) ? file_from_fd(fds[i].fd) : NULL;

		events[i] = -1;
		if (!file)
			continue;
		if (file_waits(file)) {
			events[i] = file_poll(file) & (fds[i].events | POLLERR | POLLHUP);
			ours++;
			*ready += events[i] != 0;
		}
		file_put(file);
	}
	return ours;
}

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The result or -errno; 1 << 30: none of ours waits. Depth raised. */
static int wait_for(struct pollfd *fds, nfds_t n, int64_t timeout, const sigset_t *set)
{
	int64_t end = timeout < 0 ? INT64_MAX : now_msec() + timeout, left;
	struct pollfd others[FDS_MAX];
	int events[FDS_MAX], ready, ret;
	struct timespec slice;

	if (n > FDS_MAX || !look(fds, n, events, &ready))
		return POLL_NOT_OURS;
	for (;;) {
		for (nfds_t i = 0; i < n; i++) {
			others[i] = fds[i];
			if (events[i] >= 0)
				others[i].fd = -1;
		}
		left = end == INT64_MAX ? SLICE_MSEC : end - now_msec();
		left = ready || left < 0 ? 0 : MIN(left, (int64_t)SLICE_MSEC);
		slice = (struct timespec){ .tv_nsec = left * 1000000 };
		ret = ppoll(others, n, &slice, set);
		if (ret < 0)
			return -errno;
		look(fds, n, events, &ready);
		if (ret || ready || (end != INT64_MAX && now_msec() >= end))
			break;
	}
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = events[i] >= 0 ? (short)events[i] : others[i].revents;
	return ret + ready;
}

bool poll_files(int *ret, struct pollfd *fds, nfds_t n, int64_t timeout, const sigset_t *set)
{
	struct door door;
	int result;

	door_enter(&door);
	result = wait_for(fds, n, timeout, set);
	if (result == POLL_NOT_OURS) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, result);
	return true;
}

bool door_poll(int *ret, struct pollfd *fds, nfds_t n, int timeout)
{
	return poll_files(ret, fds, n, timeout, NULL);
}
