/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the host resets one function (the kernel's pci_reset_fn_methods): through the PCI Express or
 * the Advanced Features capability, by a power cycle where that forgets, or by resetting the bus
 * when nothing else is on it. The first method that fits the function is used; which ones and in
 * which order is `reset_method` in sysfs.
 *
 * pci_init_reset_methods() runs under core->lock before the function is on its bus; resets take
 * dev->lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "pci/bus_priv.h"
#include "pci/pci_priv.h"

static int flr(struct pci_dev *dev, bool probe)
{
	if (!pci_has_flr(dev))
		return -ENOTTY;
	if (!probe)
		pci_dev_reset(dev);
	return 0;
}

static int af_flr(struct pci_dev *dev, bool probe)
{
	const uint8_t need = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;

	if (!dev->af_cap || (pci_get_byte(dev, dev->af_cap + PCI_AF_CAP) & need) != need)
		return -ENOTTY;
	if (!probe)
		pci_config_write(dev, dev->af_cap + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
	return 0;
}

static int pm_reset(struct pci_dev *dev, bool probe)
{
	unsigned int reg = dev->pm_cap + PCI_PM_CTRL;

	if (!dev->pm_cap || (pci_get_word(dev, reg) & PCI_PM_CTRL_NO_SOFT_RESET))
		return -ENOTTY;
	if (probe)
		return 0;
	if (pci_power_state(dev))
		return -EINVAL;
	pci_config_write_masked(dev, reg, 2, 3, PCI_PM_CTRL_STATE_MASK);
	pci_config_write_masked(dev, reg, 2, 0, PCI_PM_CTRL_STATE_MASK);
	return 0;
}

struct pci_dev *pci_upstream_port(const struct pci_dev *dev)
{
	struct device *parent = dev->dev.parent;

	/* A root bus hangs below something that is no function. */
	return parent && parent->bus && parent->bus == dev->dev.bus ? to_pci_dev(parent) : NULL;
}

static int bus_reset(struct pci_dev *dev, bool probe)
{
	struct pci_dev *port = pci_upstream_port(dev);

	if (!port || dev->is_bridge ||
	    atomic_load(&port->internal->below) > (dev->dev.registered ? 1u : 0u))
		return -ENOTTY;
	if (!probe)
		pci_dev_reset(dev);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct pci_dev *dev, bool probe);
} methods[PCI_RESET_METHODS] = {
	{ "flr", flr },
	{ "af_flr", af_flr },
	{ "pm", pm_reset },
	{ "bus", bus_reset },
};

void pci_init_reset_methods(struct pci_dev *dev)
{
	uint8_t *order = dev->sysfs.reset_order;
	unsigned int n = 0;

	memset(order, 0, PCI_RESET_ORDER);
	for (unsigned int i = 0; i < PCI_RESET_METHODS; i++)
		if (methods[i].fn(dev, true) == 0)
			order[n++] = (uint8_t)(i + 1);
}

bool pci_reset_supported(const struct pci_dev *dev)
{
	return dev->sysfs.reset_order[0];
}

static int reset_locked(struct pci_dev *dev)
{
	const uint8_t *order = dev->sysfs.reset_order;

	for (unsigned int i = 0; i < PCI_RESET_ORDER && order[i]; i++) {
		int ret = methods[order[i] - 1].fn(dev, false);

		if (ret != -ENOTTY)
			return ret;
	}
	return -ENOTTY;
}

int pci_reset_only(struct pci_dev *dev)
{
	return reset_locked(dev);
}

static void say(const struct pci_dev *dev, const char *what)
{
	if (dev->dev.driver)
		pr_warn("%s %s: %s", dev->dev.driver->name, dev->dev.name, what);
}

int pci_reset_function(struct pci_dev *dev)
{
	uint8_t saved[PCI_CFG_EXT_SIZE];
	int ret;

	if (!pci_reset_supported(dev))
		return -ENOTTY;
	say(dev, "resetting");
	pci_set_power_state(dev, 0);
	pci_save_state(dev, saved);
	pci_config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	ret = reset_locked(dev);
	pci_restore_state(dev, saved);
	say(dev, "reset done");
	return ret;
}

int pci_reset_through_port(struct pci_dev *dev)
{
	uint8_t saved[PCI_CFG_EXT_SIZE];

	pci_set_power_state(dev, 0);
	pci_save_state(dev, saved);
	pci_config_write(dev, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	pci_dev_reset(dev);
	pci_restore_state(dev, saved);
	return 0;
}

int pci_host_reset_here(struct pci_dev *dev, enum pci_host_reset how)
{
	unsigned int state = pci_power_state(dev);
	int ret;

	if (how == PCI_HOST_RESET_BUS)
		return pci_reset_through_port(dev);
	if (how == PCI_HOST_RESET_LINK) {
		pci_dev_reset(dev);
		return 0;
	}
	ret = pci_reset_function(dev);
	/* What was idle before is idle again. */
	pci_set_power_state(dev, state);
	return ret;
}

int pci_host_reset(struct pci_dev *dev, enum pci_host_reset how)
{
	const struct pci_bus_env *env = &container_of(dev->dev.bus, struct pci_bus, type)->env;
	int ret = env->reset_elsewhere ? env->reset_elsewhere(env->arg, dev, how) : 1;

	return ret > 0 ? pci_host_reset_here(dev, how) : ret;
}

/* ---- sysfs ----------------------------------------------------------------------------------- */

ssize_t pci_reset_method_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const uint8_t *order = to_pci_dev(obj)->sysfs.reset_order;
	size_t len = 0;

	for (unsigned int i = 0; i < PCI_RESET_ORDER && order[i]; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? " " : "",
					methods[order[i] - 1].name);
	if (len)
		buf[len++] = '\n';
	return (ssize_t)len;
}

static int find_method(struct pci_dev *dev, const char *word, size_t len)
{
	for (unsigned int i = 0; i < PCI_RESET_METHODS; i++) {
		if (strlen(methods[i].name) != len || memcmp(methods[i].name, word, len))
			continue;
		if (methods[i].fn(dev, true) == 0)
			return (int)i + 1;
		pr_kernel_err("pci %s: Unsupported reset method '%s'", dev->dev.name,
			      methods[i].name);
		return -EINVAL;
	}
	pr_kernel_err("pci %s: Invalid reset method '%.*s'", dev->dev.name, (int)len, word);
	return -EINVAL;
}

ssize_t pci_reset_method_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	struct pci_dev *dev = to_pci_dev(obj);
	uint8_t order[PCI_RESET_ORDER] = { 0 };
	unsigned int n = 0;

	if (sysfs_streq(buf, "")) {
		dev->sysfs.reset_order[0] = 0;
		pr_warn("pci %s: All device reset methods disabled by user", dev->dev.name);
		return (ssize_t)len;
	}
	if (sysfs_streq(buf, "default")) {
		pci_init_reset_methods(dev);
		return (ssize_t)len;
	}
	for (const char *p = buf; *p;) {
		size_t word = strcspn(p, " \n");

		if (word) {
			int method = find_method(dev, p, word);

			if (method < 0)
				return -EINVAL;
			if (n == PCI_RESET_ORDER) {
				pr_kernel_err("pci %s: Too many reset methods", dev->dev.name);
				return -EINVAL;
			}
			order[n++] = (uint8_t)method;
		}
		p += word + (p[word] != '\0');
	}
	memcpy(dev->sysfs.reset_order, order, sizeof(order));
	return (ssize_t)len;
}
