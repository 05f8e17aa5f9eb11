/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device pays for one IOVA to pointer translation, inside a section: the same page again
 * and again, and random pages of 1, 100, 10,000 and 60,000 mappings of 4 KiB, neighbours in IOVA
 * space or scattered; no two of them neighbours in memory. "chain": the next IOVA depends on the
 * last pointer. The same without an IOMMU, by page frame numbers of memory that is there.
 */
#include <stdint.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "hostmem/frames.h"
#include "iommu/bypass.h"

#define IOVAS	  (1UL << 16)
#define MAX_MAPS  60000UL
#define IOVA_BASE 0x100000000ULL

static struct iommu_dev *dev;
static struct iommu_domain *domain;
static iova_t *iovas;
static iova_t *maps_at;
static uintptr_t sum;

static uint64_t rng = 88172645463325252ULL;

static uint64_t rand64(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void translate(unsigned long count)
{
	size_t contig;
	bool again;

	dma_enter(dev);
	for (unsigned long i = 0; i < count; i++)
		sum += (uintptr_t)dma_translate(dev, iovas[i % IOVAS], 64, true, &contig, &again);
	dma_leave(dev);
}

static void translate_chain(unsigned long count)
{
	uintptr_t last = 0;
	size_t contig;
	bool again;

	dma_enter(dev);
	for (unsigned long i = 0; i < count; i++)
		last = (uintptr_t)dma_translate(dev, iovas[i % IOVAS] + (last >> 63), 64, true,
						&contig, &again);
	dma_leave(dev);
	sum += last;
}

/* @stride: bytes of IOVA space for each mapping, which lies anywhere in them. */
static void with_mappings(unsigned long maps, uint64_t stride, const char *how)
{
	char name[64];
	unsigned long i;

	for (i = 0; i < maps; i++) {
		/* Host addresses are only added up here. */
		paddr_t paddr = 0x7e0000000000ULL + (i * 7919 % MAX_MAPS) * 0x2000;

		maps_at[i] = IOVA_BASE + i * stride + ALIGN_DOWN(rand64() % stride, HOST_PAGE_SIZE);
		BENCH_CHECK(iommu_map(domain, maps_at[i], paddr, HOST_PAGE_SIZE,
				      IOMMU_READ | IOMMU_WRITE));
	}
	for (i = 0; i < IOVAS; i++)
		iovas[i] = maps_at[rand64() % maps] + rand64() % 63 * 64;
	snprintf(name, sizeof(name), "translate_random_%lu%s", maps, how);
	bench_measure(name, 1000000, translate);
	snprintf(name, sizeof(name), "translate_random_%lu%s_chain", maps, how);
	bench_measure(name, 1000000, translate_chain);
	iommu_unmap(domain, IOVA_BASE, maps * stride);
}

/* ---- without an IOMMU ----------------------------------------------------------------------- */

#define HUGE_SIZE (2UL << 20)

static bool huge;

static size_t huge_size(uintptr_t addr)
{
	return huge ? HUGE_SIZE : 0;
}

static int by_frame(void *arg, paddr_t addr, bool write, paddr_t *host, uint64_t *contig,
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

static const struct iommu_bypass_ops bypass_ops = { .translate = by_frame,
						    .bits = { .need = { FRAMES_NEED_READ,
									FRAMES_NEED_WRITE },
							      .clear = FRAMES_CLEAR,
							      .addr = FRAMES_ADDR } };
static const struct frames_ops frames_ops = { .sync = NULL };

/* The addresses of @pages pages of memory, of 4 KiB or huge. */
static void with_pages(struct frames *frames, unsigned long pages, const char *how)
{
	const size_t size = huge ? HUGE_SIZE : HOST_PAGE_SIZE, each = size / HOST_PAGE_SIZE;
	const size_t len = (pages + 1) * size;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	char *map = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *mem = (char *)ALIGN_UP((uintptr_t)map, size), name[64];
	unsigned long i;

	BENCH_CHECK(fd < 0 || map == MAP_FAILED);
	for (i = 0; i < pages; i++) {
		uintptr_t addr = (uintptr_t)mem + i * each * HOST_PAGE_SIZE;
		uint64_t entry;

		*(volatile char *)addr = 1;
		BENCH_CHECK(pread(fd, &entry, 8, (off_t)(addr / HOST_PAGE_SIZE * 8)) != 8);
		frames_pagemap(frames, addr, &entry, 1);
		maps_at[i] = (entry & PAGEMAP_FRAME) << HOST_PAGE_SHIFT;
	}
	for (i = 0; i < IOVAS; i++)
		iovas[i] = maps_at[rand64() % pages] + rand64() % (size / 64 - 1) * 64;
	snprintf(name, sizeof(name), "physical_%s", how);
	bench_measure(name, 1000000, translate);
	snprintf(name, sizeof(name), "physical_%s_chain", how);
	bench_measure(name, 1000000, translate_chain);
	munmap(map, len);
	close(fd);
}

static void without_iommu(void)
{
	static struct iommu_bypass bypass;
	struct frames *frames;
	int fd = memfd_create("frames", MFD_CLOEXEC);
	void *shared;

	BENCH_CHECK(fd < 0 || ftruncate(fd, (off_t)frames_shared_size()));
	shared = mmap(NULL, frames_shared_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	BENCH_CHECK(shared == MAP_FAILED);
	BENCH_CHECK(frames_create(shared, fd, &frames_ops, NULL, &frames));
	frames_set_huge(frames, huge_size);
	bypass = (struct iommu_bypass){ .ops = &bypass_ops, .arg = frames };
	BENCH_CHECK(iommu_dev_create_bypass(&bypass, 8, "0000:01:01.0", &dev));
	dma_set_master(dev, true);
	with_pages(frames, 1, "same_page");
	with_pages(frames, 10000, "random_10000");
	with_pages(frames, MAX_MAPS, "random_60000");
	huge = true;
	with_pages(frames, 512, "random_512_huge");
}

int main(int argc, char **argv)
{
	static const unsigned long counts[] = { 1, 100, 10000, MAX_MAPS };
	struct iommu_group *group;
	struct iommu *unit;
	unsigned long i;

	bench_init(argc, argv);
	BENCH_CHECK(iommu_create(IOMMU_MODEL_AMD, "ivhd0", &unit));
	BENCH_CHECK(iommu_dev_create(unit, 0, "0000:01:00.0", &dev));
	BENCH_CHECK(iommu_group_create(0, &group));
	iommu_group_add_device(group, dev);
	BENCH_CHECK(iommu_domain_create(unit, &domain));
	BENCH_CHECK(iommu_attach_group(domain, group));
	dma_set_master(dev, true);
	iovas = calloc(IOVAS, sizeof(*iovas));
	maps_at = calloc(MAX_MAPS, sizeof(*maps_at));
	BENCH_CHECK(!iovas || !maps_at);

	BENCH_CHECK(iommu_map(domain, IOVA_BASE, 0x7e0000000000ULL, HOST_PAGE_SIZE,
			      IOMMU_READ | IOMMU_WRITE));
	for (i = 0; i < IOVAS; i++)
		iovas[i] = IOVA_BASE + 64;
	bench_measure("translate_same_page", 1000000, translate);
	iommu_unmap(domain, IOVA_BASE, HOST_PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		with_mappings(counts[i], HOST_PAGE_SIZE, "");
	with_mappings(MAX_MAPS, 1ULL << 20, "_scattered");
	without_iommu();
	bench_end();
	return sum == 1;
}
