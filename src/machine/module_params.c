/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parameters of modules: as attributes below /sys/module/NAME/parameters, and as they are given to
 * a module that is loaded (the kernel's kernel/params.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "machine/machine_priv.h"
#include "machine/modules_priv.h"

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

static const struct attribute vfio_params[] = {
	BOOL_PARAM(enable_unsafe_noiommu_mode),
	{ .name = NULL },
};

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

static const struct {
	const char *module;
	const struct attribute *attrs;
} tables[] = {
	{ "vfio", vfio_params },
	{ "vfio_iommu_type1", type1_params },
	{ "vfio_pci", vfio_pci_params },
};

const struct attribute *module_param_attrs(const struct module_info *info)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(tables[i].module, info->name))
			return tables[i].attrs;
	return NULL;
}

/* What a module starts with. */
static void set_default(struct machine_params *params, const struct attribute *attr)
{
	if (attr->show == uint_show)
		*(unsigned int *)(void *)((char *)params + attr->arg) = 65535;
	else
		*bool_param(params, attr) = false;
}

void modules_init_params(struct machine_params *params)
{
	memset(params, 0, sizeof(*params));
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct attribute *a = tables[i].attrs; a->name; a++)
			set_default(params, a);
}

/* ---- NAME=VALUE … ---------------------------------------------------------------------------- */

/* Cuts the next word off @text, quotes taken away: its name and, NULL without a =, its value. */
static bool next_word(char **text, char **name, char **value)
{
	char *in = *text + strspn(*text, " \t\n"), *out = in;
	bool quoted = false;

	if (!*in)
		return false;
	*name = in;
	*value = NULL;
	for (; *in && (quoted || !strchr(" \t\n", *in)); in++) {
		if (*in == '"') {
			quoted = !quoted;
		} else if (*in == '=' && !*value) {
			*out++ = '\0';
			*value = out;
		} else {
			*out++ = *in;
		}
	}
	*text = in + (*in != '\0');
	*out = '\0';
	return true;
}

static int set_attr(struct machine_params *params, const struct module_info *info,
		    const struct attribute *attr, const char *value)
{
	ssize_t ret;

	if (attr->show == uint_show)
		ret = value ? uint_store(params, attr, value, 1) : -EINVAL;
	else /* a bool without a value is on */
		ret = bool_store(params, attr, value ? value : "1", 1);
	if (ret >= 0)
		return 0;
	pr_warn("%s: `%s' invalid for parameter `%s'", info->name, value ? value : "", attr->name);
	return (int)ret;
}

static const struct attribute *find_attr(const struct attribute *attrs, const char *name)
{
	for (; attrs && attrs->name; attrs++)
		if (!strcmp(attrs->name, name))
			return attrs;
	return NULL;
}

static bool has_parm(const struct module_info *info, const char *name)
{
	for (const struct module_parm *p = info->parms; p && p->name; p++)
		if (!strcmp(p->name, name))
			return true;
	return false;
}

static int set_one(struct machine_params *params, const struct module_info *info, const char *name,
		   const char *value, bool loud, char *ids, size_t ids_size)
{
	const struct attribute *attr = find_attr(module_param_attrs(info), name);

	if (attr)
		return set_attr(params, info, attr, value);
	if (!strcmp(name, "ids") && has_parm(info, name))
		snprintf(ids, ids_size, "%s", value ? value : "");
	else if (loud)
		pr_warn("%s: unknown parameter '%s' ignored", info->name, name);
	return 0;
}

int module_params_set(struct machine_params *params, const struct module_info *info,
		      const char *text, bool fresh, bool loud, char *ids, size_t ids_size)
{
	char *copy = strdup(text), *at = copy, *name, *value;
	int ret = copy ? 0 : -ENOMEM;

	ids[0] = '\0';
	if (fresh)
		for (const struct attribute *a = module_param_attrs(info); a && a->name; a++)
			set_default(params, a);
	while (!ret && next_word(&at, &name, &value))
		ret = set_one(params, info, name, value, loud, ids, ids_size);
	free(copy);
	return ret;
}
