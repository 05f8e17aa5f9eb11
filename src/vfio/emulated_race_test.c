/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything at once for a moment around emulated devices: DMA of two handles under their devices'
 * locks, mapping and unmapping, a real group that joins and leaves, a device that is closed and
 * opened, dirty pages, memory that is taken away while it is pinned. What is looked for is a
 * deadlock, a data race or a lock taken out of order (under ThreadSanitizer), and DMA behind an
 * unmap.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/thread.h"
#include "vfio/emulated_dma.h"
#include "vfio/emulated_fixture.h"

#define SECONDS 0.5
#define SIZE	(32 * PAGE)

static struct vfio_emulated_dma *handles[2];
static pthread_mutex_t locks[2] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static atomic_bool stop;
static atomic_uint turns[9];
static int c;

static void add_handle(struct emulated *e)
{
	struct vfio_emulated_dma **handle = &handles[e - emu];

	ck_assert_int_eq(vfio_emulated_dma_create(&e->vdev, 40, handle), 0);
	dma_set_master(vfio_emulated_dma_dev(*handle), true);
}

/* Slots of IOVAs: 1 and 2 of mappers, 3 of memory that is taken away. */
static uint64_t slot(uintptr_t n)
{
	return n << 32;
}

/* The hardware behind device @arg: one thread at a time, as its lock says. */
static void *device(void *arg)
{
	const uintptr_t n = (uintptr_t)arg;
	char bytes[2 * PAGE];
	unsigned int i = 0;

	memset(bytes, 0x22, sizeof(bytes));
	while (!atomic_load(&stop)) {
		pthread_mutex_lock(&locks[n]);
		dma_write(vfio_emulated_dma_dev(handles[n]), slot(1 + i % 3) + i % 31 * PAGE, bytes,
			  sizeof(bytes));
		pthread_mutex_unlock(&locks[n]);
		atomic_fetch_add(&turns[n], 1);
		i++;
	}
	return NULL;
}

static void *mapper(void *arg)
{
	const uintptr_t n = (uintptr_t)arg;
	volatile char *mem = fx_memory(SIZE);

	while (!atomic_load(&stop)) {
		ck_assert_int_eq(fx_map(c, FX_RW, (char *)mem, slot(n), SIZE), 0);
		sched_yield();
		ck_assert_uint_eq(emu_unmap(c, slot(n), SIZE), SIZE);
		mem[5 * PAGE] = 0x33;
		sched_yield();
		ck_assert(mem[5 * PAGE] == 0x33);
		atomic_fetch_add(&turns[1 + n], 1);
	}
	munmap((char *)mem, SIZE);
	return NULL;
}

/* The address stays taken as long as it is mapped for DMA: what is pinned late is what is there. */
static void *taker(void *arg)
{
	struct hostmem_leaving leaving;
	char *mem;

	while (!atomic_load(&stop)) {
		mem = fx_memory(SIZE);
		ck_assert_int_eq(fx_map(c, FX_RW, mem, slot(3), SIZE), 0);
		sched_yield();
		ck_assert(hostmem_leaving_begin(fx.hm, &leaving, (uintptr_t)mem, SIZE));
		hostmem_will_unmap(fx.hm, (uintptr_t)mem, SIZE);
		ck_assert_ptr_eq(
			mmap(mem, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			mem);
		hostmem_leaving_end(fx.hm, &leaving);
		sched_yield();
		ck_assert_uint_eq(emu_unmap(c, slot(3), SIZE), SIZE);
		munmap(mem, SIZE);
		atomic_fetch_add(&turns[4], 1);
	}
	return NULL;
}

/* Joins fail when memory that is only mapped has been taken away. */
static void *joiner(void *arg)
{
	int group, ret;

	while (!atomic_load(&stop)) {
		group = fx_open_group(0);
		ck_assert_int_ge(group, 0);
		ret = (int)fx_ioctl(group, VFIO_GROUP_SET_CONTAINER, &c);
		ck_assert(!ret || ret == -EFAULT);
		sched_yield();
		fx_close(group);
		atomic_fetch_add(&turns[5], 1);
	}
	return NULL;
}

static void *opener(void *arg)
{
	int fd;

	while (!atomic_load(&stop)) {
		fd = (int)fx_ioctl(emu[1].group, VFIO_GROUP_GET_DEVICE_FD, emu[1].dev.name);
		ck_assert_int_ge(fd, 0);
		sched_yield();
		fx_close(fd);
		atomic_fetch_add(&turns[6], 1);
	}
	return NULL;
}

static void *tracker(void *arg)
{
	uint64_t words[4];
	struct {
		struct vfio_iommu_type1_dirty_bitmap dirty;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} a = { .dirty.argsz = sizeof(a),
		.get = { .iova = slot(1),
			 .size = SIZE,
			 .bitmap = {
				 .pgsize = PAGE, .size = sizeof(words), .data = (void *)words } } };

	while (!atomic_load(&stop)) {
		a.dirty.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
		ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_DIRTY_PAGES, &a), 0);
		a.dirty.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
		ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_DIRTY_PAGES, &a), 0);
		a.dirty.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
		ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_DIRTY_PAGES, &a), 0);
		atomic_fetch_add(&turns[7], 1);
	}
	return NULL;
}

/* Memory that is nobody's to touch, at addresses that were a device's a moment ago. */
static void *bystander(void *arg)
{
	static char expect[SIZE];
	char *mem;

	memset(expect, 0x5a, sizeof(expect));
	while (!atomic_load(&stop)) {
		mem = fx_memory(SIZE);
		sched_yield();
		ck_assert_mem_eq(mem, expect, SIZE);
		munmap(mem, SIZE);
		atomic_fetch_add(&turns[8], 1);
	}
	return NULL;
}

static bool all_had_turns(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
		if (atomic_load(&turns[i]) < 3)
			return false;
	return true;
}

START_TEST(all_at_once)
{
	static const struct {
		void *(*fn)(void *arg);
		uintptr_t arg;
	} actors[] = {
		{ device, 0 }, { device, 1 }, { mapper, 1 },  { mapper, 2 },	{ taker, 0 },
		{ joiner, 0 }, { opener, 0 }, { tracker, 0 }, { bystander, 0 },
	};
	const struct timespec while_running = { .tv_nsec = (long)(SECONDS * 1e9) };
	pthread_t threads[ARRAY_SIZE(actors)];

	emu_setup_with(UINT64_MAX, add_handle);
	c = emu_start();
	emu_add_second(c);
	fx_close(emu[1].fd);
	emu[1].fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(actors); i++)
		ck_assert_int_eq(
			thread_create(&threads[i], "actor", actors[i].fn, (void *)actors[i].arg),
			0);
	nanosleep(&while_running, NULL);
	while (!all_had_turns())
		sched_yield();
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(actors); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	ck_assert_str_eq(emu_log, "");
	emu_teardown();
	for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++)
		vfio_emulated_dma_destroy(handles[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulated_race");
	TCase *tc = tcase_create("race");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, all_at_once);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
