/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions: what there is, read and write in all widths, mappings and their revocation, features. */
#include <check.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/depth.h"
#include "base/fault.h"
#include "vfio_pci/testdev.h"

static struct file *file;
static const struct vfio_device_ops *const ops = &vfio_pci_ops;

static void io_bar(struct pci_dev *dev)
{
	ck_assert_int_eq(pci_dev_add_bar(dev, 2, 0x40, PCI_BASE_ADDRESS_SPACE_IO), 0);
}

static int fop_mmap(struct file *f, uint64_t off, uint64_t len, int prot, int flags)
{
	return ops->mmap(&test_vpd->vdev, (unsigned int)(off >> PCI_REGION_SHIFT),
			 off & ((1ULL << PCI_REGION_SHIFT) - 1), len, prot, flags);
}

static uint64_t fop_read(struct file *f, uint64_t off, unsigned int width)
{
	return ops->mmio_read(&test_vpd->vdev, 0, off, width, false);
}

static void fop_write(struct file *f, uint64_t off, unsigned int width, uint64_t value, bool nested)
{
	ops->mmio_write(&test_vpd->vdev, 0, off, width, value, nested);
}

static const struct file_operations fops = {
	.name = "test", .mmap = fop_mmap, .mmio_read = fop_read, .mmio_write = fop_write
};

static void setup(void)
{
	bool existed;

	ck_assert_int_eq(fault_init(), 0);
	testdev_create(io_bar);
	testdev_open();
	ck_assert_int_eq(file_alloc_memfd(&fops, NULL, 2, test_vpd->vdev.memfd, &file, &existed),
			 0);
	test_vpd->vdev.file = file;
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

static void teardown(void)
{
	testdev_close();
	file_put(file);
	testdev_destroy();
}

static ssize_t rd(unsigned int region, uint64_t off, void *buf, size_t count)
{
	return ops->region_read(&test_vpd->vdev, region, off, buf, count);
}

static ssize_t wr(unsigned int region, uint64_t off, const void *buf, size_t count)
{
	return ops->region_write(&test_vpd->vdev, region, off, buf, count);
}

START_TEST(info)
{
	struct vfio_device_info dev = { .argsz = sizeof(dev) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_INTX_IRQ_INDEX };
	struct vfio_region_info reg;
	struct vfio_info_cap caps = { NULL, 0 };

	ck_assert_int_eq(ops->get_info(&test_vpd->vdev, &dev, &caps), 0);
	ck_assert_uint_eq(dev.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	ck_assert_uint_eq(dev.num_regions, 9);
	ck_assert_uint_eq(dev.num_irqs, 5);
	for (unsigned int i = 0; i < 10; i++) {
		reg = (struct vfio_region_info){ .index = i };
		ck_assert_int_eq(ops->get_region_info(&test_vpd->vdev, &reg, &caps),
				 i < 8 ? 0 : -EINVAL);
		if (i >= 8)
			continue;
		ck_assert_uint_eq(reg.offset, (uint64_t)i << 40);
		ck_assert_uint_eq(reg.size, i == 0 ? 0x4000 : i == 2 ? 0x40 : i == 7 ? 4096 : 0);
		ck_assert_uint_eq(reg.flags, i == 0 ? 7 : i == 2 || i == 7 ? 3 : 0);
	}
	ck_assert_uint_eq(caps.size, 8);
	ck_assert_uint_eq(((struct vfio_info_cap_header *)caps.buf)->id,
			  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	free(caps.buf);
	ck_assert_int_eq(ops->get_irq_info(&test_vpd->vdev, &irq), 0);
	ck_assert_uint_eq(irq.flags, 7);
	ck_assert_uint_eq(irq.count, 1);
	irq.index = VFIO_PCI_MSIX_IRQ_INDEX;
	ck_assert_int_eq(ops->get_irq_info(&test_vpd->vdev, &irq), 0);
	ck_assert_uint_eq(irq.flags, 1);
	ck_assert_uint_eq(irq.count, TEST_VECTORS);
	irq.index = 5;
	ck_assert_int_eq(ops->get_irq_info(&test_vpd->vdev, &irq), -EINVAL);
}
END_TEST

START_TEST(cycles)
{
	uint8_t buf[64];

	/* 1, 2, 4, 8 and again downwards: as few naturally aligned cycles as there can be. */
	ck_assert_int_eq(rd(0, 1, buf, 22), 22);
	for (unsigned int i = 0; i < 22; i++)
		ck_assert_uint_eq(buf[i], i + 1);
	ck_assert_uint_eq(test_reads, 7);
	test_reads = 0;
	ck_assert_int_eq(rd(0, 0, buf, 64), 64);
	ck_assert_uint_eq(test_reads, 8);
	ck_assert_int_eq(wr(0, 4, buf, 4), 4);
	ck_assert_uint_eq(test_writes, 1);
	ck_assert_int_eq(rd(2, 0x3c, buf, 8), 4);
	/* Ends, absent BARs. */
	ck_assert_int_eq(rd(0, 0x3ffe, buf, 4), 2);
	ck_assert_int_eq(rd(0, 0x4000, buf, 4), -EINVAL);
	ck_assert_int_eq(rd(1, 0, buf, 4), -EINVAL);
	ck_assert_int_eq(wr(6, 0, buf, 4), -EINVAL);
}
END_TEST

START_TEST(msix_table_is_the_hosts)
{
	uint32_t *entry = (uint32_t *)((char *)test_pdev->bar[0].mem + TEST_MSIX_TABLE);
	uint8_t buf[0x800];
	uint32_t v = 0;

	ck_assert_int_eq(rd(0, TEST_MSIX_TABLE + 12, &v, 4), 4);
	ck_assert_uint_eq(v, ~0u);
	ck_assert_int_eq(wr(0, TEST_MSIX_TABLE + 12, &v, 4), 4);
	ck_assert_uint_eq(entry[3], 1);
	/* Across its end: the rest is read. */
	ck_assert_int_eq(rd(0, TEST_MSIX_TABLE + TEST_VECTORS * 16 - 2, buf, 4), 4);
	ck_assert_uint_eq(buf[1], 0xff);
	ck_assert_uint_eq(buf[2], 0);
	ck_assert_int_eq(rd(0, TEST_MSIX_PBA, &v, 4), 4);
	ck_assert_uint_eq(v, 0);
}
END_TEST

START_TEST(memory_off)
{
	uint32_t v = 0;

	test_write(PCI_COMMAND, 2, PCI_COMMAND_IO);
	ck_assert_int_eq(rd(0, 0, &v, 4), -EIO);
	ck_assert_int_eq(wr(0, 0, &v, 4), -EIO);
	ck_assert_int_eq(rd(0, 0x4000, &v, 4), -EINVAL);
	ck_assert_int_eq(rd(2, 0, &v, 4), 4);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_int_eq(rd(0, 0, &v, 4), 4);
	ck_assert_int_eq(rd(2, 0, &v, 4), 4);
	ck_assert_uint_eq(v, ~0u);
	test_write(0x64, 2, 3);
	ck_assert_int_eq(rd(0, 0, &v, 4), -EIO);
	ck_assert_uint_eq(test_read(0, 2), 0x1b36);
	test_write(0x64, 2, 0);
	ck_assert_int_eq(rd(0, 0, &v, 4), 4);
}
END_TEST

static int try_mmap(unsigned int region, uint64_t off, uint64_t len, int prot, int flags)
{
	return ops->mmap(&test_vpd->vdev, region, off, len, prot, flags);
}

START_TEST(mmap_rules)
{
	const int rw = PROT_READ | PROT_WRITE;

	ck_assert_int_eq(try_mmap(0, 0, 0x4000, rw, MAP_SHARED), 0);
	ck_assert_int_eq(try_mmap(0, 0x3000, 0x1000, PROT_NONE, MAP_SHARED), 0);
	ck_assert_int_eq(try_mmap(0, 0, 0x1000, rw | PROT_EXEC, MAP_SHARED), -EPERM);
	ck_assert_int_eq(try_mmap(0, 0, 0x1000, rw, MAP_PRIVATE), -EINVAL);
	ck_assert_int_eq(try_mmap(0, 0x3000, 0x2000, rw, MAP_SHARED), -EINVAL);
	ck_assert_int_eq(try_mmap(0, 0x4000, 0x1000, rw, MAP_SHARED), -EINVAL);
	ck_assert_int_eq(try_mmap(0, 0, 0x5000, rw, MAP_SHARED), -EINVAL);
	for (unsigned int i = 1; i < 11; i++)
		ck_assert_int_eq(try_mmap(i, 0, 0x1000, rw, MAP_SHARED), -EINVAL);
	test_pdev->sparse_mmap = true;
	ck_assert_int_eq(try_mmap(0, 0, 0x4000, rw, MAP_SHARED), -EINVAL);
	ck_assert_int_eq(try_mmap(0, 0x1000, 0x1000, rw, MAP_SHARED), 0);
	test_pdev->sparse_mmap = false;
}
END_TEST

START_TEST(sparse)
{
	struct vfio_region_info reg = { .index = 0 };
	struct vfio_info_cap caps = { NULL, 0 };
	struct vfio_region_info_cap_sparse_mmap *cap;

	test_pdev->sparse_mmap = true;
	ck_assert_int_eq(ops->get_region_info(&test_vpd->vdev, &reg, &caps), 0);
	cap = (struct vfio_region_info_cap_sparse_mmap *)caps.buf;
	ck_assert_uint_eq(cap->header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ck_assert_uint_eq(cap->nr_areas, 1);
	ck_assert_uint_eq(cap->areas[0].offset, 0x1000);
	ck_assert_uint_eq(cap->areas[0].size, 0x1000);
	free(caps.buf);
	testdev_close();
	test_pdev->no_mmap = true;
	testdev_open();
	ck_assert_int_eq(ops->get_region_info(&test_vpd->vdev, &reg, &caps), 0);
	ck_assert_uint_eq(reg.flags, 3);
	ck_assert_int_eq(try_mmap(0, 0x1000, 0x1000, PROT_READ, MAP_SHARED), -EINVAL);
}
END_TEST

static sigjmp_buf touched;

static void on_bus_error(int sig)
{
	siglongjmp(touched, 1);
}

/* 0: fine, 1: SIGBUS. */
static int touch(volatile uint32_t *p)
{
	if (sigsetjmp(touched, 1))
		return 1;
	(void)*p;
	return 0;
}

START_TEST(revocation)
{
	struct sigaction act = { .sa_handler = on_bus_error };
	const int rw = PROT_READ | PROT_WRITE;
	volatile uint32_t *bar;
	void *at;

	ck_assert_int_eq(fault_program_action(SIGBUS, &act, NULL), 0);
	ck_assert_int_eq(file_mmap(file, NULL, 0x4000, rw, MAP_SHARED, 0, &at), 0);
	bar = at;
	/* Page 0 traps stores, page 1 is plain. */
	bar[0] = 1;
	ck_assert_uint_eq(test_writes, 1);
	bar[0x400] = 7;
	ck_assert_uint_eq(test_writes, 1);
	ck_assert_uint_eq(((uint32_t *)test_pdev->bar[0].mem)[0x400], 7);
	test_write(PCI_COMMAND, 2, 0);
	ck_assert_int_eq(touch(&bar[0]), 1);
	ck_assert_int_eq(touch(&bar[0x400]), 1);
	/* What the model changes meanwhile counts afterwards. */
	pci_dev_lock(test_pdev);
	pci_bar_set_access(test_pdev, 0, 0, 0x1000, PAGE_DIRECT);
	pci_dev_unlock(test_pdev);
	ck_assert_int_eq(touch(&bar[0]), 1);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_int_eq(touch(&bar[0]), 0);
	ck_assert_uint_eq(bar[0x400], 7);
	bar[0] = 2;
	ck_assert_uint_eq(test_writes, 1);
	test_write(0x64, 2, 3);
	ck_assert_int_eq(touch(&bar[0x400]), 1);
	test_write(0x64, 2, 0);
	ck_assert_int_eq(touch(&bar[0x400]), 0);
	ck_assert_int_eq(ops->reset(&test_vpd->vdev), 0);
	ck_assert_int_eq(touch(&bar[0x400]), 0);
	file_munmap((uintptr_t)at, 0x4000);
	munmap(at, 0x4000);
}
END_TEST

START_TEST(features)
{
	struct {
		int32_t fd;
		uint32_t reserved;
	} wakeup = { .fd = eventfd(0, EFD_NONBLOCK) };
	const uint32_t set = VFIO_DEVICE_FEATURE_SET, probe = VFIO_DEVICE_FEATURE_PROBE;
	const uint32_t get = VFIO_DEVICE_FEATURE_GET;
	struct vfio_device *vdev = &test_vpd->vdev;
	uint32_t v;

	ck_assert_int_eq(ops->device_feature(vdev, probe, 0, NULL, 0), -ENOTTY);
	for (unsigned int f = 3; f <= 5; f++) {
		ck_assert_int_eq(ops->device_feature(vdev, probe, f, NULL, 0), 0);
		ck_assert_int_eq(ops->device_feature(vdev, probe | set, f, NULL, 0), 0);
		ck_assert_int_eq(ops->device_feature(vdev, probe | get, f, NULL, 0), -EINVAL);
		ck_assert_int_eq(ops->device_feature(vdev, 0, f, NULL, 0), -EINVAL);
	}
	ck_assert_int_eq(ops->device_feature(vdev, set, 3, NULL, 0), 0);
	ck_assert_int_eq(ops->device_feature(vdev, set, 3, NULL, 0), -EINVAL);
	/* Reads and writes go on, mappings do not. */
	ck_assert_int_eq(rd(0, 0, &v, 4), 4);
	ck_assert(test_vpd->revoked);
	ck_assert_int_eq(ops->device_feature(vdev, set, 5, NULL, 0), 0);
	ck_assert(!test_vpd->revoked);
	ck_assert_int_eq(ops->device_feature(vdev, set, 5, NULL, 0), 0);
	ck_assert_int_eq(ops->device_feature(vdev, set, 4, &wakeup, 7), -EINVAL);
	ck_assert_int_eq(ops->device_feature(vdev, set, 4, &wakeup, 8), 0);
	ck_assert(test_vpd->revoked);
	ck_assert_int_eq(rd(0, 0, &v, 4), 4);
	ck_assert(!test_vpd->revoked);
	ck_assert_uint_eq(test_eventfd(wakeup.fd), 1);
	close(wakeup.fd);
}
END_TEST

START_TEST(names)
{
	struct vfio_device *vdev = &test_vpd->vdev;

	ck_assert_int_eq(ops->match(vdev, "0000:01:00.0"), 1);
	ck_assert_int_eq(ops->match(vdev, "0000:01:00.1"), 0);
	ck_assert_int_eq(ops->match(vdev, "0000:01:00.0x"), 0);
	ck_assert_int_eq(ops->match(vdev, "0000:01:00.0 "), 1);
	ck_assert_int_eq(ops->match(vdev, "0000:01:00.0 x"), -EINVAL);
	ck_assert_int_eq(ops->match(vdev, "0000:01:00.0 vf_token=12345678"), -EINVAL);
	ck_assert_int_eq(ops->match(vdev, "0000:01:00.0 "
					  "vf_token=00112233-4455-6677-8899-aabbccddeeff"),
			 -EINVAL);
}
END_TEST

START_TEST(ioeventfd)
{
	struct vfio_device_ioeventfd req = { .argsz = 28, .flags = 4, .offset = 0x100, .data = 5 };
	struct vfio_device *vdev = &test_vpd->vdev;
	int fd = eventfd(0, EFD_NONBLOCK);

	req.fd = fd;
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), 0);
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), -EEXIST);
	ck_assert_int_eq(eventfd_write(fd, 1), 0);
	for (unsigned int i = 0; i < 60000 && !test_writes; i++)
		usleep(1000);
	ck_assert_uint_eq(test_writes, 1);
	req.fd = -1;
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), 0);
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), -ENODEV);
	req.fd = fd;
	req.flags = 3;
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), -EINVAL);
	req.flags = 4;
	req.offset = TEST_MSIX_TABLE + 8;
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), -EINVAL);
	req.offset = 7ULL << 40;
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, (uintptr_t)&req), -EINVAL);
	ck_assert_int_eq(ops->ioctl(vdev, VFIO_DEVICE_IOEVENTFD, 16), -EFAULT);
	ck_assert_int_eq(ops->ioctl(vdev, 0x1234, 0), -ENOTTY);
	close(fd);
}
END_TEST

/* A device that reads its own BAR, or a peer's that reads this one's: their locks are held. */
START_TEST(nested_read)
{
	pci_dev_lock(test_vpd->pdev);
	ck_assert_uint_eq(ops->mmio_read(&test_vpd->vdev, 0, 0x100, 4, true), 0);
	pci_dev_unlock(test_vpd->pdev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_pci regions");
	TCase *t = tcase_create("regions");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, info);
	tcase_add_test(t, cycles);
	tcase_add_test(t, msix_table_is_the_hosts);
	tcase_add_test(t, memory_off);
	tcase_add_test(t, mmap_rules);
	tcase_add_test(t, sparse);
	tcase_add_test(t, revocation);
	tcase_add_test(t, features);
	tcase_add_test(t, names);
	tcase_add_test(t, ioeventfd);
	tcase_add_test(t, nested_read);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
