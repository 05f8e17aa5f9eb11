/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver vfio_mdev: what a user does with its device arrives at the parent, and is traced; what
 * the parent has not, the device has not. */
#include <errno.h>
#include <string.h>

#include "mdev/mdev.h"
#include "mdev/trace.h"
#include "vfio/fixture.h"

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static struct device_core *core;
static struct device parent_dev = { .name = "card0" };
static struct mdev_parent parent;
static struct mdev_type type = { .sysfs_name = "small" };
static struct mdev_type *types[] = { &type };
static uint8_t regs[16];
static int opens, closes, probes, removes;

static int card_open(struct mdev_device *mdev)
{
	ck_assert_ptr_nonnull(mdev_vfio_device(mdev));
	opens++;
	return 0;
}

static void card_close(struct mdev_device *mdev)
{
	closes++;
}

static int card_get_info(struct mdev_device *mdev, struct vfio_device_info *info,
			 struct vfio_info_cap *caps)
{
	info->flags = VFIO_DEVICE_FLAGS_RESET;
	info->num_regions = 1;
	info->num_irqs = 3;
	return 0;
}

static ssize_t card_read(struct mdev_device *mdev, unsigned int region, uint64_t off, void *buf,
			 size_t count)
{
	ck_assert_str_eq(mdev->dev.name, UUID);
	if (region || off + count > sizeof(regs))
		return -EINVAL;
	memcpy(buf, regs + off, count);
	return (ssize_t)count;
}

static ssize_t card_write(struct mdev_device *mdev, unsigned int region, uint64_t off,
			  const void *buf, size_t count)
{
	if (region || off + count > sizeof(regs))
		return -EINVAL;
	memcpy(regs + off, buf, count);
	return (ssize_t)count;
}

static int card_probe(struct mdev_device *mdev)
{
	probes++;
	mdev->drvdata = regs;
	return 0;
}

static void card_remove(struct mdev_device *mdev)
{
	ck_assert_ptr_eq(mdev->drvdata, regs);
	removes++;
}

static const struct mdev_parent_ops card = {
	.name = "card",
	.device_api = "vfio-platform",
	.max_instances = 1,
	.probe = card_probe,
	.remove = card_remove,
	.open_device = card_open,
	.close_device = card_close,
	.get_info = card_get_info,
	.region_read = card_read,
	.region_write = card_write,
};

static void setup(void)
{
	fixture_setup();
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(device_add(&parent_dev), 0);
	ck_assert_int_eq(mdev_init(core, NULL), 0);
	ck_assert_int_eq(mdev_register_parent_ops(&parent, &parent_dev, &card, types, 1), -EBUSY);
	ck_assert_int_eq(vfio_mdev_init(), 0);
	ck_assert_int_eq(mdev_register_parent_ops(&parent, &parent_dev, &card, types, 1), 0);
	ck_assert_int_eq(mdev_device_create(&type, UUID), 0);
}

static void teardown(void)
{
	mdev_unregister_parent(&parent);
	vfio_mdev_exit();
	mdev_exit();
	device_del(&parent_dev);
	device_core_destroy(core);
	fixture_teardown();
	ck_assert_ptr_null(fx.made);
}

START_TEST(handing_on)
{
	struct vfio_device *vdev = mdev_vfio_device(mdev_find_device(UUID));
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct event seen[16];
	uint64_t seq = event_last(), lost = 0;
	uint32_t value = 0x12345678, back = 0;

	ck_assert_int_eq(vdev->type, VFIO_EMULATED_IOMMU);
	ck_assert_uint_eq(iommu_group_id(fx.made), FIXTURE_NOIOMMU);
	event_switch(1U << EVENT_MDEV);
	ck_assert_int_eq(vdev->ops->open_device(vdev), 0);
	ck_assert_int_eq(vdev->ops->get_info(vdev, &info, NULL), 0);
	ck_assert_uint_eq(info.num_irqs, 3);
	ck_assert_int_eq(vdev->ops->region_write(vdev, 0, 8, &value, 4), 4);
	ck_assert_int_eq(vdev->ops->region_read(vdev, 0, 8, &back, 4), 4);
	ck_assert_uint_eq(back, value);
	ck_assert_mem_eq(regs + 8, &value, 4);
	ck_assert_int_eq(vdev->ops->region_write(vdev, 1, 8, &value, 4), -EINVAL);
	vdev->ops->close_device(vdev);
	event_switch(0);
	/* What the parent has not is missing, as in any driver without. */
	ck_assert_ptr_null(vdev->ops->reset);
	ck_assert_ptr_null(vdev->ops->get_irq_info);
	ck_assert_int_eq(opens, 1);
	ck_assert_int_eq(closes, 1);
	ck_assert_uint_eq(event_read(&seq, seen, ARRAY_SIZE(seen), &lost), 7);
	ck_assert_uint_eq(seen[0].a, MDEV_OPEN_DEVICE);
	ck_assert_uint_eq(seen[1].a, MDEV_OPEN_DEVICE | MDEV_RESULT);
	ck_assert_uint_eq(seen[1].b, 0);
	ck_assert_uint_eq(seen[2].a, MDEV_GET_INFO);
	ck_assert_uint_eq(seen[3].a, MDEV_REGION_WRITE);
	ck_assert_uint_eq(seen[3].b, 8);
	ck_assert_uint_eq(seen[3].c, 4);
	ck_assert_uint_eq(seen[4].a, MDEV_REGION_READ);
	ck_assert_uint_eq(seen[5].b, 1ULL << 40 | 8);
	ck_assert_uint_eq(seen[6].a, MDEV_CLOSE_DEVICE);
}
END_TEST

START_TEST(binding_by_match)
{
	struct mdev_device *mdev = mdev_find_device(UUID);

	device_core_lock(core);
	device_release_driver(&mdev->dev);
	ck_assert_ptr_null(mdev_vfio_device(mdev));
	ck_assert_ptr_null(fx.made);
	/* The driver matches what a parent with operations has made. */
	ck_assert_int_eq(device_attach(&mdev->dev), 1);
	ck_assert_str_eq(mdev->dev.driver->name, "vfio_mdev");
	ck_assert_ptr_nonnull(fx.made);
	device_core_unlock(core);
	ck_assert_int_eq(probes, 2);
	ck_assert_int_eq(removes, 1);
	ck_assert(!mdev_device_attaches_once(mdev));
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(type.dir, "card-small");
	ck_assert_uint_eq(mdev_type_available(&type), 0);
	ck_assert_int_eq(mdev_device_create(&type, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"),
			 -EUSERS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vfio_mdev");
	TCase *tc = tcase_create("vfio_mdev");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, handing_on);
	tcase_add_test(tc, binding_by_match);
	tcase_add_test(tc, names);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
