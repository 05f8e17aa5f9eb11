/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics registers (8.18). They stand in the shared file, since all functions of the card count
 * in them; a read clears what it has read. Counters stick at their maximum (8.18). Lengths include
 * the FCS, which the wire has and the frames here have not.
 */
#include "models/igb/igb_priv.h"

#define FCS 4u

void igb_count(struct igb_fn *fn, uint32_t reg, uint32_t n)
{
	uint32_t *word = &fn->sh->reg[reg / 4];
	uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED), sum;

	do
		sum = old + n < old ? UINT32_MAX : old + n;
	while (!__atomic_compare_exchange_n(word, &old, sum, true, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED));
}

/* The pairs of octet counters: low word first. */
void igb_count64(struct igb_fn *fn, uint32_t reg, uint64_t n)
{
	uint64_t *pair = (uint64_t *)(void *)&fn->sh->reg[reg / 4];

	__atomic_fetch_add(pair, n, __ATOMIC_RELAXED);
}

/* 64, 65 to 127, 128 to 255, 256 to 511, 512 to 1023, 1024 and more bytes. */
static uint32_t size_class(size_t len)
{
	uint32_t class = 0;

	for (size_t limit = 64; len > limit && class < 5; limit = limit == 64 ? 127 : 2 * limit + 1)
		class ++;
	return class;
}

static bool is_multicast(const uint8_t *frame)
{
	return frame[0] & 1;
}

static bool is_broadcast(const uint8_t *frame)
{
	uint8_t all = 0xff;

	for (unsigned int i = 0; i < 6; i++)
		all &= frame[i];
	return all == 0xff;
}

void igb_count_rx(struct igb_fn *fn, size_t len, const uint8_t *frame)
{
	len += FCS;
	igb_count(fn, IGB_PRC64 + 4 * size_class(len), 1);
	igb_count(fn, IGB_GPRC, 1);
	igb_count(fn, IGB_TPR, 1);
	if (is_broadcast(frame))
		igb_count(fn, IGB_BPRC, 1);
	else if (is_multicast(frame))
		igb_count(fn, IGB_MPRC, 1);
	igb_count64(fn, IGB_GORCL, len);
	igb_count64(fn, IGB_TORL, len);
}

void igb_count_tx(struct igb_fn *fn, size_t len, const uint8_t *frame)
{
	len += FCS;
	igb_count(fn, IGB_PTC64 + 4 * size_class(len), 1);
	igb_count(fn, IGB_GPTC, 1);
	igb_count(fn, IGB_TPT, 1);
	if (is_broadcast(frame))
		igb_count(fn, IGB_BPTC, 1);
	else if (is_multicast(frame))
		igb_count(fn, IGB_MPTC, 1);
	igb_count64(fn, IGB_GOTCL, len);
	igb_count64(fn, IGB_TOTL, len);
}

/* What the port counted since the last look: lost frames, and pauses as frames of 802.3x. */
void igb_stats_update(struct igb_fn *fn)
{
	struct net_port_stats now, *seen = &fn->port_seen;

	if (!fn->port)
		return;
	net_port_stats(fn->port, &now);
	igb_count(fn, IGB_MPC, (uint32_t)(now.missed - seen->missed));
	igb_count(fn, IGB_XOFFTXC, (uint32_t)(now.xoff_tx - seen->xoff_tx));
	igb_count(fn, IGB_XONTXC, (uint32_t)(now.xon_tx - seen->xon_tx));
	igb_count(fn, IGB_XOFFRXC, (uint32_t)(now.xoff_rx - seen->xoff_rx));
	igb_count(fn, IGB_XONRXC, (uint32_t)(now.xon_rx - seen->xon_rx));
	*seen = now;
}

uint32_t igb_stat_read(struct igb_fn *fn, uint32_t off)
{
	igb_stats_update(fn);
	return __atomic_exchange_n(&fn->sh->reg[off / 4], 0, __ATOMIC_RELAXED);
}
