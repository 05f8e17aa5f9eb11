/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builders of capability structures (PCI Local Bus 3.0 section 6.7, PCI Express Base 3.0 section
 * 7).
 *
 * They run while the model makes its function, before anybody else sees it: no lock. A capability's
 * bytes are read-only until the builder opens bits in wmask; registers with effects get a hook.
 */
#include "pci/pci.h"

#include <errno.h>
#include <string.h>

#include "file/file.h"
#include "pci/pci_priv.h"

int pci_add_hook(struct pci_dev *dev, unsigned int off, unsigned int len,
		 void (*fn)(struct pci_dev *dev))
{
	struct pci_internal *in = dev->internal;

	if (in->n_hooks == PCI_MAX_HOOKS)
		return -ENOSPC;
	in->hooks[in->n_hooks++] =
		(struct pci_cfg_hook){ .off = (uint16_t)off, .len = (uint16_t)len, .fn = fn };
	return 0;
}

static bool extent_free(const struct pci_dev *dev, unsigned int off, unsigned int size)
{
	const struct pci_internal *in = dev->internal;

	for (unsigned int i = 0; i < in->n_caps; i++)
		if (off < in->caps[i].off + in->caps[i].size && in->caps[i].off < off + size)
			return false;
	return true;
}

static int claim(struct pci_dev *dev, unsigned int off, unsigned int size)
{
	struct pci_internal *in = dev->internal;

	if (in->n_caps == PCI_MAX_CAPS)
		return -ENOSPC;
	in->caps[in->n_caps++] =
		(struct pci_cap_extent){ .off = (uint16_t)off, .size = (uint16_t)size };
	memset(dev->config + off, 0, size);
	memset(dev->wmask + off, 0, size);
	return 0;
}

int pci_add_capability_at(struct pci_dev *dev, uint8_t id, uint8_t off, uint8_t size)
{
	int ret;

	if (off < PCI_STD_HEADER_SIZEOF || (off & 3) || size < 2 || off + size > PCI_CFG_SIZE)
		return -EINVAL;
	if (!extent_free(dev, off, size))
		return -EBUSY;
	ret = claim(dev, off, size);
	if (ret)
		return ret;
	dev->config[off] = id;
	dev->config[off + 1] = dev->config[PCI_CAPABILITY_LIST];
	dev->config[PCI_CAPABILITY_LIST] = off;
	return off;
}

int pci_add_capability(struct pci_dev *dev, uint8_t id, uint8_t size)
{
	for (unsigned int off = PCI_STD_HEADER_SIZEOF; off + size <= PCI_CFG_SIZE; off += 4)
		if (extent_free(dev, off, size))
			return pci_add_capability_at(dev, id, (uint8_t)off, size);
	return -ENOSPC;
}

/* At @off; without one, at @usual when that is free, else anywhere. */
static int add_at(struct pci_dev *dev, uint8_t id, uint8_t off, uint8_t usual, uint8_t size)
{
	int ret = pci_add_capability_at(dev, id, off ? off : usual, size);

	return ret == -EBUSY && !off ? pci_add_capability(dev, id, size) : ret;
}

int pci_add_ext_capability(struct pci_dev *dev, uint16_t id, uint8_t version, uint16_t size)
{
	return pci_add_ext_capability_at(dev, id, version, 0, size);
}

int pci_add_ext_capability_at(struct pci_dev *dev, uint16_t id, uint8_t version, uint16_t at,
			      uint16_t size)
{
	unsigned int off = at ? at : PCI_CFG_SIZE, last = 0, pos = PCI_CFG_SIZE;
	uint32_t header;
	int ret;

	if (size < 4 || (size & 3) || (off & 3) || off < PCI_CFG_SIZE ||
	    dev->cfg_size != PCI_CFG_EXT_SIZE)
		return -EINVAL;
	while (pos && (header = pci_get_long(dev, pos)) != 0) {
		last = pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	while (!extent_free(dev, off, size)) {
		if (at)
			return -EBUSY;
		off += 4;
		if (off + size > PCI_CFG_EXT_SIZE)
			return -ENOSPC;
	}
	ret = claim(dev, off, size);
	if (ret)
		return ret;
	pci_set_long(dev, off, id | (uint32_t)(version & 0xf) << 16);
	if (id == PCI_EXT_CAP_ID_SRIOV)
		dev->sriov_cap = (uint16_t)off;
	/* The list starts at 0x100; what is added later goes to its end. */
	if (last)
		pci_set_long(dev, last, (pci_get_long(dev, last) & 0xfffff) | off << 20);
	return (int)off;
}

/* ---- power management (PCI Power Management 1.2) -------------------------------------------- */

static void pmcsr_written(struct pci_dev *dev)
{
	unsigned int reg = dev->pm_cap + PCI_PM_CTRL;
	uint8_t value = pci_get_byte(dev, reg);
	unsigned int state = value & PCI_PM_CTRL_STATE_MASK;

	/* 3.2.4: a state that is not supported is dropped, the write itself completes. */
	if (state == 1 || state == 2) {
		value = (uint8_t)((value & ~PCI_PM_CTRL_STATE_MASK) | dev->internal->power_state);
		pci_put_byte(dev, reg, value);
		return;
	}
	/* 5.4: a function that forgets in D3 wakes up as after a reset. */
	if (dev->internal->power_state == 3 && state == 0 && !(value & PCI_PM_CTRL_NO_SOFT_RESET))
		dev->internal->flr = dev->internal->soft = true;
	dev->internal->power_state = state;
	pci_command_written(dev);
}

int pci_add_pm_cap_at(struct pci_dev *dev, uint8_t at)
{
	int off = add_at(dev, PCI_CAP_ID_PM, at, 0x60, PCI_PM_SIZEOF);

	if (off < 0)
		return off;
	dev->pm_cap = (uint8_t)off;
	pci_set_word(dev, off + PCI_PM_PMC, 3);
	pci_set_word(dev, off + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	dev->wmask[off + PCI_PM_CTRL] = PCI_PM_CTRL_STATE_MASK;
	pci_add_hook(dev, off + PCI_PM_CTRL, 1, pmcsr_written);
	return off;
}

int pci_add_pm_cap(struct pci_dev *dev)
{
	return pci_add_pm_cap_at(dev, 0);
}

/* ---- PCI Express (PCI Express Base 3.0, 7.8) ------------------------------------------------ */

#define PCIE_CAP_SIZE 0x3c

/* 7.8.4: Initiate Function Level Reset; always reads as 0. */
static void devctl_written(struct pci_dev *dev)
{
	unsigned int high = dev->pcie_cap + PCI_EXP_DEVCTL + 1;
	uint8_t value = pci_get_byte(dev, high), flr = PCI_EXP_DEVCTL_BCR_FLR >> 8;

	if (value & flr) {
		pci_put_byte(dev, high, (uint8_t)(value & ~flr));
		dev->internal->flr = true;
	}
}

int pci_add_pcie_cap_at(struct pci_dev *dev, uint8_t at, unsigned int type)
{
	int off = add_at(dev, PCI_CAP_ID_EXP, at, 0x80, PCIE_CAP_SIZE);
	uint16_t link = 1 << 4 | PCI_EXP_LNKSTA_CLS_2_5GB; /* one lane */

	if (off < 0)
		return off;
	dev->pcie_cap = (uint8_t)off;
	pci_set_word(dev, off + PCI_EXP_FLAGS, (uint16_t)(2 | type << 4));
	pci_set_long(dev, off + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_EXT_TAG);
	/* Error reporting enables; payload and read request sizes are fixed at 128 bytes. */
	dev->wmask[off + PCI_EXP_DEVCTL] = 0x0f;
	dev->w1cmask[off + PCI_EXP_DEVSTA] = 0x0f;
	/* 2.5 GT/s, one lane, ASPM L0s. */
	pci_set_long(dev, off + PCI_EXP_LNKCAP, link | 0x400u);
	pci_set_word(dev, off + PCI_EXP_LNKSTA, link);
	/* Extended format and end-end TLP prefixes: their blocking bit can be written. */
	pci_set_long(dev, off + PCI_EXP_DEVCAP2, 0x300000);
	dev->wmask[off + PCI_EXP_DEVCTL2 + 1] = 0x80;
	return off;
}

int pci_add_pcie_cap(struct pci_dev *dev, unsigned int type)
{
	return pci_add_pcie_cap_at(dev, 0, type);
}

void pci_add_pcie_flr(struct pci_dev *dev)
{
	unsigned int off = dev->pcie_cap;

	pci_set_long(dev, off + PCI_EXP_DEVCAP,
		     pci_get_long(dev, off + PCI_EXP_DEVCAP) | PCI_EXP_DEVCAP_FLR);
	dev->wmask[off + PCI_EXP_DEVCTL + 1] |= PCI_EXP_DEVCTL_BCR_FLR >> 8;
	pci_add_hook(dev, off + PCI_EXP_DEVCTL, 2, devctl_written);
}

int pci_add_pcie_endpoint_cap(struct pci_dev *dev)
{
	int off = pci_add_pcie_cap(dev, PCI_EXP_TYPE_ENDPOINT);

	if (off >= 0)
		pci_add_pcie_flr(dev);
	return off;
}

bool pci_has_flr(const struct pci_dev *dev)
{
	return dev->pcie_cap &&
	       (pci_get_long(dev, dev->pcie_cap + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
}

/* ---- access control services (PCI Express Base 3.0, 7.16) ------------------------------------ */

int pci_add_acs_cap(struct pci_dev *dev)
{
	const uint16_t bits = PCI_ACS_SV | PCI_ACS_TB | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF |
			      PCI_ACS_DT;
	int off = pci_add_ext_capability(dev, PCI_EXT_CAP_ID_ACS, 1, 8);

	if (off < 0)
		return off;
	pci_set_word(dev, (unsigned int)off + PCI_ACS_CAP, bits);
	/* What the host turns on to isolate what is behind the port. */
	pci_set_word(dev, (unsigned int)off + PCI_ACS_CTRL,
		     PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF);
	dev->wmask[off + PCI_ACS_CTRL] = (uint8_t)bits;
	return off;
}

/* ---- MSI and MSI-X (PCI Local Bus 3.0, 6.8) ------------------------------------------------- */

static unsigned int log2_up(unsigned int n)
{
	unsigned int bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

static unsigned int msi_size(unsigned int flags)
{
	return 10 + (flags & PCI_MSI_FLAGS_64BIT ? 4u : 0) +
	       (flags & PCI_MSI_FLAGS_MASKBIT ? 10u : 0);
}

int pci_add_msi_cap_at(struct pci_dev *dev, uint8_t at, unsigned int vectors, unsigned int flags)
{
	unsigned int bits = log2_up(vectors), wide = flags & PCI_MSI_FLAGS_64BIT ? 4 : 0;
	uint32_t mask;
	int off;

	flags &= PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT;
	if (!vectors || vectors > 32)
		return -EINVAL;
	if (at)
		off = pci_add_capability_at(dev, PCI_CAP_ID_MSI, at, (uint8_t)msi_size(flags));
	else
		off = pci_add_capability(dev, PCI_CAP_ID_MSI, (uint8_t)msi_size(flags));
	if (off < 0)
		return off;
	dev->msi_cap = (uint8_t)off;
	dev->irqs->msi_vectors = 1u << bits;
	pci_set_word(dev, off + PCI_MSI_FLAGS, (uint16_t)(bits << 1 | flags));
	dev->wmask[off + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE;
	/* Address, its upper half if there is one, data. */
	memset(dev->wmask + off + PCI_MSI_ADDRESS_LO, 0xff, 6 + wide);
	dev->wmask[off + PCI_MSI_ADDRESS_LO] = 0xfc;
	if (flags & PCI_MSI_FLAGS_MASKBIT) {
		mask = dev->irqs->msi_vectors == 32 ? ~0u : (1u << dev->irqs->msi_vectors) - 1;
		memcpy(dev->wmask + off + PCI_MSI_MASK_32 + wide, &mask, 4);
	}
	pci_add_hook(dev, off, msi_size(flags), pci_irqs_config_changed);
	return off;
}

int pci_add_msi_cap(struct pci_dev *dev, unsigned int vectors, bool maskable)
{
	return pci_add_msi_cap_at(dev, 0, vectors,
				  PCI_MSI_FLAGS_64BIT | (maskable ? PCI_MSI_FLAGS_MASKBIT : 0));
}

int pci_add_msix_cap_at(struct pci_dev *dev, uint8_t at, unsigned int vectors, unsigned int bar,
			uint32_t table_off, uint32_t pba_off)
{
	uint64_t table_size = (uint64_t)vectors * PCI_MSIX_ENTRY_SIZE;
	uint64_t pba_size = ALIGN_UP((uint64_t)vectors, 64) / 8;
	int off;

	if (!vectors || vectors > 2048 || bar >= PCI_NUM_BARS || !dev->bar[bar].page_access ||
	    !IS_ALIGNED(table_off, HOST_PAGE_SIZE) || !IS_ALIGNED(pba_off, HOST_PAGE_SIZE) ||
	    table_off + table_size > dev->bar[bar].size || pba_off + pba_size > dev->bar[bar].size)
		return -EINVAL;
	off = add_at(dev, PCI_CAP_ID_MSIX, at, 0x40, PCI_CAP_MSIX_SIZEOF);
	if (off < 0)
		return off;
	if (pci_irqs_set_msix(dev, vectors))
		return -ENOMEM;
	dev->msix_cap = (uint8_t)off;
	dev->internal->msix_bar = bar;
	dev->internal->msix_table_off = table_off;
	dev->internal->msix_pba_off = pba_off;
	pci_set_word(dev, off + PCI_MSIX_FLAGS, (uint16_t)(vectors - 1));
	pci_set_long(dev, off + PCI_MSIX_TABLE, table_off | bar);
	pci_set_long(dev, off + PCI_MSIX_PBA, pba_off | bar);
	dev->wmask[off + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >>
					       8;
	pci_add_hook(dev, off + PCI_MSIX_FLAGS, 2, pci_irqs_config_changed);
	/* Loads are native, stores have effects. */
	pci_bar_declare(dev, bar, table_off, ALIGN_UP(table_size, HOST_PAGE_SIZE), PAGE_TRAP_WRITE);
	pci_bar_declare(dev, bar, pba_off, ALIGN_UP(pba_size, HOST_PAGE_SIZE), PAGE_TRAP_WRITE);
	return off;
}

int pci_add_msix_cap(struct pci_dev *dev, unsigned int vectors, unsigned int bar,
		     uint32_t table_off, uint32_t pba_off)
{
	return pci_add_msix_cap_at(dev, 0, vectors, bar, table_off, pba_off);
}
