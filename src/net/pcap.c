/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recording frames (net/pcap_priv.h). One file may be shared by ports and processes: it is opened
 * for appending and each record is one writev(2), which the kernel does not interleave with others
 * (the inode's lock); the file header is written under flock.
 */
#include "net/pcap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define LINKTYPE_ETHERNET 1U
#define SNAPLEN		  65535U
/* Pieces of a frame: what the port is given, and the record's header. */
#define MAX_PIECES 64U

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t snaplen, linktype;
};

struct record_header {
	uint32_t seconds, nanoseconds, captured, len;
};

_Static_assert(sizeof(struct file_header) == 24, "section 4");
_Static_assert(sizeof(struct record_header) == 16, "section 5");

static int begin(int fd, _Atomic uint32_t *begun)
{
	const struct file_header header = { .magic = MAGIC_NANOSECONDS,
					    .major = 2,
					    .minor = 4,
					    .snaplen = SNAPLEN,
					    .linktype = LINKTYPE_ETHERNET };
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (atomic_exchange(begun, 1) && st.st_size)
		return 0;
	/* A FIFO or a device cannot be cut and need not. */
	if (S_ISREG(st.st_mode) && ftruncate(fd, 0) < 0)
		return -errno;
	n = write(fd, &header, sizeof(header));
	return n < 0 ? -errno : n == sizeof(header) ? 0 : -ENOSPC;
}

int net_pcap_check(const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	if (!stat(path, &st))
		return S_ISDIR(st.st_mode) ? -EISDIR : access(path, W_OK) < 0 ? -errno : 0;
	if (errno != ENOENT)
		return -errno;
	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return -ENAMETOOLONG;
	return access(dirname(folder), W_OK | X_OK) < 0 ? -errno : 0;
}

int net_pcap_open(struct net_pcap *pcap, const char *path, _Atomic uint32_t *begun)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666), ret;

	if (fd < 0)
		return -errno;
	fd = fd_move_high(fd);
	if (fd < 0)
		return fd;
	flock(fd, LOCK_EX);
	ret = begin(fd, begun);
	flock(fd, LOCK_UN);
	if (ret) {
		fd_close(fd);
		return ret;
	}
	atomic_store(&pcap->fd, fd);
	return 0;
}

void net_pcap_close(struct net_pcap *pcap)
{
	fd_close(atomic_exchange(&pcap->fd, -1));
}

void net_pcap_record(struct net_pcap *pcap, const struct iovec *iov, unsigned int count,
		     uint32_t len)
{
	struct record_header header = { .captured = len, .len = len };
	struct iovec pieces[MAX_PIECES];
	int fd = atomic_load_explicit(&pcap->fd, memory_order_relaxed);
	struct timespec now;

	if (likely(fd < 0) || count >= MAX_PIECES)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	header.seconds = (uint32_t)now.tv_sec;
	header.nanoseconds = (uint32_t)now.tv_nsec;
	pieces[0] = (struct iovec){ &header, sizeof(header) };
	for (unsigned int i = 0; i < count; i++)
		pieces[i + 1] = iov[i];
	if (fd_writev_quietly(fd, pieces, count + 1) != (long)(sizeof(header) + len))
		net_pcap_close(pcap);
}
