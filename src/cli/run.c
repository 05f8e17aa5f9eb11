/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uvfio run`: makes the session, runs the command in it, is its keeper meanwhile, reports and
 * cleans up. The exit status is the command's; 128 + n when signal n ended it.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/trace.h"
#include "machine/keeper.h"
#include "machine/launch.h"
#include "machine/program.h"
#include "machine/session_tool.h"
#include "machine/shared.h"
#include "machine/trace.h"

enum {
	OPT_IOMMU = 256,
	OPT_NOIOMMU,
	OPT_MODULE,
	OPT_KEEP,
	OPT_STATS,
	OPT_DMA_ERRORS,
	OPT_CAPS,
	OPT_USER,
	OPT_MEMLOCK,
	OPT_SESSION,
	OPT_HUGEPAGES,
	OPT_ALLOW_ESCAPE,
	OPT_TRACE,
	OPT_TRACE_FILE,
};

static const struct argp_option options[] = {
	{ "device", 'd', "MODEL[,KEY=VALUE…]", 0,
	  "Add a device; a comma in a value is written twice (`uvfio models` lists models)", 0 },
	{ "machine", 'm', "FILE", 0, "Take the machine's description from an INI file", 0 },
	{ "iommu", OPT_IOMMU, "amd|intel|none", 0, "The IOMMU in front of the devices (amd)", 0 },
	{ "noiommu", OPT_NOIOMMU, NULL, 0,
	  "Begin with vfio's enable_unsafe_noiommu_mode set: without an IOMMU (--iommu none) "
	  "vfio-pci gives devices to users all the same",
	  0 },
	{ "hugepages", OPT_HUGEPAGES, "fake[:SIZE]|host|none", 0,
	  "Huge pages: of the session (with SIZE there from the start), or the host's (fake unless "
	  "the host has some)",
	  0 },
	{ "module", OPT_MODULE, "NAME|FILE", 0,
	  "Load a module of the session (mtty, say), or a parent of mediated devices, a shared "
	  "object as <uvfio/mdev.h> describes; may be repeated",
	  0 },
	{ "keep", OPT_KEEP, NULL, 0, "Keep the session's directory and print its name", 1 },
	{ "session", OPT_SESSION, "DIR", 0, "Run in a session that was kept, instead of a new one",
	  1 },
	{ "allow-escape", OPT_ALLOW_ESCAPE, NULL, 0,
	  "Let programs that the library cannot come up in (static, setuid) run, outside of the "
	  "session; they see the host's devices",
	  1 },
	{ "trace", OPT_TRACE, "KINDS", 0,
	  "Print what the session's processes do: bind, the steps of binding and unbinding "
	  "drivers; irq, each interrupt's way; mdev, what happens to mediated devices",
	  1 },
	{ "trace-file", OPT_TRACE_FILE, "FILE", 0, "Print the trace to FILE instead of stderr", 1 },
	{ "stats", OPT_STATS, NULL, 0, "Print each device's statistics at the end", 1 },
	{ "dma-errors", OPT_DMA_ERRORS, "fail|warn", 0,
	  "fail (the default): exit with 99 after a DMA error when the command ended with 0", 1 },
	{ "user", OPT_USER, "USER[:GROUP]", 0, "The session's user as VFIO checks see it (root)",
	  2 },
	{ "caps", OPT_CAPS, "all|none|NAME,…", 0,
	  "The session's capabilities (all for root, none for others)", 2 },
	{ "memlock", OPT_MEMLOCK, "BYTES", 0,
	  "Limit of locked memory; also K, M, G, T, unlimited. Takes ipc_lock away unless "
	  "--caps says otherwise",
	  2 },
	{ 0 },
};

struct run {
	struct description *desc;
	struct session_identity identity;
	bool keep, stats, warn_only, allow_escape, harmless, machine_given, user_given, caps_given,
		memlock_given;
	struct trace_reader trace;
	const char *session_dir;
	uint64_t faults_before;	      /* of earlier runs in the same session */
	void (*size_signal)(int sig); /* what SIGXFSZ did before us */
	char **command;
};

/* A sentence of the library's as the end of the program. */
static void __attribute__((noreturn)) end(const char *message)
{
	exit(fail("%s", message));
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;
	char err[1024] = "";
	int ret = 0;

	switch (key) {
	case 'd':
		run->machine_given = true;
		ret = description_add_device(run->desc, arg, err, sizeof(err));
		break;
	case 'm':
		run->machine_given = true;
		ret = description_parse_file(run->desc, arg, err, sizeof(err));
		break;
	case OPT_IOMMU:
		run->machine_given = true;
		ret = description_set_iommu(run->desc, arg, err, sizeof(err));
		break;
	case OPT_NOIOMMU:
		run->machine_given = true;
		run->desc->noiommu = true;
		break;
	case OPT_HUGEPAGES:
		run->machine_given = true;
		ret = description_set_hugepages(run->desc, arg, err, sizeof(err));
		break;
	case OPT_MODULE:
		run->machine_given = true;
		ret = description_add_module(run->desc, arg, NULL, err, sizeof(err));
		break;
	case OPT_KEEP:
		run->keep = true;
		break;
	case OPT_SESSION:
		run->session_dir = arg;
		break;
	case OPT_ALLOW_ESCAPE:
		run->allow_escape = true;
		break;
	case OPT_TRACE:
		ret = trace_parse(arg, &run->trace.kinds, err, sizeof(err));
		run->desc->trace = run->trace.kinds;
		break;
	case OPT_TRACE_FILE:
		if (trace_reader_output(&run->trace, arg))
			exit(EXIT_USAGE);
		break;
	case OPT_STATS:
		run->stats = true;
		break;
	case OPT_DMA_ERRORS:
		run->warn_only = !strcmp(arg, "warn");
		if (!run->warn_only && strcmp(arg, "fail"))
			exit(fail("--dma-errors=%s: must be fail or warn", arg));
		break;
	case OPT_CAPS:
		run->caps_given = true;
		if (parse_caps(arg, &run->identity.caps))
			exit(EXIT_USAGE);
		break;
	case OPT_USER:
		run->user_given = true;
		if (parse_user(arg, &run->identity.uid, &run->identity.gid))
			exit(EXIT_USAGE);
		break;
	case OPT_MEMLOCK:
		run->memlock_given = true;
		if (parse_memlock(arg, &run->identity.memlock))
			exit(EXIT_USAGE);
		break;
	case ARGP_KEY_ARGS:
		run->command = state->argv + state->next;
		state->next = state->argc;
		break;
	case ARGP_KEY_NO_ARGS:
		exit(fail("no command to run; write it behind --, as in `uvfio run -- lspci`"));
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (ret)
		end(err);
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "COMMAND [ARGUMENT…]",
	.doc = "Run COMMAND, unmodified, on a machine with emulated PCI devices behind an IOMMU. "
	       "Without -d and -m the machine has one NVMe controller of 1 GiB at 0000:01:00.0, "
	       "bound to vfio-pci.\v"
	       "The exit status is the command's, 128 + N when signal N ended it, 99 after DMA "
	       "errors, and 2 when the machine cannot be made or the command cannot be started in "
	       "it.\n\n"
	       "  uvfio run -- lspci -vv\n"
	       "  uvfio run -d nvme,file=disk.img -- qemu-img info nvme://0000:01:00.0/1\n"
	       "  uvfio run -d nvme,ns=2 -d nvme --iommu intel -- bash",
};

/* What follows from what was given: root has everything, others what Linux gives a login. */
static void complete_identity(struct run *run)
{
	struct session_identity *id = &run->identity;

	if (!run->caps_given)
		id->caps = id->uid ? 0 : UINT64_MAX;
	if (run->memlock_given && !run->caps_given)
		id->caps &= ~(1ULL << 14);
	if (!run->memlock_given && id->uid)
		id->memlock = 8 << 20;
}

/* ---- the child ------------------------------------------------------------------------------- */

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(set, forwarded[i]);
}

static int start(const struct run *run, const char *program, char **env, const sigset_t *mask,
		 pid_t *pid)
{
	posix_spawnattr_t attr;
	sigset_t own;
	int ret;

	sigemptyset(&own);
	if (run->size_signal == SIG_DFL)
		sigaddset(&own, SIGXFSZ);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setsigdefault(&attr, &own);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	ret = posix_spawn(pid, program, NULL, &attr, run->command, env);
	/* A script without #!: as execvp() does it. */
	if (ret == ENOEXEC) {
		char *shell[64] = { (char *)"/bin/sh", (char *)program };
		size_t n = 2;

		for (char **arg = run->command + 1; *arg && n < 63; arg++)
			shell[n++] = *arg;
		ret = posix_spawn(pid, "/bin/sh", NULL, &attr, shell, env);
	}
	posix_spawnattr_destroy(&attr);
	return ret;
}

/* What the terminal sends goes to the command itself, which is in the same process group. */
static void forward(pid_t pid, const struct signalfd_siginfo *info)
{
	if (info->ssi_code != SI_KERNEL)
		kill(pid, (int)info->ssi_signo);
}

/* Serves the session until the command has ended; its status as wait(2) tells. */
static int serve(struct keeper *keeper, struct trace_reader *trace, int signal_fd, pid_t pid)
{
	struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
				{ .fd = keeper ? keeper_fd(keeper) : -1, .events = POLLIN },
				{ .fd = trace->notify, .events = POLLIN } };
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (fds[1].revents)
			keeper_work(keeper);
		if (fds[2].revents)
			trace_reader_work(trace);
		if (!fds[0].revents || read(signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			forward(pid, &info);
		else if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
	}
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The user lets programs run that the library cannot come up in, as for those that they exec. */
static bool escape_asked(void)
{
	const char *escape = getenv("UVFIO_ESCAPE");

	return escape && !strcmp(escape, "1");
}

static bool may_escape(const struct run *run)
{
	return run->allow_escape || escape_asked();
}

static bool library_loaded(const struct session *session)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/loaded", session_dir(session));
	return access(path, F_OK) == 0;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Runs the command in the session: its status, or -1 with a message: it was not started. */
static int run_command(struct run *run, struct session *session, const char *program,
		       const char *library)
{
	char **env = launch_environment(library, session_dir(session));
	char own[PATH_MAX];
	struct keeper *keeper = NULL;
	int signal_fd, status, ret;
	sigset_t ours, before;
	pid_t pid;

	if (!env) {
		fail("out of memory");
		return -1;
	}
	signal_set(&ours);
	sigprocmask(SIG_BLOCK, &ours, &before);
	signal_fd = signalfd(-1, &ours, SFD_CLOEXEC);
	/* In a kept session that others use there is a keeper already. */
	ret = keeper_create(session, &keeper);
	if (signal_fd < 0 || (ret && ret != -EBUSY)) {
		fail("cannot serve the session: %s", strerror(ret ? -ret : errno));
		return -1;
	}
	if (program[0] == '/' && session_elsewhere(program) &&
	    session_translate(session, program, own, sizeof(own)))
		program = own;
	ret = start(run, program, env, &before, &pid);
	if (ret) {
		keeper_destroy(keeper);
		fail("cannot start \"%s\": %s", run->command[0], strerror(ret));
		return -1;
	}
	status = serve(keeper, &run->trace, signal_fd, pid);
	keeper_destroy(keeper);
	close(signal_fd);
	launch_environment_free(env);
	return status < 0 ? fail("lost the command") : exit_status(status);
}

static int report(const struct run *run, const struct session *session, int status)
{
	if (access(session_dir(session), F_OK) < 0)
		fail("the session's directory %s was removed while the command ran",
		     session_dir(session));
	else if (!run->harmless && !may_escape(run) && !library_loaded(session))
		return fail("\"%s\" ran without uvfio: the loader did not take LD_PRELOAD",
			    run->command[0]);
	if (run->stats)
		report_stats(session, stderr);
	if (report_faults(session, run->faults_before, stderr) && !status && !run->warn_only)
		return EXIT_DMA;
	return status;
}

static int open_or_launch(struct run *run, struct session **session)
{
	struct uvfio_machine *machine;
	char err[1024], self[PATH_MAX], modules[PATH_MAX];

	if (run->session_dir) {
		description_free(run->desc);
		if (run->machine_given || run->user_given || run->caps_given || run->memlock_given)
			return fail("--session: the session has its machine and its user already; "
				    "leave -d, -m, --module, --iommu, --noiommu, --hugepages, "
				    "--user, --caps and --memlock out");
		if (session_open(run->session_dir, session) || session_hold(*session))
			return fail("%s is no session; `uvfio ls` lists them", run->session_dir);
		return 0;
	}
	complete_identity(run);
	if (machine_launch(run->desc, &run->identity, session, &machine, err, sizeof(err)))
		return fail("%s", err);
	machine_detach(machine);
	if (!launch_self(self, sizeof(self)))
		keeper_set_program(*session, self);
	if (session_add_files(*session, self,
			      launch_modules(modules, sizeof(modules)) ? NULL : modules))
		fail("%s: the session's commands for modules cannot be put there",
		     session_dir(*session));
	return 0;
}

static int check_library(const char *library)
{
	/* The loader parts the names in LD_PRELOAD there. */
	if (library[strcspn(library, ": ")])
		return fail(
			"LD_PRELOAD cannot name %s: a blank or a colon is in it; build or install "
			"uvfio elsewhere",
			library);
	if (access(library, R_OK))
		return fail("%s cannot be read: %s", library, strerror(errno));
	return 0;
}

/* `uvfio tool NAME ARGUMENT…` as the command; @path: the executable. */
static int take_tool(struct run *run, const char *name, char *path)
{
	size_t n = 0;
	char **command;

	while (run->command[n])
		n++;
	command = calloc(n + 3, sizeof(*command));
	if (!command || launch_self(path, PATH_MAX))
		return fail("cannot start the session's %s", name);
	command[0] = (char *)"uvfio";
	command[1] = (char *)"tool";
	command[2] = (char *)name;
	memcpy(command + 3, run->command + 1, (n - 1) * sizeof(*command));
	run->command = command;
	return 0;
}

static int check_program(struct run *run, char *path, char *library)
{
	char line[2 * PATH_MAX + 256], found[PATH_MAX];
	struct program program;
	const char *tool;
	int ret = program_find(run->command[0], path, PATH_MAX);

	if (ret)
		return fail("cannot start \"%s\": %s", run->command[0], strerror(-ret));
	program_inspect_call(path, run->command, &program);
	if (!program.why && program.shell)
		program_inspect("/bin/sh", &program);
	if (launch_library(found, PATH_MAX))
		return fail("libuvfio-preload.so is neither in the build tree nor installed beside "
			    "this program; build or install it");
	program_check_library(&program, found);
	tool = escape_asked() ? NULL : session_tool_of(path, &program);
	if (tool) {
		strcpy(library, found);
		return take_tool(run, tool, path) ? EXIT_USAGE : check_library(library);
	}
	if (program.why && !may_escape(run)) {
		program_message(&program, path, line, sizeof(line));
		fputs(line, stderr);
		return EXIT_USAGE;
	}
	run->harmless = program.harmless;
	run->command = launch_command(run->command, found);
	if (!program_library(found, program.libc, library, PATH_MAX))
		strcpy(library, found);
	return check_library(library);
}

int cmd_run(int argc, char **argv)
{
	struct run run = { .identity = session_identity_root, .trace = TRACE_READER_INIT };
	char program[PATH_MAX], library[PATH_MAX];
	struct session *session;
	int status;

	if (description_create(&run.desc))
		return fail("out of memory");
	if (parse_arguments(&argp, argc, argv, ARGP_IN_ORDER, &run))
		return EXIT_USAGE;
	/* A file that may not grow is an error with a line, not the end. */
	run.size_signal = signal(SIGXFSZ, SIG_IGN);
	if (check_program(&run, program, library) || open_or_launch(&run, &session))
		return EXIT_USAGE;
	if (run.allow_escape && session_allow_escape(session))
		fail("the session does not remember --allow-escape");
	run.faults_before = session_shared(session)->faults;
	if (trace_reader_start(&run.trace, session, !run.session_dir))
		status = -1;
	else
		status = run_command(&run, session, program, library);
	trace_reader_end(&run.trace);
	status = status < 0 ? EXIT_USAGE : report(&run, session, status);
	if (run.keep && session_keep(session) == 0)
		fprintf(stderr, "uvfio: the session is kept in %s\n", session_dir(session));
	else if (!run.session_dir)
		session_remove(session);
	session_close(session);
	return status;
}
