/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config cycles as the function sees them (PCI Local Bus 3.0, section 6): wmask says which bits a
 * write changes, w1cmask which a written 1 clears; then the hooks of the registers that were
 * touched run. dev->lock is held; the interrupt lock around the bytes that it guards too
 * (pci_priv.h).
 */
#include "pci/pci.h"

#include <errno.h>
#include <string.h>

#include "pci/pci_priv.h"

uint16_t pci_get_word(const struct pci_dev *dev, unsigned int off)
{
	return (uint16_t)(pci_get_byte(dev, off) | pci_get_byte(dev, off + 1) << 8);
}

uint32_t pci_get_long(const struct pci_dev *dev, unsigned int off)
{
	return pci_get_word(dev, off) | (uint32_t)pci_get_word(dev, off + 2) << 16;
}

void pci_config_changed(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	struct pci_config_listener *l;

	list_for_each_entry(l, &dev->config_listeners, node)
		l->changed(l, off, len);
	pci_config_mirror(dev, off, len);
}

/* The list is walked with either of the two locks held. */
void pci_add_config_listener(struct pci_dev *dev, struct pci_config_listener *l)
{
	pci_dev_lock(dev);
	pthread_mutex_lock(&dev->irqs->lock);
	list_add_tail(&l->node, &dev->config_listeners);
	pthread_mutex_unlock(&dev->irqs->lock);
	pci_dev_unlock(dev);
}

void pci_remove_config_listener(struct pci_dev *dev, struct pci_config_listener *l)
{
	pci_dev_lock(dev);
	pthread_mutex_lock(&dev->irqs->lock);
	list_del(&l->node);
	pthread_mutex_unlock(&dev->irqs->lock);
	pci_dev_unlock(dev);
}

void pci_set_word(struct pci_dev *dev, unsigned int off, uint16_t value)
{
	pci_put_byte(dev, off, (uint8_t)value);
	pci_put_byte(dev, off + 1, (uint8_t)(value >> 8));
	pci_config_changed(dev, off, 2);
}

void pci_set_long(struct pci_dev *dev, unsigned int off, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		pci_put_byte(dev, off + i, (uint8_t)(value >> (8 * i)));
	pci_config_changed(dev, off, 4);
}

unsigned int pci_power_state(const struct pci_dev *dev)
{
	return dev->internal->power_state;
}

bool pci_memory_enabled(const struct pci_dev *dev)
{
	if (dev->physfn)
		return pci_vf_decodes(dev) && dev->internal->power_state < 3;
	return (pci_get_byte(dev, PCI_COMMAND) & PCI_COMMAND_MEMORY) &&
	       dev->internal->power_state < 3;
}

/* COMMAND or the power state changed: DMA, messages and INTx follow. */
void pci_command_written(struct pci_dev *dev)
{
	bool master = (pci_get_byte(dev, PCI_COMMAND) & PCI_COMMAND_MASTER) &&
		      dev->internal->power_state == 0;

	if (dev->iommu)
		dma_set_master(dev->iommu, master);
	pci_irqs_config_changed(dev);
}

void pci_apply_config(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;

	for (unsigned int i = 0; i < in->n_hooks; i++)
		in->hooks[i].fn(dev);
	pci_config_changed(dev, 0, dev->cfg_size);
}

static bool config_within(const struct pci_dev *dev, unsigned int off, unsigned int width)
{
	return off < dev->cfg_size && width <= dev->cfg_size - off;
}

uint32_t pci_config_read(struct pci_dev *dev, unsigned int off, unsigned int width)
{
	uint32_t value = 0;

	if (!config_within(dev, off, width) || width > 4)
		return width >= 4 ? ~0u : (1u << (8 * width)) - 1;
	pci_dev_lock(dev);
	for (unsigned int i = 0; i < width; i++)
		value |= (uint32_t)pci_get_byte(dev, off + i) << (8 * i);
	pci_dev_unlock(dev);
	return value;
}

void pci_config_write_masked(struct pci_dev *dev, unsigned int off, unsigned int width,
			     uint32_t value, uint32_t mask)
{
	struct pci_internal *in = dev->internal;

	if (!config_within(dev, off, width) || width > 4)
		return;
	pci_dev_lock(dev);
	pthread_mutex_lock(&dev->irqs->lock);
	for (unsigned int i = 0; i < width; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i)), bits = (uint8_t)(mask >> (8 * i));
		uint8_t write = dev->wmask[off + i] & bits, clear = dev->w1cmask[off + i] & bits;
		uint8_t new = pci_get_byte(dev, off + i);

		new = (uint8_t)((new & ~write) | (byte & write));
		pci_put_byte(dev, off + i, (uint8_t)(new & ~(byte & clear)));
	}
	pthread_mutex_unlock(&dev->irqs->lock);
	for (unsigned int i = 0; i < in->n_hooks; i++)
		if (off < in->hooks[i].off + in->hooks[i].len && in->hooks[i].off < off + width)
			in->hooks[i].fn(dev);
	if (in->flr) {
		in->flr = false;
		pci_reset_locked(dev);
	}
	pci_config_changed(dev, off, width);
	pci_dev_unlock(dev);
}

void pci_config_write(struct pci_dev *dev, unsigned int off, unsigned int width, uint32_t value)
{
	pci_config_write_masked(dev, off, width, value, ~0u);
}

/* ---- what host drivers write ---------------------------------------------------------------- */

void pci_set_master(struct pci_dev *dev, bool on)
{
	pci_config_write_masked(dev, PCI_COMMAND, 2, on ? PCI_COMMAND_MASTER : 0,
				PCI_COMMAND_MASTER);
}

void pci_enable_decode(struct pci_dev *dev)
{
	uint32_t bits = 0;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		if (dev->bar[i].size)
			bits |= dev->bar[i].flags & PCI_BASE_ADDRESS_SPACE_IO ? PCI_COMMAND_IO
									      : PCI_COMMAND_MEMORY;
	pci_config_write_masked(dev, PCI_COMMAND, 2, bits, bits);
}

int pci_set_power_state(struct pci_dev *dev, unsigned int state)
{
	unsigned int now = pci_power_state(dev);

	if (!dev->pm_cap)
		return state ? -EIO : 0;
	if (state == now)
		return 0;
	/* From a low state only the way to D0 or deeper is open (PCI PM 1.2, figure 5-1). */
	if (state && state < now)
		return -EINVAL;
	if (state == 1 || state == 2)
		return -EIO;
	pci_config_write_masked(dev, dev->pm_cap + PCI_PM_CTRL, 2, state, PCI_PM_CTRL_STATE_MASK);
	return 0;
}
