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

static struct fx_open o;
static atomic_bool stop;

static void *mapper(void *arg)
{
	const uint64_t base = (uint64_t)(uintptr_t)arg << 32;
	char *mem = fx_memory(64 * PAGE);
	uint64_t size;

	for (unsigned int i = 0; !atomic_load(&stop); i++) {
		const uint64_t iova = base + i % 32 * PAGE, len = (1 + i % 7) * PAGE;

		memset(mem, 0x11, PAGE);
		ck_assert_int_eq(fx_map(o.container, FX_RW, mem, iova, len), 0);
		size = len;
		ck_assert_int_eq(fx_unmap(o.container, 0, iova, &size), 0);
		ck_assert_uint_eq(size, len);
		/* The device may have written 0x22 until now, not from now on. */
		memset(mem, 0x33, PAGE);
		for (unsigned int k = 0; k < 50; k++)
			ck_assert_int_eq(((volatile char *)mem)[k * 64], 0x33);
	}
	munmap(mem, 64 * PAGE);
	return NULL;
}

/* The device's thread: writes wherever the mappers map. Most of it faults. */
static void *device(void *arg)
{
	static const char bytes[64] = { 0x22, 0x22 };
	unsigned int i = 0;

	while (!atomic_load(&stop)) {
		dma_write(fx.devs[0].iommu, (uint64_t)(1 + i % 2) << 32 | (i / 2 % 34) * PAGE,
			  bytes, sizeof(bytes));
		i++;
	}
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

static void *taker(void *arg)
{
	const uint64_t iova = 9ULL << 32;
	uint64_t size;
	char *mem;
	long ret;

	while (!atomic_load(&stop)) {
		mem = fx_memory(4 * PAGE);
		ck_assert_int_eq(fx_map(o.container, FX_RW, mem, iova, 4 * PAGE), 0);
		hostmem_will_unmap(fx.hm, (uintptr_t)mem, 4 * PAGE);
		munmap(mem, 4 * PAGE);
		size = 4 * PAGE;
		ret = fx_unmap(o.container, 0, iova, &size);
		ck_assert_int_eq(ret, 0);
		ck_assert_uint_eq(size, 4 * PAGE);
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
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
