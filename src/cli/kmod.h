/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's modprobe, insmod, rmmod, lsmod and modinfo: what they share. They speak and end as
 * kmod's do, and act on the session's modules (machine/modules.h).
 */
#ifndef CLI_KMOD_H
#define CLI_KMOD_H

#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

#include "machine/machine.h"
#include "machine/modules.h"

/* Messages up to this priority are shown; one of LOG_CRIT ends the program with status 1. */
extern int kmod_verbosity;
/* "modprobe: ERROR: …" on stderr, or to syslog. @format ends with a newline. */
void kmod_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define kmod_err(...) kmod_log(LOG_ERR, __VA_ARGS__)
/* How the messages begin, and where they go. */
void kmod_start(const char *name);
void kmod_use_syslog(void);
void kmod_version(void);

/* The session's machine. 0 or EXIT_FAILURE with a message. */
int kmod_open(struct uvfio_machine **machine);

/* "/lib/modules/RELEASE". */
const char *kmod_directory(void);
/* "/lib/modules/RELEASE/kernel/drivers/vfio/pci/vfio-pci.ko" */
void kmod_path(const struct module_info *info, char *out, size_t size);
/* The module of a file's name; NULL: none of ours. */
const struct module_info *kmod_of_path(const char *path);
/* Calls @fn with each alias of the module; stops when it returns non-zero and returns that. */
int kmod_for_each_alias(const struct module_info *info,
			int (*fn)(void *arg, const struct module_info *info, const char *alias),
			void *arg);

/* Arguments behind the module's name as one line of parameters. malloc'ed; NULL: out of memory. */
char *kmod_join_options(char *const *args, int count);

/* ---- modprobe.d (kmod_config.c) -------------------------------------------------------------- */

enum kmod_directive {
	KMOD_BLACKLIST,
	KMOD_INSTALL,
	KMOD_REMOVE,
	KMOD_ALIAS,
	KMOD_OPTIONS,
	KMOD_SOFTDEP,
	KMOD_DIRECTIVES,
};

struct kmod_line {
	char *key, *value; /* NULL value: blacklist */
	struct kmod_line *next;
};

struct kmod_config {
	struct kmod_line *lines[KMOD_DIRECTIVES];
};

extern const char *const kmod_directive_names[KMOD_DIRECTIVES];

/* Reads @paths (files or directories), or with none those that kmod reads. */
void kmod_config_read(struct kmod_config *config, const char *const *paths, size_t count);
void kmod_config_free(struct kmod_config *config);
/* The value of the first line whose key is the module's @name, or NULL. */
const char *kmod_config_find(const struct kmod_config *config, enum kmod_directive which,
			     const char *name);
/* Two names are the same module's: - and _ are alike. */
bool kmod_same_name(const char *a, const char *b);

#define KMOD_MODULES_MAX 64

/* A list of modules without doubles. */
struct kmod_list {
	const struct module_info *modules[KMOD_MODULES_MAX];
	bool by_alias[KMOD_MODULES_MAX]; /* found by an alias, not by its name */
	size_t count;
};

void kmod_list_add(struct kmod_list *list, const struct module_info *info, bool by_alias);
/* What @alias names: an alias of the configuration, a module, or an alias of modules. */
void kmod_lookup(const struct kmod_config *config, const char *alias, struct kmod_list *list);
/* The names behind "pre:" or "post:" in @info's soft dependencies. */
void kmod_softdeps(const struct kmod_config *config, const struct module_info *info,
		   const char *which, struct kmod_list *list);
/* @info's dependencies, all of them, in the order in which they are loaded. */
void kmod_dependencies(const struct module_info *info, struct kmod_list *list);

#endif
