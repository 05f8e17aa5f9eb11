/* SPDX-License-Identifier: BSD-3-Clause */
/* `uvfio inject`: an error of a device, where it hurts. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "machine/inject.h"
#include "machine/machine.h"

struct args {
	const char *session, *what, *device, *severity, *kind;
	struct pci_aer_error error;
};

static const struct argp_option options[] = {
	OPTION_SESSION,
	{ "header", 'H', "W,W,W,W", 0, "The header of the packet that was at fault", 0 },
	{ 0 },
};

/* Each severity's usual error. */
static const struct {
	const char *name, *kind;
	bool correctable, fatal;
} severities[] = {
	{ "corr", "BadTLP", true, false },
	{ "nonfatal", "CmpltTO", false, false },
	{ "fatal", "MalfTLP", false, true },
};

static int list_kinds(bool correctable)
{
	const char *const *names = correctable ? pci_aer_cor_names : pci_aer_uncor_names;
	char text[512] = "";

	for (int i = 0; i < (correctable ? 16 : 32); i++) {
		if (!names[i])
			continue;
		strcat(text, text[0] ? ", " : "");
		strcat(text, names[i]);
	}
	return fail("which error? A number, or of: %s", text);
}

/* "MalfTLP,ECRC" or a number. */
static int parse_kinds(const char *text, bool correctable, uint32_t *bits)
{
	char copy[256], *save = NULL, *word, *end;

	*bits = (uint32_t)strtoul(text, &end, 0);
	if (end != text && !*end)
		return *bits ? 0 : fail("an error of no kind is none");
	*bits = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		uint32_t bit = pci_aer_bit(word, correctable);

		if (!bit)
			return list_kinds(correctable);
		*bits |= bit;
	}
	return *bits ? 0 : list_kinds(correctable);
}

static int parse_error(struct args *args)
{
	for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
		const char *kind = args->kind ? args->kind : severities[i].kind;

		if (strcasecmp(args->severity, severities[i].name))
			continue;
		if (severities[i].correctable)
			return parse_kinds(kind, true, &args->error.cor);
		args->error.set_severity = true;
		args->error.fatal = severities[i].fatal;
		return parse_kinds(kind, false, &args->error.uncor);
	}
	return fail("\"%s\": how bad? corr, nonfatal or fatal", args->severity);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;
	uint32_t *h = args->error.header;

	switch (key) {
	case 's':
		args->session = arg;
		return 0;
	case 'H':
		if (sscanf(arg, "%x,%x,%x,%x", &h[0], &h[1], &h[2], &h[3]) != 4)
			exit(fail("--header %s: four words in hexadecimal, such as 4000001,f,0,0",
				  arg));
		return 0;
	case ARGP_KEY_ARG:
		if (!args->what)
			args->what = arg;
		else if (!args->device)
			args->device = device_name(arg);
		else if (!args->severity)
			args->severity = arg;
		else if (!args->kind)
			args->kind = arg;
		else
			exit(fail("one argument too many: \"%s\"", arg));
		return 0;
	case ARGP_KEY_END:
		if (!args->what || strcmp(args->what, "aer"))
			exit(fail("inject \"%s\": what? `uvfio inject aer DEVICE "
				  "corr|nonfatal|fatal [KIND]`",
				  args->what ? args->what : ""));
		if (!args->device)
			exit(fail("which device? `uvfio ls` lists them"));
		if (!args->severity)
			exit(fail("how bad? corr, nonfatal or fatal"));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int told(const char *device, int ret)
{
	switch (ret) {
	case 0:
		return 0;
	case -EPROTONOSUPPORT:
		return fail("%s: reports no errors; `-d MODEL,aer=on` makes one that does", device);
	case -EINVAL:
		return fail("%s: the error is masked in the device", device);
	case -ENODEV:
		return fail("%s: no such device behind a root port; `uvfio ls` lists them", device);
	default:
		return fail("%s: %s", device, strerror(-ret));
	}
}

int cmd_inject(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "aer DEVICE corr|nonfatal|fatal [KIND[,KIND...]]",
		.doc = "DEVICE detects an error of PCI Express and reports it; the kernel's log, "
		       "the counters in sysfs and the device's user hear of it.",
	};
	struct args args = { 0 };
	struct uvfio_machine *machine;
	struct session *session;
	char err[512];
	int ret;

	if (parse_arguments(&argp, argc, argv, 0, &args) || parse_error(&args))
		return EXIT_USAGE;
	if (open_session(args.session, &session))
		return EXIT_USAGE;
	ret = machine_attach(session, &machine, err, sizeof(err));
	if (ret)
		return fail("%s: the machine cannot be built: %s", session_dir(session), err);
	ret = told(args.device, machine_inject_aer(machine, args.device, &args.error));
	machine_detach(machine);
	session_close(session);
	return ret;
}
