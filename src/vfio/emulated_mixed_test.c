/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers that have real and emulated groups: who pins and counts what when groups come and go,
 * and which pages are dirty. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vfio/emulated_fixture.h"

static void setup_limit(void)
{
	emu_setup_with(8 * PAGE, NULL);
}

/* ---- groups of both kinds -------------------------------------------------------------------- */

static bool reaches(unsigned int dev, uint64_t iova)
{
	uint8_t byte;

	return dma_read(fx.devs[dev].iommu, iova, &byte, 1) == 0;
}

START_TEST(real_group_joins)
{
	paddr_t pages[2];
	uint8_t byte = 0;
	int c = emu_start(), real;

	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 8 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, PAGE, 2, RW, pages), 2);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 2 * PAGE);
	/* All is pinned now, what was pinned counts once. */
	real = emu_join(0, c);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 8 * PAGE);
	ck_assert(reaches(0, 0) && reaches(0, 8 * PAGE - 1) && !reaches(0, 8 * PAGE));
	ck_assert_int_eq(emu_pin(0, 4 * PAGE, 1, RW, pages), 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 8 * PAGE);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem + 8 * PAGE, 8 * PAGE, PAGE), 0);
	ck_assert_int_eq(vfio_dma_rw(&emu[0].vdev, 8 * PAGE, &byte, 1, true), 0);
	ck_assert_int_eq(dma_read(fx.devs[0].iommu, 8 * PAGE, &byte, 1), 0);
	ck_assert_uint_eq(byte, 0);
	ck_assert_uint_eq(emu_unmap(c, 8 * PAGE, PAGE), PAGE);
	fx_close(real);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 3 * PAGE);
	ck_assert(!reaches(0, 0));
	emu_unpin(0, PAGE, 2);
	emu_unpin(0, 4 * PAGE, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
}
END_TEST

START_TEST(real_group_refused)
{
	char *hole = fx_memory(2 * PAGE);
	int c = emu_start(), real;

	/* An IOVA that the unit cannot translate, memory that is not there. */
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0xfee00000, PAGE), 0);
	real = fx_open_group(0);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), -EINVAL);
	emu_unmap(c, 0xfee00000, PAGE);
	munmap(hole + PAGE, PAGE);
	ck_assert_int_eq(fx_map(c, FX_RW, hole, 16 * PAGE, 2 * PAGE), 0);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), -EFAULT);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	emu_unmap(c, 16 * PAGE, 2 * PAGE);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert(reaches(0, 0));
	fx_close(real);
	munmap(hole, PAGE);
}
END_TEST

START_TEST(real_group_over_the_limit)
{
	paddr_t pages[8];
	int c = emu_start(), real = fx_open_group(0);

	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 4 * PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 4 * PAGE, 8 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 8, RW, pages), 8);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), -ENOMEM);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 8 * PAGE);
	emu_unpin(0, 0, 8);
	emu_unmap(c, 0, 4 * PAGE);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 8 * PAGE);
	fx_close(real);
}
END_TEST

START_TEST(emulated_group_joins)
{
	struct fx_open o = fx_open_all(VFIO_TYPE1v2_IOMMU);
	paddr_t page;

	ck_assert_int_eq(fx_map(o.container, FX_RW, emu_mem, 0, 4 * PAGE), 0);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR), 1);
	emu_add(0, o.container);
	ck_assert_int_eq(fx_ioctl(o.container, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR), 0);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), 1);
	/* The ranges of the domain still hold. */
	ck_assert_int_eq(fx_map(o.container, FX_RW, emu_mem, 0xfee00000, PAGE), -EINVAL);
	/* The real one leaves: the mapping stays for the other. */
	fx_close(o.device);
	fx_close(o.group);
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
	ck_assert_int_eq(fx_map(o.container, FX_RW, emu_mem, 0, PAGE), -EEXIST);
	ck_assert_int_eq(fx_map(o.container, FX_RW, emu_mem, 0xfee00000, PAGE), 0);
	emu_unpin(0, 0, 1);
}
END_TEST

/* ---- dirty pages ----------------------------------------------------------------------------- */

static long dirty(int c, uint32_t flags, uint64_t iova, uint64_t size, uint64_t *bitmap)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap dirty;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} a = {
		.dirty = { .argsz = sizeof(a), .flags = flags },
		.get = { .iova = iova,
			 .size = size,
			 .bitmap = { .pgsize = PAGE,
				     .size = bitmap ? ALIGN_UP(size / PAGE, 64) / 8 : 0,
				     .data = (void *)bitmap } },
	};

	return fx_ioctl(c, VFIO_IOMMU_DIRTY_PAGES, &a);
}

#define START VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET   VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

static uint64_t dirty_word(int c, uint64_t iova, uint64_t size)
{
	uint64_t word = 0;

	ck_assert_int_eq(dirty(c, GET, iova, size, &word), 0);
	return word;
}

START_TEST(dirty_pages)
{
	struct vfio_device *vdev = &emu[0].vdev;
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		struct vfio_bitmap bitmap;
	} u = { .unmap = { .argsz = sizeof(u),
			   .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			   .iova = 3 * PAGE,
			   .size = 40 * PAGE } };
	uint64_t words[2] = { 0 };
	paddr_t pages[2];
	int c = emu_start(), real;

	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 3 * PAGE, 40 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 5 * PAGE, 1, RW, pages), 1);
	ck_assert_int_eq(vfio_dma_rw(vdev, 10 * PAGE, pages, 1, true), 0);
	/* What was before is not known, but what is pinned. */
	ck_assert_int_eq(dirty(c, START, 0, 0, NULL), 0);
	ck_assert_int_eq(dirty(c, START, 0, 0, NULL), 0);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), 1 << 2);
	ck_assert_int_eq(vfio_dma_rw(vdev, 10 * PAGE - 1, pages, 2, true), 0);
	ck_assert_int_eq(vfio_dma_rw(vdev, 20 * PAGE, pages, 2, false), 0);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), 1 << 2 | 3 << 6);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), 1 << 2);
	/* From below: shifted, and over a word's end. */
	ck_assert_int_eq(vfio_dma_rw(vdev, 39 * PAGE, pages, 1, true), 0);
	ck_assert_int_eq(dirty(c, GET, -30ULL * PAGE, 73 * PAGE, words), -EOVERFLOW);
	emu_unpin(0, 5 * PAGE, 1);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 64 * PAGE, 40 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 67 * PAGE, 1, RW, pages), 1);
	ck_assert_int_eq(dirty(c, GET, 0, 104 * PAGE, words), 0);
	ck_assert_uint_eq(words[0], 1ULL << 5 | 1ULL << 39);
	ck_assert_uint_eq(words[1], 1ULL << 3);
	emu_unpin(0, 67 * PAGE, 1);
	memset(words, 0, sizeof(words));
	ck_assert_int_eq(dirty(c, GET, 0, 104 * PAGE, words), 0);
	ck_assert_uint_eq(words[1], 1ULL << 3);
	ck_assert_int_eq(dirty(c, GET, 0, 104 * PAGE, words), 0);
	ck_assert_uint_eq(words[0] | words[1], 0);
	/* A real group dirties everything, and once it is gone everything was. */
	real = emu_join(0, c);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), (1ULL << 40) - 1);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), (1ULL << 40) - 1);
	fx_close(real);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), (1ULL << 40) - 1);
	ck_assert_uint_eq(dirty_word(c, 3 * PAGE, 40 * PAGE), 0);
	/* The last look comes with the unmap, behind the device's own. */
	emu[0].pinned = 4 * PAGE;
	emu[0].npages = 1;
	ck_assert_int_eq(emu_pin(0, 4 * PAGE, 1, RW, pages), 1);
	words[0] = 0;
	u.bitmap = (struct vfio_bitmap){ .pgsize = PAGE, .size = 8, .data = (void *)words };
	ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_UNMAP_DMA, &u), 0);
	ck_assert_uint_eq(words[0], 1 << 1);
	ck_assert_int_eq(dirty(c, STOP, 0, 0, NULL), 0);
	ck_assert_int_eq(dirty(c, GET, 64 * PAGE, 40 * PAGE, words), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulated_mixed");
	TCase *tc = tcase_create("emulated_mixed"), *limit = tcase_create("limit");

	tcase_add_checked_fixture(tc, emu_setup, emu_teardown);
	tcase_add_test(tc, real_group_joins);
	tcase_add_test(tc, real_group_refused);
	tcase_add_test(tc, emulated_group_joins);
	tcase_add_test(tc, dirty_pages);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(limit, setup_limit, emu_teardown);
	tcase_add_test(limit, real_group_over_the_limit);
	suite_add_tcase(suite, limit);
	return fixture_main(suite);
}
