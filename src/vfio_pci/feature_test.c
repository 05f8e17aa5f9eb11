/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What depends on the function or on the module's parameters: low power, functions that forget in
 * D3hot, the VGA and ROM regions, INTx masked at the line, the VF token, the list of functions that
 * are not given away.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pci/bus.h"
#include "pci/model.h"
#include "pci/sriov.h"
#include "vfio_pci/testdev.h"
#include "vfio_pci/vfio_pci.h"

#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

static const struct vfio_device_ops *const ops = &vfio_pci_ops;

static int feature(uint32_t flags, uint32_t number, void *data, size_t size)
{
	return ops->device_feature(&test_vpd->vdev, flags, number, data, size);
}

static ssize_t rd(unsigned int region, uint64_t off, void *buf, size_t count)
{
	return ops->region_read(&test_vpd->vdev, region, off, buf, count);
}

static ssize_t wr(unsigned int region, uint64_t off, const void *buf, size_t count)
{
	return ops->region_write(&test_vpd->vdev, region, off, buf, count);
}

static int region(unsigned int index, struct vfio_region_info *info)
{
	struct vfio_info_cap caps = { NULL, 0 };

	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	return ops->get_region_info(&test_vpd->vdev, info, &caps);
}

/* ---- power ----------------------------------------------------------------------------------- */

static void forgets(struct pci_dev *dev)
{
	pci_set_word(dev, dev->pm_cap + PCI_PM_CTRL, 0);
}

static void low_power(void (*extra)(struct pci_dev *dev))
{
	uint32_t value;

	testdev_create(extra);
	testdev_open();
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	test_write(PCI_CACHE_LINE_SIZE, 1, 0x20);
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0), 0);
	ck_assert_uint_eq(pci_power_state(test_pdev), 3);
	/* Awake for an access, and asleep again. */
	ck_assert_int_eq(rd(0, 0, &value, 4), 4);
	ck_assert_uint_eq(value, 0x03020100);
	ck_assert_uint_eq(pci_power_state(test_pdev), 3);
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0), -EINVAL);
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, NULL, 0), 0);
	ck_assert_uint_eq(pci_power_state(test_pdev), 0);
	ck_assert_uint_eq(test_read(PCI_CACHE_LINE_SIZE, 1), 0x20);
	ck_assert_uint_eq(test_read(PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	testdev_close();
	ck_assert_uint_eq(pci_power_state(test_pdev), 3);
	testdev_destroy();
}

START_TEST(low_power_sleeps)
{
	low_power(NULL);
}
END_TEST

START_TEST(low_power_forgetful)
{
	low_power(forgets);
}
END_TEST

START_TEST(d3_forgetful)
{
	testdev_create(forgets);
	testdev_open();
	test_write(PCI_CACHE_LINE_SIZE, 1, 0x20);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	test_write(test_pdev->pm_cap + PCI_PM_CTRL, 2, 3);
	ck_assert_uint_eq(pci_power_state(test_pdev), 3);
	ck_assert_uint_eq(test_resets, 0);
	test_write(test_pdev->pm_cap + PCI_PM_CTRL, 2, 0);
	/* The function was reset on the way, and what the host keeps of it came back. */
	ck_assert_uint_eq(test_resets, 1);
	ck_assert_uint_eq(test_read(PCI_CACHE_LINE_SIZE, 1), 0x20);
	ck_assert_uint_eq(test_read(PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	testdev_close();
	testdev_destroy();
}
END_TEST

START_TEST(wakeup)
{
	int fd = eventfd(0, EFD_NONBLOCK), value = 0;
	int32_t entry[2] = { fd, 0 };

	testdev_create(NULL);
	testdev_open();
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, entry, 4),
			 -EINVAL);
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, entry, 8),
			 0);
	ck_assert_uint_eq(test_eventfd(fd), 0);
	ck_assert_int_eq(rd(VFIO_PCI_CONFIG_REGION_INDEX, 0, &value, 4), 4);
	ck_assert_uint_eq(test_eventfd(fd), 1);
	ck_assert_uint_eq(pci_power_state(test_pdev), 0);
	testdev_close();
	testdev_destroy();
	close(fd);
}
END_TEST

START_TEST(no_idle_d3)
{
	testdev_create(NULL);
	test_vpd->disable_idle_d3 = true;
	testdev_open();
	testdev_close();
	ck_assert_uint_eq(pci_power_state(test_pdev), 0);
	testdev_destroy();
}
END_TEST

/* ---- regions --------------------------------------------------------------------------------- */

static void vga_class(struct pci_dev *dev)
{
	pci_dev_set_ids(dev, 0x1234, 0x1111, 0x030000, 2, 0x1af4, 0x1100);
}

START_TEST(vga)
{
	struct vfio_region_info info;
	uint32_t value[2];

	testdev_create(vga_class);
	testdev_open();
	ck_assert_int_eq(region(VFIO_PCI_VGA_REGION_INDEX, &info), 0);
	ck_assert_uint_eq(info.size, 0xc0000);
	ck_assert_uint_eq(info.flags, 3);
	ck_assert_uint_eq(info.offset, 8ULL << 40);
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0xa0000, value, 8), 8);
	ck_assert_uint_eq(value[0], 0x200a0000);
	ck_assert_uint_eq(value[1], 0x200a0004);
	ck_assert_uint_eq(test_reads, 2);
	/* A transfer ends with its range. */
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0x3b8, value, 8), 4);
	ck_assert_uint_eq(value[0], 0x100003b8);
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0xbfffe, value, 8), 2);
	ck_assert_int_eq(wr(VFIO_PCI_VGA_REGION_INDEX, 0x3c0, value, 3), 3);
	ck_assert_uint_eq(test_writes, 2);
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0x3bc, value, 1), -EINVAL);
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0xc0000, value, 1), -EINVAL);
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0, value, 1), -EINVAL);
	testdev_close();
	test_vpd->disable_vga = true;
	testdev_open();
	ck_assert_int_eq(region(VFIO_PCI_VGA_REGION_INDEX, &info), -EINVAL);
	ck_assert_int_eq(rd(VFIO_PCI_VGA_REGION_INDEX, 0xa0000, value, 4), -EINVAL);
	testdev_close();
	testdev_destroy();
}
END_TEST

static void rom_bar(struct pci_dev *dev)
{
	ck_assert_int_eq(pci_dev_add_bar(dev, PCI_ROM_BAR, 0x1000, 0), 0);
}

START_TEST(rom)
{
	struct vfio_region_info info;
	uint8_t *content, buf[8];

	testdev_create(rom_bar);
	testdev_open();
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	content = test_pdev->bar[PCI_ROM_BAR].mem;
	/* There is a BAR; what is in it is no ROM. */
	ck_assert_int_eq(region(VFIO_PCI_ROM_REGION_INDEX, &info), 0);
	ck_assert_uint_eq(info.size, 0);
	ck_assert_int_eq(rd(VFIO_PCI_ROM_REGION_INDEX, 0, buf, 4), -ENOMEM);
	test_write(PCI_ROM_ADDRESS, 4, ~0u);
	ck_assert_uint_eq(test_read(PCI_ROM_ADDRESS, 4), 0xfffff001);
	memcpy(content, "\x55\xaa", 2);
	ck_assert_int_eq(rd(VFIO_PCI_ROM_REGION_INDEX, 0, buf, 4), -ENOMEM);
	/* Two images of 512 bytes. */
	for (unsigned int i = 0; i < 2; i++) {
		memcpy(content + 512 * i, "\x55\xaa", 2);
		content[512 * i + 0x18] = 0x1c;
		memcpy(content + 512 * i + 0x1c, "PCIR", 4);
		content[512 * i + 0x1c + 0x10] = 1;
	}
	content[512 + 0x1c + 0x15] = 0x80;
	ck_assert_int_eq(region(VFIO_PCI_ROM_REGION_INDEX, &info), 0);
	ck_assert_uint_eq(info.size, 0x1000);
	ck_assert_uint_eq(info.flags, VFIO_REGION_INFO_FLAG_READ);
	/* The model answers up to their end, nobody beyond; never more than four bytes at once. */
	test_reads = 0;
	ck_assert_int_eq(rd(VFIO_PCI_ROM_REGION_INDEX, 1020, buf, 8), 8);
	ck_assert_uint_eq(buf[0], 0xfc);
	ck_assert_uint_eq(buf[4], 0xff);
	ck_assert_int_eq(rd(VFIO_PCI_ROM_REGION_INDEX, 0, buf, 8), 8);
	ck_assert_uint_eq(test_reads, 3);
	ck_assert_int_eq(wr(VFIO_PCI_ROM_REGION_INDEX, 0, buf, 4), -EINVAL);
	ck_assert_int_eq(rd(VFIO_PCI_ROM_REGION_INDEX, 0x1000, buf, 4), -EINVAL);
	testdev_close();
	testdev_destroy();
}
END_TEST

/* After an error the function's own COMMAND may be off: a user reads ones and may turn it on. */
START_TEST(reset_behind_the_back)
{
	uint32_t value = 0;

	testdev_create(NULL);
	testdev_open();
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_dev_reset(test_pdev);
	ck_assert_int_eq(rd(0, 0, &value, 4), 4);
	ck_assert_uint_eq(value, ~0u);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_int_eq(rd(0, 0, &value, 4), 4);
	ck_assert_uint_eq(value, 0x03020100);
	ck_assert_uint_eq(pci_get_long(test_pdev, PCI_BASE_ADDRESS_0) & ~0xfu,
			  (uint32_t)test_pdev->bar[0].addr);
	testdev_close();
	testdev_destroy();
}
END_TEST

/* ---- INTx at the line ------------------------------------------------------------------------ */

START_TEST(intx_at_the_line)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	const uint32_t none = VFIO_IRQ_SET_DATA_NONE;

	testdev_create(NULL);
	test_vpd->nointxmask = true;
	testdev_open();
	ck_assert_int_eq(test_set_irqs(VFIO_PCI_INTX_IRQ_INDEX,
				       VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0,
				       1, &fd),
			 0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd), 1);
	/* Masked, but not in the function. */
	ck_assert_uint_eq(pci_get_word(test_pdev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE, 0);
	pci_intx_set(test_pdev, false);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd), 0);
	ck_assert_int_eq(test_set_irqs(VFIO_PCI_INTX_IRQ_INDEX, none | VFIO_IRQ_SET_ACTION_UNMASK,
				       0, 1, NULL),
			 0);
	ck_assert_uint_eq(test_eventfd(fd), 1);
	pci_intx_set(test_pdev, false);
	ck_assert_int_eq(test_set_irqs(VFIO_PCI_INTX_IRQ_INDEX, none | VFIO_IRQ_SET_ACTION_UNMASK,
				       0, 1, NULL),
			 0);
	ck_assert_uint_eq(test_eventfd(fd), 0);
	/* What comes while it is masked waits. */
	ck_assert_int_eq(
		test_set_irqs(VFIO_PCI_INTX_IRQ_INDEX, none | VFIO_IRQ_SET_ACTION_MASK, 0, 1, NULL),
		0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd), 0);
	ck_assert_int_eq(test_set_irqs(VFIO_PCI_INTX_IRQ_INDEX, none | VFIO_IRQ_SET_ACTION_UNMASK,
				       0, 1, NULL),
			 0);
	ck_assert_uint_eq(test_eventfd(fd), 1);
	testdev_close();
	testdev_destroy();
	close(fd);
}
END_TEST

/* ---- names and tokens ------------------------------------------------------------------------ */

#define UUID "bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3"

static void sriov(struct pci_dev *dev)
{
	static const struct pci_model vf_model = { .name = "vf" };
	const struct pci_sriov vfs = {
		.total_vfs = 2, .offset = 128, .stride = 2, .vf_model = &vf_model
	};

	ck_assert_int_eq(pci_add_sriov_cap(dev, 0, &vfs), 0x100);
}

START_TEST(token)
{
	uint8_t uuid[16] = { 1, 2, 3 }, given[16];
	char name[96];

	testdev_create(NULL);
	testdev_open();
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, uuid, 16), -ENOTTY);
	snprintf(name, sizeof(name), "%s vf_token=" UUID, test_pdev->dev.name);
	ck_assert_int_eq(ops->match(&test_vpd->vdev, name), -EINVAL);
	testdev_close();
	testdev_destroy();
	testdev_create(sriov);
	testdev_open();
	ck_assert_int_eq(feature(PROBE | SET, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, uuid, 16), 0);
	ck_assert_int_eq(
		feature(VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, uuid, 16),
		-EINVAL);
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, uuid, 15), -EINVAL);
	ck_assert_int_eq(feature(SET, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, uuid, 16), 0);
	ck_assert(pci_vf_token_get(test_pdev, given));
	ck_assert_mem_eq(given, uuid, 16);
	ck_assert_int_eq(ops->match(&test_vpd->vdev, name), 1);
	ck_assert(pci_vf_token_get(test_pdev, given));
	ck_assert_uint_eq(given[0], 0xbd);
	ck_assert_uint_eq(given[15], 0xf3);
	testdev_close();
	testdev_destroy();
}
END_TEST

START_TEST(denied)
{
	static const bool no;
	bool disabled = false;
	const struct vfio_pci_params params = { &no, &no, &no, &disabled, &no };
	const struct pci_bus_env env = { .arg = NULL };
	struct device_core *core;
	struct pci_driver *drv;
	struct pci_bus *bus;
	struct device dev;

	ck_assert_int_eq(device_core_create(&core), 0);
	ck_assert_int_eq(pci_bus_create(core, &env, &bus), 0);
	ck_assert_int_eq(vfio_pci_register(bus, &params, &drv), 0);
	testdev_create(NULL);
	pci_dev_set_ids(test_pdev, 0x8086, 0x0b25, 0x088000, 0, 0x8086, 0);
	dev = test_pdev->dev;
	test_pdev->dev.driver = &drv->drv;
	ck_assert_int_eq(drv->drv.probe(&test_pdev->dev), -EINVAL);
	/* With the parameter it gets as far as VFIO, which is not there. */
	disabled = true;
	ck_assert_int_eq(drv->drv.probe(&test_pdev->dev), -ENODEV);
	test_pdev->dev = dev;
	testdev_destroy();
	vfio_pci_unregister(drv);
	pci_bus_destroy(bus);
	device_core_destroy(core);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_pci features");
	TCase *t = tcase_create("features");
	SRunner *r;
	int failed;

	tcase_add_test(t, low_power_sleeps);
	tcase_add_test(t, low_power_forgetful);
	tcase_add_test(t, d3_forgetful);
	tcase_add_test(t, wakeup);
	tcase_add_test(t, no_idle_d3);
	tcase_add_test(t, vga);
	tcase_add_test(t, rom);
	tcase_add_test(t, reset_behind_the_back);
	tcase_add_test(t, intx_at_the_line);
	tcase_add_test(t, token);
	tcase_add_test(t, denied);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
