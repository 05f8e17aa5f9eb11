/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session keeper (design D2a): `uvfio run` itself, or a process started on demand when the
 * session outlives it. It passes requests between processes; it is never in the data path.
 */
#ifndef MACHINE_KEEPER_H
#define MACHINE_KEEPER_H

#include "machine/session.h"

struct keeper;

/* Takes the keeper's place in the session: 0, -EBUSY (there is one already), or -errno. */
int keeper_create(struct session *session, struct keeper **out);
void keeper_destroy(struct keeper *keeper);
/* An epoll fd that is readable when keeper_work() has something to do. */
int keeper_fd(const struct keeper *keeper);
void keeper_work(struct keeper *keeper);
/* Connected processes. */
unsigned int keeper_clients(const struct keeper *keeper);

/* The program that takes the place when nobody does: `PROGRAM keeper DIRECTORY`. Kept in the
 * session. */
int keeper_set_program(struct session *session, const char *path);
/* Connects to the session's keeper; starts one when @start and there is none. The fd or -errno. */
int keeper_connect(struct session *session, bool start);

#endif
