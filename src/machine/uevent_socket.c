/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making uevent sockets, and giving them to a keeper that takes over from one that died.
 *
 * For that the process keeps copies of the keeper's ends and has one sleeping thread, from its
 * first uevent socket on. sockets->lock guards the list; it is held while the keeper is asked, who
 * never waits for anybody.
 */
#include "machine/uevent_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd_pass.h"
#include "base/list.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "base/thread.h"
#include "machine/keeper.h"
#include "machine/keeper_msg.h"
#include "machine/keeper_socket.h"
#include "machine/session_priv.h"

#define RCVBUF_DEFAULT 212992
#define RCVBUF_MIN     2304
#define RETRY_MSEC     200

struct uevent_end {
	struct list_head node;
	int fd; /* the keeper's end; the library's own */
	uint32_t slot;
	uint64_t ino; /* of the program's end */
};

struct uevent_sockets {
	struct session *session;
	pthread_mutex_t lock;
	struct list_head ends;
	bool running; /* the thread is there. Guarded by lock */
	pthread_t thread;
	int stop_fd;
	_Atomic bool stopping;
};

int uevent_sockets_create(struct session *session, struct uevent_sockets **out)
{
	struct uevent_sockets *sockets = FAIL_POINT() ? NULL : calloc(1, sizeof(*sockets));

	if (!sockets)
		return -ENOMEM;
	sockets->session = session;
	sockets->stop_fd = -1;
	list_init(&sockets->ends);
	pthread_mutex_init(&sockets->lock, NULL);
	*out = sockets;
	return 0;
}

static void end_free(struct uevent_end *end)
{
	list_del(&end->node);
	fd_close(end->fd);
	free(end);
}

static void free_ends(struct uevent_sockets *sockets)
{
	struct uevent_end *end, *tmp;

	list_for_each_entry_safe(end, tmp, &sockets->ends, node)
		end_free(end);
}

void uevent_sockets_destroy(struct uevent_sockets *sockets)
{
	if (!sockets)
		return;
	if (sockets->running) {
		sockets->stopping = true;
		if (eventfd_write(sockets->stop_fd, 1) < 0)
			pr_err("the uevents' thread cannot be woken");
		keeper_announce(sockets->session);
		pthread_join(sockets->thread, NULL);
	}
	free_ends(sockets);
	fd_close(sockets->stop_fd);
	pthread_mutex_destroy(&sockets->lock);
	free(sockets);
}

void uevent_sockets_fork_prepare(struct uevent_sockets *sockets)
{
	if (sockets)
		pthread_mutex_lock(&sockets->lock);
}

void uevent_sockets_fork_parent(struct uevent_sockets *sockets)
{
	if (sockets)
		pthread_mutex_unlock(&sockets->lock);
}

void uevent_sockets_after_fork(struct uevent_sockets *sockets)
{
	if (!sockets)
		return;
	pthread_mutex_init(&sockets->lock, NULL);
	free_ends(sockets);
	fd_close(sockets->stop_fd);
	sockets->stop_fd = -1;
	sockets->running = false;
}

/* ---- the keeper ------------------------------------------------------------------------------ */

/* Sends @msg with @data behind it and @fd (-1: none), and takes the answer. 0 or -errno. */
static int ask(struct session *session, struct keeper_msg *msg, const void *data, size_t len,
	       int fd)
{
	struct iovec iov[2] = { { msg, sizeof(*msg) }, { (void *)data, len } };
	int keeper = keeper_connect(session, true);
	ssize_t ret;

	if (keeper < 0)
		return keeper;
	ret = fd_send(keeper, iov, len ? 2 : 1, fd, MSG_NOSIGNAL);
	if (ret >= 0)
		ret = keeper_await_done(keeper, msg->id, msg);
	fd_close(keeper);
	return (int)ret;
}

/* @end goes to the keeper. 0 or -errno. */
static int end_listen(struct session *session, struct uevent_end *end)
{
	struct keeper_msg msg = { .magic = KEEPER_MAGIC,
				  .type = KEEPER_LISTEN,
				  .id = 1,
				  .group = end->slot,
				  .ino = end->ino };
	int ret = ask(session, &msg, NULL, 0, end->fd);

	if (ret)
		return ret;
	if (msg.group >= SHARED_MAX_UEVENT_SOCKETS)
		return -ENOBUFS;
	end->slot = msg.group;
	return 0;
}

int uevent_socket_multicast(struct session *session, uint32_t groups, const void *data, size_t len)
{
	struct keeper_msg msg = {
		.magic = KEEPER_MAGIC, .type = KEEPER_MULTICAST, .id = 1, .group = groups
	};

	if (len > KEEPER_PAYLOAD)
		return -EMSGSIZE;
	return session->shared->num_uevent_sockets ? ask(session, &msg, data, len, -1) : 0;
}

int uevent_control_connect(struct session *session, int fd, const char *path)
{
	return strcmp(path, "/run/udev/control")
		       ? 1
		       : keeper_connect_to(session, fd, "run/udev/control");
}

/* Those whose program's end is closed are of no use any more: the keeper has freed the slot. */
static void drop_closed(struct uevent_sockets *sockets)
{
	const struct shared_uevent_socket *slots = sockets->session->shared->uevent_socket;
	struct uevent_end *end, *tmp;

	list_for_each_entry_safe(end, tmp, &sockets->ends, node)
		if (slots[end->slot].ino != end->ino)
			end_free(end);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* A keeper that has a socket already takes it again. False: one has not been taken. */
static bool come_again(struct uevent_sockets *sockets)
{
	struct uevent_end *end;
	bool ok = true;

	pthread_mutex_lock(&sockets->lock);
	drop_closed(sockets);
	list_for_each_entry(end, &sockets->ends, node)
		ok &= end_listen(sockets->session, end) == 0;
	pthread_mutex_unlock(&sockets->lock);
	return ok;
}

static void *sockets_thread(void *arg)
{
	struct uevent_sockets *sockets = arg;

	while (!sockets->stopping) {
		uint32_t epoch = keeper_epoch(sockets->session);
		int keeper = keeper_connect(sockets->session, false);
		struct pollfd fds[2] = { { .fd = keeper, .events = POLLIN },
					 { .fd = sockets->stop_fd, .events = POLLIN } };

		if (keeper < 0) {
			keeper_await(sockets->session, epoch);
			continue;
		}
		/* The keeper says nothing here: what can be read is its end. */
		while (poll(fds, 2, come_again(sockets) ? -1 : RETRY_MSEC) < 0 && errno == EINTR)
			continue;
		fd_close(keeper);
	}
	return NULL;
}

static void start_thread(struct uevent_sockets *sockets)
{
	if (sockets->running)
		return;
	sockets->stop_fd = fd_move_high(eventfd(0, EFD_CLOEXEC));
	sockets->running = sockets->stop_fd >= 0 && thread_create(&sockets->thread, "uvfio-uevent",
								  sockets_thread, sockets) == 0;
	if (!sockets->running) {
		fd_close(sockets->stop_fd);
		sockets->stop_fd = -1;
		pr_warn("no thread for uevents: they end when the keeper does");
	}
}

/* ---- a socket -------------------------------------------------------------------------------- */

static uint64_t socket_inode(int fd)
{
	struct stat st;

	return raw_fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

static uint32_t host_number(const char *path, uint32_t otherwise)
{
	unsigned int value = otherwise;
	FILE *file = fopen(path, "re");

	if (file && fscanf(file, "%u", &value) != 1)
		value = otherwise;
	if (file)
		fclose(file);
	return value;
}

void uevent_socket_set_rcvbuf(struct shared_uevent_socket *slot, uint32_t value, bool force)
{
	if (!force)
		value = MIN(value, host_number("/proc/sys/net/core/rmem_max", RCVBUF_DEFAULT));
	value = MIN(value, (uint32_t)INT32_MAX / 2) * 2;
	slot->rcvbuf = MAX(value, RCVBUF_MIN);
}

/* A pair: the program's end has a low number, @end->fd is the keeper's. The program's or -errno. */
static int make_pair(int type, struct uevent_end *end)
{
	const int flags = type & (SOCK_CLOEXEC | SOCK_NONBLOCK), most = INT32_MAX / 2;
	int fds[2], ret;

	/* Raw, because one is moved: a sanitizer would take the number for still open. */
	ret = (int)sysraw4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | flags, 0, (long)fds);
	if (ret)
		return ret;
	end->fd = fd_move_high(fds[1]);
	if (end->fd < 0) {
		raw_close(fds[0]);
		return end->fd;
	}
	end->ino = socket_inode(fds[0]);
	/* What is unread counts against the sender's buffer: as much of it as there may be. */
	if (setsockopt(end->fd, SOL_SOCKET, SO_SNDBUFFORCE, &most, sizeof(most)) < 0)
		setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof(most));
	return fds[0];
}

int uevent_socket_open(struct uevent_sockets *sockets, int type)
{
	struct uevent_end *end = FAIL_POINT() ? NULL : calloc(1, sizeof(*end));
	struct shared_uevent_socket *slot;
	uint32_t rcvbuf = host_number("/proc/sys/net/core/rmem_default", RCVBUF_DEFAULT);
	int fd, ret;

	if (!end)
		return -ENOMEM;
	end->slot = KEEPER_ANY;
	fd = make_pair(type, end);
	if (fd < 0) {
		free(end);
		return fd;
	}
	pthread_mutex_lock(&sockets->lock);
	drop_closed(sockets);
	ret = end_listen(sockets->session, end);
	if (!ret) {
		/* Below the lock: the thread may get another slot for it from a new keeper. */
		slot = &sockets->session->shared->uevent_socket[end->slot];
		slot->type = (uint32_t)type & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK);
		slot->rcvbuf = rcvbuf;
		list_add_tail(&end->node, &sockets->ends);
		start_thread(sockets);
	}
	pthread_mutex_unlock(&sockets->lock);
	if (ret) {
		raw_close(fd);
		fd_close(end->fd);
		free(end);
		return ret;
	}
	return fd;
}

struct shared_uevent_socket *uevent_socket_slot(const struct session *session, int fd)
{
	uint64_t ino = socket_inode(fd);

	for (uint32_t i = 0; ino && i < SHARED_MAX_UEVENT_SOCKETS; i++)
		if (session->shared->uevent_socket[i].ino == ino)
			return &session->shared->uevent_socket[i];
	return NULL;
}

static bool pid_taken(const struct session *session, const struct shared_uevent_socket *slot,
		      uint32_t pid)
{
	for (uint32_t i = 0; i < SHARED_MAX_UEVENT_SOCKETS; i++) {
		const struct shared_uevent_socket *other = &session->shared->uevent_socket[i];

		if (other != slot && other->ino && other->pid == pid)
			return true;
	}
	return false;
}

int uevent_socket_bind(const struct session *session, struct shared_uevent_socket *slot,
		       uint32_t pid, uint32_t groups)
{
	if (slot->pid) {
		if (pid && pid != slot->pid)
			return -EINVAL;
	} else if (pid) {
		if (pid_taken(session, slot, pid))
			return -EADDRINUSE;
		slot->pid = pid;
	} else {
		/* The process' id; for its second socket numbers that no process has. */
		pid = (uint32_t)getpid();
		for (uint32_t next = (uint32_t)-4097; pid_taken(session, slot, pid); next--)
			pid = next;
		slot->pid = pid;
	}
	slot->groups = groups;
	return 0;
}
