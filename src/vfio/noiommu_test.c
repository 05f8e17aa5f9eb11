/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups that are made for a device without an IOMMU: what registering wants, what the user needs
 * at each step, which containers take them, and that they go with the device. */
#include "vfio/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static char logged[512];

static void keep_log(void *arg, enum log_level level, const char *message)
{
	snprintf(logged, sizeof(logged), "%s", message);
}

/* Device 0 leaves its unit and is registered again. */
static int reregister(enum vfio_group_type type)
{
	struct fixture_device *dev = &fx.devs[0];

	if (dev->vdev.group)
		vfio_unregister_group_dev(&dev->vdev);
	iommu_group_remove_device(dev->iommu);
	ck_assert_int_eq(vfio_init_device(&dev->vdev, &dev->dev, dev->vdev.ops, dev), 0);
	return vfio_register_group_dev(&dev->vdev, type);
}

static void setup(void)
{
	fixture_setup();
	ck_assert_int_eq(vfio_register_iommu_driver(fx.core, &vfio_iommu_driver_ops_noiommu), 0);
	log_set_sink(keep_log, NULL);
	fx.noiommu = true;
	ck_assert_int_eq(reregister(VFIO_IOMMU), 0);
}

static void teardown(void)
{
	log_set_sink(NULL, NULL);
	vfio_unregister_iommu_driver(fx.core, &vfio_iommu_driver_ops_noiommu);
	fixture_teardown();
	ck_assert_ptr_null(fx.made);
}

static long set_iommu(int container, unsigned long type)
{
	return fx_ioctl(container, VFIO_SET_IOMMU, (void *)type);
}

static long has(int container, unsigned long extension)
{
	return fx_ioctl(container, VFIO_CHECK_EXTENSION, (void *)extension);
}

static int device_fd(int group)
{
	char name[32];

	strcpy(name, fx.devs[0].dev.name);
	return (int)fx_ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
}

START_TEST(registering)
{
	ck_assert_ptr_nonnull(fx.made);
	ck_assert_int_eq(fx.devs[0].vdev.type, VFIO_NO_IOMMU);
	ck_assert_int_eq(fx.devs[2].vdev.type, VFIO_IOMMU);
	ck_assert_uint_eq(fx.taints, 1U << TAINT_USER);
	ck_assert_str_eq(logged, "fake 0000:01:00.0: Adding kernel taint for vfio-noiommu group on "
				 "device");
	/* Without the opt-in a device without a group cannot be had. */
	fx.noiommu = false;
	fx.taints = 0;
	ck_assert_int_eq(reregister(VFIO_IOMMU), -EINVAL);
	ck_assert_ptr_null(fx.made);
	ck_assert_uint_eq(fx.taints, 0);
	/* What does no DMA of its own needs none. */
	ck_assert_int_eq(reregister(VFIO_EMULATED_IOMMU), 0);
	ck_assert_ptr_nonnull(fx.made);
	ck_assert_int_eq(fx.devs[0].vdev.type, VFIO_EMULATED_IOMMU);
	ck_assert_uint_eq(fx.taints, 0);
}
END_TEST

START_TEST(steps)
{
	int c = fx_open_container(), g = fx_open_group(FIXTURE_NOIOMMU), d;
	struct vfio_group_status st = { .argsz = sizeof(st) };

	ck_assert_int_ge(g, 0);
	/* A container that may become either kind has the extensions of both. */
	ck_assert_int_eq(has(c, VFIO_NOIOMMU_IOMMU), 1);
	ck_assert_int_eq(has(c, VFIO_TYPE1v2_IOMMU), 1);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_STATUS, &st), 0);
	ck_assert_uint_eq(st.flags, VFIO_GROUP_FLAGS_VIABLE);
	ck_assert_int_eq(device_fd(g), -EINVAL);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(has(c, VFIO_NOIOMMU_IOMMU), 1);
	ck_assert_int_eq(has(c, VFIO_TYPE1v2_IOMMU), 0);
	ck_assert_int_eq(device_fd(g), -EINVAL);
	ck_assert_int_eq(set_iommu(c, VFIO_TYPE1v2_IOMMU), -ENODEV);
	/* The opt-in counts here as well. */
	fx.noiommu = false;
	ck_assert_int_eq(has(c, VFIO_NOIOMMU_IOMMU), 0);
	ck_assert_int_eq(set_iommu(c, VFIO_NOIOMMU_IOMMU), -ENODEV);
	fx.noiommu = true;
	ck_assert_int_eq(set_iommu(c, VFIO_NOIOMMU_IOMMU), 0);
	ck_assert_int_eq(has(c, VFIO_NOIOMMU_IOMMU), 1);
	ck_assert_int_eq(has(c, VFIO_TYPE1v2_IOMMU), 0);
	ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_GET_INFO, NULL), -ENOTTY);
	ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_MAP_DMA, NULL), -ENOTTY);
	logged[0] = '\0';
	d = device_fd(g);
	ck_assert_int_ge(d, 0);
	ck_assert_ptr_nonnull(strstr(logged, "vfio-noiommu device opened by user ("));
	fx_close(d);
	fx_close(g);
	/* Without groups the container is neither kind again. */
	ck_assert_int_eq(has(c, VFIO_TYPE1v2_IOMMU), 1);
	fx_close(c);
}
END_TEST

START_TEST(without_rawio)
{
	int c = fx_open_container(), g;

	fx.no_rawio = true;
	ck_assert_int_eq(fx_open_group(FIXTURE_NOIOMMU), -EPERM);
	fx.no_rawio = false;
	g = fx_open_group(FIXTURE_NOIOMMU);
	ck_assert_int_ge(g, 0);
	ck_assert_int_eq(fx_open_group(FIXTURE_NOIOMMU), -EBUSY);
	fx.no_rawio = true;
	/* Before it is busy. */
	ck_assert_int_eq(fx_open_group(FIXTURE_NOIOMMU), -EPERM);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	fx.no_rawio = false;
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	fx.no_rawio = true;
	ck_assert_int_eq(set_iommu(c, VFIO_NOIOMMU_IOMMU), -EPERM);
	fx.no_rawio = false;
	ck_assert_int_eq(set_iommu(c, VFIO_NOIOMMU_IOMMU), 0);
	fx.no_rawio = true;
	ck_assert_int_eq(device_fd(g), -EPERM);
	/* Groups behind a unit want nothing of it. */
	fx_close(g);
	fx_close(c);
	g = fx_open_group(1);
	ck_assert_int_ge(g, 0);
	fx_close(g);
}
END_TEST

START_TEST(no_mixing)
{
	int c = fx_open_container(), g = fx_open_group(FIXTURE_NOIOMMU), real = fx_open_group(1);

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	ck_assert_int_eq(fx_ioctl(real, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	ck_assert_int_eq(has(c, VFIO_NOIOMMU_IOMMU), 0);
	ck_assert_int_eq(set_iommu(c, VFIO_NOIOMMU_IOMMU), -ENODEV);
	ck_assert_int_eq(set_iommu(c, VFIO_TYPE1v2_IOMMU), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	fx_close(g);
	fx_close(real);
	fx_close(c);
}
END_TEST

/* The device goes while its group is open: the group in the user's hands is nobody's. */
START_TEST(removal)
{
	int c = fx_open_container(), g = fx_open_group(FIXTURE_NOIOMMU), again;
	struct vfio_group_status st = { .argsz = sizeof(st) };

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(set_iommu(c, VFIO_NOIOMMU_IOMMU), 0);
	vfio_unregister_group_dev(&fx.devs[0].vdev);
	ck_assert_ptr_null(fx.made);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_STATUS, &st), -ENODEV);
	ck_assert_int_eq(has(c, VFIO_TYPE1v2_IOMMU), 1);
	ck_assert_int_eq(reregister(VFIO_IOMMU), 0);
	again = fx_open_group(FIXTURE_NOIOMMU);
	ck_assert_int_ge(again, 0);
	fx_close(again);
	fx_close(g);
	fx_close(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noiommu");
	TCase *tc = tcase_create("noiommu");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, registering);
	tcase_add_test(tc, steps);
	tcase_add_test(tc, without_rawio);
	tcase_add_test(tc, no_mixing);
	tcase_add_test(tc, removal);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
