/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user's write to single config registers does besides storing bits. memory_lock is held.
 */
#include "vfio_pci/vfio_pci_priv.h"

/* ---- the header ----------------------------------------------------------------------------- */

/* Whether the function was reset behind our back and lost the addresses that the host gave it. */
static bool bars_lost(struct vfio_pci_device *vpd)
{
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		if (vpd->config.rbar[i] && pci_config_read(vpd->pdev, PCI_BASE_ADDRESS_0 + 4 * i,
							   4) != vpd->config.rbar[i])
			return true;
	return false;
}

static void restore_bars(struct vfio_pci_device *vpd)
{
	for (unsigned int i = 0; i < PCI_NUM_BARS; i++)
		pci_config_write(vpd->pdev, PCI_BASE_ADDRESS_0 + 4 * i, 4, vpd->config.rbar[i]);
	pci_config_write(vpd->pdev, PCI_ROM_ADDRESS, 4, vpd->config.rbar[PCI_ROM_BAR]);
}

void vfio_pci_command_before(struct vfio_pci_device *vpd, const struct vfio_pci_write *w)
{
	uint16_t seen = vfio_pci_vconfig_word(vpd, PCI_COMMAND);
	uint16_t real = (uint16_t)pci_config_read(vpd->pdev, PCI_COMMAND, 2);
	uint32_t again = w->value & seen & ~real & (PCI_COMMAND_MEMORY | PCI_COMMAND_IO);

	if (!(w->value & PCI_COMMAND_MEMORY))
		vfio_pci_memory_zap(vpd);
	if (again || bars_lost(vpd))
		restore_bars(vpd);
}

void vfio_pci_command_written(struct vfio_pci_device *vpd, unsigned int reg,
			      const struct vfio_pci_write *w)
{
	const uint16_t decode = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
	uint16_t cmd = vfio_pci_vconfig_word(vpd, PCI_COMMAND);
	bool disable = cmd & PCI_COMMAND_INTX_DISABLE;

	/* Remembered for the test in vfio_pci_command_before(). */
	if (w->pos == PCI_COMMAND)
		vfio_pci_vconfig_set(vpd, PCI_COMMAND, 2,
				     (uint32_t)(cmd & ~decode) | (w->value & decode));
	if (disable != atomic_load(&vpd->virq_disabled)) {
		atomic_store(&vpd->virq_disabled, disable);
		if (disable)
			vfio_pci_intx_mask(vpd);
		else
			vfio_pci_intx_unmask(vpd);
	}
	vfio_pci_memory_update(vpd);
}

/* A virtual BAR answers sizing as the real one would. */
void vfio_pci_fixup_bars(struct vfio_pci_device *vpd)
{
	struct vfio_pci_config *c = &vpd->config;

	for (unsigned int i = 0; i < PCI_NUM_BARS; i++) {
		const struct pci_bar *bar = &vpd->pdev->bar[i];
		uint8_t *v = c->vconfig + PCI_BASE_ADDRESS_0 + 4 * i;
		bool wide = (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64) &&
			    !(bar->flags & PCI_BASE_ADDRESS_SPACE_IO);
		uint64_t mask = bar->size ? ~(bar->size - 1) : 0;

		for (unsigned int b = 0; b < (wide ? 8u : 4u); b++)
			v[b] &= (uint8_t)(mask >> (8 * b));
		v[0] |= bar->size ? (uint8_t)bar->flags : 0;
		if (wide)
			i++;
	}
	uint64_t size = vpd->pdev->bar[PCI_ROM_BAR].size;
	uint64_t mask = size ? ~(size - 1) | PCI_ROM_ADDRESS_ENABLE : 0;

	for (unsigned int b = 0; b < 4; b++)
		c->vconfig[PCI_ROM_ADDRESS + b] &= (uint8_t)(mask >> (8 * b));
}

void vfio_pci_bar_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w)
{
	pthread_mutex_lock(&vpd->config.lock);
	vfio_pci_fixup_bars(vpd);
	pthread_mutex_unlock(&vpd->config.lock);
	vfio_pci_config_refresh(vpd, reg, 4);
}

/* ---- power management ----------------------------------------------------------------------- */

int vfio_pci_set_power_state(struct vfio_pci_device *vpd, unsigned int state)
{
	int ret;

	if (state >= 3)
		vfio_pci_memory_zap(vpd);
	ret = pci_set_power_state(vpd->pdev, state);
	vfio_pci_memory_update(vpd);
	return ret;
}

void vfio_pci_pmcsr_written(struct vfio_pci_device *vpd, unsigned int reg,
			    const struct vfio_pci_write *w)
{
	/* The user reads back the state that came about, whatever it asked for. */
	if (w->pos == reg)
		vfio_pci_set_power_state(vpd, w->value & PCI_PM_CTRL_STATE_MASK);
}

/* ---- resets --------------------------------------------------------------------------------- */

void vfio_pci_devctl_written(struct vfio_pci_device *vpd, unsigned int reg,
			     const struct vfio_pci_write *w)
{
	uint16_t ctrl = vfio_pci_vconfig_word(vpd, reg);

	if (!(ctrl & PCI_EXP_DEVCTL_BCR_FLR))
		return;
	/* Always reads as 0, whether or not a reset is possible. */
	vfio_pci_vconfig_set(vpd, reg, 2, ctrl & ~PCI_EXP_DEVCTL_BCR_FLR);
	if (pci_config_read(vpd->pdev, reg - PCI_EXP_DEVCTL + PCI_EXP_DEVCAP, 4) &
	    PCI_EXP_DEVCAP_FLR)
		vfio_pci_reset_locked(vpd);
}

void vfio_pci_af_written(struct vfio_pci_device *vpd, unsigned int reg,
			 const struct vfio_pci_write *w)
{
	uint8_t need = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;
	uint8_t ctrl = vpd->config.vconfig[reg];

	if (!(ctrl & PCI_AF_CTRL_FLR))
		return;
	vfio_pci_vconfig_set(vpd, reg, 1, ctrl & ~(uint32_t)PCI_AF_CTRL_FLR);
	if ((pci_config_read(vpd->pdev, reg - PCI_AF_CTRL + PCI_AF_CAP, 1) & need) == need)
		vfio_pci_reset_locked(vpd);
}

/* ---- MSI ------------------------------------------------------------------------------------ */

/* SET_IRQS enables messages; the user's bits work within what it enabled. */
void vfio_pci_msi_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w)
{
	uint16_t flags = vfio_pci_vconfig_word(vpd, reg);
	unsigned int wanted = (flags & PCI_MSI_FLAGS_QSIZE) >> 4, most = vpd->config.msi_qmax;

	if (vpd->irq_type != VFIO_PCI_MSI_IRQ_INDEX)
		flags &= (uint16_t)~PCI_MSI_FLAGS_ENABLE;
	if (wanted > most)
		flags = (uint16_t)((flags & ~PCI_MSI_FLAGS_QSIZE) | most << 4);
	vfio_pci_vconfig_set(vpd, reg, 2, flags);
	pci_config_write_masked(vpd->pdev, reg, 2, flags,
				PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
}

/* ---- vital product data --------------------------------------------------------------------- */

/* The user's F bit says read (0) or write (1); the function's toggles when it is done. */
void vfio_pci_vpd_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w)
{
	unsigned int data = reg - PCI_VPD_ADDR + PCI_VPD_DATA;
	uint16_t addr = vfio_pci_vconfig_word(vpd, reg);
	uint32_t value;

	if (w->pos + w->width <= reg + 1)
		return;
	if (addr & PCI_VPD_ADDR_F) {
		value = vfio_pci_vconfig_word(vpd, data) |
			(uint32_t)vfio_pci_vconfig_word(vpd, data + 2) << 16;
		pci_config_write(vpd->pdev, data, 4, value);
		pci_config_write(vpd->pdev, reg, 2, addr);
	} else {
		pci_config_write(vpd->pdev, reg, 2, addr);
		vfio_pci_vconfig_set(vpd, data, 4, pci_config_read(vpd->pdev, data, 4));
	}
	vfio_pci_vconfig_set(vpd, reg, 2, addr ^ PCI_VPD_ADDR_F);
}
