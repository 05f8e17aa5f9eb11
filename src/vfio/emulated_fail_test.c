/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every failure point in the life of an emulated device's DMA: its group joins, memory is mapped,
 * pinned by hand and by the DMA handle, dirty pages are tracked, a real group joins. The point
 * fails once; the step must report it, must have changed nothing, and must succeed when it is done
 * again.
 */
#include <string.h>

#include "base/failpoint.h"
#include "vfio/emulated_dma.h"
#include "vfio/emulated_fixture.h"

static struct vfio_emulated_dma *handles[2];
static int c, real;

static void add_handle(struct emulated *e)
{
	struct vfio_emulated_dma **handle = &handles[e - emu];

	ck_assert_int_eq(vfio_emulated_dma_create(&e->vdev, 0, handle), 0);
	dma_set_master(vfio_emulated_dma_dev(*handle), true);
}

static long set_container(int group)
{
	return fx_ioctl(group, VFIO_GROUP_SET_CONTAINER, &c);
}

static long step_map(void)
{
	return fx_map(c, FX_RW, emu_mem, 0, 32 * PAGE);
}

static long step_pin(void)
{
	paddr_t pages[4];
	int ret = emu_pin(0, 4 * PAGE, 4, RW, pages);

	return ret == 4 ? 0 : ret;
}

static long step_pin_too(void)
{
	paddr_t pages[4];
	int ret = emu_pin(1, 5 * PAGE, 4, RW, pages);

	return ret == 4 ? 0 : ret;
}

static long step_dma(void)
{
	uint8_t bytes[3 * PAGE] = { 1 };

	return dma_write(vfio_emulated_dma_dev(handles[0]), 16 * PAGE, bytes, sizeof(bytes));
}

static long step_dirty(void)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};

	return fx_ioctl(c, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

static long step_map_dirty(void)
{
	return fx_map(c, FX_RW, emu_mem + 32 * PAGE, 64 * PAGE, 32 * PAGE);
}

static long step_second_joins(void)
{
	return set_container(emu[1].group);
}

static long step_real_joins(void)
{
	return set_container(real);
}

static long step_map_all(void)
{
	return fx_map(c, FX_RW, emu_mem, 128 * PAGE, 32 * PAGE);
}

static const struct {
	const char *name;
	long (*fn)(void);
} steps[] = {
	{ "second joins", step_second_joins },
	{ "map", step_map },
	{ "pin", step_pin },
	{ "dma", step_dma },
	{ "dirty", step_dirty },
	{ "map, tracked", step_map_dirty },
	{ "real group joins", step_real_joins },
	{ "map, real", step_map_all },
};

/* What a failed step must leave as it was; of DMA some of the pages may be pinned. */
struct state {
	uint64_t locked;
	bool mapped[3], reaches;
};

static void look(struct state *state)
{
	static const uint64_t iovas[] = { 0, 64 * PAGE, 128 * PAGE };
	uint8_t byte;

	memset(state, 0, sizeof(*state));
	state->locked = hostmem_locked(fx.hm) - vfio_emulated_dma_pinned(handles[0]) * PAGE;
	for (size_t i = 0; i < ARRAY_SIZE(iovas); i++)
		state->mapped[i] = !vfio_dma_rw(&emu[0].vdev, iovas[i], &byte, 1, false);
	state->reaches = !dma_read(fx.devs[0].iommu, 0, &byte, 1);
}

/* Runs the sequence with point @nth failing; false when there are not so many. */
static bool run(unsigned int nth)
{
	struct state before, after;
	bool fired = false;
	long ret;

	emu_setup_with(UINT64_MAX, add_handle);
	c = emu_start();
	emu[1].group = fx_open_group(FIXTURE_NOIOMMU + 1);
	real = fx_open_group(0);
	failpoint_arm(nth);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		look(&before);
		ret = steps[i].fn();
		if (!fired && failpoint_fired()) {
			fired = true;
			failpoint_arm(0);
			if (ret) {
				look(&after);
				ck_assert_msg(!memcmp(&before, &after, sizeof(before)),
					      "point %u: %s changed something", nth, steps[i].name);
				ret = steps[i].fn();
			}
		}
		ck_assert_msg(ret == 0, "%s: %ld", steps[i].name, ret);
	}
	failpoint_arm(0);
	emu_unpin(0, 4 * PAGE, 4);
	fx_close(real);
	emu_teardown();
	for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++)
		vfio_emulated_dma_destroy(handles[i]);
	return fired;
}

START_TEST(every_point)
{
	unsigned int nth = 1;

	while (run(nth))
		nth++;
	ck_assert_uint_gt(nth, 2 * ARRAY_SIZE(steps));
}
END_TEST

/* A second device's counts of pages that the first has pinned. */
START_TEST(every_point_of_a_second_user)
{
	paddr_t pages[4];
	unsigned int nth;
	uint64_t locked;
	int ret;

	emu_setup();
	c = emu_start();
	emu_add_second(c);
	ck_assert_int_eq(step_map(), 0);
	ck_assert_int_eq(step_pin(), 0);
	locked = hostmem_locked(fx.hm);
	for (nth = 1;; nth++) {
		failpoint_arm(nth);
		ret = (int)step_pin_too();
		if (!failpoint_fired())
			break;
		ck_assert_int_lt(ret, 0);
		ck_assert_uint_eq(hostmem_locked(fx.hm), locked);
	}
	failpoint_arm(0);
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_gt(nth, 4);
	ck_assert_int_eq(emu_pin(1, 5 * PAGE, 4, RW, pages), 4);
	emu_unpin(1, 5 * PAGE, 4);
	emu_unpin(1, 5 * PAGE, 4);
	emu_unpin(0, 4 * PAGE, 4);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	emu_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulated_fail");
	TCase *tc = tcase_create("fail");

	tcase_add_test(tc, every_point);
	tcase_add_test(tc, every_point_of_a_second_user);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
