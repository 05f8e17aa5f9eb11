/* SPDX-License-Identifier: BSD-3-Clause */
/* For unit tests: a function shaped like the emulated NVMe controller, opened through
 * vfio_pci_ops. */
#ifndef VFIO_PCI_TESTDEV_H
#define VFIO_PCI_TESTDEV_H

#include "file/file.h"
#include "vfio_pci/core.h"
#include "vfio_pci/vfio_pci_priv.h"

#define TEST_MSIX_TABLE 0x2000
#define TEST_MSIX_PBA	0x3000
#define TEST_VECTORS	65

extern struct pci_dev *test_pdev;
extern struct vfio_pci_device *test_vpd;
/* Counts what reaches the model. */
extern _Atomic unsigned int test_reads, test_writes, test_resets;

/* @extra runs before the function is complete: more capabilities. */
void testdev_create(void (*extra)(struct pci_dev *dev));
void testdev_destroy(void);
void testdev_open(void);
void testdev_close(void);
/* Config space as a user sees it. */
uint32_t test_read(unsigned int off, unsigned int width);
void test_write(unsigned int off, unsigned int width, uint32_t value);
int test_set_irqs(unsigned int index, uint32_t flags, unsigned int start, unsigned int count,
		  const void *data);
uint64_t test_eventfd(int fd);

#endif
