/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA logging by the device: VFIO_DEVICE_FEATURE_DMA_LOGGING_START, _STOP and _REPORT (in the
 * kernel drivers/vfio/vfio_main.c and iova_bitmap.c).
 *
 * The report's bitmap stays in the user's memory: one bit a page, the first for the first page of
 * the report, little endian. Bits are only ever added; a driver tells which. The user's memory is
 * touched where a bit is set and nowhere else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/overflow.h"
#include "vfio/migration.h"
#include "vfio/migration_priv.h"

#define MIN_PAGE_SIZE 4096U
/* Ranges that fit into a page of the kernel. */
#define MAX_RANGES (4096 / sizeof(struct vfio_device_feature_dma_logging_range))

/* ---- the bitmap ------------------------------------------------------------------------------ */

struct iova_bitmap {
	uintptr_t user;
	iova_t iova;
	uint64_t length; /* not 0 */
	unsigned int shift;
	bool fault;
};

/* Sets bits [@bit, @bit + @nbits) of one byte of the user's. */
static int set_in_byte(uintptr_t addr, unsigned int bit, unsigned int nbits)
{
	uint8_t byte;

	if (copy_from_user(&byte, addr, 1))
		return -EFAULT;
	byte |= (uint8_t)(((1U << nbits) - 1) << bit);
	return copy_to_user(addr, &byte, 1);
}

static int set_bits(uintptr_t user, uint64_t first, uint64_t last)
{
	uint8_t ones[256];
	uint64_t n;
	int ret = 0;

	memset(ones, 0xff, sizeof(ones));
	while (first <= last && !ret) {
		if (first % 8 || last - first < 7) {
			n = MIN(8 - first % 8, last - first + 1);
			ret = set_in_byte(user + first / 8, first % 8, (unsigned int)n);
		} else {
			n = MIN((last - first + 1) / 8, sizeof(ones));
			ret = copy_to_user(user + first / 8, ones, n);
			n *= 8;
		}
		first += n;
	}
	return ret;
}

void iova_bitmap_set(struct iova_bitmap *bitmap, iova_t iova, uint64_t length)
{
	const iova_t end = bitmap->iova + (bitmap->length - 1);
	iova_t last;

	if (!length || bitmap->fault)
		return;
	if (check_add_overflow(iova, length - 1, &last))
		last = UINT64_MAX;
	if (iova < bitmap->iova)
		iova = bitmap->iova;
	if (last > end)
		last = end;
	if (iova > last)
		return;
	if (set_bits(bitmap->user, (iova - bitmap->iova) >> bitmap->shift,
		     (last - bitmap->iova) >> bitmap->shift))
		bitmap->fault = true;
}

/* ---- the features ---------------------------------------------------------------------------- */

/* Whether [@start, @last] touches one of @count ranges. @last is below @start when the user gave a
 * length of 0, which overlaps only a range around that point. */
static bool overlaps(const struct vfio_log_range *ranges, size_t count, iova_t start, iova_t last)
{
	for (size_t i = 0; i < count; i++)
		if (ranges[i].start <= last && ranges[i].last >= start)
			return true;
	return false;
}

static void insert_range(struct vfio_log_range *ranges, size_t count, iova_t start, iova_t last)
{
	size_t i = count;

	for (; i && ranges[i - 1].start > start; i--)
		ranges[i] = ranges[i - 1];
	ranges[i] = (struct vfio_log_range){ .start = start, .last = last };
}

static int read_ranges(const struct vfio_device_feature_dma_logging_control *control,
		       struct vfio_log_range *ranges)
{
	struct vfio_device_feature_dma_logging_range range;
	const uint64_t mask = control->page_size - 1;
	uint64_t end;

	for (uint32_t i = 0; i < control->num_ranges; i++) {
		if (copy_from_user(&range, (uintptr_t)control->ranges + i * sizeof(range),
				   sizeof(range)))
			return -EFAULT;
		if (range.iova & mask || range.length & mask)
			return -EINVAL;
		if (check_add_overflow(range.iova, range.length, &end))
			return -EOVERFLOW;
		if (overlaps(ranges, i, range.iova, end - 1))
			return -EINVAL;
		insert_range(ranges, i, range.iova, end - 1);
	}
	return 0;
}

long vfio_feature_logging_start(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				size_t size)
{
	struct vfio_device_feature_dma_logging_control control;
	struct vfio_log_range *ranges;
	uint64_t page_size;
	int ret;

	if (!vdev->log_ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, sizeof(control));
	if (ret != 1)
		return ret;
	if (copy_from_user(&control, arg, sizeof(control)))
		return -EFAULT;
	if (!control.num_ranges)
		return -EINVAL;
	if (control.num_ranges > MAX_RANGES)
		return -E2BIG;
	ranges = FAIL_POINT() ? NULL : calloc(control.num_ranges, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	ret = read_ranges(&control, ranges);
	page_size = control.page_size;
	if (!ret)
		ret = vdev->log_ops->log_start(vdev, ranges, control.num_ranges, &page_size);
	free(ranges);
	if (ret)
		return ret;
	control.page_size = page_size;
	if (copy_to_user(arg, &control, sizeof(control))) {
		vdev->log_ops->log_stop(vdev);
		return -EFAULT;
	}
	return 0;
}

long vfio_feature_logging_stop(struct vfio_device *vdev, uint32_t flags, uintptr_t arg, size_t size)
{
	int ret;

	if (!vdev->log_ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
	return ret == 1 ? vdev->log_ops->log_stop(vdev) : ret;
}

long vfio_feature_logging_report(struct vfio_device *vdev, uint32_t flags, uintptr_t arg,
				 size_t size)
{
	struct vfio_device_feature_dma_logging_report report;
	struct iova_bitmap bitmap;
	uint64_t end;
	int ret;

	if (!vdev->log_ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, sizeof(report));
	if (ret != 1)
		return ret;
	if (copy_from_user(&report, arg, sizeof(report)))
		return -EFAULT;
	if (report.page_size < MIN_PAGE_SIZE || report.page_size & (report.page_size - 1))
		return -EINVAL;
	if (check_add_overflow(report.iova, report.length, &end))
		return -EOVERFLOW;
	if (!report.length)
		return 0;
	bitmap = (struct iova_bitmap){ .user = (uintptr_t)report.bitmap,
				       .iova = report.iova,
				       .length = report.length,
				       .shift = (unsigned int)__builtin_ctzll(report.page_size) };
	ret = vdev->log_ops->log_read_and_clear(vdev, report.iova, report.length, &bitmap);
	return !ret && bitmap.fault ? -EFAULT : ret;
}
