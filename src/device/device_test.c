/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver core with a bus that matches by first letter, or by driver_override. */
#include "device/device.h"
#include "device/testing.h"
#include "device/uevent.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct device_core *core;
static int probe_result;
static int probes, removes, changes[8];
static _Atomic bool remove_blocks, remove_entered;

static bool fake_match(struct device *dev, struct device_driver *drv)
{
	if (dev->driver_override)
		return !strcmp(dev->driver_override, drv->name);
	return dev->name[0] == drv->name[0];
}

static size_t fake_uevent(struct device *dev, char *buf, size_t size)
{
	static const char line[] = "FAKE=1\n";

	memcpy(buf, line, sizeof(line));
	return sizeof(line) - 1;
}

static const struct attribute fake_dev_attrs[] = {
	{ .name = "driver_override",
	  .mode = 0644,
	  .show = driver_override_show,
	  .store = driver_override_store },
	{ .name = NULL },
};

static struct bus_type bus = {
	.name = "fake", .match = fake_match, .uevent = fake_uevent, .dev_attrs = fake_dev_attrs
};

static int fake_probe(struct device *dev)
{
	probes++;
	return probe_result;
}

static void fake_remove(struct device *dev)
{
	removes++;
	remove_entered = true;
	while (remove_blocks)
		usleep(1000);
}

static struct device_driver drv_a = {
	.name = "aaa", .bus = &bus, .probe = fake_probe, .remove = fake_remove
};
static struct device_driver drv_b = {
	.name = "bbb", .bus = &bus, .probe = fake_probe, .remove = fake_remove
};
static struct device dev_a;

static void observer(void *arg, struct device *dev, enum device_change what)
{
	changes[what]++;
}

static void setup(void)
{
	probe_result = probes = removes = 0;
	remove_blocks = remove_entered = false;
	memset(changes, 0, sizeof(changes));
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(bus_register(core, &bus), 0);
	device_core_set_observer(core, observer, NULL);
	dev_a = (struct device){ .name = "a0", .bus = &bus };
	ck_assert_int_eq(device_add(&dev_a), 0);
}

static void teardown(void)
{
	device_core_lock(core);
	while (!list_empty(&bus.drivers))
		driver_unregister(list_first_entry(&bus.drivers, struct device_driver, node));
	device_core_unlock(core);
	device_del(&dev_a);
	bus_unregister(&bus);
	device_core_destroy(core);
}

static ssize_t dev_write(const char *name, const char *text, size_t len)
{
	return attribute_store(core, &dev_a, test_device_attr(&dev_a, name), text, len);
}

static ssize_t bus_write(const char *name, const char *text)
{
	struct test_wanted wanted = { .name = name };

	ck_assert_int_eq(bus_for_each_attribute(&bus, test_find, &wanted), 1);
	return attribute_store(core, &bus, wanted.attr, text, strlen(text));
}

static const char *dev_read(const char *name)
{
	return test_device_show(core, &dev_a, name);
}

#define DRV_WRITE(drv, name, text) test_driver_store(core, drv, name, text)
#define DEV_WRITE(name, text)	   dev_write(name, text, sizeof(text) - 1)

START_TEST(registering_a_driver_binds)
{
	ck_assert_int_eq(driver_register(&drv_b), 0);
	ck_assert_ptr_null(dev_a.driver);
	ck_assert_int_eq(driver_register(&drv_a), 0);
	ck_assert_ptr_eq(dev_a.driver, &drv_a);
	ck_assert_int_eq(driver_register(&drv_a), -EBUSY);
	ck_assert_int_eq(changes[DEVICE_BOUND], 1);
	ck_assert_str_eq(dev_read("uevent"), "DRIVER=aaa\nFAKE=1\n");
	driver_unregister(&drv_a);
	ck_assert_ptr_null(dev_a.driver);
	ck_assert_int_eq(removes, 1);
	ck_assert_str_eq(dev_read("uevent"), "FAKE=1\n");
}
END_TEST

START_TEST(bind_and_unbind_errors)
{
	ck_assert_int_eq(driver_register(&drv_b), 0);
	ck_assert_int_eq(driver_register(&drv_a), 0);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0"), -EBUSY);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0\n"), -EBUSY);
	ck_assert_int_eq(DRV_WRITE(&drv_b, "bind", "a0"), -ENODEV); /* does not match */
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "nonsense"), -ENODEV);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", ""), 0);
	ck_assert_int_eq(DRV_WRITE(&drv_b, "unbind", "a0"), -ENODEV);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "unbind", ""), 0);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "unbind", "a0\n"), 3);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "unbind", "a0"), -ENODEV);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", " a0"), -ENODEV);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0 "), -ENODEV);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0\n\n"), -ENODEV);
	probe_result = -EIO;
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0"), -EIO);
	ck_assert_ptr_null(dev_a.driver);
	/* A failed probe is no error of drivers_probe. */
	ck_assert_int_eq(bus_write("drivers_probe", "a0"), 2);
	ck_assert_ptr_null(dev_a.driver);
	probe_result = 0;
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0"), 2);
	ck_assert_ptr_eq(dev_a.driver, &drv_a);
}
END_TEST

START_TEST(override_decides)
{
	static char big[ATTRIBUTE_PAGE];

	ck_assert_int_eq(driver_register(&drv_a), 0);
	ck_assert_int_eq(driver_register(&drv_b), 0);
	ck_assert_str_eq(dev_read("driver_override"), "(null)\n");
	ck_assert_int_eq(DEV_WRITE("driver_override", "bbb\nfoo"), 7);
	ck_assert_str_eq(dev_read("driver_override"), "bbb\n");
	ck_assert_ptr_eq(dev_a.driver, &drv_a); /* bound stays bound */
	ck_assert_int_eq(DRV_WRITE(&drv_a, "unbind", "a0"), 2);
	ck_assert_int_eq(DRV_WRITE(&drv_a, "bind", "a0"), -ENODEV);
	ck_assert_int_eq(bus_write("drivers_probe", "a0"), 2);
	ck_assert_ptr_eq(dev_a.driver, &drv_b);
	ck_assert_int_eq(DEV_WRITE("driver_override", "\n\n"), 2);
	ck_assert_str_eq(dev_read("driver_override"), "(null)\n");
	ck_assert_int_eq(DEV_WRITE("driver_override", "x y\0junk"), 8);
	ck_assert_str_eq(dev_read("driver_override"), "x y\n");
	ck_assert_int_eq(DEV_WRITE("driver_override", ""), 0);
	ck_assert_str_eq(dev_read("driver_override"), "x y\n");
	ck_assert_int_eq(DEV_WRITE("driver_override", "\0"), 1);
	ck_assert_str_eq(dev_read("driver_override"), "(null)\n");
	memset(big, 'a', sizeof(big));
	ck_assert_int_eq(dev_write("driver_override", big, 4095), -EINVAL);
	ck_assert_int_eq(dev_write("driver_override", big, 4094), 4094);
	ck_assert_uint_eq(strlen(dev_read("driver_override")), 4095);
}
END_TEST

START_TEST(autoprobe_and_uevent)
{
	ck_assert_int_eq(bus_write("drivers_autoprobe", "0"), 1);
	ck_assert_int_eq(driver_register(&drv_a), 0);
	ck_assert_ptr_null(dev_a.driver);
	ck_assert_int_eq(bus_write("drivers_autoprobe", "x"), 1);
	ck_assert(bus.drivers_autoprobe);
	ck_assert_int_eq(bus_write("drivers_probe", "none"), -ENODEV);
	ck_assert_int_eq(bus_write("drivers_probe", "a0\n"), 3);
	ck_assert_ptr_eq(dev_a.driver, &drv_a);
	ck_assert_int_eq(bus_write("drivers_probe", "a0"), 2); /* bound already */
	ck_assert_int_eq(DEV_WRITE("uevent", "change"), 6);
	ck_assert_int_eq(DEV_WRITE("uevent", "x"), -EINVAL);
}
END_TEST

START_TEST(hierarchy_and_links)
{
	struct device child = { .name = "c", .bus = &bus, .parent = &dev_a }, twin = child;

	ck_assert_int_eq(device_add(&child), 0);
	ck_assert_int_eq(device_add(&twin), -EEXIST);
	ck_assert_str_eq(child.sysfs_path, "/sys/devices/a0/c");
	ck_assert_int_eq(device_add_link(&child, "iommu_group", "/sys/x"), 0);
	ck_assert_int_eq(device_add_link(&child, "iommu_group", "/sys/y"), 0);
	ck_assert_str_eq(list_first_entry(&child.links, struct device_link, node)->target,
			 "/sys/y");
	device_remove_link(&child, "iommu_group");
	ck_assert(list_empty(&child.links));
	device_del(&child);
	ck_assert_ptr_null(bus_find_device(&bus, "c"));
	ck_assert_int_eq(changes[DEVICE_REMOVED], 1);
}
END_TEST

static void *unbind_thread(void *arg)
{
	DRV_WRITE(&drv_a, "unbind", "a0");
	return NULL;
}

static void *bind_thread(void *arg)
{
	return (void *)DRV_WRITE(&drv_a, "bind", "a0");
}

START_TEST(a_waiting_remove_blocks_this_device_only)
{
	pthread_t unbinder, binder;
	void *result;

	ck_assert_int_eq(driver_register(&drv_a), 0);
	remove_blocks = true;
	pthread_create(&unbinder, NULL, unbind_thread, NULL);
	while (!remove_entered)
		usleep(1000);
	/* The core's lock is free, the device is still bound but says so no more. */
	ck_assert_str_eq(dev_read("uevent"), "FAKE=1\n");
	ck_assert_int_eq(changes[DEVICE_UNBOUND], 1);
	ck_assert_int_eq(DEV_WRITE("driver_override", "aaa"), 3);
	pthread_create(&binder, NULL, bind_thread, NULL);
	usleep(20000);
	ck_assert_int_eq(probes, 1);
	remove_blocks = false;
	pthread_join(unbinder, NULL);
	pthread_join(binder, &result);
	ck_assert_int_eq((long)result, 2);
	ck_assert_int_eq(probes, 2);
	ck_assert_ptr_eq(dev_a.driver, &drv_a);
}
END_TEST

/* ---- uevents --------------------------------------------------------------------------------- */

static char told[1024];
static int carrier_result;

/* Each event as "ACTION@DEVPATH key key ...;". */
static int carrier(void *arg, struct uevent *event)
{
	size_t len = strlen(told);

	len += (size_t)snprintf(told + len, sizeof(told) - len, "%s@%s",
				uevent_action_name(event->action), event->devpath);
	for (size_t at = 0; at < event->len; at += strlen(event->buf + at) + 1)
		if (strncmp(event->buf + at, "ACTION=", 7) &&
		    strncmp(event->buf + at, "DEVPATH=", 8))
			len += (size_t)snprintf(told + len, sizeof(told) - len, " %s",
						event->buf + at);
	snprintf(told + len, sizeof(told) - len, ";");
	return carrier_result;
}

static const char *what_was_told(void)
{
	static char copy[sizeof(told)];

	strcpy(copy, told);
	told[0] = '\0';
	return copy;
}

START_TEST(changes_are_told)
{
	struct device child = { .name = "b1", .bus = &bus, .parent = &dev_a },
		      plain = { .name = "p" };

	device_core_set_uevent(core, carrier, NULL);
	ck_assert_int_eq(driver_register(&drv_a), 0);
	ck_assert_str_eq(what_was_told(), "bind@/devices/a0 SUBSYSTEM=fake DRIVER=aaa FAKE=1;");
	driver_uevent(&drv_a, UEVENT_ADD);
	ck_assert_str_eq(what_was_told(), "add@/bus/fake/drivers/aaa SUBSYSTEM=drivers;");
	ck_assert_int_eq(device_add(&child), 0);
	ck_assert_str_eq(what_was_told(), "add@/devices/a0/b1 SUBSYSTEM=fake FAKE=1;");
	device_del(&child);
	ck_assert_str_eq(what_was_told(), "remove@/devices/a0/b1 SUBSYSTEM=fake FAKE=1;");
	/* Without bus nobody is interested. */
	ck_assert_int_eq(device_add(&plain), 0);
	device_del(&plain);
	ck_assert_str_eq(what_was_told(), "");
	driver_unregister(&drv_a);
	ck_assert_str_eq(what_was_told(), "unbind@/devices/a0 SUBSYSTEM=fake FAKE=1;"
					  "remove@/bus/fake/drivers/aaa SUBSYSTEM=drivers;");
}
END_TEST

START_TEST(synthetic_events)
{
#define UUID "fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed"
	static const char *const wrong[] = {
		"x",
		"chang",
		"change ",
		"change x",
		"change " UUID "x",
		"change " UUID " ",
		"change " UUID " A",
		"change " UUID " =1",
		"change " UUID " A=",
		"change  " UUID,
		"change " UUID " A=1  B=2",
		"change " UUID " A=1 ",
		"change " UUID " A_=1",
		"change\n\n",
	};
	char many[1024] = "change " UUID;

	device_core_set_uevent(core, carrier, NULL);
	ck_assert_int_eq(DEV_WRITE("uevent", "change\n"), 7);
	ck_assert_str_eq(what_was_told(), "change@/devices/a0 SUBSYSTEM=fake SYNTH_UUID=0 FAKE=1;");
	ck_assert_int_eq(DEV_WRITE("uevent", "add " UUID " K=v 2=3"), 48);
	ck_assert_str_eq(what_was_told(), "add@/devices/a0 SUBSYSTEM=fake SYNTH_UUID=" UUID
					  " SYNTH_ARG_K=v SYNTH_ARG_2=3 FAKE=1;");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_int_eq(dev_write("uevent", wrong[i], strlen(wrong[i])), -EINVAL);
	ck_assert_str_eq(what_was_told(), "");
	/* The event has room for 64 keys, of which SUBSYSTEM and others take some. */
	for (int i = 0; i < 62; i++)
		sprintf(many + strlen(many), " K=%d", i % 10);
	ck_assert_int_eq(dev_write("uevent", many, strlen(many)), -ENOMEM);
	strcat(many, " K=1 K=2");
	ck_assert_int_eq(dev_write("uevent", many, strlen(many)), -EINVAL);
	ck_assert_str_eq(what_was_told(), "");
	carrier_result = -ENOBUFS;
	ck_assert_int_eq(DEV_WRITE("uevent", "change"), -ENOBUFS);
	carrier_result = 0;
	what_was_told();
	ck_assert_int_eq(bus_write("uevent", "change"), 6);
	ck_assert_str_eq(what_was_told(), "change@/bus/fake SUBSYSTEM=bus SYNTH_UUID=0;");
}
END_TEST

START_TEST(numbers)
{
	unsigned long u;
	long l;
	bool b;

	ck_assert_int_eq(sysfs_parse_ulong("10\n", 0, &u), 0);
	ck_assert_uint_eq(u, 10);
	ck_assert_int_eq(sysfs_parse_ulong("0x1F", 0, &u), 0);
	ck_assert_uint_eq(u, 31);
	ck_assert_int_eq(sysfs_parse_ulong("010", 0, &u), 0);
	ck_assert_uint_eq(u, 8);
	ck_assert_int_eq(sysfs_parse_ulong("", 0, &u), -EINVAL);
	ck_assert_int_eq(sysfs_parse_ulong("\n", 0, &u), -EINVAL);
	ck_assert_int_eq(sysfs_parse_ulong("1 ", 0, &u), -EINVAL);
	ck_assert_int_eq(sysfs_parse_ulong("1\n\n", 0, &u), -EINVAL);
	ck_assert_int_eq(sysfs_parse_ulong("0x", 0, &u), -EINVAL);
	ck_assert_int_eq(sysfs_parse_ulong("-1", 0, &u), -EINVAL);
	ck_assert_int_eq(sysfs_parse_ulong("18446744073709551616", 0, &u), -ERANGE);
	ck_assert_int_eq(sysfs_parse_long("-1\n", 0, &l), 0);
	ck_assert_int_eq(l, -1);
	ck_assert_int_eq(sysfs_parse_long("9223372036854775808", 0, &l), -ERANGE);
	ck_assert_int_eq(sysfs_parse_bool("Y\n", &b), 0);
	ck_assert(b);
	ck_assert_int_eq(sysfs_parse_bool("off", &b), 0);
	ck_assert(!b);
	ck_assert_int_eq(sysfs_parse_bool("2", &b), -EINVAL);
	ck_assert(sysfs_streq("a", "a\n") && sysfs_streq("a\n", "a") && sysfs_streq("", "\n"));
	ck_assert(!sysfs_streq("a", "a\n\n") && !sysfs_streq("a", "ab") && !sysfs_streq(" a", "a"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device");
	TCase *tc = tcase_create("core");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, registering_a_driver_binds);
	tcase_add_test(tc, bind_and_unbind_errors);
	tcase_add_test(tc, override_decides);
	tcase_add_test(tc, autoprobe_and_uevent);
	tcase_add_test(tc, hierarchy_and_links);
	tcase_add_test(tc, a_waiting_remove_blocks_this_device_only);
	tcase_add_test(tc, changes_are_told);
	tcase_add_test(tc, synthetic_events);
	tcase_add_test(tc, numbers);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
