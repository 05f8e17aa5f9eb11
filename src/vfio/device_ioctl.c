/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of a device file. The dispatcher copies the fixed part of each argument and checks
 * argsz; a row's function fills or uses it. What only one bus knows goes to ops->ioctl with the
 * user's own argument.
 *
 * vdev->lock is taken for SET_IRQS and RESET.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "vfio/migration_priv.h"
#include "vfio/vfio_priv.h"

/* The largest feature argument that is passed on; what lies behind is the kernel's to ignore,
 * too. */
#define FEATURE_DATA_MAX 4096

union device_arg {
	uint32_t argsz;
	struct vfio_device_info info;
	struct vfio_region_info region;
	struct vfio_irq_info irq;
	struct vfio_irq_set irq_set;
	struct vfio_device_feature feature;
	uint8_t bytes[32];
};

/* ---- capability chains ----------------------------------------------------------------------- */

int vfio_info_add_capability(struct vfio_info_cap *caps, const struct vfio_info_cap_header *cap,
			     size_t size)
{
	size_t room = ALIGN_UP(size, 8), last = 0;
	struct vfio_info_cap_header *header;
	uint8_t *buf;

	buf = FAIL_POINT() ? NULL : realloc(caps->buf, caps->size + room);
	if (!buf) {
		free(caps->buf);
		caps->buf = NULL;
		caps->size = 0;
		return -ENOMEM;
	}
	caps->buf = buf;
	memset(buf + caps->size, 0, room);
	memcpy(buf + caps->size, cap, size);
	((struct vfio_info_cap_header *)(buf + caps->size))->next = 0;
	/* Links are offsets in the buffer here; vfio_info_copy_to_user() moves them behind the
	 * info. */
	if (caps->size) {
		for (;;) {
			header = (struct vfio_info_cap_header *)(buf + last);
			if (!header->next)
				break;
			last = header->next;
		}
		header->next = (uint32_t)caps->size;
	}
	caps->size += room;
	return 0;
}

void vfio_info_cap_free(struct vfio_info_cap *caps)
{
	free(caps->buf);
	caps->buf = NULL;
	caps->size = 0;
}

static void shift_links(struct vfio_info_cap *caps, size_t by)
{
	struct vfio_info_cap_header *header;
	uint32_t next = 0;

	do {
		header = (struct vfio_info_cap_header *)(caps->buf + next);
		next = header->next;
		if (next)
			header->next = next + (uint32_t)by;
	} while (next);
}

int vfio_info_copy_to_user(uintptr_t arg, void *info, size_t size, uint32_t *cap_offset,
			   uint32_t caps_flag, struct vfio_info_cap *caps)
{
	uint32_t *argsz = info, *flags = argsz + 1;
	size_t len = MIN(*argsz, size);
	int ret = 0;

	if (caps->size) {
		*flags |= caps_flag;
		if (*argsz < size + caps->size) {
			*argsz = (uint32_t)(size + caps->size);
			*cap_offset = 0;
		} else {
			shift_links(caps, size);
			*cap_offset = (uint32_t)size;
			ret = copy_to_user(arg + size, caps->buf, caps->size);
		}
	}
	if (!ret)
		ret = copy_to_user(arg, info, len);
	vfio_info_cap_free(caps);
	return ret;
}

/* ---- the rows' functions --------------------------------------------------------------------- */

static long get_info(struct vfio_device *vdev, union device_arg *a, uintptr_t arg)
{
	struct vfio_info_cap caps = { NULL, 0 };
	int ret;

	memset(a->bytes + offsetof(struct vfio_device_info, cap_offset), 0,
	       VFIO_DEVICE_INFO_SIZE - offsetof(struct vfio_device_info, cap_offset));
	ret = vdev->ops->get_info(vdev, &a->info, &caps);
	if (ret) {
		vfio_info_cap_free(&caps);
		return ret;
	}
	return vfio_info_copy_to_user(arg, a, VFIO_DEVICE_INFO_SIZE, &a->info.cap_offset,
				      VFIO_DEVICE_FLAGS_CAPS, &caps);
}

static long get_region_info(struct vfio_device *vdev, union device_arg *a, uintptr_t arg)
{
	struct vfio_info_cap caps = { NULL, 0 };
	int ret;

	if (!vdev->ops->get_region_info)
		return -EINVAL;
	ret = vdev->ops->get_region_info(vdev, &a->region, &caps);
	if (ret) {
		vfio_info_cap_free(&caps);
		return ret;
	}
	return vfio_info_copy_to_user(arg, a, sizeof(a->region), &a->region.cap_offset,
				      VFIO_REGION_INFO_FLAG_CAPS, &caps);
}

static long get_irq_info(struct vfio_device *vdev, union device_arg *a, uintptr_t arg)
{
	int ret;

	if (!vdev->ops->get_irq_info)
		return -EINVAL;
	ret = vdev->ops->get_irq_info(vdev, &a->irq);
	if (ret)
		return ret;
	return copy_to_user(arg, &a->irq, sizeof(a->irq));
}

int vfio_set_irqs_validate_and_prepare(const struct vfio_irq_set *hdr, unsigned int num_irqs,
				       unsigned int max_irq_type, size_t *data_size)
{
	const size_t minsz = offsetof(struct vfio_irq_set, data);
	size_t size;

	if (hdr->argsz < minsz || hdr->index >= max_irq_type ||
	    hdr->count >= UINT32_MAX - hdr->start ||
	    hdr->flags & ~(uint32_t)(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return -EINVAL;
	if (hdr->start >= num_irqs || hdr->start + hdr->count > num_irqs)
		return -EINVAL;
	switch (hdr->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		size = 0;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		size = sizeof(uint8_t);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		size = sizeof(int32_t);
		break;
	default:
		return -EINVAL;
	}
	*data_size = hdr->count * size;
	return hdr->argsz - minsz < *data_size ? -EINVAL : 0;
}

static long set_irqs(struct vfio_device *vdev, union device_arg *a, uintptr_t arg)
{
	const struct vfio_irq_set *hdr = &a->irq_set;
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = hdr->index };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_info_cap caps = { NULL, 0 };
	uint32_t *data = NULL;
	size_t size;
	int ret;

	if (!vdev->ops->set_irqs || !vdev->ops->get_irq_info)
		return -EINVAL;
	ret = vdev->ops->get_info(vdev, &info, &caps);
	vfio_info_cap_free(&caps);
	if (ret)
		return ret;
	/* An index that the device does not have has no interrupts. */
	if (vdev->set_irqs_max)
		irq.count = vdev->set_irqs_max;
	else if (vdev->ops->get_irq_info(vdev, &irq))
		irq.count = 0;
	ret = vfio_set_irqs_validate_and_prepare(hdr, irq.count, info.num_irqs, &size);
	if (ret)
		return ret;
	if (size) {
		data = FAIL_POINT() ? NULL : malloc(size);
		if (!data)
			return -ENOMEM;
		ret = copy_from_user(data, arg + sizeof(*hdr), size);
		if (ret)
			goto out;
	}
	pthread_mutex_lock(&vdev->lock);
	ret = vdev->ops->set_irqs(vdev, hdr->flags, hdr->index, hdr->start, hdr->count, data);
	pthread_mutex_unlock(&vdev->lock);
out:
	free(data);
	return ret;
}

static long reset(struct vfio_device *vdev, union device_arg *a, uintptr_t arg)
{
	int ret;

	if (!vdev->ops->reset)
		return -EINVAL;
	pthread_mutex_lock(&vdev->lock);
	ret = vdev->ops->reset(vdev);
	pthread_mutex_unlock(&vdev->lock);
	return ret;
}

/* Features that belong to the core, not to the bus: migration and DMA logging by the device. */
static const struct core_feature {
	uint32_t number;
	long (*fn)(struct vfio_device *vdev, uint32_t flags, uintptr_t arg, size_t size);
} core_features[] = {
	{ VFIO_DEVICE_FEATURE_MIGRATION, vfio_feature_migration },
	{ VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, vfio_feature_mig_device_state },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_START, vfio_feature_logging_start },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, vfio_feature_logging_stop },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, vfio_feature_logging_report },
	{ VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, vfio_feature_mig_data_size },
	{ VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, vfio_feature_mig_precopy_info_v2 },
};

/* Runs one feature on a copy of the user's data. What is missing at its end matters only when the
 * feature gets so far as to use it: a dry run with PROBE tells. */
static long device_feature(struct vfio_device *vdev, uint32_t flags, uintptr_t arg, size_t size)
{
	const uint32_t number = flags & VFIO_DEVICE_FEATURE_MASK;
	const size_t len = MIN(size, FEATURE_DATA_MAX);
	uint8_t data[FEATURE_DATA_MAX], before[FEATURE_DATA_MAX];
	size_t missing, changed;
	int ret;

	flags &= ~(uint32_t)VFIO_DEVICE_FEATURE_MASK;
	memset(data, 0, len);
	missing = copy_nofault(data, (const void *)arg, len);
	if (missing && !(flags & VFIO_DEVICE_FEATURE_PROBE)) {
		ret = vdev->ops->device_feature(vdev, flags | VFIO_DEVICE_FEATURE_PROBE, number,
						data, size);
		return ret ? ret : -EFAULT;
	}
	memcpy(before, data, len);
	ret = vdev->ops->device_feature(vdev, flags, number, data, size);
	if (ret < 0 || !(flags & VFIO_DEVICE_FEATURE_GET) || (flags & VFIO_DEVICE_FEATURE_PROBE))
		return ret;
	/* Only what the feature wrote goes back. */
	for (changed = len; changed && data[changed - 1] == before[changed - 1]; changed--)
		;
	if (copy_to_user(arg, data, changed))
		return -EFAULT;
	return ret;
}

static long feature(struct vfio_device *vdev, union device_arg *a, uintptr_t arg)
{
	const uint32_t flags = a->feature.flags, number = flags & VFIO_DEVICE_FEATURE_MASK;
	const uint32_t get_set = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;

	if (flags & ~(VFIO_DEVICE_FEATURE_MASK | get_set | VFIO_DEVICE_FEATURE_PROBE))
		return -EINVAL;
	if (!(flags & VFIO_DEVICE_FEATURE_PROBE) && (flags & get_set) == get_set)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(core_features); i++)
		if (core_features[i].number == number)
			return core_features[i].fn(vdev, flags, arg + sizeof(a->feature),
						   a->feature.argsz - sizeof(a->feature));
	if (!vdev->ops->device_feature)
		return -ENOTTY;
	return device_feature(vdev, flags, arg + sizeof(a->feature),
			      a->feature.argsz - sizeof(a->feature));
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static const struct device_ioctl_op {
	unsigned int cmd;
	const char *name;
	size_t minsz; /* bytes of the argument that must be there; 0: it is not looked at */
	long (*fn)(struct vfio_device *vdev, union device_arg *a, uintptr_t arg);
} device_ioctls[] = {
	{ VFIO_DEVICE_GET_INFO, "GET_INFO", offsetof(struct vfio_device_info, cap_offset),
	  get_info },
	{ VFIO_DEVICE_GET_REGION_INFO, "GET_REGION_INFO", sizeof(struct vfio_region_info),
	  get_region_info },
	{ VFIO_DEVICE_GET_IRQ_INFO, "GET_IRQ_INFO", sizeof(struct vfio_irq_info), get_irq_info },
	{ VFIO_DEVICE_SET_IRQS, "SET_IRQS", sizeof(struct vfio_irq_set), set_irqs },
	{ VFIO_DEVICE_RESET, "RESET", 0, reset },
	{ VFIO_DEVICE_FEATURE, "FEATURE", sizeof(struct vfio_device_feature), feature },
};

long vfio_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_device *vdev = ((struct vfio_device_file *)file->priv)->vdev;
	const struct device_ioctl_op *op = device_ioctls;
	union device_arg a;

	while (op < device_ioctls + ARRAY_SIZE(device_ioctls) && op->cmd != cmd)
		op++;
	if (op == device_ioctls + ARRAY_SIZE(device_ioctls)) {
		/* Without the kernel's cdev there is nothing to bind or attach. */
		if (cmd == VFIO_DEVICE_BIND_IOMMUFD || !vdev->ops->ioctl)
			return -ENOTTY;
		return vdev->ops->ioctl(vdev, cmd, arg);
	}
	memset(&a, 0, sizeof(a));
	if (op->minsz) {
		if (copy_from_user(&a, arg, op->minsz))
			return -EFAULT;
		if (a.argsz < op->minsz)
			return -EINVAL;
	}
	return op->fn(vdev, &a, arg);
}
