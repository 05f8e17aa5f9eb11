/* SPDX-License-Identifier: BSD-3-Clause */
/* `uvfio bind`, `uvfio unbind`: what one writes into sysfs, in one step. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "machine/machine.h"

struct args {
	const char *session, *device, *driver;
	bool unbind;
};

static const struct argp_option options[] = {
	OPTION_SESSION,
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 's':
		args->session = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!args->device)
			args->device = device_name(arg);
		else if (!args->driver && !args->unbind)
			args->driver = arg;
		else
			exit(fail("one argument too many: \"%s\"", arg));
		return 0;
	case ARGP_KEY_END:
		if (!args->device)
			exit(fail("which device? `uvfio ls` lists them"));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Writes @text to the attribute @path of the program's view. 0 or -errno. */
static int write_attr(struct uvfio_machine *machine, const char *path, const char *text)
{
	ssize_t ret = machine_write(machine, path, text, strlen(text));

	return ret < 0 ? (int)ret : 0;
}

/* Whether the tree has /sys/bus/pci/@kind/@name. */
static bool there(const struct session *session, const char *kind, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/%s/%s", session_dir(session), kind, name);
	return access(path, F_OK) == 0;
}

static int check_names(const struct session *session, const struct args *args)
{
	if (!there(session, "devices", args->device))
		return fail("%s: no such device; `uvfio ls` lists them", args->device);
	if (args->driver && !there(session, "drivers", args->driver))
		return fail("%s: no such driver; take vfio-pci", args->driver);
	return 0;
}

static int do_unbind(struct uvfio_machine *machine, const struct args *args)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", args->device);
	return write_attr(machine, path, args->device);
}

static int do_bind(struct uvfio_machine *machine, const struct args *args)
{
	const char *driver = args->driver ? args->driver : "vfio-pci";
	char path[256];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", args->device);
	ret = write_attr(machine, path, driver);
	if (ret)
		return ret;
	/* What has another driver gives it back first; what has none, fails there. */
	ret = do_unbind(machine, args);
	if (ret && ret != -ENOENT)
		return ret;
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return write_attr(machine, path, args->device);
}

static int run_with_machine(struct args *args,
			    int (*fn)(struct uvfio_machine *, const struct args *))
{
	struct uvfio_machine *machine;
	struct session *session;
	char err[512];
	int ret;

	if (open_session(args->session, &session))
		return EXIT_USAGE;
	ret = machine_attach(session, &machine, err, sizeof(err));
	if (ret)
		return fail("%s: the machine cannot be built: %s", session_dir(session), err);
	ret = check_names(session, args);
	if (!ret)
		ret = fn(machine, args);
	if (ret < 0)
		ret = ret == -ENOENT ? fail("%s: bound to no driver", args->device)
				     : fail("%s: %s", args->device, strerror(-ret));
	machine_detach(machine);
	session_close(session);
	return ret;
}

int cmd_bind(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "DEVICE [DRIVER]",
		.doc = "Bind DEVICE to DRIVER (vfio-pci), taking it from the driver that has it.",
	};
	struct args args = { 0 };

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	return run_with_machine(&args, do_bind);
}

int cmd_unbind(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "DEVICE",
		.doc = "Unbind DEVICE from its driver; waits until its user has closed it.",
	};
	struct args args = { .unbind = true };

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	return run_with_machine(&args, do_unbind);
}
