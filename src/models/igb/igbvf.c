/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual function (8086:10ca; 7.10.2, 8.26): two queues, three vectors, a mailbox, statistics of
 * its own. BAR 0: its registers; BAR 3: the MSI-X table and the PBA. All else is the physical
 * function's and stands in the card's shared state.
 */
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/igb/igb_priv.h"
#include "pci/sriov.h"

#define VTCTRL_RST BIT(26)

/* ---- registers ------------------------------------------------------------------------------- */

/* Counters that a read does not clear (8.26.4). */
static uint32_t stat_read(const struct igb_fn *fn, uint32_t off)
{
	const struct igb_vf_stats *s = &fn->sh->vf[fn->pool];

	switch (off) {
	case IGBVF_GPRC:
		return __atomic_load_n(&s->gprc, __ATOMIC_RELAXED);
	case IGBVF_GPTC:
		return __atomic_load_n(&s->gptc, __ATOMIC_RELAXED);
	case IGBVF_GORC:
		return __atomic_load_n(&s->gorc, __ATOMIC_RELAXED);
	case IGBVF_GOTC:
		return __atomic_load_n(&s->gotc, __ATOMIC_RELAXED);
	case IGBVF_MPRC:
		return __atomic_load_n(&s->mprc, __ATOMIC_RELAXED);
	case IGBVF_GPRLBC:
		return __atomic_load_n(&s->gprlbc, __ATOMIC_RELAXED);
	case IGBVF_GPTLBC:
		return __atomic_load_n(&s->gptlbc, __ATOMIC_RELAXED);
	case IGBVF_GORLBC:
		return __atomic_load_n(&s->gorlbc, __ATOMIC_RELAXED);
	case IGBVF_GOTLBC:
		return __atomic_load_n(&s->gotlbc, __ATOMIC_RELAXED);
	default:
		return 0;
	}
}

/* Registers whose number is the same for both kinds of functions (8.26.1). */
static bool is_interrupt(uint32_t off)
{
	return (off >= IGBVF_EICS && off <= IGBVF_EIAM) ||
	       (off >= IGBVF_EITR && off < IGBVF_EITR + 4 * IGBVF_VECTORS) || off == IGBVF_IVAR ||
	       off == IGBVF_IVAR_MISC;
}

static uint32_t mailbox_word(const struct igb_fn *fn, uint32_t off)
{
	return IGB_VMBMEM + 64 * fn->pool + (off - IGBVF_VMBMEM);
}

static bool is_mailbox(uint32_t off)
{
	return off >= IGBVF_VMBMEM && off < IGBVF_VMBMEM + 4 * IGB_MBX_WORDS;
}

static uint32_t vf_read(struct igb_fn *fn, uint32_t off)
{
	uint32_t reg;
	struct igb_queue *q = igb_queue_at(fn, off, &reg);

	if (q)
		return igb_queue_read(fn, q, reg);
	if (is_mailbox(off))
		return igb_get(fn, mailbox_word(fn, off));
	if (is_interrupt(off))
		return igb_intr_reg_read(fn, off);
	switch (off) {
	case IGBVF_STATUS:
		return igb_status_read(fn, IGB_STATUS);
	case IGBVF_VTFRTIMER:
		return igb_reg_read(fn, IGB_FRTIMER);
	case IGBVF_V2PMAILBOX:
		return igb_v2p_read(fn);
	case IGBVF_PSRTYPE:
		return igb_get(fn, IGB_PSRTYPE + 4 * fn->pool);
	case IGBVF_EICR:
		return igb_eicr_read(fn, off);
	default:
		return stat_read(fn, off);
	}
}

static void vf_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	uint32_t reg;
	struct igb_queue *q = igb_queue_at(fn, off, &reg);

	if (q) {
		igb_queue_write(fn, q, reg, value);
		return;
	}
	if (is_mailbox(off))
		igb_set(fn, mailbox_word(fn, off), value);
	else if (is_interrupt(off) || off == IGBVF_EICR)
		igb_intr_reg_write(fn, off, value);
	else if (off == IGBVF_VTCTRL && (value & VTCTRL_RST))
		igb_vf_reset(fn);
	else if (off == IGBVF_V2PMAILBOX)
		igb_v2p_write(fn, value);
	else if (off == IGBVF_PSRTYPE)
		igb_set(fn, IGB_PSRTYPE + 4 * fn->pool, value);
}

/* ---- the function ---------------------------------------------------------------------------- */

static void vf_destroy(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	if (fn)
		free(fn->net_dir);
	free(fn);
	dev->priv = NULL;
}

static int add_capabilities(struct pci_dev *dev)
{
	int rc = pci_add_pcie_cap_at(dev, 0xa0, PCI_EXP_TYPE_ENDPOINT);

	if (rc >= 0) {
		pci_add_pcie_flr(dev);
		rc = pci_add_msix_cap_at(dev, 0x70, IGBVF_VECTORS, IGB_MSIX_BAR, 0, IGB_MSIX_PBA);
	}
	if (rc >= 0)
		rc = pci_add_aer_cap(dev);
	if (rc >= 0)
		rc = pci_add_ari_cap(dev, 0x150);
	return MIN(rc, 0);
}

static int vf_create(struct pci_dev *dev, const struct model_config *config, char *err,
		     size_t err_size)
{
	struct igb_fn *fn = calloc(1, sizeof(*fn));
	int rc;

	if (!fn) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	fn->dev = dev;
	fn->card = dev->physfn;
	fn->vf = true;
	fn->pool = dev->vf_index;
	fn->queues = IGB_VF_QUEUES;
	dev->priv = fn;
	rc = pci_doorbell_mode(config->get(config, "doorbell"), &fn->doorbell_mode);
	if (!rc)
		rc = igb_parse_net(fn, config, err, err_size);
	if (!rc) {
		igb_doorbell_declare(dev, true);
		rc = add_capabilities(dev);
		if (rc)
			snprintf(err, err_size, "the virtual function cannot be made: %s",
				 strerror(-rc));
	}
	if (rc)
		vf_destroy(dev);
	return rc;
}

static int vf_power_on(struct pci_dev *dev)
{
	int rc = igb_fn_power_on(dev);

	if (!rc)
		igb_vf_reset(igb_fn(dev));
	return rc;
}

static void vf_reset(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	if (fn->regs)
		igb_vf_reset(fn);
}

static uint64_t vf_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width)
{
	struct igb_fn *fn = igb_fn(dev);

	return fn->regs && bar == 0 ? igb_fn_read(fn, off, width, vf_read) : 0;
}

static void vf_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			 uint64_t value)
{
	struct igb_fn *fn = igb_fn(dev);

	if (fn->regs && bar == 0)
		igb_fn_write(fn, off, width, value, vf_write);
}

const struct pci_model igbvf_model = {
	.name = "igbvf",
	.summary = "virtual function of the Intel 82576",
	.create = vf_create,
	.destroy = vf_destroy,
	.power_on = vf_power_on,
	.power_off = igb_fn_power_off,
	.quiesce = igb_fn_quiesce,
	.reset = vf_reset,
	.bar_read = vf_bar_read,
	.bar_write = vf_bar_write,
	.poll = igb_poll,
	.work = igb_work,
	.notified = igb_fn_notified,
};
