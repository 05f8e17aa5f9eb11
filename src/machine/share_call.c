/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another process' request carried out on a file of this one. What arrives is checked before it is
 * used: the file is one that was sent, lengths fit, an argument is what the packet held and not a
 * byte more (what lies behind it cannot be touched), no number of another process' is taken for an
 * address or an fd of ours.
 *
 * Runs on the connection's thread, at library depth 1 as a trap does, without locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/overflow.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "machine/machine_priv.h"
#include "machine/share_priv.h"
#include "uapi/vfio.h"

#define FEATURE_DMA_BUF 11 /* VFIO_DEVICE_FEATURE_DMA_BUF */

/* ---- ioctl ----------------------------------------------------------------------------------- */

/* Puts the argument where nothing can be read behind it; its address. */
static uintptr_t place_argument(struct share_call *call)
{
	call->out_at = SHARE_PAYLOAD - call->msg->len;
	memcpy(call->out + call->out_at, call->payload, call->msg->len);
	return (uintptr_t)call->out + call->out_at;
}

static void place_fds(struct share_call *call, const struct share_arg *arg)
{
	uint8_t *at = call->out + call->out_at;
	size_t count, i;

	at += arg->fds(at, call->msg->len, &count);
	for (i = 0; i < count; i++) {
		int32_t number;

		memcpy(&number, at + i * sizeof(number), sizeof(number));
		if (number < 0)
			continue;
		number = (size_t)number < call->num_fds ? call->fds[number] : SHARE_BAD_FD;
		memcpy(at + i * sizeof(number), &number, sizeof(number));
	}
}

/* Bytes that the command has changed go back. */
static void keep_changes(struct share_call *call)
{
	const uint8_t *now = call->out + call->out_at;
	size_t len = call->msg->len;

	while (len && now[len - 1] == call->payload[len - 1])
		len--;
	call->out_len = len;
}

static uint32_t word_at(const struct share_call *call, size_t at)
{
	uint32_t word = 0;

	if (call->msg->len >= at + sizeof(word))
		memcpy(&word, call->payload + at, sizeof(word));
	return word;
}

/* The features of these: what they do without PROBE. */
static bool feature_unsupported(uint32_t flags)
{
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return false;
	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case FEATURE_DMA_BUF:
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		return flags & VFIO_DEVICE_FEATURE_GET;
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		return flags & VFIO_DEVICE_FEATURE_SET;
	default:
		return false;
	}
}

/* Arguments that lead to more memory of the caller's, or give an fd that he cannot use. */
static bool unsupported(const struct share_call *call, const struct share_arg *arg)
{
	uint32_t flags = word_at(call, sizeof(uint32_t));

	if (arg->kind == FILE_CONTAINER && arg->cmd == VFIO_IOMMU_UNMAP_DMA)
		return flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	if (arg->kind == FILE_CONTAINER && arg->cmd == VFIO_IOMMU_DIRTY_PAGES)
		return flags & VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	if (arg->kind == FILE_DEVICE && arg->cmd == VFIO_DEVICE_FEATURE)
		return feature_unsupported(flags);
	return false;
}

static int64_t unmap_dma(struct share_call *call, struct file *file, uintptr_t at)
{
	struct vfio_iommu_type1_dma_unmap unmap;
	long ret = file_ioctl(file, VFIO_IOMMU_UNMAP_DMA, at);

	keep_changes(call);
	if (ret || call->msg->len < sizeof(unmap))
		return ret;
	/* As it was asked for: the size that comes back is the sum of what was there. */
	memcpy(&unmap, call->payload, sizeof(unmap));
	if (unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL)
		share_unmapped_dma(call->conn->server, file, 0, 0);
	else
		share_unmapped_dma(call->conn->server, file, unmap.iova, unmap.size);
	return 0;
}

static int64_t open_device(struct share_call *call, struct file *group, uintptr_t name)
{
	struct file *device;
	int ret = vfio_group_open_device(group, name, &device);

	if (ret)
		return ret;
	call->out_fd = raw_fcntl(device->memfd, F_DUPFD_CLOEXEC, 512);
	if (call->out_fd == -EINVAL)
		call->out_fd = raw_fcntl(device->memfd, F_DUPFD_CLOEXEC, 16);
	ret = MIN(call->out_fd, 0);
	if (!ret)
		ret = share_send_file(call->conn->server->machine, device);
	file_put(device);
	return ret;
}

static int64_t do_ioctl(struct share_call *call, struct file *file)
{
	const struct share_msg *msg = call->msg;
	const struct share_arg *arg = share_arg_find(file->ops->kind, msg->cmd);
	uintptr_t at;
	long ret;

	if (!arg || arg->shape == SHAPE_NONE)
		return file_ioctl(file, msg->cmd, 0);
	if (arg->shape == SHAPE_VALUE)
		return file_ioctl(file, msg->cmd, (unsigned long)msg->value);
	if (unsupported(call, arg))
		return -EOPNOTSUPP;
	if (file->ops->kind == FILE_CONTAINER && msg->cmd == VFIO_IOMMU_MAP_DMA)
		return share_map_dma(call, file);
	at = place_argument(call);
	if (file->ops->kind == FILE_CONTAINER && msg->cmd == VFIO_IOMMU_UNMAP_DMA)
		return unmap_dma(call, file, at);
	if (arg->shape == SHAPE_NAME)
		return open_device(call, file, at);
	if (arg->fds)
		place_fds(call, arg);
	ret = file_ioctl(file, msg->cmd, at);
	if (!arg->fds)
		keep_changes(call);
	return ret;
}

/* ---- bytes, pages, accesses ------------------------------------------------------------------ */

static int64_t do_read(struct share_call *call, struct file *file)
{
	const struct share_msg *msg = call->msg;
	ssize_t ret;

	if (msg->value < 0 || msg->value > SHARE_PAYLOAD)
		return -EINVAL;
	ret = file_pread(file, (uintptr_t)call->out, (size_t)msg->value, msg->off);
	call->out_len = ret > 0 ? (size_t)ret : 0;
	return ret;
}

static int check_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags)
{
	uint64_t last;

	if (!file->ops->mmap)
		return -ENODEV;
	if (!len || !IS_ALIGNED(off | len, HOST_PAGE_SIZE) || !range_last(off, len, &last) ||
	    last > INT64_MAX)
		return -EINVAL;
	return file->ops->mmap(file, off, len, prot, flags);
}

static int64_t do_mmap(struct share_call *call, struct file *file)
{
	const struct share_msg *msg = call->msg;
	int ret = check_mmap(file, msg->off, (uint64_t)msg->value, (int)msg->cmd, (int)msg->width);

	return ret ? ret : share_subscribe(call->conn, file, msg->off, (uint64_t)msg->value);
}

/* One access of a page that may be mapped; a page that has been taken away answers as nothing. */
static int64_t do_access(struct share_call *call, struct file *file, bool write)
{
	const struct share_msg *msg = call->msg;
	uint64_t last;
	int ret;

	if ((msg->width != 1 && msg->width != 2 && msg->width != 4 && msg->width != 8) ||
	    !IS_ALIGNED(msg->off, msg->width))
		return -EINVAL;
	ret = check_mmap(file, ALIGN_DOWN(msg->off, HOST_PAGE_SIZE), HOST_PAGE_SIZE,
			 PROT_READ | PROT_WRITE, MAP_SHARED);
	if (ret)
		return ret;
	if (file_access_at(file, msg->off, &last) == PAGE_REVOKED)
		return -1;
	if (!write)
		return (int64_t)file->ops->mmio_read(file, msg->off, msg->width);
	file->ops->mmio_write(file, msg->off, msg->width, (uint64_t)msg->value, false);
	return 0;
}

static int64_t do_load(struct share_call *call, struct file *file)
{
	int64_t value = do_access(call, file, false);

	/* A value may look like an error: it goes as payload. */
	memcpy(call->out, &value, sizeof(value));
	call->out_len = sizeof(value);
	return 0;
}

/* ---- the dispatcher -------------------------------------------------------------------------- */

/* Whoever has an fd may use the file: he shows it, and it counts as held elsewhere from now on. */
static int64_t do_open(struct share_call *call)
{
	struct share_server *server = call->conn->server;
	struct share_file *answer = (void *)call->out;
	struct file *file;
	struct stat st;
	int ret;

	if (call->num_fds != 1 || raw_fstat(call->fds[0], &st))
		return -EBADF;
	file = file_from_identity(st.st_dev, st.st_ino);
	if (!file)
		return -ENODEV;
	ret = file->ops->kind == FILE_LOCAL ? -ENOENT : file_mark_shared(call->fds[0]);
	if (!ret)
		ret = share_keep(server, file);
	if (!ret) {
		memset(answer, 0, sizeof(*answer));
		answer->kind = file->ops->kind;
		answer->oflags = file->oflags;
		answer->mode = file->mode;
		answer->rdev = file->rdev;
		memcpy(answer->path, file->path, sizeof(answer->path) - 1);
		call->out_len = sizeof(*answer);
	}
	file_put(file);
	return ret;
}

static int64_t on_file(struct share_call *call, struct file *file)
{
	const struct share_msg *msg = call->msg;

	switch (msg->type) {
	case SHARE_IOCTL:
		return do_ioctl(call, file);
	case SHARE_READ:
		return do_read(call, file);
	case SHARE_WRITE:
		return file_pwrite(file, (uintptr_t)call->payload, msg->len, msg->off);
	case SHARE_MMAP:
		return do_mmap(call, file);
	case SHARE_LOAD:
		return do_load(call, file);
	case SHARE_STORE:
	case SHARE_POST:
		return do_access(call, file, true);
	case SHARE_CLOSED:
		share_unsubscribe(call->conn, file);
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t share_do(struct share_call *call)
{
	struct file *file;
	int64_t ret;

	if (call->msg->type == SHARE_OPEN)
		return do_open(call);
	file = share_find(call->conn->server, (dev_t)call->msg->dev, call->msg->ino);
	if (!file)
		return -ENODEV;
	ret = on_file(call, file);
	file_put(file);
	if (call->msg->type == SHARE_CLOSED)
		share_sweep(call->conn->server->machine);
	return ret;
}
