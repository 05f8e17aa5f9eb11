/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts (7.5): one message for each completion queue that got entries in a run, or the level
 * of the INTx pin while a queue holds entries that were not consumed.
 *
 * INTMS and INTMC mask vectors 0 to 31 of INTx and MSI (3.1.3); MSI-X has masks of its own.
 */
#include "models/nvme/nvme_priv.h"
#include "pci/msi.h"

static bool masked(const struct nvme_ctrl *c, unsigned int vector)
{
	return vector < 32 && (c->intms & BIT(vector));
}

static void set_pin(struct nvme_ctrl *c)
{
	bool level = c->cqs_asserted != 0;
	enum pci_irq_type mode;

	if (level == c->intx)
		return;
	/* Under MSI and MSI-X nobody sees the pin: it is let down, but never raised. */
	mode = pci_irq_mode(c->dev);
	if (level && (mode == PCI_IRQ_MSI || mode == PCI_IRQ_MSIX))
		return;
	c->intx = level;
	pci_intx_set(c->dev, level);
}

void nvme_intr_update(struct nvme_ctrl *c, struct nvme_cq *cq)
{
	bool assert = cq->live && cq->ien && cq->head != cq->tail && !masked(c, cq->vector);

	if (assert != cq->asserted) {
		cq->asserted = assert;
		c->cqs_asserted += assert ? 1 : -1u;
	}
	set_pin(c);
}

static void raise_cq(struct nvme_ctrl *c, struct nvme_cq *cq)
{
	enum pci_irq_type mode;

	if (!cq->ien)
		return;
	mode = pci_irq_mode(c->dev);
	if (mode == PCI_IRQ_MSIX || (mode == PCI_IRQ_MSI && !masked(c, cq->vector)))
		pci_irq_raise(c->dev, cq->vector);
	nvme_intr_update(c, cq);
}

void nvme_intr_notify(struct nvme_ctrl *c)
{
	for (unsigned int w = 0; w < ARRAY_SIZE(c->notify); w++) {
		while (c->notify[w]) {
			unsigned int id = w * 64 + (unsigned int)__builtin_ctzll(c->notify[w]);

			c->notify[w] &= c->notify[w] - 1;
			raise_cq(c, &c->cq[id]);
		}
	}
}

void nvme_intr_mask(struct nvme_ctrl *c, uint32_t mask)
{
	uint32_t unmasked = c->intms & ~mask;

	c->intms = mask;
	for (unsigned int i = 0; i <= c->last_queue; i++) {
		struct nvme_cq *cq = &c->cq[i];

		if (!cq->live)
			continue;
		nvme_intr_update(c, cq);
		/* A message that was held back (7.5.1.1). */
		if (cq->asserted && cq->vector < 32 && (unmasked & BIT(cq->vector)) &&
		    pci_irq_mode(c->dev) == PCI_IRQ_MSI)
			pci_irq_raise(c->dev, cq->vector);
	}
}
