/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions without an IOMMU: translation through operations, faults and what they say, memory that
 * is taken away or moved while a device works in it. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/thread.h"
#include "iommu/bypass.h"

#define PAGES 16
#define BASE  0x40000000ULL
#define SIZE  (PAGES * HOST_PAGE_SIZE)
#define RID   0x100

/* Page i is at BASE + 2 * i pages: no two of them are neighbours on the bus. */
static char *mem;
static atomic_int state; /* 0: there, or what translate() says */
static atomic_uint asked;
static struct iommu_dev *dev;
static struct iommu_bypass bypass;

static paddr_t address(size_t off)
{
	return BASE + off / HOST_PAGE_SIZE * 2 * HOST_PAGE_SIZE + off % HOST_PAGE_SIZE;
}

static int translate(void *arg, paddr_t addr, bool write, paddr_t *host, uint64_t *contig,
		     struct pgtable_ref *ref)
{
	uint64_t page = (addr - BASE) / HOST_PAGE_SIZE, off = addr % HOST_PAGE_SIZE;
	int ret = atomic_load(&state);

	ck_assert_ptr_eq(arg, &bypass);
	atomic_fetch_add(&asked, 1);
	if (ret)
		return ret;
	if (addr < BASE || page >= 2 * PAGES || page % 2)
		return -EFAULT;
	if (page == 2 && write)
		return -EACCES;
	*host = (paddr_t)mem + page / 2 * HOST_PAGE_SIZE + off;
	*contig = HOST_PAGE_SIZE - off;
	return 0;
}

static void tell(void *arg, struct dma_fault *fault)
{
	ck_assert_ptr_eq(arg, &bypass);
	snprintf(fault->what, sizeof(fault->what), "nothing at %#llx",
		 (unsigned long long)fault->iova);
}

static const struct iommu_bypass_ops ops = { .translate = translate, .fault = tell };

static void setup(void)
{
	ck_assert_int_eq(fault_init(), 0);
	mem = aligned_alloc(HOST_PAGE_SIZE, SIZE);
	ck_assert_ptr_nonnull(mem);
	for (size_t i = 0; i < SIZE; i++)
		mem[i] = (char)(i * 7 + i / 251);
	atomic_store(&state, 0);
	bypass = (struct iommu_bypass){ .ops = &ops, .arg = &bypass };
	ck_assert_int_eq(iommu_dev_create_bypass(&bypass, RID, "0000:01:00.0", &dev), 0);
	dma_set_master(dev, true);
}

static void teardown(void)
{
	iommu_dev_destroy(dev);
	free(mem);
}

static struct dma_fault last_fault(void)
{
	struct dma_fault fault = { 0 };
	uint64_t seq = dma_fault_count() - 1;

	ck_assert_uint_eq(dma_fault_read(&seq, &fault, 1), 1);
	return fault;
}

START_TEST(test_move)
{
	char buf[HOST_PAGE_SIZE];
	bool at_dst;

	ck_assert_int_eq(dma_read(dev, address(0) + 8, buf, 100), 0);
	ck_assert_mem_eq(buf, mem + 8, 100);
	memset(buf, 0x5a, sizeof(buf));
	ck_assert_int_eq(dma_write(dev, address(3 * HOST_PAGE_SIZE), buf, sizeof(buf)), 0);
	ck_assert_mem_eq(mem + 3 * HOST_PAGE_SIZE, buf, sizeof(buf));
	ck_assert_int_eq(
		dma_copy(dev, address(4 * HOST_PAGE_SIZE), address(0), HOST_PAGE_SIZE, &at_dst), 0);
	ck_assert_mem_eq(mem + 4 * HOST_PAGE_SIZE, mem, HOST_PAGE_SIZE);
	ck_assert_int_eq(dma_zero(dev, address(5 * HOST_PAGE_SIZE), 16), 0);
	ck_assert_int_eq(mem[5 * HOST_PAGE_SIZE + 15], 0);
	ck_assert_int_ne(mem[5 * HOST_PAGE_SIZE + 16], 0);
}
END_TEST

START_TEST(test_faults)
{
	char buf[2 * HOST_PAGE_SIZE];
	struct dma_fault fault;

	/* What came before the fault has been moved. */
	ck_assert_int_eq(dma_read(dev, BASE, buf, sizeof(buf)), -EIO);
	ck_assert_mem_eq(buf, mem, HOST_PAGE_SIZE);
	fault = last_fault();
	ck_assert_uint_eq(fault.iova, BASE + HOST_PAGE_SIZE);
	ck_assert_int_eq(fault.reason, DMA_FAULT_NOT_PRESENT);
	ck_assert_str_eq(fault.what, "nothing at 0x40001000");
	ck_assert_int_eq(dma_write(dev, address(HOST_PAGE_SIZE), buf, 8), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_PERMISSION);
	ck_assert_int_eq(dma_read(dev, (uintptr_t)mem, buf, 8), -EIO);
	ck_assert_int_eq(dma_read(dev, DMA_ROUTED_BASE + 5, buf, 8), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_NOT_PRESENT);
	dma_set_master(dev, false);
	ck_assert_int_eq(dma_read(dev, BASE, buf, 8), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_BUS_MASTER);
	ck_assert_str_eq(last_fault().what, "");
}
END_TEST

START_TEST(test_not_connected)
{
	char buf[8];

	bypass.ops = NULL;
	ck_assert_int_eq(dma_read(dev, BASE, buf, sizeof(buf)), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_NOT_PRESENT);
	ck_assert_str_eq(last_fault().what, "");
}
END_TEST

/* Such a function belongs to no domain. */
START_TEST(test_no_domain)
{
	struct iommu_domain *domain;
	struct iommu_group *group;
	struct iommu *unit;

	ck_assert_int_eq(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit), 0);
	ck_assert_int_eq(iommu_group_create(0, &group), 0);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	iommu_group_add_device(group, dev);
	ck_assert_int_eq(iommu_attach_group(domain, group), -EINVAL);
	iommu_group_remove_device(dev);
	iommu_domain_destroy(domain);
	iommu_group_destroy(group);
	iommu_destroy(unit);
}
END_TEST

static atomic_bool stop;
static atomic_uint moved, failed;

static void *device_main(void *arg)
{
	uint64_t value = 0;

	while (!atomic_load(&stop)) {
		if (dma_write(dev, address(6 * HOST_PAGE_SIZE), &value, sizeof(value)))
			atomic_fetch_add(&failed, 1);
		else
			atomic_fetch_add(&moved, 1);
		value++;
	}
	return NULL;
}

static void wait_above(atomic_uint *count, unsigned int value)
{
	while (atomic_load(count) <= value)
		sched_yield();
}

/* After the sync nothing touches memory that translate() does not give any more; what is being
 * moved is waited for. */
START_TEST(test_taken_away)
{
	_Atomic uint64_t *word = (void *)(mem + 6 * HOST_PAGE_SIZE);
	pthread_t thread;

	atomic_store(&stop, false);
	ck_assert_int_eq(thread_create(&thread, "device", device_main, NULL), 0);
	for (int i = 0; i < 200; i++) {
		uint64_t before;

		wait_above(&moved, atomic_load(&moved));
		atomic_store(&state, i % 2 ? -EFAULT : -EAGAIN);
		iommu_bypass_sync();
		before = atomic_load(word);
		if (i % 2)
			wait_above(&failed, atomic_load(&failed));
		else
			wait_above(&asked, atomic_load(&asked));
		ck_assert_uint_eq(atomic_load(word), before);
		atomic_store(&state, 0);
		iommu_bypass_thaw();
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bypass");
	TCase *tcase = tcase_create("bypass");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_move);
	tcase_add_test(tcase, test_faults);
	tcase_add_test(tcase, test_not_connected);
	tcase_add_test(tcase, test_no_domain);
	tcase_add_test(tcase, test_taken_away);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
