/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups, domains, DMA and its faults, windows, freezing; _i is the enum iommu_model. */
#include "iommu/dma.h"
#include "iommu/iommu.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/event.h"
#include "base/fault.h"

#define RW  (IOMMU_READ | IOMMU_WRITE)
#define K4  0x1000UL
#define M2  0x200000UL
#define RID 0x0100U

static struct iommu *unit;
static struct iommu_dev *dev;
static struct iommu_group *group;
static struct iommu_domain *domain;
static char *mem; /* 16 pages */

static void setup_model(int model)
{
	ck_assert_int_eq(fault_init(), 0);
	ck_assert_int_eq(iommu_create((enum iommu_model)model, "ivhd0", &unit), 0);
	ck_assert_int_eq(iommu_dev_create(unit, RID, "0000:01:00.0", &dev), 0);
	ck_assert_int_eq(iommu_group_create(3, &group), 0);
	iommu_group_add_device(group, dev);
	ck_assert_int_eq(iommu_domain_create(unit, &domain), 0);
	dma_set_master(dev, true);
	mem = mmap(NULL, 16 * K4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(mem, MAP_FAILED);
}

static void setup_attached(int model)
{
	setup_model(model);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
}

static void teardown(void)
{
	iommu_detach_group(domain, group);
	iommu_domain_destroy(domain);
	iommu_dev_destroy(dev);
	iommu_group_destroy(group);
	iommu_destroy(unit);
	munmap(mem, 16 * K4);
}

static void map(iova_t iova, void *addr, uint64_t size, unsigned int prot)
{
	ck_assert_int_eq(iommu_map(domain, iova, (paddr_t)addr, size, prot), 0);
}

/* The one fault since @seq. */
static struct dma_fault last_fault(uint64_t seq)
{
	struct dma_fault found[4];

	ck_assert_uint_eq(dma_fault_read(&seq, found, 4), 1);
	ck_assert_uint_eq(found[0].rid, RID);
	ck_assert_str_eq(found[0].name, "0000:01:00.0");
	return found[0];
}

static void expect_fault(uint64_t seq, iova_t iova, bool write, enum dma_fault_reason reason)
{
	struct dma_fault fault = last_fault(seq);

	ck_assert_uint_eq(fault.iova, iova);
	ck_assert_int_eq(fault.write, write);
	ck_assert_int_eq(fault.reason, reason);
}

START_TEST(objects)
{
	struct iommu_resv_region regions[4];
	struct iommu_domain *other;
	struct iommu *other_unit;

	setup_model(_i);
	ck_assert_str_eq(iommu_name(unit), "ivhd0");
	ck_assert_uint_eq(iommu_group_id(group), 3);
	ck_assert_ptr_eq(iommu_group_of(dev), group);
	ck_assert_ptr_eq(iommu_group_unit(group), unit);
	ck_assert(iommu_capable_intr_remap(unit));
	ck_assert_str_eq(iommu_group_default_type(group),
			 _i == IOMMU_MODEL_INTEL ? "DMA-FQ" : "DMA");
	ck_assert_uint_eq(iommu_group_resv_regions(group, regions, 4),
			  _i == IOMMU_MODEL_INTEL ? 1 : 2);
	ck_assert_uint_eq(regions[0].start, 0xfee00000);
	ck_assert_uint_eq(regions[0].last, 0xfeefffff);
	ck_assert_int_eq(regions[0].type, IOMMU_RESV_MSI);
	if (_i == IOMMU_MODEL_AMD) {
		ck_assert_uint_eq(regions[1].start, 0xfd00000000);
		ck_assert_uint_eq(regions[1].last, 0xffffffffff);
		ck_assert_int_eq(regions[1].type, IOMMU_RESV_RESERVED);
	}
	ck_assert_uint_eq(iommu_domain_pgsizes(domain),
			  _i == IOMMU_MODEL_INTEL ? 0x40201000 : 0xfff7ffffff000);
	ck_assert_uint_eq(iommu_domain_aperture_last(domain),
			  _i == IOMMU_MODEL_INTEL ? 0xffffffffffff : UINT64_MAX);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
	ck_assert_int_eq(iommu_attach_group(domain, group), -EBUSY);
	iommu_detach_group(domain, group);

	ck_assert_int_eq(iommu_create(_i == IOMMU_MODEL_AMD ? IOMMU_MODEL_INTEL : IOMMU_MODEL_AMD,
				      "x", &other_unit),
			 0);
	ck_assert_int_eq(iommu_domain_create(other_unit, &other), 0);
	ck_assert(!iommu_domain_compatible(other, unit));
	ck_assert_int_eq(iommu_attach_group(other, group), -EINVAL);
	iommu_domain_destroy(other);
	iommu_destroy(other_unit);
	teardown();
}
END_TEST

START_TEST(read_write_zero)
{
	char buf[3 * K4];
	size_t i;

	setup_attached(_i);
	/* Neighbours in IOVA, not in memory. */
	map(0x10000, mem + 4 * K4, K4, RW);
	map(0x11000, mem, 2 * K4, RW);
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 256);
	ck_assert_int_eq(dma_write(dev, 0x10000, buf, sizeof(buf)), 0);
	ck_assert_int_eq(memcmp(mem + 4 * K4, buf, K4), 0);
	ck_assert_int_eq(memcmp(mem, buf + K4, 2 * K4), 0);
	memset(buf, 0, sizeof(buf));
	ck_assert_int_eq(dma_read(dev, 0x10ff0, buf, 0x20), 0);
	ck_assert_int_eq(memcmp(buf, mem + 4 * K4 + 0xff0, 0x10), 0);
	ck_assert_int_eq(memcmp(buf + 0x10, mem, 0x10), 0);
	ck_assert_int_eq(dma_zero(dev, 0x10fff, 2), 0);
	ck_assert_int_eq(mem[4 * K4 + 0xfff], 0);
	ck_assert_int_eq(mem[0], 0);
	ck_assert_int_ne(mem[4 * K4 + 0xffe], 0);
	ck_assert_int_eq(dma_read(dev, 0x10000, buf, 0), 0);
	ck_assert_uint_eq(dma_stats(dev)->bytes_written, 3 * K4 + 2);
	ck_assert_uint_eq(dma_stats(dev)->bytes_read, 0x20);
	ck_assert_uint_eq(dma_stats(dev)->faults, 0);
	ck_assert_uint_eq(iommu_iova_to_phys(domain, 0x11008), (paddr_t)mem + 8);
	ck_assert_uint_eq(iommu_iova_to_phys(domain, 0x13000), 0);
	teardown();
}
END_TEST

START_TEST(faults)
{
	uint64_t seq = dma_fault_count();
	char buf[3 * K4] = { 1, 2, 3 };

	setup_model(_i);
	ck_assert_int_eq(dma_write(dev, 0x1000, buf, 8), -EIO);
	expect_fault(seq++, 0x1000, true, DMA_FAULT_NO_DOMAIN);
	ck_assert_int_eq(iommu_attach_group(domain, group), 0);
	ck_assert_int_eq(dma_read(dev, 0x1234, buf, 8), -EIO);
	expect_fault(seq++, 0x1234, false, DMA_FAULT_NOT_PRESENT);

	/* What fits is moved before the fault. */
	map(0x1000, mem, K4, RW);
	map(0x2000, mem + K4, K4, IOMMU_READ);
	memset(buf, 0x5a, sizeof(buf));
	ck_assert_int_eq(dma_write(dev, 0x1800, buf, K4), -EIO);
	expect_fault(seq++, 0x2000, true, DMA_FAULT_PERMISSION);
	ck_assert_int_eq(mem[K4 - 1], 0x5a);
	ck_assert_int_eq(mem[K4], 0);
	ck_assert_int_eq(dma_read(dev, 0x2000, buf, 8), 0);
	ck_assert_int_eq(dma_read(dev, 0x2ff8, buf, 16), -EIO);
	expect_fault(seq++, 0x3000, false, DMA_FAULT_NOT_PRESENT);

	/* A write-only page. */
	map(0x3000, mem + 2 * K4, K4, IOMMU_WRITE);
	ck_assert_int_eq(dma_write(dev, 0x3000, buf, 8), 0);
	ck_assert_int_eq(dma_read(dev, 0x3000, buf, 8), -EIO);
	expect_fault(seq++, 0x3000, false, DMA_FAULT_PERMISSION);

	dma_set_master(dev, false);
	ck_assert_int_eq(dma_write(dev, 0x1000, buf, 8), -EIO);
	expect_fault(seq++, 0x1000, true, DMA_FAULT_BUS_MASTER);
	dma_set_master(dev, true);
	ck_assert_int_eq(dma_write(dev, 0x1000, buf, 8), 0);

	ck_assert_uint_eq(iommu_unmap(domain, 0x1000, K4), K4);
	ck_assert_int_eq(dma_write(dev, 0x1000, buf, 8), -EIO);
	expect_fault(seq++, 0x1000, true, DMA_FAULT_NOT_PRESENT);
	iommu_detach_group(domain, group);
	ck_assert_int_eq(dma_read(dev, 0x2000, buf, 8), -EIO);
	expect_fault(seq++, 0x2000, false, DMA_FAULT_NO_DOMAIN);

	/* The end of the address space. */
	ck_assert_int_eq(dma_read(dev, ~0ULL - 3, buf, 8), -EIO);
	expect_fault(seq++, ~0ULL - 3, false, DMA_FAULT_NOT_PRESENT);
	ck_assert_uint_eq(dma_stats(dev)->faults, 9);
	teardown();
}
END_TEST

/* Memory that went away behind our back is reported, to the byte. */
START_TEST(stale)
{
	uint64_t seq = dma_fault_count();
	char buf[2 * K4];

	setup_attached(_i);
	map(0, mem, 2 * K4, RW);
	memset(buf, 7, sizeof(buf));
	munmap(mem + K4, K4);
	ck_assert_int_eq(dma_write(dev, K4 - 16, buf, 64), -EIO);
	expect_fault(seq++, K4, true, DMA_FAULT_STALE);
	ck_assert_int_eq(mem[K4 - 1], 7);
	ck_assert_int_eq(dma_read(dev, K4 - 16, buf, 64), -EIO);
	expect_fault(seq++, K4, false, DMA_FAULT_STALE);
	ck_assert_int_eq(dma_zero(dev, K4, 64), -EIO);
	expect_fault(seq++, K4, true, DMA_FAULT_STALE);
	teardown();
}
END_TEST

static struct dma_fault sunk;
static int sunk_count;

static void sink(void *arg, const struct dma_fault *fault)
{
	ck_assert_ptr_eq(arg, &sunk);
	sunk = *fault;
	sunk_count++;
}

START_TEST(fault_ring)
{
	struct dma_fault ring[300];
	uint64_t seq = dma_fault_count(), i;
	char buf[8];
	size_t n;

	setup_attached(_i);
	dma_set_fault_sink(sink, &sunk);
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(dma_read(dev, i * K4, buf, 8), -EIO);
	dma_set_fault_sink(NULL, NULL);
	ck_assert_int_eq(sunk_count, 1000);
	ck_assert_uint_eq(sunk.iova, 999 * K4);
	ck_assert_uint_eq(sunk.len, 8);
	ck_assert_uint_eq(dma_fault_count(), seq + 1000);
	n = dma_fault_read(&seq, ring, ARRAY_SIZE(ring));
	ck_assert_uint_eq(n, 256);
	ck_assert_uint_eq(seq, dma_fault_count());
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(ring[i].iova, (1000 - 256 + i) * K4);
	ck_assert_uint_eq(dma_fault_read(&seq, ring, 300), 0);
	teardown();
}
END_TEST

START_TEST(events)
{
	struct event seen[4];
	uint64_t seq = 0, lost = 0;
	char buf[8];

	setup_attached(_i);
	map(0x1000, mem, K4, IOMMU_READ);
	event_switch(~0U);
	while (event_read(&seq, seen, ARRAY_SIZE(seen), &lost))
		;
	map(0x3000, mem, 2 * K4, RW);
	ck_assert_int_eq(dma_write(dev, 0x1010, buf, 8), -EIO);
	ck_assert_uint_eq(iommu_unmap(domain, 0x1000, K4), K4);
	event_switch(0);
	iommu_unmap(domain, 0x3000, 2 * K4);
	ck_assert_uint_eq(event_read(&seq, seen, ARRAY_SIZE(seen), &lost), 3);
	ck_assert_uint_eq(seen[0].type, EVENT_MAP);
	ck_assert_uint_eq(seen[0].a, 0x3000);
	ck_assert_uint_eq(seen[0].b, 2 * K4);
	ck_assert_uint_eq(seen[0].c, (uintptr_t)mem);
	ck_assert_uint_eq(seen[1].type, EVENT_DMA_FAULT);
	ck_assert_uint_eq(seen[1].dev, RID);
	ck_assert_uint_eq(seen[1].a, 0x1010);
	ck_assert_uint_eq(seen[1].b, 8);
	ck_assert_uint_eq(seen[1].c, DMA_FAULT_PERMISSION | 1 << 8);
	ck_assert_uint_eq(seen[2].type, EVENT_UNMAP);
	ck_assert_uint_eq(seen[2].a, 0x1000);
	ck_assert_uint_eq(seen[2].b, K4);
	teardown();
}
END_TEST

START_TEST(translate)
{
	size_t contig = 0;
	bool again = false;

	setup_attached(_i);
	map(0x200000, mem, 3 * K4, RW);
	map(0x203000, mem + 5 * K4, K4, RW);
	dma_enter(dev);
	ck_assert_ptr_eq(dma_translate(dev, 0x200010, 0x100, true, &contig, &again), mem + 0x10);
	ck_assert_uint_eq(contig, 0x100);
	ck_assert_ptr_eq(dma_translate(dev, 0x200010, 64 * K4, true, &contig, &again), mem + 0x10);
	ck_assert_uint_eq(contig, 3 * K4 - 0x10);
	ck_assert_ptr_eq(dma_translate(dev, 0x203000, 64 * K4, true, &contig, &again),
			 mem + 5 * K4);
	ck_assert_uint_eq(contig, K4);
	ck_assert_ptr_null(dma_translate(dev, 0x204000, 1, true, &contig, &again));
	ck_assert_uint_eq(contig, 0);
	ck_assert(!again);
	dma_leave(dev);
	/* A cached table, then a large leaf in its place, and back. */
	ck_assert_uint_eq(iommu_unmap(domain, 0x200000, M2), 4 * K4);
	map(0x200000, (void *)(0x7f0000000000UL), M2, IOMMU_READ);
	dma_enter(dev);
	ck_assert_ptr_eq(dma_translate(dev, 0x212345, K4, false, &contig, &again),
			 (void *)0x7f0000012345UL);
	dma_leave(dev);
	ck_assert_int_eq(iommu_split(domain, 0x201000), 0);
	ck_assert_uint_eq(iommu_unmap(domain, 0x201000, K4), K4);
	dma_enter(dev);
	ck_assert_ptr_eq(dma_translate(dev, 0x200000, 2 * K4, false, &contig, &again),
			 (void *)0x7f0000000000UL);
	ck_assert_uint_eq(contig, K4);
	ck_assert_ptr_null(dma_translate(dev, 0x201000, K4, false, &contig, &again));
	dma_leave(dev);
	teardown();
}
END_TEST

#define SCATTERED 600
#define WALKED	  200 /* fewer than the walk cache has entries */

/* A table and an entry in the walk cache of its own for each that is walked. */
static iova_t scattered(int i)
{
	return ((iova_t)i << 30) + ((iova_t)i << 21);
}

/*
 * Tables that went are forgotten: pages all over the place come and go under a device that has
 * walked there, and their tables come back elsewhere.
 */
START_TEST(tables_come_and_go)
{
	char value;
	int round, i;

	setup_attached(_i);
	for (i = 0; i < 16; i++)
		mem[i * K4] = (char)i;
	for (round = 0; round < 4; round++) {
		/* Each round in another order, so that a table gets another place. */
		for (i = 0; i < SCATTERED; i++)
			map(scattered((i * 7 + round * 101) % SCATTERED),
			    mem + (i * 7 + round * 101) % SCATTERED % 16 * K4, K4, RW);
		for (i = 0; i < WALKED; i++) {
			ck_assert_int_eq(dma_read(dev, scattered(i), &value, 1), 0);
			ck_assert_int_eq(value, i % 16);
		}
		ck_assert_uint_eq(iommu_unmap(domain, 0, 1ULL << 47), SCATTERED * K4);
		for (i = 0; i < WALKED && !round; i++)
			ck_assert_int_eq(dma_read(dev, scattered(i), &value, 1), -EIO);
	}
	teardown();
}
END_TEST

/* ---- waiting --------------------------------------------------------------------------------- */

static atomic_int phase;
static atomic_bool about_to_wait;

static void *holds_section(void *arg)
{
	dma_enter(dev);
	atomic_store(&phase, 1);
	while (!atomic_load(&about_to_wait))
		usleep(100);
	usleep(30000);
	atomic_store(&phase, 2);
	dma_leave(dev);
	return NULL;
}

START_TEST(unmap_waits_for_a_section)
{
	pthread_t thread;

	setup_attached(_i);
	map(0, mem, K4, RW);
	pthread_create(&thread, NULL, holds_section, NULL);
	while (atomic_load(&phase) != 1)
		usleep(100);
	ck_assert_uint_eq(iommu_unmap_nosync(domain, 0, K4), K4);
	ck_assert_int_eq(atomic_load(&phase), 1);
	atomic_store(&about_to_wait, true);
	iommu_sync(domain);
	ck_assert_int_eq(atomic_load(&phase), 2);
	pthread_join(thread, NULL);
	teardown();
}
END_TEST

START_TEST(detach_waits_for_a_section)
{
	pthread_t thread;

	setup_attached(_i);
	pthread_create(&thread, NULL, holds_section, NULL);
	while (atomic_load(&phase) != 1)
		usleep(100);
	atomic_store(&about_to_wait, true);
	iommu_detach_group(domain, group);
	ck_assert_int_eq(atomic_load(&phase), 2);
	pthread_join(thread, NULL);
	teardown();
}
END_TEST

START_TEST(unmap_in_own_section)
{
	setup_attached(IOMMU_MODEL_AMD);
	dma_enter(dev);
	iommu_sync(domain);
}
END_TEST

static void *writes_once(void *arg)
{
	static const char buf[2 * K4] = { 1 };

	atomic_store(&phase, 1);
	ck_assert_int_eq(dma_write(dev, 0, buf, sizeof(buf)), 0);
	atomic_store(&phase, 2);
	return NULL;
}

START_TEST(frozen_entries_wait)
{
	pthread_t thread;

	setup_attached(_i);
	map(0, mem, 4 * K4, RW);
	iommu_freeze(domain, K4, K4);
	memset(mem, 0x33, 16 * K4);
	pthread_create(&thread, NULL, writes_once, NULL);
	while (atomic_load(&phase) != 1)
		usleep(100);
	usleep(20000);
	/* Asleep outside a section: nothing waits for it. */
	ck_assert_int_eq(atomic_load(&phase), 1);
	iommu_sync(domain);
	ck_assert_int_eq(mem[K4], 0x33);
	iommu_thaw(domain, K4, K4, (paddr_t)mem + 8 * K4);
	pthread_join(thread, NULL);
	ck_assert_int_eq(mem[0], 1);
	ck_assert_int_eq(mem[K4], 0x33);
	ck_assert_int_eq(mem[8 * K4], 0);
	ck_assert_uint_eq(iommu_iova_to_phys(domain, K4), (paddr_t)mem + 8 * K4);
	ck_assert_uint_eq(iommu_unmap(domain, 0, 4 * K4), 4 * K4);
	teardown();
}
END_TEST

START_TEST(frozen_then_unmapped)
{
	uint64_t seq = dma_fault_count();
	pthread_t thread;
	char buf[8];

	setup_attached(_i);
	map(0, mem, 2 * K4, RW);
	/* Lost memory stays mapped, and reachable by nobody. */
	iommu_freeze(domain, 0, K4);
	iommu_thaw(domain, 0, K4, 0);
	ck_assert_int_eq(dma_read(dev, 0, buf, 8), -EIO);
	expect_fault(seq++, 0, false, DMA_FAULT_STALE);
	ck_assert_int_eq(dma_read(dev, K4, buf, 8), 0);
	iommu_freeze(domain, 0, 2 * K4);
	atomic_store(&about_to_wait, true);
	pthread_create(&thread, NULL, holds_section, NULL);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(iommu_unmap(domain, 0, 2 * K4), 2 * K4);
	ck_assert_int_eq(dma_read(dev, 0, buf, 8), -EIO);
	expect_fault(seq++, 0, false, DMA_FAULT_NOT_PRESENT);
	teardown();
}
END_TEST

/* ---- windows --------------------------------------------------------------------------------- */

static char window_mem[2 * K4];

static int window_read(void *priv, uint64_t off, void *buf, size_t len)
{
	ck_assert_uint_le(off + len, sizeof(window_mem));
	memcpy(buf, (char *)priv + off, len);
	return 0;
}

static int window_write(void *priv, uint64_t off, const void *buf, size_t len)
{
	ck_assert_uint_le(off + len, sizeof(window_mem));
	if (off == 0x800)
		return -EINVAL;
	memcpy((char *)priv + off, buf, len);
	return 0;
}

START_TEST(routed)
{
	static const struct dma_window_ops ops = { .read = window_read, .write = window_write };
	uint64_t seq = dma_fault_count();
	paddr_t base, other;
	size_t contig;
	char buf[32];
	bool again;

	setup_attached(_i);
	ck_assert_int_eq(dma_window_create(sizeof(window_mem), &ops, window_mem, &base), 0);
	ck_assert_int_eq(dma_window_create(1, &ops, window_mem, &other), 0);
	ck_assert_uint_ge(base, DMA_ROUTED_BASE);
	ck_assert(other >= base + sizeof(window_mem) || other + 1 <= base);
	dma_window_destroy(other);
	ck_assert_int_eq(dma_window_create(0, &ops, window_mem, &other), -EINVAL);
	ck_assert_int_eq(dma_window_create(1ULL << 51, &ops, window_mem, &other), -EINVAL);
	map(0, mem, K4, RW);
	map(K4, (void *)base, 2 * K4, RW);
	memset(buf, 9, sizeof(buf));
	ck_assert_int_eq(dma_write(dev, K4 - 16, buf, 32), 0);
	ck_assert_int_eq(mem[K4 - 1], 9);
	ck_assert_int_eq(window_mem[15], 9);
	ck_assert_int_eq(window_mem[16], 0);
	ck_assert_int_eq(dma_zero(dev, K4 + 8, 8), 0);
	ck_assert_int_eq(dma_read(dev, K4, buf, 16), 0);
	ck_assert_int_eq(buf[7], 9);
	ck_assert_int_eq(buf[8], 0);
	dma_enter(dev);
	ck_assert_ptr_null(dma_translate(dev, K4 + 4, 100, false, &contig, &again));
	ck_assert_uint_eq(contig, 100);
	ck_assert(!again);
	dma_leave(dev);
	ck_assert_uint_eq(dma_fault_count(), seq);
	ck_assert_int_eq(dma_write(dev, K4 + 0x800, buf, 8), -EIO);
	expect_fault(seq++, K4 + 0x800, true, DMA_FAULT_STALE);
	dma_window_destroy(base);
	ck_assert_int_eq(dma_read(dev, K4, buf, 16), -EIO);
	expect_fault(seq++, K4, false, DMA_FAULT_STALE);
	teardown();
}
END_TEST

/* A child that inherits a running section can unmap and use the device. */
START_TEST(fork_in_a_section)
{
	int status;
	pid_t pid;

	setup_attached(_i);
	map(0, mem, K4, RW);
	dma_enter(dev);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		char buf[8] = { 4 };

		iommu_after_fork();
		if (dma_write(dev, 0, buf, 8) != -EIO) /* attached to nothing */
			_exit(1);
		if (iommu_domain_create(unit, &domain) || iommu_attach_group(domain, group) ||
		    iommu_map(domain, 0, (paddr_t)mem, K4, RW) || dma_write(dev, 0, buf, 8))
			_exit(2);
		_exit(iommu_unmap(domain, 0, K4) == K4 && mem[0] == 4 ? 0 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	dma_leave(dev);
	teardown();
}
END_TEST

int main(void)
{
	const TTest *const per_model[] = {
		objects,
		read_write_zero,
		faults,
		stale,
		fault_ring,
		translate,
		tables_come_and_go,
		unmap_waits_for_a_section,
		detach_waits_for_a_section,
		frozen_entries_wait,
		frozen_then_unmapped,
		routed,
		events,
		fork_in_a_section,
	};
	Suite *suite = suite_create("iommu");
	TCase *tc = tcase_create("models");
	SRunner *runner;
	int failed;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(per_model); i++)
		tcase_add_loop_test(tc, per_model[i], IOMMU_MODEL_AMD, IOMMU_MODEL_INTEL + 1);
	tcase_add_test_raise_signal(tc, unmap_in_own_section, SIGABRT);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
