/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machine descriptions as INI files, read by libinih. Section [machine] holds `iommu`, `noiommu`,
 * `hugepages` and `module`; every other section is a device, named freely or by its address, and
 * begins with `model`.
 */
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/description.h"
#include "machine/description_priv.h"

/* The library reads lines into a buffer of this size and would cut longer ones. */
#define LINE_MAX_CHARS (INI_MAX_LINE - 2)

struct ini {
	struct description *desc;
	const char *path;
	char *base; /* the file's directory */
	FILE *file;
	char section[64];
	struct description_device *dev; /* of the section; NULL: its model is not known yet */
	int line;
	bool long_line;
	int section_line; /* of a section of which no key was seen yet; 0: none */
	char empty[64];	  /* its name */
	int ret;
	char message[512];
};

static int set_machine(struct ini *ini, const char *key, const char *value)
{
	if (!strcmp(key, "iommu"))
		return description_set_iommu(ini->desc, value, ini->message, sizeof(ini->message));
	if (!strcmp(key, "noiommu"))
		return description_set_noiommu(ini->desc, value, ini->message,
					       sizeof(ini->message));
	if (!strcmp(key, "hugepages"))
		return description_set_hugepages(ini->desc, value, ini->message,
						 sizeof(ini->message));
	if (!strcmp(key, "module"))
		return description_add_module(ini->desc, value, ini->base, ini->message,
					      sizeof(ini->message));
	snprintf(ini->message, sizeof(ini->message),
		 "[machine]: unknown key \"%s\"; it has iommu, noiommu, hugepages and module", key);
	return -EINVAL;
}

static int set_device(struct ini *ini, const char *key, const char *value)
{
	uint32_t rid;
	int ret;

	if (!strcmp(key, "model")) {
		if (ini->dev) {
			snprintf(ini->message, sizeof(ini->message),
				 "[%s]: a second model; give each device a section name of its own",
				 ini->section);
			return -EINVAL;
		}
		ret = description_device_begin(ini->desc, value, &ini->dev, ini->message,
					       sizeof(ini->message));
		if (ret || pci_address_parse(ini->section, &rid))
			return ret;
		return description_device_set(ini->dev, "at", ini->section, NULL, ini->message,
					      sizeof(ini->message));
	}
	if (!ini->dev) {
		snprintf(ini->message, sizeof(ini->message),
			 "[%s]: \"%s\" before the model; begin the section with model=",
			 ini->section, key);
		return -EINVAL;
	}
	ret = description_device_set(ini->dev, key, value, ini->base, ini->message,
				     sizeof(ini->message));
	if (!ret && !pci_address_parse(ini->section, &rid) && ini->dev->rid != rid) {
		snprintf(ini->message, sizeof(ini->message),
			 "[%s]: at=%s says otherwise; leave one of them out", ini->section, value);
		return -EINVAL;
	}
	return ret;
}

static int handle(void *user, const char *section, const char *key, const char *value)
{
	struct ini *ini = user;

	if (ini->ret)
		return 0;
	ini->section_line = 0;
	if (strcmp(section, ini->section)) {
		snprintf(ini->section, sizeof(ini->section), "%s", section);
		ini->dev = NULL;
	}
	if (!*section) {
		snprintf(
			ini->message, sizeof(ini->message),
			"\"%s\" stands before any section; begin with [machine] or a device's name",
			key);
		ini->ret = -EINVAL;
	} else if (!strcmp(section, "machine")) {
		ini->ret = set_machine(ini, key, value ? value : "");
	} else {
		ini->ret = set_device(ini, key, value ? value : "");
	}
	return ini->ret == 0;
}

/* A section that has ended without a key is no device, and no mistake to be silent about. */
static bool empty_section(struct ini *ini)
{
	if (!ini->section_line || !strcmp(ini->empty, "machine"))
		return false;
	snprintf(ini->message, sizeof(ini->message),
		 "[%s]: a device without a model; begin the section with model=", ini->empty);
	ini->line = ini->section_line;
	ini->ret = -EINVAL;
	return true;
}

static void note_section(struct ini *ini, const char *line)
{
	const char *name = line + strspn(line, " \t");
	size_t len;

	if (*name != '[' || empty_section(ini))
		return;
	len = strcspn(++name, "]");
	snprintf(ini->empty, sizeof(ini->empty), "%.*s", (int)MIN(len, sizeof(ini->empty) - 1),
		 name);
	ini->section_line = ini->line;
}

/* fgets() that counts lines and notices those which do not fit. */
static char *read_line(char *buf, int size, void *stream)
{
	struct ini *ini = stream;
	size_t len;

	if (ini->ret || ini->long_line || !fgets(buf, size, ini->file))
		return NULL;
	ini->line++;
	len = strlen(buf);
	if (len && buf[len - 1] != '\n' && !feof(ini->file)) {
		ini->long_line = true;
		return NULL;
	}
	note_section(ini, buf);
	return ini->ret ? NULL : buf;
}

int description_parse_file(struct description *desc, const char *path, char *err, size_t err_size)
{
	struct ini ini = { .desc = desc, .path = path };
	char real[PATH_MAX], *slash;
	int bad;

	ini.file = fopen(path, "re");
	if (!ini.file) {
		int ret = -errno;

		snprintf(err, err_size, "cannot read the machine description %s: %s", path,
			 strerror(-ret));
		return ret;
	}
	if (realpath(path, real)) {
		slash = strrchr(real, '/');
		*slash = '\0';
		ini.base = real;
	}
	errno = 0;
	bad = ini_parse_stream(read_line, &ini, handle, &ini);
	/* A directory opens, and says so at the first read. */
	if (ferror(ini.file)) {
		int ret = errno ? -errno : -EIO;

		fclose(ini.file);
		snprintf(err, err_size, "cannot read the machine description %s: %s", path,
			 strerror(-ret));
		return ret;
	}
	fclose(ini.file);
	if (!ini.ret && !bad && !ini.long_line)
		empty_section(&ini);
	if (ini.long_line) {
		snprintf(err, err_size,
			 "%s:%d: the line is longer than %d characters; use -d for it", path,
			 ini.line, LINE_MAX_CHARS);
		return -EINVAL;
	}
	if (ini.ret) {
		snprintf(err, err_size, "%s:%d: %s", path, ini.line, ini.message);
		return ini.ret;
	}
	if (bad) {
		snprintf(err, err_size, "%s:%d: neither [section] nor KEY = VALUE", path, bad);
		return -EINVAL;
	}
	return 0;
}
