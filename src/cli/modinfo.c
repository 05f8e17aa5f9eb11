/* SPDX-License-Identifier: BSD-3-Clause */
/* modinfo(8) on the session's modules. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/kmod.h"
#include "cli/tool.h"

struct modinfo {
	const char *field; /* only this one; NULL: all */
	char end;
	bool by_name;
};

static const struct option options[] = {
	{ "author", no_argument, 0, 'a' },
	{ "description", no_argument, 0, 'd' },
	{ "license", no_argument, 0, 'l' },
	{ "parameters", no_argument, 0, 'p' },
	{ "filename", no_argument, 0, 'n' },
	{ "null", no_argument, 0, '0' },
	{ "modname", no_argument, 0, 'm' },
	{ "field", required_argument, 0, 'F' },
	{ "set-version", required_argument, 0, 'k' },
	{ "basedir", required_argument, 0, 'b' },
	{ "version", no_argument, 0, 'V' },
	{ "help", no_argument, 0, 'h' },
	{ NULL, 0, 0, 0 },
};

static void print(const struct modinfo *mi, const char *key, const char *value)
{
	if (!value)
		return;
	if (mi->field) {
		if (!strcmp(mi->field, key))
			printf("%s%c", value, mi->end);
	} else if (mi->end && strcmp(key, "filename")) {
		printf("%s:%-*s%s\n", key, 15 - (int)strlen(key), "", value);
	} else if (mi->end) {
		printf("filename:       %s\n", value);
	} else {
		printf("%s=%s%c", key, value, mi->end);
	}
}

static int print_alias(void *arg, const struct module_info *info, const char *alias)
{
	print(arg, "alias", alias);
	return 0;
}

/* The names as files have them: "vfio-pci-core,vfio". */
static void depends_text(const struct module_info *info, char *out, size_t size)
{
	char names[512], *save = NULL;
	size_t len = 0;

	out[0] = '\0';
	snprintf(names, sizeof(names), "%s", info->depends);
	for (char *dep = strtok_r(names, " ", &save); dep; dep = strtok_r(NULL, " ", &save)) {
		const char *path = module_find(dep)->path, *base = strrchr(path, '/') + 1;

		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%.*s", len ? "," : "",
						(int)(strrchr(base, '.') - base), base);
	}
}

static void print_parms(const struct modinfo *mi, const struct module_info *info)
{
	char text[512];

	for (const struct module_parm *p = info->parms; p && p->name; p++) {
		snprintf(text, sizeof(text), "%s:%s (%s)", p->name, p->description, p->type);
		print(mi, "parm", text);
	}
}

static void print_module(struct modinfo *mi, const struct module_info *info)
{
	char path[256], depends[512], vermagic[160];
	struct utsname system;

	uname(&system);
	kmod_path(info, path, sizeof(path));
	depends_text(info, depends, sizeof(depends));
	snprintf(vermagic, sizeof(vermagic), "%s SMP preempt mod_unload modversions ",
		 system.release);
	print(mi, "filename", path);
	print(mi, "version", info->version);
	print(mi, "description", info->description);
	print(mi, "author", info->author);
	print(mi, "license", info->license);
	print(mi, "softdep", info->softdep);
	kmod_for_each_alias(info, print_alias, mi);
	print(mi, "depends", depends);
	print(mi, "retpoline", "Y");
	print(mi, "intree", "Y");
	print(mi, "name", info->name);
	print(mi, "vermagic", vermagic);
	print_parms(mi, info);
}

static int show(struct modinfo *mi, const char *name)
{
	const struct module_info *info = kmod_of_path(name);
	struct kmod_config none = { { NULL } };
	struct kmod_list list = { .count = 0 };

	if (strchr(name, '/')) {
		kmod_list_add(&list, info, false);
	} else if (mi->by_name) {
		kmod_list_add(&list, module_find(name), false);
		if (!list.count) {
			kmod_err("Module name %s not found.\n", name);
			return -ENOENT;
		}
	} else {
		kmod_lookup(&none, name, &list);
	}
	if (!list.count) {
		kmod_err("Module %s not found.\n", name);
		return -ENOENT;
	}
	for (size_t i = 0; i < list.count; i++)
		print_module(mi, list.modules[i]);
	return 0;
}

int tool_modinfo(int argc, char **argv)
{
	static const struct {
		int option;
		const char *field;
	} fields[] = { { 'a', "author" },
		       { 'd', "description" },
		       { 'l', "license" },
		       { 'p', "parm" },
		       { 'n', "filename" } };
	struct modinfo mi = { .end = '\n' };
	int c, status = EXIT_SUCCESS;

	kmod_start("modinfo");
	kmod_verbosity = LOG_ERR;
	while ((c = getopt_long(argc, argv, "adlpn0mF:k:b:Vh", options, NULL)) != -1) {
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (fields[i].option == c)
				mi.field = fields[i].field;
		if (c == 'F')
			mi.field = optarg;
		else if (c == '0')
			mi.end = '\0';
		else if (c == 'm')
			mi.by_name = true;
		else if (c == '?')
			return EXIT_FAILURE;
		if (c == 'V' || c == 'h') {
			if (c == 'V')
				kmod_version();
			else
				puts("Usage:\n\tmodinfo [-a|-d|-l|-p|-n|-F FIELD] [-0] [-m] "
				     "modulename...\nThis is uvfio's, for the modules of a "
				     "session.");
			return EXIT_SUCCESS;
		}
	}
	if (optind >= argc) {
		kmod_err("missing module or filename.\n");
		return EXIT_FAILURE;
	}
	for (int i = optind; i < argc; i++)
		if (show(&mi, argv[i]))
			status = EXIT_FAILURE;
	return status;
}
