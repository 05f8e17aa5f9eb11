/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The INTx pin (PCI Local Bus 3.0, 2.2.6 and 6.2.2 to 6.2.4).
 *
 * STATUS.INTERRUPT follows the model's level. The pin follows it too while messages are off and
 * COMMAND.INTX_DISABLE is clear; the host's function runs when the pin becomes asserted, under
 * irqs->lock, and uses pci_check_and_mask_intx_locked() there.
 */
#include "pci/msi.h"

#include "base/event.h"
#include "irq/trace.h"
#include "pci/pci_priv.h"

static bool intx_disabled(const struct pci_dev *dev)
{
	return pci_get_byte(dev, PCI_COMMAND + 1) & (PCI_COMMAND_INTX_DISABLE >> 8);
}

static void set_bit(struct pci_dev *dev, unsigned int off, uint8_t bit, bool on)
{
	uint8_t old = pci_get_byte(dev, off), new = on ? old | bit : (uint8_t)(old & ~bit);

	if (old == new)
		return;
	pci_put_byte(dev, off, new);
	pci_config_changed(dev, off, 1);
}

void pci_intx_update(struct pci_dev *dev)
{
	struct pci_irqs *irqs = dev->irqs;
	bool was = irqs->intx_asserted;
	const struct irq_event e = { .way = IRQ_PIN, .entry = IRQ_NO_ENTRY };

	set_bit(dev, PCI_STATUS, PCI_STATUS_INTERRUPT, irqs->intx_level);
	irqs->intx_asserted = irqs->intx_level && irqs->mode == PCI_IRQ_INTX && !intx_disabled(dev);
	if (!irqs->intx_asserted || was || !irqs->intx_fn)
		return;
	atomic_fetch_add_explicit(&dev->stats->irqs, 1, memory_order_relaxed);
	event_emit(EVENT_IRQ, dev->rid, irq_event_a(&e), irq_event_b(&e), irq_event_c(&e));
	irqs->intx_fn(irqs->intx_arg);
}

void pci_intx_set(struct pci_dev *dev, bool level)
{
	struct pci_irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	irqs->intx_level = level;
	pci_intx_update(dev);
	pthread_mutex_unlock(&irqs->lock);
}

int pci_intx_connect(struct pci_dev *dev, void (*fn)(void *arg), void *arg)
{
	struct pci_irqs *irqs = dev->irqs;

	pthread_mutex_lock(&irqs->lock);
	irqs->intx_fn = fn;
	irqs->intx_arg = arg;
	/* A line that is high already interrupts whoever starts to listen. */
	irqs->intx_asserted = false;
	pci_intx_update(dev);
	pthread_mutex_unlock(&irqs->lock);
	return 0;
}

static void intx_disable_locked(struct pci_dev *dev, bool disable)
{
	set_bit(dev, PCI_COMMAND + 1, PCI_COMMAND_INTX_DISABLE >> 8, disable);
	pci_intx_update(dev);
}

void pci_intx(struct pci_dev *dev, bool enable)
{
	pthread_mutex_lock(&dev->irqs->lock);
	intx_disable_locked(dev, !enable);
	pthread_mutex_unlock(&dev->irqs->lock);
}

bool pci_check_and_mask_intx_locked(struct pci_dev *dev)
{
	if (!dev->irqs->intx_level)
		return false;
	intx_disable_locked(dev, true);
	return true;
}

bool pci_check_and_mask_intx(struct pci_dev *dev)
{
	bool pending;

	pthread_mutex_lock(&dev->irqs->lock);
	pending = pci_check_and_mask_intx_locked(dev);
	pthread_mutex_unlock(&dev->irqs->lock);
	return pending;
}

bool pci_check_and_unmask_intx(struct pci_dev *dev)
{
	bool unmasked;

	pthread_mutex_lock(&dev->irqs->lock);
	unmasked = !dev->irqs->intx_level;
	if (unmasked)
		intx_disable_locked(dev, false);
	pthread_mutex_unlock(&dev->irqs->lock);
	return unmasked;
}

void pci_intx_sync(struct pci_dev *dev)
{
	pthread_mutex_lock(&dev->irqs->lock);
	pthread_mutex_unlock(&dev->irqs->lock);
}
