/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptions: devices and their options, addresses given out in order.
 *
 * The topology: every bus number that a device is on stands for one root port of that domain's host
 * bridge; a port has one slot, so a device behind it has device number 0, and functions of the same
 * bus are functions of one multi-function device (function 0 must be there).
 */
#include "machine/description.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "machine/description_priv.h"
#include "machine/modules.h"
#include "models/models.h"

#define MAX_DEVICES    128
#define DEFAULT_DEVICE "nvme,size=1G"

const struct model_option description_common_options[] = {
	{ "at", "the next free bus", "PCI address, such as 0000:01:00.0" },
	{ "driver", "vfio-pci", "driver that is bound at start, or none" },
	{ "acs", "on", "off: the port above does not isolate, port and device share a group" },
	{ "mmap", "on", "off: BARs are not offered for mapping" },
	{ "aer", "off", "on: the function reports errors, see `uvfio inject`" },
	{ NULL, NULL, NULL },
};

static int __attribute__((format(printf, 3, 4)))
fail(char *err, size_t err_size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err, err_size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static int no_memory(char *err, size_t err_size)
{
	snprintf(err, err_size, "out of memory");
	return -ENOMEM;
}

/* ---- options --------------------------------------------------------------------------------- */

const char *description_device_option(const struct description_device *dev, const char *key)
{
	for (size_t i = 0; i < dev->num_options; i++)
		if (!strcmp(dev->options[i].key, key))
			return dev->options[i].value;
	return NULL;
}

static const struct model_option *find_option(const struct model_option *options, const char *key)
{
	for (; options && options->key; options++)
		if (!strcmp(options->key, key))
			return options;
	return NULL;
}

static const char *config_get(const struct model_config *config, const char *key)
{
	const struct description_device *dev = config->priv;
	const char *value = description_device_option(dev, key);
	const struct model_option *option = find_option(dev->model->options, key);

	if (value)
		return value;
	if (!strcmp(key, "backing"))
		return dev->backing ? dev->backing : "";
	if (!strcmp(key, "net-dir"))
		return dev->net_dir ? dev->net_dir : "";
	return option && option->default_value ? option->default_value : "";
}

static bool config_is_set(const struct model_config *config, const char *key)
{
	return description_device_option(config->priv, key) != NULL;
}

static int unknown_option(const struct description_device *dev, const char *key, char *err,
			  size_t err_size)
{
	const char *names[64], *near;
	size_t n = 0;

	for (const struct model_option *o = dev->model->options; o && o->key && n < 60; o++)
		names[n++] = o->key;
	for (const struct model_option *o = description_common_options; o->key && n < 63; o++)
		names[n++] = o->key;
	names[n] = NULL;
	near = closest_match(key, names);
	if (near)
		return fail(err, err_size,
			    "%s: unknown option \"%s\"; did you mean \"%s\"? (`uvfio models %s` "
			    "lists them)",
			    dev->model->name, key, near, dev->model->name);
	return fail(err, err_size, "%s: unknown option \"%s\" (`uvfio models %s` lists them)",
		    dev->model->name, key, dev->model->name);
}

static int parse_switch(const struct description_device *dev, const char *key, const char *value,
			bool *out, char *err, size_t err_size)
{
	if (!strcmp(value, "on"))
		*out = true;
	else if (!strcmp(value, "off"))
		*out = false;
	else
		return fail(err, err_size, "%s: %s=%s: must be on or off", dev->model->name, key,
			    value);
	return 0;
}

static int set_address(struct description_device *dev, const char *value, char *err,
		       size_t err_size)
{
	if (pci_address_parse(value, &dev->rid))
		return fail(err, err_size, "%s: at=%s: not a PCI address; write it as 0000:01:00.0",
			    dev->model->name, value);
	if ((dev->rid >> 8 & 0xff) == 0)
		return fail(err, err_size,
			    "%s: at=%s: bus 00 holds the root ports; take a bus from 01 to ff",
			    dev->model->name, value);
	if (dev->rid >> 3 & 0x1f)
		return fail(err, err_size,
			    "%s: at=%s: a root port has one slot; the device number must be 00",
			    dev->model->name, value);
	dev->placed = true;
	return 0;
}

static int set_driver(struct description_device *dev, const char *value, char *err, size_t err_size)
{
	char *copy;

	if (!*value || strpbrk(value, "/ \n"))
		return fail(err, err_size,
			    "%s: driver=%s: not a driver's name; write driver=none for no driver",
			    dev->model->name, value);
	copy = FAIL_POINT() ? NULL : strdup(value);
	if (!copy)
		return no_memory(err, err_size);
	free(dev->driver);
	dev->driver = copy;
	return 0;
}

/* Relative names of files are made absolute: other processes have other directories. */
static char *absolute(const char *value, const char *base)
{
	char cwd[PATH_MAX], *path;

	if (*value == '/' || !*value)
		return strdup(value);
	if (!base)
		base = getcwd(cwd, sizeof(cwd));
	if (!base || asprintf(&path, "%s/%s", base, value) < 0)
		return NULL;
	return path;
}

static int add_option(struct description_device *dev, const char *key, const char *value,
		      const char *base, char *err, size_t err_size)
{
	struct description_option *options, *option;

	if (strpbrk(value, "\n\r"))
		return fail(err, err_size, "%s: %s: a value cannot hold a line break",
			    dev->model->name, key);
	if (!strcmp(key, "at"))
		return set_address(dev, value, err, err_size);
	if (!strcmp(key, "driver"))
		return set_driver(dev, value, err, err_size);
	if (!strcmp(key, "acs"))
		return parse_switch(dev, key, value, &dev->acs, err, err_size);
	if (!strcmp(key, "mmap"))
		return parse_switch(dev, key, value, &dev->mmap, err, err_size);
	if (!strcmp(key, "aer"))
		return parse_switch(dev, key, value, &dev->aer, err, err_size);
	if (!find_option(dev->model->options, key))
		return unknown_option(dev, key, err, err_size);
	if (description_device_option(dev, key))
		return fail(err, err_size, "%s: option \"%s\" is given twice; keep one of them",
			    dev->model->name, key);
	options = realloc(dev->options, (dev->num_options + 1) * sizeof(*options));
	if (!options)
		return no_memory(err, err_size);
	dev->options = options;
	option = &options[dev->num_options];
	option->key = FAIL_POINT() ? NULL : strdup(key);
	option->value = !strcmp(key, "file") || !strcmp(key, "pcap") ? absolute(value, base)
								     : strdup(value);
	if (!option->key || !option->value) {
		free(option->key);
		free(option->value);
		return no_memory(err, err_size);
	}
	dev->num_options++;
	return 0;
}

/* ---- devices --------------------------------------------------------------------------------- */

static void device_free(struct description_device *dev)
{
	if (!dev)
		return;
	for (size_t i = 0; i < dev->num_options; i++) {
		free(dev->options[i].key);
		free(dev->options[i].value);
	}
	free(dev->options);
	free(dev->driver);
	free(dev->backing);
	free(dev->net_dir);
	free(dev);
}

static int unknown_model(const char *name, char *err, size_t err_size)
{
	const char *names[64], *near;
	size_t n = 0;

	while (n < 63 && models[n]) {
		names[n] = models[n]->name;
		n++;
	}
	names[n] = NULL;
	near = closest_match(name, names);
	if (near)
		return fail(
			err, err_size,
			"unknown model \"%s\"; did you mean \"%s\"? (`uvfio models` lists them)",
			name, near);
	return fail(err, err_size, "unknown model \"%s\" (`uvfio models` lists them)", name);
}

static int device_create(const char *model, struct description_device **out, char *err,
			 size_t err_size)
{
	struct description_device *dev = FAIL_POINT() ? NULL : calloc(1, sizeof(*dev));

	if (!dev)
		return no_memory(err, err_size);
	dev->acs = true;
	dev->mmap = true;
	dev->driver = FAIL_POINT() ? NULL : strdup("vfio-pci");
	dev->model = model_find(model);
	dev->config =
		(struct model_config){ .get = config_get, .is_set = config_is_set, .priv = dev };
	if (!dev->driver || !dev->model) {
		int ret = dev->driver ? unknown_model(model, err, err_size)
				      : no_memory(err, err_size);

		device_free(dev);
		return ret;
	}
	*out = dev;
	return 0;
}

static int device_take(struct description *desc, struct description_device *dev, char *err,
		       size_t err_size)
{
	struct description_device **devices = realloc(
		desc->devices, (desc->num_devices + 1) * sizeof(struct description_device *));

	if (!devices) {
		device_free(dev);
		return no_memory(err, err_size);
	}
	desc->devices = devices;
	devices[desc->num_devices++] = dev;
	return 0;
}

/* Cuts the next comma-separated word off *@text into malloc'ed memory; two commas stand for one. */
static char *next_word(const char **text)
{
	char *word = malloc(strlen(*text) + 1), *out = word;
	const char *p = *text;

	if (!word)
		return NULL;
	for (; *p; p++) {
		if (*p == ',') {
			if (p[1] != ',')
				break;
			p++;
		}
		*out++ = *p;
	}
	*out = '\0';
	*text = *p ? p + 1 : NULL;
	return word;
}

static int add_word(struct description_device *dev, char *word, char *err, size_t err_size)
{
	char *value = strchr(word, '=');

	if (!value)
		return fail(err, err_size, "%s: \"%s\" is no option; write KEY=VALUE",
			    dev->model->name, word);
	*value++ = '\0';
	return add_option(dev, word, value, NULL, err, err_size);
}

int description_add_device(struct description *desc, const char *text, char *err, size_t err_size)
{
	struct description_device *dev = NULL;
	char *word = next_word(&text);
	int ret;

	if (!word)
		return no_memory(err, err_size);
	ret = device_create(word, &dev, err, err_size);
	free(word);
	while (!ret && text) {
		word = next_word(&text);
		ret = word ? add_word(dev, word, err, err_size) : no_memory(err, err_size);
		free(word);
	}
	if (ret) {
		device_free(dev);
		return ret;
	}
	return device_take(desc, dev, err, err_size);
}

int description_device_begin(struct description *desc, const char *model,
			     struct description_device **out, char *err, size_t err_size)
{
	int ret = device_create(model, out, err, err_size);

	return ret ? ret : device_take(desc, *out, err, err_size);
}

int description_device_set(struct description_device *dev, const char *key, const char *value,
			   const char *base, char *err, size_t err_size)
{
	return add_option(dev, key, value, base, err, err_size);
}

/* ---- the whole ------------------------------------------------------------------------------- */

int description_create(struct description **out)
{
	*out = FAIL_POINT() ? NULL : calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void description_free(struct description *desc)
{
	if (!desc)
		return;
	for (size_t i = 0; i < desc->num_devices; i++)
		device_free(desc->devices[i]);
	free(desc->devices);
	for (size_t i = 0; i < desc->num_modules; i++)
		free(desc->modules[i]);
	free(desc->modules);
	free(desc->load);
	free(desc);
}

static const char *const iommu_names[] = { "amd", "intel", "none", NULL };

int description_set_iommu(struct description *desc, const char *name, char *err, size_t err_size)
{
	for (int i = 0; iommu_names[i]; i++) {
		if (strcmp(name, iommu_names[i]))
			continue;
		desc->iommu = (enum description_iommu)i;
		desc->iommu_given = true;
		return 0;
	}
	return fail(err, err_size, "iommu \"%s\" is not known; take amd, intel or none", name);
}

int description_set_noiommu(struct description *desc, const char *text, char *err, size_t err_size)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return fail(err, err_size, "noiommu=%s: must be on or off", text);
	desc->noiommu = !strcmp(text, "on");
	return 0;
}

/* 0 or -ENOMEM. */
static int add_module(struct description *desc, const char *path)
{
	char **modules =
		FAIL_POINT() ? NULL
			     : realloc(desc->modules, (desc->num_modules + 1) * sizeof(*modules));
	char *copy = FAIL_POINT() ? NULL : strdup(path);

	if (modules)
		desc->modules = modules;
	if (!modules || !copy) {
		free(copy);
		return -ENOMEM;
	}
	desc->modules[desc->num_modules++] = copy;
	return 0;
}

/* One of the session's own. 0 or -ENOMEM. */
static int add_load(struct description *desc, const char *name)
{
	char *load = NULL;

	if (FAIL_POINT() || asprintf(&load, "%s %s", desc->load ? desc->load : "", name) < 0)
		return -ENOMEM;
	free(desc->load);
	desc->load = load;
	return 0;
}

int description_add_module(struct description *desc, const char *path, const char *base, char *err,
			   size_t err_size)
{
	char full[PATH_MAX], real[PATH_MAX];

	if (!strchr(path, '/') && module_find(path))
		return add_load(desc, module_find(path)->name);
	snprintf(full, sizeof(full), "%s%s%s", base && path[0] != '/' ? base : "",
		 base && path[0] != '/' ? "/" : "", path);
	if (!realpath(full, real))
		return fail(err, err_size,
			    "module %s: %s; name one of the session's, such as mtty, or a shared "
			    "object",
			    path, strerror(errno));
	if (strchr(real, '\n'))
		return fail(err, err_size, "module %s: a line break in the name", path);
	if (add_module(desc, real)) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	return 0;
}

int description_set_hugepages(struct description *desc, const char *text, char *err,
			      size_t err_size)
{
	return huge_config_parse(text, &desc->huge, err, err_size);
}

static struct description_device *find_rid(const struct description *desc, uint32_t rid)
{
	for (size_t i = 0; i < desc->num_devices; i++)
		if (desc->devices[i]->placed && desc->devices[i]->rid == rid)
			return desc->devices[i];
	return NULL;
}

static bool bus_taken(const struct description *desc, uint32_t bus)
{
	for (size_t i = 0; i < desc->num_devices; i++)
		if (desc->devices[i]->placed && bus >= desc->devices[i]->rid >> 8 &&
		    bus <= description_last_bus(desc->devices[i]))
			return true;
	return false;
}

/* The first bus from @bus on where @dev fits with its virtual functions; 256: none. */
static uint32_t free_bus(const struct description *desc, struct description_device *dev,
			 uint32_t bus)
{
	for (; bus < 256; bus++) {
		uint32_t last;
		bool taken = false;

		dev->rid = bus << 8;
		last = description_last_bus(dev);
		for (uint32_t b = bus; b <= last && !taken; b++)
			taken = b > 255 || bus_taken(desc, b);
		if (!taken)
			return bus;
	}
	return bus;
}

static int check_addresses(const struct description *desc, char *err, size_t err_size)
{
	char at[PCI_ADDRESS_LEN], zero[PCI_ADDRESS_LEN];
	int ret;

	for (size_t i = 0; i < desc->num_devices; i++) {
		const struct description_device *dev = desc->devices[i];

		if (!dev->placed)
			continue;
		if (find_rid(desc, dev->rid) != dev)
			return fail(err, err_size,
				    "%s: at=%s: the address is taken by another device; leave at= "
				    "out to get the next free one",
				    dev->model->name, pci_address_format(dev->rid, at));
		if ((dev->rid & 7) && !find_rid(desc, dev->rid & ~7U))
			return fail(err, err_size,
				    "%s: at=%s: a device needs a function 0; put one at %s first",
				    dev->model->name, pci_address_format(dev->rid, at),
				    pci_address_format(dev->rid & ~7U, zero));
		ret = description_check_vfs(desc, dev, err, err_size);
		if (ret)
			return ret;
	}
	return 0;
}

/* The wire that @dev is plugged into, or NULL. */
static const char *wire_of(const struct description_device *dev)
{
	const char *net = description_device_option(dev, "net");

	return net && !strncmp(net, "wire:", 5) ? net : NULL;
}

static int check_wires(const struct description *desc, char *err, size_t err_size)
{
	for (size_t i = 0; i < desc->num_devices; i++) {
		const char *wire = wire_of(desc->devices[i]);
		unsigned int ends = 0;

		for (size_t j = 0; wire && j <= i; j++) {
			const char *other = wire_of(desc->devices[j]);

			ends += other && !strcmp(wire, other);
		}
		if (ends > 2)
			return fail(err, err_size,
				    "%s: net=%s: a wire has two ends, and this is the third card; "
				    "take another name",
				    desc->devices[i]->model->name, wire);
	}
	return 0;
}

int description_finish(struct description *desc, char *err, size_t err_size)
{
	uint32_t bus = 1;
	int ret;

	if (!desc->num_devices) {
		ret = description_add_device(desc, DEFAULT_DEVICE, err, err_size);
		if (ret)
			return ret;
	}
	if (desc->num_devices > MAX_DEVICES)
		return fail(err, err_size, "%zu devices are too many; a machine has at most %d",
			    desc->num_devices, MAX_DEVICES);
	ret = check_addresses(desc, err, err_size);
	if (!ret)
		ret = check_wires(desc, err, err_size);
	if (ret)
		return ret;
	for (size_t i = 0; i < desc->num_devices; i++) {
		struct description_device *dev = desc->devices[i];

		if (dev->placed)
			continue;
		bus = free_bus(desc, dev, bus);
		if (bus == 256)
			return fail(err, err_size,
				    "%s: no bus is free in domain 0000; give at=0001:01:00.0",
				    dev->model->name);
		dev->rid = bus << 8;
		dev->placed = true;
	}
	return 0;
}

/* ---- the session's form ---------------------------------------------------------------------- */

static void write_value(FILE *file, const char *value)
{
	for (; *value; value++) {
		if (*value == ',')
			fputc(',', file);
		fputc(*value, file);
	}
}

int description_write(const struct description *desc, const char *path)
{
	char at[PCI_ADDRESS_LEN];
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return -errno;
	fprintf(file, "iommu %s\n", iommu_names[desc->iommu]);
	for (size_t i = 0; i < desc->num_modules; i++)
		fprintf(file, "module %s\n", desc->modules[i]);
	for (size_t i = 0; i < desc->num_devices; i++) {
		const struct description_device *dev = desc->devices[i];

		fprintf(file, "device %s,at=%s,driver=%s,acs=%s,mmap=%s,aer=%s", dev->model->name,
			pci_address_format(dev->rid, at), dev->driver, dev->acs ? "on" : "off",
			dev->mmap ? "on" : "off", dev->aer ? "on" : "off");
		for (size_t j = 0; j < dev->num_options; j++) {
			fprintf(file, ",%s=", dev->options[j].key);
			write_value(file, dev->options[j].value);
		}
		fputc('\n', file);
	}
	failed = ferror(file) != 0;
	if (fclose(file) || failed)
		return errno ? -errno : -EIO;
	return 0;
}

int description_read(struct description *desc, const char *path, char *err, size_t err_size)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int ret = 0;

	if (!file) {
		ret = -errno;
		snprintf(err, err_size, "cannot read %s: %s", path, strerror(-ret));
		return ret;
	}
	while (!ret && (len = getline(&line, &size, file)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (!strncmp(line, "iommu ", 6))
			ret = description_set_iommu(desc, line + 6, err, err_size);
		else if (!strncmp(line, "module ", 7))
			ret = add_module(desc, line + 7) ? fail(err, err_size, "no memory") : 0;
		else if (!strncmp(line, "device ", 7))
			ret = description_add_device(desc, line + 7, err, err_size);
		else
			ret = fail(err, err_size, "%s: not a session's description", path);
	}
	free(line);
	fclose(file);
	return ret ? ret : description_finish(desc, err, err_size);
}
