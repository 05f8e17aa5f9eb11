/* SPDX-License-Identifier: BSD-3-Clause */
/* SET_IRQS in all its forms, masking, and INTx that masks itself and fires again. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vfio_pci/testdev.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX
#define REQ	VFIO_PCI_REQ_IRQ_INDEX
#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK

static int32_t fd[4];

static void with_msi(struct pci_dev *dev)
{
	ck_assert_int_gt(pci_add_msi_cap(dev, 4, false), 0);
}

static void setup(void)
{
	testdev_create(with_msi);
	testdev_open();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = eventfd(0, EFD_NONBLOCK);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void teardown(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	testdev_close();
	testdev_destroy();
}

static const uint8_t one = 1;

/* Forms that are refused while nothing is enabled. */
static const struct {
	unsigned int index;
	uint32_t flags;
	unsigned int start, count;
	int ret;
} wrong[] = {
	{ INTX, NONE, 0, 1, -ENOTTY },
	{ INTX, NONE | TRIGGER, 0, 1, -EINVAL },
	{ INTX, NONE | TRIGGER, 0, 0, -EINVAL },
	{ INTX, BOOL | TRIGGER, 0, 1, -EINVAL },
	{ INTX, NONE | MASK, 0, 1, -EINVAL },
	{ INTX, NONE | UNMASK, 0, 1, -EINVAL },
	{ INTX, EVENTFD | MASK, 0, 1, -EINVAL },
	{ INTX, EVENTFD | TRIGGER, 0, 0, -EINVAL },
	{ INTX, NONE | MASK | UNMASK, 0, 1, -ENOTTY },
	{ INTX, NONE | MASK | TRIGGER, 0, 1, -ENOTTY },
	{ MSIX, NONE, 0, 1, -ENOTTY },
	{ MSIX, NONE | MASK, 0, 1, -ENOTTY },
	{ MSIX, EVENTFD | UNMASK, 0, 1, -ENOTTY },
	{ MSIX, NONE | TRIGGER, 0, 1, -EINVAL },
	{ MSIX, NONE | TRIGGER, 0, 0, -EINVAL },
	{ MSIX, EVENTFD | TRIGGER, 0, 0, -ERANGE },
	{ ERR, NONE | MASK, 0, 1, -ENOTTY },
	{ ERR, NONE | TRIGGER, 0, 1, -EINVAL },
	{ ERR, NONE | TRIGGER, 0, 0, -EINVAL },
	{ ERR, EVENTFD | TRIGGER, 0, 0, -EINVAL },
	{ REQ, BOOL | TRIGGER, 0, 0, -EINVAL },
	{ REQ, EVENTFD | TRIGGER, 1, 0, -EINVAL },
	{ 5, NONE | TRIGGER, 0, 0, -ENOTTY },
};

START_TEST(wrong_forms)
{
	ck_assert_int_eq(test_set_irqs(wrong[_i].index, wrong[_i].flags, wrong[_i].start,
				       wrong[_i].count, &fd[0]),
			 wrong[_i].ret);
}
END_TEST

START_TEST(bad_eventfds)
{
	int32_t bad = 4242, pipe_fd = open("/dev/null", O_RDONLY);

	for (unsigned int index = INTX; index <= REQ; index++) {
		ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 0, 1, &bad), -EBADF);
		ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 0, 1, &pipe_fd), -EINVAL);
		/* Nothing stays enabled. */
		if (index <= MSIX)
			ck_assert_int_eq(test_set_irqs(index, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	}
	close(pipe_fd);
}
END_TEST

START_TEST(one_kind_at_a_time)
{
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 0, 1, fd), -EINVAL);
	ck_assert_int_eq(test_set_irqs(MSI, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | TRIGGER, 0, 0, NULL), 0);
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), -EINVAL);
	ck_assert_int_eq(test_set_irqs(MSIX, NONE | TRIGGER, 0, 0, NULL), 0);
	ck_assert_int_eq(test_set_irqs(MSIX, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
}
END_TEST

START_TEST(msix_vectors)
{
	int32_t hole[3] = { fd[0], -1, fd[2] }, off = -1;
	uint8_t pattern[3] = { 1, 1, 0 };

	ck_assert_uint_eq(test_read(0x42, 2) & PCI_MSIX_FLAGS_ENABLE, 0);
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 0, 3, hole), 0);
	ck_assert_uint_eq(test_read(0x42, 2) & PCI_MSIX_FLAGS_ENABLE, PCI_MSIX_FLAGS_ENABLE);
	pci_irq_raise(test_pdev, 0);
	pci_irq_raise(test_pdev, 1);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	/* The one without eventfd is masked: it comes when it gets one. */
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 1, 1, &fd[1]), 0);
	ck_assert_uint_eq(test_eventfd(fd[1]), 1);
	/* Beyond what was enabled first. */
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 64, 1, &fd[3]), 0);
	pci_irq_raise(test_pdev, 64);
	ck_assert_uint_eq(test_eventfd(fd[3]), 1);
	/* By software. */
	ck_assert_int_eq(test_set_irqs(MSIX, BOOL | TRIGGER, 0, 3, pattern), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_uint_eq(test_eventfd(fd[1]), 1);
	ck_assert_uint_eq(test_eventfd(fd[2]), 0);
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 2, 1, &off), 0);
	ck_assert_int_eq(test_set_irqs(MSIX, NONE | TRIGGER, 2, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[2]), 0);
	/* A reset keeps them. */
	ck_assert_int_eq(vfio_pci_ops.reset(&test_vpd->vdev), 0);
	pci_irq_raise(test_pdev, 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(MSIX, NONE | TRIGGER, 0, 0, NULL), 0);
	pci_irq_raise(test_pdev, 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	ck_assert_uint_eq(test_read(0x42, 2) & PCI_MSIX_FLAGS_ENABLE, 0);
}
END_TEST

START_TEST(a_failed_block_leaves_none)
{
	int32_t mixed[3] = { fd[0], 4242, fd[2] };

	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 0, 1, &fd[0]), 0);
	ck_assert_int_eq(test_set_irqs(MSIX, EVENTFD | TRIGGER, 0, 3, mixed), -EBADF);
	ck_assert_int_eq(test_set_irqs(MSIX, NONE | TRIGGER, 0, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
}
END_TEST

START_TEST(msi_messages)
{
	unsigned int cap = test_pdev->msi_cap;

	ck_assert_int_eq(test_set_irqs(MSI, EVENTFD | TRIGGER, 0, 2, fd), 0);
	pci_irq_raise(test_pdev, 1);
	ck_assert_uint_eq(test_eventfd(fd[1]), 1);
	ck_assert_int_eq(test_set_irqs(MSI, EVENTFD | TRIGGER, 2, 1, &fd[2]), -EINVAL);
	/* The user's enable bit works now, and its queue size up to what was enabled. */
	test_write(cap + 2, 2, PCI_MSI_FLAGS_ENABLE | 2 << 4);
	ck_assert_uint_eq(test_read(cap + 2, 2) & PCI_MSI_FLAGS_QSIZE, 1 << 4);
	test_write(cap + 2, 2, 0);
	pci_irq_raise(test_pdev, 1);
	ck_assert_uint_eq(test_eventfd(fd[1]), 0);
	ck_assert_int_eq(test_set_irqs(MSI, NONE | TRIGGER, 0, 0, NULL), 0);
}
END_TEST

START_TEST(intx_masks_itself)
{
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	/* Masked: once only, and the user's INTX_DISABLE does not show it. */
	pci_intx_set(test_pdev, false);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	ck_assert_uint_eq(test_read(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE, 0);
	ck_assert_uint_eq(test_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	/* Still high: fires again on unmask. */
	ck_assert_int_eq(test_set_irqs(INTX, NONE | UNMASK, 0, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(INTX, BOOL | UNMASK, 0, 1, &one), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	pci_intx_set(test_pdev, false);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | UNMASK, 0, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
}
END_TEST

START_TEST(intx_mask_by_user)
{
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | MASK, 0, 1, NULL), 0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | UNMASK, 0, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	pci_intx_set(test_pdev, false);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | UNMASK, 0, 1, NULL), 0);
	/* COMMAND.INTX_DISABLE, which is virtual. */
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | UNMASK, 0, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	test_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | MASK, 0, 1, fd), -ENOTTY);
}
END_TEST

static uint64_t wait_eventfd(int efd)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < 60000 && !value; i++) {
		value = test_eventfd(efd);
		if (!value)
			usleep(1000);
	}
	return value;
}

START_TEST(intx_unmask_by_eventfd)
{
	int32_t off = -1;

	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | UNMASK, 0, 1, &fd[1]), 0);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | UNMASK, 0, 1, &fd[1]), -EBUSY);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(eventfd_write(fd[1], 1), 0);
	ck_assert_uint_eq(wait_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | UNMASK, 0, 1, &off), 0);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | TRIGGER, 0, 0, NULL), 0);
}
END_TEST

/* An eventfd whose last fd is closed makes room, as QEMU expects when it moves INTx. */
START_TEST(intx_unmask_abandoned)
{
	int32_t gone = eventfd(0, EFD_NONBLOCK), copy = dup(gone);

	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | UNMASK, 0, 1, &gone), 0);
	close(gone);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | UNMASK, 0, 1, &fd[1]), -EBUSY);
	close(copy);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | UNMASK, 0, 1, &fd[1]), 0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(eventfd_write(fd[1], 1), 0);
	ck_assert_uint_eq(wait_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(INTX, NONE | TRIGGER, 0, 0, NULL), 0);
}
END_TEST

START_TEST(intx_replaced)
{
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, &fd[0]), 0);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, &fd[1]), 0);
	pci_intx_set(test_pdev, true);
	ck_assert_uint_eq(test_eventfd(fd[0]), 0);
	ck_assert_uint_eq(test_eventfd(fd[1]), 1);
}
END_TEST

START_TEST(error_and_request)
{
	int32_t off = -1, other = -2;

	ck_assert_int_eq(test_set_irqs(REQ, EVENTFD | TRIGGER, 0, 1, &other), -EINVAL);
	ck_assert_int_eq(test_set_irqs(REQ, EVENTFD | TRIGGER, 0, 1, &fd[0]), 0);
	vfio_pci_ops.request(&test_vpd->vdev, 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(REQ, BOOL | TRIGGER, 0, 1, &one), 0);
	ck_assert_uint_eq(test_eventfd(fd[0]), 1);
	ck_assert_int_eq(test_set_irqs(REQ, EVENTFD | TRIGGER, 0, 1, &off), 0);
	ck_assert_int_eq(test_set_irqs(REQ, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(test_set_irqs(ERR, EVENTFD | TRIGGER, 0, 1, &fd[1]), 0);
	ck_assert_int_eq(test_set_irqs(ERR, NONE | TRIGGER, 0, 1, NULL), 0);
	ck_assert_uint_eq(test_eventfd(fd[1]), 1);
	ck_assert_int_eq(test_set_irqs(ERR, NONE | TRIGGER, 0, 0, NULL), 0);
	ck_assert_int_eq(test_set_irqs(ERR, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	/* What is still set at close goes away with it. */
	ck_assert_int_eq(test_set_irqs(REQ, EVENTFD | TRIGGER, 0, 1, &fd[0]), 0);
}
END_TEST

/* ---- irqbypass ------------------------------------------------------------------------------ */

static unsigned int pairs;

static int add_producer(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	ck_assert_int_ge(p->irq, 24);
	pairs++;
	return 0;
}

static void del_producer(struct irq_bypass_consumer *c, struct irq_bypass_producer *p)
{
	pairs--;
}

#define CONSUMER                                                           \
	{                                                                  \
		.add_producer = add_producer, .del_producer = del_producer \
	}

/* Each vector's eventfd is a producer from SET_IRQS to its end, in either order with the consumer;
 * INTx, the error and the request eventfd are none. */
START_TEST(eventfds_are_producers)
{
	unsigned int index = _i ? MSIX : MSI;
	struct irq_bypass_consumer consumer[3] = { CONSUMER, CONSUMER, CONSUMER };
	int32_t off = -1, other = fd[3];

	pairs = 0;
	ck_assert_int_eq(irq_bypass_register_consumer(&consumer[0], fd[0]), 0);
	ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 0, 2, fd), 0);
	ck_assert_ptr_nonnull(consumer[0].producer);
	ck_assert_int_eq(irq_bypass_register_consumer(&consumer[1], fd[1]), 0);
	ck_assert_uint_eq(pairs, 2);
	/* Another eventfd for the vector, none, and the first one again. */
	ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 0, 1, &other), 0);
	ck_assert_ptr_null(consumer[0].producer);
	ck_assert_int_eq(irq_bypass_register_consumer(&consumer[2], fd[3]), 0);
	ck_assert_uint_eq(pairs, 2);
	ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 0, 1, &off), 0);
	ck_assert_uint_eq(pairs, 1);
	ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_uint_eq(pairs, 2);
	/* One eventfd for two vectors: the first has the consumer, the second works without. */
	ck_assert_int_eq(test_set_irqs(index, EVENTFD | TRIGGER, 1, 1, fd), 0);
	ck_assert_uint_eq(pairs, 1);
	ck_assert_int_eq(test_set_irqs(index, NONE | TRIGGER, 0, 0, NULL), 0);
	ck_assert_uint_eq(pairs, 0);
	ck_assert_int_eq(test_set_irqs(INTX, EVENTFD | TRIGGER, 0, 1, fd), 0);
	ck_assert_int_eq(test_set_irqs(ERR, EVENTFD | TRIGGER, 0, 1, &fd[1]), 0);
	ck_assert_int_eq(test_set_irqs(REQ, EVENTFD | TRIGGER, 0, 1, &fd[3]), 0);
	ck_assert_uint_eq(pairs, 0);
	for (size_t i = 0; i < ARRAY_SIZE(consumer); i++)
		irq_bypass_unregister_consumer(&consumer[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vfio_pci irqs");
	TCase *t = tcase_create("set_irqs");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, wrong_forms, 0, (int)ARRAY_SIZE(wrong));
	tcase_add_test(t, bad_eventfds);
	tcase_add_test(t, one_kind_at_a_time);
	tcase_add_test(t, msix_vectors);
	tcase_add_test(t, a_failed_block_leaves_none);
	tcase_add_test(t, msi_messages);
	tcase_add_test(t, intx_masks_itself);
	tcase_add_test(t, intx_mask_by_user);
	tcase_add_test(t, intx_unmask_by_eventfd);
	tcase_add_test(t, intx_unmask_abandoned);
	tcase_add_test(t, intx_replaced);
	tcase_add_test(t, error_and_request);
	tcase_add_loop_test(t, eventfds_are_producers, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
