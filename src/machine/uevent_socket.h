/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program of the session has for socket(AF_NETLINK, ..., NETLINK_KOBJECT_UEVENT): one end of
 * a socket pair, whose other end the keeper has (keeper_uevent.c). It is a real socket, so that it
 * polls, blocks, filters, is inherited and passed as any other; what it says of itself stands in a
 * slot of the session file, found by the socket's inode.
 */
#ifndef MACHINE_UEVENT_SOCKET_H
#define MACHINE_UEVENT_SOCKET_H

#include "machine/session.h"

struct shared_uevent_socket;
/* A process' uevent sockets. */
struct uevent_sockets;

int uevent_sockets_create(struct session *session, struct uevent_sockets **out);
void uevent_sockets_destroy(struct uevent_sockets *sockets);
/* Around fork(): the child must find the list whole. In the parent afterwards: parent. */
void uevent_sockets_fork_prepare(struct uevent_sockets *sockets);
void uevent_sockets_fork_parent(struct uevent_sockets *sockets);
/* In the child of a fork: its copies of the sockets go on, the thread is the parent's. */
void uevent_sockets_after_fork(struct uevent_sockets *sockets);

/* @type: SOCK_RAW or SOCK_DGRAM, with SOCK_CLOEXEC and SOCK_NONBLOCK. The fd, an ordinary number of
 * the program's, or -errno. */
int uevent_socket_open(struct uevent_sockets *sockets, int type);
/* The slot of @fd; NULL: it is no uevent socket of this session. */
struct shared_uevent_socket *uevent_socket_slot(const struct session *session, int fd);
/* bind(2) with @pid (0: chosen) and @groups. 0 or -errno. Any process that has the socket. */
int uevent_socket_bind(const struct session *session, struct shared_uevent_socket *slot,
		       uint32_t pid, uint32_t groups);
/* SO_RCVBUF of @value bytes, with @force above what the host allows to everybody. */
void uevent_socket_set_rcvbuf(struct shared_uevent_socket *slot, uint32_t value, bool force);
/* connect(2) of the program's @fd to @path when that is udev's control socket: 0 or -errno; 1: it
 * is another path. */
int uevent_control_connect(struct session *session, int fd, const char *path);
/* @len bytes to all that listen to @groups. 0 or -errno. */
int uevent_socket_multicast(struct session *session, uint32_t groups, const void *data, size_t len);

#endif
