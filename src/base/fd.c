/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's own fds, marked in a bitmap. They live in the last numbers below the soft
 * RLIMIT_NOFILE, but not above FD_BASE_MAX: the kernel's table of a process grows up to the highest
 * number in use and is copied at each fork. When the numbers there are all taken, lower ones serve.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "base/failpoint.h"
#include "base/sysraw.h"

#define FD_LIMIT    (1U << 20) /* numbers that the bitmap covers */
#define FD_BASE_MAX 65536U
#define FD_ROOM	    1024U /* how far below the limit the own numbers begin, if the limit allows */

static atomic_ulong own_fds[FD_LIMIT / 64];
atomic_uint fd_own_count;

static unsigned int fd_base(void)
{
	struct rlimit limit;
	uint64_t soft;

	if (sysraw4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit))
		return FD_ROOM / 2;
	soft = MIN((uint64_t)limit.rlim_cur, (uint64_t)FD_LIMIT);
	return (unsigned int)MIN(soft - MIN(soft / 4, FD_ROOM), FD_BASE_MAX);
}

static void mark_own(int fd, bool own)
{
	atomic_ulong *word = &own_fds[(unsigned int)fd / 64];
	unsigned long bit = 1UL << ((unsigned int)fd % 64);

	if (own && !(atomic_fetch_or(word, bit) & bit))
		atomic_fetch_add(&fd_own_count, 1);
	else if (!own && (atomic_fetch_and(word, ~bit) & bit))
		atomic_fetch_sub(&fd_own_count, 1);
}

int fd_move_high(int fd)
{
	unsigned int base;
	int high = -EMFILE;

	if (FAIL_POINT()) {
		fd_close(fd);
		return -EMFILE;
	}
	for (base = fd_base(); base >= 3; base /= 2) {
		high = raw_fcntl(fd, F_DUPFD_CLOEXEC, (long)base);
		if (high != -EMFILE && high != -EINVAL)
			break;
	}
	raw_close(fd);
	if (high < 0)
		return high;
	if ((unsigned int)high >= FD_LIMIT) {
		raw_close(high);
		return -EMFILE;
	}
	mark_own(high, true);
	return high;
}

/* A limit of the program's files is none of a device's memory: beyond it is a signal that ends the
 * program, so that the limit is lifted meanwhile, or, where it cannot be, the size refused. */
int fd_set_size(int fd, uint64_t size)
{
	struct rlimit limit, lifted;
	int ret;

	if (sysraw4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) || limit.rlim_cur >= size)
		return raw_ftruncate(fd, size);
	if (limit.rlim_max < size)
		return -EFBIG;
	lifted = (struct rlimit){ limit.rlim_max, limit.rlim_max };
	ret = (int)sysraw4(SYS_prlimit64, 0, RLIMIT_FSIZE, (long)&lifted, 0);
	if (ret)
		return ret;
	ret = raw_ftruncate(fd, size);
	sysraw4(SYS_prlimit64, 0, RLIMIT_FSIZE, (long)&limit, 0);
	return ret;
}

int fd_memfd(const char *name, uint64_t size)
{
	int fd, ret;

	fd = raw_memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = fd_set_size(fd, size);
	if (ret) {
		raw_close(fd);
		/* Memory, not a disk. */
		return ret == -ENOSPC ? -ENOMEM : ret;
	}
	return fd_move_high(fd);
}

/* The signal that this write makes is taken away; one that was pending before stays. */
long fd_writev_quietly(int fd, const struct iovec *pieces, unsigned int count)
{
	uint64_t quiet = 1ULL << (SIGPIPE - 1) | 1ULL << (SIGXFSZ - 1), pending = 0, mask;
	const struct timespec at_once = { 0 };
	long n;

	sysraw4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&quiet, (long)&mask, sizeof(mask));
	sysraw3(SYS_rt_sigpending, (long)&pending, sizeof(pending), 0);
	do
		n = sysraw3(SYS_writev, fd, (long)pieces, (long)count);
	while (n == -EINTR);
	quiet &= ~pending;
	if ((n == -EPIPE || n == -EFBIG) && quiet)
		sysraw4(SYS_rt_sigtimedwait, (long)&quiet, 0, (long)&at_once, sizeof(quiet));
	sysraw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof(mask));
	return n;
}

void fd_close(int fd)
{
	if (fd < 0)
		return;
	/* Before the number can be given to somebody else. */
	if ((unsigned int)fd < FD_LIMIT)
		mark_own(fd, false);
	raw_close(fd);
}

bool fd_look_own(int fd)
{
	if (fd < 0 || (unsigned int)fd >= FD_LIMIT)
		return false;
	return atomic_load_explicit(&own_fds[(unsigned int)fd / 64], memory_order_relaxed) >>
		       ((unsigned int)fd % 64) &
	       1;
}

int fd_next_own(int fd)
{
	unsigned int i, from = fd < 0 ? 0 : (unsigned int)fd;
	unsigned long word;

	for (i = from / 64; i < ARRAY_SIZE(own_fds); i++) {
		word = atomic_load_explicit(&own_fds[i], memory_order_relaxed);
		if (i == from / 64)
			word &= ~0UL << (from % 64);
		if (word)
			return (int)(i * 64 + (unsigned int)__builtin_ctzl(word));
	}
	return -1;
}
