/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts (7.3): causes become bits of EICR, bits of EICR become messages.
 *
 * In the modes without MSI-X, and in MSI-X with one vector, causes stand in ICR, and those of
 * queues also in EICR where IVAR points to. With several vectors (GPIE.Multiple_MSIX) EICR has a
 * bit for each vector: IVAR and IVAR_MISC say which one a cause sets. EITR holds a vector back for
 * its interval; what falls due then is sent by the timer thread.
 */
#include "models/igb/igb_priv.h"

#include <string.h>

static bool multiple(const struct igb_fn *fn)
{
	return fn->vf || (fn->intr.gpie & IGB_GPIE_MULTIPLE_MSIX);
}

static uint32_t eicr_mask(const struct igb_fn *fn)
{
	if (fn->vf)
		return BIT(IGBVF_VECTORS) - 1;
	return multiple(fn) ? IGB_EICR_MSIX : IGB_EICR_LEGACY;
}

void igb_intr_init(struct igb_fn *fn)
{
	memset(&fn->intr, 0, sizeof(fn->intr));
	pci_intx_set(fn->dev, false);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* 7.3.4.1: EIAC clears, EIAM masks what a message was sent for. */
static void sent(struct igb_fn *fn, uint32_t bits)
{
	struct igb_intr *in = &fn->intr;

	in->eicr &= ~(bits & in->eiac);
	if ((in->gpie & IGB_GPIE_EIAME) || fn->vf)
		in->eims &= ~(bits & in->eiam);
	igb_count(fn, IGB_IAC, 1);
}

/* Sends what is due of @bits, or remembers it until EITR's interval is over. */
static void send(struct igb_fn *fn, uint32_t bits)
{
	struct igb_intr *in = &fn->intr;
	uint64_t now = igb_now();
	bool wait = false;

	for (unsigned int v = 0; v < IGB_VECTORS; v++) {
		uint32_t interval = IGB_EITR_INTERVAL(in->eitr[v]);

		if (!(bits & BIT(v)))
			continue;
		if (interval && now < in->next[v]) {
			in->held |= BIT(v);
			wait = true;
			continue;
		}
		in->held &= ~BIT(v);
		in->next[v] = now + (uint64_t)interval * 1000;
		sent(fn, BIT(v));
		pci_irq_raise(fn->dev, v);
	}
	if (wait)
		igb_timer_kick(fn);
}

/* The single interrupt of the other modes: its level, and EITR 0. */
static void update_single(struct igb_fn *fn)
{
	struct igb_intr *in = &fn->intr;
	bool level = (in->icr & in->ims) || (in->eicr & in->eims);
	enum pci_irq_type mode;
	uint64_t now;

	/* Acknowledged while it was held back: nothing waits for the timer any more. */
	in->held = 0;
	if (level == in->pin)
		return;
	now = level ? igb_now() : 0;
	if (level && IGB_EITR_INTERVAL(in->eitr[0]) && now < in->next[0]) {
		in->held = 1;
		igb_timer_kick(fn);
		return;
	}
	in->pin = level;
	mode = pci_irq_mode(fn->dev);
	/* Under MSI and MSI-X nobody sees the pin: it is let down, but never raised. */
	if (!level || (mode != PCI_IRQ_MSI && mode != PCI_IRQ_MSIX))
		pci_intx_set(fn->dev, level);
	if (!level)
		return;
	in->next[0] = now + (uint64_t)IGB_EITR_INTERVAL(in->eitr[0]) * 1000;
	igb_count(fn, IGB_IAC, 1);
	pci_irq_raise(fn->dev, 0);
}

static uint32_t misc_bit(uint32_t ivar, unsigned int shift)
{
	ivar >>= shift;
	return ivar & IGB_IVAR_VALID ? BIT(ivar & 0x1f) : 0;
}

/* Bits of EICR were set: those that are unmasked. */
static void raise_eicr(struct igb_fn *fn, uint32_t bits)
{
	fn->intr.eicr |= bits & eicr_mask(fn);
	if (multiple(fn))
		send(fn, bits & fn->intr.eims & eicr_mask(fn));
	else
		update_single(fn);
}

/* ---- causes ---------------------------------------------------------------------------------- */

void igb_cause(struct igb_fn *fn, uint32_t causes)
{
	struct igb_intr *in = &fn->intr;

	if (fn->vf)
		return;
	in->icr |= causes;
	if (!multiple(fn)) {
		/* 8.8.1: EICR.Other says that ICR has something. */
		if (in->icr & in->ims)
			in->eicr |= IGB_EICR_OTHER;
		update_single(fn);
	} else if (causes & in->ims) {
		raise_eicr(fn, misc_bit(in->ivar_misc, 8));
	}
}

/* 8.8.13: IVAR[n] has receive queue n, transmit queue n, receive n + 8, transmit n + 8. */
static uint32_t queue_bit(const struct igb_fn *fn, const struct igb_queue *q)
{
	unsigned int shift = q->tx ? 8 : 0;

	if (fn->vf) /* VTIVAR: both queues in one register */
		return misc_bit(fn->intr.ivar[0], shift + 16 * q->index);
	if (q->index >= 8)
		shift += 16;
	return misc_bit(fn->intr.ivar[q->index % 8], shift);
}

void igb_queue_cause(struct igb_fn *fn, const struct igb_queue *q)
{
	uint32_t bit = queue_bit(fn, q);

	if (bit)
		raise_eicr(fn, bit);
	if (!multiple(fn))
		igb_cause(fn, q->tx ? IGB_ICR_TXDW : IGB_ICR_RXDW);
}

void igb_vf_mailbox_cause(struct igb_fn *fn)
{
	raise_eicr(fn, misc_bit(fn->intr.ivar_misc, 0));
}

uint64_t igb_intr_expire(struct igb_fn *fn, uint64_t now)
{
	struct igb_intr *in = &fn->intr;
	uint64_t next = 0;

	if (in->tcp_timer && now >= in->tcp_timer) {
		uint32_t timer = igb_get(fn, IGB_TCPTIMER);

		in->tcp_timer = timer & BIT(11) ? now + (uint64_t)MAX(timer & 0xff, 1u) * 1000000
						: 0;
		raise_eicr(fn, multiple(fn) ? misc_bit(in->ivar_misc, 0) : IGB_EICR_TCP_TIMER);
	}
	if (in->held && multiple(fn)) {
		/* What was acknowledged or masked meanwhile is not sent. */
		in->held &= in->eicr & in->eims;
		send(fn, in->held);
	} else if (in->held) {
		update_single(fn);
	}
	for (unsigned int v = 0; v < IGB_VECTORS; v++)
		if ((in->held & BIT(v)) && (!next || in->next[v] < next))
			next = in->next[v];
	if (in->tcp_timer && (!next || in->tcp_timer < next))
		next = in->tcp_timer;
	return next;
}

/* ---- registers ------------------------------------------------------------------------------- */

/* 8.8.9: a read tells whether an unmasked cause is there, and clears (7.3.4.3). */
uint32_t igb_icr_read(struct igb_fn *fn, uint32_t off)
{
	struct igb_intr *in = &fn->intr;
	bool asserted = in->icr & in->ims;
	uint32_t value = in->icr | (asserted ? IGB_ICR_INT_ASSERTED : 0);

	(void)off;
	if ((in->gpie & IGB_GPIE_NSICR) || !in->ims || asserted) {
		in->icr = 0;
		in->eicr &= ~IGB_EICR_OTHER;
	}
	if (asserted && (igb_get(fn, IGB_CTRL_EXT) & IGB_CTRL_EXT_IAME))
		in->ims &= ~in->iam;
	if (!multiple(fn))
		update_single(fn);
	return value;
}

/* 8.8.1: a read clears but for what EIAC clears by itself; EIAM masks. */
uint32_t igb_eicr_read(struct igb_fn *fn, uint32_t off)
{
	struct igb_intr *in = &fn->intr;
	uint32_t value = in->eicr;

	(void)off;
	in->eims &= ~(value & in->eiam);
	in->eicr = multiple(fn) ? in->eicr & in->eiac : 0;
	if (!multiple(fn))
		update_single(fn);
	return value;
}

uint32_t igb_intr_reg_read(struct igb_fn *fn, uint32_t off)
{
	const struct igb_intr *in = &fn->intr;

	switch (off) {
	case IGB_IMS:
	case IGB_IMS_ALIAS:
		return in->ims;
	case IGB_IAM:
	case IGB_IAM_ALIAS:
		return in->iam;
	case IGB_GPIE:
		return in->gpie;
	case IGB_EIMS:
		return in->eims;
	case IGB_EIAC:
		return in->eiac;
	case IGB_EIAM:
		return in->eiam;
	case IGB_IVAR_MISC:
		return in->ivar_misc;
	default:
		break;
	}
	if (off >= IGB_EITR && off < IGB_EITR + 4 * IGB_VECTORS)
		return in->eitr[(off - IGB_EITR) / 4];
	if (off >= IGB_IVAR && off < IGB_IVAR + 32)
		return in->ivar[(off - IGB_IVAR) / 4];
	return 0;
}

static void eitr_write(struct igb_fn *fn, unsigned int v, uint32_t value)
{
	struct igb_intr *in = &fn->intr;

	/* 8.8.12: without CNT_INGR the running interval ends. */
	if (!(value & IGB_EITR_CNT_INGR))
		in->next[v] = 0;
	in->eitr[v] = value & 0x7fff;
	if (in->held & BIT(v))
		igb_timer_kick(fn);
}

/* Unmasked bits that are set already are told now. */
static void eims_write(struct igb_fn *fn, uint32_t value)
{
	struct igb_intr *in = &fn->intr;
	uint32_t fresh = value & ~in->eims & eicr_mask(fn);

	in->eims |= value & eicr_mask(fn);
	if (multiple(fn))
		send(fn, in->eicr & fresh);
	else
		update_single(fn);
}

static void icr_class_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	struct igb_intr *in = &fn->intr;
	uint32_t fresh;

	value &= IGB_ICR_ALL;
	switch (off) {
	case IGB_ICR:
	case IGB_ICR_ALIAS:
		in->icr &= ~value;
		if (!(in->icr & in->ims))
			in->eicr &= ~IGB_EICR_OTHER;
		break;
	case IGB_ICS:
	case IGB_ICS_ALIAS:
		igb_cause(fn, value);
		return;
	case IGB_IMS:
	case IGB_IMS_ALIAS:
		fresh = value & ~in->ims;
		in->ims |= value;
		if (in->icr & fresh)
			igb_cause(fn, in->icr & fresh);
		break;
	case IGB_IMC:
	case IGB_IMC_ALIAS:
		in->ims &= ~value;
		break;
	default: /* IAM and its alias */
		in->iam = value;
	}
	if (!multiple(fn))
		update_single(fn);
}

void igb_intr_reg_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	struct igb_intr *in = &fn->intr;

	switch (off) {
	case IGB_GPIE:
		in->gpie = value;
		break;
	case IGB_EICS:
		raise_eicr(fn, value);
		break;
	case IGB_EIMS:
		eims_write(fn, value);
		break;
	case IGB_EIMC:
		in->eims &= ~value;
		break;
	case IGB_EIAC:
		in->eiac = value & IGB_EICR_MSIX;
		break;
	case IGB_EIAM:
		in->eiam = value & eicr_mask(fn);
		break;
	case IGB_EICR:
		in->eicr &= ~value;
		in->held &= ~value;
		break;
	case IGB_IVAR_MISC:
		in->ivar_misc = value & 0x9f9f;
		break;
	default:
		if (off >= IGB_EITR && off < IGB_EITR + 4 * IGB_VECTORS)
			eitr_write(fn, (off - IGB_EITR) / 4, value);
		else if (off >= IGB_IVAR && off < IGB_IVAR + 32)
			in->ivar[(off - IGB_IVAR) / 4] = value & 0x9f9f9f9f;
		else
			icr_class_write(fn, off, value);
		return;
	}
	if (!multiple(fn))
		update_single(fn);
}
