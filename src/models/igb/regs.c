/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The physical function's register file (8.1.3): one table, a row for each register or array, with
 * the bits that software can write and the functions for reads and writes that have effects.
 * Queue registers are not in it (queue.c). What no row names reads as 0 and swallows writes.
 */
#include "models/igb/igb_priv.h"

#include "pci/sriov.h"

typedef uint32_t (*read_fn)(struct igb_fn *fn, uint32_t off);
typedef void (*write_fn)(struct igb_fn *fn, uint32_t off, uint32_t value);

struct row {
	uint32_t first, last;
	uint32_t mask; /* writable bits, where @write is NULL */
	read_fn read;  /* NULL: the stored word */
	write_fn write;
};

/* ---- effects --------------------------------------------------------------------------------- */

static void clear_written(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	__atomic_fetch_and(&fn->sh->reg[off / 4], ~value, __ATOMIC_RELAXED);
}

static uint32_t read_clears(struct igb_fn *fn, uint32_t off)
{
	return __atomic_exchange_n(&fn->sh->reg[off / 4], 0, __ATOMIC_RELAXED);
}

static uint32_t ctrl_read(struct igb_fn *fn, uint32_t off)
{
	(void)off;
	return igb_get(fn, IGB_CTRL);
}

static void ctrl_ext_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	bool ready = (value & IGB_CTRL_EXT_PFRSTD) && !(igb_get(fn, off) & IGB_CTRL_EXT_PFRSTD);

	/* Bit 13 starts another load of the EEPROM and clears itself (8.2.3). */
	igb_set(fn, off, value & ~BIT(13));
	if (ready)
		igb_pf_ready(fn);
}

/* RCTL, TCTL, VFRE, VFTE: queues begin or cease to run. */
static void enables_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	igb_set(fn, off, value);
	igb_queues_update(fn);
	igb_link_update(fn);
	for (unsigned int vf = 0; vf < igb_num_vfs(fn); vf++)
		pci_ring_vf(fn->card, vf);
}

static void i2c_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	/* 8.17.8: no module answers; ready (bit 29) with error (bit 31). */
	igb_set(fn, off, (value & 0x07ffffff) | BIT(29) | BIT(31));
}

/* 8.16.3: milliseconds in bits 25:16, microseconds below. */
static uint32_t frtimer_read(struct igb_fn *fn, uint32_t off)
{
	uint64_t us = (igb_now() - fn->timer_base) / 1000;

	(void)off;
	return (uint32_t)(us % 1000 | (us / 1000 % 1000) << 16);
}

/* 8.16.4: the duration in bits 7:0 (ms), enable in bit 8, loop in bit 11. */
static void tcp_timer_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	uint32_t old = igb_get(fn, off);

	igb_set(fn, off, value & 0x9ff);
	if (!(value & BIT(8)))
		fn->intr.tcp_timer = 0;
	else if (!(old & BIT(8)))
		fn->intr.tcp_timer = igb_now() + (uint64_t)(value & 0xff) * 1000000;
	igb_timer_kick(fn);
}

/* 8.15: the clock advances by TIMINCA's increment each 16 ns times its period. */
static uint32_t systim_read(struct igb_fn *fn, uint32_t off)
{
	uint32_t inca = igb_get(fn, IGB_TIMINCA), period = inca >> 24;
	uint64_t ticks = (igb_now() - fn->timer_base) / (16 * (uint64_t)(period ? period : 1));
	uint64_t systim = ticks * (inca & 0xffffff);

	systim += igb_get(fn, IGB_SYSTIML) | (uint64_t)igb_get(fn, IGB_SYSTIMH) << 32;
	return (uint32_t)(off == IGB_SYSTIML ? systim : systim >> 32);
}

static void systim_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	igb_set(fn, off, value);
	fn->timer_base = igb_now();
}

/* SW_FW_SYNC (8.16.3): the software's half. Nobody is on the firmware's side. */
#define SW_BITS 0xffffu

/* ---- the table ------------------------------------------------------------------------------- */

#define ALL	    0xffffffffu
#define NONE	    0u
#define ONE(r)	    (r), (r)
#define ARRAY(r, n) (r), (r) + 4 * ((n)-1)

static const struct row rows[] = {
	{ ONE(IGB_CTRL), ALL, NULL, igb_ctrl_write },
	{ ONE(IGB_CTRL_DUP), ALL, ctrl_read, igb_ctrl_write },
	{ ONE(IGB_STATUS), IGB_STATUS_PHYRA, igb_status_read, NULL },
	{ ONE(IGB_EECD), IGB_EECD_REQ, igb_eecd_read, NULL },
	{ ONE(IGB_EERD), ALL, NULL, igb_eerd_write },
	{ ONE(IGB_CTRL_EXT), ALL, NULL, ctrl_ext_write },
	{ ONE(0x001c), ALL, NULL, NULL }, /* FLA */
	{ ONE(IGB_MDIC), ALL, NULL, igb_mdic_write },
	{ 0x0024, 0x0038, ALL, NULL, NULL }, /* SCTL, FCAL, FCAH, FCT, CONNSW, VET */
	{ ONE(IGB_ICR_ALIAS), ALL, igb_icr_read, igb_intr_reg_write },
	{ 0x00c4, IGB_IAM_ALIAS, ALL, igb_intr_reg_read, igb_intr_reg_write },
	{ ONE(IGB_RCTL), ALL, NULL, enables_write },
	{ ONE(0x0170), 0xffff, NULL, NULL }, /* FCTTV */
	{ ONE(IGB_TCTL), ALL, NULL, enables_write },
	{ 0x0404, 0x0590, ALL, NULL, NULL }, /* TCTL_EXT, TIPG and what is near */
	{ ARRAY(IGB_VMBMEM, IGB_VFS *IGB_MBX_WORDS), ALL, NULL, NULL },
	{ ARRAY(IGB_P2VMAILBOX, IGB_VFS), ALL, igb_p2v_read, igb_p2v_write },
	{ ONE(IGB_MBVFICR), ALL, NULL, clear_written },
	{ ONE(IGB_MBVFIMR), 0xff, NULL, NULL },
	{ ONE(IGB_VFLRE), ALL, NULL, clear_written },
	{ ONE(IGB_VFRE), ALL, NULL, enables_write },
	{ ONE(IGB_VFTE), ALL, NULL, enables_write },
	{ ONE(IGB_LEDCTL), ALL, NULL, NULL },
	{ 0x1000, 0x100c, ALL, NULL, NULL }, /* PBA and its kin */
	{ ONE(IGB_EEMNGCTL), NONE, NULL, NULL },
	{ ONE(IGB_I2CCMD), ALL, NULL, i2c_write },
	{ ONE(IGB_FRTIMER), NONE, frtimer_read, NULL },
	{ ONE(IGB_TCPTIMER), ALL, NULL, tcp_timer_write },
	{ ONE(IGB_ICR), ALL, igb_icr_read, igb_intr_reg_write },
	{ IGB_ICS, IGB_EIAM, ALL, igb_intr_reg_read, igb_intr_reg_write },
	{ ONE(IGB_EICR), ALL, igb_eicr_read, igb_intr_reg_write },
	{ ARRAY(IGB_EITR, IGB_VECTORS), ALL, igb_intr_reg_read, igb_intr_reg_write },
	{ ARRAY(IGB_IVAR, 8), ALL, igb_intr_reg_read, igb_intr_reg_write },
	{ ONE(IGB_IVAR_MISC), ALL, igb_intr_reg_read, igb_intr_reg_write },
	{ 0x2000, 0x27fc, ALL, NULL, NULL },	   /* receive DMA: flow control thresholds, RXPBS */
	{ 0x3000, IGB_WVBR - 4, ALL, NULL, NULL }, /* transmit DMA */
	{ ONE(IGB_WVBR), ALL, read_clears, NULL },
	{ IGB_WVBR + 4, 0x37fc, ALL, NULL, NULL },
	{ IGB_STATS, IGB_STATS_END - 4, NONE, igb_stat_read, NULL },
	{ ONE(IGB_SSVPC), NONE, read_clears, NULL },
	{ 0x4200, 0x4224, ALL, NULL, NULL },	  /* PCS: SerDes alone */
	{ ONE(0x4228), NONE, read_clears, NULL }, /* SCVPC */
	{ 0x5000, 0x5054, ALL, NULL, NULL },	  /* RXCSUM, RLPML, RFCTL */
	{ ARRAY(IGB_MTA, 128), ALL, NULL, NULL },
	{ ARRAY(IGB_RA, 32), ALL, NULL, NULL },
	{ ARRAY(IGB_PSRTYPE, IGB_POOLS), ALL, NULL, NULL },
	{ ARRAY(IGB_RA2, 16), ALL, NULL, NULL },
	{ 0x5580, 0x55fc, ALL, NULL, NULL }, /* VLANPQF, SYNQF */
	{ ARRAY(IGB_VFTA, 128), ALL, NULL, NULL },
	{ 0x5800, 0x5864, ALL, NULL, NULL }, /* wake-up, MRQC, VT_CTL, MANC, address tables */
	{ 0x5880, 0x5ac8, ALL, NULL, NULL }, /* IPv6 addresses, tuple filters, IMIR */
	{ ARRAY(IGB_VMOLR, IGB_POOLS), ALL, NULL, NULL },
	{ ONE(IGB_RPLOLR), ALL, NULL, NULL },
	{ 0x5b00, 0x5b2c, ALL, NULL, NULL }, /* GCR, PCI Express counters */
	{ ONE(IGB_FACTPS), NONE, NULL, NULL },
	{ ONE(IGB_SWSM), ALL, igb_semaphore_read, NULL },
	{ ONE(IGB_FWSM), NONE, NULL, NULL },
	{ ONE(IGB_SW_FW_SYNC), SW_BITS, NULL, NULL },
	{ 0x5b60, 0x5bfc, ALL, NULL, NULL }, /* PBACL, DCA, IOVTCL */
	{ ARRAY(IGB_RETA, 32), ALL, NULL, NULL },
	{ ARRAY(IGB_RSSRK, 10), ALL, NULL, NULL },
	{ ARRAY(IGB_ETQF, 8), ALL, NULL, NULL },
	{ ARRAY(IGB_VLVF, IGB_VLVFS), ALL, NULL, NULL },
	{ 0x5d80, 0x5dbc, ALL, NULL, NULL }, /* mirroring, storm control */
	{ 0x5f00, 0x5f5c, ALL, NULL, NULL }, /* flexible filters' lengths, TSYNCRXCFG */
	{ 0x9000, 0x9cfc, ALL, NULL, NULL }, /* flexible filters */
	{ ARRAY(IGB_UTA, 128), ALL, NULL, NULL },
	{ IGB_SYSTIML, IGB_SYSTIMH, ALL, systim_read, systim_write },
	{ 0xb608, 0xb6fc, ALL, NULL, NULL }, /* TIMINCA and the time stamps, which never come */
};

static const struct row *find(uint32_t off)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		if (off >= rows[i].first && off <= rows[i].last)
			return &rows[i];
	return NULL;
}

/* Statistics of a virtual function (8.27.6): as the VF sees them, but not cleared by a read. */
static uint32_t vf_stat_read(const struct igb_fn *fn, uint32_t off)
{
	const struct igb_vf_stats *s = &fn->sh->vf[off >> 8 & 7];

	switch (0x10000 | (off & 0xff)) {
	case 0x10010:
		return __atomic_load_n(&s->gprc, __ATOMIC_RELAXED);
	case 0x10014:
		return __atomic_load_n(&s->gptc, __ATOMIC_RELAXED);
	case 0x10018:
		return __atomic_load_n(&s->gorc, __ATOMIC_RELAXED);
	case 0x10034:
		return __atomic_load_n(&s->gotc, __ATOMIC_RELAXED);
	case 0x1003c:
		return __atomic_load_n(&s->mprc, __ATOMIC_RELAXED);
	case 0x10040:
		return __atomic_load_n(&s->gprlbc, __ATOMIC_RELAXED);
	case 0x10044:
		return __atomic_load_n(&s->gptlbc, __ATOMIC_RELAXED);
	case 0x10048:
		return __atomic_load_n(&s->gorlbc, __ATOMIC_RELAXED);
	case 0x10050:
		return __atomic_load_n(&s->gotlbc, __ATOMIC_RELAXED);
	default:
		return 0;
	}
}

uint32_t igb_reg_read(struct igb_fn *fn, uint32_t off)
{
	const struct row *row;
	uint32_t reg;
	struct igb_queue *q = igb_queue_at(fn, off, &reg);

	if (q)
		return igb_queue_read(fn, q, reg);
	if (off >= 0x10000 && off < 0x10800)
		return vf_stat_read(fn, off);
	row = find(off);
	if (!row)
		return 0;
	return row->read ? row->read(fn, off) : igb_get(fn, off);
}

void igb_reg_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	const struct row *row;
	uint32_t reg;
	struct igb_queue *q = igb_queue_at(fn, off, &reg);

	if (q) {
		igb_queue_write(fn, q, reg, value);
		return;
	}
	row = find(off);
	if (!row)
		return;
	if (row->write)
		row->write(fn, off, value);
	else
		igb_set(fn, off, (igb_get(fn, off) & ~row->mask) | (value & row->mask));
}
