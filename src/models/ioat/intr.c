/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts. A descriptor with INT_EN, or an error with CHANCTRL.ERR_INT_EN, interrupts once and
 * sets CHANCTRL.INT_DISABLE; what comes until the program clears that bit is held back and
 * delivered then.
 *
 * MSI-X: a vector for each channel, INTRCTRL has no say. MSI and INTx share one line: ATTNSTATUS
 * names the channels, INTRCTRL.INT_STATUS says that there are some, and INTRCTRL.INT, the line, is
 * INT_STATUS and MASTER_INT_EN. Reading INTRCTRL clears MASTER_INT_EN, reading ATTNSTATUS clears
 * its bits (regs.c), so a handler reads both and writes MASTER_INT_EN back.
 */
#include "models/ioat/ioat_priv.h"
#include "pci/msi.h"

static bool line(const struct ioat *d)
{
	return d->attention && (d->intrctrl & IOAT_INTRCTRL_MASTER_INT_EN);
}

void ioat_interrupt_update(struct ioat *d)
{
	bool was = d->intrctrl & IOAT_INTRCTRL_INT, level = line(d);
	enum pci_irq_type mode = pci_irq_mode(d->dev);

	d->intrctrl &= (uint8_t) ~(IOAT_INTRCTRL_INT | IOAT_INTRCTRL_INT_STATUS);
	if (d->attention)
		d->intrctrl |= IOAT_INTRCTRL_INT_STATUS;
	if (level)
		d->intrctrl |= IOAT_INTRCTRL_INT;
	ioat_publish_intr(d);
	ioat_update_access(d);
	if (level && !was && mode == PCI_IRQ_MSI)
		pci_irq_raise(d->dev, 0);
	/* Under MSI and MSI-X nobody sees the pin: it is let down, but never raised. */
	if (level == d->intx || (level && (mode == PCI_IRQ_MSI || mode == PCI_IRQ_MSIX)))
		return;
	d->intx = level;
	pci_intx_set(d->dev, level);
}

void ioat_interrupt(struct ioat *d, struct ioat_chan *ch)
{
	if (ch->ctrl & IOAT_CHANCTRL_INT_DISABLE) {
		ch->int_pending = true;
		return;
	}
	ch->ctrl |= IOAT_CHANCTRL_INT_DISABLE;
	d->close = true; /* doorbell.c */
	ioat_publish_ctrl(d, ch);
	if (pci_irq_mode(d->dev) == PCI_IRQ_MSIX) {
		pci_irq_raise(d->dev, ch->index);
		return;
	}
	d->attention |= BIT(ch->index);
	ioat_interrupt_update(d);
}

void ioat_interrupt_rearm(struct ioat *d, struct ioat_chan *ch)
{
	if (!ch->int_pending)
		return;
	ch->int_pending = false;
	ioat_interrupt(d, ch);
}
