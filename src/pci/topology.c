/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where functions sit: root ports with a type 1 header (PCI-to-PCI Bridge 1.2, 3.2), the host
 * bridge, and what firmware does before an operating system runs.
 *
 * A function's bus addresses follow from its place alone, so that each process of a session gives
 * out the same ones: a window of 2 MiB below 4 GiB for each bus, cut into eight for the functions;
 * what is larger and may lie above goes there.
 */
#include <errno.h>
#include <string.h>

#include "pci/bus.h"
#include "pci/pci_priv.h"

#define WINDOW_TOP     0xfe600000u /* bus 1's window ends here, the next ones follow downwards */
#define WINDOW_SIZE    0x200000u
#define SLICE_SIZE     (WINDOW_SIZE / 8)
#define ROOT_BUS_BASE  0xfe800000u /* functions on the root bus, 128 KiB a slot */
#define ROOT_SLOT_SIZE 0x20000u
#define HIGH_BASE      0x8000000000ull /* 64 GiB for each function */
#define HIGH_SHIFT     36
#define IO_BASE	       0x1000u

static uint64_t window_base(unsigned int bus)
{
	return WINDOW_TOP - (uint64_t)bus * WINDOW_SIZE;
}

static uint32_t io_window(unsigned int bus)
{
	return IO_BASE * (1 + (bus + 13) % 14);
}

/* The low memory that belongs to the function, and its size. */
static uint64_t low_slice(const struct pci_dev *dev, uint64_t *size)
{
	unsigned int bus = (dev->rid >> 8) & 0xff, slot = (dev->rid >> 3) & 0x1f, fn = dev->rid & 7;

	if (!bus) {
		*size = ROOT_SLOT_SIZE / 8;
		return ROOT_BUS_BASE + slot * ROOT_SLOT_SIZE + fn * *size;
	}
	/* A function alone on its bus may use the whole window. */
	*size = fn || slot ? SLICE_SIZE : WINDOW_SIZE;
	return window_base(bus) + (slot ? 0 : fn) * SLICE_SIZE;
}

bool pci_bar_window(uint64_t addr, unsigned int *bus)
{
	const uint64_t buses = 256;

	*bus = 0;
	if (addr >= ROOT_BUS_BASE && addr < ROOT_BUS_BASE + 32ULL * ROOT_SLOT_SIZE)
		return true;
	if (addr >= WINDOW_TOP || addr < WINDOW_TOP - (buses - 1) * WINDOW_SIZE)
		return false;
	*bus = (unsigned int)((WINDOW_TOP - 1 - addr) / WINDOW_SIZE) + 1;
	return true;
}

static void set_bar(struct pci_dev *dev, unsigned int i, uint64_t addr)
{
	unsigned int reg = i == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * i;
	uint32_t flags = i == PCI_ROM_BAR ? 0 : dev->bar[i].flags;

	dev->bar[i].addr = addr;
	pci_set_long(dev, reg, (uint32_t)addr | flags);
	if ((flags & PCI_BASE_ADDRESS_MEM_TYPE_64) && !(flags & PCI_BASE_ADDRESS_SPACE_IO))
		pci_set_long(dev, reg + 4, (uint32_t)(addr >> 32));
}

/* The apertures of a PF's VFs: TotalVFs times a VF's BAR, aligned as one of these. */
static int assign_vf_bars(struct pci_dev *dev, uint64_t low, uint64_t used, uint64_t size,
			  uint64_t high)
{
	for (unsigned int i = 0; dev->sriov && i < PCI_NUM_BARS; i++) {
		const struct pci_vf_bar *bar = &dev->sriov->bar[i];
		uint64_t len = bar->size * dev->sriov->total_vfs, addr;
		unsigned int reg = dev->sriov_cap + PCI_SRIOV_BAR + 4 * i;

		if (!bar->size)
			continue;
		used = ALIGN_UP(used, bar->size);
		if (used + len <= size) {
			addr = low + used;
			used += len;
		} else if (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64) {
			addr = high = ALIGN_UP(high, bar->size);
			high += len;
		} else {
			return -ENOSPC;
		}
		dev->internal->vf_bar_addr[i] = addr;
		pci_set_long(dev, reg, (uint32_t)addr | bar->flags);
		if (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
			pci_set_long(dev, reg + 4, (uint32_t)(addr >> 32));
	}
	return 0;
}

static int assign_bars(struct pci_dev *dev)
{
	uint64_t size, low = low_slice(dev, &size), used = 0;
	uint64_t high = HIGH_BASE + ((uint64_t)(dev->rid & 0xffff) << HIGH_SHIFT);
	uint32_t io = io_window((dev->rid >> 8) & 0xff) + (dev->rid & 7) * 0x100;
	bool done[PCI_NUM_REGIONS] = { false };

	/* Largest first, so that each is aligned to its size without gaps. */
	for (unsigned int n = 0; n < PCI_NUM_REGIONS; n++) {
		struct pci_bar *bar = NULL;
		unsigned int i = 0;

		for (unsigned int j = 0; j < PCI_NUM_REGIONS; j++) {
			if (!done[j] && dev->bar[j].size &&
			    (!bar || dev->bar[j].size > bar->size)) {
				bar = &dev->bar[j];
				i = j;
			}
		}
		if (!bar)
			break;
		done[i] = true;
		if (bar->flags & PCI_BASE_ADDRESS_SPACE_IO) {
			set_bar(dev, i, io);
			io += (uint32_t)bar->size;
		} else if (used + MAX(bar->size, HOST_PAGE_SIZE) <= size) {
			set_bar(dev, i, low + used);
			used += MAX(bar->size, HOST_PAGE_SIZE);
		} else if (i != PCI_ROM_BAR && (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64)) {
			high = ALIGN_UP(high, bar->size);
			set_bar(dev, i, high);
			high += bar->size;
		} else {
			return -ENOSPC;
		}
	}
	return assign_vf_bars(dev, low, used, size, high);
}

int pci_firmware_init(struct pci_dev *dev)
{
	int ret = dev->is_bridge || dev->physfn ? 0 : assign_bars(dev);

	if (ret)
		return ret;
	if (dev->config[PCI_INTERRUPT_PIN])
		dev->config[PCI_INTERRUPT_LINE] = 10;
	/*
	 * A virtual function comes when firmware has long finished. Bus mastering is for whoever
	 * drives the function.
	 */
	if (!dev->physfn)
		pci_set_word(dev, PCI_COMMAND,
			     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_SERR);
	pci_dev_lock(dev);
	pci_apply_config(dev);
	pci_dev_unlock(dev);
	return 0;
}

/* ---- bridges -------------------------------------------------------------------------------- */

static const struct pci_model root_port_model = {
	.name = "root-port",
	.summary = "PCI Express root port",
};

static const struct pci_model host_bridge_model = {
	.name = "host-bridge",
	.summary = "host bridge",
};

/* PCI-to-PCI Bridge 1.2, 3.2: bytes 0x10 to 0x3f differ from a type 0 header. */
static void init_type1_header(struct pci_dev *dev, uint8_t secondary)
{
	uint64_t mem = window_base(secondary);

	memset(dev->config + PCI_BASE_ADDRESS_0, 0, PCI_CAPABILITY_LIST - PCI_BASE_ADDRESS_0);
	memset(dev->wmask + PCI_BASE_ADDRESS_0, 0, PCI_CAPABILITY_LIST - PCI_BASE_ADDRESS_0);
	dev->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	dev->config[PCI_PRIMARY_BUS] = (uint8_t)(dev->rid >> 8);
	dev->config[PCI_SECONDARY_BUS] = secondary;
	dev->config[PCI_SUBORDINATE_BUS] = secondary;
	memset(dev->wmask + PCI_PRIMARY_BUS, 0xff, 3);
	dev->config[PCI_IO_BASE] = (uint8_t)(io_window(secondary) >> 8);
	dev->config[PCI_IO_LIMIT] = dev->config[PCI_IO_BASE];
	pci_set_word(dev, PCI_MEMORY_BASE, (uint16_t)(mem >> 16));
	pci_set_word(dev, PCI_MEMORY_LIMIT, (uint16_t)((mem + WINDOW_SIZE - 1) >> 16 & 0xfff0));
	/* No prefetchable window: base above limit, 64-bit. */
	pci_set_word(dev, PCI_PREF_MEMORY_BASE, 0xfff1);
	pci_set_word(dev, PCI_PREF_MEMORY_LIMIT, 0x0001);
	memset(dev->wmask + PCI_IO_BASE, 0xf0, 2);
	for (unsigned int i = 0; i < 4; i++)
		dev->wmask[PCI_MEMORY_BASE + i] = i % 2 ? 0xff : 0xf0;
	dev->wmask[PCI_BRIDGE_CONTROL] = PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR |
					 PCI_BRIDGE_CTL_BUS_RESET;
}

/* 3.2.5.18: Secondary Bus Reset. core->lock is held: only the host writes a port's registers. */
static void bridge_control_written(struct pci_dev *dev)
{
	struct device *child;

	if (!(pci_get_byte(dev, PCI_BRIDGE_CONTROL) & PCI_BRIDGE_CTL_BUS_RESET) ||
	    !dev->dev.registered)
		return;
	list_for_each_entry(child, &dev->dev.children, child_node)
		pci_host_reset(to_pci_dev(child), PCI_HOST_RESET_LINK);
}

int pci_root_port_create(uint32_t rid, uint8_t secondary, struct pci_dev **out)
{
	struct pci_dev *dev;
	int ret = pci_dev_create(rid, &root_port_model, &dev);

	if (ret)
		return ret;
	dev->is_bridge = true;
	init_type1_header(dev, secondary);
	pci_dev_set_ids(dev, 0x1b36, 0x000c, 0x060400, 0, 0x1b36, 0);
	dev->config[PCI_INTERRUPT_PIN] = 1;
	ret = pci_add_pcie_cap(dev, PCI_EXP_TYPE_ROOT_PORT);
	if (ret < 0) {
		pci_dev_destroy(dev);
		return ret;
	}
	pci_set_word(dev, ret + PCI_EXP_FLAGS,
		     (uint16_t)(pci_get_word(dev, ret + PCI_EXP_FLAGS) | PCI_EXP_FLAGS_SLOT));
	/* 7.5.3.15: it forwards to functions beyond 7 when it is told to. */
	pci_set_long(dev, ret + PCI_EXP_DEVCAP2,
		     pci_get_long(dev, ret + PCI_EXP_DEVCAP2) | PCI_EXP_DEVCAP2_ARI);
	dev->wmask[ret + PCI_EXP_DEVCTL2] |= PCI_EXP_DEVCTL2_ARI;
	/* An adapter is in the slot; its lamps: attention off, power on. */
	pci_set_word(dev, dev->pcie_cap + PCI_EXP_SLTCTL, 0x01c0);
	pci_set_word(dev, dev->pcie_cap + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS);
	pci_add_hook(dev, PCI_BRIDGE_CONTROL, 1, bridge_control_written);
	ret = pci_add_aer_cap(dev);
	if (ret < 0) {
		pci_dev_destroy(dev);
		return ret;
	}
	*out = dev;
	return 0;
}

int pci_host_bridge_create(uint32_t rid, struct pci_dev **out)
{
	struct pci_dev *dev;
	int ret = pci_dev_create(rid, &host_bridge_model, &dev);

	if (ret)
		return ret;
	/* A conventional function of the root complex: no capabilities, 256 bytes. */
	dev->cfg_size = PCI_CFG_SIZE;
	pci_set_word(dev, PCI_STATUS, 0);
	pci_dev_set_ids(dev, 0x8086, 0x29c0, 0x060000, 0, 0x1af4, 0x1100);
	*out = dev;
	return 0;
}
