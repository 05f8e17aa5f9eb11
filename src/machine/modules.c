/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/module/vfio* with their parameters, and /proc/modules: VFIO is loaded. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/machine_priv.h"

struct module {
	const char *name, *version; /* version NULL: none */
	unsigned int coresize, refcnt;
	const char *holders[4]; /* who uses it, newest first as /proc/modules lists them */
};

static const struct module modules_table[] = {
	{ "vfio_pci", NULL, 20480, 0, { NULL } },
	{ "vfio_pci_core", NULL, 106496, 1, { "vfio_pci", NULL } },
	{ "vfio_iommu_type1", "0.2", 53248, 0, { NULL } },
	{ "vfio", "0.3", 65536, 4, { "vfio_pci_core", "vfio_iommu_type1", "vfio_pci", NULL } },
};

static bool *bool_param(void *obj, const struct attribute *attr)
{
	return (bool *)((char *)obj + attr->arg);
}

static ssize_t bool_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	return snprintf(buf, size, "%c\n", *bool_param(obj, attr) ? 'Y' : 'N');
}

static ssize_t bool_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	return sysfs_parse_bool(buf, bool_param(obj, attr)) ? -EINVAL : (ssize_t)len;
}

static ssize_t uint_show(void *obj, const struct attribute *attr, char *buf, size_t size)
{
	const unsigned int *value = (void *)((char *)obj + attr->arg);

	return snprintf(buf, size, "%u\n", *value);
}

static ssize_t uint_store(void *obj, const struct attribute *attr, const char *buf, size_t len)
{
	unsigned int *out = (void *)((char *)obj + attr->arg);
	unsigned long value;
	int ret = sysfs_parse_ulong(buf, 0, &value);

	if (ret)
		return ret;
	if (value > UINT32_MAX)
		return -ERANGE;
	*out = (unsigned int)value;
	return (ssize_t)len;
}

#define BOOL_PARAM(field)                                                             \
	{                                                                             \
		.name = #field, .mode = 0644, .show = bool_show, .store = bool_store, \
		.arg = offsetof(struct machine_params, field)                         \
	}
#define BOOL_PARAM_RO(field)                                     \
	{                                                        \
		.name = #field, .mode = 0444, .show = bool_show, \
		.arg = offsetof(struct machine_params, field)    \
	}

static const struct attribute type1_params[] = {
	BOOL_PARAM(allow_unsafe_interrupts),
	BOOL_PARAM(disable_hugepages),
	{ .name = "dma_entry_limit",
	  .mode = 0644,
	  .show = uint_show,
	  .store = uint_store,
	  .arg = offsetof(struct machine_params, dma_entry_limit) },
	{ .name = NULL },
};

static const struct attribute vfio_pci_params[] = {
	BOOL_PARAM_RO(disable_denylist), BOOL_PARAM(disable_idle_d3), BOOL_PARAM_RO(disable_vga),
	BOOL_PARAM(enable_sriov),	 BOOL_PARAM(nointxmask),      { .name = NULL },
};

void modules_init_params(struct machine_params *params)
{
	memset(params, 0, sizeof(*params));
	params->dma_entry_limit = 65535;
}

static int add_module(struct uvfio_machine *machine, const struct module *module)
{
	struct tree *tree = machine->tree;
	char path[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];
	const struct {
		const char *name, *text;
	} texts[] = { { "initsize", "0" },
		      { "initstate", "live" },
		      { "taint", "" },
		      { "version", module->version } };
	int ret;

	snprintf(path, sizeof(path), "/sys/module/%s/holders", module->name);
	ret = tree_add_dir(tree, path, TREE_PLAIN, NULL, NULL);
	for (int i = 0; module->holders[i] && !ret; i++) {
		snprintf(path, sizeof(path), "/sys/module/%s/holders/%s", module->name,
			 module->holders[i]);
		snprintf(target, sizeof(target), "/sys/module/%s", module->holders[i]);
		ret = tree_add_link(tree, path, target);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts) && !ret; i++) {
		if (!texts[i].text)
			continue;
		snprintf(path, sizeof(path), "/sys/module/%s/%s", module->name, texts[i].name);
		ret = tree_add_text(tree, path, 0444, "%s\n", texts[i].text);
	}
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/sys/module/%s/coresize", module->name);
	ret = tree_add_text(tree, path, 0444, "%u\n", module->coresize);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module->name);
	return tree_add_text(tree, path, 0444, "%u\n", module->refcnt);
}

static int add_proc_modules(struct uvfio_machine *machine)
{
	char text[1024];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(modules_table); i++) {
		const struct module *module = &modules_table[i];
		char holders[128] = "";

		for (int h = 0; module->holders[h]; h++) {
			strcat(holders, module->holders[h]);
			strcat(holders, ",");
		}
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s %u %u %s Live 0x0000000000000000\n",
			module->name, module->coresize, module->refcnt, holders[0] ? holders : "-");
	}
	return tree_add_text(machine->tree, "/proc/modules", 0444, "%s", text);
}

int modules_add_names(struct uvfio_machine *machine)
{
	struct tree *tree = machine->tree;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(modules_table) && !ret; i++)
		ret = add_module(machine, &modules_table[i]);
	if (!ret)
		ret = tree_add_dir(tree, "/sys/module/vfio_iommu_type1/parameters", TREE_PLAIN,
				   &machine->params, type1_params);
	if (!ret)
		ret = tree_add_dir(tree, "/sys/module/vfio_pci/parameters", TREE_PLAIN,
				   &machine->params, vfio_pci_params);
	if (!ret)
		ret = tree_add_link(tree, "/sys/module/vfio_pci/drivers/pci:vfio-pci",
				    "/sys/bus/pci/drivers/vfio-pci");
	return ret ? ret : add_proc_modules(machine);
}
