/* SPDX-License-Identifier: BSD-3-Clause */
/* Random descriptors, registers and frames: whatever a program does, the card goes on and a reset
 * makes it work again. */
#include <linux/mii.h>
#include <stdlib.h>
#include <string.h>

#include "models/igb/testdrv.h"

#define ROUNDS 40000

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static struct drv_frame *frame;

static void setup(void)
{
	drv_start();
	frame = drv_alloc(sizeof(*frame));
	drv_make(frame, false, true, 400);
}

static void teardown(void)
{
	drv_stop();
}

/* A descriptor that is nearly right, so that it gets far. */
static struct igb_desc random_desc(void)
{
	struct igb_desc d = drv_data(frame->data, 14 + rnd() % 9000, 0, rnd() & 0x7f0);

	switch (rnd() % 6) {
	case 0:
		d = drv_context(rnd() % 128, rnd() % 512, rnd() % 256, rnd() % 65536,
				(uint16_t)rnd(), rnd() & 0xfff00);
		break;
	case 1:
		d.lo = rnd();
		d.hi = rnd();
		break;
	case 2:
		d.lo |= IGB_TXD_TSE;
		d.hi |= IGB_TXD_IXSM | IGB_TXD_TXSM;
		break;
	case 3:
		d = drv_context(14, 20 + 20 * (rnd() & 1), 20, 1 + rnd() % 2000, 1, rnd() & 0xc00);
		break;
	case 4:
		d.lo = (d.lo & ~(IGB_TXD_DEXT | IGB_TXD_EOP)) | (rnd() & 0xff000000);
		d.hi = rnd();
		break;
	default:
		d.addr = rnd() % 50 ? d.addr + rnd() % 500 : DRV_BAD_IOVA;
	}
	return d;
}

static void random_registers(void)
{
	static const uint32_t places[] = { IGB_CTRL,	 IGB_RCTL,     IGB_TCTL,   IGB_MRQC,
					   IGB_RXCSUM,	 IGB_RFCTL,    IGB_VT_CTL, IGB_DTXSWC,
					   IGB_PSRTYPE,	 IGB_VMOLR,    IGB_VLVF,   IGB_ETQF,
					   IGB_GPIE,	 IGB_EIMS,     IGB_IVAR,   IGB_EITR,
					   IGB_RXQ_BASE, IGB_TXQ_BASE, IGB_RETA,   IGB_VMVIR };

	if (rnd() & 1)
		drv_write(rnd() % 0x20000, 1u << rnd() % 4, rnd());
	else
		drv_set(places[rnd() % ARRAY_SIZE(places)] + 4 * (rnd() % 12), rnd());
	drv_read(rnd() % 0x1fff0, 1u << rnd() % 4);
}

START_TEST(nonsense)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		if (round % 200 == 0) {
			drv_stop();
			setup();
			drv_tx_queue(0);
			drv_tx_queue(5);
			drv_rx_queue(0, (rnd() % 6) << 25 | (rnd() & 0x3f0f), 32);
			drv_rx_queue(5, rnd(), 32);
		}
		for (unsigned int i = rnd() % 8; i; i--)
			drv_tx_push(rnd() & 1 ? 0 : 5, random_desc());
		drv_tx_go(0);
		drv_tx_go(5);
		frame->data[rnd() % 100] = (uint8_t)rnd();
		if (rnd() % 4 == 0)
			random_registers();
		if (rnd() % 8 == 0)
			drv_set(drv_rxq(rnd() & 1 ? 0 : 5, IGB_Q_TAIL), rnd() % DRV_RING);
	}
	/* As good as new. */
	drv_stop();
	setup();
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 4);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_nonnull(drv_received(0));
	ck_assert_mem_eq(drv_rx_data(0), frame->data, frame->len);
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("nonsense") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], nonsense);
	tcase_set_timeout(cases[0], 100);
	return drv_main("igb_fuzz", cases, ARRAY_SIZE(cases));
}
