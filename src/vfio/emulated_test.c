/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Emulated groups in containers: what they change for the user, pages that their devices pin and
 * how they are told to let go, DMA by copying.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "base/copy.h"
#include "base/thread.h"
#include "vfio/emulated_fixture.h"

static void setup_limit(void)
{
	emu_setup_with(8 * PAGE, NULL);
}

/* ---- what the user sees ---------------------------------------------------------------------- */

START_TEST(container_of_emulated_groups)
{
	int c = emu_start();
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[256];
	} a = { .info.argsz = sizeof(a) };
	uint64_t size = 0;
	char *none;

	ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_GET_INFO, &a), 0);
	ck_assert_uint_eq(a.info.iova_pgsizes, HOST_PAGE_MASK);
	/* Migration and the mappings that are left; no ranges. */
	ck_assert_uint_eq(a.info.argsz, sizeof(a));
	struct vfio_info_cap_header *cap = (void *)((char *)&a + VFIO_IOMMU_TYPE1_INFO_SIZE);
	ck_assert_uint_eq(cap->id, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
	cap = (void *)((char *)&a + cap->next);
	ck_assert_uint_eq(cap->id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	ck_assert_uint_eq(cap->next, 0);
	ck_assert_int_eq(fx_ioctl(c, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR), 0);
	ck_assert_int_eq(fx_ioctl(c, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU), 1);
	ck_assert_int_eq(fx_ioctl(c, VFIO_CHECK_EXTENSION, (void *)VFIO_UNMAP_ALL), 1);

	/* Any IOVA, and memory that is not there: nothing looks at it. */
	none = fx_memory(PAGE);
	munmap(none, PAGE);
	ck_assert_int_eq(fx_map(c, FX_RW, none, 0xfee00000, PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, -2ULL * PAGE, PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0xfee00000, PAGE), -EEXIST);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem + 1, 0, PAGE), -EINVAL);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	/* Addresses cannot be taken away from such a device. */
	ck_assert_int_eq(fx_unmap(c, VFIO_DMA_UNMAP_FLAG_VADDR | VFIO_DMA_UNMAP_FLAG_ALL, 0, &size),
			 -EBUSY);
	size = 0;
	ck_assert_int_eq(fx_unmap(c, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), 0);
	ck_assert_uint_eq(size, 2 * PAGE);
	ck_assert_uint_eq(atomic_load(&emu[0].unmaps), 0);
}
END_TEST

START_TEST(mappings_end_with_the_last_group)
{
	int c = emu_start();

	emu_add_second(c);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), 0);
	emu_close(0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), -EEXIST);
	emu_close(1);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), -EINVAL);
	emu[1].group = emu_join(FIXTURE_NOIOMMU + 1, c);
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), 0);
}
END_TEST

/* ---- pins ------------------------------------------------------------------------------------ */

START_TEST(pin_checks)
{
	struct vfio_device *vdev = &emu[0].vdev;
	paddr_t pages[4];
	int c;

	ck_assert_int_eq(emu_pin(0, 0, 1, RW, pages), -EINVAL); /* closed */
	ck_assert_int_eq(vfio_dma_rw(vdev, 0, pages, 1, false), -EINVAL);
	c = emu_start();
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 2 * PAGE), 0);
	ck_assert_int_eq(fx_map(c, VFIO_DMA_MAP_FLAG_READ, emu_mem, 2 * PAGE, PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, NULL), -EINVAL);
	ck_assert_int_eq(emu_pin(0, 0, 0, RW, pages), -EINVAL);
	ck_assert_int_eq(emu_pin(0, 0, -1, RW, pages), -EINVAL);
	ck_assert_int_eq(emu_pin(0, 0, VFIO_PIN_PAGES_MAX_ENTRIES + 1, RW, pages), -E2BIG);
	ck_assert_int_eq(emu_pin(0, -1ULL * PAGE, 2, RW, pages), -EOVERFLOW);
	ck_assert_int_eq(emu_pin(0, 4 * PAGE, 1, RW, pages), -EINVAL);
	ck_assert_int_eq(emu_pin(0, 2 * PAGE, 1, RW, pages), -EPERM);
	ck_assert_int_eq(emu_pin(0, 0, 3, RW, pages), -EPERM);
	ck_assert_int_eq(emu_pin(0, PAGE, 4, IOMMU_READ, pages), -EINVAL);
	/* All or nothing. */
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_int_eq(emu_pin(0, 1, 3, IOMMU_READ, pages), 3);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_uint_eq(pages[i], (uintptr_t)emu_mem + i * PAGE);
	ck_assert_uint_eq(pages[2], (uintptr_t)emu_mem);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 3 * PAGE);
	emu_unpin(0, PAGE - 1, 3);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	vdev->ops = &emu_deaf_ops;
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, pages), -EINVAL);
	vdev->ops = &emu_ops;
	ck_assert_str_eq(emu_log, "");
	emu_unpin(0, 0, 1);
	ck_assert_ptr_nonnull(strstr(emu_log, "not pinned by this device"));
	ck_assert_ptr_nonnull(strstr(emu_log, "emulated-0"));
}
END_TEST

START_TEST(version_1_does_not_pin)
{
	int c = emu_start_type(VFIO_TYPE1_IOMMU);
	paddr_t page;

	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), -EACCES);
	ck_assert_int_eq(vfio_dma_rw(&emu[0].vdev, 0, &page, 1, false), 0);
}
END_TEST

START_TEST(counts)
{
	int c = emu_start();
	paddr_t pages[2];

	emu_add_second(c);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 2 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 2, RW, pages), 2);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, pages), 1);
	ck_assert_int_eq(emu_pin(1, 0, 1, RW, pages), 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 2 * PAGE);
	emu_unpin(0, 0, 2);
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
	emu_unpin(0, 0, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
	/* The other's pin is not this one's to undo. */
	emu_unpin(0, 0, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
	ck_assert_ptr_nonnull(strstr(emu_log, "emulated-0"));
	emu_unpin(1, 0, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
}
END_TEST

START_TEST(memlock)
{
	paddr_t pages[9];
	int c = emu_start();

	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 64 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 9, RW, pages), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(emu_log, "RLIMIT_MEMLOCK"));
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_int_eq(emu_pin(0, 0, 8, RW, pages), 8);
	ck_assert_int_eq(emu_pin(0, 0, 8, RW, pages), 8);
	emu_unpin(0, 0, 8);
	emu_unpin(0, 0, 8);
}
END_TEST

START_TEST(memory_that_is_not_there)
{
	char *hole = fx_memory(2 * PAGE);
	paddr_t pages[2];
	int c = emu_start();

	munmap(hole + PAGE, PAGE);
	ck_assert_int_eq(fx_map(c, FX_RW, hole, 0, 2 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 2, RW, pages), -EFAULT);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	mprotect(hole, PAGE, PROT_READ);
	ck_assert_int_eq(emu_pin(0, 0, 1, IOMMU_READ, pages),
			 -EFAULT); /* the mapping may be written */
	munmap(hole, PAGE);
}
END_TEST

/* The program unmaps what is pinned: the page lives on elsewhere. */
START_TEST(kept_alive)
{
	char *page = fx_memory(PAGE);
	paddr_t before, after;
	uint8_t byte;
	int c = emu_start();

	ck_assert_int_eq(fx_map(c, FX_RW, page, 0, PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &before), 1);
	ck_assert_uint_eq(before, (uintptr_t)page);
	hostmem_will_unmap(fx.hm, (uintptr_t)page, PAGE);
	munmap(page, PAGE);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &after), 1);
	ck_assert_uint_ne(after, before);
	byte = *(volatile uint8_t *)after;
	ck_assert_uint_eq(byte, 0x5a);
	/* By the program's address there is nothing. */
	ck_assert_int_eq(vfio_dma_rw(&emu[0].vdev, 0, &byte, 1, false), -EFAULT);
	emu_unpin(0, 0, 1);
	emu_unpin(0, 0, 1);
}
END_TEST

/* Between what the program's munmap() moves aside and the call itself nothing new is pinned. */
START_TEST(leaving)
{
	struct hostmem_leaving gone;
	paddr_t page;
	int c = emu_start();

	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 4 * PAGE), 0);
	ck_assert(hostmem_leaving_begin(fx.hm, &gone, (uintptr_t)emu_mem + PAGE, PAGE));
	ck_assert_int_eq(emu_pin(0, PAGE, 1, RW, &page), -EFAULT);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), 1);
	ck_assert_int_eq(emu_pin(0, 2 * PAGE, 1, RW, &page), 1);
	hostmem_leaving_end(fx.hm, &gone);
	ck_assert_int_eq(emu_pin(0, PAGE, 1, RW, &page), 1);
	emu_unpin(0, 0, 3);
	emu_close(0);
	/* Without emulated groups there is nothing to mark. */
	ck_assert(!hostmem_leaving_begin(fx.hm, &gone, (uintptr_t)emu_mem, PAGE));
}
END_TEST

/* ---- unmapping ------------------------------------------------------------------------------- */

START_TEST(told)
{
	struct emulated *e = &emu[0];
	paddr_t pages[2];
	int c = emu_start();

	emu_add_second(c);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 2 * PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 4 * PAGE, 2 * PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 8 * PAGE, PAGE), 0);
	e->pinned = 5 * PAGE;
	e->npages = 1;
	ck_assert_int_eq(emu_pin(0, 5 * PAGE, 1, RW, pages), 1);
	ck_assert_uint_eq(emu_unmap(c, 0, 2 * PAGE), 2 * PAGE);
	ck_assert_uint_eq(atomic_load(&e->unmaps), 0);
	ck_assert_uint_eq(emu_unmap(c, 0, 16 * PAGE), 3 * PAGE);
	ck_assert_uint_eq(atomic_load(&e->unmaps), 1);
	ck_assert_uint_eq(e->last_iova, 4 * PAGE);
	ck_assert_uint_eq(e->last_len, 2 * PAGE);
	ck_assert_uint_eq(atomic_load(&emu[1].unmaps), 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_str_eq(emu_log, "");
}
END_TEST

static int told_container;

static void map_across_the_end(void)
{
	ck_assert_uint_eq(emu_unmap(told_container, PAGE, PAGE), PAGE);
	ck_assert_int_eq(fx_map(told_container, FX_RW, emu_mem, PAGE, 2 * PAGE), 0);
	emu[0].meanwhile = NULL;
}

/* While the device is told, another mapping comes that the range cuts: the unmap fails, and what it
 * was about to take stays as it was. */
START_TEST(told_in_vain)
{
	struct emulated *e = &emu[0];
	uint64_t size = 2 * PAGE;
	paddr_t page;

	told_container = emu_start();
	ck_assert_int_eq(fx_map(told_container, FX_RW, emu_mem, 0, PAGE), 0);
	ck_assert_int_eq(fx_map(told_container, FX_RW, emu_mem, PAGE, PAGE), 0);
	e->npages = 1;
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), 1);
	e->meanwhile = map_across_the_end;
	ck_assert_int_eq(fx_unmap(told_container, 0, 0, &size), -EINVAL);
	ck_assert_uint_eq(atomic_load(&e->unmaps), 1);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), 1);
	emu_unpin(0, 0, 1);
}
END_TEST

START_TEST(ignored)
{
	paddr_t pages[2], page;
	int c = emu_start();

	emu_add_second(c);
	emu[0].obeys = false;
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0x10000, 2 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0x10000, 2, RW, pages), 2);
	emu[1].pinned = 0x10000;
	emu[1].npages = 1;
	ck_assert_int_eq(emu_pin(1, 0x10000, 1, RW, &page), 1);
	ck_assert_uint_eq(emu_unmap(c, 0x10000, 2 * PAGE), 2 * PAGE);
	ck_assert_uint_ge(atomic_load(&emu[0].unmaps), 10);
	ck_assert_ptr_nonnull(
		strstr(emu_log,
		       "BUG: emu keeps 2 page(s) pinned for its device emulated-0 (parent card)"));
	ck_assert_ptr_nonnull(strstr(emu_log, "0x10000"));
	ck_assert_ptr_null(strstr(emu_log, "emulated-1"));
	/* The memory stays, whatever the program does with it, and the IOVA is free. */
	ck_assert_uint_eq(hostmem_locked(fx.hm), 2 * PAGE);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem + 8 * PAGE, 0x10000, 2 * PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0x10000, 1, RW, &page), 1);
	ck_assert_uint_eq(page, (uintptr_t)emu_mem + 8 * PAGE);
	/* Late, but right: first what is mapped, then what should have gone. */
	emu_log[0] = '\0';
	emu_unpin(0, 0x10000, 1);
	emu_unpin(0, 0x10000, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
	ck_assert_str_eq(emu_log, "");
	fx_close(emu[0].fd);
	emu[0].fd = -1;
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
}
END_TEST

START_TEST(closed_with_pins)
{
	paddr_t page;
	int c = emu_start();

	emu_add_second(c);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, PAGE), 0);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), 1);
	ck_assert_int_eq(emu_pin(0, 0, 1, RW, &page), 1);
	ck_assert_int_eq(emu_pin(1, 0, 1, RW, &page), 1);
	fx_close(emu[0].fd);
	emu[0].fd = -1;
	ck_assert_ptr_nonnull(
		strstr(emu_log, "emu closed its device emulated-0 (parent card) with 1 page(s)"));
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
	emu_unpin(1, 0, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_uint_eq(emu_unmap(c, 0, PAGE), PAGE);
}
END_TEST

/* ---- DMA by copying -------------------------------------------------------------------------- */

START_TEST(copying)
{
	struct vfio_device *vdev = &emu[0].vdev;
	static uint8_t buf[4 * PAGE], back[4 * PAGE];
	char *hole = fx_memory(2 * PAGE);
	int c = emu_start();

	munmap(hole + PAGE, PAGE);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 2 * PAGE), 0);
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem + 8 * PAGE, 2 * PAGE, PAGE), 0);
	ck_assert_int_eq(fx_map(c, VFIO_DMA_MAP_FLAG_READ, emu_mem + 16 * PAGE, 3 * PAGE, PAGE), 0);
	ck_assert_int_eq(fx_map(c, VFIO_DMA_MAP_FLAG_WRITE, emu_mem + 24 * PAGE, 16 * PAGE, PAGE),
			 0);
	ck_assert_int_eq(fx_map(c, FX_RW, hole, 32 * PAGE, 2 * PAGE), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 13 + (i >> 8));
	ck_assert_int_eq(vfio_dma_rw(vdev, 100, buf, 0, true), -EINVAL);
	ck_assert_int_eq(vfio_dma_rw(vdev, 100, buf, 3 * PAGE - 100, true), 0);
	ck_assert_mem_eq(emu_mem + 100, buf, 2 * PAGE - 100);
	ck_assert_mem_eq(emu_mem + 8 * PAGE, buf + 2 * PAGE - 100, PAGE);
	ck_assert_int_eq(vfio_dma_rw(vdev, 100, back, 3 * PAGE - 100, false), 0);
	ck_assert_mem_eq(back, buf, 3 * PAGE - 100);
	/* What came before is moved. */
	ck_assert_int_eq(vfio_dma_rw(vdev, 3 * PAGE - 1, buf, 2, true), -EPERM);
	ck_assert_uint_eq((uint8_t)emu_mem[9 * PAGE - 1], buf[0]);
	ck_assert_int_eq(vfio_dma_rw(vdev, 3 * PAGE, back, PAGE, false), 0);
	ck_assert_int_eq(vfio_dma_rw(vdev, 3 * PAGE, back, PAGE + 1, false), -EINVAL);
	ck_assert_int_eq(vfio_dma_rw(vdev, 16 * PAGE, back, 1, false), -EPERM);
	ck_assert_int_eq(vfio_dma_rw(vdev, 16 * PAGE, back, 1, true), -EPERM);
	ck_assert_int_eq(vfio_dma_rw(vdev, 33 * PAGE - 1, back, 1, true), 0);
	ck_assert_int_eq(vfio_dma_rw(vdev, 33 * PAGE - 1, back, 2, true), -EFAULT);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	munmap(hole, PAGE);
}
END_TEST

/* ---- two threads ----------------------------------------------------------------------------- */

static atomic_bool stop;

static void *pinner(void *arg)
{
	struct emulated *e = &emu[(uintptr_t)arg];
	unsigned int pinned = 0;
	paddr_t page;

	while (!atomic_load(&stop) || !pinned) {
		if (vfio_pin_pages(&e->vdev, (pinned % 4) * PAGE, 1, RW, &page) != 1)
			continue;
		ck_assert_int_eq(touch_write(page), 0);
		vfio_unpin_pages(&e->vdev, (pinned % 4) * PAGE, 1);
		pinned++;
		sched_yield();
	}
	return NULL;
}

START_TEST(unmap_against_pin)
{
	pthread_t threads[2];
	int c = emu_start();

	emu_add_second(c);
	/* Pins are short; one that is late is taken for a bug and waited for all the same. */
	emu[0].obeys = emu[1].obeys = false;
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(thread_create(&threads[i], "pinner", pinner, (void *)i), 0);
	for (unsigned int i = 0; i < 100; i++) {
		ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 4 * PAGE), 0);
		sched_yield();
		ck_assert_uint_eq(emu_unmap(c, 0, 4 * PAGE), 4 * PAGE);
	}
	ck_assert_int_eq(fx_map(c, FX_RW, emu_mem, 0, 4 * PAGE), 0);
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(emu_unmap(c, 0, 4 * PAGE), 4 * PAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulated");
	TCase *tc = tcase_create("emulated"), *limit = tcase_create("limit");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, emu_setup, emu_teardown);
	tcase_add_test(tc, container_of_emulated_groups);
	tcase_add_test(tc, mappings_end_with_the_last_group);
	tcase_add_test(tc, pin_checks);
	tcase_add_test(tc, version_1_does_not_pin);
	tcase_add_test(tc, counts);
	tcase_add_test(tc, memory_that_is_not_there);
	tcase_add_test(tc, kept_alive);
	tcase_add_test(tc, leaving);
	tcase_add_test(tc, told);
	tcase_add_test(tc, told_in_vain);
	tcase_add_test(tc, ignored);
	tcase_add_test(tc, closed_with_pins);
	tcase_add_test(tc, copying);
	tcase_add_test(tc, unmap_against_pin);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(limit, setup_limit, emu_teardown);
	tcase_add_test(limit, memlock);
	suite_add_tcase(suite, limit);
	return fixture_main(suite);
}
