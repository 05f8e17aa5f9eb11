/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums in both directions, segmentation, VLAN tags, RSS with Microsoft's vectors. */
#include <stdlib.h>
#include <string.h>

#include "models/igb/igb_priv.h"
#include "models/igb/testdrv.h"

#define IPV4 IGB_CTX_IPV4
#define TCP  (IGB_L4T_TCP << 11)

static struct drv_frame *frame, *sent;

static void setup(void)
{
	drv_start();
	frame = drv_alloc(sizeof(*frame));
	sent = drv_alloc(sizeof(*sent));
	drv_tx_queue(0);
	drv_rx_queue(0, 1u << 25 | 10, 32);
}

static void teardown(void)
{
	drv_stop();
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Takes the checksums out and leaves the seed that a driver leaves: the sum of the pseudo header,
 * with @len in it. */
static void unfinish(bool ipv6, bool tcp, size_t len)
{
	uint8_t *ip = sent->data + 14, *l4 = ip + (ipv6 ? 40 : 20);

	*sent = *frame;
	if (!ipv6)
		put16(ip + 10, 0);
	put16(l4 + (tcp ? 16 : 6),
	      drv_sum(ipv6 ? ip + 8 : ip + 12, ipv6 ? 32 : 8, (uint32_t)len + (tcp ? 6 : 17)));
}

START_TEST(checksums)
{
	for (unsigned int i = 0; i < 4; i++) {
		bool ipv6 = i & 1, tcp = i & 2;
		const struct igb_desc *d;

		drv_make(frame, ipv6, tcp, 301);
		unfinish(ipv6, tcp, (tcp ? 20 : 8) + 301);
		drv_tx_push(0, drv_context(14, ipv6 ? 40 : 20, 0, 0, 0,
					   (ipv6 ? 0 : IPV4) | (tcp ? TCP : 0)));
		drv_send(0, sent->data, sent->len, 0, IGB_TXD_TXSM | (ipv6 ? 0 : IGB_TXD_IXSM));
		d = drv_received(0);
		ck_assert_ptr_nonnull(d);
		ck_assert_mem_eq(drv_rx_data(0), frame->data, frame->len);
		ck_assert_uint_eq(drv_status(d), IGB_RXD_DD | IGB_RXD_EOP | IGB_RXD_L4CS |
							 (ipv6 ? 0 : IGB_RXD_IPCS) |
							 (tcp ? 0 : IGB_RXD_UDPCS));
		ck_assert_uint_eq((uint32_t)d->addr & 0x1ff0,
				  (ipv6 ? IGB_PTYPE_IPV6 : IGB_PTYPE_IPV4) |
					  (tcp ? IGB_PTYPE_TCP : IGB_PTYPE_UDP));
		/* Wrong on the wire, told in the descriptor. */
		frame->data[frame->len - 1] ^= 0x55;
		drv_send(0, frame->data, frame->len, 0, 0);
		d = drv_received(0);
		ck_assert_uint_eq(drv_status(d) >> 24, IGB_RXD_L4E >> 24);
	}
	drv_make(frame, false, true, 10);
	frame->data[14 + 8] ^= 1;
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_status(drv_received(0)) >> 24, IGB_RXD_IPE >> 24);
	/* RXCSUM turns both off. */
	drv_set(IGB_RXCSUM, 0);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_uint_eq(drv_status(drv_received(0)), IGB_RXD_DD | IGB_RXD_EOP);
}
END_TEST

/* 7.2.4: every segment is a right packet, and together they are the payload. */
START_TEST(segmentation)
{
	for (unsigned int ipv6 = 0; ipv6 < 2; ipv6++) {
		size_t header = ipv6 ? 74 : 54, payload = 5000, got = 0;
		uint16_t index = 0;

		drv_make(frame, ipv6, true, payload);
		unfinish(ipv6, true, 0);
		drv_tx_push(0,
			    drv_context(14, ipv6 ? 40 : 20, 20, 1448, 0, (ipv6 ? 0 : IPV4) | TCP));
		drv_tx_push(0, (struct igb_desc){ .addr = drv_iova(sent->data),
						  .lo = (uint32_t)sent->len | IGB_TXD_DATA << 20 |
							IGB_TXD_DEXT | IGB_TXD_EOP | IGB_TXD_IFCS |
							IGB_TXD_RS | IGB_TXD_TSE,
						  .hi = (uint32_t)payload << 14 | IGB_TXD_TXSM |
							(ipv6 ? 0 : IGB_TXD_IXSM) });
		drv_tx_go(0);
		while (got < payload) {
			const struct igb_desc *d = drv_received(0);
			const uint8_t *data = drv_rx_data(0), *ip = data + 14;
			size_t part = MIN(payload - got, 1448);
			bool last = got + part == payload;

			ck_assert_ptr_nonnull(d);
			ck_assert_uint_eq(drv_len(d), header + part);
			ck_assert_uint_eq(drv_status(d) >> 24, 0);
			ck_assert_uint_eq(drv_status(d) & IGB_RXD_L4CS, IGB_RXD_L4CS);
			ck_assert_mem_eq(data + header, frame->data + header + got, part);
			if (ipv6)
				ck_assert_uint_eq(get16(ip + 4), 20 + part);
			else
				ck_assert_uint_eq(get16(ip + 4), 0x1234 + index);
			ck_assert_uint_eq(get16(data + header - 14), 0x1000 + got);
			/* 7.2.4.7: FIN and PSH in the last one alone. */
			ck_assert_uint_eq(data[header - 7], last ? 0x19 : 0x10);
			got += part;
			index++;
		}
		ck_assert_ptr_null(drv_received(0));
		ck_assert_uint_eq(drv_tx_ring(0)[2 * ipv6 + 1].hi & IGB_TXD_DD, 1);
	}
	ck_assert_uint_eq(drv_get(IGB_TSCTC), 2);
}
END_TEST

static void send_segmented(size_t payload)
{
	drv_make(frame, false, true, payload);
	unfinish(false, true, 0);
	drv_tx_push(0, drv_context(14, 20, 20, 100, 0, IPV4 | TCP));
	drv_tx_push(0, drv_data(sent->data, sent->len, IGB_TXD_TSE, IGB_TXD_TXSM | IGB_TXD_IXSM));
	drv_tx_go(0);
}

/* The queue is stopped and begun anew in the middle of a packet: the next one is sent whole. */
START_TEST(interrupted)
{
	drv_rx_queue(0, 1u << 25 | 10, 3);
	send_segmented(1000);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(drv_received(0));
	ck_assert_ptr_null(drv_received(0));
	drv_set(drv_txq(0, IGB_Q_DCTL), 0);
	drv_rx_queue(0, 1u << 25 | 10, 32);
	drv_tx_queue(0);
	send_segmented(1000);
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert_ptr_nonnull(drv_received(0));
		ck_assert_uint_eq(get16(drv_rx_data(0) + 18), 0x1234 + i);
	}
	ck_assert_ptr_null(drv_received(0));
}
END_TEST

/* One doorbell with a segment for each byte: it is done in pieces. */
START_TEST(many_segments)
{
	struct igb_fn *fn = igb_fn(drv_dev);
	struct igb_run run;

	/* Nobody receives. */
	drv_set(IGB_RCTL, 0);
	drv_make(frame, false, true, 1000);
	unfinish(false, true, 0);
	drv_tx_push(0, drv_context(14, 20, 20, 1, 0, IPV4 | TCP));
	drv_tx_push(0, drv_data(sent->data, sent->len, IGB_TXD_TSE, IGB_TXD_TXSM));
	pci_dev_lock(drv_dev);
	igb_queue_set_tail(&fn->txq[0], 2);
	igb_run_begin(&run);
	ck_assert(igb_run_tx(fn, &run));
	ck_assert_uint_eq(fn->txq[0].segment, IGB_INLINE_SEGMENTS);
	ck_assert_uint_eq(fn->txq[0].head, 1);
	pci_dev_unlock(drv_dev);
	drv_tx_go(0);
	for (unsigned int i = 0; drv_get(drv_txq(0, IGB_Q_HEAD)) != 2; i++)
		ck_assert_uint_lt(i, 2000000000);
	ck_assert_uint_eq(drv_get(IGB_TSCTC), 1);
}
END_TEST

/* A context that makes no sense sends nothing, and harms nothing. */
START_TEST(nonsense)
{
	static const size_t lens[][4] = { { 0, 0, 0, 0 },	{ 127, 511, 255, 65535 },
					  { 14, 20, 20, 0 },	{ 14, 20, 255, 1 },
					  { 14, 511, 20, 100 }, { 14, 20, 20, 65535 } };

	drv_make(frame, false, true, 200);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		drv_tx_push(0, drv_context(lens[i][0], lens[i][1], lens[i][2], lens[i][3], 0,
					   IPV4 | TCP));
		drv_tx_push(0, drv_data(frame->data, frame->len, IGB_TXD_TSE,
					IGB_TXD_IXSM | IGB_TXD_TXSM));
		drv_tx_go(0);
		ck_assert_uint_eq(drv_get(drv_txq(0, IGB_Q_HEAD)), 2 * i + 2);
	}
}
END_TEST

START_TEST(vlan)
{
	const struct igb_desc *d;

	drv_make(frame, false, false, 100);
	*sent = *frame;
	drv_tag(frame, 0x6123);
	drv_tx_push(0, drv_context(14, 20, 0, 0, 0x6123, IPV4));
	drv_send(0, sent->data, sent->len, IGB_TXD_VLE, 0);
	d = drv_received(0);
	ck_assert_uint_eq(drv_len(d), frame->len);
	ck_assert_mem_eq(drv_rx_data(0), frame->data, frame->len);
	ck_assert_uint_eq(drv_status(d) & IGB_RXD_VP, 0);
	/* And taken out again. */
	drv_set(IGB_CTRL, drv_get(IGB_CTRL) | IGB_CTRL_VME);
	drv_send(0, frame->data, frame->len, 0, 0);
	d = drv_received(0);
	ck_assert_uint_eq(drv_len(d), sent->len);
	ck_assert_uint_eq(d->hi >> 16, 0x6123);
	ck_assert_uint_eq(drv_status(d) & IGB_RXD_VP, IGB_RXD_VP);
	ck_assert_mem_eq(drv_rx_data(0), sent->data, sent->len);
}
END_TEST

/* ---- RSS ------------------------------------------------------------------------------------- */

static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
				 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
				 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

/* From Microsoft's "Verifying the RSS Hash Calculation": source, destination, ports, hashes. */
static const struct {
	uint8_t addresses[8];
	uint16_t ports[2];
	uint32_t ip, tcp;
} vectors[] = {
	{ { 66, 9, 149, 187, 161, 142, 100, 80 }, { 2794, 1766 }, 0x323e8fc2, 0x51ccc178 },
	{ { 199, 92, 111, 2, 65, 69, 140, 83 }, { 14230, 4739 }, 0xd718262a, 0xc626b0ea },
	{ { 24, 19, 198, 95, 12, 22, 207, 184 }, { 12898, 38024 }, 0xd2d0a5de, 0x5c2b394a },
	{ { 38, 27, 205, 30, 209, 142, 163, 6 }, { 48228, 2217 }, 0x82989176, 0xafc7327f },
	{ { 153, 39, 163, 191, 202, 188, 127, 2 }, { 44251, 1303 }, 0x5d1809c5, 0x10e828a2 },
};

static void set_key(void)
{
	for (unsigned int i = 0; i < 10; i++) {
		uint32_t word;

		memcpy(&word, key + 4 * i, 4);
		drv_set(IGB_RSSRK + 4 * i, word);
	}
	/* Entry n of the table: queue n modulo 16. */
	for (unsigned int i = 0; i < 32; i++)
		drv_set(IGB_RETA + 4 * i, 0x03020100 + 0x04040404 * (i % 4));
}

START_TEST(rss)
{
	set_key();
	drv_set(IGB_RXCSUM, IGB_RXCSUM_PCSD);
	for (unsigned int q = 1; q < 16; q++)
		drv_rx_queue(q, 1u << 25, 8);
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(vectors); i++) {
		bool tcp = i & 1;
		uint32_t hash = tcp ? vectors[i / 2].tcp : vectors[i / 2].ip;
		const struct igb_desc *d;

		drv_set(IGB_MRQC, IGB_MRQC_RSS | IGB_MRQC_IPV4 | (tcp ? IGB_MRQC_TCPIPV4 : 0));
		drv_make(frame, false, true, 50);
		memcpy(frame->data + 14 + 12, vectors[i / 2].addresses, 8);
		put16(frame->data + 34, vectors[i / 2].ports[0]);
		put16(frame->data + 36, vectors[i / 2].ports[1]);
		drv_send(0, frame->data, frame->len, 0, 0);
		d = drv_received(hash % 16);
		ck_assert_ptr_nonnull(d);
		ck_assert_uint_eq(d->addr >> 32, hash);
		ck_assert_uint_eq(d->addr & 0xf, tcp ? 1 : 2);
	}
	/* What has no hash goes to queue 0. */
	memset(frame->data + 12, 0, 2);
	drv_send(0, frame->data, frame->len, 0, 0);
	ck_assert_ptr_nonnull(drv_received(0));
}
END_TEST

START_TEST(toeplitz_ipv6)
{
	/* 3ffe:2501:200:1fff::7 to 3ffe:2501:200:3::1, ports 2794 and 1766. */
	static const uint8_t input[36] = {
		0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0,    0,    0,	  0,
		0,    0,    0,	  7,	0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03,
		0,    0,    0,	  0,	0,    0,    0,	  1,	0x0a, 0xea, 0x06, 0xe6,
	};

	ck_assert_uint_eq(igb_toeplitz(key, input, 32), 0x2cc18cd5);
	ck_assert_uint_eq(igb_toeplitz(key, input, 36), 0x40207d3d);
}
END_TEST

int main(void)
{
	TCase *cases[] = { tcase_create("offloads") };

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_add_test(cases[0], checksums);
	tcase_add_test(cases[0], segmentation);
	tcase_add_test(cases[0], interrupted);
	tcase_add_test(cases[0], many_segments);
	tcase_add_test(cases[0], nonsense);
	tcase_add_test(cases[0], vlan);
	tcase_add_test(cases[0], rss);
	tcase_add_test(cases[0], toeplitz_ipv6);
	tcase_set_timeout(cases[0], 60);
	return drv_main("igb_offload", cases, ARRAY_SIZE(cases));
}
