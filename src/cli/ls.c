/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio ls`: the devices of a session as its tree tells them, inside or outside of the session.
 * The tree is read as files, no machine is built.
 */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "machine/shared.h"

struct args {
	const char *session;
	bool json, all;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "all", 'a', NULL, 0, "Also host bridges and root ports", 0 },
	{ "session", 's', "DIR", 0,
	  "The session (the one that this program runs in, or the only one)", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case 'a':
		args->all = true;
		return 0;
	case 's':
		args->session = arg;
		return 0;
	case ARGP_KEY_ARG:
		exit(fail("ls takes no argument \"%s\"", arg));
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "List the devices of a session with their groups and drivers.",
};

/* ---- sessions -------------------------------------------------------------------------------- */

struct found {
	char dir[PATH_MAX];
	unsigned int count;
};

static void note_session(void *arg, const char *dir)
{
	struct found *found = arg;

	/* The same base may be named twice. */
	if (found->count && !strcmp(found->dir, dir))
		return;
	snprintf(found->dir, sizeof(found->dir), "%s", dir);
	found->count++;
}

int open_session(const char *dir, struct session **out)
{
	struct found found = { .count = 0 };
	int ret;

	if (!dir)
		dir = getenv(SESSION_ENV);
	if (!dir) {
		session_for_each(note_session, &found);
		if (!found.count)
			return fail("there is no session; start one with `uvfio run`");
		if (found.count > 1)
			return fail("there are %u sessions; name one with --session DIR",
				    found.count);
		dir = found.dir;
	}
	ret = session_open(dir, out);
	return ret ? fail("%s is no session: %s", dir, strerror(-ret)) : 0;
}

/* ---- devices --------------------------------------------------------------------------------- */

struct device_line {
	char driver[64], group[16], vendor[16], device[16], class_code[16];
};

static void read_text(const char *dir, const char *name, const char *attr, char *out, size_t size)
{
	char path[PATH_MAX];
	FILE *file;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", dir, name, attr);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(out, (int)size, file))
		out[strcspn(out, "\n")] = '\0';
	fclose(file);
}

static void read_link(const char *dir, const char *name, const char *attr, char *out, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", dir, name, attr);
	len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) < size)
		strcpy(out, last);
}

static void read_device(const char *dir, const char *name, struct device_line *line)
{
	read_link(dir, name, "driver", line->driver, sizeof(line->driver));
	read_link(dir, name, "iommu_group", line->group, sizeof(line->group));
	read_text(dir, name, "vendor", line->vendor, sizeof(line->vendor));
	read_text(dir, name, "device", line->device, sizeof(line->device));
	read_text(dir, name, "class", line->class_code, sizeof(line->class_code));
}

static json_t *device_json(const struct shared_device *dev, const struct device_line *line)
{
	json_t *object = json_object();

	json_object_set_new(object, "address", json_string(dev->name));
	json_object_set_new(object, "model", json_string(dev->model));
	json_object_set_new(object, "vendor", json_string(line->vendor));
	json_object_set_new(object, "device", json_string(line->device));
	json_object_set_new(object, "class", json_string(line->class_code));
	json_object_set_new(object, "group",
			    line->group[0] ? json_integer(atoi(line->group)) : json_null());
	json_object_set_new(object, "driver",
			    line->driver[0] ? json_string(line->driver) : json_null());
	return object;
}

int cmd_ls(int argc, char **argv)
{
	struct args args = { 0 };
	struct session *session;
	const struct shared_header *shared;
	json_t *list, *root;

	if (argp_parse(&argp, argc, argv, 0, NULL, &args) || open_session(args.session, &session))
		return EXIT_USAGE;
	shared = session_shared(session);
	list = json_array();
	if (!args.json)
		printf("%-12s  %-11s %-9s  %5s  %s\n", "address", "model", "id", "group", "driver");
	for (uint32_t i = 0; i < shared->num_devices; i++) {
		const struct shared_device *dev = &shared->device[i];
		struct device_line line;

		if (!dev->present || (!dev->endpoint && !args.all))
			continue;
		read_device(session_dir(session), dev->name, &line);
		if (args.json)
			json_array_append_new(list, device_json(dev, &line));
		else
			printf("%-12s  %-11s %.4s:%.4s  %5s  %s\n", dev->name, dev->model,
			       line.vendor[0] ? line.vendor + 2 : "",
			       line.device[0] ? line.device + 2 : "",
			       line.group[0] ? line.group : "-",
			       line.driver[0] ? line.driver : "-");
	}
	if (args.json) {
		root = json_pack("{s:s, s:O}", "session", session_dir(session), "devices", list);
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
	}
	json_decref(list);
	session_close(session);
	return 0;
}
