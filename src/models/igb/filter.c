/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who gets a frame: the MAC's filters (7.1.1.1 to 7.1.1.3), the pools of VMDq (7.10.3) and the
 * switch between them (7.10.3.6), with the checks against spoofed senders (7.10.3.9).
 *
 * All tables are the physical function's and stand in the shared file; each function reads them for
 * itself.
 */
#include "models/igb/igb_priv.h"

#define MAX_FRAME 1518u /* with FCS, without tag */
#define FCS	  4u

bool igb_vmdq(const struct igb_fn *fn)
{
	uint32_t mode = igb_get(fn, IGB_MRQC) & IGB_MRQC_MODE;

	return mode == IGB_MRQC_VMDQ || mode == IGB_MRQC_VMDQ_RSS;
}

/* ---- address tables -------------------------------------------------------------------------- */

static uint32_t rar(unsigned int index)
{
	return index < 16 ? IGB_RA + 8 * index : IGB_RA2 + 8 * (index - 16);
}

/* The pools of all receive addresses that equal @mac, and in bit 31 whether there is one. */
static uint32_t match_address(const struct igb_fn *fn, const uint8_t *mac)
{
	uint32_t low = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
		       (uint32_t)mac[3] << 24;
	uint32_t high = mac[4] | (uint32_t)mac[5] << 8, found = 0;

	for (unsigned int i = 0; i < IGB_RARS; i++) {
		uint32_t rah = igb_get(fn, rar(i) + 4);

		if ((rah & IGB_RAH_AV) && (rah & 0xffff) == high && igb_get(fn, rar(i)) == low)
			found |= BIT(31) | IGB_RAH_POOL(rah);
	}
	return found;
}

/* A table of 4096 bits, indexed by 12 bits of the address as RCTL.MO says (8.10.19). */
static bool match_hash(const struct igb_fn *fn, uint32_t table, const uint8_t *mac)
{
	static const uint8_t shifts[] = { 4, 3, 2, 0 };
	unsigned int shift = shifts[igb_get(fn, IGB_RCTL) >> IGB_RCTL_MO_SHIFT & 3];
	uint32_t hash = ((uint32_t)mac[5] << 8 | mac[4]) >> shift & 0xfff;

	return igb_get(fn, table + 4 * (hash >> 5)) >> (hash & 31) & 1;
}

static bool match_vlan(const struct igb_fn *fn, uint16_t tci)
{
	unsigned int vid = tci & 0xfff;

	return igb_get(fn, IGB_VFTA + 4 * (vid >> 5)) >> (vid & 31) & 1;
}

/* ---- the MAC --------------------------------------------------------------------------------- */

static bool size_ok(const struct igb_fn *fn, size_t len, const struct igb_parsed *p)
{
	uint32_t rctl = igb_get(fn, IGB_RCTL);
	size_t max = MAX_FRAME + (p->tagged ? 4 : 0);

	if (rctl & IGB_RCTL_LPE)
		max = igb_get(fn, IGB_RLPML) & 0x3fff;
	return len + FCS <= max;
}

static bool vlan_ok(const struct igb_fn *fn, const struct igb_parsed *p)
{
	uint32_t rctl = igb_get(fn, IGB_RCTL);

	if (!p->tagged || !(rctl & IGB_RCTL_VFE))
		return true;
	if ((rctl & IGB_RCTL_CFIEN) && !(p->vlan >> 12 & 1) != !(rctl & IGB_RCTL_CFI))
		return false;
	return match_vlan(fn, p->vlan);
}

static bool addressed(const struct igb_fn *fn, const uint8_t *frame, const struct igb_parsed *p)
{
	uint32_t rctl = igb_get(fn, IGB_RCTL);

	if (!vlan_ok(fn, p))
		return false;
	if (p->broadcast)
		return rctl & (IGB_RCTL_BAM | IGB_RCTL_MPE);
	if (p->multicast)
		return (rctl & IGB_RCTL_MPE) || match_address(fn, frame) ||
		       match_hash(fn, IGB_MTA, frame);
	return (rctl & IGB_RCTL_UPE) || match_address(fn, frame) || match_hash(fn, IGB_UTA, frame);
}

bool igb_filter_accepts(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			const struct igb_parsed *p)
{
	return size_ok(fn, len, p) && addressed(fn, frame, p);
}

bool igb_filter_oversized(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			  const struct igb_parsed *p)
{
	return !size_ok(fn, len, p) && addressed(fn, frame, p);
}

/* ---- pools ----------------------------------------------------------------------------------- */

static uint32_t pools_with(const struct igb_fn *fn, uint32_t bit)
{
	uint32_t pools = 0;

	for (unsigned int i = 0; i < IGB_POOLS; i++)
		if (igb_get(fn, IGB_VMOLR + 4 * i) & bit)
			pools |= BIT(i);
	return pools;
}

/* The pools that VLVF lets a tag into; whether any entry names it. */
static bool vlan_pools(const struct igb_fn *fn, uint16_t tci, uint32_t *pools)
{
	bool known = false;

	*pools = 0;
	for (unsigned int i = 0; i < IGB_VLVFS; i++) {
		uint32_t vlvf = igb_get(fn, IGB_VLVF + 4 * i);

		if (!(vlvf & IGB_VLVF_ENABLE) || (vlvf & IGB_VLVF_VLAN) != (tci & IGB_VLVF_VLAN))
			continue;
		*pools |= IGB_VLVF_POOLS(vlvf);
		known = true;
	}
	return known;
}

static uint32_t address_pools(const struct igb_fn *fn, const uint8_t *frame,
			      const struct igb_parsed *p)
{
	uint32_t rctl = igb_get(fn, IGB_RCTL), pools = match_address(fn, frame) & 0xff;

	if (p->broadcast)
		return pools | pools_with(fn, IGB_VMOLR_BAM);
	if (p->multicast) {
		pools |= pools_with(fn, IGB_VMOLR_MPME);
		if (match_hash(fn, IGB_MTA, frame))
			pools |= pools_with(fn, IGB_VMOLR_ROMPE);
		return pools;
	}
	if (match_hash(fn, IGB_UTA, frame) || (!pools && (rctl & IGB_RCTL_UPE)))
		pools |= pools_with(fn, IGB_VMOLR_ROPE);
	return pools;
}

/* 7.10.3.3 to 7.10.3.5: addresses, VLAN, length. */
static uint32_t select_pools(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			     const struct igb_parsed *p)
{
	uint32_t pools = address_pools(fn, frame, p), tag;

	if (p->tagged && (igb_get(fn, IGB_RCTL) & IGB_RCTL_VFE)) {
		if (!vlan_ok(fn, p))
			return 0;
		if (vlan_pools(fn, p->vlan, &tag))
			pools &= tag;
	} else if (!p->tagged) {
		pools &= pools_with(fn, IGB_VMOLR_AUPE);
	}
	for (unsigned int i = 0; i < IGB_POOLS; i++) {
		uint32_t vmolr = igb_get(fn, IGB_VMOLR + 4 * i);
		size_t max = vmolr & IGB_VMOLR_LPE ? vmolr & IGB_VMOLR_RLPML
						   : MAX_FRAME + (p->tagged ? 4 : 0);

		if (len + FCS > max)
			pools &= ~BIT(i);
	}
	return pools;
}

uint32_t igb_filter_pools(const struct igb_fn *fn, const uint8_t *frame, size_t len,
			  const struct igb_parsed *p, int from)
{
	uint32_t vt_ctl = igb_get(fn, IGB_VT_CTL), pools = select_pools(fn, frame, len, p);
	uint32_t dtxswc = igb_get(fn, IGB_DTXSWC);

	if (from >= 0) {
		/* 8.14.10: nothing comes back to its sender unless LLE says so. */
		if (!(IGB_DTXSWC_LLE(dtxswc) & BIT(from)))
			pools &= ~BIT(from);
	} else if (!pools && !p->multicast && !(vt_ctl & IGB_VT_CTL_DIS_DEF_POOL) &&
		   size_ok(fn, len, p) && vlan_ok(fn, p)) {
		pools = BIT(IGB_VT_CTL_DEF_POOL(vt_ctl));
	}
	/* Without replication the first pool alone gets it. */
	if (!(vt_ctl & IGB_VT_CTL_REPL_EN) && pools)
		pools &= ~pools + 1;
	return pools;
}

/* ---- the switch ------------------------------------------------------------------------------ */

/* The function that owns a pool's queues: a VF that exists, or the PF. */
unsigned int igb_pool_station(const struct igb_fn *fn, unsigned int pool)
{
	return pool < igb_num_vfs(fn) ? pool + 1 : 0;
}

static bool spoofed(const struct igb_fn *fn, unsigned int pool, const uint8_t *frame,
		    const struct igb_parsed *p)
{
	uint32_t dtxswc = igb_get(fn, IGB_DTXSWC), pools;

	if ((IGB_DTXSWC_MAC_AS(dtxswc) & BIT(pool)) && !(match_address(fn, frame + 6) & BIT(pool)))
		return true;
	if (!(IGB_DTXSWC_VLAN_AS(dtxswc) & BIT(pool)) || !p->tagged)
		return false;
	return !vlan_pools(fn, p->vlan, &pools) || !(pools & BIT(pool));
}

uint32_t igb_switch(struct igb_fn *fn, unsigned int pool, const uint8_t *frame, size_t len)
{
	struct igb_parsed p;
	uint32_t pools, dest = NET_DEST_WIRE;

	igb_parse(frame, len, (uint16_t)igb_get(fn, IGB_VET), &p);
	if (spoofed(fn, pool, frame, &p)) {
		igb_count(fn, IGB_SSVPC, 1);
		__atomic_fetch_or(&fn->sh->reg[IGB_WVBR / 4], BIT(fn->vf ? pool : 0),
				  __ATOMIC_RELAXED);
		return 0;
	}
	if (!(igb_get(fn, IGB_DTXSWC) & IGB_DTXSWC_LOOPBACK_EN))
		return dest;
	pools = igb_filter_pools(fn, frame, len, &p, (int)pool);
	for (unsigned int i = 0; i < IGB_POOLS; i++)
		if (pools & BIT(i))
			dest |= NET_DEST_STATION(igb_pool_station(fn, i));
	/* 7.10.3.6.1: a unicast address of the card's own stays inside. */
	if (pools && !p.multicast && (match_address(fn, frame) & 0xff))
		dest &= ~NET_DEST_WIRE;
	return dest;
}
