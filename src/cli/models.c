/* SPDX-License-Identifier: BSD-3-Clause */
/* `uvfio models`: what -d can name. */
#include <argp.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "machine/description.h"
#include "models/models.h"

struct args {
	const char *model;
	bool json;
};

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
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
	.options = argp_options,
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

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *options_as_json(const struct model_option *option)
{
	json_t *list = json_array();

	for (; option && option->key; option++) {
		const char *value = option->default_value;
		json_t *object = json_pack("{s:s, s:s, s:s?}", "name", option->key, "help",
					   option->help, "default", value && *value ? value : NULL);

		json_array_append_new(list, object);
	}
	return list;
}

static int print_json(const struct args *args)
{
	json_t *list = json_array(), *root;
	int ret;

	for (size_t i = 0; models[i]; i++)
		if (!args->model || !strcmp(args->model, models[i]->name))
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:o}", "name", models[i]->name,
							"summary", models[i]->summary, "options",
							options_as_json(models[i]->options)));
	root = json_pack("{s:o, s:o}", "models", list, "every model",
			 options_as_json(description_common_options));
	ret = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
	json_decref(root);
	if (ret)
		return fail("out of memory");
	putchar('\n');
	return 0;
}

int cmd_models(int argc, char **argv)
{
	struct args args = { 0 };

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	if (args.model && !model_find(args.model))
		return fail("unknown model \"%s\" (`uvfio models` lists them)", args.model);
	if (args.json)
		return print_json(&args);
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
