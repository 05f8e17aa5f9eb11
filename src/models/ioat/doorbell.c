/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page of registers as a doorbell (pci/doorbell.h).
 *
 * DMACOUNT is the doorbell, and it shares its page with registers whose stores have effects. So the
 * page is opened only after several stores to DMACOUNT in a row, and closed again by the first
 * other one. That one must not go unnoticed even when it stores what is there already: therefore
 * CHAINADDR and CHANCTRL carry a mark in reserved bits while the page is open, which any store
 * removes; CHANCMD reads as 0; and the page is not open while CHANERR has bits or an interrupt is
 * disabled, whose registers clear what is written as 1.
 *
 * Native stores take effect in the order in which a driver makes them: command, chain, the rest,
 * count. The page is closed before they are applied, so that none arrives meanwhile. What cannot be
 * told apart is a DMACOUNT that a driver, having changed CHAINADDR of a running channel, sets to
 * the value that it had before; drivers suspend or reset the channel first, and then the page is
 * closed already.
 */
#include "file/file.h"
#include "models/ioat/ioat_priv.h"

/* Fewer stores to DMACOUNT in a row do not open the page. */
#define COUNTS_BEFORE_OPEN 8

static uint8_t load8(const struct ioat *d, uint32_t off)
{
	return __atomic_load_n(d->regs + off, __ATOMIC_ACQUIRE);
}

static uint16_t load16(const struct ioat *d, uint32_t off)
{
	/* Pairs with the program's store: the descriptors that it announces are read after it. */
	return __atomic_load_n((const uint16_t *)(const void *)(d->regs + off), __ATOMIC_ACQUIRE);
}

static uint32_t load32(const struct ioat *d, uint32_t off)
{
	return __atomic_load_n((const uint32_t *)(const void *)(d->regs + off), __ATOMIC_ACQUIRE);
}

static uint64_t load64(const struct ioat *d, uint32_t off)
{
	return __atomic_load_n((const uint64_t *)(const void *)(d->regs + off), __ATOMIC_ACQUIRE);
}

static bool is_open(const struct ioat *d)
{
	return d->dev->bar[0].page_access[0] == PAGE_DIRECT;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void set_marks(struct ioat *d, bool on)
{
	d->native = on;
	for (unsigned int i = 0; i < d->chans; i++) {
		struct ioat_chan *ch = &d->chan[i];
		uint32_t base = ioat_chan_base(ch);

		ch->ctrl_shown = (uint16_t)(ch->ctrl | (on ? IOAT_MARK_CTRL : 0));
		__atomic_store_n((uint16_t *)(void *)(d->regs + base + IOAT_CHAN_CTRL),
				 ch->ctrl_shown, __ATOMIC_RELAXED);
		__atomic_store_n((uint64_t *)(void *)(d->regs + base + IOAT_CHAN_CHAINADDR),
				 ch->chainaddr | (on ? IOAT_MARK_CHAIN : 0), __ATOMIC_RELAXED);
	}
}

static bool may_open(const struct ioat *d)
{
	if (d->counts < COUNTS_BEFORE_OPEN || d->close ||
	    d->dev->bar[0].page_access[0] != PAGE_TRAP_WRITE)
		return false;
	for (unsigned int i = 0; i < d->chans; i++)
		if (d->chan[i].err || (d->chan[i].ctrl & IOAT_CHANCTRL_INT_DISABLE))
			return false;
	return true;
}

void ioat_doorbell_trapped(struct ioat *d, bool count)
{
	d->counts = count ? d->counts + 1 : 0;
	if (!may_open(d)) {
		atomic_fetch_add_explicit(&d->dev->stats->doorbells_trapped, count,
					  memory_order_relaxed);
		return;
	}
	/* Before the page is writable: what other threads store then is found. */
	set_marks(d, true);
	pci_doorbell_trapped(d->dev);
	if (!is_open(d))
		set_marks(d, false);
}

/* ---- looking -------------------------------------------------------------------------------- */

static bool chan_changed(const struct ioat *d, const struct ioat_chan *ch)
{
	uint32_t base = ioat_chan_base(ch);

	return load16(d, base + IOAT_CHAN_CTRL) != ch->ctrl_shown ||
	       load8(d, base + IOAT_CHAN_CMD) ||
	       load64(d, base + IOAT_CHAN_CHAINADDR) != (ch->chainaddr | IOAT_MARK_CHAIN) ||
	       load64(d, base + IOAT_CHAN_CMP) != ch->cmp ||
	       load32(d, base + IOAT_CHAN_ERR) != ch->err ||
	       load32(d, base + IOAT_CHAN_ERRMSK) != ch->errmsk ||
	       load32(d, base + IOAT_CHAN_DCACTRL) != ch->dcactrl;
}

static bool others_changed(const struct ioat *d)
{
	if (load8(d, IOAT_REG_GENCTRL) != d->genctrl ||
	    load8(d, IOAT_REG_INTRCTRL) != d->intrctrl_shown)
		return true;
	for (unsigned int i = 0; i < d->chans; i++)
		if (chan_changed(d, &d->chan[i]))
			return true;
	return false;
}

/* The page is closed: BAR memory is still, and what differs from what was published was stored. */
static bool apply_chan(struct ioat *d, struct ioat_chan *ch)
{
	uint32_t base = ioat_chan_base(ch);
	const struct {
		enum ioat_chan_reg reg;
		uint64_t now, published;
	} stores[] = {
		{ IOAT_CHAN_CMD, load8(d, base + IOAT_CHAN_CMD), 0 },
		{ IOAT_CHAN_CHAINADDR, load64(d, base + IOAT_CHAN_CHAINADDR),
		  ch->chainaddr | IOAT_MARK_CHAIN },
		{ IOAT_CHAN_CMP, load64(d, base + IOAT_CHAN_CMP), ch->cmp },
		{ IOAT_CHAN_ERR, load32(d, base + IOAT_CHAN_ERR), ch->err },
		{ IOAT_CHAN_ERRMSK, load32(d, base + IOAT_CHAN_ERRMSK), ch->errmsk },
		{ IOAT_CHAN_DCACTRL, load32(d, base + IOAT_CHAN_DCACTRL), ch->dcactrl },
		{ IOAT_CHAN_CTRL, load16(d, base + IOAT_CHAN_CTRL), ch->ctrl_shown },
		{ IOAT_CHAN_DMACOUNT, load16(d, base + IOAT_CHAN_DMACOUNT), ch->count },
	};
	bool did = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(stores); i++) {
		uint64_t value = stores[i].now;

		if (value == stores[i].published)
			continue;
		/* The mark is still there when only the upper half was written. */
		if (stores[i].reg == IOAT_CHAN_CHAINADDR)
			value &= ~(uint64_t)IOAT_MARK_CHAIN;
		ioat_chan_write(d, ch, stores[i].reg, value, UINT64_MAX);
		did = true;
	}
	return did;
}

static bool apply_all(struct ioat *d)
{
	uint8_t intrctrl = load8(d, IOAT_REG_INTRCTRL);
	bool did = false;

	d->genctrl = load8(d, IOAT_REG_GENCTRL) & IOAT_GENCTRL_DEBUG_EN;
	for (unsigned int i = 0; i < d->chans; i++)
		did |= apply_chan(d, &d->chan[i]);
	if (intrctrl != d->intrctrl_shown) {
		ioat_intrctrl_write(d, intrctrl);
		did = true;
	}
	d->native = d->close = false;
	ioat_publish_all(d);
	ioat_update_access(d);
	return did;
}

bool ioat_doorbell_collect(struct ioat *d)
{
	bool did = false;

	if (!d->native)
		return false;
	if (!is_open(d) || d->close || others_changed(d)) {
		pci_doorbell_close(d->dev);
		d->counts = 0;
		return apply_all(d);
	}
	for (unsigned int i = 0; i < d->chans; i++) {
		struct ioat_chan *ch = &d->chan[i];
		uint16_t count = load16(d, ioat_chan_base(ch) + IOAT_CHAN_DMACOUNT);

		if (count != ch->count) {
			ioat_chan_count(d, ch, count);
			did = true;
		}
	}
	return did;
}

void ioat_doorbell_close(struct ioat *d)
{
	struct ioat_run run;

	d->close = true;
	if (!ioat_doorbell_collect(d))
		return;
	ioat_run_begin(&run);
	if (ioat_run_all(d, &run))
		d->kick = true;
}
