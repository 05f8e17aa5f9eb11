/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames over a fork. Linux gives parent and child the same private pages until one of them writes:
 * that one gets another frame, so that a device still writes to the other's. Which of them it is
 * depends on time; here it is always the parent that moved, as far as MADV_DONTFORK has not kept
 * the pages out of the child.
 */
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/sysraw.h"
#include "hostmem/frames_priv.h"

/* "VmFlags: rd wr dc": ranges of /proc/self/smaps that a child does not get. */
struct kept_ranges {
	int fd;
	uint64_t off;
	size_t len, at;
	uintptr_t start, end; /* of the mapping whose lines are read */
	char buf[4096];
};

static bool smaps_line(struct kept_ranges *kept, char *line, size_t size)
{
	size_t len = 0;

	for (;;) {
		if (kept->at == kept->len) {
			ssize_t n = raw_pread(kept->fd, kept->buf, sizeof(kept->buf), kept->off);

			if (n <= 0)
				return false;
			kept->off += (uint64_t)n;
			kept->len = (size_t)n;
			kept->at = 0;
		}
		if (kept->buf[kept->at] == '\n')
			break;
		if (len < size - 1)
			line[len++] = kept->buf[kept->at];
		kept->at++;
	}
	kept->at++;
	line[len] = '\0';
	return true;
}

static bool hex(const char **at, uintptr_t *out)
{
	const char *start = *at;

	for (*out = 0; (**at >= '0' && **at <= '9') || (**at >= 'a' && **at <= 'f'); (*at)++)
		*out = *out << 4 | (uintptr_t)(**at <= '9' ? **at - '0' : **at - 'a' + 10);
	return *at != start;
}

/* The next mapping that the child got. */
static bool next_copied(struct kept_ranges *kept)
{
	char line[160];

	while (smaps_line(kept, line, sizeof(line))) {
		const char *at = line;
		uintptr_t start, end;

		if (hex(&at, &start) && *at++ == '-' && hex(&at, &end) && *at == ' ') {
			kept->start = start;
			kept->end = end;
		} else if (!strncmp(line, "VmFlags:", 8) && !strstr(line, " dc")) {
			return true;
		}
	}
	return false;
}

static bool want_private(uint64_t frame)
{
	return frame_is_private(frame);
}

void frames_fork_prepare(struct frames *frames)
{
	pthread_mutex_lock(&frames->lock);
}

void frames_fork_parent(struct frames *frames, bool copies)
{
	struct kept_ranges kept = { .fd = -1 };

	if (copies && frames->private_pages) {
		kept.fd = (int)sysraw4(SYS_openat, AT_FDCWD, (long)"/proc/self/smaps",
				       O_RDONLY | O_CLOEXEC, 0);
		if (kept.fd < 0)
			pages_withdraw(frames, 0, USER_END, FRAMES_FORK, want_private);
		while (kept.fd >= 0 && next_copied(&kept))
			pages_withdraw(frames, kept.start, kept.end, FRAMES_FORK, want_private);
		if (kept.fd >= 0)
			raw_close(kept.fd);
		pages_sync(frames);
	}
	pthread_mutex_unlock(&frames->lock);
}

void frames_fork_child(struct frames *frames)
{
	pthread_mutex_init(&frames->lock, NULL);
	/* Of calls whose threads are not here. */
	list_init(&frames->leaving);
	atomic_store(&frames->dead, true);
	fd_close(frames->maps_fd);
	fd_close(frames->pagemap_fd);
	frames->maps_fd = frames->pagemap_fd = -1;
	for (unsigned int i = 0; i < GIBS; i++)
		if (atomic_load_explicit(&frames->gibs[i], memory_order_relaxed))
			atomic_store(&frames->gibs[i], NULL);
}
