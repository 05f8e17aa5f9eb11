/* SPDX-License-Identifier: BSD-3-Clause */
/* insmod(8), rmmod(8), lsmod(8) on the session's modules. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/kmod.h"
#include "cli/tool.h"

static const struct option options[] = {
	{ "force", no_argument, 0, 'f' },	   { "force-modversion", no_argument, 0, 'f' },
	{ "force-vermagic", no_argument, 0, 'f' }, { "syslog", no_argument, 0, 's' },
	{ "verbose", no_argument, 0, 'v' },	   { "version", no_argument, 0, 'V' },
	{ "help", no_argument, 0, 'h' },	   { NULL, 0, 0, 0 },
};

/* The options that the three have: -1, or the status to end with. */
static int take_options(int argc, char **argv, const char *accepted, const char *usage)
{
	int c;

	kmod_start(argv[0]);
	kmod_verbosity = LOG_ERR;
	while ((c = getopt_long(argc, argv, accepted, options, NULL)) != -1) {
		switch (c) {
		case 's':
			kmod_use_syslog();
			break;
		case 'v':
			kmod_verbosity++;
			break;
		case 'f': /* nothing is in the way that force would take away */
			break;
		case 'V':
			kmod_version();
			return EXIT_SUCCESS;
		case 'h':
			printf("Usage:\n\t%s\nThis is uvfio's, for the modules of a session.\n",
			       usage);
			return EXIT_SUCCESS;
		default:
			return EXIT_FAILURE;
		}
	}
	return -1;
}

/* ---- lsmod ----------------------------------------------------------------------------------- */

static void print_module(void *arg, const struct module_state *state)
{
	printf("%-19s %8u  %u", state->info->name, state->info->coresize, state->refcnt);
	if (state->holders[0])
		printf(" %.*s", (int)strlen(state->holders) - 1, state->holders);
	putchar('\n');
}

int tool_lsmod(int argc, char **argv)
{
	struct uvfio_machine *machine;

	if (argc != 1) {
		fprintf(stderr, "Usage: %s\n", argv[0]);
		return EXIT_FAILURE;
	}
	kmod_start(argv[0]);
	if (kmod_open(&machine))
		return EXIT_FAILURE;
	puts("Module                  Size  Used by");
	machine_for_each_module(machine, print_module, NULL);
	machine_detach(machine);
	return EXIT_SUCCESS;
}

/* ---- insmod ---------------------------------------------------------------------------------- */

static const char *insert_error(int error)
{
	switch (error) {
	case ENOEXEC:
		return "Invalid module format";
	case ENOENT:
		return "Unknown symbol in module";
	case ESRCH:
		return "Module has wrong symbol version";
	case EINVAL:
		return "Invalid parameters";
	default:
		return strerror(error);
	}
}

/* The session's modules have no files: a name below /lib/modules is as good as one. */
static bool there(const char *path, const struct module_info *info)
{
	char known[256];

	if (access(path, F_OK) == 0)
		return true;
	if (!info)
		return false;
	kmod_path(info, known, sizeof(known));
	return !strcmp(path, known) || (!strncmp(path, "/usr", 4) && !strcmp(path + 4, known));
}

int tool_insmod(int argc, char **argv)
{
	int status = take_options(argc, argv, "fsvVh", "insmod [options] filename [parameters]");
	struct uvfio_machine *machine;
	const struct module_info *info;
	char *params;
	int ret;

	if (status >= 0)
		return status;
	if (optind >= argc) {
		kmod_err("missing filename.\n");
		return EXIT_FAILURE;
	}
	if (!strcmp(argv[optind], "-")) {
		kmod_err("this tool does not support loading from stdin!\n");
		return EXIT_FAILURE;
	}
	info = kmod_of_path(argv[optind]);
	if (!there(argv[optind], info)) {
		kmod_err("could not load module %s: %s\n", argv[optind], strerror(ENOENT));
		return EXIT_FAILURE;
	}
	params = kmod_join_options(argv + optind + 1, argc - optind - 1);
	if (!params || kmod_open(&machine))
		return EXIT_FAILURE;
	ret = machine_module_load(machine, info ? info->name : "", params);
	if (ret)
		kmod_err("could not insert module %s: %s\n", argv[optind], insert_error(-ret));
	machine_detach(machine);
	free(params);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- rmmod ----------------------------------------------------------------------------------- */

/* Whether the module may go; 0 or -errno with a message. */
static int check_use(struct uvfio_machine *machine, const char *name)
{
	struct module_state state;

	if (!machine_module_loaded(machine, name, &state)) {
		kmod_err("Module %s is not currently loaded\n", name);
		return -ENOENT;
	}
	if (state.holders[0]) {
		for (char *p = state.holders; *p; p++)
			if (*p == ',')
				*p = p[1] ? ' ' : '\0';
		kmod_err("Module %s is in use by: %s\n", state.info->name, state.holders);
		return -EBUSY;
	}
	if (state.refcnt) {
		kmod_err("Module %s is in use\n", state.info->name);
		return -EBUSY;
	}
	return 0;
}

static int remove_module(struct uvfio_machine *machine, const char *arg)
{
	const struct module_info *info = kmod_of_path(arg);
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "%s", info ? info->name : arg);
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	ret = check_use(machine, name);
	if (ret)
		return ret;
	ret = machine_module_unload(machine, name);
	if (ret)
		kmod_err("could not remove module %s: %s\n", arg, strerror(-ret));
	return ret;
}

int tool_rmmod(int argc, char **argv)
{
	int status = take_options(argc, argv, "fsvVh", "rmmod [options] modulename...");
	struct uvfio_machine *machine;

	if (status >= 0)
		return status;
	if (optind >= argc) {
		kmod_err("missing module name.\n");
		return EXIT_FAILURE;
	}
	if (kmod_open(&machine))
		return EXIT_FAILURE;
	status = EXIT_SUCCESS;
	for (int i = optind; i < argc; i++)
		if (remove_module(machine, argv[i]))
			status = EXIT_FAILURE;
	machine_detach(machine);
	return status;
}
