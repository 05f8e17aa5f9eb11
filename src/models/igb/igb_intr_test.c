/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts in all modes, throttling, reset, EEPROM, PHY, semaphores. */
#include <linux/mii.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "models/igb/igb_priv.h"
#include "models/igb/testdrv.h"

static struct drv_frame *frame;

static void setup(void)
{
	drv_start();
	frame = drv_alloc(sizeof(*frame));
	drv_make(frame, false, true, 200);
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 32);
	/* The change of the link when the loopback was turned on. */
	drv_get(IGB_ICR);
}

static void teardown(void)
{
	drv_stop();
}

static void send(void)
{
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_nonnull(drv_received(0));
}

static bool pin(void)
{
	return pci_config_read(drv_dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

static void msix(unsigned int vectors)
{
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSIX, vectors), 0);
	for (unsigned int i = 0; i < vectors; i++)
		drv_connect(PCI_IRQ_MSIX, i);
	drv_set(IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_EIAME);
}

/* Receive queue 0 at vector 1, transmit queue 0 at vector 2, all else at vector 0. */
START_TEST(routing)
{
	msix(4);
	drv_set(IGB_IVAR, 0x8281);
	drv_set(IGB_IVAR_MISC, 0x8000);
	drv_set(IGB_EIMS, 7);
	send();
	ck_assert_uint_eq(drv_signals(0), 0);
	ck_assert_uint_eq(drv_signals(1), 1);
	ck_assert_uint_eq(drv_signals(2), 1);
	ck_assert_uint_eq(drv_get(IGB_EICR), 6);
	drv_set(IGB_IMS, IGB_ICR_LSC);
	drv_set(IGB_ICS, IGB_ICR_LSC);
	ck_assert_uint_eq(drv_signals(0), 1);
	ck_assert_uint_eq(drv_get(IGB_ICR) & (IGB_ICR_LSC | IGB_ICR_INT_ASSERTED),
			  IGB_ICR_LSC | IGB_ICR_INT_ASSERTED);
	ck_assert_uint_eq(drv_get(IGB_ICR), 0);
	/* An entry that is not valid leads nowhere. */
	drv_set(IGB_IVAR, 0x0281);
	send();
	ck_assert_uint_eq(drv_signals(2), 1);
}
END_TEST

/* EIAC clears, EIAM masks with the message; EIMS tells what came meanwhile. */
START_TEST(masks)
{
	msix(4);
	drv_set(IGB_IVAR, 0x0081);
	drv_set(IGB_EIAC, 2);
	drv_set(IGB_EIAM, 2);
	drv_set(IGB_EIMS, 2);
	send();
	ck_assert_uint_eq(drv_signals(1), 1);
	ck_assert_uint_eq(drv_get(IGB_EIMS), 0);
	send();
	send();
	ck_assert_uint_eq(drv_signals(1), 1);
	drv_set(IGB_EIMS, 2);
	ck_assert_uint_eq(drv_signals(1), 2);
	drv_set(IGB_EIMS, 2);
	ck_assert_uint_eq(drv_signals(1), 2);
	drv_set(IGB_EIMC, 2);
	drv_set(IGB_EICS, 2);
	ck_assert_uint_eq(drv_signals(1), 2);
	/* Acknowledged while masked: forgotten. */
	drv_set(IGB_EICR, 2);
	drv_set(IGB_EIMS, 2);
	ck_assert_uint_eq(drv_signals(1), 2);
}
END_TEST

/* EITR: the second message comes when the interval is over, and for all that happened in it. */
START_TEST(throttling)
{
	msix(4);
	drv_set(IGB_IVAR, 0x0081);
	drv_set(IGB_EIAC, 2);
	drv_set(IGB_EIMS, 2);
	drv_set(IGB_EITR + 4, 0x7ffc); /* 8191 us */
	for (unsigned int i = 0; i < 20; i++)
		send();
	/* Fewer than frames: not one a frame, whatever the machine's pace. */
	ck_assert_uint_ge(drv_signals(1), 1);
	for (unsigned int i = 0; drv_signals(1) < 2; i++)
		ck_assert_uint_lt(i, 2000000000);
	/* The interval that runs ends with the write. */
	drv_set(IGB_EITR + 4, 0);
	drv_set(IGB_EICS, 2);
	ck_assert_uint_ge(drv_signals(1), 3);
}
END_TEST

/* When the timer looks again, 0: never. */
static uint64_t look_again(void)
{
	uint64_t next;

	pci_dev_lock(drv_dev);
	next = igb_intr_expire(igb_fn(drv_dev), igb_now());
	pci_dev_unlock(drv_dev);
	return next;
}

/* What was held back and acknowledged meanwhile leaves nothing for the timer to wait for. */
START_TEST(throttled_and_acknowledged)
{
	drv_set(IGB_EITR, 0x7ffc);
	drv_set(IGB_IMS, IGB_ICR_RXDW);
	send();
	drv_get(IGB_ICR);
	send();
	drv_get(IGB_ICR);
	ck_assert_uint_eq(look_again(), 0);
	/* The same for a vector of the mode with several. */
	drv_set(IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	drv_set(IGB_EITR + 12, 0x7ffc);
	drv_set(IGB_EIMS, 8);
	drv_set(IGB_EICS, 8);
	drv_set(IGB_EICS, 8);
	drv_set(IGB_GPIE, 0);
	drv_set(IGB_EIMC, 8);
	ck_assert_uint_eq(look_again(), 0);
}
END_TEST

START_TEST(intx)
{
	ck_assert(!pin());
	send();
	ck_assert(!pin());
	ck_assert_uint_eq(drv_get(IGB_ICR), IGB_ICR_RXDW | IGB_ICR_TXDW);
	drv_set(IGB_IMS, IGB_ICR_RXDW);
	send();
	ck_assert(pin());
	ck_assert_uint_eq(drv_get(IGB_ICR), IGB_ICR_RXDW | IGB_ICR_TXDW | IGB_ICR_INT_ASSERTED);
	ck_assert(!pin());
	/* By the place of older controllers, and by writing ones. */
	send();
	ck_assert(pin());
	drv_set(IGB_ICR_ALIAS, IGB_ICR_RXDW);
	ck_assert(!pin());
	ck_assert_uint_eq(drv_get(IGB_ICR_ALIAS), 0x1 | 0);
	drv_set(IGB_IMC, IGB_ICR_ALL);
	ck_assert_uint_eq(drv_get(IGB_IMS), 0);
}
END_TEST

START_TEST(msi)
{
	ck_assert_int_eq(pci_enable_vectors(drv_dev, PCI_IRQ_MSI, 1), 0);
	drv_connect(PCI_IRQ_MSI, 0);
	drv_set(IGB_IMS, IGB_ICR_RXDW);
	send();
	send();
	ck_assert_uint_eq(drv_signals(0), 1);
	drv_get(IGB_ICR);
	send();
	ck_assert_uint_eq(drv_signals(0), 2);
	ck_assert(!pin());
}
END_TEST

START_TEST(tcp_timer)
{
	drv_set(IGB_EIMS, IGB_EICR_TCP_TIMER);
	drv_set(IGB_TCPTIMER, 1 | BIT(8));
	for (unsigned int i = 0; !(drv_get(IGB_EICR) & IGB_EICR_TCP_TIMER); i++)
		ck_assert_uint_lt(i, 2000000000);
}
END_TEST

static void check_reset(void)
{
	ck_assert_uint_eq(drv_get(IGB_RCTL), 0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_LEN)), 0);
	ck_assert_uint_eq(drv_get(drv_rxq(0, IGB_Q_TAIL)), 0);
	ck_assert_uint_eq(drv_get(IGB_EIMS), 0);
	ck_assert_uint_eq(drv_get(IGB_IMS), 0);
	ck_assert_uint_eq(drv_get(IGB_MTA), 0);
	ck_assert_uint_eq(drv_get(IGB_RA + 4) & IGB_RAH_AV, IGB_RAH_AV);
	ck_assert_uint_eq(drv_get(IGB_EECD) & IGB_EECD_AUTO_RD, IGB_EECD_AUTO_RD);
	ck_assert_uint_eq(drv_get(IGB_CTRL) & IGB_CTRL_RST, 0);
	ck_assert_uint_eq(drv_phy_read(MII_BMCR) & BMCR_LOOPBACK, 0);
}

START_TEST(reset)
{
	drv_set(IGB_EIMS, 1);
	drv_set(IGB_MTA, 1);
	drv_set(IGB_CTRL, drv_get(IGB_CTRL) | IGB_CTRL_RST);
	check_reset();
	drv_set(IGB_MTA, 1);
	drv_set(IGB_IMS, IGB_ICR_LSC);
	pci_dev_reset(drv_dev);
	pci_config_write(drv_dev, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	check_reset();
	/* The card works afterwards. */
	drv_stop();
	drv_start();
	frame = drv_alloc(sizeof(*frame));
	drv_make(frame, false, true, 200);
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 32);
	send();
}
END_TEST

/* 6.10: the words up to 0x3f add up; the first three are receive address 0. */
START_TEST(eeprom)
{
	uint16_t sum = 0, words[3];

	for (unsigned int i = 0; i < 0x40; i++) {
		uint32_t value;

		drv_set(IGB_EERD, i << 2 | IGB_EERD_START);
		value = drv_get(IGB_EERD);
		ck_assert_uint_eq(value & IGB_EERD_DONE, IGB_EERD_DONE);
		sum = (uint16_t)(sum + (value >> 16));
		if (i < 3)
			words[i] = (uint16_t)(value >> 16);
	}
	ck_assert_uint_eq(sum, 0xbaba);
	ck_assert_uint_eq(drv_get(IGB_RA), words[0] | (uint32_t)words[1] << 16);
	ck_assert_uint_eq(drv_get(IGB_RA + 4) & 0xffff, words[2]);
	drv_set(IGB_EECD, IGB_EECD_REQ);
	ck_assert_uint_eq(drv_get(IGB_EECD) & IGB_EECD_GNT, IGB_EECD_GNT);
	drv_set(IGB_EECD, 0);
	ck_assert_uint_eq(drv_get(IGB_EECD) & IGB_EECD_GNT, 0);
}
END_TEST

START_TEST(phy)
{
	ck_assert_uint_eq(drv_phy_read(MII_PHYSID1), 0x02a8);
	ck_assert_uint_eq(drv_phy_read(MII_PHYSID2), 0x0391);
	ck_assert_uint_eq(drv_phy_read(MII_BMSR) & BMSR_LSTATUS, BMSR_LSTATUS);
	ck_assert_uint_eq(drv_get(IGB_STATUS) & IGB_STATUS_LU, IGB_STATUS_LU);
	/* No cable, no loopback, no link. */
	drv_set(IGB_ICR, IGB_ICR_ALL);
	drv_phy_write(MII_BMCR, BMCR_RESET);
	ck_assert_uint_eq(drv_phy_read(MII_BMCR), BMCR_ANENABLE | BMCR_SPEED1000 | BMCR_FULLDPLX);
	ck_assert_uint_eq(drv_phy_read(MII_BMSR) & BMSR_LSTATUS, 0);
	ck_assert_uint_eq(drv_get(IGB_STATUS) & IGB_STATUS_LU, 0);
	ck_assert_uint_eq(drv_get(IGB_ICR) & IGB_ICR_LSC, IGB_ICR_LSC);
	/* Nobody is at another address. */
	drv_set(IGB_MDIC, MII_BMSR << 16 | 2 << 21 | IGB_MDIC_READ);
	ck_assert_uint_eq(drv_get(IGB_MDIC) & IGB_MDIC_ERROR, IGB_MDIC_ERROR);
}
END_TEST

START_TEST(semaphores)
{
	ck_assert_uint_eq(drv_get(IGB_SWSM) & IGB_SWSM_SMBI, 0);
	ck_assert_uint_eq(drv_get(IGB_SWSM) & IGB_SWSM_SMBI, IGB_SWSM_SMBI);
	drv_set(IGB_SWSM, IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
	ck_assert_uint_eq(drv_get(IGB_SWSM), IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
	drv_set(IGB_SWSM, 0);
	ck_assert_uint_eq(drv_get(IGB_SWSM), 0);
	drv_set(IGB_CTRL, drv_get(IGB_CTRL) | IGB_CTRL_MASTER_DISABLE);
	ck_assert_uint_eq(drv_get(IGB_STATUS) & IGB_STATUS_MASTER_ENABLE, 0);
}
END_TEST

START_TEST(options)
{
	drv_stop();
	ck_assert_ptr_null(drv_refused((const char *const[]){ "net=none", NULL }));
	ck_assert_ptr_nonnull(drv_refused((const char *const[]){ "net=nothing", NULL }));
	ck_assert_ptr_nonnull(drv_refused((const char *const[]){ "mac=01:00:00:00:00:00", NULL }));
	ck_assert_ptr_nonnull(drv_refused((const char *const[]){ "doorbell=no", NULL }));
	drv_start();
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("interrupts and reset") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], routing);
	tcase_add_test(cases[0], masks);
	tcase_add_test(cases[0], throttling);
	tcase_add_test(cases[0], throttled_and_acknowledged);
	tcase_add_test(cases[0], intx);
	tcase_add_test(cases[0], msi);
	tcase_add_test(cases[0], tcp_timer);
	tcase_add_test(cases[0], reset);
	tcase_add_test(cases[0], eeprom);
	tcase_add_test(cases[0], phy);
	tcase_add_test(cases[0], semaphores);
	tcase_add_test(cases[0], options);
	tcase_set_timeout(cases[0], 60);
	return drv_main("igb_intr", cases, ARRAY_SIZE(cases));
}
