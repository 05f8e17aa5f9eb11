/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus type: matching, dynamic ids, and what sysfs shows and takes, as seen on Linux. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "device/testing.h"
#include "pci/bus.h"
#include "pci/model.h"

static struct device_core *core;
static struct pci_bus *bus;
static struct pci_dev *port, *dev;
static unsigned int removed, rescanned, probes;

static void note_remove(void *arg, struct pci_dev *d)
{
	removed++;
}

static void note_rescan(void *arg, struct pci_dev *d)
{
	rescanned++;
}

static int probe(struct device *d)
{
	probes++;
	return 0;
}

static void driver_remove(struct device *d)
{
}

static const struct pci_model model = { .name = "test" };
static const struct pci_device_id any_override[] = {
	{ .vendor = PCI_ANY_ID,
	  .device = PCI_ANY_ID,
	  .subvendor = PCI_ANY_ID,
	  .subdevice = PCI_ANY_ID,
	  .override_only = true },
	{ .vendor = 0 },
};
static struct pci_driver drv = {
	.drv = { .name = "vfio-pci", .probe = probe, .remove = driver_remove },
	.id_table = any_override,
};

static void setup(void)
{
	const struct pci_bus_env env = { .remove = note_remove, .rescan = note_rescan };

	removed = rescanned = probes = 0;
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(pci_bus_create(core, &env, &bus), 0);
	ck_assert_int_eq(pci_root_port_create(0x0020, 1, &port), 0);
	ck_assert_int_eq(pci_bus_add_device(bus, port, NULL, NULL), 0);
	ck_assert_int_eq(pci_dev_create(0x0100, &model, &dev), 0);
	pci_dev_set_ids(dev, 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	ck_assert_int_eq(pci_dev_add_bar(dev, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64), 0);
	ck_assert_int_gt(pci_add_pm_cap(dev), 0);
	ck_assert_int_gt(pci_add_pcie_endpoint_cap(dev), 0);
	ck_assert_int_eq(pci_bus_add_device(bus, dev, port, NULL), 0);
	ck_assert_int_eq(pci_driver_register(bus, &drv), 0);
}

static void teardown(void)
{
	pci_driver_unregister(&drv);
	device_del(&dev->dev);
	device_del(&port->dev);
	pci_bus_destroy(bus);
	device_core_destroy(core);
}

static const struct attribute *dev_attr(struct pci_dev *d, const char *name)
{
	return test_device_attr(&d->dev, name);
}

static ssize_t store(const char *name, const char *text)
{
	return test_device_store(core, &dev->dev, name, text);
}

static const char *show(struct pci_dev *d, const char *name)
{
	return test_device_show(core, &d->dev, name);
}

static ssize_t drv_store(const char *name, const char *text)
{
	return test_driver_store(core, &drv.drv, name, text);
}

START_TEST(shows)
{
	ck_assert_str_eq(show(dev, "vendor"), "0x1b36\n");
	ck_assert_str_eq(show(dev, "device"), "0x0010\n");
	ck_assert_str_eq(show(dev, "class"), "0x010802\n");
	ck_assert_str_eq(show(dev, "revision"), "0x02\n");
	ck_assert_str_eq(show(dev, "subsystem_vendor"), "0x1af4\n");
	ck_assert_str_eq(show(dev, "subsystem_device"), "0x1100\n");
	ck_assert_str_eq(show(dev, "modalias"),
			 "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n");
	ck_assert_str_eq(show(dev, "irq"), "10\n");
	ck_assert_str_eq(show(dev, "power_state"), "D0\n");
	ck_assert_str_eq(show(dev, "numa_node"), "-1\n");
	ck_assert_str_eq(show(dev, "max_link_speed"), "2.5 GT/s PCIe\n");
	ck_assert_str_eq(show(dev, "current_link_width"), "1\n");
	ck_assert_str_eq(show(dev, "driver_override"), "(null)\n");
	ck_assert_str_eq(show(dev, "reset_method"), "flr bus\n");
	ck_assert_int_eq(strncmp(show(dev, "resource"),
				 "0x00000000fe400000 0x00000000fe403fff 0x0000000000140204\n"
				 "0x0000000000000000 0x0000000000000000 0x0000000000000000\n",
				 114),
			 0);
	ck_assert_uint_eq(strlen(show(dev, "resource")), 13 * 57);
	ck_assert_str_eq(show(dev, "uevent"),
			 "PCI_CLASS=10802\nPCI_ID=1B36:0010\nPCI_SUBSYS_ID=1AF4:1100\n"
			 "PCI_SLOT_NAME=0000:01:00.0\n"
			 "MODALIAS=pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n");
	ck_assert_ptr_nonnull(dev_attr(dev, "resource0"));
	ck_assert_ptr_null(dev_attr(dev, "resource1"));
	ck_assert_ptr_null(dev_attr(dev, "secondary_bus_number"));
	ck_assert_ptr_null(dev_attr(dev, "rom"));
	ck_assert_str_eq(show(port, "secondary_bus_number"), "1\n");
	ck_assert_ptr_nonnull(strstr(show(port, "resource"),
				     "0x0000000000001000 0x0000000000001fff 0x0000000000000100\n"
				     "0x00000000fe400000 0x00000000fe5fffff 0x0000000000000200\n"));
	ck_assert_ptr_null(dev_attr(port, "reset"));
}
END_TEST

static const struct {
	const char *name, *text;
	ssize_t ret;
	const char *reads; /* afterwards; NULL: not asked */
} stores[] = {
	{ "enable", "0", -EIO, "0\n" },
	{ "enable", "1", 1, "1\n" },
	{ "enable", "x", -EINVAL, NULL },
	{ "enable", "2", 1, "1\n" },
	{ "reset", "1", 1, NULL },
	{ "reset", "1\n", 2, NULL },
	{ "reset", "0", -EINVAL, NULL },
	{ "reset", "2", -EINVAL, NULL },
	{ "reset", "", 0, NULL },
	{ "reset_method", "bus", 3, "bus\n" },
	{ "reset_method", "bus flr", 7, "bus flr\n" },
	{ "reset_method", "flr bus", 7, "flr bus\n" },
	{ "reset_method", "flr,bus", -EINVAL, "flr bus\n" },
	{ "reset_method", "bus bus bus bus bus bus flr", 27, "bus bus bus bus bus bus flr\n" },
	{ "reset_method", "bus bus bus bus bus bus bus flr", -EINVAL, NULL },
	{ "reset_method", "default", 7, "flr bus\n" },
	{ "reset_method", "x", -EINVAL, "flr bus\n" },
	{ "msi_bus", "0", 1, "0\n" },
	{ "msi_bus", "x", -EINVAL, "1\n" },
	{ "d3cold_allowed", "0", 1, "0\n" },
	{ "broken_parity_status", "1", 1, "1\n" },
	{ "numa_node", "1", -EINVAL, "-1\n" },
	{ "numa_node", "0", 1, "0\n" },
	{ "driver_override", "abc\n", 4, "abc\n" },
	{ "driver_override", "\n", 1, "(null)\n" },
};

START_TEST(stores_as_seen)
{
	ck_assert_int_eq(store(stores[_i].name, stores[_i].text), stores[_i].ret);
	if (stores[_i].reads)
		ck_assert_str_eq(show(dev, stores[_i].name), stores[_i].reads);
}
END_TEST

START_TEST(remove_and_rescan)
{
	ck_assert_int_eq(store("remove", "0"), 1);
	ck_assert_int_eq(store("remove", "x"), -EINVAL);
	ck_assert_uint_eq(removed, 0);
	ck_assert_int_eq(store("remove", "1"), 1);
	ck_assert_uint_eq(removed, 1);
	ck_assert_int_eq(store("rescan", "0"), 1);
	ck_assert_uint_eq(rescanned, 0);
	ck_assert_int_eq(store("rescan", "1\n"), 2);
	ck_assert_uint_eq(rescanned, 1);
}
END_TEST

static void unbind(void)
{
	device_core_lock(core);
	device_release_driver(&dev->dev);
	device_core_unlock(core);
}

START_TEST(dynamic_ids)
{
	char ids[256];

	ck_assert_int_eq(drv_store("new_id", "zz"), -EINVAL);
	ck_assert_int_eq(drv_store("new_id", "8086"), -EINVAL);
	ck_assert_ptr_null(dev->dev.driver);
	ck_assert_int_eq(drv_store("new_id", "1b36 0010"), 9);
	ck_assert_ptr_eq(dev->dev.driver, &drv.drv);
	ck_assert_int_eq(store("enable", "1"), -EBUSY);
	ck_assert_int_eq(drv_store("new_id", "1b36 0010"), -EEXIST);
	ck_assert_uint_gt(pci_driver_dynids(&drv, ids, sizeof(ids)), 0);
	ck_assert_str_eq(ids, "1b36 10 ffffffff ffffffff 0 0 0\n");
	unbind();
	ck_assert_int_eq(drv_store("remove_id", "zz"), -EINVAL);
	ck_assert_int_eq(drv_store("remove_id", "dead beef"), -ENODEV);
	ck_assert_int_eq(drv_store("remove_id", "1b36 0010"), 9);
	ck_assert_int_eq(drv_store("remove_id", "1b36 0010"), -ENODEV);
	ck_assert_int_eq(drv_store("new_id", "1b36 0010 ffffffff ffffffff 0 0 5"), -EINVAL);
	ck_assert_int_eq(drv_store("new_id", "8086 0001 x"), 11);
	ck_assert_ptr_null(dev->dev.driver);
	ck_assert_int_eq(drv_store("new_id", "1b36 0010 ffffffff ffffffff 010802 ffffff"), 41);
	ck_assert_ptr_eq(dev->dev.driver, &drv.drv);
	unbind();
	ck_assert_int_eq(drv_store("remove_id", "0x1b36 0x0010"), 13);
}
END_TEST

START_TEST(override_decides)
{
	device_core_lock(core);
	ck_assert_int_eq(device_driver_attach(&drv.drv, &dev->dev), -ENODEV);
	device_core_unlock(core);
	ck_assert_int_eq(store("driver_override", "other"), 5);
	ck_assert_int_eq(drv_store("new_id", "1b36 0010"), 9);
	ck_assert_ptr_null(dev->dev.driver);
	ck_assert_int_eq(store("driver_override", "vfio-pci"), 8);
	device_core_lock(core);
	ck_assert_int_eq(device_attach(&dev->dev), 1);
	ck_assert_ptr_eq(dev->dev.driver, &drv.drv);
	device_core_unlock(core);
	ck_assert_uint_eq(probes, 1);
}
END_TEST

START_TEST(config_file)
{
	const struct attribute *attr = dev_attr(dev, "config");
	uint8_t buf[64], line = 0x55;

	ck_assert_int_eq(attr->bin_read(&dev->dev, attr, buf, 64, 0), 64);
	ck_assert_uint_eq(buf[0] | buf[1] << 8, 0x1b36);
	ck_assert_int_eq(attr->bin_read(&dev->dev, attr, buf, 7, 1), 7);
	ck_assert_uint_eq(buf[0], 0x1b);
	ck_assert_int_eq(attr->bin_read(&dev->dev, attr, buf, 64, 4090), 6);
	ck_assert_int_eq(attr->bin_read(&dev->dev, attr, buf, 64, 4096), 0);
	ck_assert_int_eq(attr->bin_write(&dev->dev, attr, &line, 1, PCI_INTERRUPT_LINE), 1);
	ck_assert_uint_eq(dev->config[PCI_INTERRUPT_LINE], 0x55);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pci bus");
	TCase *t = tcase_create("bus");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, shows);
	tcase_add_loop_test(t, stores_as_seen, 0, (int)ARRAY_SIZE(stores));
	tcase_add_test(t, remove_and_rescan);
	tcase_add_test(t, dynamic_ids);
	tcase_add_test(t, override_decides);
	tcase_add_test(t, config_file);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
