/* SPDX-License-Identifier: BSD-3-Clause */
/* dma_copy(): both sides, faults and which side they are on, windows, frozen entries, unmapping. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/fault.h"
#include "base/thread.h"
#include "iommu/dma.h"

#define SIZE (1u << 20)
#define SRC  0x100000000ULL
#define DST  0x7f00001000ULL
#define HOLE 0x500000000ULL

static struct iommu *unit;
static struct iommu_group *group;
static struct iommu_domain *domain;
static struct iommu_dev *dev;
static uint8_t *src, *dst;

static uint8_t *memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static void map(iova_t iova, const void *mem, size_t size)
{
	ck_assert_int_eq(iommu_map(domain, iova, (paddr_t)mem, size, IOMMU_READ | IOMMU_WRITE), 0);
}

static void setup(void)
{
	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(iommu_create(IOMMU_MODEL_INTEL, "dmar0", &unit), 0);
	ck_assert_int_eq(iommu_group_create(0, &group), 0);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	ck_assert_int_eq(iommu_dev_create(unit, 8, "0000:01:00.0", &dev), 0);
	iommu_group_add_device(group, dev);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
	dma_set_master(dev, true);
	src = memory(SIZE);
	dst = memory(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		src[i] = (uint8_t)(i * 11 + i / 241);
	map(SRC, src, SIZE);
	/* In pages that do not lie in a row. */
	for (size_t i = 0; i < SIZE; i += 2 * HOST_PAGE_SIZE) {
		map(DST + i, dst + i + HOST_PAGE_SIZE, HOST_PAGE_SIZE);
		map(DST + i + HOST_PAGE_SIZE, dst + i, HOST_PAGE_SIZE);
	}
}

static void teardown(void)
{
	iommu_detach_group(domain, group);
	iommu_dev_destroy(dev);
	iommu_domain_destroy(domain);
	iommu_group_destroy(group);
	iommu_destroy(unit);
	munmap(src, SIZE);
	munmap(dst, SIZE);
}

static uint8_t at_destination(size_t off)
{
	return dst[off ^ HOST_PAGE_SIZE];
}

START_TEST(sizes)
{
	static const size_t len[] = { 1, 8, 100, 4096, 4097, 131072, 131073, SIZE - 4096 };
	bool at_dst;

	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		uint64_t before = dma_stats(dev)->bytes_read;

		memset(dst, 0, SIZE);
		ck_assert_int_eq(dma_copy(dev, DST + 1000, SRC + 3, len[i], &at_dst), 0);
		for (size_t k = 0; k < len[i]; k++)
			if (at_destination(1000 + k) != src[3 + k])
				ck_abort_msg("byte %zu of %zu", k, len[i]);
		ck_assert_uint_eq(at_destination(999), 0);
		ck_assert_uint_eq(at_destination(1000 + len[i]), 0);
		ck_assert_uint_eq(dma_stats(dev)->bytes_read - before, len[i]);
		ck_assert_uint_eq(dma_stats(dev)->bytes_written, dma_stats(dev)->bytes_read);
	}
	ck_assert_int_eq(dma_copy(dev, HOLE, HOLE, 0, &at_dst), 0);
}
END_TEST

START_TEST(faults)
{
	uint64_t seq = 0;
	struct dma_fault f;
	bool at_dst;

	ck_assert_int_eq(dma_copy(dev, DST, SRC + SIZE - 100, 200, &at_dst), -EIO);
	ck_assert(!at_dst);
	ck_assert_uint_eq(dma_fault_read(&seq, &f, 1), 1);
	ck_assert_uint_eq(f.iova, SRC + SIZE);
	ck_assert(!f.write && f.reason == DMA_FAULT_NOT_PRESENT);
	for (size_t k = 0; k < 100; k++)
		ck_assert_uint_eq(at_destination(k), src[SIZE - 100 + k]);
	ck_assert_int_eq(dma_copy(dev, DST + SIZE - 10, SRC, 200, &at_dst), -EIO);
	ck_assert(at_dst);
	ck_assert_uint_eq(dma_fault_read(&seq, &f, 1), 1);
	ck_assert_uint_eq(f.iova, DST + SIZE);
	ck_assert(f.write);
	/* Ranges that wrap. */
	ck_assert_int_eq(dma_copy(dev, DST, UINT64_MAX - 5, 10, &at_dst), -EIO);
	ck_assert(!at_dst);
	ck_assert_int_eq(dma_copy(dev, UINT64_MAX - 5, SRC, 10, &at_dst), -EIO);
	ck_assert(at_dst);
	/* Memory that is gone. */
	ck_assert_int_eq(mprotect(src + 8192, 4096, PROT_NONE), 0);
	ck_assert_int_eq(dma_copy(dev, DST, SRC, SIZE, &at_dst), -EIO);
	ck_assert(!at_dst);
	ck_assert_int_eq(mprotect(src + 8192, 4096, PROT_READ), 0);
	ck_assert_int_eq(mprotect(dst + 8192, 4096, PROT_NONE), 0);
	ck_assert_int_eq(dma_copy(dev, DST, SRC, SIZE, &at_dst), -EIO);
	ck_assert(at_dst);
	while (dma_fault_read(&seq, &f, 1))
		;
	ck_assert_uint_eq(f.iova, DST + 8192 + HOST_PAGE_SIZE);
	ck_assert(f.reason == DMA_FAULT_STALE);
	ck_assert_int_eq(mprotect(dst + 8192, 4096, PROT_READ | PROT_WRITE), 0);
}
END_TEST

/* ---- windows -------------------------------------------------------------------------------- */

static uint8_t window[3 * HOST_PAGE_SIZE];

static int window_read(void *priv, uint64_t off, void *buf, size_t len)
{
	memcpy(buf, window + off, len);
	return 0;
}

static int window_write(void *priv, uint64_t off, const void *buf, size_t len)
{
	if (off + len > 2 * HOST_PAGE_SIZE)
		return -EIO;
	memcpy(window + off, buf, len);
	return 0;
}

START_TEST(windows)
{
	static const struct dma_window_ops ops = { .read = window_read, .write = window_write };
	bool at_dst;
	paddr_t base;

	ck_assert_int_eq(dma_window_create(sizeof(window), &ops, NULL, &base), 0);
	map(HOLE, (void *)base, sizeof(window));
	ck_assert_int_eq(dma_copy(dev, HOLE + 100, SRC + 7, 8000, &at_dst), 0);
	ck_assert_mem_eq(window + 100, src + 7, 8000);
	ck_assert_int_eq(dma_copy(dev, DST, HOLE + 50, 12000, &at_dst), 0);
	for (size_t k = 0; k < 12000; k++)
		ck_assert_uint_eq(at_destination(k), window[50 + k]);
	/* From memory into the window and out of it again, and from window to window. */
	ck_assert_int_eq(dma_copy(dev, HOLE, HOLE + 4096, 4096, &at_dst), 0);
	ck_assert_mem_eq(window, window + 4096, 4096);
	/* It refuses. */
	ck_assert_int_eq(dma_copy(dev, HOLE + 4096, SRC, 8192, &at_dst), -EIO);
	ck_assert(at_dst);
	ck_assert_mem_eq(window + 4096, src, 4096);
	iommu_unmap(domain, HOLE, sizeof(window));
	dma_window_destroy(base);
}
END_TEST

/* ---- beside other threads ------------------------------------------------------------------- */

static atomic_bool stop;
static atomic_ulong copies, failed;

static void *copier(void *arg)
{
	bool at_dst;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		if (dma_copy(dev, DST, SRC, *(size_t *)arg, &at_dst))
			atomic_fetch_add(&failed, 1);
		atomic_fetch_add(&copies, 1);
	}
	return NULL;
}

static void nap(void)
{
	static const struct timespec pause = { .tv_nsec = 200000 };

	nanosleep(&pause, NULL);
}

/* Frozen entries on either side: the copy waits and fails not once. */
START_TEST(frozen)
{
	size_t len = 3 * HOST_PAGE_SIZE;
	pthread_t thread;

	ck_assert_int_eq(thread_create(&thread, "copier", copier, &len), 0);
	for (unsigned int i = 0; i < 100; i++) {
		unsigned long before;
		uint8_t old = src[HOST_PAGE_SIZE];

		iommu_freeze(domain, i % 2 ? SRC : DST, SIZE);
		before = atomic_load(&copies);
		nap();
		ck_assert_uint_le(atomic_load(&copies), before + 1);
		if (i % 2) {
			iommu_thaw(domain, SRC, SIZE, (paddr_t)src);
		} else {
			/* Where the pages were: they do not lie in a row. */
			for (size_t k = 0; k < SIZE; k += HOST_PAGE_SIZE)
				iommu_thaw(domain, DST + k, HOST_PAGE_SIZE,
					   (paddr_t)(dst + (k ^ HOST_PAGE_SIZE)));
		}
		while (atomic_load(&copies) < before + 2)
			nap();
		ck_assert_uint_eq(at_destination(HOST_PAGE_SIZE), old);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(failed, 0);
}
END_TEST

/* After an unmap has returned, the copy writes no more (the promise of design D6). */
START_TEST(promise)
{
	size_t len = 128 * 1024;
	uint8_t *mem = memory(len);
	/* A copy runs upwards: its last bytes are the latest. */
	volatile uint64_t *word = (volatile uint64_t *)(void *)(mem + len - 8);
	unsigned long late = 0;
	pthread_t thread;

	memset(src, 0xd1, len);
	iommu_unmap(domain, DST, SIZE);
	ck_assert_int_eq(thread_create(&thread, "copier", copier, &len), 0);
	for (unsigned int i = 0; i < 30000; i++) {
		map(DST, mem, len);
		for (unsigned int k = i % 128; k; k--)
			__builtin_ia32_pause();
		iommu_unmap(domain, DST, len);
		*word = 0;
		for (unsigned int k = 0; k < 500; k++)
			late += *word != 0;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(copies, failed);
	ck_assert_uint_eq(late, 0);
	munmap(mem, len);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dma_copy");
	TCase *tc = tcase_create("copy");
	SRunner *runner;
	int n;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, faults);
	tcase_add_test(tc, windows);
	tcase_add_test(tc, frozen);
	tcase_add_test(tc, promise);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	n = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n ? EXIT_FAILURE : EXIT_SUCCESS;
}
