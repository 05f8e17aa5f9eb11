/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine as a PCI function: identity, BAR 0, capabilities, options, and the model's operations.
 *
 * It is the engine of Intel's Skylake servers (8086:2021), one function with its channels. BAR 0:
 * page 0 the registers, page 1 nothing, page 2 the MSI-X table, page 3 the PBA. In config space the
 * engine's error registers stand behind the Advanced Error Reporting capability, where no
 * capability claims them.
 */
#include "models/ioat/ioat.h"

#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "file/file.h"
#include "models/ioat/ioat_priv.h"

static const struct model_option ioat_options[] = {
	{ "chans", "1", "DMA channels, each with an MSI-X vector: 1 to 8" },
	{ "doorbell", "adaptive", "how doorbells are served: adaptive, inline or polled" },
	{ NULL, NULL, NULL },
};

static int bad(char *err, size_t err_size, const char *key, const char *value, const char *way_out)
{
	snprintf(err, err_size, "%s=%s: %s", key, value, way_out);
	return -EINVAL;
}

static int parse(struct ioat *d, const struct model_config *config, char *err, size_t err_size)
{
	const char *v = config->get(config, "chans");

	if (strlen(v) != 1 || *v < '1' || *v > '0' + IOAT_MAX_CHANS)
		return bad(err, err_size, "chans", v, "give a number from 1 to 8");
	d->chans = (unsigned int)(*v - '0');
	v = config->get(config, "doorbell");
	if (pci_doorbell_mode(v, &d->doorbell_mode))
		return bad(err, err_size, "doorbell", v, "give adaptive, inline or polled");
	return 0;
}

/* ---- the function --------------------------------------------------------------------------- */

/* Where hardware has them, in its order; MSI is not hardware's, whose drivers know it though. */
static int add_capabilities(struct pci_dev *dev, unsigned int chans)
{
	int rc;

	rc = pci_add_pm_cap_at(dev, 0xe0);
	if (rc >= 0)
		rc = pci_add_msi_cap_at(dev, 0xd0, 1, PCI_MSI_FLAGS_64BIT);
	if (rc >= 0)
		rc = pci_add_pcie_cap_at(dev, 0x90, PCI_EXP_TYPE_ENDPOINT);
	if (rc >= 0) {
		pci_add_pcie_flr(dev);
		rc = pci_add_msix_cap_at(dev, 0x80, chans, 0, IOAT_MSIX_TABLE, IOAT_MSIX_PBA);
	}
	if (rc >= 0)
		rc = pci_add_aer_cap(dev);
	return MIN(rc, 0);
}

static void set_mask(uint8_t *mask, unsigned int off, uint32_t bits)
{
	for (unsigned int i = 0; i < 4; i++)
		mask[off + i] = (uint8_t)(bits >> (8 * i));
}

/* The engine's own registers in config space. */
static void add_error_registers(struct pci_dev *dev)
{
	memset(dev->wmask + IOAT_CFG_DMAUNCERRSTS, 0, IOAT_CFG_END - IOAT_CFG_DMAUNCERRSTS);
	set_mask(dev->w1cmask, IOAT_CFG_DMAUNCERRSTS, IOAT_DMAUNCERR_MASK);
	set_mask(dev->wmask, IOAT_CFG_DMAUNCERRMSK, IOAT_DMAUNCERR_MASK);
	set_mask(dev->wmask, IOAT_CFG_DMAUNCERRSEV, IOAT_DMAUNCERR_MASK);
	set_mask(dev->w1cmask, IOAT_CFG_CHANERR_INT, IOAT_ERR_MASK);
	set_mask(dev->wmask, IOAT_CFG_CHANERRMSK_INT, IOAT_ERR_MASK);
	set_mask(dev->wmask, IOAT_CFG_CHANERRSEV_INT, IOAT_ERR_MASK);
}

static int add_function(struct pci_dev *dev, unsigned int chans)
{
	int rc;

	pci_dev_set_ids(dev, 0x8086, 0x2021, 0x088000, 4, 0x8086, 0x2021);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	rc = pci_dev_add_bar(dev, 0, IOAT_BAR_SIZE,
			     PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64);
	if (rc)
		return rc;
	pci_bar_declare(dev, 0, 0, IOAT_MSIX_TABLE, PAGE_TRAP_WRITE);
	rc = add_capabilities(dev, chans);
	add_error_registers(dev);
	return rc;
}

/* ---- the model's operations ----------------------------------------------------------------- */

static void ioat_destroy(struct pci_dev *dev)
{
	free(dev->priv);
	dev->priv = NULL;
}

static int ioat_create(struct pci_dev *dev, const struct model_config *config, char *err,
		       size_t err_size)
{
	struct ioat *d = calloc(1, sizeof(*d));
	int rc;

	if (!d) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	d->dev = dev;
	dev->priv = d;
	rc = parse(d, config, err, err_size);
	if (!rc) {
		rc = add_function(dev, d->chans);
		if (rc)
			snprintf(err, err_size, "the PCI function cannot be made: %s",
				 strerror(-rc));
	}
	if (rc)
		ioat_destroy(dev);
	return rc;
}

static int ioat_power_on(struct pci_dev *dev)
{
	struct ioat *d = ioat_dev(dev);
	int rc = fault_init();

	if (rc)
		return rc;
	d->regs = dev->bar[0].mem;
	rc = pci_doorbell_create(dev, 0, 0, HOST_PAGE_SIZE, d->doorbell_mode);
	if (rc)
		return rc;
	ioat_regs_init(d);
	return 0;
}

static void ioat_power_off(struct pci_dev *dev)
{
	ioat_dev(dev)->regs = NULL;
}

static void ioat_reset(struct pci_dev *dev)
{
	struct ioat *d = ioat_dev(dev);

	if (d->regs)
		ioat_regs_init(d);
}

static uint64_t ioat_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off,
			      unsigned int width)
{
	struct ioat *d = ioat_dev(dev);

	if (!d->regs || off + width > IOAT_MSIX_TABLE)
		return 0;
	return ioat_reg_read(d, (uint32_t)off, width);
}

static void ioat_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			   uint64_t value)
{
	struct ioat *d = ioat_dev(dev);

	if (d->regs && off + width <= IOAT_MSIX_TABLE)
		ioat_reg_write(d, (uint32_t)off, width, value);
}

static bool ioat_poll(struct pci_dev *dev)
{
	struct ioat *d = ioat_dev(dev);
	struct ioat_run run;
	bool did, more;

	if (!d->regs)
		return false;
	did = ioat_doorbell_collect(d);
	ioat_run_begin(&run);
	more = ioat_run_all(d, &run);
	did |= run.descs != IOAT_INLINE_DESCS;
	/* While the page is open the next look goes on; the last one, after closing, cannot. */
	if (more && !d->native)
		d->kick = true;
	ioat_run_end(d);
	return did || more;
}

static bool ioat_work(struct pci_dev *dev)
{
	struct ioat *d = ioat_dev(dev);
	struct ioat_run run;
	bool more;

	ioat_run_begin(&run);
	more = ioat_run_all(d, &run);
	d->kick = false;
	ioat_run_end(d);
	return more;
}

const struct pci_model ioat_model = {
	.name = "ioat",
	.summary = "Intel I/OAT (CBDMA 3.3) DMA engine",
	.options = ioat_options,
	.create = ioat_create,
	.destroy = ioat_destroy,
	.power_on = ioat_power_on,
	.power_off = ioat_power_off,
	.reset = ioat_reset,
	.bar_read = ioat_bar_read,
	.bar_write = ioat_bar_write,
	.poll = ioat_poll,
	.work = ioat_work,
};
