/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's uevent socket is one end of a SEQPACKET pair, its other end is here: the kernel tells
 * when the last fd of the program's end is closed, however that happens, and a connected pair has
 * no limit of queued messages but the sender's buffer.
 *
 * A message is dropped as netlink drops it: when the socket has unread messages and those with the
 * new one take more memory than SO_RCVBUF allows. Then everything is dropped until the program has
 * read what is there, and it is told once, by ENOBUFS (uevent_socket.h). Nobody waits for a reader.
 *
 * A keeper that takes over from one that died finds slots in use whose sockets it does not have
 * yet. Their processes send them again; for GRACE_SECONDS the events are kept for those, and each
 * slot's last_seq keeps an event from coming twice.
 */
#include "machine/keeper_uevent.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/list.h"
#include "machine/keeper_msg.h"
#include "machine/session_priv.h"
#include "machine/uevent_packet.h"

#define GRACE_SECONDS 10
#define KEPT_MAX      256

struct listener {
	int fd; /* -1: the slot is free, or its process has not come again */
	bool congested;
};

/* An event of the time in which listeners may come again. */
struct kept {
	struct list_head node;
	uint64_t seq, usec;
	size_t len;
	char message[];
};

struct keeper_uevents {
	struct session *session;
	int epoll_fd, timer_fd;
	bool grace;
	struct listener listener[SHARED_MAX_UEVENT_SOCKETS];
	unsigned int count, num_kept;
	struct list_head kept;
};

static struct shared_uevent_socket *slot_of(const struct keeper_uevents *uevents, uint32_t slot)
{
	return &uevents->session->shared->uevent_socket[slot];
}

static void slot_free(struct keeper_uevents *uevents, uint32_t slot)
{
	atomic_store(&slot_of(uevents, slot)->ino, 0);
	atomic_fetch_sub(&uevents->session->shared->num_uevent_sockets, 1);
}

static void listener_close(struct keeper_uevents *uevents, uint32_t slot)
{
	struct listener *listener = &uevents->listener[slot];

	/* The program holds a copy, too: closing ours ends no registration. */
	epoll_ctl(uevents->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
	close(listener->fd);
	listener->fd = -1;
	uevents->count--;
}

/* Slots of a keeper that died: their processes get some time to come again. */
static void look_for_orphans(struct keeper_uevents *uevents)
{
	const struct itimerspec spec = { .it_value.tv_sec = GRACE_SECONDS };
	uint32_t in_use = 0;

	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++)
		in_use += slot_of(uevents, i)->ino != 0;
	atomic_store(&uevents->session->shared->num_uevent_sockets, in_use);
	uevents->grace = in_use && timerfd_settime(uevents->timer_fd, 0, &spec, NULL) == 0;
}

int keeper_uevents_create(struct session *session, struct keeper_uevents **out)
{
	struct keeper_uevents *uevents = FAIL_POINT() ? NULL : calloc(1, sizeof(*uevents));
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = KEEPER_ANY };

	if (!uevents)
		return -ENOMEM;
	uevents->session = session;
	list_init(&uevents->kept);
	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++)
		uevents->listener[i].fd = -1;
	uevents->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	uevents->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (uevents->epoll_fd < 0 || uevents->timer_fd < 0 ||
	    epoll_ctl(uevents->epoll_fd, EPOLL_CTL_ADD, uevents->timer_fd, &event) < 0) {
		int ret = -errno;

		keeper_uevents_destroy(uevents);
		return ret;
	}
	session->shared->keeper_pid = (uint32_t)getpid();
	look_for_orphans(uevents);
	*out = uevents;
	return 0;
}

static void drop_kept(struct keeper_uevents *uevents)
{
	struct kept *kept, *tmp;

	list_for_each_entry_safe(kept, tmp, &uevents->kept, node) {
		list_del(&kept->node);
		free(kept);
	}
	uevents->num_kept = 0;
}

void keeper_uevents_destroy(struct keeper_uevents *uevents)
{
	if (!uevents)
		return;
	drop_kept(uevents);
	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++)
		if (uevents->listener[i].fd >= 0)
			listener_close(uevents, i);
	fd_close(uevents->timer_fd);
	fd_close(uevents->epoll_fd);
	free(uevents);
}

int keeper_uevents_fd(const struct keeper_uevents *uevents)
{
	return uevents->epoll_fd;
}

unsigned int keeper_uevents_count(const struct keeper_uevents *uevents)
{
	return uevents->count;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* What a message of @len bytes counts against the receiver's buffer: the kernel's struct sk_buff
 * and the slab that its bytes and its shared info of 320 bytes come from. */
static size_t message_cost(size_t len)
{
	size_t bytes = ALIGN_UP(len, 64) + 320, slab = 1024;

	if (bytes <= 704)
		return 704 + 256;
	while (slab < bytes)
		slab *= 2;
	return slab + 256;
}

static void put(struct keeper_uevents *uevents, uint32_t slot, const char *message, size_t len)
{
	struct shared_uevent_socket *shared = slot_of(uevents, slot);
	struct listener *listener = &uevents->listener[slot];
	int unread = 0;

	if (ioctl(listener->fd, SIOCOUTQ, &unread) < 0)
		unread = 0;
	if (!unread)
		listener->congested = false;
	if (!listener->congested &&
	    (!unread || (size_t)unread + message_cost(len) <= shared->rcvbuf)) {
		/* Gone, or its filter does not want it: then that is all. */
		if (send(listener->fd, message, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
		    (errno != EAGAIN && errno != ENOBUFS))
			return;
	}
	listener->congested = true;
	atomic_store(&shared->overrun, 1);
}

void keeper_uevents_multicast(struct keeper_uevents *uevents, uint32_t groups, const char *message,
			      size_t len)
{
	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++)
		if (uevents->listener[i].fd >= 0 && slot_of(uevents, i)->groups & groups)
			put(uevents, i, message, len);
}

/* The kernel's message @message goes out before udev's, to one listener or to all. */
static void put_event(struct keeper_uevents *uevents, uint32_t first, uint32_t last,
		      const char *message, size_t len, uint64_t seq, uint64_t usec)
{
	char udev[UDEV_PACKET_MAX];
	size_t udev_len = udev_packet(message, len, usec, udev);

	for (uint32_t i = first; i <= last; i++)
		if (uevents->listener[i].fd >= 0 && slot_of(uevents, i)->last_seq < seq &&
		    slot_of(uevents, i)->groups & UDEV_GROUP_KERNEL)
			put(uevents, i, message, len);
	for (uint32_t i = first; i <= last; i++) {
		if (uevents->listener[i].fd < 0 || slot_of(uevents, i)->last_seq >= seq)
			continue;
		if (udev_len && slot_of(uevents, i)->groups & UDEV_GROUP_UDEV)
			put(uevents, i, udev, udev_len);
		slot_of(uevents, i)->last_seq = seq;
	}
}

static void keep(struct keeper_uevents *uevents, const char *message, size_t len, uint64_t seq,
		 uint64_t usec)
{
	struct kept *kept;

	if (uevents->num_kept == KEPT_MAX)
		return;
	kept = FAIL_POINT() ? NULL : malloc(sizeof(*kept) + len);
	if (!kept)
		return;
	kept->seq = seq;
	kept->usec = usec;
	kept->len = len;
	memcpy(kept->message, message, len);
	list_add_tail(&kept->node, &uevents->kept);
	uevents->num_kept++;
}

void keeper_uevents_event(struct keeper_uevents *uevents, const char *message, size_t len,
			  uint64_t seq, uint64_t usec)
{
	put_event(uevents, 0, SHARED_MAX_UEVENT_SOCKETS - 1, message, len, seq, usec);
	if (uevents->grace)
		keep(uevents, message, len, seq, usec);
}

/* ---- who listens ----------------------------------------------------------------------------- */

/* What a listener missed between its keeper's death and now. */
static void replay(struct keeper_uevents *uevents, uint32_t slot)
{
	struct kept *kept;

	list_for_each_entry(kept, &uevents->kept, node)
		put_event(uevents, slot, slot, kept->message, kept->len, kept->seq, kept->usec);
}

/* A slot for the socket @ino: 0, or -EMFILE. */
static int slot_take(struct keeper_uevents *uevents, uint64_t ino, uint32_t *slot)
{
	struct shared_header *shared = uevents->session->shared;

	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++) {
		struct shared_uevent_socket *socket = slot_of(uevents, i);

		if (socket->ino)
			continue;
		socket->pid = socket->groups = socket->overrun = socket->no_enobufs = 0;
		socket->last_seq = shared->uevent_seqnum;
		socket->ino = ino;
		atomic_fetch_add(&shared->num_uevent_sockets, 1);
		*slot = i;
		return 0;
	}
	return -EMFILE;
}

int keeper_uevents_listen(struct keeper_uevents *uevents, uint32_t slot, uint64_t ino, int fd)
{
	/* No event is asked for: that the program's end is closed is always told. */
	struct epoll_event event = { .events = 0 };
	bool again = slot < SHARED_MAX_UEVENT_SOCKETS && slot_of(uevents, slot)->ino == ino;
	int ret = again ? 0 : slot_take(uevents, ino, &slot);

	if (ret) {
		close(fd);
		return ret;
	}
	if (uevents->listener[slot].fd >= 0)
		listener_close(uevents, slot);
	event.data.u32 = slot;
	if (epoll_ctl(uevents->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		ret = -errno;
		close(fd);
		slot_free(uevents, slot);
		return ret;
	}
	uevents->listener[slot] = (struct listener){ .fd = fd };
	uevents->count++;
	if (again)
		replay(uevents, slot);
	return (int)slot;
}

/* Those that have not come again are dead. */
static void grace_over(struct keeper_uevents *uevents)
{
	uint64_t expirations;

	if (read(uevents->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	uevents->grace = false;
	drop_kept(uevents);
	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++)
		if (uevents->listener[i].fd < 0 && slot_of(uevents, i)->ino)
			slot_free(uevents, i);
}

void keeper_uevents_work(struct keeper_uevents *uevents)
{
	struct epoll_event event;

	while (epoll_wait(uevents->epoll_fd, &event, 1, 0) == 1) {
		if (event.data.u32 == KEEPER_ANY) {
			grace_over(uevents);
		} else {
			listener_close(uevents, event.data.u32);
			slot_free(uevents, event.data.u32);
		}
	}
}
