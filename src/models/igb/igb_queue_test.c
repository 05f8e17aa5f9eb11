/* SPDX-License-Identifier: BSD-3-Clause */
/* Transmit and receive queues: descriptors of all kinds, filters, statistics, flow control. */
#include <stdlib.h>
#include <string.h>

#include "models/igb/testdrv.h"

static struct drv_frame *frame;

static void setup(void)
{
	drv_start();
	frame = drv_alloc(sizeof(*frame));
	drv_make(frame, false, true, 200);
}

static void teardown(void)
{
	drv_stop();
}

/* The next frame of queue @q is that in @f, at its full length. */
static void expect(unsigned int q, const struct drv_frame *f)
{
	const struct igb_desc *d = drv_received(q);

	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(drv_status(d) & 3, IGB_RXD_DD | IGB_RXD_EOP);
	ck_assert_uint_eq(drv_len(d), f->len);
	ck_assert_mem_eq(drv_rx_data(q), f->data, f->len);
}

START_TEST(one_frame)
{
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 4);
	drv_send(0, frame->data, frame->len, 0, 0);
	expect(0, frame);
	ck_assert_ptr_null(drv_received(0));
	ck_assert_uint_eq(drv_tx_ring(0)[0].hi & IGB_TXD_DD, 1);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 1);
	ck_assert_uint_eq(drv_get(drv_rxq(0, IGB_Q_HEAD)), 1);
	/* The place of older controllers shows the same. */
	ck_assert_uint_eq(drv_get(IGB_TXQ_ALIAS + IGB_Q_HEAD), 1);
	ck_assert_uint_eq(drv_get(IGB_RXQ_ALIAS + IGB_Q_TAIL), 4);
}
END_TEST

/* Without RS nothing is written back; with head write-back the head is, and no descriptor. */
START_TEST(write_back)
{
	uint32_t *head = drv_alloc(4);
	struct igb_desc d = drv_data(frame->data, frame->len, 0, 0);

	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 4);
	d.lo &= ~IGB_TXD_RS;
	drv_tx_push(0, d);
	drv_tx_go(0);
	ck_assert_ptr_nonnull(drv_received(0));
	ck_assert_uint_eq(drv_tx_ring(0)[0].hi & IGB_TXD_DD, 0);
	drv_set(drv_txq(0, IGB_Q_WBAL), (uint32_t)drv_iova(head) | IGB_TDWBAL_HEAD_WB_EN);
	drv_set(drv_txq(0, IGB_Q_WBAH), (uint32_t)(drv_iova(head) >> 32));
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_tx_ring(0)[1].hi & IGB_TXD_DD, 0);
	ck_assert_uint_eq(*head, 2);
}
END_TEST

/* A frame of several descriptors leaves once its last one is there. */
START_TEST(gather)
{
	struct igb_desc part[3];

	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 4);
	for (unsigned int i = 0; i < 3; i++) {
		size_t at = i * 100, len = i == 2 ? frame->len - 200 : 100;

		part[i] = drv_data(frame->data + at, len, 0, 0);
		part[i].hi = (uint32_t)frame->len << 14;
		if (i < 2)
			part[i].lo &= ~(IGB_TXD_EOP | IGB_TXD_RS);
	}
	drv_tx_push(0, part[0]);
	drv_tx_push(0, part[1]);
	drv_tx_go(0);
	ck_assert_ptr_null(drv_received(0));
	drv_tx_push(0, part[2]);
	drv_tx_go(0);
	expect(0, frame);
}
END_TEST

START_TEST(legacy)
{
	uint32_t lo = (uint32_t)frame->len | IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_RS;
	const struct igb_desc *d;

	drv_tx_queue(0);
	drv_rx_queue(0, 0, 4);
	drv_tx_push(0, (struct igb_desc){ .addr = drv_iova(frame->data), .lo = lo });
	drv_tx_go(0);
	ck_assert_uint_eq(drv_tx_ring(0)[0].hi & 0xf, IGB_TXD_DD);
	d = drv_received(0);
	ck_assert_ptr_nonnull(d);
	/* 7.1.4: length, checksum, status, errors, tag. */
	ck_assert_uint_eq(d->lo & 0xffff, frame->len);
	ck_assert_uint_eq(d->hi & 0xff, IGB_RXD_DD | IGB_RXD_EOP | IGB_RXD_L4CS | IGB_RXD_IPCS);
	ck_assert_uint_eq(d->hi >> 8 & 0xff, 0);
	ck_assert_mem_eq(drv_rx_data(0), frame->data, frame->len);
	/* A wrong checksum is told. */
	frame->data[60] ^= 1;
	drv_tx_push(0, (struct igb_desc){ .addr = drv_iova(frame->data), .lo = lo });
	drv_tx_go(0);
	d = drv_received(0);
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(d->hi >> 8 & 0xff, 0x20);
}
END_TEST

/* Padding, and the FCS where it is not stripped: the CRC of frame and FCS is a constant. */
START_TEST(padding_and_fcs)
{
	static const uint8_t zero[64];
	const struct igb_desc *d;
	uint32_t crc = ~0u;

	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 4);
	drv_send(0, frame->data, 20, 0, 0);
	d = drv_received(0);
	ck_assert_uint_eq(drv_len(d), 60);
	ck_assert_mem_eq(drv_rx_data(0) + 20, zero, 40);
	drv_set(IGB_RCTL, drv_get(IGB_RCTL) & ~IGB_RCTL_SECRC);
	drv_send(0, frame->data, frame->len, 0, 0);
	d = drv_received(0);
	ck_assert_uint_eq(drv_len(d), frame->len + 4);
	for (size_t i = 0; i < frame->len + 4; i++) {
		crc ^= drv_rx_data(0)[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	ck_assert_uint_eq(crc, 0xdebb20e3);
}
END_TEST

/* Jumbo frames fill several buffers. */
START_TEST(long_frame)
{
	const struct igb_desc *d;

	drv_make(frame, false, false, 9000);
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25 | 4, 8);
	drv_send(0, frame->data, frame->len, 0, 0);
	for (unsigned int i = 0; i < 3; i++) {
		size_t len = i < 2 ? 4096 : frame->len - 8192;

		d = drv_received(0);
		ck_assert_ptr_nonnull(d);
		ck_assert_uint_eq(drv_len(d), len);
		ck_assert_uint_eq(drv_status(d) & 3, i < 2 ? IGB_RXD_DD : 3);
		ck_assert_mem_eq(drv_rx_data(0), frame->data + i * 4096, len);
	}
	/* Not without RCTL.LPE, nor beyond RLPML. */
	drv_set(IGB_RLPML, 9000);
	drv_send(0, frame->data, frame->len, 0, 0);
	drv_set(IGB_RCTL, drv_get(IGB_RCTL) & ~IGB_RCTL_LPE);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_null(drv_received(0));
	ck_assert_uint_eq(drv_get(IGB_ROC), 2);
}
END_TEST

/* 7.1.3.2: headers to one buffer, payload to another. */
START_TEST(header_split)
{
	const struct igb_desc *d;

	drv_set(IGB_PSRTYPE, BIT(4));
	drv_tx_queue(0);
	drv_rx_queue(0, 5u << 25 | 4 << 8 | 2, 4);
	drv_send(0, frame->data, frame->len, 0, 0);
	d = drv_received(0);
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_eq(drv_len(d), frame->len - 54);
	ck_assert_uint_eq((uint32_t)d->addr >> 21, 1u << 10 | 54);
	ck_assert_mem_eq(drv_rx_header(0), frame->data, 54);
	ck_assert_mem_eq(drv_rx_data(0), frame->data + 54, frame->len - 54);
	/* What cannot be split fills the header buffer first. */
	drv_make(frame, false, false, 400);
	drv_send(0, frame->data, frame->len, 0, 0);
	d = drv_received(0);
	ck_assert_uint_eq((uint32_t)d->addr >> 21, 256);
	ck_assert_uint_eq(drv_len(d), frame->len - 256);
}
END_TEST

/* No descriptors: the transmitter waits, nothing is lost; DROP_EN loses and counts. */
START_TEST(flow)
{
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 2);
	for (unsigned int i = 0; i < 3; i++)
		drv_tx_push(0, drv_data(frame->data, frame->len, 0, 0));
	drv_tx_go(0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 2);
	expect(0, frame);
	expect(0, frame);
	ck_assert_ptr_null(drv_received(0));
	drv_rx_post(0);
	drv_rx_go(0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 3);
	expect(0, frame);
	ck_assert_uint_eq(drv_get(drv_rxq(0, IGB_Q_RQDPC)), 0);
	drv_set(drv_rxq(0, IGB_Q_SRRCTL), IGB_SRRCTL_DROP_EN | 1u << 25);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 4);
	ck_assert_uint_eq(drv_get(drv_rxq(0, IGB_Q_RQDPC)), 1);
	ck_assert_uint_eq(drv_get(drv_rxq(0, IGB_Q_RQDPC)), 0);
	ck_assert_uint_eq(drv_get(IGB_RNBC), 1);
}
END_TEST

/* Many times round the rings, in bursts, on the highest queues. */
START_TEST(around)
{
	unsigned int got = 0;

	drv_tx_queue(15);
	drv_rx_queue(15, 1u << 25, 63);
	drv_set(IGB_MRQC, IGB_MRQC_RSS | IGB_MRQC_TCPIPV4);
	for (unsigned int i = 0; i < 32; i++)
		drv_set(IGB_RETA + 4 * i, 0x0f0f0f0f);
	for (unsigned int round = 0; round < 200; round++) {
		unsigned int burst = 1 + round % 25;

		frame->data[50] = (uint8_t)round;
		for (unsigned int i = 0; i < burst; i++)
			drv_tx_push(15, drv_data(frame->data, frame->len, 0, 0));
		drv_tx_go(15);
		for (unsigned int i = 0; i < burst; i++) {
			for (unsigned int n = 0; !drv_received(15); n++)
				ck_assert_uint_lt(n, 1000000);
			ck_assert_uint_eq(drv_rx_data(15)[50], (uint8_t)round);
			drv_rx_post(15);
			got++;
		}
		drv_rx_go(15);
	}
	ck_assert_uint_eq(drv_get(IGB_GPRC), got);
}
END_TEST

/* A descriptor or buffer that is not mapped stops the queue until it is enabled anew. */
START_TEST(bad_address)
{
	struct igb_desc d = drv_data(frame->data, frame->len, 0, 0);

	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 4);
	d.addr = DRV_BAD_IOVA;
	drv_tx_push(0, d);
	drv_tx_go(0);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 0);
	ck_assert_ptr_null(drv_received(0));
	drv_set(drv_txq(0, IGB_Q_DCTL), 0);
	drv_set(drv_txq(0, IGB_Q_HEAD), 1);
	drv_set(drv_txq(0, IGB_Q_DCTL), IGB_DCTL_ENABLE);
	expect(0, frame);
}
END_TEST

/* 7.1.1: addresses and tags that get through. */
START_TEST(filters)
{
	static const uint8_t multicast[] = { 0x01, 0, 0x5e, 0, 0x12, 0x34 };

	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 16);
	drv_set(IGB_RCTL, IGB_RCTL_RXEN | IGB_RCTL_SECRC);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_null(drv_received(0));
	drv_set(IGB_RA + 8 * 3, 0x03020102);
	drv_set(IGB_RA + 8 * 3 + 4, 0x0504 | IGB_RAH_AV);
	drv_send(0, frame->data, frame->len, 0, 0);
	expect(0, frame);
	memset(frame->data, 0xff, 6);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_null(drv_received(0));
	drv_set(IGB_RCTL, IGB_RCTL_RXEN | IGB_RCTL_SECRC | IGB_RCTL_BAM);
	drv_send(0, frame->data, frame->len, 0, 0);
	expect(0, frame);
	memcpy(frame->data, multicast, 6);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_null(drv_received(0));
	/* Bits 47:36 of the address: 0x341. */
	drv_set(IGB_MTA + 4 * (0x341 >> 5), BIT(0x341 & 31));
	drv_send(0, frame->data, frame->len, 0, 0);
	expect(0, frame);
	drv_tag(frame, 0x2005);
	drv_set(IGB_RCTL, drv_get(IGB_RCTL) | IGB_RCTL_VFE);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_null(drv_received(0));
	drv_set(IGB_VFTA, BIT(5));
	drv_send(0, frame->data, frame->len, 0, 0);
	expect(0, frame);
}
END_TEST

START_TEST(statistics)
{
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 16);
	drv_send(0, frame->data, 60, 0, 0);
	drv_send(0, frame->data, 61, 0, 0);
	memset(frame->data, 0xff, 6);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_get(IGB_PTC64), 1);
	ck_assert_uint_eq(drv_get(IGB_PTC64 + 4), 1);
	ck_assert_uint_eq(drv_get(IGB_PRC64 + 12), 1);
	ck_assert_uint_eq(drv_get(IGB_GPTC), 3);
	ck_assert_uint_eq(drv_get(IGB_GPTC), 0);
	ck_assert_uint_eq(drv_get(IGB_GPRC), 3);
	ck_assert_uint_eq(drv_get(IGB_BPTC), 1);
	ck_assert_uint_eq(drv_get(IGB_BPRC), 1);
	ck_assert_uint_eq(drv_get(IGB_GOTCL), 64 + 65 + frame->len + 4);
	ck_assert_uint_eq(drv_get(IGB_GOTCL), 0);
}
END_TEST

/* What is not enabled does nothing. */
START_TEST(disabled)
{
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25, 16);
	drv_set(IGB_TCTL, 0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_DCTL)), 0);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 0);
	drv_set(IGB_TCTL, IGB_TCTL_EN);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_DCTL)), IGB_DCTL_ENABLE);
	expect(0, frame);
	drv_set(IGB_RCTL, 0);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 2);
	ck_assert_ptr_null(drv_received(0));
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("queues") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], one_frame);
	tcase_add_test(cases[0], write_back);
	tcase_add_test(cases[0], gather);
	tcase_add_test(cases[0], legacy);
	tcase_add_test(cases[0], padding_and_fcs);
	tcase_add_test(cases[0], long_frame);
	tcase_add_test(cases[0], header_split);
	tcase_add_test(cases[0], flow);
	tcase_add_test(cases[0], around);
	tcase_add_test(cases[0], bad_address);
	tcase_add_test(cases[0], filters);
	tcase_add_test(cases[0], statistics);
	tcase_add_test(cases[0], disabled);
	tcase_set_timeout(cases[0], 60);
	return drv_main("igb_queue", cases, ARRAY_SIZE(cases));
}
