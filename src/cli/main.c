/* SPDX-License-Identifier: BSD-3-Clause */
/* `uvfio`: subcommands. Each parses its own arguments with argp. */
#include <argp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/tool.h"

struct command {
	const char *name, *help;
	int (*fn)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "run", "make a machine and run a command in it", cmd_run },
	{ "ls", "list the devices, groups and drivers of a session", cmd_ls },
	{ "models", "list the device models with their options", cmd_models },
	{ "bind", "bind a device to a driver", cmd_bind },
	{ "unbind", "unbind a device from its driver", cmd_unbind },
	{ "mdev", "list, make and remove mediated devices", cmd_mdev },
	{ "inject", "make a device report an error", cmd_inject },
	{ "dmesg", "print a session's kernel log", cmd_dmesg },
	{ "version", "print the version", cmd_version },
	{ "keeper", NULL, cmd_keeper },
	{ "tool", NULL, cmd_tool },
};

int fail(const char *format, ...)
{
	va_list ap;

	fputs("uvfio: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static void help(FILE *out)
{
	fputs("Usage: uvfio COMMAND [OPTION…]\n"
	      "VFIO without the hardware: run programs against emulated PCI devices.\n\n",
	      out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].help)
			fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].help);
	fputs("\n`uvfio COMMAND --help` tells more. For example:\n"
	      "  uvfio run -d nvme,file=disk.img -- qemu-img info nvme://0000:01:00.0/1\n",
	      out);
}

int cmd_version(int argc, char **argv)
{
	puts("uvfio " UVFIO_VERSION);
	return 0;
}

/* What the library has to say before there is a kernel log. */
static void log_to_stderr(void *arg, enum log_level level, const char *message)
{
	if (level <= LOG_WARN)
		fail("%s", message);
}

int main(int argc, char **argv)
{
	char name[64];
	int status;

	/* Called by the name of a tool, through one of the session's links. */
	status = run_tool(argv[0] ? argv[0] : "", argc, argv);
	if (status >= 0)
		return status;
	argp_err_exit_status = EXIT_USAGE;
	log_set_sink(log_to_stderr, NULL);
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cmd_version(argc, argv);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		snprintf(name, sizeof(name), "uvfio %s", commands[i].name);
		argv[1] = name;
		return commands[i].fn(argc - 1, argv + 1);
	}
	return fail("unknown command \"%s\" (`uvfio --help` lists them)", argv[1]);
}
