/* SPDX-License-Identifier: BSD-3-Clause */
/* `uvfio dmesg`: the kernel log of a session. */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "machine/kmsg.h"

struct args {
	const char *session;
	bool follow, json;
};

static const struct argp_option options[] = {
	OPTION_SESSION,
	{ "follow", 'w', NULL, 0, "Wait for new messages", 0 },
	{ "json", 'j', NULL, 0, "As JSON; with --follow one object a line", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 's':
		args->session = arg;
		return 0;
	case 'w':
		args->follow = true;
		return 0;
	case 'j':
		args->json = true;
		return 0;
	case ARGP_KEY_ARG:
		exit(fail("one argument too many: \"%s\"", arg));
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static json_t *as_json(const struct kmsg_record *record)
{
	json_t *object = json_pack("{s:I, s:i, s:i, s:I, s:s}", "seq", (json_int_t)record->seq,
				   "facility", (int)record->priority >> 3, "level",
				   (int)record->priority & 7, "usec", (json_int_t)record->usec,
				   "text", record->text);

	if (object && record->subsystem)
		json_object_set_new(object, "subsystem", json_string(record->subsystem));
	if (object && record->device)
		json_object_set_new(object, "device", json_string(record->device));
	return object;
}

static void print(const struct args *args, const struct kmsg_record *record, json_t *list)
{
	json_t *object;

	if (!args->json) {
		printf("[%5llu.%06llu] %s\n", (unsigned long long)record->usec / 1000000,
		       (unsigned long long)record->usec % 1000000, record->text);
		return;
	}
	object = as_json(record);
	if (!args->follow) {
		json_array_append_new(list, object);
		return;
	}
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_all(const struct args *args, struct kmsg_reader *reader)
{
	json_t *list = json_array(), *root;
	char text[KMSG_RECORD + 1];
	struct kmsg_record record;
	ssize_t len;

	for (;;) {
		len = kmsg_reader_next(reader, text, sizeof(text));
		if (len == -EAGAIN && !args->follow)
			break;
		if (len == -EAGAIN) {
			fflush(stdout);
			kmsg_wait(reader);
		} else if (len > 0 && kmsg_parse(text, &record)) {
			print(args, &record, list);
		}
	}
	root = json_pack("{s:o}", "messages", list);
	if (args->json) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(root);
}

int cmd_dmesg(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Print the kernel log of a session.",
	};
	struct args args = { 0 };
	struct kmsg_reader reader;
	struct session *session;

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	if (open_session(args.session, &session))
		return EXIT_USAGE;
	if (kmsg_reader_open(session, &reader))
		return fail("%s: there is no kernel log", session_dir(session));
	print_all(&args, &reader);
	kmsg_reader_close(&reader);
	session_close(session);
	return 0;
}
