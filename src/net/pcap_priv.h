/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recording frames in libpcap's file format, with nanoseconds (the file header of 24 bytes and the
 * record header of 16 in draft-ietf-opsawg-pcap, sections 4 and 5).
 *
 * The two headers are written here rather than by libpcap: its writer goes through stdio and
 * malloc, which may not run where a doorbell was trapped, and keeps records in a buffer of the
 * process's, so that two processes would tear each other's records apart. Here each record is one
 * append.
 */
#ifndef NET_PCAP_PRIV_H
#define NET_PCAP_PRIV_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "base/types.h"

struct net_pcap {
	atomic_int fd; /* -1: nothing is recorded (any more) */
};

/* Whether the file could be begun, without touching it. 0 or -errno. */
int net_pcap_check(const char *path);
/* Begins the file anew when *@begun is 0 (the session's first), else appends to it. 0 or -errno. */
int net_pcap_open(struct net_pcap *pcap, const char *path, _Atomic uint32_t *begun);
void net_pcap_close(struct net_pcap *pcap);
/* Signal context is fine. A file that takes no more is given up with what is whole in it. */
void net_pcap_record(struct net_pcap *pcap, const struct iovec *iov, unsigned int count,
		     uint32_t len);

#endif
