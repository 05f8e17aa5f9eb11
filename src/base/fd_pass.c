/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fd_pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

ssize_t fd_send(int socket, const struct iovec *iov, size_t count, int fd, int flags)
{
	union control control = { .buf = { 0 } };
	struct msghdr msg = { .msg_iov = (struct iovec *)iov };
	struct cmsghdr *cmsg = &control.align;
	ssize_t len;

	msg.msg_iovlen = (__typeof__(msg.msg_iovlen))count;
	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	do {
		len = sendmsg(socket, &msg, flags);
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

ssize_t fd_receive(int socket, void *buf, size_t size, int *fd, int flags)
{
	struct iovec iov = { buf, size };
	union control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	ssize_t len;

	*fd = -1;
	do {
		len = recvmsg(socket, &msg, flags);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	/* The kernel closes what has no room. */
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(*fd)))
		memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	return len;
}
