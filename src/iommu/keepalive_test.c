/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that the program unmaps while a device works in it (design D5): a device counts up in
 * random pages while the program moves, empties and unmaps them. No count may get lost, no
 * transfer may fail, and nothing may reach the memory that the program has at the same place
 * afterwards. UVFIO_STRESS_SECONDS: how long to run (default 1).
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/thread.h"
#include "hostmem/hostmem.h"
#include "iommu/dma.h"

#define PAGES 64
#define LEN   (PAGES * HOST_PAGE_SIZE)
#define RW    (PROT_READ | PROT_WRITE)

static struct iommu_domain *domain;
static struct iommu_dev *dev;
static atomic_bool stop;
static atomic_int failures;
static uint64_t counts[PAGES]; /* the device's */

static void freeze(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	iommu_freeze(domain, addr - pin->addr, len);
}

static void moved(struct hostmem_pin *pin, uintptr_t addr, size_t len, uintptr_t new_addr)
{
	iommu_thaw(domain, addr - pin->addr, len, new_addr);
}

static const struct hostmem_pin_ops ops = { .freeze = freeze, .moved = moved };

static void *device_main(void *arg)
{
	uint64_t rng = 12345, value;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		size_t page;
		iova_t iova;

		rng = rng * 6364136223846793005U + 1442695040888963407U;
		page = (rng >> 33) % PAGES;
		iova = page * HOST_PAGE_SIZE + 64;
		if (dma_read(dev, iova, &value, sizeof(value)) || value != counts[page])
			atomic_fetch_add(&failures, 1);
		counts[page]++;
		if (dma_write(dev, iova, &counts[page], sizeof(value)))
			atomic_fetch_add(&failures, 1);
	}
	return NULL;
}

/* One round on fresh memory; @kind says how it is taken away. */
static void round_on(struct hostmem *hm, int kind)
{
	char *mem = mmap(NULL, LEN, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *to;
	struct hostmem_pin pin;
	pthread_t thread;
	size_t i;

	ck_assert_ptr_ne(mem, MAP_FAILED);
	memset(counts, 0, sizeof(counts));
	atomic_store(&stop, false);
	ck_assert_int_eq(hostmem_pin(hm, (uintptr_t)mem, LEN, true, &ops, NULL, &pin), 0);
	ck_assert_int_eq(iommu_map(domain, 0, (paddr_t)mem, LEN, IOMMU_READ | IOMMU_WRITE), 0);
	ck_assert(!hostmem_pin_moved(&pin));
	ck_assert_int_eq(thread_create(&thread, "device", device_main, NULL), 0);
	for (i = 0; i < PAGES; i += 4) {
		size_t n = 1 + i % 3, len = n * HOST_PAGE_SIZE;
		char *at = mem + i * HOST_PAGE_SIZE;

		switch (kind) {
		case 0:
			hostmem_will_unmap(hm, (uintptr_t)at, len);
			ck_assert_int_eq(munmap(at, len), 0);
			break;
		case 1:
			hostmem_will_unmap(hm, (uintptr_t)at, len);
			ck_assert_ptr_eq(
				mmap(at, len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
				at);
			break;
		default:
			to = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			ck_assert(hostmem_move_begin(hm, (uintptr_t)at, len, len));
			ck_assert_ptr_eq(mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to),
					 to);
			hostmem_move_end(hm, (uintptr_t)at, len, (uintptr_t)to);
			break;
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_int_eq(failures, 0);
	for (i = 0; kind == 1 && i < PAGES; i += 4)
		ck_assert_int_eq(mem[i * HOST_PAGE_SIZE + 64], 0);
	for (i = 0; i < PAGES; i++) {
		uint64_t value = 0;

		ck_assert_int_eq(dma_read(dev, i * HOST_PAGE_SIZE + 64, &value, 8), 0);
		ck_assert_uint_eq(value, counts[i]);
	}
	ck_assert_uint_eq(iommu_unmap(domain, 0, LEN), LEN);
	hostmem_unpin(&pin);
	munmap(mem, LEN);
}

START_TEST(no_write_is_lost)
{
	const char *seconds = getenv("UVFIO_STRESS_SECONDS");
	time_t end = time(NULL) + (seconds ? atoi(seconds) : 1);
	struct iommu_group *group;
	struct hostmem *hm;
	struct iommu *unit;
	int rounds = 0;

	ck_assert_int_eq(hostmem_create(UINT64_MAX, &hm), 0);
	ck_assert_int_eq(iommu_create(IOMMU_MODEL_INTEL, "dmar0", &unit), 0);
	ck_assert_int_eq(iommu_dev_create(unit, 0, "dev", &dev), 0);
	ck_assert_int_eq(iommu_group_create(0, &group), 0);
	iommu_group_add_device(group, dev);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
	dma_set_master(dev, true);
	while (rounds < 3 || time(NULL) < end)
		round_on(hm, rounds++ % 3);
	printf("%d rounds, %lu transfers\n", rounds,
	       (unsigned long)(dma_stats(dev)->bytes_read / 8));
	iommu_detach_group(domain, group);
	iommu_domain_destroy(domain);
	iommu_dev_destroy(dev);
	iommu_group_destroy(group);
	iommu_destroy(unit);
	ck_assert_uint_eq(hostmem_locked(hm), 0);
	hostmem_destroy(hm);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keepalive");
	TCase *tc = tcase_create("running device");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, no_write_is_lost);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
