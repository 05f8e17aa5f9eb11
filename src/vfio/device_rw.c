/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read and write of a device file: the region is in bits 40 and up of the offset, the operations
 * see the library's memory. A transfer goes through a buffer on the stack in pieces, since a region
 * may be gigabytes; a piece that comes back short ends it.
 *
 * As in the kernel an error in the middle is the whole call's result, and *pos moves by what was
 * done.
 */
#include <errno.h>
#include <string.h>

#include "base/copy.h"
#include "vfio/vfio_priv.h"

/* Config space, the one region where a transfer must be seen as a whole, is not larger. */
#define BOUNCE_SIZE  4096
#define BOUNCE_SMALL 64

static ssize_t read_piece(struct vfio_device *vdev, uintptr_t ubuf, size_t count, uint64_t pos,
			  void *bounce)
{
	ssize_t ret;

	ret = vdev->ops->region_read(vdev, vfio_offset_region(pos), vfio_offset_in_region(pos),
				     bounce, count);
	if (ret > 0 && copy_to_user(ubuf, bounce, (size_t)ret))
		return -EFAULT;
	return ret;
}

static ssize_t write_piece(struct vfio_device *vdev, uintptr_t ubuf, size_t count, uint64_t pos,
			   void *bounce)
{
	if (copy_from_user(bounce, ubuf, count))
		return -EFAULT;
	return vdev->ops->region_write(vdev, vfio_offset_region(pos), vfio_offset_in_region(pos),
				       bounce, count);
}

typedef ssize_t (*piece_fn)(struct vfio_device *vdev, uintptr_t ubuf, size_t count, uint64_t pos,
			    void *bounce);

static ssize_t transfer_large(struct vfio_device *vdev, uintptr_t ubuf, size_t count, uint64_t *pos,
			      piece_fn piece)
{
	uint8_t bounce[BOUNCE_SIZE + 8];
	size_t done = 0, len;
	ssize_t ret;

	while (done < count) {
		/* The first piece of a transfer that does not fit is larger than config space. */
		len = MIN(count - done, done ? BOUNCE_SIZE : sizeof(bounce));
		ret = piece(vdev, ubuf + done, len, *pos + done, bounce);
		if (ret < 0)
			return ret;
		done += (size_t)ret;
		if ((size_t)ret < len)
			break;
	}
	*pos += done;
	return (ssize_t)done;
}

static ssize_t transfer(struct vfio_device *vdev, uintptr_t ubuf, size_t count, uint64_t *pos,
			piece_fn piece)
{
	uint64_t bounce[BOUNCE_SMALL / 8];
	ssize_t ret;

	if (!count)
		return 0;
	if (count > sizeof(bounce))
		return transfer_large(vdev, ubuf, count, pos, piece);
	ret = piece(vdev, ubuf, count, *pos, bounce);
	if (ret > 0)
		*pos += (uint64_t)ret;
	return ret;
}

ssize_t vfio_device_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct vfio_device *vdev = ((struct vfio_device_file *)file->priv)->vdev;

	if (!vdev->ops->region_read)
		return -EINVAL;
	return transfer(vdev, ubuf, count, pos, read_piece);
}

ssize_t vfio_device_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct vfio_device *vdev = ((struct vfio_device_file *)file->priv)->vdev;

	if (!vdev->ops->region_write)
		return -EINVAL;
	return transfer(vdev, ubuf, count, pos, write_piece);
}
