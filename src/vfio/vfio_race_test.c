/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything at once for a moment: mapping and unmapping, groups that join and leave (one with a
 * domain of its own), devices opened and closed, DMA, and memory taken away while it is mapped.
 * What is looked for is a deadlock, a data race (under ThreadSanitizer) and DMA after an unmap.
 */
#include "vfio/fixture.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE	HOST_PAGE_SIZE
#define SECONDS 0.4
#define HUGE	0x200000UL
#define BURST	0x20000UL /* what the device writes in one section */

static struct fx_open o;
static atomic_bool stop;

static uint64_t mapper_iova(uintptr_t mapper)
{
	return (uint64_t)mapper << 32;
}

/*
 * Maps one large leaf, waits until the device has begun a burst there, unmaps. What the device has
 * not written by then, the end of the burst most likely, it must not write any more.
 */
static void *mapper(void *arg)
{
	const uint64_t iova = mapper_iova((uintptr_t)arg);
	char *area = fx_memory(2 * HUGE);
	volatile char *mem = (char *)ALIGN_UP((uintptr_t)area, HUGE);
	uint64_t size;

	while (!atomic_load(&stop)) {
		mem[0] = 0x11;
		ck_assert_int_eq(fx_map(o.container, FX_RW, (char *)mem, iova, HUGE), 0);
		for (unsigned int k = 0; k < 20000 && mem[0] == 0x11; k++)
			;
		size = HUGE;
		ck_assert_int_eq(fx_unmap(o.container, 0, iova, &size), 0);
		ck_assert_uint_eq(size, HUGE);
		mem[BURST - 1] = 0x33;
		for (unsigned int k = 0; k < 20000; k++)
			ck_assert(mem[BURST - 1] == 0x33);
	}
	munmap(area, 2 * HUGE);
	return NULL;
}

/* A device's thread that writes where a mapper maps. Much of it faults. */
static void *device(void *arg)
{
	static char bytes[BURST];
	unsigned int i = 0;

	memset(bytes, 0x22, sizeof(bytes));
	while (!atomic_load(&stop))
		dma_write(fx.devs[0].iommu, mapper_iova(1 + i++ % 2), bytes, sizeof(bytes));
	return NULL;
}

static void *joiner(void *arg)
{
	const unsigned int id = (unsigned int)(uintptr_t)arg;
	char *name = fx.devs[id].dev.name;
	int g, d;

	while (!atomic_load(&stop)) {
		g = fx_open_group(id);
		ck_assert_int_ge(g, 0);
		ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), 0);
		d = (int)fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, name);
		ck_assert_int_ge(d, 0);
		ck_assert_int_eq(fx_ioctl(d, VFIO_DEVICE_RESET, NULL), 0);
		/* Either way round. */
		fx_close(fx.devs[id].opens % 2 ? g : d);
		fx_close(fx.devs[id].opens % 2 ? d : g);
	}
	return NULL;
}

/* ---- memory that goes away while it is mapped ------------------------------------------------ */

#define SLOTS (PAGE / 8)

static const uint64_t kept_iova = 9ULL << 32;
static _Atomic uint64_t written; /* the last number that the device wrote */
static atomic_bool writing, paused;

/* A device that writes numbers, each to its slot: none may get lost when the memory moves. */
static void *counter(void *arg)
{
	uint64_t number = 0;

	while (!atomic_load(&stop)) {
		atomic_store(&paused, !atomic_load(&writing));
		if (atomic_load(&paused)) {
			sched_yield();
			continue;
		}
		number++;
		ck_assert_int_eq(dma_write(fx.devs[3].iommu, kept_iova + number % SLOTS * 8,
					   &number, sizeof(number)),
				 0);
		atomic_store(&written, number);
	}
	return NULL;
}

static void await_writes(uint64_t count)
{
	const uint64_t from = atomic_load(&written);

	while (atomic_load(&written) - from < count)
		sched_yield();
}

static void unmap_page(char *mem)
{
	hostmem_will_unmap(fx.hm, (uintptr_t)mem, PAGE);
	munmap(mem, PAGE);
}

START_TEST(no_write_is_lost)
{
	uint64_t size, last, slots[SLOTS];
	pthread_t thread;
	char *mem;
	int g;

	fixture_setup();
	o = fx_open_all(VFIO_TYPE1v2_IOMMU);
	g = fx_open_group(2);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &o.container), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, counter, NULL), 0);
	for (unsigned int i = 0; i < 30; i++) {
		mem = fx_memory(PAGE);
		ck_assert_int_eq(fx_map(o.container, FX_RW, mem, kept_iova, PAGE), 0);
		atomic_store(&paused, false);
		atomic_store(&writing, true);
		await_writes(200);
		unmap_page(mem);
		await_writes(200);
		atomic_store(&writing, false);
		while (!atomic_load(&paused))
			sched_yield();
		ck_assert_int_eq(dma_read(fx.devs[0].iommu, kept_iova, slots, sizeof(slots)), 0);
		last = atomic_load(&written);
		for (unsigned int k = 0; k < 400; k++)
			ck_assert_uint_eq(slots[(last - k) % SLOTS], last - k);
		size = PAGE;
		ck_assert_int_eq(fx_unmap(o.container, 0, kept_iova, &size), 0);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	fx_close(g);
	fx_close_all(&o);
	fixture_teardown();
}
END_TEST

static void *taker(void *arg)
{
	uint64_t size;
	char *mem;

	while (!atomic_load(&stop)) {
		mem = fx_memory(PAGE);
		ck_assert_int_eq(fx_map(o.container, FX_RW, mem, kept_iova, PAGE), 0);
		unmap_page(mem);
		size = PAGE;
		ck_assert_int_eq(fx_unmap(o.container, 0, kept_iova, &size), 0);
		ck_assert_uint_eq(size, PAGE);
	}
	return NULL;
}

START_TEST(all_at_once)
{
	static const struct {
		void *(*fn)(void *arg);
		uintptr_t arg;
	} actors[] = {
		{ mapper, 1 }, { mapper, 2 }, { device, 0 },
		{ joiner, 1 }, { joiner, 2 }, { taker, 0 },
	};
	const struct timespec while_running = { .tv_nsec = (long)(SECONDS * 1e9) };
	pthread_t threads[ARRAY_SIZE(actors)];

	fixture_setup_with(IOMMU_MODEL_AMD, IOMMU_MODEL_INTEL, UINT64_MAX);
	o = fx_open_all(VFIO_TYPE1v2_IOMMU);
	for (size_t i = 0; i < ARRAY_SIZE(actors); i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, actors[i].fn, (void *)actors[i].arg), 0);
	nanosleep(&while_running, NULL);
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(actors); i++)
		pthread_join(threads[i], NULL);
	fx_close_all(&o);
	fixture_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vfio_race");
	TCase *tc = tcase_create("race");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, all_at_once);
	tcase_add_test(tc, no_write_is_lost);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
