/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fds in messages. What leaves this process is served from then on for whoever gets it
 * (machine/share.h); what arrives is recognised: our own files, those of other processes of the
 * session, uevent sockets, files of huge pages.
 */
#include <string.h>
#include <sys/socket.h>

#include "file/file.h"
#include "machine/share.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/fdset.h"
#include "preload/huge.h"
#include "preload/uevent.h"
#include "preload/wrappers.h"

bool message_adopt(int fd)
{
	struct uvfio_machine *machine;
	struct file_owner owner;

	if (!file_is_foreign(fd, &owner) || door_machine(&machine))
		return false;
	return share_adopt(machine, fd) == 0;
}

static void arrived(int fd)
{
	struct file *file = file_from_fd(fd);

	if (file)
		file_put(file);
	else if (!message_adopt(fd) && !uevent_adopt(fd))
		huge_learn(fd);
}

static void leaves(int fd)
{
	struct uvfio_machine *machine = atomic_load(&door_machine_ptr);
	struct file *file = file_from_fd(fd);

	if (!file)
		return;
	if (machine)
		share_send_file(machine, file);
	file_put(file);
}

static void for_each_fd(const struct msghdr *msg, void (*fn)(int fd))
{
	struct cmsghdr *cmsg;
	size_t i, n;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR((struct msghdr *)msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
		    cmsg->cmsg_len < CMSG_LEN(0))
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			fn(fd);
		}
	}
}

/* Without a control buffer nothing is looked at: the header may be the kernel's to refuse. */
static void look(const struct msghdr *msg, void (*fn)(int fd))
{
	struct door door;

	if (!msg || !msg->msg_control || msg->msg_controllen < sizeof(struct cmsghdr))
		return;
	door_enter(&door);
	for_each_fd(msg, fn);
	door_leave(&door);
}

bool door_recvmsg(ssize_t *ret, int fd, struct msghdr *msg, int flags)
{
	if (fdset_has(&fdset_uevents, fd) && door_uevent_recvmsg(ret, fd, msg, flags))
		return true;
	*ret = real_recvmsg(fd, msg, flags);
	if (*ret >= 0)
		look(msg, arrived);
	return true;
}

bool door_recvmmsg_fds(int *ret, int fd, struct mmsghdr *msgs, unsigned int n, int flags,
		       struct timespec *timeout)
{
	int i;

	if (fdset_has(&fdset_uevents, fd) && door_recvmmsg(ret, fd, msgs, n, flags))
		return true;
	*ret = real_recvmmsg(fd, msgs, n, flags, timeout);
	for (i = 0; i < *ret; i++)
		look(&msgs[i].msg_hdr, arrived);
	return true;
}

bool door_sendmsg_fds(ssize_t *ret, int fd, const struct msghdr *msg)
{
	if (fdset_has(&fdset_uevents, fd) && door_sendmsg(ret, fd, msg))
		return true;
	look(msg, leaves);
	return false;
}

bool door_sendmmsg_fds(int *ret, int fd, const struct mmsghdr *msgs, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		look(&msgs[i].msg_hdr, leaves);
	return false;
}
