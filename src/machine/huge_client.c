/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process' line to the keeper for huge pages. One request at a time; client->lock is held over
 * the answer and is a leaf.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd_pass.h"
#include "base/sysraw.h"
#include "machine/huge.h"
#include "machine/huge_client_priv.h"
#include "machine/keeper.h"
#include "machine/keeper_msg.h"
#include "machine/machine.h"
#include "machine/session_priv.h"

int huge_client_create(struct session *session, struct huge_client **out)
{
	struct huge_client *client = FAIL_POINT() ? NULL : calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->session = session;
	client->fd = -1;
	pthread_mutex_init(&client->lock, NULL);
	*out = client;
	return 0;
}

void huge_client_after_fork(struct huge_client *client)
{
	pthread_mutex_init(&client->lock, NULL);
	/* Stays open, unused: the keeper sees the parent's end when the child has ended, too. */
	client->fd = -1;
}

static int connect_keeper(struct huge_client *client)
{
	const struct keeper_msg hello = { .magic = KEEPER_MAGIC, .type = KEEPER_HUGE };
	int fd;

	if (client->fd >= 0)
		return 0;
	fd = keeper_connect(client->session, true);
	if (fd < 0)
		return fd;
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0) {
		fd_close(fd);
		return -ECONNRESET;
	}
	client->fd = fd;
	return 0;
}

int huge_client_connect(struct huge_client *client)
{
	int ret;

	pthread_mutex_lock(&client->lock);
	ret = connect_keeper(client);
	pthread_mutex_unlock(&client->lock);
	return ret;
}

static int send_request(int socket, const struct huge_request *req, int fd)
{
	const struct iovec iov = { (void *)req, sizeof(*req) };

	return fd_send(socket, &iov, 1, fd, MSG_NOSIGNAL) == (ssize_t)sizeof(*req) ? 0
										   : -ECONNRESET;
}

static int receive_reply(int socket, struct huge_reply *reply, int *fd, int flags)
{
	ssize_t len = fd_receive(socket, reply, sizeof(*reply), fd, flags);

	if (len == (ssize_t)sizeof(*reply) && reply->magic == HUGE_MAGIC)
		return 0;
	if (*fd >= 0)
		raw_close(*fd);
	*fd = -1;
	return -ECONNRESET;
}

int huge_call(struct huge_client *client, struct huge_request *req, int fd,
	      struct huge_reply *reply, int *out_fd)
{
	/* An fd that comes is the program's; whether it is to survive exec it has said in its
	 * flags. */
	int flags = req->op == HUGE_OPEN && !(req->mode & O_CLOEXEC) ? 0 : MSG_CMSG_CLOEXEC;
	int got = -1, ret;

	req->magic = HUGE_MAGIC;
	pthread_mutex_lock(&client->lock);
	/* A keeper that is gone has a successor. */
	for (int attempt = 0; attempt < 2; attempt++) {
		ret = connect_keeper(client);
		if (!ret)
			ret = send_request(client->fd, req, fd);
		if (!ret)
			ret = receive_reply(client->fd, reply, &got, flags);
		if (ret != -ECONNRESET)
			break;
		fd_close(client->fd);
		client->fd = -1;
	}
	pthread_mutex_unlock(&client->lock);
	if (ret)
		return ret;
	if (out_fd)
		*out_fd = got;
	else if (got >= 0)
		raw_close(got);
	return reply->ret;
}

int huge_fix_stat(struct huge_client *client, uint64_t ino, bool by_name, struct stat *st)
{
	struct huge_request req = { .op = HUGE_STAT, .ino = ino, .by_name = by_name };
	struct huge_mount_info info;
	struct huge_reply reply;
	int ret;

	ret = huge_call(client, &req, -1, &reply, NULL);
	if (ret)
		return ret;
	st->st_size = (off_t)reply.bytes;
	st->st_blksize = (blksize_t)huge_bytes((enum huge_size)reply.size);
	st->st_blocks = (blkcnt_t)(reply.pages << (huge_shift((enum huge_size)reply.size) - 9));
	if (!reply.named)
		return 0;
	st->st_ino = reply.name.ino;
	st->st_mode = reply.name.mode & ~(mode_t)S_ISVTX;
	st->st_nlink = reply.name.nlink;
	st->st_uid = reply.name.uid;
	st->st_gid = reply.name.gid;
	st->st_mtime = reply.name.mtime;
	st->st_ctime = reply.name.ctime;
	if (reply.mount < SHARED_HUGE_MOUNTS && huge_slot_info(client->session, reply.mount, &info))
		st->st_dev = makedev(0, info.minor);
	owner_fix_stat(client->session->shared, st);
	return 0;
}
