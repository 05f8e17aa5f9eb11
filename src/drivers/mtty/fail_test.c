/* SPDX-License-Identifier: BSD-3-Clause */
/* Every failure point of a card's life is made to fail once: each error is reported, no port, fd or
 * instance is left behind, and the same steps work afterwards. */
#include <dirent.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "drivers/mtty/fixture.h"
#include "vfio/migration.h"

static int irq;

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Out and, from what came out, in again. */
static int migrate(struct vfio_device *vdev)
{
	struct file *file = NULL, *into = NULL;
	uint8_t stream[152];
	int ret;

	ret = vdev->mig_ops->set_state(vdev, VFIO_DEVICE_STATE_PRE_COPY, &file);
	if (ret)
		return ret;
	ret = vdev->mig_ops->set_state(vdev, VFIO_DEVICE_STATE_STOP_COPY, &into);
	ck_assert_ptr_null(into);
	if (!ret)
		ck_assert_int_eq(file_read(file, (uintptr_t)stream, 152), 152);
	file_put(file);
	if (!ret)
		ret = vdev->mig_ops->set_state(vdev, VFIO_DEVICE_STATE_RESUMING, &into);
	if (ret)
		return ret;
	ck_assert_int_eq(file_write(into, (uintptr_t)stream, 152), 152);
	file_put(into);
	return vdev->mig_ops->set_state(vdev, VFIO_DEVICE_STATE_RUNNING, &file);
}

static int use(struct vfio_device *vdev)
{
	int ret = vdev->ops->open_device(vdev);

	if (ret)
		return ret;
	ret = vdev->ops->set_irqs(vdev, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				  VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &irq);
	if (!ret)
		ret = migrate(vdev);
	if (!ret)
		ret = vdev->ops->reset(vdev);
	vdev->ops->close_device(vdev);
	return ret;
}

static int live(struct mdev_parent *parent)
{
	int ret = mdev_device_create(mdev_find_type(parent, "mtty-2"), UUID_A);
	struct mdev_device *mdev = mdev_find_device(UUID_A);

	ck_assert(!ret == !!mdev);
	if (ret)
		return ret;
	ret = (int)test_device_store(mtty_core, &mdev->dev, "vendor/port0",
				     mtty_fixture_has_ptys() ? "pty" : "loopback");
	if (ret > 0)
		ret = (int)test_device_store(mtty_core, &mdev->dev, "vendor/port1",
					     "cable:" UUID_B ":0");
	if (ret > 0)
		ret = use(&((struct mtty_card *)mdev->drvdata)->vdev);
	ck_assert_int_eq(mdev_device_remove(mdev), 0);
	return ret;
}

START_TEST(sweep)
{
	struct mdev_parent *parent = NULL;
	unsigned int before, n;

	mtty_fixture_setup();
	irq = eventfd(0, EFD_NONBLOCK);
	mdev_for_each_parent(mtty_fixture_parent, &parent);
	mtty_fixture_create("mtty-1", UUID_B);
	ck_assert_int_eq(live(parent), 0);
	before = open_fds();
	for (n = 1; n < 200; n++) {
		int ret;

		failpoint_arm(n);
		ret = live(parent);
		if (!failpoint_fired()) {
			ck_assert_int_eq(ret, 0);
			break;
		}
		failpoint_arm(0);
		ck_assert_msg(ret < 0, "point %u: %d", n, ret);
		ck_assert_uint_eq(open_fds(), before);
		ck_assert_uint_eq(mdev_type_available(mdev_find_type(parent, "mtty-1")), 23);
		ck_assert_int_eq(live(parent), 0);
	}
	failpoint_arm(0);
	ck_assert_uint_gt(n, 8);
	ck_assert_uint_lt(n, 200);
	close(irq);
	mtty_fixture_teardown();
}
END_TEST

/* Loading the module: it comes whole or not at all. */
START_TEST(module)
{
	unsigned int n;

	mtty_fixture_setup();
	mtty_exit();
	for (n = 1; n < 100; n++) {
		int ret;

		failpoint_arm(n);
		ret = mtty_init();
		failpoint_arm(0);
		if (!ret)
			break;
		ck_assert_int_eq(ret, -ENOMEM);
	}
	ck_assert_uint_gt(n, 1);
	mtty_fixture_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fail");
	TCase *tc = tcase_create("fail");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sweep);
	tcase_add_test(tc, module);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
