/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the transmitter changes in packets: checksums (7.2.5) and TCP segmentation (7.2.4).
 *
 * The context descriptor says where headers begin and how long they are. Software has put the sum
 * of the pseudo header into the L4 checksum field: without the length when the packet is segmented
 * (7.2.4.6), with it otherwise. Offsets come from the program: whatever leads beyond the packet is
 * not done.
 */
#include "models/igb/igb_priv.h"

#include <string.h>

uint32_t igb_sum(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t total = sum;

	for (; len > 1; len -= 2, p += 2)
		total += (uint32_t)(p[0] << 8 | p[1]);
	if (len)
		total += (uint32_t)p[0] << 8;
	while (total >> 32)
		total = (total & 0xffffffff) + (total >> 32);
	return (uint32_t)total;
}

uint16_t igb_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
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

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* CRC32c of an SCTP packet, whose field counts as 0 (RFC 4960, appendix B). */
static uint32_t crc32c(const uint8_t *data, size_t len, size_t field)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= field && i < field + 4 ? 0 : data[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void ip_checksum(uint8_t *ip, size_t len)
{
	if (len < 20)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~igb_fold(igb_sum(0, ip, len)));
}

/* @end: of the L4 payload. @extra: added to the sum that the field holds. */
static void l4_checksum(uint8_t *data, size_t l4, size_t end, unsigned int type, uint32_t extra)
{
	size_t field = l4 + (type == IGB_L4T_UDP ? 6 : type == IGB_L4T_TCP ? 16 : 8);
	uint16_t sum;

	if (field + (type == IGB_L4T_SCTP ? 4 : 2) > end || l4 > end)
		return;
	if (type == IGB_L4T_SCTP) {
		uint32_t crc = crc32c(data + l4, end - l4, 8);

		memcpy(data + field, &crc, 4);
		return;
	}
	sum = (uint16_t)~igb_fold(igb_sum(extra, data + l4, end - l4));
	/* 7.2.5.2: in UDP 0 means that there is none. */
	if (type == IGB_L4T_UDP && sum == 0)
		sum = 0xffff;
	put16(data + field, sum);
}

void igb_offload_checksums(const struct igb_tx_packet *p)
{
	size_t maclen = IGB_CTX_MACLEN(&p->ctx), iplen = IGB_CTX_IPLEN(&p->ctx);
	size_t end = p->len;

	if (maclen + iplen > p->len)
		return;
	if (p->ixsm && (p->ctx.lo & IGB_CTX_IPV4))
		ip_checksum(p->data + maclen, iplen);
	/* Padding behind the IP packet takes no part. */
	if (p->txsm && (p->ctx.lo & IGB_CTX_IPV4) && iplen >= 20) {
		size_t total = maclen + get16(p->data + maclen + 2);

		if (total > maclen + iplen && total < end)
			end = total;
	}
	if (p->txsm)
		l4_checksum(p->data, maclen + iplen, end, IGB_CTX_L4T(p->ctx.lo), 0);
}

/* ---- segmentation ---------------------------------------------------------------------------- */

static size_t header_len(const struct igb_tx_packet *p)
{
	return IGB_CTX_MACLEN(&p->ctx) + IGB_CTX_IPLEN(&p->ctx) + IGB_CTX_L4LEN(p->ctx.hi);
}

unsigned int igb_tso_segments(const struct igb_tx_packet *p)
{
	size_t header = header_len(p), mss = IGB_CTX_MSS(p->ctx.hi);
	bool udp = IGB_CTX_L4T(p->ctx.lo) == IGB_L4T_UDP;

	if (!mss || p->len <= header || IGB_CTX_MACLEN(&p->ctx) < 14 ||
	    IGB_CTX_IPLEN(&p->ctx) < 20 || IGB_CTX_L4LEN(p->ctx.hi) < (udp ? 8 : 20) ||
	    header + mss > NET_FRAME_MAX)
		return 0;
	return (unsigned int)((p->len - header + mss - 1) / mss);
}

/* 7.2.4.7: the flags of the first, the middle and the last segment. */
static uint8_t tcp_flag_mask(const struct igb_fn *fn, unsigned int index, unsigned int segments)
{
	uint32_t low = igb_get(fn, IGB_DTXTCPFLGL);

	if (index + 1 == segments)
		return (uint8_t)igb_get(fn, IGB_DTXTCPFLGH);
	return (uint8_t)(index == 0 ? low : low >> 16);
}

size_t igb_tso_segment(const struct igb_fn *fn, const struct igb_tx_packet *p, unsigned int index,
		       unsigned int segments, uint8_t *frame)
{
	size_t header = header_len(p), mss = IGB_CTX_MSS(p->ctx.hi);
	size_t maclen = IGB_CTX_MACLEN(&p->ctx), l4 = maclen + IGB_CTX_IPLEN(&p->ctx);
	size_t at = header + index * mss, part = MIN(mss, p->len - at), l4_len = header - l4 + part;
	bool tcp = IGB_CTX_L4T(p->ctx.lo) == IGB_L4T_TCP;
	uint8_t *ip = frame + maclen, *th = frame + l4;

	memcpy(frame, p->data, header);
	memcpy(frame + header, p->data + at, part);
	if (p->ctx.lo & IGB_CTX_IPV4) {
		put16(ip + 2, (uint16_t)(header - maclen + part));
		put16(ip + 4, (uint16_t)(get16(ip + 4) + index));
		if (p->ixsm)
			ip_checksum(ip, l4 - maclen);
	} else {
		put16(ip + 4, (uint16_t)(header - maclen - 40 + part));
	}
	if (tcp) {
		uint32_t seq = get32(th + 4) + (uint32_t)(index * mss);

		put16(th + 4, (uint16_t)(seq >> 16));
		put16(th + 6, (uint16_t)seq);
		th[13] &= tcp_flag_mask(fn, index, segments);
	} else {
		put16(th + 4, (uint16_t)l4_len);
	}
	if (p->txsm)
		l4_checksum(frame, l4, header + part, IGB_CTX_L4T(p->ctx.lo), (uint32_t)l4_len);
	return header + part;
}
