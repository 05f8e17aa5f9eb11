/* SPDX-License-Identifier: BSD-3-Clause */
/* What the session's module commands share: messages, files' names, the session. */
#include "cli/kmod.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "machine/module_ids.h"

int kmod_verbosity = LOG_ERR;
static const char *program_name;
static bool use_syslog;

void kmod_start(const char *name)
{
	program_name = name;
}

void kmod_use_syslog(void)
{
	use_syslog = true;
	openlog(program_name, LOG_CONS, LOG_DAEMON);
}

void kmod_version(void)
{
	puts("kmod version 30");
	puts("uvfio " UVFIO_VERSION);
}

static const char *priority_name(int priority)
{
	static const char *const names[] = {
		[LOG_CRIT] = "FATAL",	 [LOG_ERR] = "ERROR", [LOG_WARNING] = "WARNING",
		[LOG_NOTICE] = "NOTICE", [LOG_INFO] = "INFO", [LOG_DEBUG] = "DEBUG",
	};

	return names[priority];
}

void kmod_log(int priority, const char *format, ...)
{
	va_list ap;
	char *text;

	if (priority > kmod_verbosity)
		return;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text && use_syslog)
		syslog(priority, "%s: %s", priority_name(priority), text);
	else if (text)
		fprintf(stderr, "%s: %s: %s", program_name, priority_name(priority), text);
	free(text);
	if (priority <= LOG_CRIT)
		exit(EXIT_FAILURE);
}

int kmod_open(struct uvfio_machine **machine)
{
	struct session *session;
	char err[512] = "";

	if (open_session(NULL, &session))
		return EXIT_FAILURE;
	if (machine_attach(session, machine, err, sizeof(err))) {
		kmod_err("%s\n", err);
		session_close(session);
		return EXIT_FAILURE;
	}
	return 0;
}

const char *kmod_directory(void)
{
	static char directory[128];
	struct utsname system;

	if (!directory[0]) {
		uname(&system);
		snprintf(directory, sizeof(directory), "/lib/modules/%s", system.release);
	}
	return directory;
}

void kmod_path(const struct module_info *info, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", kmod_directory(), info->path);
}

const struct module_info *kmod_of_path(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot;
	char name[64];

	path = slash ? slash + 1 : path;
	dot = strstr(path, ".ko");
	if (!dot || (dot[3] && dot[3] != '.'))
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
	return module_find(name);
}

int kmod_for_each_alias(const struct module_info *info,
			int (*fn)(void *arg, const struct module_info *info, const char *alias),
			void *arg)
{
	char alias[128];
	int ret = 0;

	for (const char *const *a = info->aliases; a && *a && !ret; a++)
		ret = fn(arg, info, *a);
	for (size_t i = 0; info->ids && i < module_ids_count(info->ids) && !ret; i++) {
		struct pci_device_id id = module_ids_get(info->ids, i);

		module_ids_alias(&id, alias, sizeof(alias));
		ret = fn(arg, info, alias);
	}
	return ret;
}

char *kmod_join_options(char *const *args, int count)
{
	size_t size = 1;
	char *line, *at;

	for (int i = 0; i < count; i++)
		size += strlen(args[i]) + 3;
	line = at = calloc(1, size);
	for (int i = 0; line && i < count; i++) {
		const char *value = strchr(args[i], '=');
		bool quote = value && value[1] != '"' && value[1] != '\'' && strchr(value, ' ');

		if (i)
			*at++ = ' ';
		at += quote ? sprintf(at, "%.*s\"%s\"", (int)(value + 1 - args[i]), args[i],
				      value + 1)
			    : sprintf(at, "%s", args[i]);
	}
	return line;
}
