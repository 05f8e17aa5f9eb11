/* SPDX-License-Identifier: BSD-3-Clause */
/* MSI-X, MSI and INTx with CHANCTRL.INT_DISABLE, INTRCTRL and ATTNSTATUS. */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "file/file.h"
#include "models/ioat/ioat_priv.h"
#include "models/ioat/testdrv.h"

static uint8_t *src, *dst;

static void setup(void)
{
	drv_start((const char *const[]){ "chans=3", NULL });
	src = drv_alloc(4096);
	dst = drv_alloc(4096);
	for (unsigned int i = 0; i < 3; i++)
		drv_arm(i);
}

static void teardown(void)
{
	drv_stop();
}

static struct ioat_desc interrupting(void)
{
	struct ioat_desc desc = drv_copy(dst, src, 8);

	desc.ctl |= IOAT_CTL_INT_EN;
	return desc;
}

static void rearm(unsigned int chan)
{
	drv_set(chan, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_INT_DISABLE);
}

static bool disabled(unsigned int chan)
{
	return drv_get(chan, IOAT_CHAN_CTRL, 2) & IOAT_CHANCTRL_INT_DISABLE;
}

static bool pin(void)
{
	return pci_config_read(drv_dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

START_TEST(msix)
{
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, 3), 0);
	for (unsigned int i = 0; i < 3; i++)
		drv_connect(PCI_IRQ_MSIX, i);
	ck_assert_int_eq(drv_exec(1, interrupting()), IOAT_IDLE);
	ck_assert_uint_eq(drv_signals(0), 0);
	ck_assert_uint_eq(drv_signals(1), 1);
	ck_assert_uint_eq(drv_signals(2), 0);
	ck_assert(disabled(1) && !disabled(0));
	ck_assert_int_eq(drv_exec(1, drv_copy(dst, src, 8)), IOAT_IDLE);
	rearm(1);
	ck_assert(!disabled(1));
	ck_assert_uint_eq(drv_signals(1), 1);
	/* Without the descriptor's bit: silence. */
	ck_assert_int_eq(drv_exec(1, drv_copy(dst, src, 8)), IOAT_IDLE);
	ck_assert_uint_eq(drv_signals(1), 1);
	/* The single interrupt's registers take no part. */
	ck_assert_uint_eq(drv_read(IOAT_REG_ATTNSTATUS, 4), 0);
	ck_assert(!pin());
}
END_TEST

/* What comes while the interrupt is disabled is told once it is enabled. */
START_TEST(held_back)
{
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, 3), 0);
	drv_connect(PCI_IRQ_MSIX, 0);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(drv_exec(0, interrupting()), IOAT_IDLE);
	ck_assert_uint_eq(drv_signals(0), 1);
	/* A written 0 does not enable it. */
	drv_set(0, IOAT_CHAN_CTRL, 2, 0);
	ck_assert(disabled(0));
	rearm(0);
	ck_assert_uint_eq(drv_signals(0), 2);
	ck_assert(disabled(0));
	rearm(0);
	ck_assert_uint_eq(drv_signals(0), 2);
	ck_assert(!disabled(0));
	/* A reset forgets it. */
	ck_assert_int_eq(drv_exec(0, interrupting()), IOAT_IDLE);
	ck_assert_int_eq(drv_exec(0, interrupting()), IOAT_IDLE);
	drv_set(0, IOAT_CHAN_CMD, 1, IOAT_CHANCMD_RESET);
	rearm(0);
	ck_assert_uint_eq(drv_signals(0), 3);
}
END_TEST

START_TEST(on_errors)
{
	struct ioat_desc bad = drv_copy(dst, src, 8);

	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, 3), 0);
	drv_connect(PCI_IRQ_MSIX, 0);
	bad.src = DRV_BAD_IOVA;
	ck_assert_uint_eq(drv_error(0, bad), IOAT_ERR_READ_DATA);
	/* Not even with the descriptor's bit: it did not complete. */
	bad.ctl |= IOAT_CTL_INT_EN;
	ck_assert_uint_eq(drv_error(0, bad), IOAT_ERR_READ_DATA);
	ck_assert_uint_eq(drv_signals(0), 0);
	drv_set(0, IOAT_CHAN_CTRL, 2, IOAT_CHANCTRL_ERR_INT_EN);
	ck_assert_uint_eq(drv_error(0, bad), IOAT_ERR_READ_DATA);
	ck_assert_uint_eq(drv_signals(0), 1);
}
END_TEST

/* A handler: INTRCTRL is read and loses its enable bit, ATTNSTATUS is read and cleared. */
static uint32_t handle(void)
{
	uint64_t ctrl = drv_read(IOAT_REG_INTRCTRL, 1);
	uint32_t attention;

	ck_assert_uint_eq(ctrl, IOAT_INTRCTRL_MASTER_INT_EN | IOAT_INTRCTRL_INT_STATUS |
					IOAT_INTRCTRL_INT);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), IOAT_INTRCTRL_INT_STATUS);
	ck_assert(!pin());
	attention = (uint32_t)drv_read(IOAT_REG_ATTNSTATUS, 4);
	ck_assert_uint_eq(drv_read(IOAT_REG_ATTNSTATUS, 4), 0);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), 0);
	return attention;
}

START_TEST(intx)
{
	/* Not enabled: the status is there, the line is not. */
	ck_assert_int_eq(drv_exec(0, interrupting()), IOAT_IDLE);
	ck_assert(!pin());
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), IOAT_INTRCTRL_INT_STATUS);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert(pin());
	ck_assert_uint_eq(handle(), 1);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert(!pin());
	/* Two channels at once. */
	ck_assert_int_eq(drv_exec(1, interrupting()), IOAT_IDLE);
	ck_assert_int_eq(drv_exec(2, interrupting()), IOAT_IDLE);
	ck_assert(pin());
	ck_assert_uint_eq(handle(), 6);
	/* One more between the reads of a handler and its end. */
	rearm(1);
	ck_assert_int_eq(drv_exec(1, interrupting()), IOAT_IDLE);
	ck_assert(!pin());
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert(pin());
	pci_dev_reset(drv_dev);
	ck_assert(!pin());
}
END_TEST

START_TEST(msi)
{
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSI, 1), 0);
	drv_connect(PCI_IRQ_MSI, 0);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert_int_eq(drv_exec(1, interrupting()), IOAT_IDLE);
	ck_assert_uint_eq(drv_signals(0), 1);
	/* The line is high already: no second message, but the second channel is named. */
	ck_assert_int_eq(drv_exec(2, interrupting()), IOAT_IDLE);
	ck_assert_uint_eq(drv_signals(0), 1);
	ck_assert(!pin());
	ck_assert_uint_eq(handle(), 6);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert_uint_eq(drv_signals(0), 1);
	rearm(1);
	ck_assert_int_eq(drv_exec(1, interrupting()), IOAT_IDLE);
	ck_assert_uint_eq(drv_signals(0), 2);
}
END_TEST

/* Loads trap exactly while they have effects. */
START_TEST(load_access)
{
	const uint8_t *access = drv_dev->bar[0].page_access;

	ck_assert_int_eq(*access, PAGE_TRAP_WRITE);
	ck_assert_int_eq(drv_exec(0, interrupting()), IOAT_IDLE);
	ck_assert_int_eq(*access, PAGE_TRAP_ALL);
	drv_read(IOAT_REG_ATTNSTATUS, 1);
	ck_assert_int_eq(*access, PAGE_TRAP_WRITE);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN);
	ck_assert_int_eq(*access, PAGE_TRAP_ALL);
	drv_read(IOAT_REG_INTRCTRL, 1);
	ck_assert_int_eq(*access, PAGE_TRAP_WRITE);
	drv_write(IOAT_REG_INTRCTRL, 1, IOAT_INTRCTRL_MASTER_INT_EN | IOAT_INTRCTRL_MSIX_VECTOR);
	ck_assert_int_eq(*access, PAGE_TRAP_WRITE);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), 9);
	ck_assert_uint_eq(drv_read(IOAT_REG_INTRCTRL, 1), 9);
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("interrupts") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], msix);
	tcase_add_test(cases[0], held_back);
	tcase_add_test(cases[0], on_errors);
	tcase_add_test(cases[0], intx);
	tcase_add_test(cases[0], msi);
	tcase_add_test(cases[0], load_access);
	return drv_main("ioat_intr", cases, ARRAY_SIZE(cases));
}
