/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NETLINK_KOBJECT_UEVENT sockets of the program's (machine/uevent_socket.h). fdset_uevents tells a
 * wrapper whether a number may be one; what is behind it says the socket's inode.
 */
#ifndef PRELOAD_UEVENT_H
#define PRELOAD_UEVENT_H

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/peek.h"
#include "preload/door.h"
#include "preload/fdset.h"

static inline bool door_wants_socket(int domain, int protocol)
{
	return unlikely(domain == AF_NETLINK && protocol == NETLINK_KOBJECT_UEVENT) && door_on();
}

static inline bool door_fd_uevent(int fd)
{
	return fdset_has(&fdset_uevents, fd) && lib_depth == 0;
}

/* A unix socket's path that begins with "/r". */
static inline bool door_wants_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sockaddr_un *un = (const void *)addr;

	if (door_fd_uevent(fd))
		return true;
	/* A bad pointer is the kernel's business. */
	if (len < sizeof(sa_family_t) + 3 || !door_maybe_on() || !peek_range(addr, len))
		return false;
	return un->sun_family == AF_UNIX && un->sun_path[0] == '/' && un->sun_path[1] == 'r' &&
	       door_on();
}

/* Enters @fd into the set if it is one: it came over exec or in a message. Depth raised. */
bool uevent_adopt(int fd);
/* Around a fork. */
void uevent_fork_prepare(void);
void uevent_fork_parent(void);
void uevent_after_fork(void);

#endif
