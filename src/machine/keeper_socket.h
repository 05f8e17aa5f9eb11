/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper's socket in the session directory. */
#ifndef MACHINE_KEEPER_SOCKET_H
#define MACHINE_KEEPER_SOCKET_H

#include "machine/session.h"

struct keeper_msg;

#define KEEPER_SOCKET "keeper.sock"

/* A listening socket DIR/@name in the place of what a dead keeper left. The fd or -errno. */
int keeper_listen(struct session *session, const char *name);
/* connect(2) of @fd, a SEQPACKET socket, to DIR/@name: 0 or -errno. */
int keeper_connect_to(struct session *session, int fd, const char *name);
/* Tells the processes of the session that there is a keeper: they may be waiting for one. */
void keeper_announce(struct session *session);
/* Returns when a keeper has announced itself since @seen, or after a second. */
void keeper_await(struct session *session, uint32_t seen);
uint32_t keeper_epoch(struct session *session);
/* The keeper's DONE with @id on @fd into @msg: 0, -ETIMEDOUT after some seconds, -EPIPE when it is
 * gone. */
int keeper_await_done(int fd, uint32_t id, struct keeper_msg *msg);

#endif
