/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NETLINK_KOBJECT_UEVENT sockets of the program's (machine/uevent_socket.h). fdset_uevents tells a
 * wrapper whether a number may be one; what is behind it says the socket's inode.
 */
#ifndef PRELOAD_UEVENT_H
#define PRELOAD_UEVENT_H

#include <linux/netlink.h>
#include <sys/socket.h>
#include "preload/door.h"
#include "preload/fdset.h"

static inline bool door_wants_socket(int domain, int protocol)
{
	return unlikely(domain == AF_NETLINK && protocol == NETLINK_KOBJECT_UEVENT) && door_on();
}

static inline bool door_fd_uevent(int fd)
{
	return lib_depth == 0 && fdset_has(&fdset_uevents, fd);
}

/* Enters @fd into the set if it is one: it came over exec or in a message. Depth raised. */
bool uevent_adopt(int fd);
/* In the child of a fork. */
void uevent_after_fork(void);

#endif
