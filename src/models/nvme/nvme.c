/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller as a PCI function: identity, BAR 0, capabilities, and the model's operations.
 *
 * BAR 0: page 0 registers (stores trap), page 1 doorbells (pci/doorbell.h), page 2 the MSI-X table,
 * page 3 the PBA. Vendor and device are those of QEMU's controller, which drivers know.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "file/file.h"
#include "models/nvme/nvme.h"
#include "models/nvme/nvme_priv.h"
#include "pci/sriov.h"

/* ARI, since VFs stand directly behind the PF; the extended capabilities come with them. */
static int add_sriov(struct pci_dev *dev, const struct pci_sriov *sriov)
{
	int rc;

	if (!sriov->total_vfs)
		return 0;
	rc = pci_add_ari_cap(dev, 0);
	if (rc >= 0 && !dev->physfn)
		rc = pci_add_sriov_cap(dev, 0, sriov);
	return MIN(rc, 0);
}

static int add_capabilities(struct pci_dev *dev, unsigned int vectors, unsigned int msi)
{
	int rc;

	rc = pci_add_pm_cap(dev);
	if (rc >= 0)
		rc = pci_add_pcie_endpoint_cap(dev);
	if (rc >= 0 && msi)
		rc = pci_add_msi_cap(dev, msi, false);
	if (rc >= 0)
		rc = pci_add_msix_cap(dev, vectors, 0, NVME_MSIX_TABLE, NVME_MSIX_PBA);
	return MIN(rc, 0);
}

int nvme_add_function(struct pci_dev *dev, unsigned int vectors, unsigned int msi)
{
	int rc;

	pci_dev_set_ids(dev, 0x1b36, 0x0010, 0x010802, 2, 0x1af4, 0x1100);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	rc = pci_dev_add_bar(dev, 0, NVME_BAR_SIZE,
			     PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64);
	if (rc)
		return rc;
	pci_bar_declare(dev, 0, 0, NVME_MSIX_TABLE, PAGE_TRAP_WRITE);
	return add_capabilities(dev, vectors, msi);
}

/* A VF has its identity and BAR already, no power management and no MSI. */
static int add_vf(struct pci_dev *dev)
{
	int rc = pci_add_pcie_endpoint_cap(dev);

	pci_bar_declare(dev, 0, 0, NVME_MSIX_TABLE, PAGE_TRAP_WRITE);
	if (rc >= 0)
		rc = pci_add_msix_cap(dev, NVME_VF_RES, 0, NVME_MSIX_TABLE, NVME_MSIX_PBA);
	return MIN(rc, 0);
}

static void nvme_destroy(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);

	nvme_backing_free(&c->backing);
	free(c);
	dev->priv = NULL;
}

static int nvme_create(struct pci_dev *dev, const struct model_config *config, char *err,
		       size_t err_size)
{
	struct nvme_ctrl *c = calloc(1, sizeof(*c));
	struct pci_sriov sriov = { 0 };
	unsigned int msi;
	int rc;

	if (!c) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	c->dev = dev;
	c->backing.fd = -1;
	dev->priv = c;
	rc = nvme_parse(c, config, &msi, err, err_size);
	if (!rc) {
		/* Interrupts that the primary controller may take from the pool have a place. */
		nvme_sriov(config, &sriov);
		rc = dev->physfn ? add_vf(dev)
				 : nvme_add_function(
					   dev, sriov.total_vfs ? NVME_QUEUES : c->vectors, msi);
		if (!rc)
			rc = add_sriov(dev, &sriov);
		if (rc)
			snprintf(err, err_size, "the PCI function cannot be made: %s",
				 strerror(-rc));
	}
	if (rc)
		nvme_destroy(dev);
	return rc;
}

static void nvme_shared_init(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);
	struct nvme_shared *s = dev->shared;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	atomic_store(&s->power_on_time, (uint64_t)now.tv_sec);
	atomic_store(&s->power_cycles, 1);
	for (unsigned int i = 0; i < c->namespaces; i++)
		atomic_store(&s->lba_format[i], c->first_format);
}

static int nvme_power_on(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);
	int rc;

	if (!nvme_card(c)->shared)
		return -EINVAL;
	rc = fault_init();
	if (!rc)
		rc = nvme_backing_map(&c->backing);
	if (rc)
		return rc;
	nvme_holes_forget(&c->backing);
	c->regs = dev->bar[0].mem;
	nvme_ctrl_reset(c);
	nvme_regs_init(c);
	return pci_doorbell_create(dev, 0, NVME_REG_DBS, HOST_PAGE_SIZE, c->doorbell_mode);
}

/* The medium stays mapped until the function goes: the thread may be syncing it. */
static void nvme_power_off(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);
	uint32_t csts = *(uint32_t *)(void *)(c->regs + NVME_REG_CSTS);

	if (c->ready && (csts & NVME_CSTS_SHST_MASK) != NVME_CSTS_SHST_COMPLETE)
		atomic_fetch_add(&nvme_shared(c)->unsafe_shutdowns, 1);
	nvme_ctrl_reset(c);
	c->regs = NULL;
}

static void nvme_reset(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);

	if (!c->regs)
		return;
	nvme_ctrl_reset(c);
	nvme_regs_init(c);
}

static uint64_t nvme_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off,
			      unsigned int width)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);
	uint64_t value = 0;

	if (c->regs && off + width <= NVME_MSIX_TABLE)
		memcpy(&value, c->regs + off, width);
	return value;
}

/* Registers are 32 or 64 bits wide and written as such (3.1); anything else is ignored. */
static void nvme_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			   uint64_t value)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);

	if (!c->regs || width < 4 || off % 4 || off + width > NVME_MSIX_TABLE)
		return;
	for (uint32_t o = (uint32_t)off; o < off + width; o += 4, value >>= 32) {
		if (o < NVME_REG_DBS) {
			nvme_reg_write(c, o, (uint32_t)value);
			continue;
		}
		*(volatile uint32_t *)(void *)(c->regs + o) = (uint32_t)value;
		nvme_doorbell_write(c, o);
	}
	if (off >= NVME_REG_DBS)
		pci_doorbell_trapped(dev);
}

static bool nvme_poll(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);

	return c->regs && nvme_doorbell_poll(c);
}

static bool nvme_work(struct pci_dev *dev)
{
	struct nvme_ctrl *c = nvme_ctrl(dev);
	struct nvme_run run;
	bool more = false;

	if (c->shutdown_sync)
		nvme_shutdown_finish(c);
	nvme_gate_sleep(c);
	if (!c->ready || c->fatal)
		return false;
	nvme_run_begin(&run, true);
	more = nvme_run_all(c, &run);
	/* Held back, it comes again: between two rounds the thread can be stopped. */
	c->kick = run.held;
	nvme_run_end(c, &run);
	return more && !run.held && !c->fatal;
}

const struct pci_model nvme_model = {
	.name = "nvme",
	.summary = "NVMe 1.4 controller",
	.options = nvme_options,
	.shared_size = sizeof(struct nvme_shared),
	.create = nvme_create,
	.destroy = nvme_destroy,
	.shared_init = nvme_shared_init,
	.power_on = nvme_power_on,
	.power_off = nvme_power_off,
	.reset = nvme_reset,
	.bar_read = nvme_bar_read,
	.bar_write = nvme_bar_write,
	.poll = nvme_poll,
	.work = nvme_work,
	.sriov = nvme_sriov,
	.vfs_changed = nvme_virt_vfs_changed,
};

/* Its shared state is the PF's. */
const struct pci_model nvme_vf_model = {
	.name = "nvme-vf",
	.summary = "secondary controller of an NVMe 1.4 controller",
	.create = nvme_create,
	.destroy = nvme_destroy,
	.power_on = nvme_power_on,
	.power_off = nvme_power_off,
	.reset = nvme_reset,
	.bar_read = nvme_bar_read,
	.bar_write = nvme_bar_write,
	.poll = nvme_poll,
	.work = nvme_work,
	.notified = nvme_virt_notified,
};

/* Made by nvme_slice_create(). */
const struct pci_model nvme_slice_model = {
	.name = "nvme-slice",
	.summary = "slice of an NVMe 1.4 controller's medium",
	.shared_size = sizeof(struct nvme_shared),
	.destroy = nvme_destroy,
	.shared_init = nvme_shared_init,
	.power_on = nvme_power_on,
	.power_off = nvme_power_off,
	.reset = nvme_reset,
	.bar_read = nvme_bar_read,
	.bar_write = nvme_bar_write,
	.poll = nvme_poll,
	.work = nvme_work,
};
