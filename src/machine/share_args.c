/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the arguments of VFIO's ioctls go from one process to another, one row a command, and packets
 * on a socket. Numbers mean different commands on different files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sysraw.h"
#include "machine/share_msg.h"
#include "uapi/vfio.h"

#define FEATURE_WITH_WAKEUP 4 /* VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP */

static size_t count_fds(const uint8_t *arg, size_t len, size_t count_at, size_t at, size_t *count)
{
	uint32_t n = 0;

	*count = 0;
	if (len < at)
		return at;
	memcpy(&n, arg + count_at, sizeof(n));
	*count = MIN((size_t)n, (len - at) / sizeof(int32_t));
	return at;
}

static size_t one_fd(const uint8_t *arg, size_t len, size_t *count)
{
	*count = len >= sizeof(int32_t);
	return 0;
}

static size_t irq_fds(const uint8_t *arg, size_t len, size_t *count)
{
	uint32_t flags = 0;

	if (len >= sizeof(struct vfio_irq_set))
		memcpy(&flags, arg + offsetof(struct vfio_irq_set, flags), sizeof(flags));
	*count = 0;
	if (!(flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return 0;
	return count_fds(arg, len, offsetof(struct vfio_irq_set, count),
			 sizeof(struct vfio_irq_set), count);
}

static size_t reset_fds(const uint8_t *arg, size_t len, size_t *count)
{
	return count_fds(arg, len, offsetof(struct vfio_pci_hot_reset, count),
			 sizeof(struct vfio_pci_hot_reset), count);
}

static size_t ioevent_fd(const uint8_t *arg, size_t len, size_t *count)
{
	const size_t at = offsetof(struct vfio_device_ioeventfd, fd);

	*count = len >= at + sizeof(int32_t);
	return at;
}

static size_t feature_fd(const uint8_t *arg, size_t len, size_t *count)
{
	const size_t at = sizeof(struct vfio_device_feature);
	uint32_t flags = 0;

	if (len >= at)
		memcpy(&flags, arg + offsetof(struct vfio_device_feature, flags), sizeof(flags));
	*count = len >= at + sizeof(int32_t) &&
		 (flags & VFIO_DEVICE_FEATURE_MASK) == FEATURE_WITH_WAKEUP &&
		 (flags & VFIO_DEVICE_FEATURE_SET);
	return at;
}

static const struct share_arg args[] = {
	{ FILE_CONTAINER, VFIO_GET_API_VERSION, SHAPE_NONE, NULL },
	{ FILE_CONTAINER, VFIO_CHECK_EXTENSION, SHAPE_VALUE, NULL },
	{ FILE_CONTAINER, VFIO_SET_IOMMU, SHAPE_VALUE, NULL },
	{ FILE_CONTAINER, VFIO_IOMMU_GET_INFO, SHAPE_SIZED, NULL },
	{ FILE_CONTAINER, VFIO_IOMMU_MAP_DMA, SHAPE_SIZED, NULL },
	{ FILE_CONTAINER, VFIO_IOMMU_UNMAP_DMA, SHAPE_SIZED, NULL },
	{ FILE_CONTAINER, VFIO_IOMMU_DIRTY_PAGES, SHAPE_SIZED, NULL },
	{ FILE_GROUP, VFIO_GROUP_GET_STATUS, SHAPE_SIZED, NULL },
	{ FILE_GROUP, VFIO_GROUP_SET_CONTAINER, SHAPE_FD, one_fd },
	{ FILE_GROUP, VFIO_GROUP_UNSET_CONTAINER, SHAPE_NONE, NULL },
	{ FILE_GROUP, VFIO_GROUP_GET_DEVICE_FD, SHAPE_NAME, NULL },
	{ FILE_DEVICE, VFIO_DEVICE_GET_INFO, SHAPE_SIZED, NULL },
	{ FILE_DEVICE, VFIO_DEVICE_GET_REGION_INFO, SHAPE_SIZED, NULL },
	{ FILE_DEVICE, VFIO_DEVICE_GET_IRQ_INFO, SHAPE_SIZED, NULL },
	{ FILE_DEVICE, VFIO_DEVICE_SET_IRQS, SHAPE_SIZED, irq_fds },
	{ FILE_DEVICE, VFIO_DEVICE_RESET, SHAPE_NONE, NULL },
	{ FILE_DEVICE, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, SHAPE_SIZED, NULL },
	{ FILE_DEVICE, VFIO_DEVICE_PCI_HOT_RESET, SHAPE_SIZED, reset_fds },
	{ FILE_DEVICE, VFIO_DEVICE_IOEVENTFD, SHAPE_SIZED, ioevent_fd },
	{ FILE_DEVICE, VFIO_DEVICE_FEATURE, SHAPE_SIZED, feature_fd },
};

const struct share_arg *share_arg_find(enum file_kind kind, unsigned int cmd)
{
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		if (args[i].kind == kind && args[i].cmd == cmd)
			return &args[i];
	return NULL;
}

/* ---- packets --------------------------------------------------------------------------------- */

/* libc's word for the lengths of control data: glibc's is wider than musl's. */
typedef __typeof__(((struct msghdr *)NULL)->msg_controllen) msg_len_t;

union control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(SHARE_FDS_ONCE * sizeof(int))];
};

int share_send(int fd, const struct share_msg *msg, const void *payload, const int *fds,
	       size_t nfds)
{
	struct iovec iov[] = { { (void *)msg, sizeof(*msg) }, { (void *)payload, msg->len } };
	struct msghdr header = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };
	union control control;
	long ret;

	if (nfds) {
		header.msg_control = &control;
		header.msg_controllen = (msg_len_t)CMSG_SPACE(nfds * sizeof(int));
		memset(&control, 0, header.msg_controllen);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = (msg_len_t)CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nfds * sizeof(int));
	}
	do {
		ret = sysraw3(SYS_sendmsg, fd, (long)&header, MSG_NOSIGNAL);
	} while (ret == -EINTR);
	if (ret == -ECONNRESET)
		return -EPIPE;
	return ret < 0 ? (int)ret : 0;
}

static void take_fds(struct msghdr *header, int *fds, size_t *nfds)
{
	struct cmsghdr *cmsg;
	size_t n;

	for (cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		n = MIN(n, SHARE_FDS_ONCE - *nfds);
		memcpy(fds + *nfds, CMSG_DATA(cmsg), n * sizeof(int));
		*nfds += n;
	}
}

static void drop_fds(int *fds, size_t *nfds)
{
	while (*nfds)
		raw_close(fds[--*nfds]);
}

int share_recv(int fd, struct share_msg *msg, void *payload, size_t size, int *fds, size_t *nfds)
{
	struct iovec iov[] = { { msg, sizeof(*msg) }, { payload, size } };
	union control control;
	struct msghdr header = { .msg_iov = iov,
				 .msg_iovlen = ARRAY_SIZE(iov),
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	long ret;

	*nfds = 0;
	do {
		ret = sysraw3(SYS_recvmsg, fd, (long)&header, MSG_CMSG_CLOEXEC);
	} while (ret == -EINTR);
	if (ret > 0)
		take_fds(&header, fds, nfds);
	if (ret < (long)sizeof(*msg) || (header.msg_flags & MSG_TRUNC) ||
	    msg->magic != SHARE_MAGIC || (size_t)ret != sizeof(*msg) + msg->len) {
		drop_fds(fds, nfds);
		return -EPIPE;
	}
	/* Some found no number here: no other may stand in their place. */
	if (header.msg_flags & MSG_CTRUNC) {
		drop_fds(fds, nfds);
		return -EMFILE;
	}
	return 0;
}
