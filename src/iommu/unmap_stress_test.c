/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unmap promise (design D6).
 *
 * Under load: threads map and unmap while two devices write and read
 * at random IOVAs. Who unmapped fills the memory with a mark and watches it for a while: a byte
 * that changes was written by a device after the unmap had returned; a device that reads the mark
 * read after it. The copy routine hides its accesses from sanitizers, so the test proves it by
 * itself.
 *
 * The control runs the same without iommu_sync() and must see the promise broken: a test that could
 * not fail would prove nothing. UVFIO_STRESS_SECONDS: how long to run (default 1).
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/fault.h"
#include "base/thread.h"
#include "iommu/dma.h"

#define MAPPERS	   4
#define SLOTS	   16
#define SLOT_PAGES 16
#define SLOT_SIZE  (SLOT_PAGES * HOST_PAGE_SIZE)
#define MARK	   0xee /* in unmapped memory only */
#define DEVICE	   0xd1 /* what devices write */
#define PROGRAM	   0x11 /* what the program leaves in mapped memory */
#define IOVA_BASE  0x40000000ULL
/* Slots lie 512 MiB apart, so that page tables come and go as well. */
#define SLOT_STRIDE 0x20000000ULL

static struct iommu *unit;
static struct iommu_group *group;
static struct iommu_domain *domain;
static struct iommu_dev *devs[2];
static bool with_sync;
static atomic_bool stop;
static atomic_ulong late_writes, late_reads, unmaps, dma_done;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static iova_t slot_iova(unsigned int mapper, unsigned int slot)
{
	return IOVA_BASE + (mapper * SLOTS + slot) * SLOT_STRIDE;
}

static bool only(const char *mem, int byte, size_t len)
{
	return mem[0] == (char)byte && memcmp(mem, mem + 1, len - 1) == 0;
}

static void watch(char *mem)
{
	int i;

	memset(mem, MARK, SLOT_SIZE);
	for (i = 0; i < 6; i++) {
		if (!only(mem, MARK, SLOT_SIZE)) {
			atomic_fetch_add(&late_writes, 1);
			memset(mem, MARK, SLOT_SIZE);
		}
	}
}

static void *mapper_main(void *arg)
{
	unsigned int self = (unsigned int)(uintptr_t)arg;
	uint64_t rng = 0x1234567 + self;
	bool mapped[SLOTS] = { false };
	char *mem;

	mem = mmap(NULL, SLOTS * SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
	memset(mem, MARK, SLOTS * SLOT_SIZE);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned int slot = next_random(&rng) % SLOTS;
		char *at = mem + slot * SLOT_SIZE;
		iova_t iova = slot_iova(self, slot);

		if (!mapped[slot]) {
			memset(at, PROGRAM, SLOT_SIZE);
			ck_assert_int_eq(iommu_map(domain, iova, (paddr_t)at, SLOT_SIZE,
						   IOMMU_READ | IOMMU_WRITE),
					 0);
			mapped[slot] = true;
			continue;
		}
		if (with_sync)
			iommu_unmap(domain, iova, SLOT_SIZE);
		else
			iommu_unmap_nosync(domain, iova, SLOT_SIZE);
		mapped[slot] = false;
		atomic_fetch_add_explicit(&unmaps, 1, memory_order_relaxed);
		watch(at);
	}
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		iommu_unmap(domain, slot_iova(self, slot), SLOT_SIZE);
	munmap(mem, SLOTS * SLOT_SIZE);
	return NULL;
}

static void *device_main(void *arg)
{
	static __thread char buf[SLOT_SIZE];
	struct iommu_dev *dev = arg;
	uint64_t rng = dev == devs[0] ? 99 : 77;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint64_t r = next_random(&rng);
		size_t len = 64 + (r >> 8) % (SLOT_SIZE - 64), off = (r >> 32) % (SLOT_SIZE - len);
		iova_t iova = slot_iova(r % MAPPERS, r / MAPPERS % SLOTS) + off;

		if (dev == devs[0]) {
			memset(buf, DEVICE, len);
			dma_write(dev, iova, buf, len);
		} else {
			memset(buf, 0, len);
			if (!dma_read(dev, iova, buf, len) && memchr(buf, MARK, len))
				atomic_fetch_add(&late_reads, 1);
		}
		atomic_fetch_add_explicit(&dma_done, 1, memory_order_relaxed);
	}
	return NULL;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void create_world(void)
{
	uint32_t i;

	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit), 0);
	ck_assert_int_eq(iommu_group_create(0, &group), 0);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(iommu_dev_create(unit, i, "dev", &devs[i]), 0);
		iommu_group_add_device(group, devs[i]);
		dma_set_master(devs[i], true);
	}
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
}

static void destroy_world(void)
{
	int i;

	iommu_detach_group(domain, group);
	for (i = 0; i < 2; i++)
		iommu_dev_destroy(devs[i]);
	iommu_domain_destroy(domain);
	iommu_group_destroy(group);
	iommu_destroy(unit);
}

/* Until @seconds are over, or, with @first, until the first violation. */
static void run(double seconds, bool first)
{
	double end = now() + seconds;
	pthread_t threads[MAPPERS + 2];
	uintptr_t i;

	create_world();
	for (i = 0; i < MAPPERS; i++)
		ck_assert_int_eq(thread_create(&threads[i], "mapper", mapper_main, (void *)i), 0);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(
			thread_create(&threads[MAPPERS + i], "device", device_main, devs[i]), 0);
	while (now() < end && !(first && (late_writes || late_reads))) {
		struct timespec ts = { .tv_nsec = 5000000 };

		nanosleep(&ts, NULL);
	}
	atomic_store(&stop, true);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	destroy_world();
	printf("%s: %lu unmaps, %lu transfers, %lu late writes, %lu late reads\n",
	       with_sync ? "promise" : "control", unmaps, dma_done, late_writes, late_reads);
}

START_TEST(promise)
{
	const char *seconds = getenv("UVFIO_STRESS_SECONDS");

	with_sync = true;
	run(seconds ? atof(seconds) : 1, false);
	ck_assert_uint_gt(unmaps, 0);
	ck_assert_uint_gt(dma_done, 0);
	ck_assert_uint_eq(late_writes, 0);
	ck_assert_uint_eq(late_reads, 0);
}
END_TEST

/* ---- the tight race ------------------------------------------------------------------------ */

static void *tight_device(void *arg)
{
	static char buf[HOST_PAGE_SIZE];

	memset(buf, DEVICE, sizeof(buf));
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		dma_write(arg, IOVA_BASE, buf, sizeof(buf));
		atomic_fetch_add_explicit(&dma_done, 1, memory_order_relaxed);
	}
	return NULL;
}

static void tight_mapper(double end)
{
	char *mem = mmap(NULL, HOST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	/* A transfer runs upwards: its last bytes are the latest. */
	volatile uint64_t *word = (volatile uint64_t *)(mem + HOST_PAGE_SIZE - 8);
	unsigned int i, j;

	ck_assert_ptr_ne(mem, MAP_FAILED);
	while (now() < end) {
		for (i = 0; i < 1000; i++) {
			ck_assert_int_eq(iommu_map(domain, IOVA_BASE, (paddr_t)mem, HOST_PAGE_SIZE,
						   IOMMU_READ | IOMMU_WRITE),
					 0);
			for (j = i % 64; j; j--)
				__builtin_ia32_pause();
			iommu_unmap(domain, IOVA_BASE, HOST_PAGE_SIZE);
			*word = 0;
			for (j = 0; j < 100; j++) {
				if (*word) {
					atomic_fetch_add(&late_writes, 1);
					break;
				}
			}
		}
		atomic_fetch_add_explicit(&unmaps, i, memory_order_relaxed);
	}
	munmap(mem, HOST_PAGE_SIZE);
}

START_TEST(tight_race)
{
	const char *seconds = getenv("UVFIO_STRESS_SECONDS");
	pthread_t thread;

	create_world();
	ck_assert_int_eq(thread_create(&thread, "device", tight_device, devs[0]), 0);
	tight_mapper(now() + (seconds ? atof(seconds) : 0.5));
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	destroy_world();
	printf("tight race: %lu unmaps, %lu transfers, %lu late writes\n", unmaps, dma_done,
	       late_writes);
	ck_assert_uint_gt(dma_done, 0);
	ck_assert_uint_eq(late_writes, 0);
}
END_TEST

#ifndef __SANITIZE_THREAD__
START_TEST(control)
{
	with_sync = false;
	run(100, true);
	ck_assert_uint_gt(late_writes + late_reads, 0);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("unmap_stress");
	TCase *tc = tcase_create("promise");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, promise);
	tcase_add_test(tc, tight_race);
#ifndef __SANITIZE_THREAD__ /* under which the window is too rarely hit on a busy machine */
	tcase_add_test(tc, control);
#endif
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
