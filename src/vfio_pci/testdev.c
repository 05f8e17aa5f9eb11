/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_pci/testdev.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "pci/bus.h"
#include "pci/model.h"

struct pci_dev *test_pdev;
struct vfio_pci_device *test_vpd;
_Atomic unsigned int test_reads, test_writes, test_resets;

static uint64_t model_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width)
{
	uint64_t value = 0;

	test_reads++;
	/* Each byte tells its offset. */
	for (unsigned int i = 0; i < width; i++)
		value |= ((off + i) & 0xff) << (8 * i);
	return value;
}

static void model_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			uint64_t value)
{
	test_writes++;
}

static void model_reset(struct pci_dev *dev)
{
	test_resets++;
}

static uint32_t model_legacy_read(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width)
{
	test_reads++;
	return (io ? 0x10000000 : 0x20000000) | addr;
}

static void model_legacy_write(struct pci_dev *dev, bool io, uint32_t addr, unsigned int width,
			       uint32_t value)
{
	test_writes++;
}

static const struct pci_model model = {
	.name = "test",
	.bar_read = model_read,
	.bar_write = model_write,
	.reset = model_reset,
	.legacy_read = model_legacy_read,
	.legacy_write = model_legacy_write,
};

void testdev_create(void (*extra)(struct pci_dev *dev))
{
	struct pci_dev *dev;

	ck_assert_int_eq(pci_dev_create(0x0100, &model, &dev), 0);
	pci_dev_set_ids(dev, 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	ck_assert_int_eq(pci_dev_add_bar(dev, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64), 0);
	pci_bar_declare(dev, 0, 0, 0x1000, PAGE_TRAP_WRITE);
	pci_bar_declare(dev, 0, 0x1000, 0x1000, PAGE_DIRECT);
	ck_assert_int_eq(pci_add_pm_cap(dev), 0x60);
	ck_assert_int_eq(pci_add_pcie_endpoint_cap(dev), 0x80);
	ck_assert_int_eq(pci_add_msix_cap(dev, TEST_VECTORS, 0, TEST_MSIX_TABLE, TEST_MSIX_PBA),
			 0x40);
	if (extra)
		extra(dev);
	pci_dev_created(dev);
	ck_assert_int_eq(pci_firmware_init(dev), 0);
	ck_assert_int_eq(vfio_pci_device_create(dev, &test_vpd), 0);
	test_pdev = dev;
}

void testdev_destroy(void)
{
	vfio_pci_device_destroy(test_vpd);
	pci_dev_destroy(test_pdev);
}

void testdev_open(void)
{
	ck_assert_int_eq(vfio_pci_ops.open_device(&test_vpd->vdev), 0);
	test_reads = test_writes = test_resets = 0;
}

void testdev_close(void)
{
	vfio_pci_ops.close_device(&test_vpd->vdev);
}

uint32_t test_read(unsigned int off, unsigned int width)
{
	uint32_t value = 0, raw = 0;

	ck_assert_int_eq(vfio_pci_ops.region_read(&test_vpd->vdev, VFIO_PCI_CONFIG_REGION_INDEX,
						  off, &value, width),
			 width);
	/* A raw pread of the device's memfd is right, too. */
	ck_assert_int_eq(pread(test_pdev->memfd, &raw, width, (off_t)7 << PCI_REGION_SHIFT | off),
			 width);
	ck_assert_uint_eq(raw, value);
	return value;
}

void test_write(unsigned int off, unsigned int width, uint32_t value)
{
	ck_assert_int_eq(vfio_pci_ops.region_write(&test_vpd->vdev, VFIO_PCI_CONFIG_REGION_INDEX,
						   off, &value, width),
			 width);
}

int test_set_irqs(unsigned int index, uint32_t flags, unsigned int start, unsigned int count,
		  const void *data)
{
	return vfio_pci_ops.set_irqs(&test_vpd->vdev, flags, index, start, count, data);
}

uint64_t test_eventfd(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t value = 0;

	if (poll(&p, 1, 0) == 1)
		ck_assert_int_eq(read(fd, &value, 8), 8);
	return value;
}
