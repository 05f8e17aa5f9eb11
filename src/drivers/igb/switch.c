/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 82576's switch between its functions as Linux's igb driver configures it: pool n for VF n
 * and the one behind them for the PF, addresses, tags, checks of senders (datasheet 7.10.3).
 *
 * Receive address n of the table: 0 is the PF's, VF n has 23 - n, further addresses of VFs are in
 * between. One difference to Linux: queues do not drop when they have no descriptors (QDE), since
 * flow control is a property of the cable here (net/port.h).
 */
#include <errno.h>
#include <string.h>

#include "drivers/igb/pf_priv.h"
#include "models/igb/regs.h"

#define RARS	      24u
#define VLVFS	      32u
#define POOL_SHIFT    18 /* RAH */
#define VLVF_POOLS    12
#define DEF_POOL      7 /* VT_CTL */
#define MAX_FRAME     1518u
#define TAG	      4u
#define LONGEST_FRAME 9728u

_Static_assert(1 + IGB_PF_MAC_FILTERS + IGB_PF_VFS <= RARS, "the table holds all addresses");

static uint32_t rar(unsigned int index)
{
	return index < 16 ? IGB_RA + 8 * index : IGB_RA2 + 8 * (index - 16);
}

static void set_rar(const struct igb_pf *pf, unsigned int index, const uint8_t *mac,
		    unsigned int pool)
{
	uint32_t low = 0, high = 0;

	if (mac && !igb_pf_mac_zero(mac)) {
		low = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
		      (uint32_t)mac[3] << 24;
		high = mac[4] | (uint32_t)mac[5] << 8 | BIT(POOL_SHIFT + pool) | IGB_RAH_AV;
	}
	igb_pf_wr(pf, rar(index), low);
	igb_pf_wr(pf, rar(index) + 4, high);
}

void igb_pf_apply_macs(const struct igb_pf *pf)
{
	const struct igb_pf_state *s = pf->state;
	unsigned int vfs = igb_pf_vfs(pf);

	set_rar(pf, 0, s->mac, vfs);
	for (unsigned int i = 0; i < IGB_PF_MAC_FILTERS; i++)
		set_rar(pf, 1 + i, s->filter[i].used ? s->filter[i].mac : NULL,
			s->filter[i].vf & 7);
	for (unsigned int i = 0; i < IGB_PF_VFS; i++)
		set_rar(pf, RARS - 1 - i, i < vfs ? s->vf[i].mac : NULL, i);
}

/* ---- multicasts ------------------------------------------------------------------------------ */

void igb_pf_apply_multicasts(const struct igb_pf *pf)
{
	uint32_t table[128] = { 0 };

	for (unsigned int i = 0; i < igb_pf_vfs(pf); i++) {
		const struct igb_pf_vf *vf = &pf->state->vf[i];
		uint32_t vmolr = igb_pf_rd(pf, IGB_VMOLR + 4 * i);
		unsigned int hashes = __atomic_load_n(&vf->num_hashes, __ATOMIC_RELAXED);

		vmolr &= ~(IGB_VMOLR_ROMPE | IGB_VMOLR_MPME);
		if (vf->multi_promisc || hashes > IGB_PF_MC_HASHES) {
			vmolr |= IGB_VMOLR_MPME;
		} else if (hashes) {
			vmolr |= IGB_VMOLR_ROMPE;
			for (unsigned int j = 0; j < hashes; j++)
				table[vf->hash[j] >> 5 & 0x7f] |= BIT(vf->hash[j] & 0x1f);
		}
		igb_pf_wr(pf, IGB_VMOLR + 4 * i, vmolr);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++)
		igb_pf_wr(pf, IGB_MTA + 4 * i, table[i]);
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* VLVF 0 is for "tag" 0; else the entry of @vid, or with @add a free one. */
static int find_vlvf(const struct igb_pf *pf, unsigned int vid, bool add)
{
	int free = -ENOSPC;

	if (!vid)
		return 0;
	for (unsigned int i = 1; i < VLVFS; i++) {
		uint32_t vlvf = igb_pf_rd(pf, IGB_VLVF + 4 * i);

		if ((vlvf & IGB_VLVF_ENABLE) && (vlvf & IGB_VLVF_VLAN) == vid)
			return (int)i;
		if (!vlvf && free < 0)
			free = (int)i;
	}
	return add ? free : -ENOENT;
}

static void set_vfta(const struct igb_pf *pf, unsigned int vid, bool on)
{
	uint32_t reg = IGB_VFTA + 4 * (vid >> 5), bit = BIT(vid & 0x1f);
	uint32_t word = igb_pf_rd(pf, reg);

	igb_pf_wr(pf, reg, on ? word | bit : word & ~bit);
}

int igb_pf_vlan(const struct igb_pf *pf, unsigned int vf, unsigned int vid, bool add)
{
	int index = find_vlvf(pf, vid, add);
	uint32_t reg, vlvf;

	if (index == -ENOENT)
		return 0;
	if (index < 0)
		return index;
	reg = IGB_VLVF + 4 * (uint32_t)index;
	vlvf = igb_pf_rd(pf, reg);
	if (add)
		vlvf |= IGB_VLVF_ENABLE | vid | BIT(VLVF_POOLS + vf);
	else
		vlvf &= ~BIT(VLVF_POOLS + vf);
	if (!IGB_VLVF_POOLS(vlvf))
		vlvf = 0;
	igb_pf_wr(pf, reg, vlvf);
	set_vfta(pf, vid, vlvf != 0);
	return 0;
}

static void clear_vlans(const struct igb_pf *pf, unsigned int vf)
{
	for (unsigned int i = 0; i < VLVFS; i++) {
		uint32_t vlvf = igb_pf_rd(pf, IGB_VLVF + 4 * i);

		if (!(vlvf & BIT(VLVF_POOLS + vf)))
			continue;
		vlvf &= ~BIT(VLVF_POOLS + vf);
		if (!IGB_VLVF_POOLS(vlvf)) {
			set_vfta(pf, vlvf & IGB_VLVF_VLAN, false);
			vlvf = 0;
		}
		igb_pf_wr(pf, IGB_VLVF + 4 * i, vlvf);
	}
}

void igb_pf_vlan_strip(const struct igb_pf *pf, unsigned int vf, bool strip)
{
	uint32_t reg = IGB_VMOLR + 4 * vf, vmolr = igb_pf_rd(pf, reg);

	igb_pf_wr(pf, reg, strip ? vmolr | IGB_VMOLR_STRVLAN : vmolr & ~IGB_VMOLR_STRVLAN);
}

/* ---- pools ----------------------------------------------------------------------------------- */

void igb_pf_frame_size(const struct igb_pf *pf, unsigned int vf, uint32_t size)
{
	uint32_t reg = IGB_VMOLR + 4 * vf, vmolr = igb_pf_rd(pf, reg);

	/* A tag comes on top. */
	size = MIN(size + TAG, LONGEST_FRAME + TAG);
	igb_pf_wr(pf, reg, (vmolr & ~IGB_VMOLR_RLPML) | size | IGB_VMOLR_LPE);
}

void igb_pf_reset_pool(const struct igb_pf *pf, unsigned int vf)
{
	unsigned int vlan = pf->state->vf[vf].vlan;

	clear_vlans(pf, vf);
	igb_pf_vlan(pf, vf, vlan, true);
	/* 8.14.13: the tag is put into what the VF sends, whatever it says itself. */
	igb_pf_wr(pf, IGB_VMVIR + 4 * vf, vlan ? vlan | BIT(30) : 0);
	igb_pf_wr(pf, IGB_VMOLR + 4 * vf,
		  IGB_VMOLR_STRCRC | IGB_VMOLR_BAM | (vlan ? IGB_VMOLR_STRVLAN : IGB_VMOLR_AUPE));
	igb_pf_frame_size(pf, vf, MAX_FRAME);
}

void igb_pf_apply_spoof_checks(const struct igb_pf *pf)
{
	uint32_t pools = 0, dtxswc = 0;

	for (unsigned int i = 0; i < igb_pf_vfs(pf); i++)
		if (pf->state->vf[i].spoof_checked)
			pools |= BIT(i);
	/* 8.14.10: addresses in bits 7:0, tags in 15:8. */
	if (igb_pf_vfs(pf))
		dtxswc = pools | pools << 8 | IGB_DTXSWC_LOOPBACK_EN;
	igb_pf_wr(pf, IGB_DTXSWC, dtxswc);
}

void igb_pf_apply(const struct igb_pf *pf)
{
	unsigned int vfs = igb_pf_vfs(pf);

	igb_pf_wr(pf, IGB_CTRL, igb_pf_rd(pf, IGB_CTRL) | IGB_CTRL_SLU | IGB_CTRL_FD);
	igb_pf_wr(pf, IGB_VT_CTL, vfs ? vfs << DEF_POOL | IGB_VT_CTL_REPL_EN : 0);
	igb_pf_wr(pf, IGB_MRQC, vfs ? IGB_MRQC_VMDQ : 0);
	igb_pf_wr(pf, IGB_RPLOLR, IGB_VMOLR_STRVLAN);
	igb_pf_wr(pf, IGB_RLPML, LONGEST_FRAME + TAG);
	igb_pf_apply_macs(pf);
	for (unsigned int i = 0; i < vfs; i++)
		igb_pf_reset_pool(pf, i);
	igb_pf_apply_multicasts(pf);
	igb_pf_apply_spoof_checks(pf);
	igb_pf_wr(pf, IGB_MBVFIMR, BIT(vfs) - 1);
	igb_pf_wr(pf, IGB_TCTL, igb_pf_rd(pf, IGB_TCTL) | IGB_TCTL_EN);
	igb_pf_wr(pf, IGB_RCTL,
		  IGB_RCTL_RXEN | IGB_RCTL_BAM | IGB_RCTL_LPE | (vfs ? IGB_RCTL_VFE : 0));
	/* 4.2.2.3: VFs may go on. */
	igb_pf_wr(pf, IGB_CTRL_EXT, igb_pf_rd(pf, IGB_CTRL_EXT) | IGB_CTRL_EXT_PFRSTD);
}

void igb_pf_mend(const struct igb_pf *pf)
{
	uint32_t vfta[128] = { 0 };

	for (unsigned int i = 0; i < VLVFS; i++) {
		uint32_t vlvf = igb_pf_rd(pf, IGB_VLVF + 4 * i), vid = vlvf & IGB_VLVF_VLAN;

		if (vlvf & IGB_VLVF_ENABLE)
			vfta[vid >> 5] |= BIT(vid & 0x1f);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(vfta); i++)
		igb_pf_wr(pf, IGB_VFTA + 4 * i, vfta[i]);
	igb_pf_apply_macs(pf);
	igb_pf_apply_multicasts(pf);
	igb_pf_apply_spoof_checks(pf);
}
