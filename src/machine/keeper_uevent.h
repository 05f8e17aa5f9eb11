/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper's part in uevents: the sockets that listen, and putting events into them. */
#ifndef MACHINE_KEEPER_UEVENT_H
#define MACHINE_KEEPER_UEVENT_H

#include "machine/session.h"

struct keeper_uevents;

int keeper_uevents_create(struct session *session, struct keeper_uevents **out);
void keeper_uevents_destroy(struct keeper_uevents *uevents);
/* An epoll fd, readable when keeper_uevents_work() has something to do. */
int keeper_uevents_fd(const struct keeper_uevents *uevents);
void keeper_uevents_work(struct keeper_uevents *uevents);
/* Sockets that are open somewhere. */
unsigned int keeper_uevents_count(const struct keeper_uevents *uevents);

/* The other end of the program's socket @ino comes; @fd is taken in any case. @slot: the one that
 * it has, or KEEPER_ANY. The slot or -errno. */
int keeper_uevents_listen(struct keeper_uevents *uevents, uint32_t slot, uint64_t ino, int fd);
/* The kernel's message of event @seq to its listeners, and udev's to udev's. */
void keeper_uevents_event(struct keeper_uevents *uevents, const char *message, size_t len,
			  uint64_t seq, uint64_t usec);
/* Any message to the listeners of the netlink groups. */
void keeper_uevents_multicast(struct keeper_uevents *uevents, uint32_t groups, const char *message,
			      size_t len);

#endif
