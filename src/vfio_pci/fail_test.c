/* SPDX-License-Identifier: BSD-3-Clause */
/* Every failure point of a user's usual steps is made to fail once: each error is reported, nothing
 * leaks, and the same steps work afterwards. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fault.h"
#include "vfio_pci/testdev.h"

static int32_t fd[2];

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int use_device(void)
{
	struct vfio_device_ioeventfd io = { .argsz = 28, .flags = 4, .offset = 0, .fd = fd[1] };
	struct vfio_device *vdev = &test_vpd->vdev;
	int ret;

	ret = test_set_irqs(VFIO_PCI_MSIX_IRQ_INDEX,
			    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 2, fd);
	if (!ret)
		ret = test_set_irqs(VFIO_PCI_MSIX_IRQ_INDEX,
				    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
				    NULL);
	if (!ret)
		ret = test_set_irqs(VFIO_PCI_INTX_IRQ_INDEX,
				    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1,
				    fd);
	if (!ret)
		ret = (int)vfio_pci_ops.ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&io);
	if (!ret)
		ret = vfio_pci_ops.reset(vdev);
	return ret;
}

static int open_and_use(void)
{
	int ret = vfio_pci_ops.open_device(&test_vpd->vdev);

	if (ret)
		return ret;
	ret = use_device();
	testdev_close();
	return ret;
}

START_TEST(sweep)
{
	unsigned int before, n;

	ck_assert_int_eq(fault_init(), 0);
	testdev_create(NULL);
	fd[0] = eventfd(0, EFD_NONBLOCK);
	fd[1] = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_eq(open_and_use(), 0);
	before = open_fds();
	for (n = 1; n < 100; n++) {
		int ret;

		failpoint_arm(n);
		ret = open_and_use();
		if (!failpoint_fired()) {
			ck_assert_int_eq(ret, 0);
			break;
		}
		ck_assert_msg(ret < 0, "failure point %u went unnoticed", n);
		failpoint_arm(0);
		ck_assert_uint_eq(open_fds(), before);
		ck_assert_int_eq(open_and_use(), 0);
	}
	failpoint_arm(0);
	ck_assert_uint_gt(n, 6);
	ck_assert_uint_lt(n, 100);
	testdev_destroy();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_pci failures");
	TCase *t = tcase_create("failures");
	SRunner *r;
	int failed;

	tcase_add_test(t, sweep);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
