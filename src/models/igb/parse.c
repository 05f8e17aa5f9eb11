/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the receiver recognises in a frame (7.1.2.3, 7.1.5): one VLAN tag, IPv4 with options, IPv6
 * with its extension headers, TCP, UDP, SCTP. Everything is checked against the frame's length.
 */
#include "models/igb/igb_priv.h"

#include <netinet/in.h>
#include <net/ethernet.h>

#define IPV6_MAX_EXTENSIONS 8

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void parse_l4(const uint8_t *frame, size_t at, uint8_t proto, struct igb_parsed *p)
{
	size_t left = p->end - at;

	if (p->fragment)
		return;
	if (proto == IPPROTO_TCP && left >= 20) {
		size_t header = (size_t)(frame[at + 12] >> 4) * 4;

		p->tcp = true;
		p->payload = header >= 20 && header <= left ? at + header : 0;
	} else if (proto == IPPROTO_UDP && left >= 8) {
		p->udp = true;
		p->payload = at + 8;
	} else if (proto == IPPROTO_SCTP && left >= 12) {
		p->sctp = true;
		p->payload = at + 12;
	} else {
		return;
	}
	p->l4 = at;
}

static void parse_ipv4(const uint8_t *frame, size_t at, size_t len, struct igb_parsed *p)
{
	size_t header, total;

	if (len - at < 20 || frame[at] >> 4 != 4)
		return;
	header = (size_t)(frame[at] & 0xf) * 4;
	total = get16(frame + at + 2);
	if (header < 20 || total < header || total > len - at)
		return;
	p->ipv4 = true;
	p->ip_ext = header > 20;
	p->l3 = at;
	p->end = at + total;
	p->ip_id = get16(frame + at + 4);
	p->fragment = get16(frame + at + 6) & 0x3fff;
	parse_l4(frame, at + header, frame[at + 9], p);
}

static void parse_ipv6(const uint8_t *frame, size_t at, size_t len, struct igb_parsed *p)
{
	size_t total, next = at + 40;
	uint8_t proto;

	if (len - at < 40 || frame[at] >> 4 != 6)
		return;
	total = (size_t)get16(frame + at + 4) + 40;
	if (total > len - at)
		return;
	p->ipv6 = true;
	p->l3 = at;
	p->end = at + total;
	proto = frame[at + 6];
	for (unsigned int i = 0; i < IPV6_MAX_EXTENSIONS; i++) {
		if (proto != IPPROTO_HOPOPTS && proto != IPPROTO_ROUTING &&
		    proto != IPPROTO_DSTOPTS && proto != IPPROTO_FRAGMENT)
			break;
		if (p->end - next < 8)
			return;
		p->ip_ext = true;
		if (proto == IPPROTO_FRAGMENT) {
			p->fragment = true;
			return;
		}
		proto = frame[next];
		next += ((size_t)frame[next + 1] + 1) * 8;
		if (next > p->end)
			return;
	}
	parse_l4(frame, next, proto, p);
}

void igb_parse(const uint8_t *frame, size_t len, uint16_t vet, struct igb_parsed *p)
{
	size_t at = ETHER_HDR_LEN;

	*p = (struct igb_parsed){ 0 };
	if (len < at)
		return;
	p->multicast = frame[0] & 1;
	p->broadcast = (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff;
	p->ethertype = get16(frame + 12);
	if (p->ethertype == vet && len >= at + 4) {
		p->tagged = true;
		p->vlan = get16(frame + 14);
		p->ethertype = get16(frame + 16);
		at += 4;
	}
	if (p->ethertype == ETHERTYPE_IP)
		parse_ipv4(frame, at, len, p);
	else if (p->ethertype == ETHERTYPE_IPV6)
		parse_ipv6(frame, at, len, p);
}

/* 7.1.5.2, table of packet types. */
uint32_t igb_packet_type(const struct igb_parsed *p)
{
	uint32_t type = 0;

	if (p->ipv4)
		type |= p->ip_ext ? IGB_PTYPE_IPV4 | IGB_PTYPE_IPV4E : IGB_PTYPE_IPV4;
	if (p->ipv6)
		type |= p->ip_ext ? IGB_PTYPE_IPV6 | IGB_PTYPE_IPV6E : IGB_PTYPE_IPV6;
	if (p->tcp)
		type |= IGB_PTYPE_TCP;
	if (p->udp)
		type |= IGB_PTYPE_UDP;
	if (p->sctp)
		type |= IGB_PTYPE_SCTP;
	return type;
}

/* The frame check sequence (IEEE 802.3, 3.2.9), four bits at a time. */
uint32_t igb_crc32(const uint8_t *data, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc = crc >> 4 ^ table[(crc ^ data[i]) & 0xf];
		crc = crc >> 4 ^ table[(crc ^ (uint32_t)(data[i] >> 4)) & 0xf];
	}
	return ~crc;
}
