/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sudo in a session whose programs are root already (design D2b): the command runs in the session,
 * as the same user of the host's, and sees itself as root (preload/identity.c). The real sudo would
 * leave the session, as the loader ignores LD_PRELOAD in a setuid program.
 *
 * Options, environment and messages are those of sudo(8) with Debian's sudoers: the environment is
 * reset but for a few variables, PATH is secure_path.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/tool.h"
#include "machine/shared.h"
#include "machine/variables.h"

extern char **environ;

#define SECURE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const kept[] = {
	"COLORS",
	"COLORTERM",
	"DISPLAY",
	"HOSTNAME",
	"LANG",
	"LANGUAGE",
	"LINGUAS",
	"LS_COLORS",
	"PS1",
	"PS2",
	"TERM",
	"TZ",
	"XAUTHORITY",
	"XAUTHORIZATION",
	"XDG_CURRENT_DESKTOP",
	"KRB5CCNAME",
	/* Ours, and those that bring the library in. */
	"LD_PRELOAD",
	"UVFIO_DIR",
	"UVFIO_SESSION",
	"GLIBC_TUNABLES",
};

struct sudo {
	bool keep_env, set_home, login, shell, background, list, validate, forget;
	const char *preserve; /* --preserve-env=LIST */
	const char *dir;
	bool root; /* the command sees itself as root, else as the caller */
	struct passwd user;
	char **assignments;
	int num_assignments;
};

enum { OPT_PRESERVE = 256 };

static const struct option options[] = {
	{ "askpass", no_argument, NULL, 'A' },
	{ "background", no_argument, NULL, 'b' },
	{ "bell", no_argument, NULL, 'B' },
	{ "chdir", required_argument, NULL, 'D' },
	{ "close-from", required_argument, NULL, 'C' },
	{ "command-timeout", required_argument, NULL, 'T' },
	{ "group", required_argument, NULL, 'g' },
	{ "help", no_argument, NULL, 'h' },
	{ "list", no_argument, NULL, 'l' },
	{ "login", no_argument, NULL, 'i' },
	{ "no-update", no_argument, NULL, 'N' },
	{ "non-interactive", no_argument, NULL, 'n' },
	{ "preserve-env", optional_argument, NULL, OPT_PRESERVE },
	{ "preserve-groups", no_argument, NULL, 'P' },
	{ "prompt", required_argument, NULL, 'p' },
	{ "remove-timestamp", no_argument, NULL, 'K' },
	{ "reset-timestamp", no_argument, NULL, 'k' },
	{ "set-home", no_argument, NULL, 'H' },
	{ "shell", no_argument, NULL, 's' },
	{ "stdin", no_argument, NULL, 'S' },
	{ "user", required_argument, NULL, 'u' },
	{ "validate", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static int refuse(const char *what, const char *name, const char *why)
{
	fprintf(stderr, "sudo: %s%s%s: %s\n", what, *name ? " " : "", name, why);
	return 1;
}

static int usage(FILE *out)
{
	fputs("usage: sudo [-ABbEHiKklNnPSsVv] [-C num] [-D directory] [-g group] [-p prompt] "
	      "[-T timeout] [-u user] [VAR=value] [command [arg ...]]\n",
	      out);
	return out == stderr;
}

static void keep_user(struct sudo *sudo, const struct passwd *pw)
{
	sudo->root = pw->pw_uid == 0;
	sudo->user = *pw;
	sudo->user.pw_name = strdup(pw->pw_name);
	sudo->user.pw_dir = strdup(pw->pw_dir);
	sudo->user.pw_shell = strdup(pw->pw_shell);
}

/* Root, or who started the session: nobody else is in it. 0 or the exit status. */
static int set_user(struct sudo *sudo, const char *name, uid_t caller)
{
	char *end;
	unsigned long id = name[0] == '#' ? strtoul(name + 1, &end, 10) : 0;
	struct passwd *pw = name[0] == '#' && name[1] && !*end ? getpwuid((uid_t)id)
							       : getpwnam(name);

	if (!pw)
		return refuse("unknown user", name, "nobody has this name");
	if (pw->pw_uid != 0 && pw->pw_uid != caller)
		return refuse("user", name,
			      "a session knows root and who started it; start the session as root "
			      "for others");
	keep_user(sudo, pw);
	return 0;
}

static int set_group(const char *name, gid_t caller)
{
	struct group *gr = name[0] == '#' ? getgrgid((gid_t)strtoul(name + 1, NULL, 10))
					  : getgrnam(name);

	if (!gr)
		return refuse("unknown group", name, "nobody has this name");
	if (gr->gr_gid != 0 && gr->gr_gid != caller)
		return refuse("group", name, "a session knows root's and its starter's");
	return 0;
}

static int parse(struct sudo *sudo, int argc, char **argv, uid_t uid, gid_t gid)
{
	int ret = 0, c;

	opterr = 0;
	while (!ret && (c = getopt_long(argc, argv, "+AbBC:D:Eg:hHiKklnNp:PsST:u:vV", options,
					NULL)) != -1) {
		switch (c) {
		/* What asks for a password, or about one, and limits that no session has. */
		case 'A':
		case 'B':
		case 'C':
		case 'N':
		case 'n':
		case 'P':
		case 'p':
		case 'S':
		case 'T':
			break;
		case 'b':
			sudo->background = true;
			break;
		case 'D':
			sudo->dir = optarg;
			break;
		case 'E':
			sudo->keep_env = true;
			break;
		case OPT_PRESERVE:
			sudo->preserve = optarg;
			sudo->keep_env |= !optarg;
			break;
		case 'g':
			ret = set_group(optarg, gid);
			break;
		case 'H':
			sudo->set_home = true;
			break;
		case 'i':
			sudo->login = true;
			break;
		case 'k':
		case 'K':
			sudo->forget = true;
			break;
		case 'l':
			sudo->list = true;
			break;
		case 's':
			sudo->shell = true;
			break;
		case 'u':
			ret = set_user(sudo, optarg, uid);
			break;
		case 'v':
			sudo->validate = true;
			break;
		case 'V':
			puts("Sudo of uvfio " UVFIO_VERSION);
			exit(0);
		case 'h':
			exit(usage(stdout));
		default:
			return refuse("option", argv[optind - 1],
				      "not in a session; UVFIO_ESCAPE=1 runs the host's sudo");
		}
	}
	return ret;
}

/* ---- environment ----------------------------------------------------------------------------- */

static bool in_list(const char *list, const char *name, size_t len)
{
	for (; list && *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == len && !strncmp(list, name, len))
			return true;
	return false;
}

static bool is_kept(const struct sudo *sudo, const char *entry)
{
	size_t len = strcspn(entry, "=");

	if (sudo->keep_env || !strncmp(entry, "LC_", 3) || in_list(sudo->preserve, entry, len))
		return true;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strlen(kept[i]) == len && !strncmp(entry, kept[i], len))
			return true;
	return false;
}

/* "arg arg" for SUDO_COMMAND, and escaped for the shell's -c. */
static char *join(char **argv, bool escape)
{
	size_t size = 1;
	char *text, *out;

	for (char **arg = argv; *arg; arg++)
		size += 2 * strlen(*arg) + 1;
	text = out = malloc(size);
	if (!text)
		return NULL;
	for (char **arg = argv; *arg; arg++) {
		if (arg > argv)
			*out++ = ' ';
		for (const char *c = *arg; *c; c++) {
			if (escape && !isalnum((unsigned char)*c) && !strchr("_-$", *c))
				*out++ = '\\';
			*out++ = *c;
		}
	}
	*out = '\0';
	return text;
}

static void set_number(const char *name, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	setenv(name, text, 1);
}

static void set_environment(const struct sudo *sudo, uid_t uid, gid_t gid)
{
	const struct passwd *caller;
	char **old = environ, mail[256];
	bool home = sudo->set_home || sudo->login || !sudo->keep_env;

	environ = NULL;
	for (; *old; old++)
		if (is_kept(sudo, *old))
			putenv(*old);
	setenv("PATH", SECURE_PATH, 1);
	if (home || !getenv("HOME"))
		setenv("HOME", sudo->user.pw_dir, 1);
	if (!sudo->keep_env) {
		snprintf(mail, sizeof(mail), "/var/mail/%s", sudo->user.pw_name);
		setenv("MAIL", mail, 1);
		setenv("SHELL", sudo->user.pw_shell, 1);
		setenv("LOGNAME", sudo->user.pw_name, 1);
		setenv("USER", sudo->user.pw_name, 1);
		setenv("TERM", "unknown", 0);
	}
	caller = getpwuid(uid);
	if (caller)
		setenv("SUDO_USER", caller->pw_name, 1);
	else
		set_number("SUDO_USER", uid);
	set_number("SUDO_UID", uid);
	set_number("SUDO_GID", gid);
	/* What getuid() and its like answer in the command and below. */
	setenv(IDENTITY_ENV, sudo->root ? "0:0" : "-", 1);
	for (int i = 0; i < sudo->num_assignments; i++)
		putenv(sudo->assignments[i]);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* The command as it is run; NULL: out of memory. @path receives the program. */
static char **command_of(const struct sudo *sudo, char **argv, char *path)
{
	const char *shell = sudo->login || !getenv("SHELL") ? sudo->user.pw_shell : getenv("SHELL");
	char **out = calloc(4, sizeof(*out)), *name;
	const char *base;

	if (!sudo->login && !sudo->shell) {
		free(out);
		return argv;
	}
	if (!out || !*shell)
		shell = "/bin/sh";
	snprintf(path, PATH_MAX, "%s", shell);
	base = strrchr(shell, '/') ? strrchr(shell, '/') + 1 : shell;
	if (!out || asprintf(&name, "%s%s", sudo->login ? "-" : "", base) < 0)
		return NULL;
	out[0] = sudo->login ? name : path;
	if (*argv) {
		out[1] = (char *)"-c";
		out[2] = join(argv, true);
	}
	return out;
}

static int enter_directory(const struct sudo *sudo)
{
	if (sudo->dir && chdir(sudo->dir))
		return refuse("unable to change directory to", sudo->dir, strerror(errno));
	if (sudo->login && !sudo->dir && chdir(sudo->user.pw_dir))
		fprintf(stderr, "sudo: unable to change directory to %s: %s\n", sudo->user.pw_dir,
			strerror(errno));
	return 0;
}

static int run(const struct sudo *sudo, char **argv, uid_t uid, gid_t gid)
{
	char path[PATH_MAX] = "", *text;
	char **command = command_of(sudo, argv, path);
	int ret;

	if (!command)
		return fail("out of memory");
	set_environment(sudo, uid, gid);
	ret = enter_directory(sudo);
	if (ret)
		return ret;
	if (!path[0]) {
		ret = program_find(command[0], path, sizeof(path));
		if (ret == -ENOENT) {
			fprintf(stderr, "sudo: %s: command not found\n", command[0]);
			return 1;
		}
	}
	text = join(command, false);
	if (text)
		setenv("SUDO_COMMAND", text, 1);
	if (sudo->background && fork() > 0)
		return 0;
	if (!ret)
		execve(path, command, environ);
	return refuse("unable to execute", path, strerror(ret ? -ret : errno));
}

static int list(const struct sudo *sudo, char **argv, uid_t uid)
{
	const struct passwd *caller;
	char path[PATH_MAX];
	char host[256] = "";

	if (*argv) {
		setenv("PATH", SECURE_PATH, 1);
		if (program_find(*argv, path, sizeof(path)))
			return 1;
		puts(path);
		return 0;
	}
	caller = getpwuid(uid);
	gethostname(host, sizeof(host) - 1);
	printf("User %s may run the following commands on %s:\n    (ALL : ALL) NOPASSWD: ALL\n",
	       caller ? caller->pw_name : "", host);
	return 0;
}

static int in_roots_session(void)
{
	struct session *session;
	uint32_t uid;

	if (open_session(NULL, &session))
		return 1;
	uid = session_shared(session)->uid;
	session_close(session);
	return uid ? refuse("this session", "", "its user is not root (uvfio run --user)") : 0;
}

int tool_sudo(int argc, char **argv)
{
	static const struct passwd root = { .pw_name = (char *)"root",
					    .pw_dir = (char *)"/root",
					    .pw_shell = (char *)"/bin/sh" };
	struct sudo sudo = { 0 };
	struct passwd *pw;
	uid_t uid = getuid();
	gid_t gid = getgid();
	int ret;

	pw = getpwuid(0);
	keep_user(&sudo, pw ? pw : &root);
	/* Inside another sudo the caller sees itself as root; the kernel knows better. */
	ret = parse(&sudo, argc, argv, (uid_t)syscall(SYS_getuid), (gid_t)syscall(SYS_getgid));
	if (!ret)
		ret = in_roots_session();
	if (ret)
		return ret;
	argv += optind;
	sudo.assignments = argv;
	for (; *argv && strchr(*argv, '=') && **argv != '='; argv++)
		sudo.num_assignments++;
	if (sudo.list)
		return list(&sudo, argv, uid);
	if (!*argv && !sudo.login && !sudo.shell)
		return sudo.validate || sudo.forget ? 0 : usage(stderr);
	return run(&sudo, argv, uid, gid);
}
