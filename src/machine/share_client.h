/* SPDX-License-Identifier: BSD-3-Clause */
/* The side of a process that has fds of another's files: share_client.c is the line to the owner,
 * share_remote.c the files. */
#ifndef MACHINE_SHARE_CLIENT_H
#define MACHINE_SHARE_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>
#include "machine/share_msg.h"

struct uvfio_machine;

struct share_peer {
	struct share_peer *next; /* never freed */
	int pid;
	int fd, notes_fd; /* our own */
	atomic_bool gone; /* the owner has ended */
	atomic_bool told;
	pthread_mutex_t lock;
	struct sockaddr_un addr;
};

struct share_request {
	struct share_msg msg; /* the answer afterwards */
	const void *payload;  /* msg.len bytes */
	const int *fds;
	size_t num_fds;
	void *answer; /* room for the answer's payload, of which there are msg.len bytes then */
	size_t answer_size;
	int fd; /* that came with the answer, the lowest free number; -1: none */
};

/* The live owner with this number, connected. 0 or -errno: it has ended, or serves nothing. */
int share_peer_get(struct uvfio_machine *machine, int pid, struct share_peer **out);
/* The answer's value or -errno; -ENODEV: the owner has ended (or @peer is NULL). */
int64_t share_request(struct share_peer *peer, struct share_request *request);
/* A packet without answer, at any depth and in signal context. */
void share_post(struct share_peer *peer, struct share_msg *msg);

/* share_remote.c: on the thread of @peer's notes, at its end. */
void remote_owner_gone(struct share_peer *peer);
void remote_after_fork(void);

#endif
