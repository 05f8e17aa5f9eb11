/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that listens to the keeper (keeper_client.h), and the release that one process asks of
 * the others.
 *
 * client->lock guards fd and held; it is a leaf. The thread alone replaces fd. A release that the
 * keeper asks for runs on the thread and waits there for the program to close the device.
 */
#include "machine/keeper_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/following.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "base/thread.h"
#include "machine/keeper.h"
#include "machine/keeper_msg.h"
#include "machine/keeper_socket.h"
#include "machine/machine_priv.h"
#include "machine/share.h"
#include "machine/session_priv.h"

#define RETRY_USEC 20000 /* between looks at a group when there is no keeper to be had */

struct keeper_client {
	struct uvfio_machine *machine;
	pthread_t thread;
	int stop_fd; /* eventfd: the thread shall end */
	_Atomic bool stopping;
	pthread_mutex_t lock;
	int fd;		/* -1: no keeper at present */
	uint32_t epoch; /* the session's before fd was looked for; the thread's, once it runs */
	bool held[MACHINE_GROUPS];
};

static void send_msg(int fd, uint32_t type, uint32_t id, uint32_t group, const char *device)
{
	struct keeper_msg msg = { .magic = KEEPER_MAGIC, .type = type, .id = id, .group = group };

	snprintf(msg.device, sizeof(msg.device), "%s", device);
	/* A keeper that is gone is noticed by whoever reads from it. */
	if (send(fd, &msg, sizeof(msg), MSG_NOSIGNAL) < 0)
		return;
}

static void client_tell(struct keeper_client *client, uint32_t type, unsigned int group)
{
	pthread_mutex_lock(&client->lock);
	client->held[group] = type == KEEPER_HOLD;
	if (client->fd >= 0)
		send_msg(client->fd, type, 0, group, "");
	pthread_mutex_unlock(&client->lock);
}

/* Connects, when there is a keeper, and tells what is held. */
static void client_connect(struct keeper_client *client)
{
	struct session *session = client->machine->session;
	int fd;

	client->epoch = keeper_epoch(session);
	fd = keeper_connect(session, false);
	if (fd < 0)
		return;
	pthread_mutex_lock(&client->lock);
	client->fd = fd;
	for (unsigned int i = 0; i < MACHINE_GROUPS; i++)
		if (client->held[i])
			send_msg(fd, KEEPER_HOLD, 0, i, "");
	pthread_mutex_unlock(&client->lock);
}

static void client_disconnect(struct keeper_client *client)
{
	pthread_mutex_lock(&client->lock);
	fd_close(client->fd);
	client->fd = -1;
	pthread_mutex_unlock(&client->lock);
}

static void client_listen(struct keeper_client *client)
{
	struct pollfd fds[2] = { { .fd = client->fd, .events = POLLIN },
				 { .fd = client->stop_fd, .events = POLLIN } };
	struct keeper_msg msg;
	ssize_t len;

	if (poll(fds, 2, -1) < 0 || !fds[0].revents)
		return;
	len = recv(client->fd, &msg, sizeof(msg), MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len != sizeof(msg) || msg.magic != KEEPER_MAGIC) {
		client_disconnect(client);
		return;
	}
	msg.device[sizeof(msg.device) - 1] = '\0';
	if (msg.type == KEEPER_ERROR)
		inject_wanted(client->machine, msg.device);
	if (msg.type == KEEPER_SHARE && msg.group == (uint32_t)raw_getpid())
		share_serve(client->machine);
	if (msg.type != KEEPER_REQUEST)
		return;
	pr_info("%s: asked to give the device back", msg.device);
	/* Who asks says what has happened. */
	lib_following++;
	admin_release_here(client->machine, msg.device);
	lib_following--;
	send_msg(client->fd, KEEPER_GIVEN, msg.id, msg.group, msg.device);
}

static void *client_thread(void *arg)
{
	struct keeper_client *client = arg;

	while (!client->stopping) {
		if (client->fd >= 0) {
			client_listen(client);
			continue;
		}
		/* None, or it has gone: until one appears. */
		keeper_await(client->machine->session, client->epoch);
		client_connect(client);
	}
	return NULL;
}

static struct keeper_client *client_start(struct uvfio_machine *machine)
{
	struct keeper_client *client = FAIL_POINT() ? NULL : calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->machine = machine;
	client->fd = -1;
	pthread_mutex_init(&client->lock, NULL);
	client->stop_fd = fd_move_high(eventfd(0, EFD_CLOEXEC));
	/* Not on the thread: while a socket is made it has a low number, which the program, that is
	 * opening a group, would not get. */
	client_connect(client);
	if (client->stop_fd < 0 ||
	    thread_create(&client->thread, "uvfio-keeper", client_thread, client)) {
		fd_close(client->fd);
		fd_close(client->stop_fd);
		free(client);
		return NULL;
	}
	return client;
}

void keeper_client_hold(struct uvfio_machine *machine, unsigned int id)
{
	struct keeper_client *client;

	pthread_mutex_lock(&machine->claims_lock);
	if (!machine->keeper)
		machine->keeper = client_start(machine);
	client = machine->keeper;
	pthread_mutex_unlock(&machine->claims_lock);
	if (client)
		client_tell(client, KEEPER_HOLD, id);
	else
		pr_warn("no thread for the keeper: other processes cannot ask for devices back");
}

void keeper_client_drop(struct uvfio_machine *machine, unsigned int id)
{
	struct keeper_client *client;

	pthread_mutex_lock(&machine->claims_lock);
	client = machine->keeper;
	pthread_mutex_unlock(&machine->claims_lock);
	if (client)
		client_tell(client, KEEPER_DROP, id);
}

void keeper_client_stop(struct uvfio_machine *machine)
{
	struct keeper_client *client = machine->keeper;

	if (!client)
		return;
	client->stopping = true;
	/* An eventfd's counter cannot be full here, and a keeper that appears wakes the thread
	 * too. */
	if (eventfd_write(client->stop_fd, 1) < 0)
		pr_err("the keeper's thread cannot be woken");
	keeper_announce(machine->session);
	pthread_join(client->thread, NULL);
	machine->keeper = NULL;
	fd_close(client->fd);
	fd_close(client->stop_fd);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

void keeper_client_after_fork(struct uvfio_machine *machine)
{
	/* The thread is the parent's; so are its connection and its end. */
	if (machine->keeper) {
		fd_close(machine->keeper->fd);
		fd_close(machine->keeper->stop_fd);
		machine->parents_keeper = machine->keeper;
	}
	machine->keeper = NULL;
}

void keeper_request_release(struct uvfio_machine *machine, const char *device, unsigned int group)
{
	struct keeper_msg msg;
	bool told = false;
	ssize_t len;
	int fd;

	if (group == NO_GROUP || group_claimed_here(machine, group))
		return;
	while (session_group_claimed(machine->session, group)) {
		fd = keeper_connect(machine->session, true);
		if (fd < 0) {
			/* Nobody asks the user; he is waited for all the same. */
			if (!told)
				pr_err("%s: no keeper to ask another process for the device: %s; "
				       "waiting until it is closed",
				       device, strerror(-fd));
			told = true;
			usleep(RETRY_USEC);
			continue;
		}
		send_msg(fd, KEEPER_RELEASE, 1, group, device);
		do {
			len = recv(fd, &msg, sizeof(msg), 0);
		} while (len < 0 && errno == EINTR);
		fd_close(fd);
		if (len == sizeof(msg) && msg.type == KEEPER_DONE)
			return;
		/* The keeper went away: ask the next one. */
	}
}

int keeper_pass_error(struct uvfio_machine *machine, const char *device, unsigned int group)
{
	int fd = keeper_connect(machine->session, true);

	if (fd < 0)
		return fd;
	send_msg(fd, KEEPER_ERROR, 0, group, device);
	fd_close(fd);
	return 0;
}

void keeper_ask_share(struct uvfio_machine *machine, int pid)
{
	int fd = keeper_connect(machine->session, true);

	if (fd < 0)
		return;
	send_msg(fd, KEEPER_SHARE, 0, (uint32_t)pid, "");
	fd_close(fd);
}
