/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors that are injected: registers, counters, recovery, and the messages, which were recorded
 * from Linux 7.3 with an emulated network controller and the kernel's aer_inject. And the ways of
 * resetting a function.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/log.h"
#include "pci/aer.h"
#include "pci/bus.h"
#include "pci/model.h"

static struct device_core *core;
static struct pci_bus *bus;
static struct pci_dev *port, *dev;
static unsigned int told, resets;
static char lines[64][160];
static unsigned int n_lines;

static void note_line(void *arg, enum log_level level, const char *message)
{
	if (n_lines < ARRAY_SIZE(lines))
		snprintf(lines[n_lines++], sizeof(lines[0]), "%d %s", (int)LOG_PRIORITY(level),
			 message);
}

static int probe(struct device *d)
{
	return 0;
}

static void driver_remove(struct device *d)
{
}

static void error_detected(struct pci_dev *d)
{
	ck_assert_ptr_eq(d, dev);
	told++;
}

static void model_reset(struct pci_dev *d)
{
	resets++;
}

static const struct pci_model model = { .name = "test", .reset = model_reset };
static const struct pci_device_id all[] = {
	{ .vendor = 0x8086, .device = 0x10d3, .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID },
	{ .vendor = 0 },
};
static struct pci_driver drv = {
	.drv = { .name = "vfio-pci", .probe = probe, .remove = driver_remove },
	.id_table = all,
	.error_detected = error_detected,
};

static struct pci_dev *make(uint32_t rid, void (*extra)(struct pci_dev *d))
{
	struct pci_dev *d;

	ck_assert_int_eq(pci_dev_create(rid, &model, &d), 0);
	pci_dev_set_ids(d, 0x8086, 0x10d3, 0x020000, 0, 0x8086, 0);
	ck_assert_int_gt(pci_add_pm_cap(d), 0);
	ck_assert_int_gt(pci_add_pcie_endpoint_cap(d), 0);
	if (extra)
		extra(d);
	ck_assert_int_eq(pci_bus_add_device(bus, d, port, NULL), 0);
	return d;
}

static void with_aer(struct pci_dev *d)
{
	ck_assert_int_eq(pci_add_aer_cap(d), 0x100);
}

static void setup_bus(void)
{
	const struct pci_bus_env env = { .arg = NULL };

	told = resets = n_lines = 0;
	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(pci_bus_create(core, &env, &bus), 0);
	ck_assert_int_eq(pci_root_port_create(0x0020, 1, &port), 0);
	ck_assert_int_eq(pci_bus_add_device(bus, port, NULL, NULL), 0);
}

static void setup(void)
{
	setup_bus();
	dev = make(0x0100, with_aer);
	ck_assert_int_eq(pci_driver_register(bus, &drv), 0);
	device_core_lock(core);
	ck_assert_int_eq(device_attach(&dev->dev), 1);
	device_core_unlock(core);
	log_set_sink(note_line, NULL);
}

static void teardown_bus(void)
{
	log_set_sink(NULL, NULL);
	device_del(&dev->dev);
	device_del(&port->dev);
	pci_bus_destroy(bus);
	device_core_destroy(core);
}

static void teardown(void)
{
	pci_driver_unregister(&drv);
	teardown_bus();
}

static int inject(uint32_t cor, uint32_t uncor)
{
	const struct pci_aer_error error = { .cor = cor,
					     .uncor = uncor,
					     .header = { 0x11223344, 0x55667788, 0x99aabbcc,
							 0xddeeff00 } };
	int ret;

	n_lines = 0;
	device_core_lock(core);
	ret = pci_aer_inject(dev, &error);
	device_core_unlock(core);
	return ret;
}

static void expect_lines(const char *const *wanted, unsigned int n)
{
	for (unsigned int i = 0; i < n && i < n_lines; i++)
		ck_assert_str_eq(lines[i], wanted[i]);
	ck_assert_uint_eq(n_lines, n);
}

static uint32_t reg(unsigned int off)
{
	return pci_config_read(dev, dev->aer_cap + off, 4);
}

#define DEV "vfio-pci 0000:01:00.0: "

START_TEST(correctable)
{
	static const char *const wanted[] = {
		"6 pci 0000:00:04.0: aer_inject: Injecting errors 00000081/00000000 into device "
		"0000:01:00.0",
		"6 pci 0000:00:04.0: AER: Correctable Error message received from 0000:01:00.0",
		"4 " DEV "PCIe Bus Error: severity=Correctable",
		"4 " DEV "  device [8086:10d3] error status/mask=00000081/0000c000",
		"4 " DEV "  [ 0] RxErr             | Receiver    | Physical Layer   ",
		"4 " DEV "  [ 7] BadDLLP           | Receiver    | Data Link Layer  ",
	};

	ck_assert_int_eq(inject(0x81, 0), 0);
	expect_lines(wanted, ARRAY_SIZE(wanted));
	ck_assert_uint_eq(reg(PCI_ERR_COR_STATUS), 0);
	ck_assert_uint_eq(dev->stats->aer.cor[0], 1);
	ck_assert_uint_eq(dev->stats->aer.cor[7], 1);
	ck_assert_uint_eq(dev->stats->aer.total_cor, 1);
	ck_assert_uint_eq(port->stats->aer.port_cor, 1);
	ck_assert_uint_eq(told, 0);
	/* The port remembers who it was. */
	ck_assert_uint_eq(pci_config_read(port, port->aer_cap + PCI_ERR_ROOT_ERR_SRC, 4), 0x0100);
	ck_assert_uint_eq(pci_config_read(port, port->aer_cap + PCI_ERR_ROOT_STATUS, 4), 0);
	/* Masked by default. */
	ck_assert_int_eq(inject(PCI_ERR_COR_INTERNAL, 0), -EINVAL);
	ck_assert_str_eq(lines[0],
			 "4 " DEV "aer_inject: The correctable error(s) is masked by device");
	/* A bit that has no name. */
	ck_assert_int_eq(inject(8, 0), 0);
	ck_assert_str_eq(lines[4], "4 " DEV "  [ 3] Unknown Error Bit |             | "
				   "                 ");
}
END_TEST

START_TEST(nonfatal)
{
	static const char *const wanted[] = {
		"6 pci 0000:00:04.0: aer_inject: Injecting errors 00000000/00100000 into device "
		"0000:01:00.0",
		"6 pci 0000:00:04.0: AER: Uncorrectable (Non-Fatal) Error message received from "
		"0000:01:00.0",
		"3 " DEV "PCIe Bus Error: severity=Uncorrectable (Non-Fatal)",
		"3 " DEV "  device [8086:10d3] error status/mask=00100000/02400000",
		"3 " DEV "  [20] UnsupReq          | Receiver    | Transaction Layer (First)",
		"3 " DEV "AER:   TLP Header: 0x11223344 0x55667788 0x99aabbcc 0xddeeff00",
		"6 pci 0000:00:04.0: AER: device recovery successful",
	};

	ck_assert_int_eq(inject(0, PCI_ERR_UNC_UNSUP), 0);
	expect_lines(wanted, ARRAY_SIZE(wanted));
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(resets, 0);
	ck_assert_uint_eq(reg(PCI_ERR_UNCOR_STATUS), 0);
	ck_assert_uint_eq(reg(PCI_ERR_CAP) & 0x1f, 20);
	ck_assert_uint_eq(reg(PCI_ERR_HEADER_LOG), 0x11223344);
	ck_assert_uint_eq(dev->stats->aer.nonfatal[20], 1);
	ck_assert_uint_eq(dev->stats->aer.total_nonfatal, 1);
	ck_assert_uint_eq(port->stats->aer.port_nonfatal, 1);
	/* A completion timeout has no header to show, and is the requester's. */
	ck_assert_int_eq(inject(0, PCI_ERR_UNC_COMP_TIME), 0);
	ck_assert_str_eq(lines[4], "3 " DEV "  [14] CmpltTO           | Requester   | "
				   "Transaction Layer (First)");
	ck_assert_uint_eq(n_lines, 6);
}
END_TEST

START_TEST(fatal)
{
	static const char *const wanted[] = {
		"6 pci 0000:00:04.0: aer_inject: Injecting errors 00000000/00040000 into device "
		"0000:01:00.0",
		"6 pci 0000:00:04.0: AER: Uncorrectable (Fatal) Error message received from "
		"0000:01:00.0",
		"3 " DEV "AER: PCIe Bus Error: severity=Uncorrectable (Fatal) (Inaccessible)",
		"6 pci 0000:00:04.0: AER: Root Port link has been reset (0)",
		"6 pci 0000:00:04.0: AER: device recovery successful",
	};

	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	ck_assert_uint_eq(pci_config_read(dev, PCI_COMMAND, 2), 0x103);
	ck_assert_int_eq(inject(0, PCI_ERR_UNC_MALF_TLP), 0);
	expect_lines(wanted, ARRAY_SIZE(wanted));
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(resets, 1);
	/* Nobody restores the registers; what tells of the error survives. */
	ck_assert_uint_eq(pci_config_read(dev, PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(reg(PCI_ERR_UNCOR_STATUS), PCI_ERR_UNC_MALF_TLP);
	/* Its kind is not looked at: the function may be gone. */
	ck_assert_uint_eq(dev->stats->aer.fatal[18], 0);
	ck_assert_uint_eq(dev->stats->aer.total_fatal, 1);
	ck_assert_uint_eq(port->stats->aer.port_fatal, 1);
	pci_config_write(dev, dev->aer_cap + PCI_ERR_UNCOR_STATUS, 4, PCI_ERR_UNC_MALF_TLP);
	ck_assert_uint_eq(reg(PCI_ERR_UNCOR_STATUS), 0);
	pci_dev_power_off(dev);
}
END_TEST

START_TEST(severity_can_be_chosen)
{
	struct pci_aer_error error = { .uncor = PCI_ERR_UNC_UNSUP,
				       .set_severity = true,
				       .fatal = true };

	device_core_lock(core);
	ck_assert_int_eq(pci_aer_inject(dev, &error), 0);
	ck_assert_uint_eq(dev->stats->aer.total_fatal, 1);
	ck_assert(reg(PCI_ERR_UNCOR_SEVER) & PCI_ERR_UNC_UNSUP);
	pci_config_write(dev, dev->aer_cap + PCI_ERR_UNCOR_STATUS, 4, ~0u);
	error.fatal = false;
	ck_assert_int_eq(pci_aer_inject(dev, &error), 0);
	ck_assert_uint_eq(dev->stats->aer.total_nonfatal, 1);
	device_core_unlock(core);
	ck_assert_uint_eq(pci_aer_bit("malftlp", false), PCI_ERR_UNC_MALF_TLP);
	ck_assert_uint_eq(pci_aer_bit("BadTLP", true), PCI_ERR_COR_BAD_TLP);
	ck_assert_uint_eq(pci_aer_bit("BadTLP", false), 0);
}
END_TEST

START_TEST(nobody_to_tell)
{
	device_core_lock(core);
	device_release_driver(&dev->dev);
	device_core_unlock(core);
	ck_assert_int_eq(inject(0, PCI_ERR_UNC_UNSUP), 0);
	ck_assert_str_eq(lines[6],
			 "6 pci 0000:01:00.0: AER: can't recover (no error_detected callback)");
	ck_assert_str_eq(lines[n_lines - 1], "6 pci 0000:00:04.0: AER: device recovery failed");
	ck_assert_uint_eq(reg(PCI_ERR_UNCOR_STATUS), PCI_ERR_UNC_UNSUP);
}
END_TEST

START_TEST(messages_are_limited)
{
	for (unsigned int i = 0; i < 12; i++)
		ck_assert_int_eq(inject(PCI_ERR_COR_BAD_TLP, 0), 0);
	/* The tenth was the last that was told; all were counted. */
	ck_assert_uint_eq(n_lines, 1);
	ck_assert_uint_eq(dev->stats->aer.total_cor, 12);
}
END_TEST

START_TEST(without_the_capability)
{
	device_core_lock(core);
	device_release_driver(&dev->dev);
	device_core_unlock(core);
	device_del(&dev->dev);
	dev = make(0x0100, NULL);
	ck_assert_int_eq(inject(1, 0), -EPROTONOSUPPORT);
	ck_assert_str_eq(lines[0], "3 pci 0000:01:00.0: aer_inject: Device doesn't support AER");
}
END_TEST

/* ---- resets ---------------------------------------------------------------------------------- */

static void forgets_in_d3(struct pci_dev *d)
{
	pci_set_word(d, d->pm_cap + PCI_PM_CTRL, 0);
}

static void with_af(struct pci_dev *d)
{
	ck_assert_int_gt(pci_add_af_cap(d), 0);
	forgets_in_d3(d);
}

static ssize_t method(const char *text, char *buf)
{
	static const char *names[] = { "reset_method", NULL };
	const struct attribute *attr;
	ssize_t ret = -ENOENT;

	for (attr = pci_bus_type(bus)->dev_attrs; attr->name; attr++) {
		if (strcmp(attr->name, names[0]))
			continue;
		ret = text ? attribute_store(core, &dev->dev, attr, text, strlen(text))
			   : attribute_show(core, &dev->dev, attr, buf);
		if (!text && ret >= 0)
			buf[ret] = '\0';
	}
	return ret;
}

START_TEST(reset_methods)
{
	char buf[ATTRIBUTE_PAGE + 1];
	struct pci_dev *second;

	dev = make(0x0100, with_af);
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	method(NULL, buf);
	ck_assert_str_eq(buf, "flr af_flr pm bus\n");
	for (unsigned int i = 0; i < 4; i++) {
		static const char *const one[] = { "flr", "af_flr", "pm\n", " bus " };

		ck_assert_int_eq(method(one[i], NULL), (ssize_t)strlen(one[i]));
		pci_config_write(dev, PCI_CACHE_LINE_SIZE, 1, 0x10);
		resets = 0;
		ck_assert_int_eq(pci_reset_function(dev), 0);
		ck_assert_uint_eq(resets, 1);
		ck_assert_uint_eq(pci_config_read(dev, PCI_CACHE_LINE_SIZE, 1), 0x10);
		ck_assert_uint_eq(pci_power_state(dev), 0);
	}
	ck_assert_int_eq(method("acpi", NULL), -EINVAL);
	ck_assert_int_eq(method("\n", NULL), 1);
	ck_assert_int_eq(pci_reset_function(dev), -ENOTTY);
	ck_assert_int_eq(method("default", NULL), 7);
	/* A second function: the bus is no longer the first one's alone. */
	second = make(0x0101, NULL);
	ck_assert_int_eq(method("bus", NULL), -EINVAL);
	device_del(&second->dev);
	ck_assert_int_eq(method("bus", NULL), 3);
	pci_dev_power_off(dev);
}
END_TEST

START_TEST(secondary_bus_reset)
{
	dev = make(0x0100, NULL);
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	pci_config_write(port, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_SERR);
	ck_assert_uint_eq(resets, 0);
	pci_config_write(port, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	pci_config_write(port, PCI_BRIDGE_CONTROL, 2, 0);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(pci_config_read(dev, PCI_COMMAND, 2), 0);
	pci_dev_power_off(dev);
}
END_TEST

START_TEST(what_d3_forgets)
{
	dev = make(0x0100, forgets_in_d3);
	ck_assert_int_eq(pci_dev_power_on(dev), 0);
	pci_config_write(dev, PCI_CACHE_LINE_SIZE, 1, 0x10);
	pci_config_write(dev, 0xfc, 4, 0x12345678);
	ck_assert_int_eq(pci_set_power_state(dev, 3), 0);
	ck_assert_uint_eq(pci_config_read(dev, PCI_CACHE_LINE_SIZE, 1), 0x10);
	ck_assert_int_eq(pci_set_power_state(dev, 0), 0);
	ck_assert_uint_eq(resets, 1);
	ck_assert_uint_eq(pci_config_read(dev, PCI_CACHE_LINE_SIZE, 1), 0);
	ck_assert_uint_eq(pci_config_read(dev, 0xfc, 4), 0x12345678);
	pci_dev_power_off(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pci errors and resets");
	TCase *t = tcase_create("errors"), *r = tcase_create("resets");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, correctable);
	tcase_add_test(t, nonfatal);
	tcase_add_test(t, fatal);
	tcase_add_test(t, severity_can_be_chosen);
	tcase_add_test(t, nobody_to_tell);
	tcase_add_test(t, messages_are_limited);
	tcase_add_test(t, without_the_capability);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(r, setup_bus, teardown_bus);
	tcase_add_test(r, reset_methods);
	tcase_add_test(r, secondary_bus_reset);
	tcase_add_test(r, what_d3_forgets);
	suite_add_tcase(s, r);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
