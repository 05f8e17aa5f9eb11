/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user's write to single config registers does besides storing bits. memory_lock is held.
 */
#include "base/log.h"
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
	/* A VF's real register has no such bits. */
	uint32_t decode = vpd->pdev->physfn ? 0 : PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
	uint32_t again = w->value & seen & ~real & decode;

	if (!(w->value & PCI_COMMAND_MEMORY))
		vfio_pci_memory_zap(vpd);
	if (again || bars_lost(vpd)) {
		pr_info("vfio-pci %s: vfio_bar_restore: reset recovery - restoring BARs",
			vpd->pdev->dev.name);
		restore_bars(vpd);
	}
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
	if (w->pos == PCI_COMMAND) {
		/* A VF's memory is not enabled by its COMMAND. */
		atomic_store(&vpd->command_memory,
			     vpd->pdev->physfn || (w->value & PCI_COMMAND_MEMORY));
		vfio_pci_memory_update(vpd);
	}
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

/* ---- resets --------------------------------------------------------------------------------- */

void vfio_pci_devctl_written(struct vfio_pci_device *vpd, unsigned int reg,
			     const struct vfio_pci_write *w)
{
	uint16_t ctrl = vfio_pci_vconfig_word(vpd, reg), size;

	if (ctrl & PCI_EXP_DEVCTL_BCR_FLR) {
		/* Always reads as 0, whether or not a reset is possible. */
		vfio_pci_vconfig_set(vpd, reg, 2, ctrl & ~PCI_EXP_DEVCTL_BCR_FLR);
		if (pci_config_read(vpd->pdev, reg - PCI_EXP_DEVCTL + PCI_EXP_DEVCAP, 4) &
		    PCI_EXP_DEVCAP_FLR)
			vfio_pci_reset_locked(vpd);
	}
	/* Read requests reach the function, but not smaller than what a packet may hold. Both
	 * fields count powers of two from 128 bytes. */
	size = (uint16_t)MAX((ctrl & PCI_EXP_DEVCTL_READRQ) >> 12,
			     (int)(pci_config_read(vpd->pdev, reg, 2) & PCI_EXP_DEVCTL_PAYLOAD) >>
				     5);
	pci_config_write_masked(vpd->pdev, reg, 2, (uint32_t)size << 12, PCI_EXP_DEVCTL_READRQ);
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
	unsigned int most = vpd->config.msi_qmax, wanted;
	uint16_t flags;

	reg = vpd->pdev->msi_cap + PCI_MSI_FLAGS;
	flags = vfio_pci_vconfig_word(vpd, reg);
	wanted = (flags & PCI_MSI_FLAGS_QSIZE) >> 4;
	if (vpd->irq_type != VFIO_PCI_MSI_IRQ_INDEX)
		flags &= (uint16_t)~PCI_MSI_FLAGS_ENABLE;
	if (wanted > most)
		flags = (uint16_t)((flags & ~PCI_MSI_FLAGS_QSIZE) | most << 4);
	vfio_pci_vconfig_set(vpd, reg, 2, flags);
	pci_config_write_masked(vpd->pdev, reg, 2, flags,
				PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
}

/* ---- vital product data --------------------------------------------------------------------- */

/* The user's F bit says read (0) or write (1); it toggles when that is done. What fails looks like
 * a function that does not answer. */
void vfio_pci_vpd_written(struct vfio_pci_device *vpd, unsigned int reg,
			  const struct vfio_pci_write *w)
{
	unsigned int data = reg - PCI_VPD_ADDR + PCI_VPD_DATA;
	uint16_t addr = vfio_pci_vconfig_word(vpd, reg);
	uint32_t value = 0;

	if (w->pos + w->width <= reg + 1)
		return;
	if (addr & PCI_VPD_ADDR_F) {
		value = vfio_pci_vconfig_word(vpd, data) |
			(uint32_t)vfio_pci_vconfig_word(vpd, data + 2) << 16;
		if (pci_vpd_write(vpd->pdev, addr & PCI_VPD_ADDR_MASK, 4, &value) != 4)
			return;
	} else {
		if (pci_vpd_read(vpd->pdev, addr, 4, &value) < 0)
			return;
		vfio_pci_vconfig_set(vpd, data, 4, value);
	}
	vfio_pci_vconfig_set(vpd, reg, 2, addr ^ PCI_VPD_ADDR_F);
}
