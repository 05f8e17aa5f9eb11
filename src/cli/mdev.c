/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio mdev`: mediated devices of a session, by the paths that `echo` and mdevctl use. Exit
 * status: 0; 1 the session refused (the message has the kernel's error); 2 wrong use, or there is
 * no such session, parent, type or instance.
 */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/cli.h"
#include "file/file.h"
#include "machine/machine.h"

#define EXIT_REFUSED 1
#define UUID_CHARS   36
#define CLASS	     "/sys/class/mdev_bus"
#define DEVICES	     "/sys/bus/mdev/devices"
#define MAX_NAMES    8

struct args {
	const char *session;
	bool json;
	const char *names[MAX_NAMES];
	int count, min, max;
	const char *missing; /* what a name is asked for with */
};

struct view {
	struct session *session;
	struct uvfio_machine *machine;
	const struct args *args;
};

static const struct argp_option list_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
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
	case 's':
		args->session = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (args->count == args->max)
			exit(fail("one argument too many: \"%s\"", arg));
		args->names[args->count++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (args->count < args->min)
			exit(fail("%s", args->missing));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the tree -------------------------------------------------------------------------------- */

/* Where the name @path of the program's view is on disk. */
static void real_path(const struct view *view, const char *path, char *real, size_t size)
{
	snprintf(real, size, "%s%s", session_dir(view->session), path);
}

static bool there(const struct view *view, const char *path)
{
	char real[PATH_MAX];

	real_path(view, path, real, sizeof(real));
	return access(real, F_OK) == 0;
}

/* The names in a directory, sorted; 0 without one. */
static int names_in(const struct view *view, const char *path, struct dirent ***out)
{
	char real[PATH_MAX];
	int n;

	real_path(view, path, real, sizeof(real));
	n = scandir(real, out, NULL, alphasort);
	return n < 0 ? 0 : n;
}

static void free_names(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	if (n)
		free(names);
}

/* An attribute's text without its newline; "" when it cannot be read. */
static void read_attr(const struct view *view, const char *path, char *out, size_t size)
{
	char real[PATH_MAX];
	struct file *file;
	ssize_t n = -1;
	int ret = machine_open(view->machine, path, O_RDONLY, &file), fd;

	if (!ret) {
		n = file_pread(file, (uintptr_t)out, size - 1, 0);
		file_put(file);
	} else if (ret > 0) {
		real_path(view, path, real, sizeof(real));
		fd = open(real, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, out, size - 1);
			close(fd);
		}
	}
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

/* The last name of a path; "" when it does not fit. */
static void last_name(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');

	path = slash ? slash + 1 : path;
	out[0] = '\0';
	if (strlen(path) < size)
		strcpy(out, path);
}

/* The last name of what a link leads to; "" when there is none. */
static void read_link(const struct view *view, const char *path, char *out, size_t size)
{
	char real[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	out[0] = '\0';
	real_path(view, path, real, sizeof(real));
	len = readlink(real, target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	last_name(target, out, size);
}

/* ---- types ----------------------------------------------------------------------------------- */

struct type_line {
	char name[128], api[64], available[32], description[256];
};

static void read_type(const struct view *view, const char *parent, const char *type,
		      struct type_line *line)
{
	const struct {
		const char *attr;
		char *out;
		size_t size;
	} attrs[] = { { "name", line->name, sizeof(line->name) },
		      { "device_api", line->api, sizeof(line->api) },
		      { "available_instances", line->available, sizeof(line->available) },
		      { "description", line->description, sizeof(line->description) } };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		snprintf(path, sizeof(path), CLASS "/%s/mdev_supported_types/%s/%s", parent, type,
			 attrs[i].attr);
		read_attr(view, path, attrs[i].out, attrs[i].size);
	}
}

static void list_types(const struct view *view, const char *parent, json_t *list)
{
	char path[PATH_MAX];
	struct dirent **names;
	int n;

	snprintf(path, sizeof(path), CLASS "/%s/mdev_supported_types", parent);
	n = names_in(view, path, &names);
	for (int i = 0; i < n; i++) {
		const char *type = names[i]->d_name;
		struct type_line line;

		if (type[0] == '.')
			continue;
		read_type(view, parent, type, &line);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:i, s:s*}", "parent", parent, "type",
					type, "name", line.name, "device_api", line.api,
					"available_instances", atoi(line.available), "description",
					line.description[0] ? line.description : NULL));
		if (!view->args->json)
			printf("%-12s  %-16s  %9s  %-9s  %s%s%s\n", parent, type, line.available,
			       line.api, line.name, line.description[0] ? ": " : "",
			       line.description);
	}
	free_names(names, n);
}

static int no_parent(const struct view *view, const char *parent)
{
	struct dirent **names;
	char known[512] = "";
	size_t used = 0;
	int n = names_in(view, CLASS, &names);

	for (int i = 0; i < n; i++)
		if (names[i]->d_name[0] != '.' && used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used ? ", " : "", names[i]->d_name);
	free_names(names, n);
	if (!used)
		return fail("the session has no parents of mediated devices; `modprobe mtty` in it "
			    "brings one, `uvfio run --module FILE` one of your own");
	return fail("%s: no such parent; take %s", parent, known);
}

static void print_json(const char *key, json_t *list)
{
	json_t *root = json_pack("{s:o}", key, list);

	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

static bool has_parent(const struct view *view, const char *parent)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), CLASS "/%s/mdev_supported_types", parent);
	return !strchr(parent, '/') && there(view, path);
}

static int do_types(const struct view *view)
{
	const char *only = view->args->count ? view->args->names[0] : NULL;
	struct dirent **names;
	json_t *list;
	int n;

	if (only && !has_parent(view, only))
		return no_parent(view, only);
	list = json_array();
	n = names_in(view, CLASS, &names);
	if (!view->args->json)
		printf("%-12s  %-16s  %9s  %-9s  %s\n", "parent", "type", "available", "api",
		       "name");
	for (int i = 0; i < n; i++)
		if (names[i]->d_name[0] != '.' && (!only || !strcmp(names[i]->d_name, only)))
			list_types(view, names[i]->d_name, list);
	free_names(names, n);
	if (view->args->json)
		print_json("types", list);
	else
		json_decref(list);
	return 0;
}

/* ---- instances ------------------------------------------------------------------------------- */

/* The directory above the instance's: its parent. */
static void parent_of(const struct view *view, const char *uuid, char *out, size_t size)
{
	char path[PATH_MAX], real[PATH_MAX], target[PATH_MAX], *slash;
	ssize_t len;

	out[0] = '\0';
	snprintf(path, sizeof(path), DEVICES "/%s", uuid);
	real_path(view, path, real, sizeof(real));
	len = readlink(real, target, sizeof(target) - 1);
	if (len <= 0)
		return;
	target[len] = '\0';
	slash = strrchr(target, '/');
	if (!slash)
		return;
	*slash = '\0';
	last_name(target, out, size);
}

static int do_list(const struct view *view)
{
	struct dirent **names;
	json_t *list = json_array();
	int n = names_in(view, DEVICES, &names);

	if (!view->args->json)
		printf("%-36s  %-12s  %-16s  %5s  %s\n", "uuid", "parent", "type", "group",
		       "driver");
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX], parent[64], type[64], group[16], driver[64];
		const char *uuid = names[i]->d_name;

		if (uuid[0] == '.')
			continue;
		parent_of(view, uuid, parent, sizeof(parent));
		snprintf(path, sizeof(path), DEVICES "/%s/mdev_type", uuid);
		read_link(view, path, type, sizeof(type));
		snprintf(path, sizeof(path), DEVICES "/%s/iommu_group", uuid);
		read_link(view, path, group, sizeof(group));
		snprintf(path, sizeof(path), DEVICES "/%s/driver", uuid);
		read_link(view, path, driver, sizeof(driver));
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:o, s:o}", "uuid", uuid, "parent", parent,
					"type", type, "group",
					group[0] ? json_integer(atoi(group)) : json_null(),
					"driver", driver[0] ? json_string(driver) : json_null()));
		if (!view->args->json)
			printf("%-36s  %-12s  %-16s  %5s  %s\n", uuid, parent, type,
			       group[0] ? group : "-", driver[0] ? driver : "-");
	}
	free_names(names, n);
	if (view->args->json)
		print_json("instances", list);
	else
		json_decref(list);
	return 0;
}

static bool is_uuid(const char *text)
{
	for (int i = 0; i < UUID_CHARS; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else if (!text[i] || !strchr("0123456789abcdefABCDEF", text[i])) {
			return false;
		}
	}
	return !text[UUID_CHARS];
}

/* A UUID as the kernel prints it. @out may be @uuid. */
static void small_letters(const char *uuid, char *out, size_t size)
{
	size_t i;

	for (i = 0; uuid[i] && i + 1 < size; i++)
		out[i] = uuid[i] >= 'A' && uuid[i] <= 'F' ? (char)(uuid[i] - 'A' + 'a') : uuid[i];
	out[i] = '\0';
}

/* A random one, RFC 4122 4.4. 0 or -errno. */
static int make_uuid(char *out, size_t size)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -errno;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(out, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
	return 0;
}

/* "WHAT: WHY (the kernel's error); the way out". */
static int refused(const char *what, const char *why, int err, const char *way_out)
{
	fail("%s: %s (%s)%s%s", what, why, strerror(err), way_out ? "; " : "",
	     way_out ? way_out : "");
	return EXIT_REFUSED;
}

static int create_failed(const struct view *view, const char *type, const char *uuid, int err)
{
	char path[PATH_MAX], name[UUID_CHARS + 1];

	small_letters(uuid, name, sizeof(name));
	snprintf(path, sizeof(path), DEVICES "/%s", name);
	if (err == EEXIST && !there(view, path))
		return refused(uuid, "the instance of that name is being removed", err,
			       "it goes when its user has closed it");
	if (err == EEXIST)
		return refused(uuid, "there is an instance of that name", err,
			       "take another UUID, or leave it out for a random one");
	if (err == ENOSPC || err == EUSERS)
		return refused(type, "no instance is left", err,
			       "`uvfio mdev remove` one that is not needed");
	return refused(type, "no instance could be made", err, "`uvfio dmesg` may say more");
}

static int no_type(const struct view *view, const char *parent, const char *type)
{
	char path[PATH_MAX], known[512] = "";
	struct dirent **names;
	size_t used = 0;
	int n;

	snprintf(path, sizeof(path), CLASS "/%s/mdev_supported_types", parent);
	n = names_in(view, path, &names);
	for (int i = 0; i < n; i++)
		if (names[i]->d_name[0] != '.' && used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 used ? ", " : "", names[i]->d_name);
	free_names(names, n);
	return fail("%s has no type %s; take %s", parent, type, known);
}

static int do_create(const struct view *view)
{
	const char *parent = view->args->names[0], *type = view->args->names[1];
	const char *uuid = view->args->count > 2 ? view->args->names[2] : NULL;
	char path[PATH_MAX], made[UUID_CHARS + 1];
	ssize_t ret;

	if (!has_parent(view, parent))
		return no_parent(view, parent);
	snprintf(path, sizeof(path), CLASS "/%s/mdev_supported_types/%s/create", parent, type);
	if (strchr(type, '/') || !there(view, path))
		return no_type(view, parent, type);
	if (uuid && !is_uuid(uuid))
		return fail("\"%s\" is no UUID such as 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001; leave "
			    "it out for a random one",
			    uuid);
	ret = uuid ? 0 : make_uuid(made, sizeof(made));
	if (ret)
		return refused(type, "no random UUID can be had", (int)-ret, "give one");
	if (!uuid)
		uuid = made;
	ret = machine_write(view->machine, path, uuid, UUID_CHARS);
	if (ret < 0)
		return create_failed(view, type, uuid, (int)-ret);
	/* For scripts: what has been made. */
	small_letters(uuid, made, sizeof(made));
	puts(made);
	return 0;
}

static int do_remove(const struct view *view)
{
	for (int i = 0; i < view->args->count; i++) {
		const char *uuid = view->args->names[i];
		char path[PATH_MAX], name[UUID_CHARS + 1];
		ssize_t ret;

		/* As `create` takes it; the instance's name is in small letters. */
		if (is_uuid(uuid)) {
			small_letters(uuid, name, sizeof(name));
			uuid = name;
		}
		snprintf(path, sizeof(path), DEVICES "/%s", uuid);
		if (strchr(uuid, '/') || uuid[0] == '.' || !there(view, path))
			return fail("%s: no such instance; `uvfio mdev list` lists them", uuid);
		strcat(path, "/remove");
		ret = machine_write(view->machine, path, "1", 1);
		/* It is on its way already: somebody else waits for its user. */
		if (ret == -ENOENT || ret == -ENODEV)
			return refused(uuid, "it is being removed already", (int)-ret, NULL);
		if (ret < 0)
			return refused(uuid, "not removed", (int)-ret, NULL);
	}
	return 0;
}

/* ---- the words ------------------------------------------------------------------------------- */

static const struct word {
	const char *name;
	int (*fn)(const struct view *view);
	const char *args_doc, *doc, *missing;
	int min, max;
	bool json;
} words[] = {
	{ "types", do_types, "[PARENT]",
	  "List the types of mediated devices that the session's parents offer, and how many more "
	  "of each can be made.",
	  NULL, 0, 1, true },
	{ "list", do_list, "", "List the mediated devices of a session.", NULL, 0, 0, true },
	{ "create", do_create, "PARENT TYPE [UUID]",
	  "Make a mediated device and print its UUID, a random one when none is given.",
	  "which parent and type? `uvfio mdev types` lists them", 2, 3, false },
	{ "remove", do_remove, "UUID...",
	  "Remove mediated devices; waits until the user of each has closed it.",
	  "which instance? `uvfio mdev list` lists them", 1, MAX_NAMES, false },
};

static int run_word(const struct word *word, int argc, char **argv)
{
	const struct argp argp = {
		.options = word->json ? list_options : list_options + 1,
		.parser = parse_option,
		.args_doc = word->args_doc,
		.doc = word->doc,
	};
	struct args args = { .min = word->min, .max = word->max, .missing = word->missing };
	struct view view = { .args = &args };
	char err[512] = "";
	int ret;

	if (parse_arguments(&argp, argc, argv, 0, &args))
		return EXIT_USAGE;
	if (open_session(args.session, &view.session))
		return EXIT_USAGE;
	ret = machine_attach(view.session, &view.machine, err, sizeof(err));
	if (ret)
		return fail("%s: the machine cannot be built: %s", session_dir(view.session), err);
	ret = word->fn(&view);
	machine_detach(view.machine);
	session_close(view.session);
	return ret;
}

static void help(FILE *out)
{
	fputs("Usage: uvfio mdev COMMAND [OPTION…]\n"
	      "Mediated devices of a session.\n\n",
	      out);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		fprintf(out, "  %-7s %-18s  %s\n", words[i].name, words[i].args_doc, words[i].doc);
	fputs("\nExit status: 0; 1 when the session refused; 2 for wrong use, or when there is no "
	      "such\nsession, parent, type or instance.\n",
	      out);
}

int cmd_mdev(int argc, char **argv)
{
	static char name[64];

	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(argv[1], words[i].name))
			continue;
		snprintf(name, sizeof(name), "uvfio mdev %s", words[i].name);
		argv[1] = name;
		return run_word(&words[i], argc - 1, argv + 1);
	}
	return fail("mdev: unknown command \"%s\"; take types, list, create or remove", argv[1]);
}
