/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sections and mapping, below the C API: what a device pays to enter and leave, what a transfer
 * costs from end to end, what MAP and UNMAP cost in the page table alone, in a domain, and with
 * the promise that no DMA runs any more ("sync"), the attached device being asleep; and what it
 * costs to pin memory that is there, each page checked.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "base/fault.h"
#include "base/thread.h"
#include "bench.h"
#include "hostmem/hostmem.h"
#include "iommu/dma.h"
#include "pgtable/pgtable.h"

#define MAPS	  60000UL
#define IOVA_BASE 0x100000000ULL
#define FAR_IOVA  0x4000000000ULL
#define RW	  (IOMMU_READ | IOMMU_WRITE)
#define K4	  0x1000UL
#define M2	  0x200000UL
#define G1	  0x40000000UL
#define PADDR	  0x7e0040000000ULL

static struct iommu_dev *dev;
static struct iommu_domain *domain;
static struct pgtable *pt;
static char buf[128 * 1024];
static uint64_t size, shift; /* of the mapping that is measured; bytes off its natural alignment */

static void enter_leave(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		dma_enter(dev);
		dma_leave(dev);
	}
}

static void write_same(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		dma_write(dev, IOVA_BASE, buf, size);
}

static void write_random(unsigned long count)
{
	uint64_t rng = 4711;

	for (unsigned long i = 0; i < count; i++) {
		rng = rng * 6364136223846793005U + 1442695040888963407U;
		dma_write(dev, IOVA_BASE + (rng >> 33) % (MAPS - 32) * K4, buf, size);
	}
}

static void pgtable_cycle(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		BENCH_CHECK(pgtable_map(pt, FAR_IOVA, PADDR + shift, size, RW));
		BENCH_CHECK(pgtable_unmap(pt, FAR_IOVA, size) != size);
		if (pgtable_needs_reclaim(pt))
			pgtable_reclaim(pt);
	}
}

static void nosync_cycle(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		BENCH_CHECK(iommu_map(domain, FAR_IOVA, PADDR + shift, size, RW));
		BENCH_CHECK(iommu_unmap_nosync(domain, FAR_IOVA, size) != size);
	}
}

static void sync_cycle(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		BENCH_CHECK(iommu_map(domain, FAR_IOVA, PADDR + shift, size, RW));
		BENCH_CHECK(iommu_unmap(domain, FAR_IOVA, size) != size);
	}
}

static struct hostmem *hm;
static char *pinned;

static void never_called(struct hostmem_pin *pin, uintptr_t addr, size_t len)
{
	abort();
}

static void pin_cycle(unsigned long count)
{
	static const struct hostmem_pin_ops ops = { .freeze = never_called };
	struct hostmem_pin pin;

	for (unsigned long i = 0; i < count; i++) {
		BENCH_CHECK(hostmem_pin(hm, (uintptr_t)pinned, size, true, &ops, NULL, &pin));
		hostmem_unpin(&pin);
	}
}

/* @advice: MADV_HUGEPAGE or MADV_NOHUGEPAGE. */
static void with_memory(int advice)
{
	char *mem = mmap(NULL, G1 + M2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	BENCH_CHECK(mem == MAP_FAILED);
	madvise(mem, G1 + M2, advice);
	pinned = (char *)ALIGN_UP((uintptr_t)mem, M2);
	for (size_t i = 0; i < G1; i += K4)
		pinned[i] = 1;
	size = K4;
	if (advice == MADV_NOHUGEPAGE) {
		bench_measure("pin_unpin_4k", 300000, pin_cycle);
		size = M2;
		bench_measure("pin_unpin_2m", 3000, pin_cycle);
		size = G1;
		bench_measure("pin_unpin_1g", 3, pin_cycle);
	} else {
		size = G1;
		bench_measure("pin_unpin_1g_huge_pages", 3, pin_cycle);
	}
	munmap(mem, G1 + M2);
}

static atomic_bool stop;

static void *busy_main(void *arg)
{
	uint64_t rng = 1;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		rng = rng * 6364136223846793005U + 1442695040888963407U;
		dma_write(dev, IOVA_BASE + (rng >> 33) % (MAPS - 32) * K4, buf, K4);
	}
	return NULL;
}

/* The device writes 4 KiB after 4 KiB elsewhere. */
static void with_busy_device(void)
{
	pthread_t thread;

	BENCH_CHECK(thread_create(&thread, "busy", busy_main, NULL));
	bench_measure("iommu_map_unmap_4k_sync_device_busy", 30000, sync_cycle);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static void setup(void)
{
	struct iommu_group *group;
	struct iommu *unit;
	char *mem;

	BENCH_CHECK(fault_init());
	BENCH_CHECK(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit));
	BENCH_CHECK(iommu_dev_create(unit, 0, "0000:01:00.0", &dev));
	BENCH_CHECK(iommu_group_create(0, &group));
	iommu_group_add_device(group, dev);
	BENCH_CHECK(iommu_domain_create(unit, &domain));
	BENCH_CHECK(iommu_attach_group(domain, group));
	dma_set_master(dev, true);
	BENCH_CHECK(pgtable_create(PGTABLE_AMDV1, 48, &pt));

	/* Neighbours in IOVA space are none in memory. */
	mem = mmap(NULL, MAPS * K4, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	BENCH_CHECK(mem == MAP_FAILED);
	for (unsigned long i = 0; i < MAPS; i++)
		BENCH_CHECK(iommu_map(domain, IOVA_BASE + i * K4,
				      (paddr_t)mem + i * 7919 % MAPS * K4, K4, RW));
}

int main(int argc, char **argv)
{
	double nosync, sync;

	bench_init(argc, argv);
	setup();
	bench_measure("section_enter_leave", 1000000, enter_leave);
	size = 64;
	bench_measure("dma_write_64_same_page", 1000000, write_same);
	bench_measure("dma_write_64_random_60000", 1000000, write_random);
	size = 4096;
	bench_measure("dma_write_4k_same_page", 100000, write_same);
	size = sizeof(buf);
	bench_measure("dma_write_128k_random_60000", 2000, write_random);

	size = K4;
	bench_measure("pgtable_map_unmap_4k", 300000, pgtable_cycle);
	nosync = bench_measure("iommu_map_unmap_4k_nosync", 300000, nosync_cycle);
	sync = bench_measure("iommu_map_unmap_4k_sync", 300000, sync_cycle);
	bench_print("unmap_promise_device_asleep", sync - nosync);
	with_busy_device();
	size = M2;
	bench_measure("pgtable_map_unmap_2m", 300000, pgtable_cycle);
	shift = K4;
	bench_measure("pgtable_map_unmap_2m_4k_leaves", 1000, pgtable_cycle);
	size = G1;
	shift = 0;
	bench_measure("pgtable_map_unmap_1g", 300000, pgtable_cycle);
	shift = M2;
	bench_measure("pgtable_map_unmap_1g_2m_leaves", 1000, pgtable_cycle);
	shift = K4;
	bench_measure("pgtable_map_unmap_1g_4k_leaves", 5, pgtable_cycle);
	BENCH_CHECK(hostmem_create(UINT64_MAX, &hm));
	with_memory(MADV_NOHUGEPAGE);
	with_memory(MADV_HUGEPAGE);
	bench_end();
	return 0;
}
