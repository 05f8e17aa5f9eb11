/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The register file: which registers a store of any width reaches, what each does, and the copy in
 * BAR memory.
 *
 * Registers have 8, 16, 32 and 64 bits; drivers write 64-bit ones as halves, too, and each half
 * takes effect by itself. Two loads have effects, both only where a single interrupt serves all
 * channels: INTRCTRL clears MASTER_INT_EN, ATTNSTATUS clears itself. While they would, loads trap.
 */
#include <string.h>

#include "file/file.h"
#include "models/ioat/ioat_priv.h"

static const struct {
	enum ioat_chan_reg off;
	unsigned int width;
} chan_regs[] = {
	{ IOAT_CHAN_CTRL, 2 },	    { IOAT_CHAN_CMD, 1 },     { IOAT_CHAN_DMACOUNT, 2 },
	{ IOAT_CHAN_CHAINADDR, 8 }, { IOAT_CHAN_CMP, 8 },     { IOAT_CHAN_ERR, 4 },
	{ IOAT_CHAN_ERRMSK, 4 },    { IOAT_CHAN_DCACTRL, 4 },
};

/* ---- BAR memory ----------------------------------------------------------------------------- */

static void put8(struct ioat *d, uint32_t off, uint8_t value)
{
	__atomic_store_n(d->regs + off, value, __ATOMIC_RELAXED);
}

static void put16(struct ioat *d, uint32_t off, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)(d->regs + off), value, __ATOMIC_RELAXED);
}

static void put32(struct ioat *d, uint32_t off, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(d->regs + off), value, __ATOMIC_RELAXED);
}

static void put64(struct ioat *d, uint32_t off, uint64_t value)
{
	/* Who sees a descriptor completed finds its data in place. */
	__atomic_store_n((uint64_t *)(void *)(d->regs + off), value, __ATOMIC_RELEASE);
}

void ioat_publish_sts(struct ioat *d, const struct ioat_chan *ch)
{
	put64(d, ioat_chan_base(ch) + IOAT_CHAN_STS, ch->completed | (uint64_t)ch->state);
}

void ioat_publish_err(struct ioat *d, const struct ioat_chan *ch)
{
	put32(d, ioat_chan_base(ch) + IOAT_CHAN_ERR, ch->err);
}

/* While the page is open a native store may be there: it wins, and is found later. */
void ioat_publish_ctrl(struct ioat *d, struct ioat_chan *ch)
{
	uint16_t *reg = (uint16_t *)(void *)(d->regs + ioat_chan_base(ch) + IOAT_CHAN_CTRL);
	uint16_t old = ch->ctrl_shown;

	ch->ctrl_shown = (uint16_t)(ch->ctrl | (d->native ? IOAT_MARK_CTRL : 0));
	if (!d->native)
		put16(d, ioat_chan_base(ch) + IOAT_CHAN_CTRL, ch->ctrl_shown);
	else
		__atomic_compare_exchange_n(reg, &old, ch->ctrl_shown, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

void ioat_publish_intr(struct ioat *d)
{
	uint8_t old = d->intrctrl_shown;

	d->intrctrl_shown = d->intrctrl;
	if (!d->native)
		put8(d, IOAT_REG_INTRCTRL, d->intrctrl);
	else
		__atomic_compare_exchange_n(d->regs + IOAT_REG_INTRCTRL, &old, d->intrctrl, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	put32(d, IOAT_REG_ATTNSTATUS, d->attention);
}

static void publish_chan(struct ioat *d, struct ioat_chan *ch)
{
	uint32_t base = ioat_chan_base(ch);

	ioat_publish_ctrl(d, ch);
	put16(d, base + IOAT_CHAN_DMA_COMP, IOAT_DMA_COMP_V2 | IOAT_DMA_COMP_V3);
	put16(d, base + IOAT_CHAN_DMACOUNT, ch->count);
	ioat_publish_sts(d, ch);
	put64(d, base + IOAT_CHAN_CHAINADDR, ch->chainaddr);
	put64(d, base + IOAT_CHAN_CMP, ch->cmp);
	ioat_publish_err(d, ch);
	put32(d, base + IOAT_CHAN_ERRMSK, ch->errmsk);
	put32(d, base + IOAT_CHAN_DCACTRL, ch->dcactrl);
}

void ioat_publish_all(struct ioat *d)
{
	uint32_t used = IOAT_REG_CHAN * (d->chans + 1);

	memset(d->regs + used, 0, IOAT_MSIX_TABLE - used);
	put8(d, IOAT_REG_CHANCNT, (uint8_t)d->chans);
	put8(d, IOAT_REG_XFERCAP, IOAT_XFERCAP);
	put8(d, IOAT_REG_GENCTRL, d->genctrl);
	ioat_publish_intr(d);
	put64(d, IOAT_REG_CBVER, IOAT_CBVER_3_3);
	put64(d, IOAT_REG_DMACAP, IOAT_DMACAP_PAGE_BREAK | IOAT_DMACAP_BLOCK_FILL);
	memset(d->regs + IOAT_REG_DMACAP + 8, 0, IOAT_REG_CHAN - IOAT_REG_DMACAP - 8);
	for (unsigned int i = 0; i < d->chans; i++) {
		uint32_t base = ioat_chan_base(&d->chan[i]);

		put16(d, base + IOAT_CHAN_CMD, 0);
		put64(d, base + IOAT_CHAN_CMP + 8, 0);
		memset(d->regs + base + IOAT_CHAN_DCACTRL + 4, 0,
		       IOAT_CHAN_SIZE - IOAT_CHAN_DCACTRL - 4);
		publish_chan(d, &d->chan[i]);
	}
}

void ioat_regs_init(struct ioat *d)
{
	d->native = d->close = false;
	d->counts = 0;
	d->genctrl = d->intrctrl = 0;
	d->attention = 0;
	ioat_chans_init(d);
	ioat_publish_all(d);
	ioat_interrupt_update(d);
}

void ioat_update_access(struct ioat *d)
{
	bool legacy = !(d->intrctrl & IOAT_INTRCTRL_MSIX_VECTOR);
	int access = PAGE_TRAP_WRITE;

	if (d->attention || (legacy && (d->intrctrl & IOAT_INTRCTRL_MASTER_INT_EN)))
		access = PAGE_TRAP_ALL;
	if (d->native)
		d->close |= access == PAGE_TRAP_ALL;
	else if (d->dev->bar[0].page_access[0] != access)
		pci_bar_set_access(d->dev, 0, 0, HOST_PAGE_SIZE, access);
}

/* ---- loads ---------------------------------------------------------------------------------- */

static bool touches(uint32_t off, unsigned int width, uint32_t reg, unsigned int size)
{
	return off < reg + size && reg < off + width;
}

uint64_t ioat_reg_read(struct ioat *d, uint32_t off, unsigned int width)
{
	bool changed = false;
	uint64_t value = 0;

	if (d->native) {
		d->close = true;
		ioat_run_end(d);
	}
	memcpy(&value, d->regs + off, width);
	if (touches(off, width, IOAT_REG_INTRCTRL, 1) &&
	    (d->intrctrl & (IOAT_INTRCTRL_MASTER_INT_EN | IOAT_INTRCTRL_MSIX_VECTOR)) ==
		    IOAT_INTRCTRL_MASTER_INT_EN) {
		d->intrctrl &= (uint8_t)~IOAT_INTRCTRL_MASTER_INT_EN;
		changed = true;
	}
	/* Each channel has its bit in the first byte. */
	if (touches(off, width, IOAT_REG_ATTNSTATUS, 1) && d->attention) {
		d->attention = 0;
		changed = true;
	}
	if (changed)
		ioat_interrupt_update(d);
	return value;
}

/* ---- stores --------------------------------------------------------------------------------- */

static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask)
{
	return (old & ~mask) | (value & mask);
}

static void write_ctrl(struct ioat *d, struct ioat_chan *ch, uint64_t value, uint64_t mask)
{
	uint16_t kept = ch->ctrl & IOAT_CHANCTRL_INT_DISABLE;
	bool rearm = kept && (value & IOAT_CHANCTRL_INT_DISABLE);

	ch->ctrl = (uint16_t)(merge(ch->ctrl, value, mask) & IOAT_CHANCTRL_RW);
	if (!rearm)
		ch->ctrl |= kept;
	ioat_publish_ctrl(d, ch);
	if (rearm)
		ioat_interrupt_rearm(d, ch);
}

void ioat_chan_write(struct ioat *d, struct ioat_chan *ch, enum ioat_chan_reg reg, uint64_t value,
		     uint64_t mask)
{
	switch (reg) {
	case IOAT_CHAN_CTRL:
		write_ctrl(d, ch, value, mask);
		return;
	case IOAT_CHAN_CMD:
		ioat_chan_command(d, ch, (uint8_t)value);
		break;
	case IOAT_CHAN_DMACOUNT:
		ioat_chan_count(d, ch, (uint16_t)merge(ch->count, value, mask));
		break;
	case IOAT_CHAN_CHAINADDR:
		ioat_chan_chain(d, ch, merge(ch->chainaddr, value, mask));
		break;
	case IOAT_CHAN_CMP:
		ch->cmp = ALIGN_DOWN(merge(ch->cmp, value, mask), IOAT_CHANCMP_ALIGN);
		ch->cmp_set = true;
		break;
	case IOAT_CHAN_ERR:
		ch->err &= ~(uint32_t)(value & mask);
		break;
	case IOAT_CHAN_ERRMSK:
		ch->errmsk = (uint32_t)merge(ch->errmsk, value, mask) & IOAT_ERR_MASK;
		break;
	case IOAT_CHAN_DCACTRL:
		ch->dcactrl = (uint32_t)merge(ch->dcactrl, value, mask) & IOAT_DCACTRL_MASK;
		break;
	default: /* read-only */
		return;
	}
	/* Stores trap, or the page was just closed. */
	if (!d->native)
		publish_chan(d, ch);
}

void ioat_intrctrl_write(struct ioat *d, uint8_t value)
{
	const uint8_t rw = IOAT_INTRCTRL_MASTER_INT_EN | IOAT_INTRCTRL_MSIX_VECTOR;

	d->intrctrl = (uint8_t)((d->intrctrl & ~rw) | (value & rw));
	ioat_interrupt_update(d);
}

static void global_write(struct ioat *d, uint32_t off, unsigned int width, uint64_t value)
{
	if (touches(off, width, IOAT_REG_GENCTRL, 1)) {
		d->genctrl = (uint8_t)(value >> (8 * (IOAT_REG_GENCTRL - off))) &
			     IOAT_GENCTRL_DEBUG_EN;
		put8(d, IOAT_REG_GENCTRL, d->genctrl);
	}
	if (touches(off, width, IOAT_REG_INTRCTRL, 1))
		ioat_intrctrl_write(d, (uint8_t)(value >> (8 * (IOAT_REG_INTRCTRL - off))));
}

/* A store inside a channel's block; true when it was to DMACOUNT and nothing else. */
static bool chan_store(struct ioat *d, struct ioat_chan *ch, uint32_t off, unsigned int width,
		       uint64_t value)
{
	unsigned int written = 0;
	bool count = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(chan_regs); i++) {
		uint32_t reg = chan_regs[i].off, from = MAX(off, reg);
		uint32_t end = MIN(off + width, reg + chan_regs[i].width);
		uint64_t mask;

		if (from >= end)
			continue;
		mask = (end - from == 8 ? 0 : 1ULL << (8 * (end - from))) - 1;
		written++;
		count = reg == IOAT_CHAN_DMACOUNT;
		ioat_chan_write(d, ch, chan_regs[i].off,
				(value >> (8 * (from - off)) & mask) << (8 * (from - reg)),
				mask << (8 * (from - reg)));
	}
	return count && written == 1;
}

void ioat_reg_write(struct ioat *d, uint32_t off, unsigned int width, uint64_t value)
{
	struct ioat_chan *ch = NULL;
	struct ioat_run run;
	bool count = false;

	if (d->native)
		ioat_doorbell_close(d);
	if (off < IOAT_REG_CHAN) {
		global_write(d, off, width, value);
	} else if (off / IOAT_CHAN_SIZE <= d->chans) {
		ch = &d->chan[off / IOAT_CHAN_SIZE - 1];
		count = chan_store(d, ch, off % IOAT_CHAN_SIZE, width, value);
	}
	ioat_run_begin(&run);
	if (ch && ioat_run_chan(d, ch, &run))
		d->kick = true;
	ioat_doorbell_trapped(d, count);
	ioat_run_end(d);
}
