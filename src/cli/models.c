/* SPDX-License-Identifier: BSD-3-Clause */
/* `uvfio models`: what -d can name. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "machine/description.h"
#include "models/models.h"

struct args {
	const char *model;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (args->model)
			exit(fail("one model at a time; leave the name out to see all"));
		args->model = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse_option,
	.args_doc = "[MODEL]",
	.doc = "List the device models with their options and defaults.",
};

static void print_options(const struct model_option *options)
{
	for (; options && options->key; options++) {
		const char *value = options->default_value ? options->default_value : "";

		printf("    %-10s %s%s%s%s\n", options->key, options->help, *value ? " (" : "",
		       value, *value ? ")" : "");
	}
}

int cmd_models(int argc, char **argv)
{
	struct args args = { 0 };

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	if (args.model && !model_find(args.model))
		return fail("unknown model \"%s\" (`uvfio models` lists them)", args.model);
	for (size_t i = 0; models[i]; i++) {
		if (args.model && strcmp(args.model, models[i]->name))
			continue;
		printf("%s: %s\n", models[i]->name, models[i]->summary);
		print_options(models[i]->options);
	}
	printf("every model:\n");
	print_options(description_common_options);
	return 0;
}
