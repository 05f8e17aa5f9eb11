/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MAC and its PHY: reset, control and status, the PHY's registers, the link.
 *
 * The PHY is the 82576's internal one (3.5.7, 8.25; its id is that of the family IGP04). It answers
 * at address 1 and negotiates in no time: the link is up when the cable's other end is there and
 * the PHY is powered, and always 1000 Mb/s full duplex, since nothing else is on the other side.
 * With auto-negotiation off the speed is what software chose.
 */
#include "models/igb/igb_priv.h"

#include <linux/mii.h>

#include "pci/sriov.h"

#define PHY_ADDR	1
#define PHY_ID1		0x02a8
#define PHY_ID2		0x0391
#define PHY_PORT_CONFIG 0x10
#define PHY_PORT_STATUS 0x11
#define PHY_PAGE	0x1f
/* Port status of this family: speed in 15:14, duplex, link. */
#define PHY_STATUS_1000 0xc000
#define PHY_STATUS_FD	0x0200
#define PHY_STATUS_LINK 0x0400

/* ---- the PHY --------------------------------------------------------------------------------- */

static uint16_t phy_get(const struct igb_shared *sh, uint32_t reg)
{
	return __atomic_load_n(&sh->phy[reg], __ATOMIC_RELAXED);
}

static void phy_set(struct igb_shared *sh, uint32_t reg, unsigned int value)
{
	__atomic_store_n(&sh->phy[reg], (uint16_t)value, __ATOMIC_RELAXED);
}

static void phy_reset(struct igb_shared *sh)
{
	for (unsigned int reg = 0; reg < IGB_PHY_REGS; reg++)
		phy_set(sh, reg, 0);
	sh->phy_page = 0;
	phy_set(sh, MII_BMCR, BMCR_ANENABLE | BMCR_SPEED1000 | BMCR_FULLDPLX);
	phy_set(sh, MII_PHYSID1, PHY_ID1);
	phy_set(sh, MII_PHYSID2, PHY_ID2);
	phy_set(sh, MII_ADVERTISE,
		ADVERTISE_ALL | ADVERTISE_CSMA | ADVERTISE_PAUSE_CAP | ADVERTISE_PAUSE_ASYM);
	phy_set(sh, MII_CTRL1000, ADVERTISE_1000FULL | CTL1000_PREFER_MASTER);
	phy_set(sh, MII_ESTATUS, ESTATUS_1000_TFULL | ESTATUS_1000_THALF);
}

static bool phy_powered(const struct igb_shared *sh)
{
	return !(phy_get(sh, MII_BMCR) & BMCR_PDOWN);
}

/* The PHY's own view: a partner, or its own loopback. */
static bool phy_link(const struct igb_shared *sh)
{
	return phy_powered(sh) && ((phy_get(sh, MII_BMCR) & BMCR_LOOPBACK) ||
				   __atomic_load_n(&sh->link, __ATOMIC_RELAXED));
}

static uint16_t phy_read(const struct igb_shared *sh, uint32_t reg)
{
	bool link = phy_link(sh), negotiated = link && (phy_get(sh, MII_BMCR) & BMCR_ANENABLE);
	uint16_t value = phy_get(sh, reg);

	switch (reg) {
	case MII_BMSR:
		value = BMSR_100FULL | BMSR_100HALF | BMSR_10FULL | BMSR_10HALF | BMSR_ESTATEN |
			BMSR_ANEGCAPABLE | BMSR_ERCAP | 0x40; /* preamble suppression */
		return (uint16_t)(value | (link ? BMSR_LSTATUS : 0) |
				  (negotiated ? BMSR_ANEGCOMPLETE : 0));
	case MII_LPA:
		return negotiated ? LPA_LPACK | LPA_100FULL | LPA_100HALF | LPA_10FULL |
					    LPA_10HALF | LPA_PAUSE_CAP | ADVERTISE_CSMA
				  : 0;
	case MII_EXPANSION:
		return negotiated ? EXPANSION_NWAY | EXPANSION_ENABLENPAGE : 0;
	case MII_STAT1000:
		return negotiated
			       ? LPA_1000FULL | LPA_1000REMRXOK | LPA_1000LOCALRXOK | LPA_1000MSRES
			       : 0;
	case PHY_PORT_STATUS:
		return link ? PHY_STATUS_1000 | PHY_STATUS_FD | PHY_STATUS_LINK : 0;
	default:
		return value;
	}
}

static void phy_write(struct igb_shared *sh, uint32_t reg, uint16_t value)
{
	switch (reg) {
	case MII_BMCR:
		if (value & BMCR_RESET)
			phy_reset(sh);
		else
			phy_set(sh, reg, value & (uint16_t)~BMCR_ANRESTART);
		break;
	case MII_BMSR:
	case MII_PHYSID1:
	case MII_PHYSID2:
	case MII_LPA:
	case MII_EXPANSION:
	case MII_STAT1000:
	case MII_ESTATUS:
	case PHY_PORT_STATUS:
		break;
	default:
		phy_set(sh, reg, value);
	}
}

/* 8.2.4. Pages other than the first hold tuning values of the analog part: they are swallowed. */
void igb_mdic_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	struct igb_shared *sh = fn->sh;
	uint32_t reg = IGB_MDIC_REG(value), result = value & ~(IGB_MDIC_ERROR | 0xffff);

	if (IGB_MDIC_PHY(value) != PHY_ADDR) {
		igb_set(fn, off, result | IGB_MDIC_READY | IGB_MDIC_ERROR | 0xffff);
		return;
	}
	if (value & IGB_MDIC_WRITE) {
		if (reg == PHY_PAGE)
			sh->phy_page = (uint16_t)value;
		else if (sh->phy_page < 32 || reg < 0x10)
			phy_write(sh, reg, (uint16_t)value);
		result |= value & 0xffff;
	} else if (value & IGB_MDIC_READ) {
		if (reg == PHY_PAGE)
			result |= sh->phy_page;
		else if (sh->phy_page < 32 || reg < 0x10)
			result |= phy_read(sh, reg);
	}
	igb_set(fn, off, result | IGB_MDIC_READY);
	if (value & IGB_MDIC_WRITE)
		igb_link_update(fn);
	if (value & IGB_MDIC_INT_EN)
		igb_cause(fn, IGB_ICR_MDIC);
}

/* ---- the link -------------------------------------------------------------------------------- */

bool igb_loopback(const struct igb_fn *fn)
{
	/* 3.5.6: the PHY's loopback; RCTL.LBM is for the SerDes, which drivers use as well. */
	return ((phy_get(fn->sh, MII_BMCR) & BMCR_LOOPBACK) && phy_powered(fn->sh)) ||
	       (igb_get(fn, IGB_RCTL) & IGB_RCTL_LBM);
}

bool igb_link_usable(const struct igb_fn *fn)
{
	return igb_loopback(fn) || ((igb_get(fn, IGB_CTRL) & IGB_CTRL_SLU) && phy_link(fn->sh));
}

void igb_link_update(struct igb_fn *fn)
{
	struct igb_shared *sh = fn->sh;
	bool link;

	if (fn->port) {
		net_port_set_link(fn->port, phy_powered(sh));
		__atomic_store_n(&sh->link, net_port_link(fn->port), __ATOMIC_RELAXED);
	}
	link = igb_link_usable(fn);
	igb_tx_resume(fn);
	/* Whichever function sees it first makes the PF's interrupt. */
	if (__atomic_exchange_n(&sh->link_known, link, __ATOMIC_RELAXED) == link)
		return;
	if (!fn->vf) {
		igb_cause(fn, IGB_ICR_LSC);
		return;
	}
	__atomic_fetch_or(&sh->causes, IGB_ICR_LSC, __ATOMIC_RELEASE);
	pci_ring(fn->card);
}

uint32_t igb_status_read(struct igb_fn *fn, uint32_t off)
{
	uint32_t ctrl = igb_get(fn, IGB_CTRL), value = igb_get(fn, off), speed = 2;

	(void)off;
	if (ctrl & IGB_CTRL_FRCSPD)
		speed = ctrl >> IGB_CTRL_SPEED_SHIFT & 3;
	if (speed == 3)
		speed = 2;
	value |= IGB_STATUS_LAN_INIT_DONE;
	if (!(ctrl & IGB_CTRL_FRCDPLX) || (ctrl & IGB_CTRL_FD))
		value |= IGB_STATUS_FD;
	if (igb_link_usable(fn) && (ctrl & IGB_CTRL_SLU))
		value |= IGB_STATUS_LU | speed << IGB_STATUS_SPEED_SHIFT | speed << 8;
	if (!(ctrl & IGB_CTRL_MASTER_DISABLE))
		value |= IGB_STATUS_MASTER_ENABLE;
	if (igb_num_vfs(fn))
		value |= IGB_STATUS_IOV | igb_num_vfs(fn) << IGB_STATUS_NUM_VFS_SHIFT;
	return value;
}

/* ---- reset ----------------------------------------------------------------------------------- */

/* Initial values other than 0 (chapter 8). */
static const struct {
	uint32_t reg, value;
} defaults[] = {
	{ IGB_CTRL, IGB_CTRL_FD | IGB_CTRL_SLU | 2u << IGB_CTRL_SPEED_SHIFT },
	{ IGB_STATUS, IGB_STATUS_PHYRA | IGB_STATUS_PF_RST_DONE },
	{ IGB_VET, 0x81008100 },
	{ IGB_LEDCTL, 0x07061302 },
	{ IGB_EEMNGCTL, 0x003c0000 }, /* configuration done, both ports */
	{ IGB_RXPBS, 0x40 },
	{ IGB_TXPBS, 0x28 },
	{ IGB_DTXTCPFLGL, 0x0ff6 | 0x0ff6 << 16 },
	{ IGB_DTXTCPFLGH, 0x0f7f },
	{ IGB_RXCSUM, IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL },
	{ IGB_RLPML, 0x2600 },
	{ IGB_GCR, 1u << 16 },
	{ IGB_MBVFIMR, 0xff },
	{ IGB_VFRE, 0xff },
	{ IGB_VFTE, 0xff },
	{ IGB_RPLOLR, IGB_VMOLR_STRCRC },
	{ IGB_TCTL, IGB_TCTL_PSP | 0xf << 4 | 0x40 << 12 | 1u << 28 },
};

void igb_mac_init(struct igb_fn *fn)
{
	struct igb_shared *sh = fn->sh;
	const uint8_t *mac = fn->net.mac;
	/* Semaphores outlive a software reset (4.2.1.6), statistics outlive it too. */
	uint32_t semaphores[2] = { igb_get(fn, IGB_SWSM), igb_get(fn, IGB_SW_FW_SYNC) };

	for (uint32_t reg = 0; reg < IGB_SHARED_REGS; reg += 4)
		if (reg < IGB_STATS || reg >= IGB_STATS_END)
			igb_set(fn, reg, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(defaults); i++)
		igb_set(fn, defaults[i].reg, defaults[i].value);
	for (unsigned int i = 0; i < IGB_POOLS; i++)
		igb_set(fn, IGB_VMOLR + 4 * i, IGB_VMOLR_STRCRC | 0x2600);
	igb_set(fn, IGB_SWSM, semaphores[0]);
	igb_set(fn, IGB_SW_FW_SYNC, semaphores[1]);
	/* 6.2.1: receive address 0 comes from the EEPROM. */
	igb_set(fn, IGB_RA,
		mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
	igb_set(fn, IGB_RA + 4, mac[4] | (uint32_t)mac[5] << 8 | IGB_RAH_AV);
	igb_nvm_init(fn);
	phy_reset(sh);
	__atomic_store_n(&sh->causes, 0, __ATOMIC_RELAXED);
}

/* CTRL.RST and FLR (4.2.1.5, 4.2.1.6): VFs see RSTI until CTRL_EXT.PFRSTD is written. */
void igb_pf_reset(struct igb_fn *fn)
{
	igb_lock(fn);
	igb_mac_init(fn);
	igb_pf_gone(fn);
	igb_unlock(fn);
	igb_queues_reset(fn);
	igb_intr_init(fn);
	igb_link_update(fn);
}

void igb_ctrl_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	(void)off;
	if (value & IGB_CTRL_RST) {
		igb_pf_reset(fn);
		return;
	}
	if (value & IGB_CTRL_PHY_RST) {
		phy_reset(fn->sh);
		igb_set(fn, IGB_STATUS, igb_get(fn, IGB_STATUS) | IGB_STATUS_PHYRA);
	}
	igb_set(fn, IGB_CTRL, value & ~IGB_CTRL_PHY_RST);
	igb_link_update(fn);
}

/* 8.16.1: reading SWSM takes SMBI. */
uint32_t igb_semaphore_read(struct igb_fn *fn, uint32_t off)
{
	return __atomic_fetch_or(&fn->sh->reg[off / 4], IGB_SWSM_SMBI, __ATOMIC_RELAXED);
}
