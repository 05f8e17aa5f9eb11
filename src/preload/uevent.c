/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What netlink says on a socket that is none: addresses, groups, options and credentials. Messages
 * come and go as the kernel carries them for the socket pair: blocking, peeking, truncation, socket
 * filters and time stamps are its own. Buffers and options are first given to the pair, for the
 * kernel's EFAULT and EINVAL; addresses and message headers are looked at here (base/peek.h).
 */
#include "preload/uevent.h"

#include <limits.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>

#include "machine/session.h"
#include "machine/shared.h"
#include "machine/uevent_packet.h"
#include "machine/uevent_socket.h"
#include "preload/doors.h"
#include "preload/real.h"
#include "preload/wrappers.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#define NETLINK_GROUPS 32

static pthread_mutex_t sockets_lock = PTHREAD_MUTEX_INITIALIZER;
static struct uevent_sockets *sockets; /* sockets_lock */

/* The socket behind @fd; NULL: something else by now. */
static struct shared_uevent_socket *slot_of(int fd)
{
	struct session *session = door_session();
	struct shared_uevent_socket *slot = NULL;

	depth_enter();
	if (session && session_shared(session))
		slot = uevent_socket_slot(session, fd);
	if (!slot)
		fdset_remove(&fdset_uevents, fd);
	depth_leave();
	return slot;
}

bool uevent_adopt(int fd)
{
	struct session *session = door_session();
	const struct shared_header *shared = session ? session_shared(session) : NULL;

	if (!shared || !shared->num_uevent_sockets || !uevent_socket_slot(session, fd))
		return false;
	fdset_add(&fdset_uevents, fd);
	return true;
}

void uevent_fork_prepare(void)
{
	pthread_mutex_lock(&sockets_lock);
	uevent_sockets_fork_prepare(sockets);
}

void uevent_fork_parent(void)
{
	uevent_sockets_fork_parent(sockets);
	pthread_mutex_unlock(&sockets_lock);
}

void uevent_after_fork(void)
{
	pthread_mutex_init(&sockets_lock, NULL);
	uevent_sockets_after_fork(sockets);
}

static bool fail(int *ret, int error)
{
	errno = error;
	*ret = -1;
	return true;
}

static bool session_capable(int capability)
{
	return session_shared(door_session())->caps >> capability & 1;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int open_socket(struct session *session, int type)
{
	int ret = 0;

	pthread_mutex_lock(&sockets_lock);
	if (!sockets)
		ret = uevent_sockets_create(session, &sockets);
	if (!ret)
		ret = uevent_socket_open(sockets, type);
	pthread_mutex_unlock(&sockets_lock);
	return ret;
}

bool door_socket(int *ret, int domain, int type, int protocol)
{
	struct session *session = door_session();
	int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct door door;
	int fd;

	if (kind != SOCK_RAW && kind != SOCK_DGRAM)
		return fail(ret, ESOCKTNOSUPPORT);
	door_enter(&door);
	/* A session that cannot be opened has no events; the host's are not for its programs. */
	fd = session_shared(session) ? open_socket(session, type) : -EPROTONOSUPPORT;
	if (fd >= 0)
		fdset_add(&fdset_uevents, fd);
	*ret = (int)door_return(&door, fd);
	return true;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* As the kernel copies it in. 0 or an error number. */
static int readable(const struct sockaddr *addr, socklen_t len)
{
	if (len > sizeof(struct sockaddr_storage))
		return EINVAL;
	return peek_range(addr, len) ? 0 : EFAULT;
}

static bool good_address(const struct sockaddr *addr, socklen_t len)
{
	return len >= sizeof(struct sockaddr_nl) && addr->sa_family == AF_NETLINK;
}

bool door_bind(int *ret, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct shared_uevent_socket *slot = slot_of(fd);
	const struct sockaddr_nl *nl = (const void *)addr;
	int err;

	if (!slot)
		return false;
	err = readable(addr, len);
	if (err)
		return fail(ret, err);
	if (!good_address(addr, len))
		return fail(ret, EINVAL);
	err = uevent_socket_bind(door_session(), slot, nl->nl_pid, nl->nl_groups);
	if (err)
		return fail(ret, -err);
	*ret = 0;
	return true;
}

/* udev's control socket is the keeper's. */
static bool connect_control(int *ret, int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct sockaddr_un *un = (const void *)addr;
	char path[sizeof(un->sun_path) + 1];
	struct door door;
	size_t size = len - offsetof(struct sockaddr_un, sun_path);
	int err;

	if (un->sun_family != AF_UNIX || size >= sizeof(path) || !session_shared(door_session()))
		return false;
	memcpy(path, un->sun_path, size);
	path[size] = '\0';
	door_enter(&door);
	err = uevent_control_connect(door_session(), fd, path);
	if (err > 0) {
		door_leave(&door);
		return false;
	}
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_connect(int *ret, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct shared_uevent_socket *slot = fdset_has(&fdset_uevents, fd) ? slot_of(fd) : NULL;
	const struct sockaddr_nl *nl = (const void *)addr;
	int err;

	if (!slot)
		return door_wants_connect(fd, addr, len) && connect_control(ret, fd, addr, len);
	err = readable(addr, len);
	if (err)
		return fail(ret, err);
	if (len < sizeof(sa_family_t) || (addr->sa_family != AF_UNSPEC && !good_address(addr, len)))
		return fail(ret, EINVAL);
	if (addr->sa_family == AF_NETLINK && (nl->nl_groups || nl->nl_pid) &&
	    !session_capable(CAP_NET_ADMIN))
		return fail(ret, EPERM);
	if (!slot->pid)
		uevent_socket_bind(door_session(), slot, 0, slot->groups);
	*ret = 0;
	return true;
}

/* Hands @nl out as an address is: as much as fits, and how long it is. */
static void put_address(const struct sockaddr_nl *nl, void *addr, socklen_t room, socklen_t *len)
{
	memcpy(addr, nl, MIN((size_t)room, sizeof(*nl)));
	*len = sizeof(*nl);
}

static bool name(int *ret, int fd, struct sockaddr *addr, socklen_t *len, bool peer)
{
	struct shared_uevent_socket *slot = slot_of(fd);
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };
	socklen_t room;

	if (!slot)
		return false;
	room = peek_range(len, sizeof(*len)) ? *len : 0;
	*ret = real_getsockname(fd, addr, len);
	if (*ret)
		return true;
	if (!peer) {
		nl.nl_pid = slot->pid;
		nl.nl_groups = slot->groups;
	}
	put_address(&nl, addr, room, len);
	return true;
}

bool door_getsockname(int *ret, int fd, struct sockaddr *addr, socklen_t *len)
{
	return name(ret, fd, addr, len, false);
}

bool door_getpeername(int *ret, int fd, struct sockaddr *addr, socklen_t *len)
{
	return name(ret, fd, addr, len, true);
}

/* ---- options --------------------------------------------------------------------------------- */

static int set_netlink(struct shared_uevent_socket *slot, int option, unsigned int value)
{
	switch (option) {
	case NETLINK_ADD_MEMBERSHIP:
	case NETLINK_DROP_MEMBERSHIP:
		if (!value || value > NETLINK_GROUPS)
			return EINVAL;
		if (option == NETLINK_ADD_MEMBERSHIP)
			atomic_fetch_or(&slot->groups, 1U << (value - 1));
		else
			atomic_fetch_and(&slot->groups, ~(1U << (value - 1)));
		return 0;
	case NETLINK_NO_ENOBUFS:
		slot->no_enobufs = value != 0;
		return 0;
	case NETLINK_PKTINFO:
	case NETLINK_BROADCAST_ERROR:
	case NETLINK_CAP_ACK:
	case NETLINK_EXT_ACK:
		return 0; /* about what uevents do not have: requests, acknowledgements */
	default:
		return ENOPROTOOPT;
	}
}

bool door_setsockopt(int *ret, int fd, int level, int option, const void *value, socklen_t len)
{
	struct shared_uevent_socket *slot;
	bool size = level == SOL_SOCKET && (option == SO_RCVBUF || option == SO_RCVBUFFORCE);
	unsigned int number;
	struct door door;
	int err;

	if (level != SOL_NETLINK && !size)
		return false;
	slot = slot_of(fd);
	if (!slot)
		return false;
	/* The pair's own receive buffer plays no part. */
	*ret = real_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, len);
	if (*ret)
		return true;
	memcpy(&number, value, sizeof(number));
	if (!size) {
		err = set_netlink(slot, option, number);
		return err ? fail(ret, err) : true;
	}
	if (option == SO_RCVBUFFORCE && !session_capable(CAP_NET_ADMIN))
		return fail(ret, EPERM);
	door_enter(&door);
	uevent_socket_set_rcvbuf(slot, number, option == SO_RCVBUFFORCE);
	door_leave(&door);
	return true;
}

/* SOL_SOCKET's answers that differ from the pair's. False: the pair's is right. */
static bool get_socket(struct shared_uevent_socket *slot, int option, int *number)
{
	switch (option) {
	case SO_RCVBUF:
		*number = (int)slot->rcvbuf;
		return true;
	case SO_TYPE:
		*number = (int)slot->type;
		return true;
	case SO_DOMAIN:
		*number = AF_NETLINK;
		return true;
	case SO_PROTOCOL:
		*number = NETLINK_KOBJECT_UEVENT;
		return true;
	case SO_ERROR:
		if (!atomic_exchange(&slot->overrun, 0) || slot->no_enobufs)
			return false;
		*number = ENOBUFS;
		return true;
	default:
		return false;
	}
}

bool door_getsockopt(int *ret, int fd, int level, int option, void *value, socklen_t *len)
{
	struct shared_uevent_socket *slot;
	int number = 0;

	if (level != SOL_SOCKET && level != SOL_NETLINK)
		return false;
	slot = slot_of(fd);
	if (!slot)
		return false;
	if (level == SOL_SOCKET) {
		if (!get_socket(slot, option, &number))
			return false;
	} else if (option == NETLINK_LIST_MEMBERSHIPS) {
		number = (int)slot->groups;
	} else if (option == NETLINK_NO_ENOBUFS) {
		number = (int)slot->no_enobufs;
	} else {
		return fail(ret, ENOPROTOOPT);
	}
	*ret = real_getsockopt(fd, SOL_SOCKET, SO_TYPE, value, len);
	if (!*ret)
		memcpy(value, &number, MIN((size_t)*len, sizeof(number)));
	return true;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Something was dropped and the program has to be told, once. */
static bool overrun(struct shared_uevent_socket *slot, int flags)
{
	return !(flags & MSG_ERRQUEUE) && atomic_exchange(&slot->overrun, 0) && !slot->no_enobufs;
}

/* Whether the @n bytes at the beginning of a message are udev's. Of one that nobody wanted to see
 * (@n is 0) what the socket listens to tells. */
static bool from_udev(const struct shared_uevent_socket *slot, const void *data, size_t n)
{
	if (n < sizeof(UDEV_PREFIX))
		return !(slot->groups & UDEV_GROUP_KERNEL);
	return !memcmp(data, UDEV_PREFIX, sizeof(UDEV_PREFIX));
}

static struct sockaddr_nl sender(bool udev)
{
	return (struct sockaddr_nl){ .nl_family = AF_NETLINK,
				     .nl_pid = udev ? session_shared(door_session())->keeper_pid
						    : 0,
				     .nl_groups = udev ? UDEV_GROUP_UDEV : UDEV_GROUP_KERNEL };
}

/* The beginning of what was received: as many bytes as udev's prefix has, if there are. */
static size_t beginning(const struct msghdr *msg, size_t n, char out[sizeof(UDEV_PREFIX)])
{
	size_t done = 0;

	for (size_t i = 0; i < (size_t)msg->msg_iovlen && done < MIN(n, sizeof(UDEV_PREFIX)); i++) {
		size_t piece = MIN(msg->msg_iov[i].iov_len, MIN(n, sizeof(UDEV_PREFIX)) - done);

		memcpy(out + done, msg->msg_iov[i].iov_base, piece);
		done += piece;
	}
	return done;
}

/* The kernel's credentials, or root's in the place of the keeper's. */
static void fix_credentials(struct msghdr *msg, bool udev)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		struct ucred cred;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_CREDENTIALS ||
		    cmsg->cmsg_len < CMSG_LEN(sizeof(cred)))
			continue;
		cred = (struct ucred){
			.pid = udev ? (pid_t)session_shared(door_session())->keeper_pid : 0
		};
		memcpy(CMSG_DATA(cmsg), &cred, sizeof(cred));
	}
}

bool door_uevent_recvmsg(ssize_t *ret, int fd, struct msghdr *msg, int flags)
{
	struct shared_uevent_socket *slot = slot_of(fd);
	char begin[sizeof(UDEV_PREFIX)];
	struct sockaddr_nl from;
	socklen_t room;
	bool udev;

	if (!slot)
		return false;
	if (overrun(slot, flags)) {
		errno = ENOBUFS;
		*ret = -1;
		return true;
	}
	room = peek_range(msg, sizeof(*msg)) ? msg->msg_namelen : 0;
	*ret = real_recvmsg(fd, msg, flags);
	if (*ret < 0)
		return true;
	if (msg->msg_name && !peek_range(msg->msg_name, room)) {
		errno = EFAULT;
		*ret = -1;
		return true;
	}
	udev = from_udev(slot, begin, beginning(msg, (size_t)*ret, begin));
	from = sender(udev);
	if (msg->msg_name)
		put_address(&from, msg->msg_name, room, &msg->msg_namelen);
	msg->msg_flags &= ~MSG_EOR;
	fix_credentials(msg, udev);
	return true;
}

bool door_recv(ssize_t *ret, int fd, int flags)
{
	struct shared_uevent_socket *slot = slot_of(fd);

	if (!slot || !overrun(slot, flags))
		return false;
	errno = ENOBUFS;
	*ret = -1;
	return true;
}

bool door_recvfrom(ssize_t *ret, int fd, void *buf, size_t size, int flags, struct sockaddr *addr,
		   socklen_t *len)
{
	struct shared_uevent_socket *slot = slot_of(fd);
	struct sockaddr_nl from;

	if (!slot)
		return false;
	if (overrun(slot, flags)) {
		errno = ENOBUFS;
		*ret = -1;
		return true;
	}
	*ret = real_recvfrom(fd, buf, size, flags, NULL, NULL);
	if (*ret < 0 || !addr || !len)
		return true;
	if (!peek_range(len, sizeof(*len)) || !peek_range(addr, *len)) {
		errno = EFAULT;
		*ret = -1;
		return true;
	}
	from = sender(from_udev(slot, buf, MIN((size_t)*ret, size)));
	put_address(&from, addr, *len, len);
	return true;
}

bool door_recvmmsg(int *ret, int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	ssize_t len;
	unsigned int i;

	if (!slot_of(fd))
		return false;
	for (i = 0; i < n; i++) {
		int wait = flags & ~MSG_WAITFORONE;

		if (i && flags & MSG_WAITFORONE)
			wait |= MSG_DONTWAIT;
		if (!door_uevent_recvmsg(&len, fd, &msgs[i].msg_hdr, wait) || len < 0)
			break;
		msgs[i].msg_len = (unsigned int)len;
	}
	*ret = i || !n ? (int)i : -1;
	return true;
}

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * udevd's way of telling its listeners. What goes to the kernel itself (no address) is taken and
 * means nothing to it; other sockets by their number are not reached.
 */
static ssize_t send_to(struct shared_uevent_socket *slot, const struct sockaddr *addr,
		       socklen_t len, const void *data, size_t size)
{
	const struct sockaddr_nl *nl = (const void *)addr;
	int ret = addr ? -readable(addr, len) : 0;

	if (ret)
		return ret;
	if (!peek_range(data, size))
		return -EFAULT;
	if (addr && !good_address(addr, len))
		return -EINVAL;
	if (addr && (nl->nl_groups || nl->nl_pid) && !session_capable(CAP_NET_ADMIN))
		return -EPERM;
	if (!slot->pid)
		uevent_socket_bind(door_session(), slot, 0, slot->groups);
	if (addr && nl->nl_groups)
		ret = uevent_socket_multicast(door_session(), nl->nl_groups, data, size);
	if (!ret && addr && nl->nl_pid)
		ret = -ECONNREFUSED;
	return ret ? ret : (ssize_t)size;
}

bool door_sendto(ssize_t *ret, int fd, const void *data, size_t size, const struct sockaddr *addr,
		 socklen_t len)
{
	struct shared_uevent_socket *slot = slot_of(fd);
	struct door door;

	if (!slot)
		return false;
	door_enter(&door);
	*ret = door_return(&door, send_to(slot, addr, len, data, size));
	return true;
}

/* The pieces of @msg in one. Their length or -errno. */
static ssize_t gather(const struct msghdr *msg, char *data, size_t room)
{
	size_t size = 0;

	if (!peek_range(msg, sizeof(*msg)))
		return -EFAULT;
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (!peek_range(msg->msg_iov, msg->msg_iovlen * sizeof(*msg->msg_iov)))
		return -EFAULT;
	for (size_t i = 0; i < (size_t)msg->msg_iovlen; i++) {
		const struct iovec *piece = &msg->msg_iov[i];

		if (piece->iov_len > room - size)
			return -EMSGSIZE;
		if (!peek_range(piece->iov_base, piece->iov_len))
			return -EFAULT;
		memcpy(data + size, piece->iov_base, piece->iov_len);
		size += piece->iov_len;
	}
	return (ssize_t)size;
}

bool door_sendmsg(ssize_t *ret, int fd, const struct msghdr *msg)
{
	struct shared_uevent_socket *slot = slot_of(fd);
	char data[UDEV_PACKET_MAX];
	struct door door;
	ssize_t size;

	if (!slot)
		return false;
	door_enter(&door);
	size = gather(msg, data, sizeof(data));
	if (size >= 0)
		size = send_to(slot, msg->msg_name, msg->msg_namelen, data, (size_t)size);
	*ret = door_return(&door, size);
	return true;
}
