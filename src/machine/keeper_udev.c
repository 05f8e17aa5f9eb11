/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * systemd's udev control protocol: a client connects to a SEQPACKET socket, sends requests (ping,
 * reload, set a log level ...), then END, and waits for the end of the connection, which says that
 * all of them and all events before them are through.
 *
 * There are no rules to reload and no queue to wait for: an event's writer goes on when the event
 * is with its listeners. So every request is taken, and END is answered at once. Connections are
 * kept in a small table; a client that finds it full is sent away, which says the same.
 */
#include "machine/keeper_udev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "machine/keeper_socket.h"
#include "machine/session_priv.h"

#define CONTROL	    "run/udev/control"
#define MAX_CLIENTS 16
#define LISTENER    MAX_CLIENTS

#define UDEV_CTRL_MAGIC 0xdead1dea
#define UDEV_CTRL_END	0

struct udev_request {
	char version[16];
	uint32_t magic;
	uint32_t type;
	char value[256];
};

struct keeper_udev {
	int listen_fd, epoll_fd;
	int client[MAX_CLIENTS]; /* -1: free */
};

static int watch(const struct keeper_udev *udev, int fd, uint32_t id)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = id };

	return epoll_ctl(udev->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int keeper_udev_create(struct session *session, struct keeper_udev **out)
{
	struct keeper_udev *udev = FAIL_POINT() ? NULL : calloc(1, sizeof(*udev));
	char path[PATH_MAX];
	int ret;

	if (!udev)
		return -ENOMEM;
	for (int i = 0; i < MAX_CLIENTS; i++)
		udev->client[i] = -1;
	udev->listen_fd = keeper_listen(session, CONTROL);
	udev->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ret = udev->listen_fd < 0 ? udev->listen_fd : udev->epoll_fd < 0 ? -errno : 0;
	if (!ret)
		ret = watch(udev, udev->listen_fd, LISTENER);
	if (!ret && !session_path(session, CONTROL, path, sizeof(path)) && chmod(path, 0600) < 0)
		ret = -errno;
	if (ret) {
		keeper_udev_destroy(udev);
		return ret;
	}
	*out = udev;
	return 0;
}

static void client_close(struct keeper_udev *udev, uint32_t i)
{
	epoll_ctl(udev->epoll_fd, EPOLL_CTL_DEL, udev->client[i], NULL);
	close(udev->client[i]);
	udev->client[i] = -1;
}

void keeper_udev_destroy(struct keeper_udev *udev)
{
	if (!udev)
		return;
	for (uint32_t i = 0; i < MAX_CLIENTS; i++)
		if (udev->client[i] >= 0)
			client_close(udev, i);
	fd_close(udev->epoll_fd);
	fd_close(udev->listen_fd);
	free(udev);
}

int keeper_udev_fd(const struct keeper_udev *udev)
{
	return udev->epoll_fd;
}

static void accept_client(struct keeper_udev *udev)
{
	int fd = accept4(udev->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (uint32_t i = 0; i < MAX_CLIENTS && fd >= 0; i++) {
		if (udev->client[i] >= 0)
			continue;
		if (watch(udev, fd, i))
			break;
		udev->client[i] = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void client_work(struct keeper_udev *udev, uint32_t i)
{
	struct udev_request request;
	ssize_t len = recv(udev->client[i], &request, sizeof(request), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < (ssize_t)sizeof(request) || request.magic != UDEV_CTRL_MAGIC ||
	    request.type == UDEV_CTRL_END)
		client_close(udev, i);
}

void keeper_udev_work(struct keeper_udev *udev)
{
	struct epoll_event event;

	while (epoll_wait(udev->epoll_fd, &event, 1, 0) == 1) {
		if (event.data.u32 == LISTENER)
			accept_client(udev);
		else
			client_work(udev, event.data.u32);
	}
}
