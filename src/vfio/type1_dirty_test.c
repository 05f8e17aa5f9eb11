/* SPDX-License-Identifier: BSD-3-Clause */
/* Dirty page tracking of a container. */
#include "vfio/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE HOST_PAGE_SIZE

static struct fx_open o;
static char *mem;

static void setup_type(unsigned long type)
{
	fixture_setup();
	o = fx_open_all(type);
	mem = fx_memory(64 * PAGE);
}

static void setup_v1(void)
{
	setup_type(VFIO_TYPE1_IOMMU);
}

static void setup_v2(void)
{
	setup_type(VFIO_TYPE1v2_IOMMU);
}

static void teardown(void)
{
	fx_close_all(&o);
	munmap(mem, 64 * PAGE);
	fixture_teardown();
}

static long map(uint64_t iova, uint64_t size)
{
	return fx_map(o.container, FX_RW, mem, iova, size);
}

static bool reaches(unsigned int dev, uint64_t iova)
{
	uint8_t byte;

	return dma_read(fx.devs[dev].iommu, iova, &byte, 1) == 0;
}

static long dirty(uint32_t argsz, uint32_t flags, uint64_t iova, uint64_t size, uint64_t pgsize,
		  uint64_t bytes, void *bitmap)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap dirty;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} a = {
		.dirty = { .argsz = argsz, .flags = flags },
		.get = { .iova = iova,
			 .size = size,
			 .bitmap = { .pgsize = pgsize, .size = bytes, .data = bitmap } },
	};

	return fx_ioctl(o.container, VFIO_IOMMU_DIRTY_PAGES, &a);
}

#define START VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET   VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

START_TEST(dirty_v1)
{
	ck_assert_int_eq(dirty(8, START, 0, 0, 0, 0, NULL), -EACCES);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_DIRTY_PAGES, NULL), -EACCES);
}
END_TEST

START_TEST(dirty_arguments)
{
	uint64_t bitmap[4] = { 0 };

	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(8, 0, 0, 0, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(dirty(8, START | STOP, 0, 0, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(dirty(8, 8, 0, 0, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(dirty(7, START, 0, 0, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(dirty(8, STOP, 0, 0, 0, 0, NULL), 0);
	ck_assert_int_eq(dirty(8, START, 0, 0, 0, 0, NULL), 0);
	ck_assert_int_eq(dirty(8, START, 0, 0, 0, 0, NULL), 0);
	ck_assert_int_eq(dirty(47, GET, 0x10000, 4 * PAGE, PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, 2 * PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, PAGE, 7, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, PAGE, 0x10000008, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x11000, PAGE, PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, PAGE, PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 0, PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10001, 4 * PAGE, PAGE, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, 0, 8, bitmap), -EINVAL);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, PAGE, 8, NULL), -EFAULT);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, PAGE, 8, (void *)(-1ULL << 47)),
			 -EINVAL);
	ck_assert_int_eq(dirty(48, GET, ~0xfffULL, 2 * PAGE, PAGE, 8, bitmap), -EOVERFLOW);
	ck_assert_int_eq(dirty(48, GET, ~0xfffULL, PAGE, PAGE, 8, bitmap), 0);
	ck_assert_uint_eq(bitmap[0], 0);
	ck_assert_int_eq(dirty(48, GET, 0x10000, 4 * PAGE, PAGE, 8, bitmap), 0);
	ck_assert_uint_eq(bitmap[0], 0xf);
	ck_assert_uint_eq(bitmap[1], 0);
}
END_TEST

START_TEST(dirty_bits)
{
	uint64_t bitmap[80] = { 0 };
	char *big = fx_memory(129 * PAGE);

	ck_assert_int_eq(dirty(8, START, 0, 0, 0, 0, NULL), 0);
	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	ck_assert_int_eq(fx_map(o.container, FX_RW, big, 0x20000, 129 * PAGE), 0);
	ck_assert_int_eq(map(0x1000000, PAGE), 0);
	/* First bit: 0x8000. */
	ck_assert_int_eq(dirty(48, GET, 0x8000, 0xff9000, PAGE, sizeof(bitmap), bitmap), 0);
	ck_assert_uint_eq(bitmap[0], 0xffffffffff000f00);
	ck_assert_uint_eq(bitmap[1], ~0ULL);
	ck_assert_uint_eq(bitmap[2], 0x1ffffff);
	ck_assert_uint_eq(bitmap[3], 0);
	ck_assert_uint_eq(bitmap[0xff8 / 64], 1ULL << (0xff8 % 64));
	munmap(big, 129 * PAGE);
}
END_TEST

START_TEST(dirty_unmap)
{
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} a;
	uint64_t bits = 0;

	ck_assert_int_eq(map(0x10000, 4 * PAGE), 0);
	memset(&a, 0, sizeof(a));
	a.unmap.argsz = sizeof(a);
	a.unmap.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	a.unmap.iova = 0x10000;
	a.unmap.size = 4 * PAGE;
	a.bitmap = (struct vfio_bitmap){ .pgsize = PAGE, .size = 8, .data = (__u64 *)&bits };
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &a), -EINVAL);
	ck_assert_int_eq(dirty(8, START, 0, 0, 0, 0, NULL), 0);
	a.unmap.argsz = sizeof(a) - 1;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &a), -EINVAL);
	a.unmap.argsz = sizeof(a);
	a.unmap.flags |= VFIO_DMA_UNMAP_FLAG_ALL;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &a), -EINVAL);
	a.unmap.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	a.bitmap.pgsize = 2 * PAGE;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &a), -EINVAL);
	a.bitmap.pgsize = PAGE;
	a.bitmap.data = NULL;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &a), -EFAULT);
	/* The mapping is still there, and the user's size untouched. */
	ck_assert(reaches(0, 0x10000));
	ck_assert_uint_eq(a.unmap.size, 4 * PAGE);
	a.bitmap.data = (__u64 *)&bits;
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_IOMMU_UNMAP_DMA, &a), 0);
	ck_assert_uint_eq(bits, 0xf);
	ck_assert_uint_eq(a.unmap.size, 4 * PAGE);
	ck_assert(!reaches(0, 0x10000));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("type1_dirty");
	TCase *v1 = tcase_create("v1"), *v2 = tcase_create("v2");

	tcase_add_checked_fixture(v1, setup_v1, teardown);
	tcase_add_test(v1, dirty_v1);
	suite_add_tcase(suite, v1);
	tcase_add_checked_fixture(v2, setup_v2, teardown);
	tcase_add_test(v2, dirty_arguments);
	tcase_add_test(v2, dirty_bits);
	tcase_add_test(v2, dirty_unmap);
	suite_add_tcase(suite, v2);
	return fixture_main(suite);
}
