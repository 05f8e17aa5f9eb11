/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Function-level reset and saved state (PCI Express Base 3.0, 6.6.2; the kernel's pci_save_state()
 * and pci_restore_state()).
 *
 * A reset ends DMA and interrupts first, then lets the model forget, then brings config space to
 * what it was when the function was made. Whoever resets on behalf of the host restores the
 * registers that the host set: the header, and what capabilities let one write. Bytes that no
 * capability claims are not part of it.
 */
#include "pci/pci.h"

#include <string.h>

#include "base/event.h"
#include "pci/doorbell.h"
#include "pci/pci_priv.h"

static void reset_bytes(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	for (unsigned int i = off; i < off + len && i < dev->cfg_size; i++)
		pci_put_byte(dev, i, dev->internal->reset_config[i]);
}

void pci_reset_locked(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;
	uint8_t errors[PCI_AER_SIZE];

	if (dev->iommu)
		dma_set_master(dev->iommu, false);
	pci_aer_save(dev, errors);
	pci_sriov_reset(dev);
	pci_doorbell_close(dev);
	if (in->powered && dev->model && dev->model->reset)
		dev->model->reset(dev);
	pthread_mutex_lock(&dev->irqs->lock);
	if (in->snapshot && !in->soft)
		reset_bytes(dev, 0, dev->cfg_size);
	/* Waking up, a function forgets registers, not what is no register. */
	if (in->snapshot && in->soft)
		reset_bytes(dev, 0, PCI_STD_HEADER_SIZEOF);
	for (unsigned int i = 0; in->snapshot && in->soft && i < in->n_caps; i++)
		if (in->caps[i].off != dev->pm_cap)
			reset_bytes(dev, in->caps[i].off, in->caps[i].size);
	in->soft = false;
	pthread_mutex_unlock(&dev->irqs->lock);
	pci_aer_restore(dev, errors);
	in->power_state = 0;
	pci_irqs_reset(dev);
	pci_apply_config(dev);
	atomic_fetch_add_explicit(&dev->stats->resets, 1, memory_order_relaxed);
	event_emit(EVENT_RESET, dev->rid, 0, 0, 0);
}

void pci_dev_reset(struct pci_dev *dev)
{
	pci_dev_lock(dev);
	pci_reset_locked(dev);
	pci_dev_unlock(dev);
}

void pci_save_state(struct pci_dev *dev, uint8_t saved[PCI_CFG_EXT_SIZE])
{
	pci_dev_lock(dev);
	for (unsigned int i = 0; i < PCI_CFG_EXT_SIZE; i++)
		saved[i] = pci_get_byte(dev, i);
	pci_dev_unlock(dev);
}

static void restore_bytes(struct pci_dev *dev, const uint8_t *saved, unsigned int off,
			  unsigned int len)
{
	for (unsigned int i = off; i < off + len; i++) {
		uint8_t mask = dev->wmask[i];

		pci_put_byte(dev, i, (uint8_t)((pci_get_byte(dev, i) & ~mask) | (saved[i] & mask)));
	}
}

void pci_restore_state(struct pci_dev *dev, const uint8_t saved[PCI_CFG_EXT_SIZE])
{
	struct pci_internal *in = dev->internal;
	unsigned int pm = dev->pm_cap + PCI_PM_CTRL;

	pci_dev_lock(dev);
	pthread_mutex_lock(&dev->irqs->lock);
	restore_bytes(dev, saved, 0, PCI_STD_HEADER_SIZEOF);
	/* Of power management only the state matters, and that is known. */
	for (unsigned int i = 0; i < in->n_caps; i++)
		if (in->caps[i].off != dev->pm_cap)
			restore_bytes(dev, saved, in->caps[i].off, in->caps[i].size);
	/* A restored function is awake. */
	if (dev->pm_cap)
		pci_put_byte(dev, pm, pci_get_byte(dev, pm) & (uint8_t)~PCI_PM_CTRL_STATE_MASK);
	pthread_mutex_unlock(&dev->irqs->lock);
	pci_aer_clear_status(dev);
	pci_sriov_restore(dev);
	pci_apply_config(dev);
	pci_irqs_restore(dev);
	pci_dev_unlock(dev);
}

void pci_restore_all(struct pci_dev *dev, const uint8_t saved[PCI_CFG_EXT_SIZE])
{
	unsigned int pm = dev->pm_cap + PCI_PM_CTRL;
	uint8_t state;

	pci_dev_lock(dev);
	pthread_mutex_lock(&dev->irqs->lock);
	state = pci_get_byte(dev, pm);
	restore_bytes(dev, saved, 0, dev->cfg_size);
	if (dev->aer_cap)
		pci_aer_restore(dev, saved + dev->aer_cap);
	if (dev->pm_cap)
		pci_put_byte(dev, pm, state);
	pthread_mutex_unlock(&dev->irqs->lock);
	pci_sriov_follow(dev);
	pci_apply_config(dev);
	pci_dev_unlock(dev);
}
