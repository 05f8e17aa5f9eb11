/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user may see and write of config space, as data (design D8): one table a capability.
 *
 * Sections: PCI is the PCI Local Bus specification 3.0, PM the PCI Power Management specification
 * 1.2, PCIe the PCI Express Base specification 3.0. Which bits are virtual is what Linux's vfio-pci
 * does. A capability that has no entry is hidden: the chain leads around it.
 */
#include "vfio_pci/vfio_pci_priv.h"

#define ALL 0xffffffffu
#define NO  0u

static const struct vfio_pci_reg header_regs[] = {
	/* Virtual, for functions whose own ids are all ones. */
	{ PCI_VENDOR_ID, 2, ALL, NO, NULL, "PCI 6.2.1" },
	{ PCI_DEVICE_ID, 2, ALL, NO, NULL, "PCI 6.2.1" },
	/* INTX_DISABLE belongs to the host's interrupt handling. */
	{ PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE, ALL, vfio_pci_command_written, "PCI 6.2.2" },
	{ PCI_STATUS, 2, PCI_STATUS_CAP_LIST, NO, NULL, "PCI 6.2.3" },
	{ PCI_CACHE_LINE_SIZE, 1, NO, ALL, NULL, "PCI 6.2.4" },
	{ PCI_LATENCY_TIMER, 1, NO, ALL, NULL, "PCI 6.2.4" },
	{ PCI_BIST, 1, NO, ALL, NULL, "PCI 6.2.4" },
	/* The real addresses are the host's. */
	{ PCI_BASE_ADDRESS_0, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.1" },
	{ PCI_BASE_ADDRESS_1, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.1" },
	{ PCI_BASE_ADDRESS_2, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.1" },
	{ PCI_BASE_ADDRESS_3, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.1" },
	{ PCI_BASE_ADDRESS_4, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.1" },
	{ PCI_BASE_ADDRESS_5, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.1" },
	{ PCI_ROM_ADDRESS, 4, ALL, ALL, vfio_pci_bar_written, "PCI 6.2.5.2" },
	/* The chain may lead around hidden capabilities. */
	{ PCI_CAPABILITY_LIST, 1, ALL, NO, NULL, "PCI 6.7" },
	{ PCI_INTERRUPT_LINE, 1, ALL, ALL, NULL, "PCI 6.2.4" },
	/* INTx can be hidden. */
	{ PCI_INTERRUPT_PIN, 1, ALL, NO, NULL, "PCI 6.2.4" },
};

#define NEXT(section)                                        \
	{                                                    \
		PCI_CAP_LIST_NEXT, 1, ALL, NO, NULL, section \
	}

#define PM_PME (PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS)
static const struct vfio_pci_reg pm_regs[] = {
	NEXT("PM 3.2.2"),
	/* Wake-up events are the host's. */
	{ PCI_PM_PMC, 2, PCI_PM_CAP_PME_MASK, NO, NULL, "PM 3.2.3" },
	/* The state is set through the host, which saves and restores what it must. */
	{ PCI_PM_CTRL, 4, PM_PME, ~(uint32_t)(PM_PME | PCI_PM_CTRL_STATE_MASK),
	  vfio_pci_pmcsr_written, "PM 3.2.4" },
};

static const struct vfio_pci_reg vpd_regs[] = {
	NEXT("PCI appendix I"),
	{ PCI_VPD_ADDR, 2, ALL, ALL, vfio_pci_vpd_written, "PCI appendix I" },
	{ PCI_VPD_DATA, 4, ALL, ALL, NULL, "PCI appendix I" },
};

static const struct vfio_pci_reg pcix_regs[] = {
	NEXT("PCI-X 2.0 7.2"),
	{ PCI_X_CMD, 2, NO, ALL, NULL, "PCI-X 2.0 7.2.3" },
	{ PCI_X_ECC_CSR, 4, NO, ALL, NULL, "PCI-X 2.0 7.2.5" },
};

/* The data register's place depends on the address size: see the two tables' users. */
#define MSI_COMMON                                                                   \
	{ PCI_CAP_LIST_NEXT, 1, ALL, NO, vfio_pci_msi_written, "PCI 6.8.1.2" },      \
		{ PCI_MSI_FLAGS, 1, ALL, ALL, vfio_pci_msi_written, "PCI 6.8.1.3" }, \
	{                                                                            \
		PCI_MSI_ADDRESS_LO, 4, ALL, ALL, NULL, "PCI 6.8.1.4"                 \
	}
static const struct vfio_pci_reg msi64_regs[] = {
	MSI_COMMON,
	{ PCI_MSI_ADDRESS_HI, 4, ALL, ALL, NULL, "PCI 6.8.1.5" },
	{ PCI_MSI_DATA_64, 2, ALL, ALL, NULL, "PCI 6.8.1.6" },
};
static const struct vfio_pci_reg msi64_mask_regs[] = {
	MSI_COMMON,
	{ PCI_MSI_ADDRESS_HI, 4, ALL, ALL, NULL, "PCI 6.8.1.5" },
	{ PCI_MSI_DATA_64, 2, ALL, ALL, NULL, "PCI 6.8.1.6" },
	{ PCI_MSI_MASK_64, 4, NO, ALL, NULL, "PCI 6.8.1.7" },
	{ PCI_MSI_PENDING_64, 4, NO, ALL, NULL, "PCI 6.8.1.8" },
};
static const struct vfio_pci_reg msi32_regs[] = {
	MSI_COMMON,
	{ PCI_MSI_DATA_32, 2, ALL, ALL, NULL, "PCI 6.8.1.6" },
};
static const struct vfio_pci_reg msi32_mask_regs[] = {
	MSI_COMMON,
	{ PCI_MSI_DATA_32, 2, ALL, ALL, NULL, "PCI 6.8.1.6" },
	{ PCI_MSI_MASK_32, 4, NO, ALL, NULL, "PCI 6.8.1.7" },
	{ PCI_MSI_PENDING_32, 4, NO, ALL, NULL, "PCI 6.8.1.8" },
};

/* Phantom functions would change the requester, payload and read request sizes are the host's
 * view of the whole path, ARI belongs to the port. A function-level reset is done by the host. */
static const struct vfio_pci_reg exp_regs[] = {
	NEXT("PCIe 7.8.1"),
	{ PCI_EXP_DEVCTL, 2,
	  PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ,
	  ~(uint32_t)PCI_EXP_DEVCTL_PHANTOM, vfio_pci_devctl_written, "PCIe 7.8.4" },
	{ PCI_EXP_DEVCTL2, 2, NO, ~(uint32_t)PCI_EXP_DEVCTL2_ARI, NULL, "PCIe 7.8.16" },
};

static const struct vfio_pci_reg af_regs[] = {
	NEXT("PCI AF ECN"),
	{ PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR, PCI_AF_CTRL_FLR, vfio_pci_af_written, "PCI AF ECN" },
};

static const struct vfio_pci_reg next_regs[] = {
	NEXT("PCI 6.7"),
};

/* ---- lengths that are in the capability itself ---------------------------------------------- */

static int msi_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	uint16_t flags = pci_get_word(vpd->pdev, pos + PCI_MSI_FLAGS);

	return 10 + (flags & PCI_MSI_FLAGS_64BIT ? 4 : 0) +
	       (flags & PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
}

static int pcix_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return pci_get_word(vpd->pdev, pos + PCI_X_CMD) & 0x3000 ? 24 : 8;
}

static int vndr_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return vpd->pdev->config[pos + PCI_CAP_FLAGS];
}

static int exp_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	uint16_t flags = pci_get_word(vpd->pdev, pos + PCI_EXP_FLAGS);
	bool linked = (flags & PCI_EXP_FLAGS_TYPE) >> 4 != PCI_EXP_TYPE_RC_END;

	/* Up to the link's registers; those of the slot that follow are not a user's. */
	if ((flags & PCI_EXP_FLAGS_VERS) == 1)
		return linked ? 0x14 : 0x0c;
	return linked ? 0x34 : 0x2c;
}

static int sata_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return (vpd->pdev->config[pos + 4] & 0xf) == 0xf ? 16 : 8;
}

static int ht_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return vpd->pdev->config[pos + 3] & 0xe0 ? 24 : 28;
}

static int vc_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	uint32_t cap1 = pci_get_long(vpd->pdev, pos + PCI_VC_PORT_CAP1);
	uint32_t cap2 = pci_get_long(vpd->pdev, pos + PCI_VC_PORT_CAP2);
	unsigned int len = 16 + 12 * ((cap1 & PCI_VC_CAP1_EVCC) + 1);
	unsigned int phases = cap2 & PCI_VC_CAP2_128_PHASE  ? 128
			      : cap2 & PCI_VC_CAP2_64_PHASE ? 64
			      : cap2 & PCI_VC_CAP2_32_PHASE ? 32
							    : 0;

	/* The table of virtual channel arbitration: four bits a phase. */
	return (int)(phases ? ALIGN_UP(len, 16) + phases / 2 : len);
}

static int ext_vndr_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return (int)(pci_get_long(vpd->pdev, pos + PCI_VNDR_HEADER) >> 20);
}

static int dvsec_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return (int)(pci_get_long(vpd->pdev, pos + 4) >> 20);
}

static int acs_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	uint16_t cap = pci_get_word(vpd->pdev, pos + PCI_ACS_CAP);
	int bits = cap >> 8 ? cap >> 8 : 256;

	return cap & PCI_ACS_EC ? 8 + ((bits + 31) / 32) * 4 : 8;
}

static int rebar_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return (int)(4 + ((pci_get_long(vpd->pdev, pos + PCI_REBAR_CTRL) >> 5) & 7) * 8);
}

static int dpa_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	return (int)(16 + (pci_get_long(vpd->pdev, pos + PCI_DPA_CAP) & PCI_DPA_CAP_SUBSTATE_MASK) +
		     1);
}

static int tph_len(struct vfio_pci_device *vpd, unsigned int pos)
{
	uint32_t cap = pci_get_long(vpd->pdev, pos + PCI_TPH_CAP);

	if ((cap & PCI_TPH_CAP_LOC_MASK) != PCI_TPH_LOC_CAP)
		return 12;
	return (int)(12 + (((cap & PCI_TPH_CAP_ST_MASK) >> PCI_TPH_CAP_ST_SHIFT) + 1) * 2);
}

/* ---- extended capabilities ------------------------------------------------------------------ */

/* The header is virtual as a whole: it holds the link to the next one. */
#define EXT_HEADER(section)                  \
	{                                    \
		0, 4, ALL, NO, NULL, section \
	}

#define UNCOR_MASK 0x03fff031u
#define COR_MASK   0x0000f1c1u
static const struct vfio_pci_reg aer_regs[] = {
	EXT_HEADER("PCIe 7.10.1"),
	{ PCI_ERR_UNCOR_STATUS, 4, NO, UNCOR_MASK, NULL, "PCIe 7.10.2" },
	{ PCI_ERR_UNCOR_MASK, 4, NO, UNCOR_MASK, NULL, "PCIe 7.10.3" },
	{ PCI_ERR_UNCOR_SEVER, 4, NO, UNCOR_MASK, NULL, "PCIe 7.10.4" },
	{ PCI_ERR_COR_STATUS, 4, NO, COR_MASK, NULL, "PCIe 7.10.5" },
	{ PCI_ERR_COR_MASK, 4, NO, COR_MASK, NULL, "PCIe 7.10.6" },
	{ PCI_ERR_CAP, 4, NO, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE, NULL, "PCIe 7.10.7" },
};

static const struct vfio_pci_reg pwr_regs[] = {
	EXT_HEADER("PCIe 7.15.1"),
	{ PCI_PWR_DATA, 1, NO, ALL, NULL, "PCIe 7.15.3" },
};

static const struct vfio_pci_reg ext_next_regs[] = {
	EXT_HEADER("PCIe 7.9"),
};

#define TABLE(r) .regs = (r), .n_regs = ARRAY_SIZE(r)

const struct vfio_pci_cap vfio_pci_header_cap = { .len = PCI_STD_HEADER_SIZEOF,
						  TABLE(header_regs) };

static const struct vfio_pci_cap caps[] = {
	[PCI_CAP_ID_PM] = { .len = PCI_PM_SIZEOF, TABLE(pm_regs) },
	[PCI_CAP_ID_AGP] = { .len = 12, TABLE(next_regs) },
	[PCI_CAP_ID_VPD] = { .len = 8, TABLE(vpd_regs) },
	/* Its registers depend on its flags: vfio_pci_msi_regs(). */
	[PCI_CAP_ID_MSI] = { .find_len = msi_len, TABLE(next_regs) },
	[PCI_CAP_ID_PCIX] = { .find_len = pcix_len, TABLE(pcix_regs) },
	[PCI_CAP_ID_HT] = { .find_len = ht_len, TABLE(next_regs) },
	[PCI_CAP_ID_VNDR] = { .find_len = vndr_len, .raw = true, TABLE(next_regs) },
	[PCI_CAP_ID_EXP] = { .find_len = exp_len, TABLE(exp_regs) },
	[PCI_CAP_ID_MSIX] = { .len = PCI_CAP_MSIX_SIZEOF, TABLE(next_regs) },
	[PCI_CAP_ID_SATA] = { .find_len = sata_len, TABLE(next_regs) },
	[PCI_CAP_ID_AF] = { .len = 6, TABLE(af_regs) },
};

static const struct vfio_pci_cap ext_caps[] = {
	[PCI_EXT_CAP_ID_ERR] = { .len = 0x2c, TABLE(aer_regs) },
	[PCI_EXT_CAP_ID_VC] = { .find_len = vc_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_DSN] = { .len = 12, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_PWR] = { .len = 16, TABLE(pwr_regs) },
	[PCI_EXT_CAP_ID_MFVC] = { .find_len = vc_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_VC9] = { .find_len = vc_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_VNDR] = { .find_len = ext_vndr_len, .raw = true, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_ACS] = { .find_len = acs_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_ARI] = { .len = 8, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_ATS] = { .len = 8, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_SRIOV] = { .len = 64, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_MCAST] = { .len = 40, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_PRI] = { .len = 16, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_REBAR] = { .find_len = rebar_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_DPA] = { .find_len = dpa_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_TPH] = { .find_len = tph_len, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_LTR] = { .len = 8, TABLE(ext_next_regs) },
	[PCI_EXT_CAP_ID_DVSEC] = { .find_len = dvsec_len, .raw = true, TABLE(ext_next_regs) },
};

const struct vfio_pci_cap *vfio_pci_find_cap(unsigned int id)
{
	return id < ARRAY_SIZE(caps) && caps[id].regs ? &caps[id] : NULL;
}

const struct vfio_pci_cap *vfio_pci_find_ext_cap(unsigned int id)
{
	return id < ARRAY_SIZE(ext_caps) && ext_caps[id].regs ? &ext_caps[id] : NULL;
}

const struct vfio_pci_reg *vfio_pci_msi_regs(uint16_t flags, unsigned int *n)
{
	bool wide = flags & PCI_MSI_FLAGS_64BIT, mask = flags & PCI_MSI_FLAGS_MASKBIT;

	*n = wide   ? mask ? ARRAY_SIZE(msi64_mask_regs) : ARRAY_SIZE(msi64_regs)
	       : mask ? ARRAY_SIZE(msi32_mask_regs)
		    : ARRAY_SIZE(msi32_regs);
	return wide ? mask ? msi64_mask_regs : msi64_regs : mask ? msi32_mask_regs : msi32_regs;
}
