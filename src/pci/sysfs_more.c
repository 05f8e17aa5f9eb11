/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a function's directory has besides pci-sysfs.c's attributes: counters and limits of error
 * reporting, the link's power management, run-time power management, vital product data (the
 * kernel's drivers/pci/pcie/aer.c and aspm.c, drivers/base/power/sysfs.c, drivers/pci/vpd.c). All
 * run under core->lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pci/aer.h"
#include "pci/bus_priv.h"
#include "pci/pci_priv.h"

static struct pci_dev *dev_of(void *obj)
{
	return to_pci_dev(obj);
}

/* ---- error reporting ------------------------------------------------------------------------- */

static bool has_aer(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->aer_cap;
}

static bool is_aer_port(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->aer_cap && dev_of(obj)->is_bridge;
}

enum { COUNT_COR, COUNT_FATAL, COUNT_NONFATAL };

static ssize_t aer_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct pci_aer_stats *s = &dev_of(obj)->stats->aer;
	bool cor = attr->arg == COUNT_COR, fatal = attr->arg == COUNT_FATAL;
	_Atomic uint32_t *counts = cor ? s->cor : fatal ? s->fatal : s->nonfatal;
	const char *const *names = cor ? pci_aer_cor_names : pci_aer_uncor_names;
	static const char *const array[] = { "dev_cor_errs", "dev_fatal_errs",
					     "dev_nonfatal_errs" };
	size_t len = 0;

	for (unsigned int i = 0; i < (cor ? 16u : 32u); i++) {
		if (names[i])
			len += (size_t)snprintf(buf + len, size - len, "%s %u\n", names[i],
						counts[i]);
		else if (counts[i])
			len += (size_t)snprintf(buf + len, size - len, "%s_bit[%u] %u\n",
						array[attr->arg], i, counts[i]);
	}
	len += (size_t)snprintf(buf + len, size - len, "TOTAL_ERR_%s %u\n",
				cor	? "COR"
				: fatal ? "FATAL"
					: "NONFATAL",
				cor	? s->total_cor
				: fatal ? s->total_fatal
					: s->total_nonfatal);
	return (ssize_t)len;
}

static ssize_t aer_port_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct pci_aer_stats *s = &dev_of(obj)->stats->aer;

	return snprintf(buf, size, "%u\n",
			attr->arg == COUNT_COR	   ? s->port_cor
			: attr->arg == COUNT_FATAL ? s->port_fatal
						   : s->port_nonfatal);
}

static int *limit_of(void *obj, uintptr_t which)
{
	struct pci_sysfs_state *s = &dev_of(obj)->sysfs;

	return which & 2 ? &s->aer_interval[which & 1] : &s->aer_burst[which & 1];
}

static ssize_t limit_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%d\n", *limit_of(obj, attr->arg));
}

static ssize_t limit_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	long value;

	if (sysfs_parse_long(buf, 0, &value) || value < INT32_MIN || value > INT32_MAX)
		return -EINVAL;
	/* No interval: no limit. */
	if ((attr->arg & 2) && value < 0)
		value = 0;
	*limit_of(obj, attr->arg) = (int)value;
	return (ssize_t)len;
}

/* ---- the link -------------------------------------------------------------------------------- */

/* Bits 10 and 11 of the link capabilities of both ends: L0s, L1. */
static bool has_aspm(void *obj, const struct attribute *attr)
{
	const struct pci_dev *dev = dev_of(obj);

	return dev->pcie_cap && !dev->is_bridge && pci_upstream_port(dev) &&
	       (pci_get_long(dev, dev->pcie_cap + PCI_EXP_LNKCAP) & attr->arg << 10);
}

static ssize_t aspm_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *dev = dev_of(obj);
	uint16_t ctl = pci_get_word(dev, dev->pcie_cap + PCI_EXP_LNKCTL);

	return snprintf(buf, size, "%d\n", (ctl & attr->arg) != 0);
}

static ssize_t aspm_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *dev = dev_of(obj);
	bool on;

	if (sysfs_parse_bool(buf, &on))
		return -EINVAL;
	pci_config_write_masked(dev, dev->pcie_cap + PCI_EXP_LNKCTL, 2,
				on ? (uint32_t)attr->arg : 0, (uint32_t)attr->arg);
	return (ssize_t)len;
}

/* ---- power ----------------------------------------------------------------------------------- */

static ssize_t text_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", (const char *)attr->arg);
}

static bool idle(struct pci_dev *dev)
{
	uint8_t config[PCI_CFG_EXT_SIZE];
	const struct device_driver *drv = dev->dev.driver;

	/* A VF has no power states to be seen; its driver lets go of it all the same. */
	if (dev->physfn && !dev->pm_cap)
		return drv && container_of(drv, struct pci_driver, drv)->idles && !pci_in_use(dev);
	pci_config_snapshot(dev, config);
	return dev->pm_cap && (config[dev->pm_cap + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK) == 3;
}

static ssize_t runtime_status_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", idle(dev_of(obj)) ? "suspended" : "active");
}

/* The users of the function's being awake: who has it open, or "on". */
static ssize_t runtime_usage_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	struct pci_dev *dev = dev_of(obj);

	return snprintf(buf, size, "%d\n",
			idle(dev)				  ? 0
			: dev->sysfs.power_on || !dev->dev.driver ? 2
								  : 1);
}

static ssize_t control_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *dev = dev_of(obj);

	/* A driver that manages power allows it; without one it stays on, as ports do. */
	return snprintf(buf, size, "%s\n",
			!dev->is_bridge && dev->dev.driver && !dev->sysfs.power_on ? "auto" : "on");
}

static ssize_t control_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *dev = dev_of(obj);

	if (sysfs_streq(buf, "auto"))
		dev->sysfs.power_on = false;
	else if (sysfs_streq(buf, "on"))
		dev->sysfs.power_on = true;
	else
		return -EINVAL;
	return (ssize_t)len;
}

static ssize_t async_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%s\n", dev_of(obj)->sysfs.power_sync ? "disabled" : "enabled");
}

static ssize_t async_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	bool on = sysfs_streq(buf, "enabled");

	if (!on && !sysfs_streq(buf, "disabled"))
		return -EINVAL;
	dev_of(obj)->sysfs.power_sync = !on;
	return (ssize_t)len;
}

/* No driver here uses autosuspend. */
static ssize_t autosuspend_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return -EIO;
}

static ssize_t autosuspend_store(void *obj, const struct attribute *attr, const char *buf,
				 size_t len)
{
	return -EIO;
}

/* ---- vital product data ---------------------------------------------------------------------- */

static bool has_vpd(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->vpd_cap;
}

static ssize_t vpd_read(void *obj, const struct attribute *attr, void *buf, size_t len,
			uint64_t off)
{
	return pci_vpd_read(dev_of(obj), off, len, buf);
}

static ssize_t vpd_write(void *obj, const struct attribute *attr, const void *buf, size_t len,
			 uint64_t off)
{
	return pci_vpd_write(dev_of(obj), off, len, buf);
}

/* ---- a device serial number ------------------------------------------------------------------ */

static unsigned int find_ext_cap(const struct pci_dev *dev, unsigned int id)
{
	unsigned int pos = PCI_CFG_SIZE, loops = (PCI_CFG_EXT_SIZE - PCI_CFG_SIZE) / 8;

	while (dev->pcie_cap && dev->cfg_size > PCI_CFG_SIZE && pos >= PCI_CFG_SIZE && loops--) {
		uint32_t header = pci_get_long(dev, pos);

		if (header && PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

static bool has_serial(void *obj, const struct attribute *attr)
{
	return find_ext_cap(dev_of(obj), PCI_EXT_CAP_ID_DSN);
}

static ssize_t serial_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const struct pci_dev *dev = dev_of(obj);
	unsigned int pos = find_ext_cap(dev, PCI_EXT_CAP_ID_DSN) + 4;
	size_t len = 0;

	for (unsigned int i = 8; i--;)
		len += (size_t)snprintf(buf + len, size - len, "%02x%c", pci_get_byte(dev, pos + i),
					i ? '-' : '\n');
	return (ssize_t)len;
}

/* ---- a port's bus ---------------------------------------------------------------------------- */

static bool is_port(void *obj, const struct attribute *attr)
{
	return dev_of(obj)->is_bridge && dev_of(obj)->pcie_cap;
}

static ssize_t reset_subordinate_store(void *obj, const struct attribute *attr, const char *buf,
				       size_t len)
{
	struct device *child;
	unsigned long value;
	int ret = 0, err;

	if (sysfs_parse_ulong(buf, 0, &value))
		return -EINVAL;
	if (!value)
		return (ssize_t)len;
	list_for_each_entry(child, &dev_of(obj)->dev.children, child_node) {
		err = pci_host_reset(to_pci_dev(child), PCI_HOST_RESET_BUS);
		ret = err ? err : ret;
	}
	return ret ? ret : (ssize_t)len;
}

#define COUNTER(n, a)                                                             \
	{                                                                         \
		.name = "aer_dev_" n, .mode = 0444, .show = aer_show, .arg = (a), \
		.volatile_value = true, .visible = has_aer                        \
	}
#define PORT_COUNTER(n, a)                                                                \
	{                                                                                 \
		.name = "aer_rootport_total_err_" n, .mode = 0444, .show = aer_port_show, \
		.arg = (a), .volatile_value = true, .visible = is_aer_port                \
	}
#define LIMIT(n, a)                                                                       \
	{                                                                                 \
		.name = "aer/" n, .mode = 0644, .show = limit_show, .store = limit_store, \
		.arg = (a), .visible = has_aer                                            \
	}
#define ASPM(n, bit)                                                                     \
	{                                                                                \
		.name = "link/" n, .mode = 0644, .show = aspm_show, .store = aspm_store, \
		.arg = (bit), .visible = has_aspm                                        \
	}
#define SRIOV(n, a)                                                                   \
	{                                                                             \
		.name = "sriov_" n, .mode = 0444, .show = pci_sriov_show, .arg = (a), \
		.visible = pci_is_pf                                                  \
	}
#define POWER_TEXT(n, text)                                                                   \
	{                                                                                     \
		.name = "power/" n, .mode = 0444, .show = text_show, .arg = (uintptr_t)(text) \
	}

const struct attribute pci_dev_more_attrs[] = {
	COUNTER("correctable", COUNT_COR),
	COUNTER("fatal", COUNT_FATAL),
	COUNTER("nonfatal", COUNT_NONFATAL),
	PORT_COUNTER("cor", COUNT_COR),
	PORT_COUNTER("fatal", COUNT_FATAL),
	PORT_COUNTER("nonfatal", COUNT_NONFATAL),
	LIMIT("correctable_ratelimit_burst", 0),
	LIMIT("nonfatal_ratelimit_burst", 1),
	LIMIT("correctable_ratelimit_interval_ms", 2),
	LIMIT("nonfatal_ratelimit_interval_ms", 3),
	ASPM("l0s_aspm", 1),
	ASPM("l1_aspm", 2),
	{ .name = "power/async", .mode = 0644, .show = async_show, .store = async_store },
	{ .name = "power/autosuspend_delay_ms",
	  .mode = 0644,
	  .show = autosuspend_show,
	  .store = autosuspend_store,
	  .volatile_value = true },
	{ .name = "power/control", .mode = 0644, .show = control_show, .store = control_store },
	POWER_TEXT("runtime_active_kids", "0"),
	POWER_TEXT("runtime_enabled", "enabled"),
	{ .name = "power/runtime_status",
	  .mode = 0444,
	  .show = runtime_status_show,
	  .volatile_value = true },
	{ .name = "power/runtime_usage",
	  .mode = 0444,
	  .show = runtime_usage_show,
	  .volatile_value = true },
	{ .name = "reset_subordinate",
	  .mode = 0200,
	  .store = reset_subordinate_store,
	  .visible = is_port },
	{ .name = "sriov_totalvfs",
	  .mode = 0444,
	  .show = pci_sriov_show,
	  .arg = SRIOV_TOTALVFS,
	  .volatile_value = true, /* the driver's number while there is one */
	  .visible = pci_is_pf },
	SRIOV("offset", SRIOV_OFFSET),
	SRIOV("stride", SRIOV_STRIDE),
	SRIOV("vf_device", SRIOV_VF_DEVICE),
	SRIOV("vf_total_msix", SRIOV_VF_TOTAL_MSIX),
	{ .name = "sriov_numvfs",
	  .mode = 0644,
	  .show = pci_numvfs_show,
	  .store = pci_numvfs_store,
	  .volatile_value = true,
	  .visible = pci_is_pf },
	{ .name = "sriov_drivers_autoprobe",
	  .mode = 0644,
	  .show = pci_vf_autoprobe_show,
	  .store = pci_vf_autoprobe_store,
	  .visible = pci_is_pf },
	{ .name = "sriov_vf_msix_count",
	  .mode = 0200,
	  .store = pci_vf_msix_count_store,
	  .visible = pci_is_vf },
	{ .name = "serial_number", .mode = 0400, .show = serial_show, .visible = has_serial },
	{ .name = "vpd",
	  .mode = 0600,
	  .bin_read = vpd_read,
	  .bin_write = vpd_write,
	  .visible = has_vpd },
	{ .name = NULL },
};
