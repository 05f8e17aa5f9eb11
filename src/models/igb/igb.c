/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's physical function: identity, BARs, capabilities, options, and the model's
 * operations.
 *
 * It is one port of an 82576 (8086:10c9). BAR 0: the registers; BAR 1: the flash, which is not
 * there and reads as 0; BAR 2: the registers by index and data (8.1.1.2); BAR 3: the MSI-X table
 * and, on a page of its own, the PBA.
 */
#include "models/igb/igb.h"

#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "file/file.h"
#include "models/igb/igb_priv.h"
#include "pci/sriov.h"

#define IOADDR 0
#define IODATA 4

static const struct model_option igb_options[] = {
	NET_OPTIONS,
	{ "doorbell", "adaptive", "how doorbells are served: adaptive, inline or polled" },
	{ NULL, NULL, NULL },
};

/* ---- options --------------------------------------------------------------------------------- */

int igb_parse_net(struct igb_fn *fn, const struct model_config *config, char *err, size_t err_size)
{
	net_config_init(&fn->net);
	net_mac_default(fn->card->rid, fn->net.mac);
	for (const struct model_option *o = igb_options; o->key; o++) {
		int rc;

		if (!config->is_set(config, o->key))
			continue;
		rc = net_config_set(&fn->net, o->key, config->get(config, o->key), err, err_size);
		if (rc && rc != -ENOENT)
			return rc;
	}
	fn->net_dir = strdup(config->get(config, "net-dir"));
	return fn->net_dir ? 0 : -ENOMEM;
}

static int parse(struct igb_fn *fn, const struct model_config *config, char *err, size_t err_size)
{
	const char *v = config->get(config, "doorbell");

	if (pci_doorbell_mode(v, &fn->doorbell_mode)) {
		snprintf(err, err_size, "doorbell=%s: give adaptive, inline or polled", v);
		return -EINVAL;
	}
	return igb_parse_net(fn, config, err, err_size);
}

/* ---- the function ---------------------------------------------------------------------------- */

/* 9.6.4: VFs at routing ids 128 behind and two apart. */
static const struct pci_sriov sriov = {
	.total_vfs = IGB_VFS,
	.offset = 0x80,
	.stride = 2,
	.vf_device = 0x10ca,
	.bar = { [0] = { IGBVF_BAR_SIZE,
			 PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH },
		 [3] = { IGB_MSIX_SIZE,
			 PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH } },
	.vf_model = &igbvf_model,
};

static void igb_sriov(const struct model_config *config, struct pci_sriov *out)
{
	(void)config;
	*out = sriov;
}

static void igb_vfs_changed(struct pci_dev *dev, unsigned int num)
{
	struct igb_shared *sh = dev->shared;

	if (sh)
		__atomic_store_n(&sh->num_vfs, num, __ATOMIC_RELEASE);
}

static int add_bars(struct pci_dev *dev)
{
	int rc = pci_dev_add_bar(dev, 0, IGB_BAR_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY);

	if (!rc)
		rc = pci_dev_add_bar(dev, 1, IGB_FLASH_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY);
	if (!rc)
		rc = pci_dev_add_bar(dev, 2, IGB_IO_SIZE, PCI_BASE_ADDRESS_SPACE_IO);
	if (!rc)
		rc = pci_dev_add_bar(dev, IGB_MSIX_BAR, IGB_MSIX_SIZE,
				     PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64);
	if (!rc)
		igb_doorbell_declare(dev, false);
	return rc;
}

static int add_capabilities(struct pci_dev *dev)
{
	int rc = pci_add_pcie_cap_at(dev, 0xa0, PCI_EXP_TYPE_ENDPOINT);

	if (rc >= 0) {
		pci_add_pcie_flr(dev);
		rc = pci_add_msix_cap_at(dev, 0x70, IGB_VECTORS, IGB_MSIX_BAR, 0, IGB_MSIX_PBA);
	}
	if (rc >= 0)
		rc = pci_add_msi_cap_at(dev, 0x50, 1, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	if (rc >= 0)
		rc = pci_add_pm_cap_at(dev, 0x40);
	if (rc >= 0)
		rc = pci_add_aer_cap(dev);
	if (rc >= 0)
		rc = pci_add_ari_cap(dev, 0x150);
	if (rc >= 0)
		rc = pci_add_sriov_cap(dev, 0x160, &sriov);
	return MIN(rc, 0);
}

static int add_function(struct pci_dev *dev)
{
	int rc;

	pci_dev_set_ids(dev, 0x8086, 0x10c9, 0x020000, 1, 0x8086, 0xa03c);
	dev->config[PCI_CACHE_LINE_SIZE] = 0x10;
	dev->config[PCI_INTERRUPT_PIN] = 1;
	rc = add_bars(dev);
	return rc ? rc : add_capabilities(dev);
}

static void igb_destroy(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	if (fn)
		free(fn->net_dir);
	free(fn);
	dev->priv = NULL;
}

static int igb_create(struct pci_dev *dev, const struct model_config *config, char *err,
		      size_t err_size)
{
	struct igb_fn *fn = calloc(1, sizeof(*fn));
	int rc;

	if (!fn) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	fn->dev = fn->card = dev;
	fn->queues = IGB_QUEUES;
	dev->priv = fn;
	rc = parse(fn, config, err, err_size);
	if (!rc) {
		rc = add_function(dev);
		if (rc)
			snprintf(err, err_size, "the PCI function cannot be made: %s",
				 strerror(-rc));
	}
	if (rc)
		igb_destroy(dev);
	return rc;
}

/* ---- power ----------------------------------------------------------------------------------- */

static void igb_shared_init(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	fn->sh = dev->shared;
	igb_mac_init(fn);
}

static void free_buffers(struct igb_fn *fn)
{
	free(fn->packet);
	free(fn->frame);
	free(fn->shaped);
	fn->packet = fn->frame = fn->shaped = NULL;
}

static int alloc_buffers(struct igb_fn *fn)
{
	/* A tag is inserted and a short frame padded in place. */
	fn->packet = malloc(IGB_PACKET_MAX + 64);
	fn->frame = malloc(IGB_SEGMENT_MAX);
	fn->shaped = malloc(IGB_SEGMENT_MAX);
	if (fn->packet && fn->frame && fn->shaped)
		return 0;
	free_buffers(fn);
	return -ENOMEM;
}

void igb_fn_quiesce(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);
	struct net_port *port;

	igb_timer_stop(fn);
	pci_dev_lock(dev);
	port = fn->port;
	fn->port = NULL;
	pci_dev_unlock(dev);
	net_port_close(port);
}

void igb_fn_power_off(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	fn->regs = NULL;
	free_buffers(fn);
}

int igb_fn_power_on(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);
	char err[256];
	int rc = fault_init();

	if (!rc)
		rc = alloc_buffers(fn);
	if (rc)
		return rc;
	fn->sh = fn->card->shared;
	fn->regs = dev->bar[0].mem;
	rc = igb_doorbell_create(fn);
	if (rc)
		goto off;
	fn->timer_base = igb_now();
	igb_queues_init(fn);
	rc = igb_timer_start(fn);
	if (!rc) {
		rc = igb_port_open(fn, err, sizeof(err));
		if (!rc)
			return 0;
		pr_err("igb %s: %s", dev->dev.name, err);
	}
	/* Who ends the threads takes the lock that the caller holds, as they do. */
	pci_dev_unlock(dev);
	igb_timer_stop(fn);
	pci_doorbell_destroy(dev);
	pci_dev_lock(dev);
off:
	igb_fn_power_off(dev);
	return rc;
}

static int igb_power_on(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);
	int rc = igb_fn_power_on(dev);

	if (rc)
		return rc;
	igb_pf_reset(fn);
	return 0;
}

static void igb_reset(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	if (!fn->regs)
		return;
	igb_set(fn, IGB_SWSM, 0);
	igb_set(fn, IGB_SW_FW_SYNC, 0);
	igb_pf_reset(fn);
}

/* ---- accesses -------------------------------------------------------------------------------- */

/* Registers have 32 bits and are accessed as such (8.1.1); wider accesses are two of them. */
uint64_t igb_fn_read(struct igb_fn *fn, uint64_t off, unsigned int width,
		     uint32_t (*read)(struct igb_fn *fn, uint32_t off))
{
	uint32_t reg = (uint32_t)off & ~3u;
	uint64_t value;

	if (fn->native)
		igb_doorbell_collect(fn);
	value = read(fn, reg);
	if (width == 8)
		value |= (uint64_t)read(fn, reg + 4) << 32;
	igb_doorbell_update_access(fn);
	return width == 8 ? value : value >> (8 * (off & 3));
}

static uint64_t igb_bar_read(struct pci_dev *dev, unsigned int bar, uint64_t off,
			     unsigned int width)
{
	struct igb_fn *fn = igb_fn(dev);

	if (!fn->regs)
		return 0;
	if (bar == 0)
		return igb_fn_read(fn, off, width, igb_reg_read);
	if (bar == 2 && off == IOADDR)
		return fn->io_addr;
	if (bar == 2 && off == IODATA && fn->io_addr < IGB_BAR_SIZE)
		return igb_fn_read(fn, fn->io_addr, 4, igb_reg_read);
	return 0;
}

static bool is_tail(struct igb_fn *fn, uint32_t off)
{
	uint32_t reg;

	return igb_queue_at(fn, off, &reg) && reg == IGB_Q_TAIL;
}

void igb_fn_write(struct igb_fn *fn, uint64_t off, unsigned int width, uint64_t value,
		  void (*write)(struct igb_fn *fn, uint32_t off, uint32_t value))
{
	uint32_t reg = (uint32_t)off;
	bool tail;

	/* 8.1.1: partial writes are not supported. */
	if (width < 4 || (off & 3))
		return;
	tail = width == 4 && is_tail(fn, reg);
	/* Interrupt registers have nothing to do with the queues'. */
	if (fn->native && !tail && off >> HOST_PAGE_SHIFT != 1)
		igb_doorbell_close(fn);
	else if (fn->native)
		igb_doorbell_collect(fn);
	write(fn, reg, (uint32_t)value);
	if (width == 8)
		write(fn, reg + 4, (uint32_t)(value >> 32));
	igb_doorbell_trapped(fn, tail);
	igb_run_inline(fn);
}

static void igb_bar_write(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			  uint64_t value)
{
	struct igb_fn *fn = igb_fn(dev);

	if (!fn->regs)
		return;
	if (bar == 0)
		igb_fn_write(fn, off, width, value, igb_reg_write);
	else if (bar == 2 && off == IOADDR && width == 4)
		fn->io_addr = (uint32_t)value;
	else if (bar == 2 && off == IODATA && fn->io_addr < IGB_BAR_SIZE)
		igb_fn_write(fn, fn->io_addr, width, value, igb_reg_write);
}

void igb_fn_notified(struct pci_dev *dev)
{
	struct igb_fn *fn = igb_fn(dev);

	if (fn->regs)
		igb_card_events(fn);
}

const struct pci_model igb_model = {
	.name = "igb",
	.summary = "Intel 82576 Gigabit Ethernet controller",
	.options = igb_options,
	.shared_size = sizeof(struct igb_shared),
	.create = igb_create,
	.destroy = igb_destroy,
	.shared_init = igb_shared_init,
	.power_on = igb_power_on,
	.power_off = igb_fn_power_off,
	.quiesce = igb_fn_quiesce,
	.reset = igb_reset,
	.bar_read = igb_bar_read,
	.bar_write = igb_bar_write,
	.poll = igb_poll,
	.work = igb_work,
	.sriov = igb_sriov,
	.vfs_changed = igb_vfs_changed,
	.notified = igb_fn_notified,
};
