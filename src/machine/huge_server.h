/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper's part in huge pages: it keeps the pools, and the memfds behind the names on
 * hugetlbfs, so that a second process opens the same pages and a file outlives who made it.
 *
 * What a dead process had comes back by itself: private pages belong to its connection, and a file
 * without name lives as long as the kernel says that somebody has it open or mapped.
 * One thread, the keeper's; no locks.
 */
#ifndef MACHINE_HUGE_SERVER_H
#define MACHINE_HUGE_SERVER_H

#include "machine/session.h"

struct huge_server;
struct huge_peer;

/* A new keeper: names that an earlier one left have lost their pages and are removed. */
void huge_server_purge(struct session *session);
/* 0 or -errno. */
int huge_server_create(struct session *session, struct huge_server **out);
void huge_server_destroy(struct huge_server *server);
/* A process whose connection is @fd, which stays the caller's. NULL: out of memory. */
struct huge_peer *huge_server_join(struct huge_server *server, int fd);
/* Answers one request. False: the process is gone, or talks nonsense. */
bool huge_server_serve(struct huge_server *server, struct huge_peer *peer);
void huge_server_leave(struct huge_server *server, struct huge_peer *peer);

#endif
