/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space in a user's hands. The table of what each byte takes was recorded from Linux's
 * vfio-pci with an emulated NVMe controller of this shape.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio_pci/testdev.h"

static void setup(void)
{
	testdev_create(NULL);
	testdev_open();
}

static void teardown(void)
{
	testdev_close();
	testdev_destroy();
}

static const struct {
	uint16_t first, last;
	uint8_t ff, zero; /* what is read after writing 0xff and 0 */
} recorded[] = {
	{ 0x004, 0x004, 0x07, 0x00 }, { 0x005, 0x005, 0x05, 0x00 }, { 0x00c, 0x00c, 0xff, 0x00 },
	{ 0x011, 0x011, 0xc0, 0x00 }, { 0x012, 0x012, 0xff, 0x00 }, { 0x013, 0x013, 0xff, 0x00 },
	{ 0x014, 0x017, 0xff, 0x00 }, { 0x03c, 0x03c, 0xff, 0x00 }, { 0x04c, 0x05f, 0xff, 0x00 },
	{ 0x064, 0x064, 0x0b, 0x08 }, { 0x068, 0x07f, 0xff, 0x00 }, { 0x088, 0x088, 0xef, 0x00 },
	{ 0x089, 0x089, 0x70, 0x00 }, { 0x0a9, 0x0a9, 0x80, 0x00 }, { 0x0bc, 0x0ff, 0xff, 0x00 },
	{ 0x104, 0xfff, 0xff, 0x00 },
};

static bool find(unsigned int off, uint8_t *ff, uint8_t *zero)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		if (off >= recorded[i].first && off <= recorded[i].last) {
			*ff = recorded[i].ff;
			*zero = recorded[i].zero;
			return true;
		}
	}
	return false;
}

static uint8_t back_to(unsigned int off, uint8_t before)
{
	test_write(off, 1, before);
	return (uint8_t)test_read(off, 1);
}

START_TEST(initial_bytes)
{
	ck_assert_uint_eq(test_read(0x00, 4), 0x00101b36);
	ck_assert_uint_eq(test_read(0x04, 4), 0x00100103);
	ck_assert_uint_eq(test_read(0x10, 4), 0xfe400004);
	ck_assert_uint_eq(test_read(0x30, 4), 0);
	ck_assert_uint_eq(test_read(0x34, 1), 0x40);
	ck_assert_uint_eq(test_read(0x3c, 2), 0x010a);
	ck_assert_uint_eq(test_read(0x40, 4), 0x00408011);
	ck_assert_uint_eq(test_read(0x60, 4), 0x00030001);
	ck_assert_uint_eq(test_read(0x64, 2), 0x0008);
	ck_assert_uint_eq(test_read(0x80, 4), 0x00026010);
	ck_assert_uint_eq(test_read(0x100, 4), 0);
}
END_TEST

START_TEST(each_byte_as_recorded)
{
	for (unsigned int off = 0; off < PCI_CFG_EXT_SIZE; off++) {
		uint8_t before = (uint8_t)test_read(off, 1), ff = before, zero = before;

		find(off, &ff, &zero);
		test_write(off, 1, 0xff);
		ck_assert_msg(test_read(off, 1) == ff, "%#x: ff reads %#x", off, test_read(off, 1));
		test_write(off, 1, 0);
		ck_assert_msg(test_read(off, 1) == zero, "%#x: 00 reads %#x", off,
			      test_read(off, 1));
		ck_assert_msg(back_to(off, before) == before, "%#x: not back", off);
	}
}
END_TEST

/* In all widths and patterns only writable bits change, and only in the bytes written. */
START_TEST(exhaustive)
{
	static const uint32_t patterns[] = { 0, ~0u, 0x55555555, 0xaaaaaaaa, 0x12345678 };

	for (unsigned int width = 1; width <= 4; width *= 2) {
		for (unsigned int off = 0; off + width <= PCI_CFG_EXT_SIZE; off++) {
			uint32_t before = test_read(off, width);

			for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
				test_write(off, width, patterns[p]);
				for (unsigned int i = 0; i < width; i++) {
					uint8_t want = (uint8_t)(patterns[p] >> (8 * i)), ff, zero;
					uint8_t got = (uint8_t)test_read(off + i, 1);

					if (!find(off + i, &ff, &zero)) {
						ck_assert_uint_eq(got,
								  (uint8_t)(before >> (8 * i)));
						continue;
					}
					/* D1 and D2 are no states of this function. */
					if (off + i == 0x64)
						continue;
					ck_assert_msg(got == ((want & ff) | zero),
						      "%#x+%u width %u: %#x wrote, %#x read", off,
						      i, width, want, got);
				}
			}
			test_write(off, width, before);
			ck_assert_uint_eq(test_read(off, width), before);
		}
	}
}
END_TEST

START_TEST(bounds)
{
	const struct vfio_device_ops *ops = &vfio_pci_ops;
	uint8_t buf[PCI_CFG_EXT_SIZE + 1];
	struct vfio_device *vdev = &test_vpd->vdev;

	ck_assert_int_eq(ops->region_read(vdev, 7, 0, buf, 4096), 4096);
	ck_assert_int_eq(ops->region_read(vdev, 7, 0, buf, 4097), -EFAULT);
	ck_assert_int_eq(ops->region_read(vdev, 7, 4095, buf, 2), -EFAULT);
	ck_assert_int_eq(ops->region_read(vdev, 7, 4096, buf, 1), -EFAULT);
	ck_assert_int_eq(ops->region_write(vdev, 7, 4095, buf, 2), -EFAULT);
	ck_assert_int_eq(ops->region_read(vdev, 8, 0, buf, 4), -EINVAL);
	ck_assert_int_eq(ops->region_read(vdev, 9, 0, buf, 4), -EINVAL);
	ck_assert_int_eq(ops->region_read(vdev, 9, 0, buf, 0), 0);
	ck_assert_int_eq(ops->region_read(vdev, 6, 0, buf, 4), -EINVAL);
}
END_TEST

START_TEST(function_level_reset)
{
	test_write(0x3c, 1, 0x55);
	test_write(0x0c, 1, 0x10);
	test_write(0x10, 4, 0xd0000000);
	test_write(0x04, 2, 0x0407);
	test_write(0x88, 2, PCI_EXP_DEVCTL_BCR_FLR);
	ck_assert_uint_eq(test_resets, 1);
	ck_assert_uint_eq(test_read(0x88, 2), 0);
	/* What the user set is saved and restored around it. */
	ck_assert_uint_eq(test_read(0x04, 2), 0x0407);
	ck_assert_uint_eq(test_read(0x10, 4), 0xd0000004);
	ck_assert_uint_eq(test_read(0x3c, 1), 0x55);
	ck_assert_uint_eq(test_read(0x0c, 1), 0x10);
	/* The function itself keeps the host's address. */
	ck_assert_uint_eq(pci_config_read(test_pdev, 0x10, 4), 0xfe400004);
	testdev_close();
	testdev_open();
	ck_assert_uint_eq(test_read(0x04, 2), 0x0103);
	ck_assert_uint_eq(test_read(0x10, 4), 0xfe400004);
	ck_assert_uint_eq(test_read(0x3c, 1), 0x0a);
}
END_TEST

START_TEST(lost_addresses_come_back)
{
	test_write(0x04, 2, 7);
	pci_dev_reset(test_pdev);
	ck_assert_uint_eq(pci_config_read(test_pdev, 0x10, 4), 4);
	test_write(0x04, 2, 7);
	ck_assert_uint_eq(pci_config_read(test_pdev, 0x10, 4), 0xfe400004);
}
END_TEST

START_TEST(power_state)
{
	test_write(0x64, 2, 3);
	ck_assert_uint_eq(pci_power_state(test_pdev), 3);
	ck_assert_uint_eq(test_read(0x64, 2), 0x000b);
	/* Not a way that exists: nothing changes. */
	test_write(0x64, 2, 2);
	ck_assert_uint_eq(test_read(0x64, 2), 0x000b);
	test_write(0x64, 2, 0);
	ck_assert_uint_eq(test_read(0x64, 2), 0x0008);
}
END_TEST

/* ---- a richer function ---------------------------------------------------------------------- */

static int msi_at, vndr_at, ssvid_at, aer_at, vpd_at;

/* A name, a read-only field, the end: 20 bytes. */
static const uint8_t vpd[] = { 0x82, 3, 0,   'N', 'I', 'C', 0x90, 8,	0, 'P',
			       'N',  5, '1', '2', '3', '4', '5',  0x7a, 0, 0 };

static void rich(struct pci_dev *dev)
{
	msi_at = pci_add_msi_cap(dev, 8, true);
	ssvid_at = pci_add_capability(dev, PCI_CAP_ID_SSVID, 8);
	vndr_at = pci_add_capability(dev, PCI_CAP_ID_VNDR, 12);
	dev->config[vndr_at + 2] = 12;
	memset(dev->wmask + vndr_at + 4, 0xff, 8);
	vpd_at = pci_add_vpd_cap(dev, vpd, sizeof(vpd));
	ck_assert_int_gt(vpd_at, 0);
	/* Hidden, but the anchor of the extended list. */
	ck_assert_int_eq(pci_add_ext_capability(dev, PCI_EXT_CAP_ID_SECPCI, 1, 16), 0x100);
	aer_at = pci_add_ext_capability(dev, PCI_EXT_CAP_ID_ERR, 2, 0x48);
	pci_add_ext_capability(dev, PCI_EXT_CAP_ID_SECPCI, 1, 16);
	pci_add_ext_capability(dev, PCI_EXT_CAP_ID_DSN, 1, 12);
	memset(dev->wmask + aer_at + PCI_ERR_UNCOR_MASK, 0xff, 8);
	memset(dev->w1cmask + aer_at + PCI_ERR_UNCOR_STATUS, 0xff, 4);
}

static void setup_rich(void)
{
	testdev_create(rich);
	testdev_open();
}

START_TEST(hidden_capabilities)
{
	unsigned int pos, seen = 0;

	for (pos = test_read(0x34, 1); pos; pos = test_read(pos + 1, 1)) {
		ck_assert_uint_ne(test_read(pos, 1), PCI_CAP_ID_SSVID);
		seen |= 1u << test_read(pos, 1);
	}
	ck_assert_uint_eq(seen, 1u << PCI_CAP_ID_PM | 1u << PCI_CAP_ID_MSI | 1u << PCI_CAP_ID_VNDR |
					1u << PCI_CAP_ID_VPD | 1u << PCI_CAP_ID_EXP |
					1u << PCI_CAP_ID_MSIX);
	/* The anchor keeps its link only; a hidden one later is led around. */
	ck_assert_uint_eq(test_read(0x100, 4) & 0xfffff, 0);
	ck_assert_uint_eq(test_read(0x100, 4) >> 20, aer_at);
	pos = test_read((unsigned int)aer_at, 4) >> 20;
	ck_assert_uint_eq(test_read(pos, 4), 0x00010003);
	test_write(0x100, 4, ~0u);
	ck_assert_uint_eq(test_read(0x100, 4) & 0xfffff, 0);
}
END_TEST

START_TEST(vendor_and_aer)
{
	unsigned int v = (unsigned int)vndr_at, a = (unsigned int)aer_at;
	uint32_t header = test_read(v, 4);

	test_write(v, 4, ~0u);
	ck_assert_uint_eq(test_read(v, 4), header);
	test_write(v + 4, 4, 0x12345678);
	ck_assert_uint_eq(test_read(v + 4, 4), 0x12345678);
	ck_assert_uint_eq(pci_config_read(test_pdev, v + 4, 4), 0x12345678);
	test_write(a + PCI_ERR_UNCOR_MASK, 4, ~0u);
	ck_assert_uint_eq(test_read(a + PCI_ERR_UNCOR_MASK, 4), 0x03fff031);
	pci_set_long(test_pdev, a + PCI_ERR_UNCOR_STATUS, 0x00104000);
	ck_assert_uint_eq(test_read(a + PCI_ERR_UNCOR_STATUS, 4), 0x00104000);
	test_write(a + PCI_ERR_UNCOR_STATUS, 4, 0x00004000);
	ck_assert_uint_eq(test_read(a + PCI_ERR_UNCOR_STATUS, 4), 0x00100000);
}
END_TEST

START_TEST(msi_is_virtual)
{
	unsigned int m = (unsigned int)msi_at;

	ck_assert_uint_eq(test_read(m + 2, 2), 0x0186);
	/* Enable and queue size are what SET_IRQS made possible: nothing yet. The rest is the
	 * user's. */
	test_write(m + 2, 2, 0xffff);
	ck_assert_uint_eq(test_read(m + 2, 2), 0x018e);
	ck_assert_uint_eq(pci_config_read(test_pdev, m + 2, 2) & PCI_MSI_FLAGS_ENABLE, 0);
	test_write(m + 4, 4, 0xfee01004);
	ck_assert_uint_eq(test_read(m + 4, 4), 0xfee01004);
	ck_assert_uint_eq(pci_config_read(test_pdev, m + 4, 4), 0);
	test_write(m + PCI_MSI_MASK_64, 4, 0x81);
	ck_assert_uint_eq(pci_config_read(test_pdev, m + PCI_MSI_MASK_64, 4), 0x81);
}
END_TEST

START_TEST(vital_product_data)
{
	unsigned int v = (unsigned int)vpd_at;
	uint8_t text[32];

	/* A read: the flag toggles when the data is there. */
	test_write(v + 2, 2, 0x0000);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x8000);
	ck_assert_uint_eq(test_read(v + 4, 4), 0x4e000382);
	/* Nothing happens before the byte with the flag is written. */
	test_write(v + 2, 1, 0x04);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x8004);
	test_write(v + 3, 1, 0x00);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x8004);
	ck_assert_uint_eq(test_read(v + 4, 4), 0x08904349);
	/* A write. */
	test_write(v + 4, 4, 0x39393535);
	test_write(v + 2, 2, 0x800c);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x000c);
	ck_assert_int_eq(pci_vpd_read(test_pdev, 12, sizeof(text), text), 8);
	ck_assert(!memcmp(text, "5599", 4));
	/* Behind the end tag there is nothing to read, and a write does not end. */
	test_write(v + 2, 2, 0x0040);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x8040);
	ck_assert_uint_eq(test_read(v + 4, 4), 0);
	test_write(v + 2, 2, 0x8040);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x8040);
	/* In one write with the capability's first bytes. */
	test_write(v, 4, 0x00080000);
	ck_assert_uint_eq(test_read(v + 2, 2), 0x8008);
	ck_assert_int_eq(pci_vpd_write(test_pdev, 2, 4, text), -EINVAL);
	ck_assert_int_eq(pci_vpd_write(test_pdev, 20, 4, text), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_pci config");
	TCase *plain = tcase_create("as recorded"), *more = tcase_create("rich");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(plain, setup, teardown);
	tcase_set_timeout(plain, 30);
	tcase_add_test(plain, initial_bytes);
	tcase_add_test(plain, each_byte_as_recorded);
	tcase_add_test(plain, exhaustive);
	tcase_add_test(plain, bounds);
	tcase_add_test(plain, function_level_reset);
	tcase_add_test(plain, lost_addresses_come_back);
	tcase_add_test(plain, power_state);
	tcase_add_checked_fixture(more, setup_rich, teardown);
	tcase_add_test(more, hidden_capabilities);
	tcase_add_test(more, vendor_and_aer);
	tcase_add_test(more, msi_is_virtual);
	tcase_add_test(more, vital_product_data);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, more);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
