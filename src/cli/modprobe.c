/* SPDX-License-Identifier: BSD-3-Clause */
/* modprobe(8) on the session's modules. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/kmod.h"
#include "cli/tool.h"

#define PATHS_MAX 16

struct modprobe {
	struct uvfio_machine *machine;
	struct kmod_config config;
	const char *paths[PATHS_MAX];
	size_t num_paths;
	int priority; /* of what is fatal but for --all */
	unsigned long wait_msec;
	bool all, remove, holders, first_time, ignore_commands, blacklist;
	bool resolve, depends, show_config, dry_run, verbose;
};

enum { OPT_FIRST_TIME = 256, OPT_HOLDERS, OPT_IGNORED, OPT_DUMP };

static const struct option options[] = {
	{ "all", no_argument, 0, 'a' },
	{ "remove", no_argument, 0, 'r' },
	{ "remove-dependencies", no_argument, 0, OPT_HOLDERS },
	{ "remove-holders", no_argument, 0, OPT_HOLDERS },
	{ "wait", required_argument, 0, 'w' },
	{ "resolve-alias", no_argument, 0, 'R' },
	{ "first-time", no_argument, 0, OPT_FIRST_TIME },
	{ "ignore-install", no_argument, 0, 'i' },
	{ "ignore-remove", no_argument, 0, 'i' },
	{ "use-blacklist", no_argument, 0, 'b' },
	{ "force", no_argument, 0, 'f' },
	{ "force-modversion", no_argument, 0, OPT_IGNORED },
	{ "force-vermagic", no_argument, 0, OPT_IGNORED },
	{ "show-depends", no_argument, 0, 'D' },
	{ "showconfig", no_argument, 0, 'c' },
	{ "show-config", no_argument, 0, 'c' },
	{ "show-modversions", no_argument, 0, OPT_DUMP },
	{ "dump-modversions", no_argument, 0, OPT_DUMP },
	{ "show-exports", no_argument, 0, OPT_DUMP },
	{ "dry-run", no_argument, 0, 'n' },
	{ "show", no_argument, 0, 'n' },
	{ "config", required_argument, 0, 'C' },
	{ "dirname", required_argument, 0, 'd' },
	{ "set-version", required_argument, 0, 'S' },
	{ "syslog", no_argument, 0, 's' },
	{ "quiet", no_argument, 0, 'q' },
	{ "verbose", no_argument, 0, 'v' },
	{ "version", no_argument, 0, 'V' },
	{ "help", no_argument, 0, 'h' },
	{ NULL, 0, 0, 0 },
};

static void help(void)
{
	puts("Usage:\n"
	     "\tmodprobe [options] modulename [parameter=value...]\n"
	     "\tmodprobe [options] -a modulename...\n"
	     "\tmodprobe [options] -r [-a] modulename...\n"
	     "\tmodprobe [options] -R|-D modulename\n"
	     "\tmodprobe [options] -c\n"
	     "This is uvfio's, for the modules of a session. Options:\n"
	     "\t-a, --all  -r, --remove  --remove-holders  -w, --wait MSEC  --first-time\n"
	     "\t-i, --ignore-install, --ignore-remove  -b, --use-blacklist  -f, --force\n"
	     "\t-R, --resolve-alias  -D, --show-depends  -c, --showconfig  -n, --dry-run\n"
	     "\t-C, --config FILE  -s, --syslog  -q, --quiet  -v, --verbose  -V, --version");
}

static void __attribute__((format(printf, 2, 3)))
show(const struct modprobe *mp, const char *format, ...)
{
	va_list ap;

	if (!mp->verbose && !mp->depends)
		return;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	fflush(stdout);
}

/* Replaces $CMDLINE_OPTS, runs the command: 0, or what it ended with, negative. */
static int run_command(const struct modprobe *mp, const char *type, const char *module,
		       const char *command, const char *opts)
{
	static const char mark[] = "$CMDLINE_OPTS";
	char line[8192];
	size_t len = 0;
	int status;

	while (*command && len < sizeof(line) - 1) {
		if (!strncmp(command, mark, sizeof(mark) - 1)) {
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s", opts);
			command += sizeof(mark) - 1;
		} else {
			line[len++] = *command++;
		}
	}
	line[len < sizeof(line) ? len : sizeof(line) - 1] = '\0';
	show(mp, "%s %s\n", type, line);
	if (mp->dry_run)
		return 0;
	setenv("MODPROBE_MODULE", module, 1);
	status = system(line);
	unsetenv("MODPROBE_MODULE");
	if (!status)
		return 0;
	kmod_log(mp->priority, "Error running %s command for %s\n", type, module);
	return status == -1 ? -errno : WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static bool loaded(const struct modprobe *mp, const struct module_info *info)
{
	return machine_module_loaded(mp->machine, info->name, NULL);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void probe_list(const struct modprobe *mp, const struct module_info *info,
		       struct kmod_list *out, struct kmod_list *seen);

static void probe_softdeps(const struct modprobe *mp, const struct module_info *info,
			   const char *which, struct kmod_list *out, struct kmod_list *seen)
{
	struct kmod_list soft;

	kmod_softdeps(&mp->config, info, which, &soft);
	for (size_t i = 0; i < soft.count; i++)
		probe_list(mp, soft.modules[i], out, seen);
}

/* Soft dependencies, dependencies and the module, in the order of loading. As in kmod, a module
 * whose soft dependency needs it is there twice; @seen ends the recursion. */
static void probe_list(const struct modprobe *mp, const struct module_info *info,
		       struct kmod_list *out, struct kmod_list *seen)
{
	struct kmod_list deps = { .count = 0 };
	size_t known = seen->count;

	kmod_list_add(seen, info, false);
	if (seen->count == known)
		return;
	kmod_dependencies(info, &deps);
	kmod_list_add(&deps, info, false);
	for (size_t i = 0; i < deps.count; i++) {
		probe_softdeps(mp, deps.modules[i], "pre", out, seen);
		if (out->count < KMOD_MODULES_MAX)
			out->modules[out->count++] = deps.modules[i];
		probe_softdeps(mp, deps.modules[i], "post", out, seen);
	}
}

/* The configuration's options for @info and @extra behind them. */
static void all_options(const struct modprobe *mp, const struct module_info *info,
			const char *extra, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (const struct kmod_line *l = mp->config.lines[KMOD_OPTIONS]; l && len < size;
	     l = l->next)
		if (kmod_same_name(l->key, info->name))
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? " " : "",
						l->value);
	if (*extra && len < size)
		snprintf(out + len, size - len, "%s%s", len ? " " : "", extra);
}

static int load_one(const struct modprobe *mp, const struct module_info *info, const char *extra)
{
	const char *command = kmod_config_find(&mp->config, KMOD_INSTALL, info->name);
	char opts[4096], path[256];

	all_options(mp, info, extra, opts, sizeof(opts));
	if (command && !mp->ignore_commands)
		return run_command(mp, "install", info->name, command, opts);
	kmod_path(info, path, sizeof(path));
	show(mp, "insmod %s %s\n", path, opts);
	return mp->dry_run ? 0 : machine_module_load(mp->machine, info->name, opts);
}

static int probe(const struct modprobe *mp, const struct module_info *info, bool by_alias,
		 const char *extra)
{
	struct kmod_list list = { .count = 0 }, seen = { .count = 0 };
	int ret = 0;

	if (!mp->depends && loaded(mp, info)) {
		if (mp->first_time)
			return -EEXIST;
		/* The session's start has loaded it: parameters count as if this had. */
		if (*extra && !mp->dry_run)
			ret = machine_module_load(mp->machine, info->name, extra);
		return ret == -EEXIST ? 0 : ret;
	}
	if ((mp->blacklist || by_alias) &&
	    kmod_config_find(&mp->config, KMOD_BLACKLIST, info->name))
		return 0;
	probe_list(mp, info, &list, &seen);
	for (size_t i = 0; i < list.count; i++) {
		const struct module_info *m = list.modules[i];

		if (!mp->depends && loaded(mp, m))
			continue;
		ret = load_one(mp, m, m == info ? extra : "");
		if (ret == -EEXIST)
			ret = 0;
		if (ret)
			return ret;
	}
	return 0;
}

static void tell_failure(const char *name, int ret)
{
	if (ret == -EEXIST)
		kmod_err("could not insert '%s': Module already in kernel\n", name);
	else if (ret == -ENOENT)
		kmod_err("could not insert '%s': Unknown symbol in module, or unknown parameter "
			 "(see dmesg)\n",
			 name);
	else
		kmod_err("could not insert '%s': %s\n", name, strerror(-ret));
}

/* An alias may have an install command without there being such a module. */
static int install_by_name(const struct modprobe *mp, const char *alias, const char *extra)
{
	const char *command =
		mp->ignore_commands ? NULL : kmod_config_find(&mp->config, KMOD_INSTALL, alias);

	return command ? run_command(mp, "install", alias, command, extra) : -ENOENT;
}

static int insert(const struct modprobe *mp, const char *alias, const char *extra)
{
	struct kmod_list list;
	int ret = 0;

	kmod_lookup(&mp->config, alias, &list);
	if (!list.count) {
		if (kmod_config_find(&mp->config, KMOD_INSTALL, alias) && !mp->ignore_commands)
			return install_by_name(mp, alias, extra);
		kmod_log(mp->priority, "Module %s not found in directory %s\n", alias,
			 kmod_directory());
		return -ENOENT;
	}
	for (size_t i = 0; i < list.count; i++) {
		if (mp->resolve) {
			printf("%s\n", list.modules[i]->name);
			continue;
		}
		ret = probe(mp, list.modules[i], list.by_alias[i], extra);
		if (ret < 0)
			tell_failure(list.modules[i]->name, ret);
	}
	return ret;
}

/* ---- unloading ------------------------------------------------------------------------------- */

static int unload_one(const struct modprobe *mp, const struct module_info *info)
{
	unsigned long waited = 0;
	int ret;

	show(mp, "rmmod %s\n", info->name);
	if (mp->dry_run)
		return 0;
	for (;;) {
		ret = machine_module_unload(mp->machine, info->name);
		if (ret != -EAGAIN || waited >= mp->wait_msec)
			break;
		usleep(10000);
		waited += 10;
	}
	if (ret == -ENOENT) {
		if (mp->first_time)
			kmod_log(mp->priority, "Module %s is not in kernel.\n", info->name);
		return 0;
	}
	if (ret)
		kmod_err("could not remove '%s': %s\n", info->name, strerror(-ret));
	return ret;
}

static int unload(const struct modprobe *mp, const struct module_info *info, unsigned int depth);

/* From the last to the first. */
static int unload_list(const struct modprobe *mp, const struct kmod_list *list, bool stop,
		       unsigned int depth)
{
	int ret;

	for (size_t i = list->count; i-- && depth < 8;) {
		ret = unload(mp, list->modules[i], depth + 1);
		if (ret < 0 && stop)
			return ret;
	}
	return 0;
}

static void holders_of(const struct module_state *state, struct kmod_list *list)
{
	char names[256], *save = NULL;

	snprintf(names, sizeof(names), "%s", state->holders);
	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save))
		kmod_list_add(list, module_find(name), false);
}

/* What nobody uses any more goes with it. */
static void unload_unused(const struct modprobe *mp, const struct module_info *info)
{
	struct kmod_list deps = { .count = 0 };
	struct module_state state;

	kmod_dependencies(info, &deps);
	for (size_t i = deps.count; i--;)
		if (machine_module_loaded(mp->machine, deps.modules[i]->name, &state) &&
		    !state.refcnt)
			unload_one(mp, deps.modules[i]);
}

static int unload(const struct modprobe *mp, const struct module_info *info, unsigned int depth)
{
	const char *command =
		mp->ignore_commands ? NULL : kmod_config_find(&mp->config, KMOD_REMOVE, info->name);
	struct kmod_list list = { .count = 0 };
	struct module_state state;
	int ret;

	if (!machine_module_loaded(mp->machine, info->name, &state) && !command) {
		if (!mp->first_time)
			return 0;
		kmod_log(mp->priority, "Module %s is not in kernel.\n", info->name);
		return -ENOENT;
	}
	if (!mp->ignore_commands) {
		kmod_softdeps(&mp->config, info, "post", &list);
		unload_list(mp, &list, false, depth);
	}
	list.count = 0;
	if (mp->holders) {
		holders_of(&state, &list);
		ret = unload_list(mp, &list, true, depth);
		if (ret)
			return ret;
	}
	if (command)
		return run_command(mp, "remove", info->name, command, "");
	if (machine_module_loaded(mp->machine, info->name, &state) && state.refcnt &&
	    !mp->wait_msec) {
		kmod_log(mp->priority, "Module %s is in use.\n", info->name);
		return -EBUSY;
	}
	ret = unload_one(mp, info);
	if (ret)
		return ret;
	unload_unused(mp, info);
	list.count = 0;
	if (!mp->ignore_commands) {
		kmod_softdeps(&mp->config, info, "pre", &list);
		unload_list(mp, &list, false, depth);
	}
	return 0;
}

static int remove_alias(const struct modprobe *mp, const char *alias)
{
	struct kmod_list list;
	int ret = 0;

	kmod_lookup(&mp->config, alias, &list);
	if (!list.count) {
		kmod_log(mp->priority, "Module %s not found.\n", alias);
		return -ENOENT;
	}
	for (size_t i = 0; i < list.count && ret >= 0; i++)
		ret = unload(mp, list.modules[i], 0);
	return ret;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int print_alias(void *arg, const struct module_info *info, const char *alias)
{
	printf("alias %s %s\n", alias, info->name);
	return 0;
}

static int show_config(const struct modprobe *mp)
{
	for (unsigned int i = 0; i < KMOD_DIRECTIVES; i++)
		for (const struct kmod_line *l = mp->config.lines[i]; l; l = l->next)
			printf("%s %s%s%s\n", kmod_directive_names[i], l->key, l->value ? " " : "",
			       l->value ? l->value : "");
	for (const struct module_info *info = module_table; info->name; info++)
		if (info->softdep && !kmod_config_find(&mp->config, KMOD_SOFTDEP, info->name))
			printf("softdep %s %s\n", info->name, info->softdep);
	puts("\n# End of configuration files. Dumping indexes now:\n");
	for (const struct module_info *info = module_table; info->name; info++)
		kmod_for_each_alias(info, print_alias, NULL);
	return 0;
}

/* One option: 1 go on, 0 done, -1 wrong. */
static int take_option(struct modprobe *mp, int c)
{
	char *end;

	switch (c) {
	case 'a':
		mp->all = true;
		mp->priority = LOG_WARNING;
		return 1;
	case 'w':
		mp->wait_msec = strtoul(optarg, &end, 0);
		if (*optarg && !*end)
			return 1;
		kmod_err("unexpected wait value '%s'.\n", optarg);
		return -1;
	case 'C':
		if (mp->num_paths < PATHS_MAX)
			mp->paths[mp->num_paths++] = optarg;
		return 1;
	case 'D':
		mp->depends = mp->dry_run = true;
		return 1;
	case 's':
		kmod_use_syslog();
		return 1;
	case 'q':
		kmod_verbosity = LOG_EMERG;
		return 1;
	case 'v':
		mp->verbose = true;
		kmod_verbosity++;
		return 1;
	case 'V':
		kmod_version();
		return 0;
	case 'h':
		help();
		return 0;
	case OPT_DUMP:
		kmod_err("the session's modules have no symbol versions\n");
		return -1;
	case 'f': /* nothing is in the way that force would take away */
	case OPT_IGNORED:
	case 'd': /* there is one directory with modules, and one release */
	case 'S':
		return 1;
	case '?':
		return -1;
	default:
		break;
	}
	mp->remove |= c == 'r';
	mp->holders |= c == OPT_HOLDERS;
	mp->first_time |= c == OPT_FIRST_TIME;
	mp->ignore_commands |= c == 'i';
	mp->blacklist |= c == 'b';
	mp->resolve |= c == 'R';
	mp->show_config |= c == 'c';
	mp->dry_run |= c == 'n';
	return 1;
}

static int each(const struct modprobe *mp, char **args, int count,
		int (*fn)(const struct modprobe *mp, const char *alias))
{
	int ret = 0, one;

	for (int i = 0; i < count; i++) {
		one = fn(mp, args[i]);
		if (one < 0)
			ret = one;
	}
	return ret;
}

static int insert_plain(const struct modprobe *mp, const char *alias)
{
	return insert(mp, alias, "");
}

static int work(const struct modprobe *mp, char **args, int count)
{
	char *extra;
	int ret;

	if (mp->show_config)
		return show_config(mp);
	if (mp->remove)
		return each(mp, args, count, remove_alias);
	if (mp->all)
		return each(mp, args, count, insert_plain);
	extra = kmod_join_options(args + 1, count - 1);
	ret = extra ? insert(mp, args[0], extra) : -ENOMEM;
	free(extra);
	return ret;
}

/* $MODPROBE_OPTIONS before the arguments: for commands of the configuration that call modprobe. */
static char **with_environment(int *argc, char **argv)
{
	const char *env = getenv("MODPROBE_OPTIONS");
	char **out, *copy, *save = NULL;
	int n = 1;

	if (!env || !*env)
		return argv;
	copy = strdup(env);
	out = calloc(strlen(env) + (size_t)*argc + 2, sizeof(*out));
	if (!copy || !out) {
		free(copy);
		free(out);
		return argv;
	}
	out[0] = argv[0];
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		out[n++] = word;
	memcpy(out + n, argv + 1, (size_t)(*argc - 1) * sizeof(*argv));
	*argc += n - 1;
	return out;
}

int tool_modprobe(int argc, char **argv)
{
	struct modprobe mp = { .priority = LOG_CRIT };
	int c, ret = 1;

	kmod_start("modprobe");
	kmod_verbosity = LOG_WARNING;
	argv = with_environment(&argc, argv);
	while (ret > 0 &&
	       (c = getopt_long(argc, argv, "arw:RibfDcnC:d:S:sqvVh", options, NULL)) != -1)
		ret = take_option(&mp, c);
	if (ret <= 0)
		return ret ? EXIT_FAILURE : EXIT_SUCCESS;
	if (!mp.show_config && optind == argc) {
		kmod_err("missing parameters. See -h.\n");
		return EXIT_FAILURE;
	}
	kmod_config_read(&mp.config, mp.paths, mp.num_paths);
	if (kmod_open(&mp.machine))
		return EXIT_FAILURE;
	ret = work(&mp, argv + optind, argc - optind);
	machine_detach(mp.machine);
	kmod_config_free(&mp.config);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
