/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a function's directory in sysfs shows and takes (Documentation/ABI/testing/sysfs-bus-pci,
 * the kernel's drivers/pci/pci-sysfs.c). All run under core->lock.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "base/overflow.h"
#include "base/thread.h"
#include "pci/bus_priv.h"
#include "pci/pci_priv.h"

static struct pci_dev *dev_of(void *obj)
{
	return to_pci_dev(obj);
}

/* ---- identity ------------------------------------------------------------------------------- */

enum { ID_VENDOR, ID_DEVICE, ID_SUBVENDOR, ID_SUBDEVICE, ID_CLASS, ID_REVISION };

static ssize_t id_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *dev = dev_of(obj);

	switch (attr->arg) {
	case ID_VENDOR:
		return snprintf(buf, size, "0x%04x\n", dev->vendor);
	case ID_DEVICE:
		return snprintf(buf, size, "0x%04x\n", dev->device);
	case ID_SUBVENDOR:
		return snprintf(buf, size, "0x%04x\n", dev->subsystem_vendor);
	case ID_SUBDEVICE:
		return snprintf(buf, size, "0x%04x\n", dev->subsystem_device);
	case ID_CLASS:
		return snprintf(buf, size, "0x%06x\n", dev->class_code);
	default:
		return snprintf(buf, size, "0x%02x\n", dev->revision);
	}
}

static ssize_t modalias_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	size_t len = pci_modalias(dev_of(obj), buf, size - 1);

	buf[len] = '\n';
	return (ssize_t)len + 1;
}

static ssize_t irq_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *dev = dev_of(obj);

	return snprintf(buf, size, "%u\n",
			pci_get_byte(dev, PCI_INTERRUPT_PIN) ? pci_get_byte(dev, PCI_INTERRUPT_LINE)
							     : 0);
}

/* ---- numbers that the function keeps -------------------------------------------------------- */

/* A fixed text, given as the attribute's argument. */
static ssize_t text_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", (const char *)attr->arg);
}

/* Of the bus: whether the port above was told to forward to all functions of its device. */
static ssize_t ari_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *port = pci_upstream_port(dev_of(obj));
	bool on = port && port->pcie_cap &&
		  (pci_get_word(port, port->pcie_cap + PCI_EXP_DEVCTL2) & PCI_EXP_DEVCTL2_ARI);

	return snprintf(buf, size, "%d\n", on);
}

static bool *flag_of(struct pci_dev *dev, uintptr_t which)
{
	struct pci_sysfs_state *s = &dev->sysfs;

	return which == 0 ? &s->no_msi_bus : which == 1 ? &s->no_d3cold : &s->broken_parity;
}

/* msi_bus and d3cold_allowed are kept inverted: they are 1 at first. */
static ssize_t flag_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	bool on = *flag_of(dev_of(obj), attr->arg);

	return snprintf(buf, size, "%d\n", attr->arg < 2 ? !on : on);
}

static ssize_t flag_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	unsigned long value;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	*flag_of(dev_of(obj), attr->arg) = attr->arg < 2 ? !value : value;
	return (ssize_t)len;
}

static ssize_t numa_node_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%d\n", dev_of(obj)->sysfs.numa_node - 1);
}

/* One node, number 0, is online. */
static ssize_t numa_node_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	long node;

	if (sysfs_parse_long(buf, 0, &node) || node < -1 || node > 0)
		return -EINVAL;
	dev_of(obj)->sysfs.numa_node = (int)node + 1;
	return (ssize_t)len;
}

static ssize_t enable_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct pci_dev *dev = dev_of(obj);

	/* Whoever has it open through vfio-pci has enabled it, and so has a port's driver. */
	return snprintf(buf, size, "%u\n",
			dev->sysfs.enable_count +
				(dev->is_bridge ? dev->dev.driver != NULL : pci_in_use(dev)));
}

static ssize_t enable_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *dev = dev_of(obj);
	unsigned long value;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	if (dev->dev.driver)
		return -EBUSY;
	if (value) {
		if (dev->sysfs.enable_count++ == 0)
			pci_enable_decode(dev);
	} else {
		if (!dev->sysfs.enable_count)
			return -EIO;
		if (--dev->sysfs.enable_count == 0)
			pci_set_master(dev, false);
	}
	return (ssize_t)len;
}

static unsigned int power_state(struct pci_dev *dev)
{
	uint8_t config[PCI_CFG_EXT_SIZE];

	pci_config_snapshot(dev, config);
	return config[dev->pm_cap + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;
}

static ssize_t power_state_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	static const char *const names[] = { "D0", "D1", "D2", "D3hot" };
	struct pci_dev *dev = dev_of(obj);

	return snprintf(buf, size, "%s\n",
			dev->pm_cap   ? names[power_state(dev)]
			: dev->physfn ? names[0]
				      : "unknown");
}

static ssize_t cpus_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	unsigned int cpus = (unsigned int)thread_cpus();

	if (attr->arg)
		return cpus > 1 ? snprintf(buf, size, "0-%u\n", cpus - 1)
				: snprintf(buf, size, "0\n");
	/* Groups of 32 CPUs, the highest first. */
	ssize_t len =
		snprintf(buf, size, "%x", (uint32_t)(cpus % 32 ? (1ull << cpus % 32) - 1 : ~0u));

	for (unsigned int i = 0; i < (cpus - 1) / 32; i++)
		len += snprintf(buf + len, size - (size_t)len, ",ffffffff");
	buf[len++] = '\n';
	return len;
}

/* ---- link and bridge ------------------------------------------------------------------------ */

static bool has_pcie(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->pcie_cap;
}

static ssize_t link_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	static const char *const speeds[] = { "Unknown", "2.5 GT/s PCIe", "5.0 GT/s PCIe",
					      "8.0 GT/s PCIe", "16.0 GT/s PCIe" };
	const struct pci_dev *dev = dev_of(obj);
	uint32_t reg = attr->arg & 1 ? pci_get_long(dev, dev->pcie_cap + PCI_EXP_LNKCAP)
				     : pci_get_word(dev, dev->pcie_cap + PCI_EXP_LNKSTA);

	if (attr->arg & 2)
		return snprintf(buf, size, "%u\n", (reg >> 4) & 0x3f);
	return snprintf(buf, size, "%s\n",
			(reg & 0xf) < ARRAY_SIZE(speeds) ? speeds[reg & 0xf] : speeds[0]);
}

static bool is_bridge(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->is_bridge;
}

static ssize_t bus_number_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%u\n", pci_get_byte(dev_of(obj), (unsigned int)attr->arg));
}

/* ---- resources ------------------------------------------------------------------------------ */

/* IORESOURCE_*: IO 0x100, MEM 0x200, PREFETCH 0x2000, READONLY 0x4000, SIZEALIGN 0x40000, MEM_64
 * 0x100000, ROM_ENABLE and the register's low bits below. */
static uint64_t resource_flags(const struct pci_bar *bar, unsigned int i)
{
	uint32_t flags = bar->flags;

	if (i == PCI_ROM_BAR)
		return 0x46200;
	if (flags & PCI_BASE_ADDRESS_SPACE_IO)
		return 0x40101;
	return 0x40200 | (flags & 0xe) | (flags & PCI_BASE_ADDRESS_MEM_PREFETCH ? 0x2000 : 0) |
	       (flags & PCI_BASE_ADDRESS_MEM_TYPE_64 ? 0x100000 : 0);
}

static int resource_line(char *buf, size_t size, uint64_t start, uint64_t last, uint64_t flags)
{
	return snprintf(buf, size, "0x%016llx 0x%016llx 0x%016llx\n", (unsigned long long)start,
			(unsigned long long)last, (unsigned long long)flags);
}

/* Resources 13 to 15 of a bridge: its windows; an I/O window counts in 4 KiB, memory in 1 MiB. */
static int bridge_line(const struct pci_dev *dev, unsigned int i, char *buf, size_t size)
{
	uint64_t base, last;

	if (i == 13) {
		base = (uint64_t)(dev->config[PCI_IO_BASE] & 0xf0) << 8;
		last = (uint64_t)(dev->config[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff;
		return resource_line(buf, size, base, last, 0x100);
	}
	if (i == 14) {
		base = (uint64_t)(pci_get_word(dev, PCI_MEMORY_BASE) & 0xfff0) << 16;
		last = (uint64_t)(pci_get_word(dev, PCI_MEMORY_LIMIT) & 0xfff0) << 16 | 0xfffff;
		return resource_line(buf, size, base, last, 0x200);
	}
	return resource_line(buf, size, 0, 0, 0);
}

/* Resources 7 to 12 of a PF: what all its VFs' BARs take. */
static int aperture_line(const struct pci_dev *dev, unsigned int i, char *buf, size_t size)
{
	const struct pci_bar bar = { .flags = dev->sriov->bar[i].flags };
	uint64_t len = dev->sriov->bar[i].size * dev->sriov->total_vfs;
	uint64_t start = dev->internal->vf_bar_addr[i];

	if (!len)
		return resource_line(buf, size, 0, 0, 0);
	return resource_line(buf, size, start, start + len - 1, resource_flags(&bar, i));
}

static ssize_t resource_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *dev = dev_of(obj);
	/* BARs, ROM, six of SR-IOV, four of a bridge. */
	unsigned int lines = dev->is_bridge ? 17 : 13;
	size_t len = 0;

	for (unsigned int i = 0; i < lines; i++) {
		const struct pci_bar *bar = i < PCI_NUM_REGIONS ? &dev->bar[i] : NULL;

		if (dev->sriov && i > PCI_ROM_BAR && i < 13)
			len += (size_t)aperture_line(dev, i - PCI_NUM_REGIONS, buf + len,
						     size - len);
		else if (i >= 13)
			len += (size_t)bridge_line(dev, i, buf + len, size - len);
		else if (bar && bar->size)
			len += (size_t)resource_line(buf + len, size - len, bar->addr,
						     bar->addr + bar->size - 1,
						     resource_flags(bar, i));
		else
			len += (size_t)resource_line(buf + len, size - len, 0, 0, 0);
	}
	return (ssize_t)len;
}

static bool has_bar(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->bar[attr->arg].size;
}

static uint64_t bar_size(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->bar[attr->arg].size;
}

static uint64_t config_size(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->cfg_size;
}

/* resourceN of an I/O BAR is read and written by its widths; of a memory BAR it can only be
 * mapped. */
static ssize_t resource_rw(struct pci_dev *dev, unsigned int i, void *buf, size_t len, uint64_t off,
			   bool write)
{
	uint64_t value = 0;
	int ret;

	if (!(dev->bar[i].flags & PCI_BASE_ADDRESS_SPACE_IO))
		return -EIO;
	if ((len != 1 && len != 2 && len != 4) || !range_within(off, len, dev->bar[i].size))
		return -EINVAL;
	ret = pci_dev_power_on(dev);
	if (ret)
		return ret;
	if (write) {
		memcpy(&value, buf, len);
		pci_bar_write(dev, i, off, (unsigned int)len, value);
	} else {
		value = pci_bar_read(dev, i, off, (unsigned int)len);
		memcpy(buf, &value, len);
	}
	pci_dev_power_off(dev);
	return (ssize_t)len;
}

static ssize_t resource_read(void *obj, const struct attribute *attr, void *buf, size_t len,
			     uint64_t off)
{
	return resource_rw(dev_of(obj), (unsigned int)attr->arg, buf, len, off, false);
}

static ssize_t resource_write(void *obj, const struct attribute *attr, const void *buf, size_t len,
			      uint64_t off)
{
	uint32_t value;

	if (len > sizeof(value))
		return -EINVAL;
	memcpy(&value, buf, len);
	return resource_rw(dev_of(obj), (unsigned int)attr->arg, &value, len, off, true);
}

/* Config cycles: bytes up to an aligned word, words up to an aligned dword, dwords, and the
 * rest. */
static unsigned int config_step(uint64_t off, size_t len)
{
	if ((off & 1) || len < 2)
		return 1;
	return (off & 2) || len < 4 ? 2 : 4;
}

static ssize_t config_read(void *obj, const struct attribute *attr, void *buf, size_t len,
			   uint64_t off)
{
	struct pci_dev *dev = dev_of(obj);
	uint8_t config[PCI_CFG_EXT_SIZE];

	if (off > dev->cfg_size)
		return 0;
	len = MIN(len, dev->cfg_size - off);
	pci_config_snapshot(dev, config);
	memcpy(buf, config + off, len);
	return (ssize_t)len;
}

static ssize_t config_write(void *obj, const struct attribute *attr, const void *buf, size_t len,
			    uint64_t off)
{
	struct pci_dev *dev = dev_of(obj);
	size_t done = 0;

	if (off > dev->cfg_size)
		return 0;
	pci_config_adopt(dev);
	len = MIN(len, dev->cfg_size - off);
	while (done < len) {
		unsigned int step = config_step(off + done, len - done);
		uint32_t value = 0;

		memcpy(&value, (const char *)buf + done, step);
		pci_config_write(dev, (unsigned int)(off + done), step, value);
		done += step;
	}
	pci_config_publish(dev);
	return (ssize_t)done;
}

static bool has_rom(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->bar[PCI_ROM_BAR].size;
}

static ssize_t rom_read(void *obj, const struct attribute *attr, void *buf, size_t len,
			uint64_t off)
{
	struct pci_dev *dev = dev_of(obj);
	int ret;

	if (!dev->sysfs.rom_enabled)
		return -EINVAL;
	if (off >= dev->bar[PCI_ROM_BAR].size)
		return 0;
	len = MIN(len, dev->bar[PCI_ROM_BAR].size - off);
	ret = pci_dev_power_on(dev);
	if (ret)
		return ret;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)pci_bar_read(dev, PCI_ROM_BAR, off + i, 1);
	pci_dev_power_off(dev);
	return (ssize_t)len;
}

static ssize_t rom_write(void *obj, const struct attribute *attr, const void *buf, size_t len,
			 uint64_t off)
{
	dev_of(obj)->sysfs.rom_enabled = !(off == 0 && len == 2 && memcmp(buf, "0\n", 2) == 0);
	return (ssize_t)len;
}

/* ---- actions -------------------------------------------------------------------------------- */

static bool can_reset(void *obj, const struct attribute *attr)
{
	return !dev_of(obj)->is_bridge && dev_of(obj)->sysfs.had_reset;
}

/* A virtual function comes and goes with its PF's VF Enable alone. */
static bool is_physical(void *obj, const struct attribute *attr)
{
	return !dev_of(obj)->physfn;
}

static ssize_t reset_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	unsigned long value;
	int ret;

	if (sysfs_parse_ulong(buf, 0, &value) || value != 1)
		return -EINVAL;
	ret = pci_host_reset(dev_of(obj), PCI_HOST_RESET);
	return ret ? ret : (ssize_t)len;
}

static struct pci_bus *bus_of(struct pci_dev *dev)
{
	return container_of(dev->dev.bus, struct pci_bus, type);
}

static ssize_t remove_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *dev = dev_of(obj);
	struct pci_bus *bus = bus_of(dev);
	unsigned long value;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	if (value && bus->env.remove)
		bus->env.remove(bus->env.arg, dev);
	return (ssize_t)len;
}

static ssize_t rescan_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *dev = dev_of(obj);
	struct pci_bus *bus = bus_of(dev);
	unsigned long value;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	if (value && bus->env.rescan)
		bus->env.rescan(bus->env.arg, dev);
	return (ssize_t)len;
}

#define RO(n, fn, a)                                                           \
	{                                                                      \
		.name = (n), .mode = 0444, .show = (fn), .arg = (uintptr_t)(a) \
	}
#define FLAG(n, a)                                                                            \
	{                                                                                     \
		.name = (n), .mode = 0644, .show = flag_show, .store = flag_store, .arg = (a) \
	}
#define LINK(n, a)                                                                            \
	{                                                                                     \
		.name = (n), .mode = 0444, .show = link_show, .arg = (a), .visible = has_pcie \
	}
#define RESOURCE(n)                                                                               \
	{                                                                                         \
		.name = "resource" #n, .mode = 0600, .bin_read = resource_read,                   \
		.bin_write = resource_write, .get_size = bar_size, .arg = (n), .visible = has_bar \
	}

const struct attribute pci_dev_attrs[] = {
	RO("vendor", id_show, ID_VENDOR),
	RO("device", id_show, ID_DEVICE),
	RO("subsystem_vendor", id_show, ID_SUBVENDOR),
	RO("subsystem_device", id_show, ID_SUBDEVICE),
	RO("class", id_show, ID_CLASS),
	RO("revision", id_show, ID_REVISION),
	RO("modalias", modalias_show, 0),
	{ .name = "irq", .mode = 0444, .show = irq_show, .volatile_value = true },
	RO("ari_enabled", ari_show, 0),
	RO("consistent_dma_mask_bits", text_show, "32"),
	RO("dma_mask_bits", text_show, "32"),
	RO("local_cpulist", cpus_show, 1),
	RO("local_cpus", cpus_show, 0),
	FLAG("broken_parity_status", 2),
	FLAG("d3cold_allowed", 1),
	FLAG("msi_bus", 0),
	{ .name = "numa_node", .mode = 0644, .show = numa_node_show, .store = numa_node_store },
	{ .name = "driver_override",
	  .mode = 0644,
	  .show = driver_override_show,
	  .store = driver_override_store },
	{ .name = "enable", .mode = 0644, .show = enable_show, .store = enable_store },
	{ .name = "power_state", .mode = 0444, .show = power_state_show, .volatile_value = true },
	LINK("current_link_speed", 0),
	LINK("current_link_width", 2),
	LINK("max_link_speed", 1),
	LINK("max_link_width", 3),
	{ .name = "secondary_bus_number",
	  .mode = 0444,
	  .show = bus_number_show,
	  .arg = PCI_SECONDARY_BUS,
	  .visible = is_bridge },
	{ .name = "subordinate_bus_number",
	  .mode = 0444,
	  .show = bus_number_show,
	  .arg = PCI_SUBORDINATE_BUS,
	  .visible = is_bridge },
	RO("resource", resource_show, 0),
	{ .name = "config",
	  .mode = 0644,
	  .bin_read = config_read,
	  .bin_write = config_write,
	  .get_size = config_size },
	RESOURCE(0),
	RESOURCE(1),
	RESOURCE(2),
	RESOURCE(3),
	RESOURCE(4),
	RESOURCE(5),
	{ .name = "rom",
	  .mode = 0600,
	  .bin_read = rom_read,
	  .bin_write = rom_write,
	  .get_size = bar_size,
	  .arg = PCI_ROM_BAR,
	  .visible = has_rom },
	{ .name = "reset", .mode = 0200, .store = reset_store, .visible = can_reset },
	{ .name = "reset_method",
	  .mode = 0644,
	  .show = pci_reset_method_show,
	  .store = pci_reset_method_store,
	  .visible = can_reset },
	{ .name = "remove", .mode = 0220, .store = remove_store, .visible = is_physical },
	{ .name = "rescan", .mode = 0200, .store = rescan_store, .visible = is_physical },
	{ .name = NULL },
};
