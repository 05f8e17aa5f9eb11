/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything at once for a while: interrupts that come while they are set up, masked and torn down,
 * config writes, resets, changes of page behaviour. Then all must still work. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio_pci/testdev.h"

#define MSEC 400

static atomic_bool stop;
static int32_t fd[4];
static struct file *file;

static int fop_mmap(struct file *f, uint64_t off, uint64_t len, int prot, int flags)
{
	return vfio_pci_ops.mmap(&test_vpd->vdev, 0, off, len, prot, flags);
}

static const struct file_operations fops = { .name = "test", .mmap = fop_mmap };

static int set(unsigned int index, uint32_t flags, unsigned int count, const void *data)
{
	int ret;

	pthread_mutex_lock(&test_vpd->vdev.lock);
	ret = test_set_irqs(index, flags, 0, count, data);
	pthread_mutex_unlock(&test_vpd->vdev.lock);
	return ret;
}

static const uint32_t on = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
static const uint32_t off = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
static const uint32_t mask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
static const uint32_t unmask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
static const uint32_t unmask_fd = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;

static void *user(void *arg)
{
	while (!atomic_load(&stop)) {
		set(VFIO_PCI_MSIX_IRQ_INDEX, on, 4, fd);
		set(VFIO_PCI_MSIX_IRQ_INDEX, on, 2, fd + 2);
		set(VFIO_PCI_MSIX_IRQ_INDEX, off, 0, NULL);
		set(VFIO_PCI_INTX_IRQ_INDEX, on, 1, fd);
		set(VFIO_PCI_INTX_IRQ_INDEX, unmask_fd, 1, fd + 3);
		eventfd_write(fd[3], 1);
		set(VFIO_PCI_INTX_IRQ_INDEX, mask, 1, NULL);
		set(VFIO_PCI_INTX_IRQ_INDEX, unmask, 1, NULL);
		set(VFIO_PCI_INTX_IRQ_INDEX, on, 1, fd + 1);
		set(VFIO_PCI_INTX_IRQ_INDEX, off, 0, NULL);
	}
	return NULL;
}

static void *device(void *arg)
{
	for (unsigned int i = 0; !atomic_load(&stop); i++) {
		pci_dev_lock(test_pdev);
		pci_irq_raise(test_pdev, i % 8);
		pci_intx_set(test_pdev, i % 3 == 0);
		pci_bar_set_access(test_pdev, 0, 0, 0x1000, i % 2 ? PAGE_DIRECT : PAGE_TRAP_WRITE);
		pci_dev_unlock(test_pdev);
	}
	return NULL;
}

static void *config(void *arg)
{
	for (unsigned int i = 0; !atomic_load(&stop); i++) {
		uint16_t command = (uint16_t)((i * 7) & 0x0406);
		uint32_t ids = 0;

		vfio_pci_ops.region_write(&test_vpd->vdev, 7, PCI_COMMAND, &command, 2);
		vfio_pci_ops.region_read(&test_vpd->vdev, 7, 0, &ids, 4);
		if (ids != 0x00101b36)
			abort();
		vfio_pci_ops.region_read(&test_vpd->vdev, 0, 0, &ids, 4);
	}
	return NULL;
}

static void *resets(void *arg)
{
	while (!atomic_load(&stop)) {
		pthread_mutex_lock(&test_vpd->vdev.lock);
		vfio_pci_ops.reset(&test_vpd->vdev);
		pthread_mutex_unlock(&test_vpd->vdev.lock);
		usleep(200);
	}
	return NULL;
}

START_TEST(all_at_once)
{
	void *(*const fns[])(void *) = { user, device, config, resets };
	pthread_t threads[ARRAY_SIZE(fns)];
	bool existed;
	void *at;

	testdev_create(NULL);
	testdev_open();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = eventfd(0, EFD_NONBLOCK);
	ck_assert_int_eq(file_alloc_memfd(&fops, NULL, 2, test_vpd->vdev.memfd, &file, &existed),
			 0);
	test_vpd->vdev.file = file;
	ck_assert_int_eq(file_mmap(file, NULL, 0x4000, PROT_READ, MAP_SHARED, 0, &at), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fns[i], NULL), 0);
	usleep(MSEC * 1000);
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		pthread_join(threads[i], NULL);
	/* Nothing is stuck. */
	pci_intx_set(test_pdev, false);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		test_eventfd(fd[i]);
	ck_assert_int_eq(set(VFIO_PCI_INTX_IRQ_INDEX, on, 1, fd), 0);
	for (unsigned int i = 0; i < 3; i++) {
		pci_intx_set(test_pdev, true);
		ck_assert_uint_eq(test_eventfd(fd[0]), 1);
		pci_intx_set(test_pdev, false);
		ck_assert_int_eq(set(VFIO_PCI_INTX_IRQ_INDEX, unmask, 1, NULL), 0);
	}
	ck_assert_int_eq(set(VFIO_PCI_INTX_IRQ_INDEX, off, 0, NULL), 0);
	ck_assert_int_eq(set(VFIO_PCI_MSIX_IRQ_INDEX, on, 4, fd), 0);
	pci_irq_raise(test_pdev, 2);
	ck_assert_uint_ge(test_eventfd(fd[2]), 1);
	file_munmap((uintptr_t)at, 0x4000);
	munmap(at, 0x4000);
	testdev_close();
	file_put(file);
	testdev_destroy();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_pci races");
	TCase *t = tcase_create("races");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, all_at_once);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
