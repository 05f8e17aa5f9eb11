/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unmap promise (design D6) without an IOMMU: threads ask for the frames of their pages, let
 * two devices write and read there by them, and take the pages away. Who did watches the memory: a
 * byte that changes was written after the call had returned, and a device that reads the mark read
 * after it. A transfer ends well or as a fault, and never in another thread's memory.
 *
 * The control runs the same without waiting for the devices and must see the promise broken.
 * UVFIO_STRESS_SECONDS: how long to run (default 1).
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/thread.h"
#include "hostmem/frames.h"
#include "iommu/bypass.h"

#define MAPPERS 3
#define HUGE	(2UL << 20)
/* Of each huge page: a transfer is long enough to be met in the middle. */
#define SIZE	(256UL << 10)
#define MARK	0xee /* in memory that was taken away */
#define DEVICE	0xd1 /* what devices write */
#define PROGRAM 0x11 /* what the program leaves in its memory */

static struct frames *frames;
static struct iommu_dev *devs[2];
static struct iommu_bypass bypass;
static _Atomic uint64_t addrs[MAPPERS]; /* what devices were told last */
static bool with_sync;
static atomic_bool stop;
static atomic_ulong late_writes, late_reads, unmaps, done, faults;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int translate(void *arg, paddr_t addr, bool write, paddr_t *host, uint64_t *contig,
		     struct pgtable_ref *ref)
{
	struct frames_ref at;
	int ret = frames_translate(arg, addr, write, host, contig, &at);

	if (!ret)
		*ref = (struct pgtable_ref){ .table = at.table,
					     .mask = at.mask,
					     .page_mask = at.page_mask };
	return ret;
}

static const struct iommu_bypass_ops bypass_ops = { .translate = translate,
						    .bits = { .need = { FRAMES_NEED_READ,
									FRAMES_NEED_WRITE },
							      .clear = FRAMES_CLEAR,
							      .addr = FRAMES_ADDR } };

static void sync_devices(void *arg)
{
	if (with_sync)
		iommu_bypass_sync();
}

static void thaw_devices(void *arg)
{
	iommu_bypass_thaw();
}

static const struct frames_ops frames_ops = { .sync = sync_devices, .thaw = thaw_devices };

static bool only(const char *mem, int byte, size_t len)
{
	return mem[0] == (char)byte && memcmp(mem, mem + 1, len - 1) == 0;
}

/* Without sync a transfer may still be under way when the mark is written. */
static void watch(char *mem)
{
	memset(mem, MARK, SIZE);
	for (int i = 0; i < 6; i++) {
		if (!only(mem, MARK, SIZE)) {
			atomic_fetch_add(&late_writes, 1);
			memset(mem, MARK, SIZE);
		}
	}
}

static size_t huge_size(uintptr_t addr)
{
	return HUGE;
}

static void ask(unsigned int self, char *mem, int pagemap)
{
	const off_t off = (off_t)((uintptr_t)mem / HOST_PAGE_SIZE * sizeof(uint64_t));
	uint64_t entry;

	ck_assert_int_eq(pread(pagemap, &entry, sizeof(entry), off), sizeof(entry));
	frames_pagemap(frames, (uintptr_t)mem, &entry, 1);
	ck_assert_uint_ne(entry & PAGEMAP_FRAME, 0);
	atomic_store(&addrs[self], (entry & PAGEMAP_FRAME) << HOST_PAGE_SHIFT);
}

static void *mapper_main(void *arg)
{
	unsigned int self = (unsigned int)(uintptr_t)arg;
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char *map =
		mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *mem = (char *)ALIGN_UP((uintptr_t)map, HUGE);

	struct frames_leaving leaving;
	unsigned long before;

	ck_assert_ptr_ne(map, MAP_FAILED);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		memset(mem, PROGRAM, SIZE);
		ask(self, mem, pagemap);
		for (before = done; done < before + 6 && !stop;)
			sched_yield();
		/* Stands for munmap(): what is gone could not be watched. */
		frames_unmap_begin(frames, &leaving, (uintptr_t)mem, HUGE);
		if (with_sync)
			watch(mem);
		frames_unmap_end(frames, &leaving, FRAMES_MUNMAP, true);
		watch(mem);
		atomic_fetch_add_explicit(&unmaps, 1, memory_order_relaxed);
	}
	frames_unmap_begin(frames, &leaving, (uintptr_t)map, 2 * HUGE);
	munmap(map, 2 * HUGE);
	frames_unmap_end(frames, &leaving, FRAMES_MUNMAP, true);
	close(pagemap);
	return NULL;
}

static void *device_main(void *arg)
{
	static __thread char buf[SIZE / 2];
	struct iommu_dev *dev = arg;
	uint64_t rng = dev == devs[0] ? 99 : 77;
	int ret;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint64_t r = next_random(&rng);
		size_t len = 64 + (r >> 8) % (sizeof(buf) - 64);
		uint64_t addr = atomic_load(&addrs[r % MAPPERS]);

		addr += (r >> 32) % (SIZE - len + 1);
		memset(buf, dev == devs[0] ? DEVICE : 0, len);
		if (dev == devs[0])
			ret = dma_write(dev, addr, buf, len);
		else
			ret = dma_read(dev, addr, buf, len);
		if (ret)
			atomic_fetch_add(&faults, 1);
		else if (dev == devs[1] && memchr(buf, MARK, len))
			atomic_fetch_add(&late_reads, 1);
		atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
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
	int fd = memfd_create("frames", MFD_CLOEXEC);
	void *shared;

	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)frames_shared_size()), 0);
	shared = mmap(NULL, frames_shared_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	ck_assert_int_eq(frames_create(shared, fd, &frames_ops, NULL, &frames), 0);
	frames_set_huge(frames, huge_size);
	bypass = (struct iommu_bypass){ .ops = &bypass_ops, .arg = frames };
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(iommu_dev_create_bypass(&bypass, i, "dev", &devs[i]), 0);
		dma_set_master(devs[i], true);
	}
}

/* Until @seconds are over and something was done, or, with @first, until the first violation. */
static void run(double seconds, bool first)
{
	double end = now() + seconds;
	pthread_t threads[MAPPERS + 2];

	create_world();
	for (uintptr_t i = 0; i < MAPPERS; i++)
		ck_assert_int_eq(thread_create(&threads[i], "mapper", mapper_main, (void *)i), 0);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(
			thread_create(&threads[MAPPERS + i], "device", device_main, devs[i]), 0);
	while (first ? !late_writes && !late_reads && now() < end
		     : now() < end || !unmaps || done < 100) {
		struct timespec ts = { .tv_nsec = 5000000 };

		nanosleep(&ts, NULL);
	}
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < 2; i++)
		iommu_dev_destroy(devs[i]);
	frames_destroy(frames);
	printf("%s: %lu unmaps, %lu transfers, %lu faults, %lu late writes, %lu late reads\n",
	       with_sync ? "promise" : "control", unmaps, done, faults, late_writes, late_reads);
}

START_TEST(promise)
{
	const char *seconds = getenv("UVFIO_STRESS_SECONDS");

	with_sync = true;
	run(seconds ? atof(seconds) : 1, false);
	ck_assert_uint_eq(late_writes, 0);
	ck_assert_uint_eq(late_reads, 0);
}
END_TEST

#ifndef __SANITIZE_THREAD__
START_TEST(control)
{
	with_sync = false;
	run(60, true);
	ck_assert_uint_gt(late_writes + late_reads, 0);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("frames_stress");
	TCase *tc = tcase_create("promise");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, promise);
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
