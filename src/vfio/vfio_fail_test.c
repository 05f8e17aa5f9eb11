/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every failure point of a driver's life: open, join, map, a second group with a domain of its own,
 * information, unmap, close. The point fails once; the step must report it, must have changed
 * nothing, and must succeed when it is done again. In the end nothing is left (under
 * AddressSanitizer no memory either).
 */
#include "vfio/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/failpoint.h"

#define PAGE	   HOST_PAGE_SIZE
#define MIXED_IOVA 0x3fffff000 /* a page before tables of its own begin */

static struct fx_open o;
static int second;
static char *mem, *around;
static void *bar; /* in the middle of around's three pages */

/* What a failed step must leave as it was. */
struct state {
	uint64_t locked;
	unsigned int open_files;
	bool reaches[4];
	int opens;
	int claims;
};

static bool reaches(unsigned int dev, uint64_t iova)
{
	uint8_t byte;

	return dma_read(fx.devs[dev].iommu, iova, &byte, 1) == 0;
}

static void look(struct state *state)
{
	memset(state, 0, sizeof(*state));
	state->locked = hostmem_locked(fx.hm);
	for (int fd = 0; fd < 1024; fd++)
		state->open_files += fcntl(fd, F_GETFD) >= 0;
	state->reaches[0] = reaches(0, 0x200000);
	state->reaches[1] = reaches(1, 0x200000 + 599 * PAGE);
	state->reaches[2] = reaches(0, 0x1000000);
	state->reaches[3] = reaches(0, MIXED_IOVA);
	state->opens = fx.devs[0].opens - fx.devs[0].closes;
	state->claims = fx.claims[0] + fx.claims[1];
}

static long keep(long ret, int *fd)
{
	if (ret < 0)
		return ret;
	*fd = (int)ret;
	return 0;
}

static long step_container(void)
{
	struct file *file;
	long ret = vfio_container_open(fx.core, O_RDWR, &file);

	if (ret)
		return ret;
	ret = file_install(file, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		file_put(file);
	return keep(ret, &o.container);
}

static long open_group(unsigned int id, int *fd)
{
	struct file *file;
	long ret = vfio_group_open(fx.core, id, O_RDWR, &file);

	if (ret)
		return ret;
	ret = file_install(file, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		file_put(file);
	return keep(ret, fd);
}

static long step_group(void)
{
	return open_group(0, &o.group);
}

static long step_join(void)
{
	return fx_ioctl(o.group, VFIO_GROUP_SET_CONTAINER, &o.container);
}

static long step_iommu(void)
{
	return fx_ioctl(o.container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
}

static long step_device(void)
{
	return keep(fx_ioctl(o.group, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name), &o.device);
}

static long step_map(void)
{
	return fx_map(o.container, FX_RW, mem, 0x200000, 600 * PAGE);
}

static long step_map_bar(void)
{
	struct file *file;
	long ret;

	if (!bar) {
		file = file_from_fd(o.device);
		ret = file_mmap(file, around + PAGE, PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, 0, &bar);
		file_put(file);
		if (ret) {
			bar = NULL;
			return ret;
		}
	}
	return fx_map(o.container, FX_RW, bar, 0x1000000, PAGE);
}

/* Memory, a region, memory. */
static long step_map_mixture(void)
{
	return fx_map(o.container, FX_RW, (char *)bar - PAGE, MIXED_IOVA, 3 * PAGE);
}

static long step_second_group(void)
{
	return open_group(1, &second);
}

static long step_second_join(void)
{
	return fx_ioctl(second, VFIO_GROUP_SET_CONTAINER, &o.container);
}

static long step_info(void)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[256];
	} a = { .info = { .argsz = sizeof(a) } };
	struct {
		struct vfio_device_info info;
		uint8_t caps[64];
	} d = { .info = { .argsz = sizeof(d) } };
	long ret = fx_ioctl(o.container, VFIO_IOMMU_GET_INFO, &a);

	return ret ? ret : fx_ioctl(o.device, VFIO_DEVICE_GET_INFO, &d);
}

static long step_irqs(void)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} a = { .set = { .argsz = sizeof(a),
			 .count = 1,
			 .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER } };

	return fx_ioctl(o.device, VFIO_DEVICE_SET_IRQS, &a);
}

static long step_unmap(void)
{
	uint64_t size = 600 * PAGE;

	return fx_unmap(o.container, 0, 0x200000, &size);
}

static const struct {
	const char *name;
	long (*fn)(void);
} steps[] = {
	{ "container", step_container },
	{ "group", step_group },
	{ "join", step_join },
	{ "iommu", step_iommu },
	{ "device", step_device },
	{ "map", step_map },
	{ "map bar", step_map_bar },
	{ "map mixture", step_map_mixture },
	{ "second group", step_second_group },
	{ "second join", step_second_join },
	{ "info", step_info },
	{ "irqs", step_irqs },
	{ "unmap", step_unmap },
};

/* Runs the sequence with point @nth failing; false when there are not so many. */
static bool run(unsigned int nth)
{
	struct state before, after;
	bool fired = false;
	long ret;

	fixture_setup_with(IOMMU_MODEL_AMD, IOMMU_MODEL_INTEL, UINT64_MAX);
	mem = fx_memory(600 * PAGE);
	around = fx_memory(3 * PAGE);
	bar = NULL;
	failpoint_arm(nth);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		look(&before);
		ret = steps[i].fn();
		if (!fired && failpoint_fired()) {
			fired = true;
			failpoint_arm(0);
			/* A failure that a step can live without is no error. */
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
	ck_assert(!reaches(0, 0x200000));
	ck_assert(reaches(0, 0x1000000));
	file_munmap((uintptr_t)bar, PAGE);
	munmap(around, 3 * PAGE);
	fx_close(second);
	fx_close_all(&o);
	munmap(mem, 600 * PAGE);
	fixture_teardown();
	return fired;
}

START_TEST(every_point_of_a_life)
{
	unsigned int nth = 1;

	while (run(nth))
		nth++;
	/* At least one for each step but the joining and the unmapping. */
	ck_assert_uint_gt(nth, ARRAY_SIZE(steps));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vfio_fail");
	TCase *tc = tcase_create("fail");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, every_point_of_a_life);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
