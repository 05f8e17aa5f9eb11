/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The features of migration (VFIO_DEVICE_FEATURE_MIGRATION, MIG_DEVICE_STATE, MIG_DATA_SIZE,
 * MIG_PRECOPY_INFOv2; in the kernel a part of drivers/vfio/vfio_main.c), the state machine's table,
 * and the file of a data transfer.
 *
 * The table says for each pair of states the first step of the shortest way that every driver can
 * go, drivers with all options in mind; a step into a state that the device lacks is replaced by
 * the one behind it.
 */
#include "vfio/migration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/sysraw.h"
#include "vfio/migration_priv.h"
#include "vfio/vfio_priv.h"

/* ---- the state machine ----------------------------------------------------------------------- */

enum {
	ERR = VFIO_DEVICE_STATE_ERROR,
	STOP = VFIO_DEVICE_STATE_STOP,
	RUN = VFIO_DEVICE_STATE_RUNNING,
	COPY = VFIO_DEVICE_STATE_STOP_COPY,
	RES = VFIO_DEVICE_STATE_RESUMING,
	RP2P = VFIO_DEVICE_STATE_RUNNING_P2P,
	PRE = 6,  /* VFIO_DEVICE_STATE_PRE_COPY */
	PP2P = 7, /* VFIO_DEVICE_STATE_PRE_COPY_P2P */
	NUM_STATES
};

/* Nothing leads out of ERROR but a reset; everything may be told to fail (row and column ERR). */
static const uint8_t first_step[NUM_STATES][NUM_STATES] = {
	/* to:	   ERR	STOP  RUN   COPY  RES	RP2P  PRE   PP2P */
	[ERR] = { ERR, ERR, ERR, ERR, ERR, ERR, ERR, ERR },
	[STOP] = { ERR, STOP, RP2P, COPY, RES, RP2P, RP2P, RP2P },
	[RUN] = { ERR, RP2P, RUN, RP2P, RP2P, RP2P, PRE, RP2P },
	[COPY] = { ERR, STOP, STOP, COPY, STOP, STOP, ERR, ERR },
	[RES] = { ERR, STOP, STOP, STOP, RES, STOP, STOP, STOP },
	[RP2P] = { ERR, STOP, RUN, STOP, STOP, RP2P, RUN, PP2P },
	[PRE] = { ERR, RUN, RUN, PP2P, RUN, RUN, PRE, PP2P },
	[PP2P] = { ERR, RP2P, RP2P, COPY, RP2P, RP2P, PRE, PP2P },
};

/* What a device must offer to have the state. */
static const uint32_t needs[NUM_STATES] = {
	[ERR] = UINT32_MAX,
	[STOP] = VFIO_MIGRATION_STOP_COPY,
	[RUN] = VFIO_MIGRATION_STOP_COPY,
	[COPY] = VFIO_MIGRATION_STOP_COPY,
	[RES] = VFIO_MIGRATION_STOP_COPY,
	[RP2P] = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P,
	[PRE] = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY,
	[PP2P] = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY,
};

static bool has_state(const struct vfio_device *vdev, unsigned int state)
{
	return state < NUM_STATES && (needs[state] & vdev->migration_flags) == needs[state];
}

int vfio_mig_get_next_state(const struct vfio_device *vdev, enum vfio_device_mig_state cur,
			    enum vfio_device_mig_state new, enum vfio_device_mig_state *next)
{
	unsigned int step;

	if (!has_state(vdev, cur) || !has_state(vdev, new))
		return -EINVAL;
	step = first_step[cur][new];
	while (step != ERR && !has_state(vdev, step))
		step = first_step[step][new];
	*next = (enum vfio_device_mig_state)step;
	return step == ERR ? -EINVAL : 0;
}

/* ---- features -------------------------------------------------------------------------------- */

int vfio_check_feature(uint32_t flags, size_t size, uint32_t supported, size_t minsz)
{
	const uint32_t ops = flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);

	if (ops & ~supported)
		return -EINVAL;
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	return !ops || size < minsz ? -EINVAL : 1;
}

long vfio_feature_migration(struct vfio_device *vdev, uint32_t flags, uintptr_t arg, size_t size)
{
	struct vfio_device_feature_migration mig = { .flags = vdev->migration_flags };
	int ret;

	if (!vdev->mig_ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, sizeof(mig));
	return ret == 1 ? copy_to_user(arg, &mig, sizeof(mig)) : ret;
}

/* Gives the user a number for the data transfer's file, whose reference is consumed. */
static long return_fd(struct file *file, uintptr_t arg, struct vfio_device_feature_mig_state *mig)
{
	int fd = file_install(file, O_CLOEXEC);

	if (fd < 0) {
		file_put(file);
		return fd;
	}
	mig->data_fd = fd;
	if (!copy_to_user(arg, mig, sizeof(*mig)))
		return 0;
	/* Nobody was told the number. */
	file_fd_close(fd);
	raw_close(fd);
	return -EFAULT;
}

long vfio_feature_mig_device_state(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				   size_t size)
{
	struct vfio_device_feature_mig_state mig;
	enum vfio_device_mig_state state;
	struct file *file = NULL;
	int ret;

	if (!vdev->mig_ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET,
				 sizeof(mig));
	if (ret != 1)
		return ret;
	if (copy_from_user(&mig, arg, sizeof(mig)))
		return -EFAULT;
	if (flags & VFIO_DEVICE_FEATURE_GET) {
		ret = vdev->mig_ops->get_state(vdev, &state);
		if (ret)
			return ret;
		mig.device_state = state;
	} else {
		ret = vdev->mig_ops->set_state(vdev, mig.device_state, &file);
		if (!ret && file)
			return return_fd(file, arg, &mig);
	}
	mig.data_fd = -1;
	return copy_to_user(arg, &mig, sizeof(mig)) ? -EFAULT : ret;
}

long vfio_feature_mig_data_size(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				size_t size)
{
	struct vfio_device_feature_mig_data_size data = { 0 };
	uint64_t length;
	int ret;

	if (!vdev->mig_ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, sizeof(data));
	if (ret != 1)
		return ret;
	ret = vdev->mig_ops->get_data_size(vdev, &length);
	if (ret)
		return ret;
	data.stop_copy_length = length;
	return copy_to_user(arg, &data, sizeof(data));
}

long vfio_feature_mig_precopy_info_v2(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				      size_t size)
{
	int ret;

	if (!(vdev->migration_flags & VFIO_MIGRATION_PRE_COPY))
		return -EINVAL;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
	if (ret != 1)
		return ret;
	atomic_store_explicit(&vdev->precopy_info_v2, true, memory_order_relaxed);
	return 0;
}

/* ---- the data transfer's file ---------------------------------------------------------------- */

#define BOUNCE_SIZE 4096

struct mig_file {
	const struct vfio_mig_file_ops *ops;
	void *priv;
};

static void mig_file_release(struct file *file)
{
	struct mig_file *mig = file->priv;

	if (mig->ops->release)
		mig->ops->release(mig->priv);
	free(mig);
}

static ssize_t mig_file_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	const struct mig_file *mig = file->priv;
	uint8_t bounce[BOUNCE_SIZE];
	size_t done = 0, len;
	ssize_t n;

	if (pos != &file->pos)
		return -ESPIPE;
	if (!mig->ops->read)
		return -EBADF;
	do {
		len = MIN(count - done, sizeof(bounce));
		n = mig->ops->read(mig->priv, bounce, len);
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (copy_to_user(ubuf + done, bounce, (size_t)n)) {
			if (mig->ops->unread)
				mig->ops->unread(mig->priv, (size_t)n);
			return -EFAULT;
		}
		done += (size_t)n;
	} while ((size_t)n == len && done < count);
	return (ssize_t)done;
}

static ssize_t mig_file_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	const struct mig_file *mig = file->priv;
	uint8_t bounce[BOUNCE_SIZE];
	size_t done = 0, len;
	ssize_t n;

	if (pos != &file->pos)
		return -ESPIPE;
	if (!mig->ops->write)
		return -EBADF;
	do {
		len = MIN(count - done, sizeof(bounce));
		if (copy_from_user(bounce, ubuf + done, len))
			return -EFAULT;
		n = mig->ops->write(mig->priv, bounce, len);
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	} while ((size_t)n == len && done < count);
	return (ssize_t)done;
}

static long mig_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct mig_file *mig = file->priv;
	struct vfio_precopy_info info = { 0 };
	int ret;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO || !mig->ops->precopy_info)
		return -ENOTTY;
	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	info.flags = 0;
	ret = mig->ops->precopy_info(mig->priv, &info);
	return ret ? ret : copy_to_user(arg, &info, sizeof(info));
}

static const struct file_operations mig_file_ops = {
	.name = "vfio-migration",
	.release = mig_file_release,
	.ioctl = mig_file_ioctl,
	.read = mig_file_read,
	.write = mig_file_write,
};

int vfio_mig_file_create(const struct vfio_mig_file_ops *ops, void *priv, struct file **out)
{
	struct mig_file *mig = FAIL_POINT() ? NULL : malloc(sizeof(*mig));
	int ret;

	if (!mig)
		return -ENOMEM;
	mig->ops = ops;
	mig->priv = priv;
	ret = file_alloc(&mig_file_ops, mig, ops->write ? O_WRONLY : O_RDONLY, 0, out);
	if (ret) {
		free(mig);
		return ret;
	}
	(*out)->mode = 0600;
	snprintf((*out)->path, sizeof((*out)->path), "anon_inode:%s", ops->name);
	return 0;
}
