/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers and groups: who may join what when, and what keeps a group busy. */
#include "vfio/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t status(int group)
{
	struct vfio_group_status st = { .argsz = sizeof(st) };

	ck_assert_int_eq(fx_ioctl(group, VFIO_GROUP_GET_STATUS, &st), 0);
	return st.flags;
}

START_TEST(container_without_groups)
{
	int c = fx_open_container();

	ck_assert_int_eq(fx_ioctl(c, VFIO_GET_API_VERSION, NULL), 0);
	for (unsigned long ext = 0; ext < 32; ext++)
		ck_assert_int_eq(fx_ioctl(c, VFIO_CHECK_EXTENSION, (void *)ext),
				 ext == 1 || ext == 3 || ext == 9);
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)1), -EINVAL);
	ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_GET_INFO, NULL), -EINVAL);
	ck_assert_int_eq(fx_ioctl(c, 0x5401, NULL), -EINVAL);
	fx_close(c);
}
END_TEST

START_TEST(set_iommu_numbers)
{
	int c = fx_open_container(), g = fx_open_group(0);

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	for (unsigned long type = 0; type < 12; type++) {
		if (type == 1 || type == 3)
			continue;
		ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)type),
				 type == 9 ? -EINVAL : -ENODEV);
	}
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)3), 0);
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)3), -EINVAL);
	/* UPDATE_VADDR and, on AMD, forced coherency show only now. */
	for (unsigned long ext = 0; ext < 32; ext++)
		ck_assert_int_eq(fx_ioctl(c, VFIO_CHECK_EXTENSION, (void *)ext),
				 ext == 1 || ext == 3 || ext == 4 || ext == 9 || ext == 10);
	ck_assert_int_eq(fx_ioctl(c, VFIO_GROUP_GET_STATUS, NULL), -ENOTTY);
	fx_close(g);
	/* The last group took the driver along. */
	ck_assert_int_eq(fx_ioctl(c, VFIO_IOMMU_GET_INFO, NULL), -EINVAL);
	fx_close(c);
}
END_TEST

START_TEST(group_status)
{
	struct vfio_group_status st = { .argsz = 7 };
	int c = fx_open_container(), g = fx_open_group(1);

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_STATUS, &st), -EINVAL);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_STATUS, NULL), -EFAULT);
	ck_assert_uint_eq(status(g), VFIO_GROUP_FLAGS_VIABLE);
	fx.viable[1] = false;
	ck_assert_uint_eq(status(g), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), -EPERM);
	fx.viable[1] = true;
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_uint_eq(status(g), 3);
	ck_assert_int_eq(fx_ioctl(g, 0x5401, NULL), -ENOTTY);
	fx_close(g);
	fx_close(c);
}
END_TEST

START_TEST(set_container_errors)
{
	int c = fx_open_container(), c2 = fx_open_container(), g = fx_open_group(0);
	int none = -1, pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), -EINVAL);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, NULL), -EFAULT);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &none), -EBADF);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &pipes[0]), -EBADFD);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &g), -EBADFD);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), -EINVAL);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c2), -EINVAL);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &none), -EBADF);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c2), 0);
	close(pipes[0]);
	close(pipes[1]);
	fx_close(g);
	fx_close(c);
	fx_close(c2);
}
END_TEST

START_TEST(group_opens_once)
{
	int g = fx_open_group(0), again;

	ck_assert_int_eq(fx_open_group(0), -EBUSY);
	ck_assert_int_eq(fx_open_group(77), -ENODEV);
	again = fx_open_group(1);
	ck_assert_int_ge(again, 0);
	fx_close(again);
	fx_close(g);
	g = fx_open_group(0);
	ck_assert_int_ge(g, 0);
	fx_close(g);
	fx.busy_elsewhere = true;
	ck_assert_int_eq(fx_open_group(0), -EBUSY);
	fx.busy_elsewhere = false;
}
END_TEST

START_TEST(get_device_fd_reserves_first)
{
	struct rlimit limit, less;
	struct fx_open open = fx_open_all(VFIO_TYPE1_IOMMU);
	int device, opens;

	fx_close(open.device);
	opens = fx.devs[0].opens;
	getrlimit(RLIMIT_NOFILE, &limit);
	less = limit;
	less.rlim_cur = (rlim_t)dup(0);
	close((int)less.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &less);
	device = (int)fx_ioctl(open.group, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name);
	setrlimit(RLIMIT_NOFILE, &limit);
	ck_assert_int_eq(device, -EMFILE);
	/* The device was not touched. */
	ck_assert_int_eq(fx.devs[0].opens, opens);
	fx_close(open.group);
	fx_close(open.container);
}
END_TEST

START_TEST(get_device_fd_errors)
{
	static char name[8192];
	int c = fx_open_container(), g = fx_open_group(0), d;

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name), -EINVAL);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, "0000:77:00.0"), -ENODEV);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, NULL), -EFAULT);
	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, name), -EINVAL);
	name[4096] = '\0';
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, name), -EINVAL);
	name[4095] = '\0';
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, name), -ENODEV);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	/* A container without IOMMU is not enough. */
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name), -EINVAL);
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)1), 0);
	/* A device of another group. */
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[1].dev.name), -ENODEV);
	fx.devs[0].open_error = -EIO;
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name), -EIO);
	fx.devs[0].open_error = 0;
	/* The failure left the group unused. */
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)1), 0);
	d = (int)fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name);
	ck_assert_int_ge(d, 0);
	fx_close(d);
	fx_close(g);
	fx_close(c);
}
END_TEST

/* A name that ends right before memory that is not there. */
START_TEST(device_name_at_the_end_of_memory)
{
	struct fx_open o = fx_open_all(1);
	char *page = fx_memory(HOST_PAGE_SIZE * 2), *name;
	int d;

	munmap(page + HOST_PAGE_SIZE, HOST_PAGE_SIZE);
	name = page + HOST_PAGE_SIZE - strlen(fx.devs[0].dev.name) - 1;
	strcpy(name, fx.devs[0].dev.name);
	d = (int)fx_ioctl(o.group, VFIO_GROUP_GET_DEVICE_FD, name);
	ck_assert_int_ge(d, 0);
	name[strlen(name)] = 'x';
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_GET_DEVICE_FD, name), -EFAULT);
	fx_close(d);
	fx_close_all(&o);
	munmap(page, HOST_PAGE_SIZE);
}
END_TEST

START_TEST(devices_keep_the_group)
{
	struct fx_open o = fx_open_all(3);
	struct vfio_group_status st = { .argsz = sizeof(st) };
	int second;

	second = (int)fx_ioctl(o.group, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name);
	ck_assert_int_ge(second, 0);
	ck_assert_int_eq(fx.devs[0].opens, 1);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	fx_close(o.group);
	ck_assert_int_eq(fx_open_group(0), -EBUSY);
	fx_close(o.device);
	ck_assert_int_eq(fx_open_group(0), -EBUSY);
	ck_assert_int_eq(fx.devs[0].closes, 0);
	/* The container's mappings are there as long as the group is. */
	ck_assert_int_eq(fx_map(o.container, FX_RW, fx_memory(4096), 0, 4096), 0);
	fx_close(second);
	ck_assert_int_eq(fx.devs[0].closes, 1);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	o.group = fx_open_group(0);
	ck_assert_int_ge(o.group, 0);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_GET_STATUS, &st), 0);
	ck_assert_uint_eq(st.flags, VFIO_GROUP_FLAGS_VIABLE);
	fx_close(o.group);
	fx_close(o.container);
}
END_TEST

START_TEST(closing_the_container_first)
{
	struct fx_open o = fx_open_all(3);

	ck_assert_int_eq(fx_map(o.container, FX_RW, fx_memory(4096), 0, 4096), 0);
	fx_close(o.container);
	/* The group still has it. */
	ck_assert_uint_gt(hostmem_locked(fx.hm), 0);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	fx_close(o.device);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	ck_assert_uint_eq(hostmem_locked(fx.hm), 0);
	fx_close(o.group);
}
END_TEST

START_TEST(unregister_asks_and_waits)
{
	struct fx_open o = fx_open_all(3);
	struct vfio_group_status st = { .argsz = sizeof(st) };
	int none = o.container;

	fx.devs[0].release_on_request = true;
	fx.devs[0].closing_fd = o.device;
	vfio_unregister_group_dev(&fx.devs[0].vdev);
	ck_assert_int_eq(fx.devs[0].requests, 1);
	ck_assert_int_eq(fx.devs[0].closes, 1);
	/* The group is nobody's any more. */
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_GET_STATUS, &st), -ENODEV);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_SET_CONTAINER, &none), -ENODEV);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name), -ENODEV);
	ck_assert_int_eq(fx_open_group(0), -ENODEV);
	fx_close(o.group);
	fx_close(o.container);
	/* It comes back, and the number with it. */
	ck_assert_int_eq(vfio_init_device(&fx.devs[0].vdev, &fx.devs[0].dev, fx.devs[0].vdev.ops,
					  &fx.devs[0]),
			 0);
	ck_assert_int_eq(vfio_register_group_dev(&fx.devs[0].vdev, VFIO_IOMMU), 0);
	o = fx_open_all(3);
	fx_close_all(&o);
}
END_TEST

START_TEST(two_devices_of_a_group)
{
	int c = fx_open_container(), g = fx_open_group(2), d2, d3;

	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c), 0);
	ck_assert_int_eq(fx_ioctl(c, VFIO_SET_IOMMU, (void *)1), 0);
	d2 = (int)fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[2].dev.name);
	d3 = (int)fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[3].dev.name);
	ck_assert_int_ge(d2, 0);
	ck_assert_int_ge(d3, 0);
	fx_close(d2);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	fx_close(d3);
	ck_assert_int_eq(fx_ioctl(g, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	fx_close(g);
	fx_close(c);
}
END_TEST

static int in_child(void)
{
	struct fx_open o;
	int c, g;

	file_after_fork();
	iommu_after_fork();
	hostmem_after_fork(fx.hm);
	vfio_core_after_fork(fx.core);
	/* The parent's device is not ours, another one is. */
	c = fx_open_container();
	g = fx_open_group(0);
	if (g < 0 || fx_ioctl(g, VFIO_GROUP_SET_CONTAINER, &c) ||
	    fx_ioctl(c, VFIO_SET_IOMMU, (void *)1))
		return 1;
	if (fx_ioctl(g, VFIO_GROUP_GET_DEVICE_FD, fx.devs[0].dev.name) != -EIO)
		return 2;
	o.container = c;
	o.group = fx_open_group(2);
	if (o.group < 0 || fx_ioctl(o.group, VFIO_GROUP_SET_CONTAINER, &c))
		return 3;
	o.device = (int)fx_ioctl(o.group, VFIO_GROUP_GET_DEVICE_FD, fx.devs[3].dev.name);
	if (o.device < 0)
		return 4;
	fx_close_all(&o);
	fx_close(g);
	return 0;
}

START_TEST(forked_child)
{
	struct fx_open o = fx_open_all(3);
	struct vfio_group_status st = { .argsz = sizeof(st) };
	int status = -1;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(in_child());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(fx_ioctl(o.group, VFIO_GROUP_GET_STATUS, &st), 0);
	ck_assert_uint_eq(st.flags, 3);
	fx_close_all(&o);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vfio_group");
	TCase *tc = tcase_create("group");

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	tcase_add_test(tc, container_without_groups);
	tcase_add_test(tc, set_iommu_numbers);
	tcase_add_test(tc, group_status);
	tcase_add_test(tc, set_container_errors);
	tcase_add_test(tc, group_opens_once);
	tcase_add_test(tc, get_device_fd_reserves_first);
	tcase_add_test(tc, get_device_fd_errors);
	tcase_add_test(tc, device_name_at_the_end_of_memory);
	tcase_add_test(tc, devices_keep_the_group);
	tcase_add_test(tc, closing_the_container_first);
	tcase_add_test(tc, unregister_asks_and_waits);
	tcase_add_test(tc, two_devices_of_a_group);
	tcase_add_test(tc, forked_child);
	suite_add_tcase(suite, tc);
	return fixture_main(suite);
}
