/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper's side of the protocol in keeper_msg.h. One thread, one epoll fd, no locks.
 *
 * A RELEASE is through when every process that holds the group has given the device back or is
 * gone, and, for holders that have not connected (yet), when the group is free.
 */
#include "machine/keeper.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/fd_pass.h"
#include "base/list.h"
#include "machine/huge_server.h"
#include "machine/keeper_msg.h"
#include "machine/keeper_socket.h"
#include "machine/keeper_udev.h"
#include "machine/keeper_uevent.h"
#include "machine/session_create.h"
#include "machine/session_priv.h"

#define MAX_HELD  64
#define POLL_NSEC 50000000 /* between looks at a group that nobody owns up to, or for a free fd */

struct client {
	struct list_head node;
	int fd;
	struct huge_peer *huge; /* the connection is about huge pages; NULL: it is not */
	uint32_t held[MAX_HELD];
	unsigned int num_held;
};

struct release {
	struct list_head node;
	struct client *from; /* NULL: gone */
	uint32_t from_id;    /* the client's own number for it */
	uint32_t id;	     /* ours */
	uint32_t group;
	char device[KEEPER_DEVICE];
	struct list_head waits; /* struct wait */
	bool asked;		/* some holder has been asked */
};

/* A holder that has not answered yet. */
struct wait {
	struct list_head node;
	struct client *holder;
};

struct keeper {
	struct session *session;
	int lock_fd, listen_fd, epoll_fd, timer_fd;
	struct list_head clients, releases;
	unsigned int num_clients;
	bool deaf; /* nobody can be accepted now; the timer listens again */
	uint32_t next_id;
	struct keeper_uevents *uevents;
	struct keeper_udev *udev;
	struct huge_server *huge; /* NULL: nobody has asked yet */
};

static int add_epoll(struct keeper *keeper, int fd, void *ptr)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = ptr };

	return epoll_ctl(keeper->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int keeper_create(struct session *session, struct keeper **out)
{
	struct keeper *keeper = FAIL_POINT() ? NULL : calloc(1, sizeof(*keeper));
	int ret;

	if (!keeper)
		return -ENOMEM;
	keeper->session = session;
	keeper->lock_fd = keeper->listen_fd = keeper->epoll_fd = keeper->timer_fd = -1;
	list_init(&keeper->clients);
	list_init(&keeper->releases);
	ret = session_lock_file(session, "keeper");
	if (ret < 0)
		goto fail;
	keeper->lock_fd = ret;
	huge_server_purge(session);
	ret = keeper_listen(session, KEEPER_SOCKET);
	if (ret < 0)
		goto fail;
	keeper->listen_fd = ret;
	keeper->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	keeper->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (keeper->epoll_fd < 0 || keeper->timer_fd < 0) {
		ret = -errno;
		goto fail;
	}
	ret = add_epoll(keeper, keeper->listen_fd, &keeper->listen_fd);
	if (!ret)
		ret = add_epoll(keeper, keeper->timer_fd, &keeper->timer_fd);
	if (!ret)
		ret = keeper_uevents_create(session, &keeper->uevents);
	if (!ret)
		ret = add_epoll(keeper, keeper_uevents_fd(keeper->uevents), &keeper->uevents);
	if (!ret)
		ret = keeper_udev_create(session, &keeper->udev);
	if (!ret)
		ret = add_epoll(keeper, keeper_udev_fd(keeper->udev), &keeper->udev);
	if (ret)
		goto fail;
	keeper_announce(session);
	*out = keeper;
	return 0;
fail:
	keeper_destroy(keeper);
	return ret;
}

static void release_free(struct release *release)
{
	struct wait *wait, *tmp;

	list_for_each_entry_safe(wait, tmp, &release->waits, node) {
		list_del(&wait->node);
		free(wait);
	}
	list_del(&release->node);
	free(release);
}

static void client_free(struct keeper *keeper, struct client *client)
{
	if (client->huge)
		huge_server_leave(keeper->huge, client->huge);
	list_del(&client->node);
	/* A forked child may hold the socket too, and then closing it ends no registration. */
	epoll_ctl(keeper->epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
	close(client->fd);
	free(client);
	keeper->num_clients--;
}

void keeper_destroy(struct keeper *keeper)
{
	struct release *release, *rtmp;
	struct client *client, *ctmp;

	if (!keeper)
		return;
	list_for_each_entry_safe(release, rtmp, &keeper->releases, node)
		release_free(release);
	list_for_each_entry_safe(client, ctmp, &keeper->clients, node)
		client_free(keeper, client);
	keeper_udev_destroy(keeper->udev);
	keeper_uevents_destroy(keeper->uevents);
	huge_server_destroy(keeper->huge);
	fd_close(keeper->timer_fd);
	fd_close(keeper->epoll_fd);
	fd_close(keeper->listen_fd);
	fd_close(keeper->lock_fd);
	free(keeper);
}

int keeper_fd(const struct keeper *keeper)
{
	return keeper->epoll_fd;
}

unsigned int keeper_clients(const struct keeper *keeper)
{
	return keeper->num_clients + keeper_uevents_count(keeper->uevents);
}

static void send_msg(const struct client *client, uint32_t type, const struct release *release,
		     uint32_t id)
{
	struct keeper_msg msg = {
		.magic = KEEPER_MAGIC, .type = type, .id = id, .group = release->group
	};

	memcpy(msg.device, release->device, sizeof(msg.device));
	/* A client that cannot take a message is as good as gone; its end will be seen. */
	if (send(client->fd, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static bool client_holds(const struct client *client, uint32_t group)
{
	for (unsigned int i = 0; i < client->num_held; i++)
		if (client->held[i] == group)
			return true;
	return false;
}

static void arm_timer(struct keeper *keeper, bool on)
{
	struct itimerspec spec = { .it_value.tv_nsec = on ? POLL_NSEC : 0 };

	timerfd_settime(keeper->timer_fd, 0, &spec, NULL);
}

/* Answers when nobody is left to wait for. */
static void release_check(struct keeper *keeper, struct release *release)
{
	if (!list_empty(&release->waits))
		return;
	/* Nobody owned up to the group: a holder that has just come, or lost its keeper. */
	if (!release->asked && session_group_claimed(keeper->session, release->group)) {
		arm_timer(keeper, true);
		return;
	}
	if (release->from)
		send_msg(release->from, KEEPER_DONE, release, release->from_id);
	release_free(release);
}

static void ask_holder(struct release *release, struct client *client)
{
	struct wait *wait;

	if (client == release->from || !client_holds(client, release->group))
		return;
	wait = FAIL_POINT() ? NULL : calloc(1, sizeof(*wait));
	if (!wait)
		return;
	wait->holder = client;
	list_add_tail(&wait->node, &release->waits);
	release->asked = true;
	send_msg(client, KEEPER_REQUEST, release, release->id);
}

static void release_start(struct keeper *keeper, struct client *from, const struct keeper_msg *msg)
{
	struct release *release = FAIL_POINT() ? NULL : calloc(1, sizeof(*release));
	struct client *client;

	if (!release)
		return;
	release->from = from;
	release->from_id = msg->id;
	release->id = ++keeper->next_id;
	release->group = msg->group;
	memcpy(release->device, msg->device, sizeof(release->device));
	release->device[sizeof(release->device) - 1] = '\0';
	list_init(&release->waits);
	list_add_tail(&release->node, &keeper->releases);
	list_for_each_entry(client, &keeper->clients, node)
		ask_holder(release, client);
	release_check(keeper, release);
}

/* @client has given back what release @id asked for; id 0: everything (it is gone). */
static void release_answered(struct keeper *keeper, struct client *client, uint32_t id)
{
	struct release *release, *rtmp;
	struct wait *wait, *wtmp;

	list_for_each_entry_safe(release, rtmp, &keeper->releases, node) {
		if (id && release->id != id)
			continue;
		if (!id && release->from == client)
			release->from = NULL;
		list_for_each_entry_safe(wait, wtmp, &release->waits, node) {
			if (wait->holder != client)
				continue;
			list_del(&wait->node);
			free(wait);
		}
		release_check(keeper, release);
	}
}

static void client_holds_now(struct keeper *keeper, struct client *client, uint32_t group)
{
	struct release *release;

	if (client_holds(client, group) || client->num_held == MAX_HELD)
		return;
	client->held[client->num_held++] = group;
	list_for_each_entry(release, &keeper->releases, node)
		if (release->group == group && !release->asked)
			ask_holder(release, client);
}

static void client_dropped(struct client *client, uint32_t group)
{
	for (unsigned int i = 0; i < client->num_held; i++)
		if (client->held[i] == group)
			client->held[i--] = client->held[--client->num_held];
}

/* To those who hold the group; nobody answers, the slot says what came of it. */
static void pass_on(struct keeper *keeper, const struct client *from, const struct keeper_msg *msg)
{
	struct client *client;

	list_for_each_entry(client, &keeper->clients, node)
		if (client != from && client_holds(client, msg->group) &&
		    send(client->fd, msg, sizeof(*msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			continue; /* its end will be seen */
}

/* Which of the holders is meant they know themselves. */
static void tell_holders(struct keeper *keeper, const struct keeper_msg *msg)
{
	struct client *client;

	list_for_each_entry(client, &keeper->clients, node)
		if (client->num_held &&
		    send(client->fd, msg, sizeof(*msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			continue; /* its end will be seen */
}

/* From now on the connection is about huge pages. False: it cannot be. */
static bool client_huge(struct keeper *keeper, struct client *client)
{
	if (!keeper->huge && huge_server_create(keeper->session, &keeper->huge))
		return false;
	client->huge = huge_server_join(keeper->huge, client->fd);
	return client->huge != NULL;
}

/* ---- uevents --------------------------------------------------------------------------------- */

/* A packet as it comes in. */
struct packet {
	struct keeper_msg msg;
	char payload[KEEPER_PAYLOAD];
	size_t payload_len;
	int fd; /* that came with it; -1: none */
};

/* Its length or -errno. */
static ssize_t packet_receive(int fd, struct packet *packet)
{
	ssize_t len = fd_receive(fd, packet, offsetof(struct packet, payload_len), &packet->fd,
				 MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len >= 0)
		packet->payload_len = (size_t)len - MIN((size_t)len, sizeof(packet->msg));
	return len;
}

static void answer(const struct client *client, const struct keeper_msg *msg, uint32_t group)
{
	const struct keeper_msg done = {
		.magic = KEEPER_MAGIC, .type = KEEPER_DONE, .id = msg->id, .group = group
	};

	if (send(client->fd, &done, sizeof(done), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void uevent_work(struct keeper *keeper, const struct client *client, struct packet *packet)
{
	const struct keeper_msg *msg = &packet->msg;
	int slot = -1;

	switch (msg->type) {
	case KEEPER_LISTEN:
		if (packet->fd >= 0)
			slot = keeper_uevents_listen(keeper->uevents, msg->group, msg->ino,
						     packet->fd);
		packet->fd = -1;
		break;
	case KEEPER_UEVENT:
		keeper_uevents_event(keeper->uevents, packet->payload, packet->payload_len, msg->id,
				     msg->usec);
		break;
	default:
		keeper_uevents_multicast(keeper->uevents, msg->group, packet->payload,
					 packet->payload_len);
		break;
	}
	answer(client, msg, slot < 0 ? KEEPER_ANY : (uint32_t)slot);
}

/* @client is gone, or as good as gone. */
static void client_gone(struct keeper *keeper, struct client *client)
{
	release_answered(keeper, client, 0);
	client_free(keeper, client);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void message_work(struct keeper *keeper, struct client *client, struct packet *packet)
{
	const struct keeper_msg *msg = &packet->msg;

	switch (msg->type) {
	case KEEPER_HOLD:
		client_holds_now(keeper, client, msg->group);
		break;
	case KEEPER_DROP:
		client_dropped(client, msg->group);
		break;
	case KEEPER_RELEASE:
		release_start(keeper, client, msg);
		break;
	case KEEPER_ERROR:
		pass_on(keeper, client, msg);
		break;
	case KEEPER_SHARE:
		tell_holders(keeper, msg);
		break;
	case KEEPER_GIVEN:
		if (msg->id)
			release_answered(keeper, client, msg->id);
		break;
	case KEEPER_LISTEN:
	case KEEPER_UEVENT:
	case KEEPER_MULTICAST:
		uevent_work(keeper, client, packet);
		break;
	case KEEPER_HUGE:
		if (!client_huge(keeper, client))
			client_gone(keeper, client);
		break;
	default:
		break;
	}
}

static void client_work(struct keeper *keeper, struct client *client)
{
	struct packet packet;
	ssize_t len;

	if (client->huge) {
		if (!huge_server_serve(keeper->huge, client->huge))
			client_gone(keeper, client);
		return;
	}
	len = packet_receive(client->fd, &packet);
	if (len == -EAGAIN)
		return;
	if (len < (ssize_t)sizeof(packet.msg) || packet.msg.magic != KEEPER_MAGIC) {
		client_gone(keeper, client);
	} else {
		message_work(keeper, client, &packet);
	}
	if (len >= 0 && packet.fd >= 0)
		close(packet.fd);
}

/* Whoever wants to connect waits in the socket's queue meanwhile, which wakes nobody. */
static void set_deaf(struct keeper *keeper, bool deaf)
{
	struct epoll_event event = { .events = deaf ? 0 : EPOLLIN, .data.ptr = &keeper->listen_fd };

	if (epoll_ctl(keeper->epoll_fd, EPOLL_CTL_MOD, keeper->listen_fd, &event) == 0)
		keeper->deaf = deaf;
}

/* False: there is no room for one now, and asking again at once would not help. */
static bool accept_client(struct keeper *keeper)
{
	struct client *client = FAIL_POINT() ? NULL : calloc(1, sizeof(*client));

	if (!client)
		return false;
	client->fd = accept4(keeper->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client->fd < 0 || add_epoll(keeper, client->fd, client)) {
		fd_close(client->fd);
		free(client);
		return false;
	}
	list_add_tail(&client->node, &keeper->clients);
	keeper->num_clients++;
	return true;
}

static void timer_work(struct keeper *keeper)
{
	struct release *release, *tmp;
	uint64_t expirations;

	if (read(keeper->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	if (keeper->deaf)
		set_deaf(keeper, false);
	list_for_each_entry_safe(release, tmp, &keeper->releases, node)
		release_check(keeper, release);
}

void keeper_work(struct keeper *keeper)
{
	struct epoll_event event;

	/* One event at a time: handling one may free the client of another. */
	while (epoll_wait(keeper->epoll_fd, &event, 1, 0) == 1) {
		if (event.data.ptr == &keeper->listen_fd) {
			if (accept_client(keeper))
				continue;
			set_deaf(keeper, true);
			arm_timer(keeper, true);
			return;
		} else if (event.data.ptr == &keeper->timer_fd) {
			timer_work(keeper);
		} else if (event.data.ptr == &keeper->uevents) {
			keeper_uevents_work(keeper->uevents);
		} else if (event.data.ptr == &keeper->udev) {
			keeper_udev_work(keeper->udev);
		} else {
			client_work(keeper, event.data.ptr);
		}
	}
}
