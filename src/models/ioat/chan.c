/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel: its states, commands, errors, and the loop that executes descriptors.
 *
 *	HALTED -- CHAINADDR --> ARMED -- DMACOUNT --> ACTIVE <-- DMACOUNT --> IDLE
 *
 * SUSPEND leads from the last three to SUSPENDED, in the middle of a descriptor if need be; RESUME
 * leads back. ABORT, RESET and errors lead to HALTED. CHAINADDR clears DMACOUNT and the count of
 * descriptors done, so that the two differ by what may run. A halted channel takes no chain address
 * while CHANERR has bits that are not masked.
 *
 * CHANSTS and the completion write name the last descriptor that completed, also after an error:
 * the failed one is the one behind it.
 */
#include <string.h>

#include "models/ioat/ioat_priv.h"

static void set_state(struct ioat *d, struct ioat_chan *ch, enum ioat_state state)
{
	ch->state = state;
	ioat_publish_sts(d, ch);
}

void ioat_chans_init(struct ioat *d)
{
	for (unsigned int i = 0; i < d->chans; i++)
		d->chan[i] = (struct ioat_chan){ .index = i, .state = IOAT_HALTED };
	d->next_chan = 0;
	d->kick = false;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* The function's own record, with a pointer to the first error. */
static void record_error(struct pci_dev *dev, uint32_t err)
{
	uint32_t old = pci_get_long(dev, IOAT_CFG_CHANERR_INT);

	if (!old)
		pci_set_long(dev, IOAT_CFG_CHANERRPTR, (uint32_t)__builtin_ctz(err));
	pci_set_long(dev, IOAT_CFG_CHANERR_INT, old | err);
}

/* Writes CHANSTS to where CHANCMP says. */
static int completion_write(struct ioat *d, const struct ioat_chan *ch, enum ioat_state state)
{
	uint64_t sts = ch->completed | (uint64_t)state;

	if (!ch->cmp_set || !d->dev->iommu)
		return -EIO;
	return dma_write(d->dev->iommu, ch->cmp, &sts, sizeof(sts));
}

static void set_error(struct ioat *d, struct ioat_chan *ch, uint32_t err)
{
	ch->err |= err;
	record_error(d->dev, err);
	ioat_publish_err(d, ch);
	d->close = true;
}

void ioat_chan_halt(struct ioat *d, struct ioat_chan *ch, uint32_t err)
{
	set_error(d, ch, err);
	ch->busy = false;
	if ((ch->ctrl & IOAT_CHANCTRL_ERR_COMPL_EN) && !(err & IOAT_ERR_CMP_ADDR) &&
	    completion_write(d, ch, IOAT_HALTED))
		set_error(d, ch, IOAT_ERR_CMP_ADDR);
	set_state(d, ch, IOAT_HALTED);
	if (ch->ctrl & IOAT_CHANCTRL_ERR_INT_EN)
		ioat_interrupt(d, ch);
}

bool ioat_chan_error(struct ioat *d, struct ioat_chan *ch, uint32_t err)
{
	if (!(err & ~ch->errmsk)) {
		set_error(d, ch, err);
		return false;
	}
	ioat_chan_halt(d, ch, err);
	return true;
}

/* ---- what the program asks for -------------------------------------------------------------- */

static void forget_chain(struct ioat_chan *ch)
{
	ch->count = 0;
	ch->done = 0;
	ch->completed = 0;
	ch->busy = false;
}

/* CHANCTRL, CHANCMP and the masks are kept: drivers go on with them. */
static void reset(struct ioat *d, struct ioat_chan *ch)
{
	forget_chain(ch);
	ch->chainaddr = 0;
	ch->next = 0;
	ch->int_pending = false;
	set_state(d, ch, IOAT_HALTED);
}

static void resume(struct ioat *d, struct ioat_chan *ch)
{
	if (ch->state != IOAT_SUSPENDED)
		return;
	if (ioat_pending(ch))
		set_state(d, ch, IOAT_ACTIVE);
	else
		set_state(d, ch, ch->completed ? IOAT_IDLE : IOAT_ARMED);
}

void ioat_chan_command(struct ioat *d, struct ioat_chan *ch, uint8_t cmd)
{
	cmd &= IOAT_CHANCMD_MASK;
	switch (cmd) {
	case 0:
	case IOAT_CHANCMD_START:
	case IOAT_CHANCMD_APPEND:
		break;
	case IOAT_CHANCMD_SUSPEND:
		if (ch->state != IOAT_HALTED)
			set_state(d, ch, IOAT_SUSPENDED);
		break;
	case IOAT_CHANCMD_RESUME:
		resume(d, ch);
		break;
	case IOAT_CHANCMD_ABORT:
		ch->busy = false;
		set_state(d, ch, IOAT_HALTED);
		break;
	case IOAT_CHANCMD_RESET:
		reset(d, ch);
		break;
	default:
		ioat_chan_error(d, ch, IOAT_ERR_CHANCMD);
	}
}

void ioat_chan_chain(struct ioat *d, struct ioat_chan *ch, uint64_t addr)
{
	ch->chainaddr = ALIGN_DOWN(addr, IOAT_DESC_SIZE);
	ch->next = ch->chainaddr;
	forget_chain(ch);
	if (!IS_ALIGNED(addr, IOAT_DESC_SIZE) && ioat_chan_error(d, ch, IOAT_ERR_CHAIN_ADDR))
		return;
	set_state(d, ch, ch->err & ~ch->errmsk ? IOAT_HALTED : IOAT_ARMED);
}

void ioat_chan_count(struct ioat *d, struct ioat_chan *ch, uint16_t count)
{
	ch->count = count;
	if ((ch->state == IOAT_ARMED || ch->state == IOAT_IDLE) && ioat_pending(ch))
		set_state(d, ch, IOAT_ACTIVE);
}

/* ---- running -------------------------------------------------------------------------------- */

/* The order is what drivers rely on: data, completion write, status register, interrupt. */
static void complete(struct ioat *d, struct ioat_chan *ch)
{
	bool interrupt = ch->desc.ctl & IOAT_CTL_INT_EN;
	enum ioat_state state;

	ch->busy = false;
	ch->done++;
	ch->completed = ch->addr;
	ch->next = ch->desc.next;
	state = ioat_pending(ch) ? IOAT_ACTIVE : IOAT_IDLE;
	if ((ch->desc.ctl & IOAT_CTL_COMPL_WRITE) && completion_write(d, ch, state) &&
	    ioat_chan_error(d, ch, IOAT_ERR_CMP_ADDR))
		return;
	set_state(d, ch, state);
	if (interrupt)
		ioat_interrupt(d, ch);
}

bool ioat_run_chan(struct ioat *d, struct ioat_chan *ch, struct ioat_run *run)
{
	while (ch->state == IOAT_ACTIVE) {
		/* DMACOUNT may have been set back to what is done. */
		if (!ch->busy && !ioat_pending(ch)) {
			set_state(d, ch, IOAT_IDLE);
			return false;
		}
		if (!run->descs || !run->bytes)
			return true;
		if (!ch->busy && !ioat_desc_fetch(d, ch))
			return false;
		if (!ioat_desc_move(d, ch, run))
			continue;
		run->descs--;
		complete(d, ch);
	}
	return false;
}

bool ioat_run_all(struct ioat *d, struct ioat_run *run)
{
	unsigned int first = d->next_chan;
	bool more = false;

	for (unsigned int i = 0; i < d->chans; i++) {
		unsigned int n = (first + i) % d->chans;

		more |= ioat_run_chan(d, &d->chan[n], run);
		/* Who comes too late begins next time. */
		if (more && d->next_chan == first)
			d->next_chan = (n + 1) % d->chans;
	}
	return more;
}

void ioat_run_begin(struct ioat_run *run)
{
	*run = (struct ioat_run){ .descs = IOAT_INLINE_DESCS, .bytes = IOAT_INLINE_BYTES };
}

void ioat_run_end(struct ioat *d)
{
	if (d->close)
		ioat_doorbell_close(d);
	d->close = false;
	if (d->kick) {
		d->kick = false;
		pci_dev_kick(d->dev);
	}
}
