/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA handle of an emulated device: what it pins, lets go and reports, memory that moves under
 * it, other devices' memory, and the promise that nothing is touched behind an unmap while another
 * thread does DMA.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "base/thread.h"
#include "vfio/emulated_dma.h"
#include "vfio/emulated_fixture.h"

#define CHUNK 0x200000ULL

static struct vfio_emulated_dma *handles[2];
static struct iommu_dev *dev;
static size_t max_pages;
static int c;

static void add_handle(struct emulated *e)
{
	struct vfio_emulated_dma **handle = &handles[e - emu];

	e->vdev.ops = &emu_deaf_ops;
	ck_assert_int_eq(vfio_emulated_dma_create(&e->vdev, max_pages, handle), 0);
	dma_set_master(vfio_emulated_dma_dev(*handle), true);
}

static void setup_with(uint64_t memlock, size_t pages)
{
	max_pages = pages;
	emu_setup_with(memlock, add_handle);
	dev = vfio_emulated_dma_dev(handles[0]);
	c = emu_start();
}

static void setup(void)
{
	setup_with(UINT64_MAX, 0);
}

static void setup_limit(void)
{
	setup_with(8 * PAGE, 0);
}

static void setup_few(void)
{
	setup_with(UINT64_MAX, 4);
}

static void teardown(void)
{
	ck_assert_ptr_null(strstr(emu_log, "BUG"));
	emu_teardown();
	for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++)
		vfio_emulated_dma_destroy(handles[i]);
}

static size_t pinned(void)
{
	return vfio_emulated_dma_pinned(handles[0]);
}

static struct dma_fault last_fault(void)
{
	uint64_t seq = dma_fault_count() - 1;
	struct dma_fault fault;

	ck_assert_uint_eq(dma_fault_read(&seq, &fault, 1), 1);
	return fault;
}

static void map(const void *mem, uint64_t iova, uint64_t size)
{
	ck_assert_int_eq(fx_map(c, FX_RW, mem, iova, size), 0);
}

/* ---- one thread ------------------------------------------------------------------------------ */

START_TEST(reads_and_writes)
{
	static uint8_t buf[16 * PAGE], back[16 * PAGE];
	bool at_dst;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 13 + (i >> 8));
	/* Across two mappings, two chunks, and at the ends of pages. */
	map(emu_mem + 32 * PAGE, CHUNK - 8 * PAGE, 9 * PAGE);
	map(emu_mem, CHUNK + PAGE, 8 * PAGE);
	ck_assert_int_eq(dma_write(dev, CHUNK - 8 * PAGE + 5, buf, 16 * PAGE), 0);
	ck_assert_mem_eq(emu_mem + 32 * PAGE + 5, buf, 9 * PAGE - 5);
	ck_assert_mem_eq(emu_mem, buf + 9 * PAGE - 5, 7 * PAGE + 5);
	ck_assert_uint_eq(pinned(), 17);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 17 * PAGE);
	ck_assert_int_eq(dma_read(dev, CHUNK - 8 * PAGE + 5, back, 16 * PAGE), 0);
	ck_assert_mem_eq(back, buf, sizeof(buf));
	ck_assert_int_eq(dma_copy(dev, CHUNK + 5 * PAGE, CHUNK - 8 * PAGE, PAGE + 1, &at_dst), 0);
	ck_assert_mem_eq(emu_mem + 4 * PAGE, emu_mem + 32 * PAGE, PAGE + 1);
	ck_assert_int_eq(dma_zero(dev, CHUNK, 3), 0);
	ck_assert_uint_eq(emu_mem[40 * PAGE + 2], 0);
	ck_assert_uint_eq(pinned(), 17);
	ck_assert_uint_eq(emu_unmap(c, CHUNK + PAGE, 8 * PAGE), 8 * PAGE);
	ck_assert_uint_eq(pinned(), 9);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 9 * PAGE);
	ck_assert_int_eq(dma_read(dev, CHUNK, back, PAGE), 0);
	ck_assert_int_eq(dma_read(dev, CHUNK, back, PAGE + 1), -EIO);
	ck_assert_uint_eq(last_fault().iova, CHUNK + PAGE);
	/* Another place at the same IOVA. */
	map(emu_mem + 20 * PAGE, CHUNK + PAGE, PAGE);
	ck_assert_int_eq(dma_write(dev, CHUNK + PAGE, buf, PAGE), 0);
	ck_assert_mem_eq(emu_mem + 20 * PAGE, buf, PAGE);
	ck_assert_uint_eq(emu_unmap(c, 0, 2 * CHUNK), 10 * PAGE);
	ck_assert_uint_eq(pinned(), 0);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
}
END_TEST

START_TEST(ends_of_the_space)
{
	uint64_t value = 0x1122334455667788, back = 0;

	map(emu_mem, 0, PAGE);
	map(emu_mem + PAGE, -PAGE, PAGE);
	ck_assert_int_eq(dma_write(dev, -8ULL, &value, 8), 0);
	ck_assert_int_eq(dma_read(dev, -8ULL, &back, 8), 0);
	ck_assert_uint_eq(back, value);
	ck_assert_int_eq(dma_write(dev, 0, &value, 8), 0);
	ck_assert_mem_eq(emu_mem, &value, 8);
	ck_assert_mem_eq(emu_mem + 2 * PAGE - 8, &value, 8);
}
END_TEST

/* A guest that names ever other addresses does not make the program grow. */
START_TEST(wild_addresses)
{
	const unsigned int chunks = 16384;
	uint8_t byte;

	map(emu_mem, 0, PAGE);
	ck_assert_int_eq(dma_read(dev, 0, &byte, 1), 0);
	for (unsigned int i = 1; i < chunks; i++)
		ck_assert_int_eq(dma_read(dev, i * CHUNK, &byte, 1), -EIO);
	ck_assert_uint_eq(pinned(), 1);
	/* One too many: that which was used last so long ago goes. */
	ck_assert_int_eq(dma_read(dev, chunks * CHUNK, &byte, 1), -EIO);
	ck_assert_uint_eq(pinned(), 0);
	ck_assert_int_eq(dma_read(dev, 0, &byte, 1), 0);
	ck_assert_uint_eq(pinned(), 1);
}
END_TEST

START_TEST(faults)
{
	char *hole = fx_memory(2 * PAGE);
	uint8_t byte = 1;

	munmap(hole + PAGE, PAGE);
	ck_assert_int_eq(dma_read(dev, 0x5000, &byte, 1), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_NOT_PRESENT);
	ck_assert_str_eq(last_fault().name, "emulated-0");
	ck_assert_ptr_nonnull(strstr(last_fault().what, "mapped nothing there"));
	ck_assert_int_eq(fx_map(c, VFIO_DMA_MAP_FLAG_READ, emu_mem, 0x5000, PAGE), 0);
	ck_assert_int_eq(fx_map(c, VFIO_DMA_MAP_FLAG_WRITE, emu_mem, 0x6000, PAGE), 0);
	map(hole, 0x10000, 2 * PAGE);
	ck_assert_int_eq(dma_read(dev, 0x5000, &byte, 1), 0);
	ck_assert_int_eq(dma_write(dev, 0x5000, &byte, 1), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_PERMISSION);
	ck_assert_ptr_nonnull(strstr(last_fault().what, "does not allow"));
	ck_assert_int_eq(dma_read(dev, 0x6000, &byte, 1), -EIO);
	ck_assert_int_eq(dma_write(dev, 0x6000, &byte, 1), 0);
	ck_assert_int_eq(dma_read(dev, 0x6000, &byte, 1), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_PERMISSION);
	ck_assert_int_eq(dma_write(dev, 0x11000, &byte, 1), -EIO);
	ck_assert_ptr_nonnull(strstr(last_fault().what, "memory is not there"));
	dma_set_master(dev, false);
	ck_assert_int_eq(dma_write(dev, 0x6000, &byte, 1), -EIO);
	ck_assert_int_eq(last_fault().reason, DMA_FAULT_BUS_MASTER);
	dma_set_master(dev, true);
	munmap(hole, PAGE);
}
END_TEST

START_TEST(closed)
{
	uint8_t byte = 1;

	map(emu_mem, 0, 4 * PAGE);
	ck_assert_int_eq(dma_write(dev, 0, &byte, 1), 0);
	/* The container stays. */
	emu_add_second(c);
	emu_close(0);
	ck_assert_uint_eq(pinned(), 0);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_int_eq(dma_write(dev, 0, &byte, 1), -EIO);
	ck_assert_int_eq(dma_write(vfio_emulated_dma_dev(handles[1]), PAGE, &byte, 1), 0);
	ck_assert_uint_eq(hostmem_locked(fx.hm), PAGE);
}
END_TEST

START_TEST(memlock)
{
	uint8_t bytes[9 * PAGE];

	map(emu_mem, 0, 64 * PAGE);
	memset(bytes, 0x77, sizeof(bytes));
	ck_assert_int_eq(dma_write(dev, 0, bytes, sizeof(bytes)), -EIO);
	ck_assert_uint_eq(last_fault().iova, 8 * PAGE);
	ck_assert_ptr_nonnull(strstr(last_fault().what, "RLIMIT_MEMLOCK"));
	ck_assert_uint_eq((uint8_t)emu_mem[8 * PAGE - 1], 0x77);
	ck_assert_uint_eq(emu_mem[8 * PAGE], 0x5a);
	ck_assert_uint_eq(pinned(), 8);
}
END_TEST

/* Four pages may be pinned. */
START_TEST(bounded)
{
	uint64_t value, iova;

	for (unsigned int i = 0; i < 16; i++)
		map(emu_mem + i * 4 * PAGE, i * CHUNK, 4 * PAGE);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 64; i++) {
			iova = i % 16 * CHUNK + i / 16 * PAGE;
			value = round << 8 | i;
			ck_assert_int_eq(dma_write(dev, iova, &value, 8), 0);
			ck_assert_uint_le(pinned(), 4);
			ck_assert_uint_eq(hostmem_locked(fx.hm), pinned() * PAGE);
		}
		for (unsigned int i = 0; i < 64; i++) {
			memcpy(&value, emu_mem + (i % 16 * 4 + i / 16) * PAGE, 8);
			ck_assert_uint_eq(value, round << 8 | i);
		}
	}
}
END_TEST

static void take_away(char *page)
{
	hostmem_will_unmap(fx.hm, (uintptr_t)page, PAGE);
	munmap(page, PAGE);
}

START_TEST(kept_alive)
{
	char *page = fx_memory(PAGE), *other;
	uint64_t value = 0x1234567890abcdef, back = 0;

	map(page, 0, PAGE);
	ck_assert_int_eq(dma_write(dev, 8, &value, 8), 0);
	take_away(page);
	/* Whatever comes to the old address is not the device's. */
	other = mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_int_eq(dma_read(dev, 8, &back, 8), 0);
	ck_assert_uint_eq(back, value);
	back = 1;
	ck_assert_int_eq(dma_write(dev, 8, &back, 8), 0);
	ck_assert_uint_eq(other[8], 0);
	ck_assert_uint_eq(pinned(), 1);
	ck_assert_uint_eq(emu_unmap(c, 0, PAGE), PAGE);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	munmap(other, PAGE);
}
END_TEST

/* The program maps a device's region and lets the emulated device reach it. */
START_TEST(other_devices_memory)
{
	struct fx_open o = fx_open_all(VFIO_TYPE1v2_IOMMU);
	struct file *file = file_from_fd(o.device);
	uint8_t bytes[100], back[100];
	void *bar = NULL;
	paddr_t page;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	ck_assert_int_eq(file_set_access(file, 0, FIXTURE_REGION, PAGE_TRAP_ALL), 0);
	ck_assert_int_eq(
		file_mmap(file, NULL, FIXTURE_REGION, PROT_READ | PROT_WRITE, MAP_SHARED, 0, &bar),
		0);
	file_put(file);
	map(bar, 0x100000, FIXTURE_REGION);
	map(emu_mem, 0x100000 + FIXTURE_REGION, PAGE);
	ck_assert_int_eq(vfio_pin_pages(&emu[0].vdev, 0x100000, 1, RW, &page), -EINVAL);
	ck_assert_int_eq(vfio_dma_rw(&emu[0].vdev, 0x101003, bytes, sizeof(bytes), true), 0);
	ck_assert_mem_eq(fx.devs[0].mem + 0x1003, bytes, sizeof(bytes));
	ck_assert_int_eq(dma_read(dev, 0x101003, back, sizeof(back)), 0);
	ck_assert_mem_eq(back, bytes, sizeof(bytes));
	/* Half there, half in memory, more than once. */
	for (unsigned int i = 0; i < 3; i++) {
		bytes[0]++;
		ck_assert_int_eq(
			dma_write(dev, 0x100000 + FIXTURE_REGION - 50, bytes, sizeof(bytes)), 0);
		ck_assert_mem_eq(fx.devs[0].mem + FIXTURE_REGION - 50, bytes, 50);
		ck_assert_mem_eq(emu_mem, bytes + 50, 50);
	}
	ck_assert_uint_eq(pinned(), 1);
	/* Memory instead: nothing of the device's is left. */
	ck_assert_uint_eq(emu_unmap(c, 0x100000, FIXTURE_REGION), FIXTURE_REGION);
	ck_assert_int_eq(dma_read(dev, 0x101003, back, 1), -EIO);
	map(emu_mem + 8 * PAGE, 0x100000, FIXTURE_REGION);
	ck_assert_int_eq(dma_write(dev, 0x101003, bytes, sizeof(bytes)), 0);
	ck_assert_mem_eq(emu_mem + 9 * PAGE + 3, bytes, sizeof(bytes));
	file_munmap((uintptr_t)bar, FIXTURE_REGION);
	munmap(bar, FIXTURE_REGION);
	fx_close_all(&o);
}
END_TEST

/* ---- two threads ----------------------------------------------------------------------------- */

#define BURST 0x20000UL /* what the device writes in one section */

static atomic_bool stop;
static atomic_uint bursts;

static void *burster(void *arg)
{
	static char bytes[BURST];

	memset(bytes, 0x22, sizeof(bytes));
	while (!atomic_load(&stop)) {
		dma_write(dev, CHUNK - 16 * PAGE, bytes, sizeof(bytes));
		atomic_fetch_add(&bursts, 1);
	}
	return NULL;
}

static void await_bursts(unsigned int count)
{
	const unsigned int from = atomic_load(&bursts);

	while (atomic_load(&bursts) - from < count)
		sched_yield();
}

START_TEST(nothing_behind_an_unmap)
{
	volatile char *mem = fx_memory(BURST);
	pthread_t thread;

	atomic_store(&stop, false);
	ck_assert_int_eq(thread_create(&thread, "burster", burster, NULL), 0);
	for (unsigned int i = 0; i < 100; i++) {
		map((char *)mem, CHUNK - 16 * PAGE, BURST);
		/* Every other time all is pinned, and a burst is one copy that has begun. */
		if (i % 2)
			await_bursts(2);
		mem[0] = 0x11;
		for (unsigned int k = 0; k < 20000 && mem[0] == 0x11; k++)
			;
		ck_assert_uint_eq(emu_unmap(c, CHUNK - 16 * PAGE, BURST), BURST);
		ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
		mem[BURST - 1] = 0x33;
		mem[PAGE] = 0x33;
		await_bursts(2);
		ck_assert(mem[BURST - 1] == 0x33 && mem[PAGE] == 0x33);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	munmap((char *)mem, BURST);
}
END_TEST

static atomic_uint written;

static void *counter(void *arg)
{
	static uint8_t bytes[BURST];
	unsigned int number = 0;

	while (!atomic_load(&stop)) {
		memset(bytes, (int)++number, sizeof(bytes));
		ck_assert_int_eq(dma_write(dev, 0, bytes, sizeof(bytes)), 0);
		atomic_store(&written, number);
	}
	return NULL;
}

static void await_written(unsigned int number)
{
	while (atomic_load(&written) < number)
		sched_yield();
}

/* The program takes the memory away while the device writes: each byte arrives. */
START_TEST(no_write_is_lost)
{
	static uint8_t bytes[BURST], expect[BURST];
	pthread_t thread;
	char *mem;

	for (unsigned int i = 0; i < 50; i++) {
		mem = fx_memory(BURST);
		map(mem, 0, BURST);
		atomic_store(&stop, false);
		atomic_store(&written, 0);
		ck_assert_int_eq(thread_create(&thread, "counter", counter, NULL), 0);
		await_written(3);
		hostmem_will_unmap(fx.hm, (uintptr_t)mem, BURST);
		munmap(mem, BURST);
		if (i % 2)
			await_written(atomic_load(&written) + 2);
		atomic_store(&stop, true);
		pthread_join(thread, NULL);
		ck_assert_int_eq(dma_read(dev, 0, bytes, sizeof(bytes)), 0);
		memset(expect, (int)atomic_load(&written), sizeof(expect));
		ck_assert_mem_eq(bytes, expect, sizeof(bytes));
		ck_assert_uint_eq(emu_unmap(c, 0, BURST), BURST);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulated_dma");
	TCase *tc = tcase_create("emulated_dma"), *limit = tcase_create("limit"),
	      *few = tcase_create("few");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, reads_and_writes);
	tcase_add_test(tc, ends_of_the_space);
	tcase_add_test(tc, wild_addresses);
	tcase_add_test(tc, faults);
	tcase_add_test(tc, closed);
	tcase_add_test(tc, kept_alive);
	tcase_add_test(tc, other_devices_memory);
	tcase_add_test(tc, nothing_behind_an_unmap);
	tcase_add_test(tc, no_write_is_lost);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(limit, setup_limit, teardown);
	tcase_add_test(limit, memlock);
	suite_add_tcase(suite, limit);
	tcase_add_checked_fixture(few, setup_few, teardown);
	tcase_add_test(few, bounded);
	suite_add_tcase(suite, few);
	return fixture_main(suite);
}
