/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive-side scaling (7.1.1.7, 7.1.2.8): the Toeplitz hash over addresses and ports, and the
 * redirection table of 128 entries.
 */
#include "models/igb/igb_priv.h"

#include <string.h>

#define KEY_SIZE 40

uint32_t igb_toeplitz(const uint8_t key[KEY_SIZE], const uint8_t *input, size_t len)
{
	uint32_t window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 |
			  key[3];
	uint32_t hash = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t next = i + 4 < KEY_SIZE ? key[i + 4] : 0;

		for (int bit = 7; bit >= 0; bit--) {
			if (input[i] >> bit & 1)
				hash ^= window;
			window = window << 1 | (uint32_t)(next >> bit & 1);
		}
	}
	return hash;
}

/* The type to report (7.1.5.1), and what goes into the hash. */
static unsigned int classify(uint32_t mrqc, const struct igb_parsed *p, bool *ports)
{
	*ports = true;
	if (p->ipv4 && p->tcp && (mrqc & IGB_MRQC_TCPIPV4))
		return 1;
	if (p->ipv4 && p->udp && (mrqc & IGB_MRQC_UDPIPV4))
		return 7;
	if (p->ipv6 && p->tcp && (mrqc & IGB_MRQC_TCPIPV6EX) && p->ip_ext)
		return 6;
	if (p->ipv6 && p->tcp && (mrqc & IGB_MRQC_TCPIPV6))
		return 3;
	if (p->ipv6 && p->udp && (mrqc & IGB_MRQC_UDPIPV6EX) && p->ip_ext)
		return 9;
	if (p->ipv6 && p->udp && (mrqc & IGB_MRQC_UDPIPV6))
		return 8;
	*ports = false;
	if (p->ipv4 && (mrqc & IGB_MRQC_IPV4))
		return 2;
	if (p->ipv6 && (mrqc & IGB_MRQC_IPV6EX) && p->ip_ext)
		return 4;
	if (p->ipv6 && (mrqc & IGB_MRQC_IPV6))
		return 5;
	return 0;
}

unsigned int igb_rss(const struct igb_fn *fn, const uint8_t *frame, const struct igb_parsed *p,
		     uint32_t *hash)
{
	uint8_t input[36], key[KEY_SIZE];
	unsigned int mode = igb_get(fn, IGB_MRQC) & IGB_MRQC_MODE, type;
	size_t len = p->ipv4 ? 8 : 32;
	bool ports;

	*hash = 0;
	if (mode != IGB_MRQC_RSS && mode != IGB_MRQC_VMDQ_RSS)
		return 0;
	type = classify(igb_get(fn, IGB_MRQC), p, &ports);
	if (!type)
		return 0;
	memcpy(input, frame + p->l3 + (p->ipv4 ? 12 : 8), len);
	if (ports) {
		memcpy(input + len, frame + p->l4, 4);
		len += 4;
	}
	for (unsigned int i = 0; i < KEY_SIZE / 4; i++) {
		uint32_t word = igb_get(fn, IGB_RSSRK + 4 * i);

		memcpy(key + 4 * i, &word, 4);
	}
	*hash = igb_toeplitz(key, input, len);
	return type;
}

unsigned int igb_rss_index(const struct igb_fn *fn, uint32_t hash)
{
	uint32_t word = igb_get(fn, IGB_RETA + (hash & 0x7c));

	return word >> (8 * (hash & 3)) & 0xf;
}
