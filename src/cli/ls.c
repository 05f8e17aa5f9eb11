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
#include "machine/description.h"
#include "machine/shared.h"

struct args {
	const char *session;
	bool json, all;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "all", 'a', NULL, 0, "Also host bridges and root ports", 0 },
	OPTION_SESSION,
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
	char **dirs;
	size_t count;
};

static void note_session(void *arg, const char *dir)
{
	struct found *found = arg;
	char **dirs;

	/* The same base may be named twice. */
	for (size_t i = 0; i < found->count; i++)
		if (!strcmp(found->dirs[i], dir))
			return;
	dirs = realloc(found->dirs, (found->count + 1) * sizeof(*dirs));
	if (!dirs)
		return;
	found->dirs = dirs;
	dirs[found->count] = strdup(dir);
	if (dirs[found->count])
		found->count++;
}

static void found_free(struct found *found)
{
	for (size_t i = 0; i < found->count; i++)
		free(found->dirs[i]);
	free(found->dirs);
}

const char *device_name(const char *text)
{
	static char name[PCI_ADDRESS_LEN];
	uint32_t rid;

	return pci_address_parse(text, &rid) ? text : pci_address_format(rid, name);
}

int open_session(const char *dir, struct session **out)
{
	struct found found = { .count = 0 };
	int ret = 0;

	if (!dir)
		dir = getenv(SESSION_ENV);
	if (!dir) {
		session_for_each(note_session, &found);
		if (!found.count)
			ret = fail("there is no session; start one with `uvfio run`");
		else if (found.count > 1)
			ret = fail("there are %zu sessions; name one with --session DIR (`uvfio "
				   "ls` lists them)",
				   found.count);
		else
			dir = found.dirs[0];
	}
	if (dir) {
		ret = session_open(dir, out);
		if (ret)
			ret = fail("%s is no session: %s", dir, strerror(-ret));
	}
	found_free(&found);
	return ret;
}

/* ---- devices --------------------------------------------------------------------------------- */

struct device_line {
	const char *net; /* what its port is plugged into; NULL: nothing, or it has none */
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

/* What the session was described with. NULL: it cannot be read. */
static struct description *read_description(const struct session *session)
{
	struct description *desc;
	char path[PATH_MAX], err[256];

	snprintf(path, sizeof(path), "%s/machine", session_dir(session));
	if (description_create(&desc))
		return NULL;
	if (!description_read(desc, path, err, sizeof(err)))
		return desc;
	description_free(desc);
	return NULL;
}

/* Virtual functions are plugged into what their physical function is. */
static const char *net_of(const struct description *desc, const char *dir, const char *name)
{
	char physfn[PCI_ADDRESS_LEN];
	uint32_t rid;

	read_link(dir, name, "physfn", physfn, sizeof(physfn));
	if (!desc || pci_address_parse(physfn[0] ? physfn : name, &rid))
		return NULL;
	for (size_t i = 0; i < desc->num_devices; i++)
		if (desc->devices[i]->rid == rid)
			return description_device_option(desc->devices[i], "net");
	return NULL;
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
	if (line->net)
		json_object_set_new(object, "net", json_string(line->net));
	return object;
}

static json_t *list_session(const struct session *session, const struct args *args)
{
	const struct shared_header *shared = session_shared(session);
	struct description *desc = read_description(session);
	json_t *list = json_array();

	if (!args->json)
		printf("%-12s  %-11s %-9s  %5s  %s\n", "address", "model", "id", "group", "driver");
	for (uint32_t i = 0; i < shared->num_devices; i++) {
		const struct shared_device *dev = &shared->device[i];
		struct device_line line;

		if (!dev->present || (!dev->endpoint && !args->all))
			continue;
		read_device(session_dir(session), dev->name, &line);
		line.net = net_of(desc, session_dir(session), dev->name);
		json_array_append_new(list, device_json(dev, &line));
		if (!args->json)
			printf("%-12s  %-11s %.4s:%.4s  %5s  %s%s%s\n", dev->name, dev->model,
			       line.vendor[0] ? line.vendor + 2 : "",
			       line.device[0] ? line.device + 2 : "",
			       line.group[0] ? line.group : "-", line.driver[0] ? line.driver : "-",
			       line.net ? "  " : "", line.net ? line.net : "");
	}
	description_free(desc);
	return json_pack("{s:s, s:o}", "session", session_dir(session), "devices", list);
}

/* Outside of a session, with several of them: each with its name. */
static int list_all(const struct found *found, const struct args *args, json_t *sessions)
{
	struct session *session;

	for (size_t i = 0; i < found->count; i++) {
		if (session_open(found->dirs[i], &session))
			continue;
		if (!args->json)
			printf("%s%s\n", i ? "\n" : "", found->dirs[i]);
		json_array_append_new(sessions, list_session(session, args));
		session_close(session);
	}
	return 0;
}

static int list_one(const struct args *args, json_t *sessions)
{
	struct session *session;

	if (open_session(args->session, &session))
		return EXIT_USAGE;
	json_array_append_new(sessions, list_session(session, args));
	session_close(session);
	return 0;
}

int cmd_ls(int argc, char **argv)
{
	struct args args = { 0 };
	struct found found = { .count = 0 };
	json_t *sessions, *root;
	int ret;

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	sessions = json_array();
	if (!args.session && !getenv(SESSION_ENV))
		session_for_each(note_session, &found);
	ret = found.count > 1 ? list_all(&found, &args, sessions) : list_one(&args, sessions);
	root = json_pack("{s:o}", "sessions", sessions);
	if (args.json && !ret) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(root);
	found_free(&found);
	return ret;
}
