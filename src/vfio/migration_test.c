/* SPDX-License-Identifier: BSD-3-Clause */
/* Migration and DMA logging through a device's file, with a driver that only notes what it is
 * asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio/fixture.h"
#include "vfio/migration.h"

#define GET   VFIO_DEVICE_FEATURE_GET
#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

#define P2P VFIO_MIGRATION_P2P
#define PRE VFIO_MIGRATION_PRE_COPY
#define ALL (VFIO_MIGRATION_STOP_COPY | P2P | PRE)

static struct fx_open o;
static struct {
	enum vfio_device_mig_state state;
	int set_error;
	uint8_t data[10000];
	size_t at, len;
	int released;
	struct vfio_log_range ranges[8];
	size_t nranges;
	int starts, stops;
	uint64_t page_size;
	/* What the device says it wrote. */
	iova_t dirty[4];
	uint64_t dirty_len[4];
} drv;

static ssize_t data_read(void *priv, void *buf, size_t count)
{
	const size_t n = MIN(count, drv.len - drv.at);

	memcpy(buf, drv.data + drv.at, n);
	drv.at += n;
	return (ssize_t)n;
}

static ssize_t data_write(void *priv, const void *buf, size_t count)
{
	if (count > sizeof(drv.data) - drv.len)
		return -ENOSPC;
	memcpy(drv.data + drv.len, buf, count);
	drv.len += count;
	return (ssize_t)count;
}

static int data_info(void *priv, struct vfio_precopy_info *info)
{
	info->initial_bytes = drv.len - drv.at;
	return 0;
}

static void data_release(void *priv)
{
	drv.released++;
}

static const struct vfio_mig_file_ops save_ops = {
	.name = "fake_mig",
	.read = data_read,
	.precopy_info = data_info,
	.release = data_release,
};
static const struct vfio_mig_file_ops resume_ops = {
	.name = "fake_mig",
	.write = data_write,
	.release = data_release,
};

static int set_state(struct vfio_device *vdev, enum vfio_device_mig_state new, struct file **file)
{
	enum vfio_device_mig_state next;
	int ret = drv.set_error;

	while (!ret && drv.state != new) {
		ret = vfio_mig_get_next_state(vdev, drv.state, new, &next);
		if (ret)
			break;
		drv.state = next;
		if (next != new)
			continue;
		if (new == VFIO_DEVICE_STATE_STOP_COPY)
			ret = vfio_mig_file_create(&save_ops, NULL, file);
		else if (new == VFIO_DEVICE_STATE_RESUMING)
			ret = vfio_mig_file_create(&resume_ops, NULL, file);
	}
	return ret;
}

static int get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	*state = drv.state;
	return 0;
}

static int get_data_size(struct vfio_device *vdev, uint64_t *length)
{
	*length = 4711;
	return 0;
}

static const struct vfio_migration_ops mig_ops = { set_state, get_state, get_data_size };

static int log_start(struct vfio_device *vdev, const struct vfio_log_range *ranges, size_t nranges,
		     uint64_t *page_size)
{
	drv.starts++;
	drv.nranges = nranges;
	memcpy(drv.ranges, ranges, MIN(nranges, ARRAY_SIZE(drv.ranges)) * sizeof(*ranges));
	drv.page_size = *page_size;
	*page_size = 8192;
	return 0;
}

static int log_stop(struct vfio_device *vdev)
{
	drv.stops++;
	return 0;
}

static int log_read(struct vfio_device *vdev, iova_t iova, uint64_t length,
		    struct iova_bitmap *dirty)
{
	for (size_t i = 0; i < ARRAY_SIZE(drv.dirty); i++)
		iova_bitmap_set(dirty, drv.dirty[i], drv.dirty_len[i]);
	return 0;
}

static const struct vfio_log_ops log_ops = { log_start, log_stop, log_read };

static void setup(void)
{
	fixture_setup();
	memset(&drv, 0, sizeof(drv));
	drv.state = VFIO_DEVICE_STATE_RUNNING;
	fx.devs[0].vdev.mig_ops = &mig_ops;
	fx.devs[0].vdev.log_ops = &log_ops;
	fx.devs[0].vdev.migration_flags = ALL;
	o = fx_open_all(VFIO_TYPE1v2_IOMMU);
}

static void teardown(void)
{
	fx_close_all(&o);
	fixture_teardown();
}

/* @data of @size bytes is in and out. */
static long feature(uint32_t flags, void *data, size_t size)
{
	struct {
		struct vfio_device_feature feature;
		uint8_t data[64];
	} a = { .feature = { .argsz = (uint32_t)(sizeof(a.feature) + size), .flags = flags } };
	long ret;

	memcpy(a.data, data, size);
	ret = fx_ioctl(o.device, VFIO_DEVICE_FEATURE, &a);
	memcpy(data, a.data, size);
	return ret;
}

/* ---- the state machine ----------------------------------------------------------------------- */

enum { ERR, STOP, RUN, COPY, RES, RP2P, PREC, PP2P, STATES };

/* The arcs that a driver with these options does, as the uAPI lists them. */
static bool is_arc(unsigned int flags, unsigned int from, unsigned int to)
{
#define ARC(a, b) ((a)*STATES + (b))
	switch (ARC(from, to)) {
	case ARC(RES, STOP):
	case ARC(STOP, RES):
	case ARC(STOP, COPY):
	case ARC(COPY, STOP):
		return true;
	case ARC(RUN, STOP):
	case ARC(STOP, RUN):
		return !(flags & P2P);
	case ARC(RUN, RP2P):
	case ARC(RP2P, RUN):
	case ARC(RP2P, STOP):
	case ARC(STOP, RP2P):
		return flags & P2P;
	case ARC(RUN, PREC):
	case ARC(PREC, RUN):
		return flags & PRE;
	case ARC(PREC, COPY):
		return flags & PRE && !(flags & P2P);
	case ARC(PREC, PP2P):
	case ARC(PP2P, PREC):
	case ARC(PP2P, RP2P):
	case ARC(PP2P, COPY):
	case ARC(RP2P, PP2P):
		return flags & PRE && flags & P2P;
	default:
		return false;
	}
#undef ARC
}

static bool has(unsigned int flags, unsigned int state)
{
	return state != ERR && ((state != RP2P && state != PP2P) || flags & P2P) &&
	       ((state != PREC && state != PP2P) || flags & PRE);
}

START_TEST(every_way)
{
	const unsigned int flags = (unsigned int)_i << 1 | VFIO_MIGRATION_STOP_COPY;
	struct vfio_device vdev = { .migration_flags = flags };
	enum vfio_device_mig_state next;
	unsigned int from, to, cur, steps;

	for (from = 0; from <= STATES; from++) {
		for (to = 0; to <= STATES; to++) {
			cur = from;
			if (!has(flags, from) || !has(flags, to) || from >= STATES ||
			    to >= STATES || (from == COPY && (to == PREC || to == PP2P))) {
				ck_assert_int_eq(vfio_mig_get_next_state(&vdev, from, to, &next),
						 -EINVAL);
				continue;
			}
			for (steps = 0; cur != to; steps++) {
				ck_assert_int_lt(steps, 6);
				ck_assert_int_eq(vfio_mig_get_next_state(&vdev, cur, to, &next), 0);
				ck_assert_msg(is_arc(flags, cur, next), "%u: %u -> %u", flags, cur,
					      next);
				cur = next;
			}
		}
	}
	if (flags == ALL) {
		vfio_mig_get_next_state(&vdev, VFIO_DEVICE_STATE_RUNNING_P2P,
					VFIO_DEVICE_STATE_PRE_COPY, &next);
		ck_assert_int_eq(next, RUN);
	}
}
END_TEST

/* ---- the features ---------------------------------------------------------------------------- */

START_TEST(checks)
{
	static const uint32_t get[] = { 1, 2, 8, 9 }, set[] = { 2, 6, 7, 12 };
	uint64_t data[4] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(get); i++)
		ck_assert_int_eq(feature(PROBE | GET | get[i], data, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(set); i++)
		ck_assert_int_eq(feature(PROBE | SET | set[i], data, 0), 0);
	ck_assert_int_eq(feature(PROBE | SET | 1, data, 8), -EINVAL);
	ck_assert_int_eq(feature(PROBE | GET | 6, data, 24), -EINVAL);
	ck_assert_int_eq(feature(1, data, 8), -EINVAL);
	ck_assert_int_eq(feature(GET | 1, data, 7), -EINVAL);
	ck_assert_int_eq(feature(GET | 1, data, 8), 0);
	ck_assert_uint_eq(data[0], ALL);
	ck_assert_int_eq(feature(GET | 9, data, 8), 0);
	ck_assert_uint_eq(data[0], 4711);
	ck_assert_int_eq(feature(SET | 12, data, 0), 0);
	ck_assert(atomic_load(&fx.devs[0].vdev.precopy_info_v2));
	fx.devs[0].vdev.migration_flags &= ~(uint32_t)PRE;
	ck_assert_int_eq(feature(SET | 12, data, 0), -EINVAL);
	fx.devs[0].vdev.mig_ops = NULL;
	fx.devs[0].vdev.log_ops = NULL;
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(feature(PROBE | (i + 6), data, 0), -ENOTTY);
		ck_assert_int_eq(feature(PROBE | (i == 0 ? 9 : i), data, 0), -ENOTTY);
	}
}
END_TEST

static long set(unsigned int state, int *fd)
{
	struct vfio_device_feature_mig_state mig = { .device_state = state, .data_fd = 77 };
	long ret = feature(SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig, sizeof(mig));

	*fd = mig.data_fd;
	return ret;
}

START_TEST(transfer)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info), .flags = 7 };
	struct vfio_device_feature_mig_state mig = { .device_state = 99 };
	uint8_t buf[sizeof(drv.data)];
	struct file *file;
	int fd;

	drv.len = 9000;
	for (size_t i = 0; i < drv.len; i++)
		drv.data[i] = (uint8_t)(i * 31);
	ck_assert_int_eq(set(COPY, &fd), 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(feature(GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig, sizeof(mig)), 0);
	ck_assert_uint_eq(mig.device_state, COPY);
	ck_assert_int_eq(mig.data_fd, -1);
	ck_assert_int_eq(fx_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info), 0);
	ck_assert_uint_eq(info.initial_bytes, 9000);
	ck_assert_uint_eq(info.flags, 0);
	info.argsz--;
	ck_assert_int_eq(fx_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info), -EINVAL);
	file = file_from_fd(fd);
	ck_assert_int_eq(file_pread(file, (uintptr_t)buf, 10, 0), -ESPIPE);
	ck_assert_int_eq(file_write(file, (uintptr_t)buf, 10), -EBADF);
	ck_assert_int_eq(file_read(file, (uintptr_t)buf, 5000), 5000);
	ck_assert_int_eq(file_read(file, (uintptr_t)buf + 5000, 5000), 4000);
	ck_assert_int_eq(file_read(file, (uintptr_t)buf, 1), 0);
	ck_assert_mem_eq(buf, drv.data, 9000);
	file_put(file);
	fx_close(fd);
	ck_assert_int_eq(drv.released, 1);

	drv.len = 0;
	memset(drv.data, 0, sizeof(drv.data));
	ck_assert_int_eq(set(RES, &fd), 0);
	file = file_from_fd(fd);
	ck_assert_int_eq(file_read(file, (uintptr_t)buf, 1), -EBADF);
	ck_assert_int_eq(file_write(file, (uintptr_t)buf, 9000), 9000);
	ck_assert_mem_eq(buf, drv.data, 9000);
	ck_assert_int_eq(file_write(file, (uintptr_t)buf, 9000), -ENOSPC);
	ck_assert_int_eq(fx_ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info), -ENOTTY);
	file_put(file);
	fx_close(fd);
	ck_assert_int_eq(drv.released, 2);
	/* No file, and none after a failure; the state is as far as it came. */
	ck_assert_int_eq(set(RUN, &fd), 0);
	ck_assert_int_eq(fd, -1);
	drv.set_error = -EIO;
	ck_assert_int_eq(set(STOP, &fd), -EIO);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(set(COPY, &fd), -EIO);
	drv.set_error = 0;
	ck_assert_int_eq(set(8, &fd), -EINVAL);
}
END_TEST

/* The number is not told: the file must not stay open. */
START_TEST(fd_that_cannot_be_told)
{
	char *page = fx_memory(HOST_PAGE_SIZE);
	struct vfio_device_feature *f = (void *)page;
	struct vfio_device_feature_mig_state *mig = (void *)f->data;

	f->argsz = sizeof(*f) + sizeof(*mig);
	f->flags = SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
	mig->device_state = COPY;
	ck_assert_int_eq(mprotect(page, HOST_PAGE_SIZE, PROT_READ), 0);
	ck_assert_int_eq(fx_ioctl(o.device, VFIO_DEVICE_FEATURE, f), -EFAULT);
	ck_assert_int_eq(drv.released, 1);
	munmap(page, HOST_PAGE_SIZE);
}
END_TEST

/* ---- DMA logging ----------------------------------------------------------------------------- */

static long start(uint64_t page_size, uint32_t count,
		  const struct vfio_device_feature_dma_logging_range *ranges)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page_size,
		.num_ranges = count,
		.ranges = (uintptr_t)ranges,
	};
	long ret = feature(SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control, sizeof(control));

	if (!ret)
		ck_assert_uint_eq(control.page_size, 8192);
	return ret;
}

START_TEST(logging_ranges)
{
	const struct vfio_device_feature_dma_logging_range two[] = { { 0x8000, 0x2000 },
								     { 0x1000, 0x1000 } },
							   overlap[] = { { 0x1000, 0x2000 },
									 { 0x2000, 0x1000 } },
							   last[] = { { -0x1000ULL, 0x1000 } };

	ck_assert_int_eq(start(4096, 0, two), -EINVAL);
	ck_assert_int_eq(start(4096, 257, two), -E2BIG);
	ck_assert_int_eq(start(4096, 1, NULL), -EFAULT);
	ck_assert_int_eq(start(0x2000, 2, two), -EINVAL);
	ck_assert_int_eq(start(4096, 2, overlap), -EINVAL);
	ck_assert_int_eq(start(4096, 1, last), -EOVERFLOW);
	ck_assert_int_eq(drv.starts, 0);
	ck_assert_int_eq(start(4096, 2, two), 0);
	ck_assert_uint_eq(drv.nranges, 2);
	ck_assert_uint_eq(drv.ranges[0].start, 0x1000);
	ck_assert_uint_eq(drv.ranges[0].last, 0x1fff);
	ck_assert_uint_eq(drv.ranges[1].last, 0x9fff);
	ck_assert_uint_eq(drv.page_size, 4096);
	ck_assert_int_eq(feature(SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, drv.data, 0), 0);
	ck_assert_int_eq(drv.stops, 1);
}
END_TEST

static long report(iova_t iova, uint64_t length, uint64_t page_size, void *bitmap)
{
	struct vfio_device_feature_dma_logging_report r = {
		.iova = iova, .length = length, .page_size = page_size, .bitmap = (uintptr_t)bitmap
	};

	return feature(GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &r, sizeof(r));
}

START_TEST(logging_report)
{
	uint8_t bitmap[520], expect[520] = { 0 };

	ck_assert_int_eq(report(0, 0x1000, 2048, bitmap), -EINVAL);
	ck_assert_int_eq(report(0, 0x1000, 0x3000, bitmap), -EINVAL);
	ck_assert_int_eq(report(-0x1000ULL, 0x1000, 0x1000, bitmap), -EOVERFLOW);
	/* Nothing was written: the bitmap is not looked at. */
	ck_assert_int_eq(report(0, 0x1000000, 0x1000, NULL), 0);
	memset(bitmap, 0, sizeof(bitmap));
	bitmap[0] = expect[0] = 0x80; /* stays */
	/* Pages 1, 5 to 13, 4099 and what is cut off at both ends. */
	drv.dirty[0] = 0x100001234;
	drv.dirty_len[0] = 1;
	drv.dirty[1] = 0x100005fff;
	drv.dirty_len[1] = 0x7002;
	drv.dirty[2] = 0x101003000;
	drv.dirty_len[2] = 0x100000;
	drv.dirty[3] = 0;
	drv.dirty_len[3] = 0x100000001;
	expect[0] |= 0xe3;
	expect[1] = 0x3f;
	expect[512] = 0x08;
	ck_assert_int_eq(report(0x100000000, 0x1004000, 0x1000, bitmap), 0);
	ck_assert_mem_eq(bitmap, expect, sizeof(bitmap));
	/* A long run. */
	memset(bitmap, 0, sizeof(bitmap));
	memset(expect, 0, sizeof(expect));
	memset(expect, 0xff, 513);
	expect[0] = 0xfe;
	expect[513] = 0x01;
	drv.dirty[0] = 0x1000;
	drv.dirty_len[0] = 4104 * 0x1000ULL;
	drv.dirty_len[1] = drv.dirty_len[2] = drv.dirty_len[3] = 0;
	ck_assert_int_eq(report(0, 520 * 8 * 0x1000, 0x1000, bitmap), 0);
	ck_assert_mem_eq(bitmap, expect, sizeof(bitmap));
	ck_assert_int_eq(report(0, 0x10000, 0x1000, NULL), -EFAULT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("migration");
	TCase *tc = tcase_create("migration");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, every_way, 0, 4);
	tcase_add_test(tc, checks);
	tcase_add_test(tc, transfer);
	tcase_add_test(tc, fd_that_cannot_be_told);
	tcase_add_test(tc, logging_ranges);
	tcase_add_test(tc, logging_report);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
