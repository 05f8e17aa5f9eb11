/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver for the unit tests (testdrv.h). */
#include "models/igb/testdrv.h"

#include <linux/mii.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "models/igb/igb.h"
#include "models/igb/igb_priv.h"

const struct pci_model *const drv_model = &igb_model;

struct ring {
	struct igb_desc *desc;
	uint8_t *buffers, *headers;
	unsigned int tail, next, last;
};

static struct ring tx[IGB_QUEUES], rx[IGB_QUEUES];

void drv_start_with(const char *const *options)
{
	drv_plug(options);
	memset(tx, 0, sizeof(tx));
	memset(rx, 0, sizeof(rx));
	drv_set(IGB_RCTL, IGB_RCTL_RXEN | IGB_RCTL_UPE | IGB_RCTL_MPE | IGB_RCTL_BAM |
				  IGB_RCTL_SECRC | IGB_RCTL_LPE);
	drv_set(IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP);
}

void drv_start(void)
{
	drv_start_with((const char *const[]){ NULL });
	drv_phy_write(MII_BMCR, BMCR_LOOPBACK | BMCR_SPEED1000 | BMCR_FULLDPLX);
}

void drv_stop(void)
{
	drv_unplug();
}

uint16_t drv_phy_read(unsigned int reg)
{
	drv_set(IGB_MDIC, reg << 16 | 1 << 21 | IGB_MDIC_READ);
	ck_assert_uint_eq(drv_get(IGB_MDIC) & (IGB_MDIC_READY | IGB_MDIC_ERROR), IGB_MDIC_READY);
	return (uint16_t)drv_get(IGB_MDIC);
}

void drv_phy_write(unsigned int reg, uint16_t value)
{
	drv_set(IGB_MDIC, value | reg << 16 | 1 << 21 | IGB_MDIC_WRITE);
	ck_assert_uint_eq(drv_get(IGB_MDIC) & (IGB_MDIC_READY | IGB_MDIC_ERROR), IGB_MDIC_READY);
}

/* ---- queues ---------------------------------------------------------------------------------- */

uint32_t drv_txq(unsigned int q, uint32_t reg)
{
	return IGB_TXQ_BASE + IGB_QUEUE_SIZE * q + reg;
}

uint32_t drv_rxq(unsigned int q, uint32_t reg)
{
	return IGB_RXQ_BASE + IGB_QUEUE_SIZE * q + reg;
}

static void set_ring(uint32_t base, const void *desc)
{
	drv_set(base + IGB_Q_BAL, (uint32_t)drv_iova(desc));
	drv_set(base + IGB_Q_BAH, (uint32_t)(drv_iova(desc) >> 32));
	drv_set(base + IGB_Q_LEN, DRV_RING * IGB_DESC_SIZE);
	drv_set(base + IGB_Q_HEAD, 0);
	drv_set(base + IGB_Q_TAIL, 0);
}

void drv_tx_queue(unsigned int q)
{
	tx[q].desc = drv_alloc(DRV_RING * IGB_DESC_SIZE);
	tx[q].tail = 0;
	set_ring(drv_txq(q, 0), tx[q].desc);
	drv_set(drv_txq(q, IGB_Q_DCTL), IGB_DCTL_ENABLE);
	ck_assert_uint_eq(drv_get(drv_txq(q, IGB_Q_DCTL)), IGB_DCTL_ENABLE);
}

void drv_rx_queue(unsigned int q, uint32_t srrctl, unsigned int buffers)
{
	struct ring *r = &rx[q];

	r->desc = drv_alloc(DRV_RING * IGB_DESC_SIZE);
	/* One more: a ring is full with one descriptor less than it has. */
	r->buffers = drv_alloc((size_t)DRV_BUFFER * (buffers + 1));
	r->headers = drv_alloc((size_t)1024 * (buffers + 1));
	for (unsigned int i = 0; i < buffers; i++) {
		uint64_t header = drv_iova(r->headers + (size_t)1024 * i);

		r->desc[i].addr = drv_iova(r->buffers + (size_t)DRV_BUFFER * i);
		r->desc[i].lo = (uint32_t)header & ~1u;
		r->desc[i].hi = (uint32_t)(header >> 32);
	}
	r->tail = buffers;
	r->next = 0;
	set_ring(drv_rxq(q, 0), r->desc);
	drv_set(drv_rxq(q, IGB_Q_SRRCTL), srrctl);
	drv_set(drv_rxq(q, IGB_Q_DCTL), IGB_DCTL_ENABLE);
	drv_set(drv_rxq(q, IGB_Q_TAIL), buffers);
}

struct igb_desc *drv_tx_ring(unsigned int q)
{
	return tx[q].desc;
}

struct igb_desc *drv_rx_ring(unsigned int q)
{
	return rx[q].desc;
}

void drv_tx_push(unsigned int q, struct igb_desc desc)
{
	tx[q].desc[tx[q].tail] = desc;
	tx[q].tail = (tx[q].tail + 1) % DRV_RING;
}

void drv_tx_go(unsigned int q)
{
	drv_set(drv_txq(q, IGB_Q_TAIL), tx[q].tail);
}

struct igb_desc drv_data(const void *frame, size_t len, uint32_t cmd, uint32_t opts)
{
	return (struct igb_desc){ .addr = drv_iova(frame),
				  .lo = (uint32_t)len | IGB_TXD_DATA << 20 | IGB_TXD_DEXT |
					IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_RS | cmd,
				  .hi = (uint32_t)len << 14 | opts };
}

struct igb_desc drv_context(size_t maclen, size_t iplen, size_t l4len, size_t mss, uint16_t vlan,
			    uint32_t tucmd)
{
	return (struct igb_desc){ .addr = iplen | maclen << 9 | (uint64_t)vlan << 16,
				  .lo = IGB_TXD_CONTEXT << 20 | IGB_TXD_DEXT | tucmd,
				  .hi = (uint32_t)(l4len << 8 | mss << 16) };
}

void drv_send(unsigned int q, const void *frame, size_t len, uint32_t cmd, uint32_t opts)
{
	drv_tx_push(q, drv_data(frame, len, cmd, opts));
	drv_tx_go(q);
}

const struct igb_desc *drv_received(unsigned int q)
{
	struct ring *r = &rx[q];
	const struct igb_desc *d = &r->desc[r->next];

	if (r->next == drv_get(drv_rxq(q, IGB_Q_HEAD)))
		return NULL;
	r->last = r->next;
	r->next = (r->next + 1) % DRV_RING;
	return d;
}

void drv_rx_post(unsigned int q)
{
	struct ring *r = &rx[q];

	r->desc[r->tail] =
		(struct igb_desc){ .addr = drv_iova(r->buffers + (size_t)DRV_BUFFER * r->tail) };
	r->tail = (r->tail + 1) % DRV_RING;
}

void drv_rx_go(unsigned int q)
{
	drv_set(drv_rxq(q, IGB_Q_TAIL), rx[q].tail);
}

const uint8_t *drv_rx_data(unsigned int q)
{
	return rx[q].buffers + (size_t)DRV_BUFFER * rx[q].last;
}

const uint8_t *drv_rx_header(unsigned int q)
{
	return rx[q].headers + (size_t)1024 * rx[q].last;
}

/* ---- frames ---------------------------------------------------------------------------------- */

uint16_t drv_sum(const void *data, size_t len, uint32_t start)
{
	const uint8_t *p = data;
	uint32_t sum = start;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void drv_make(struct drv_frame *f, bool ipv6, bool tcp, size_t payload)
{
	static const uint8_t addresses[] = { 0x02, 1, 2, 3, 4, 5, 0x02, 6, 7, 8, 9, 10 };
	size_t ip_len = ipv6 ? 40 : 20, l4_len = (tcp ? 20 : 8) + payload;
	uint8_t *ip = f->data + 14, *l4 = ip + ip_len;
	uint16_t sum;

	memset(f, 0, sizeof(*f));
	memcpy(f->data, addresses, sizeof(addresses));
	put16(f->data + 12, ipv6 ? 0x86dd : 0x0800);
	ip[0] = ipv6 ? 0x60 : 0x45;
	if (ipv6) {
		put16(ip + 4, l4_len);
		ip[6] = tcp ? 6 : 17;
		ip[7] = 64;
		for (unsigned int i = 0; i < 32; i++)
			ip[8 + i] = (uint8_t)(0x20 + i);
	} else {
		put16(ip + 2, ip_len + l4_len);
		put16(ip + 4, 0x1234);
		ip[8] = 64;
		ip[9] = tcp ? 6 : 17;
		memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
		put16(ip + 10, (uint16_t)~drv_sum(ip, 20, 0));
	}
	put16(l4, 1000);
	put16(l4 + 2, 2000);
	if (tcp) {
		put16(l4 + 6, 0x1000); /* sequence number */
		l4[12] = 0x50;
		l4[13] = 0x19; /* FIN, PSH, ACK */
	} else {
		put16(l4 + 4, l4_len);
	}
	for (size_t i = 0; i < payload; i++)
		l4[(tcp ? 20 : 8) + i] = (uint8_t)(i * 7 + i / 251);
	sum = drv_sum(ipv6 ? ip + 8 : ip + 12, ipv6 ? 32 : 8, (uint32_t)l4_len + (tcp ? 6 : 17));
	put16(l4 + (tcp ? 16 : 6), (uint16_t)~drv_sum(l4, l4_len, sum));
	f->len = 14 + ip_len + l4_len;
}

void drv_tag(struct drv_frame *f, uint16_t tci)
{
	memmove(f->data + 16, f->data + 12, f->len - 12);
	put16(f->data + 12, 0x8100);
	put16(f->data + 14, tci);
	f->len += 4;
}
