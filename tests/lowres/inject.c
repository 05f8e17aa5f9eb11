/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inject OPTION... -- COMMAND...: runs a command and makes the n-th of its system calls fail, or
 * kills the process that makes it. What counts are the calls of the table below: those that take
 * memory, fds, room on disk, locks, threads.
 *
 *   --list FILE       one line for each counted call: number, name, call path
 *   --at N            the call that fails or kills
 *   --errno NUMBER    how it fails; default: what the table says
 *   --kill            SIGKILL instead
 *   --program NAME    count only in processes that execute a file of this name
 *   --begin NAME      count from the first call of this name on (it may be "getpriority", which
 *                     nobody else needs: a mark)
 *
 * The exit status is the command's, 128 + N when signal N ended it. When --at was not reached, it
 * is 3 and a line says so.
 *
 * A seccomp filter stops at these calls only (SECCOMP_RET_TRACE), so that raw ones are seen as
 * well, and the rest of the command runs at full speed. The call path is a hash over the return
 * addresses that frame pointers lead to; address space randomisation is off, so that it is the same
 * in each run: a sweep takes each path once.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES	     12
#define PROCESSES    256
#define NOT_REACHED  3
#define STACK_MAX    (8ULL << 20)
#define FIRST_OWN_FD 3

struct call {
	const char *name;
	long nr;
	int error;
};

#define CALL(name, error)                \
	{                                \
#name, SYS_##name, error \
	}

static const struct call calls[] = {
	CALL(open, EMFILE),	     CALL(openat, EMFILE),	   CALL(dup, EMFILE),
	CALL(socket, EMFILE),	     CALL(accept4, EMFILE),	   CALL(eventfd2, EMFILE),
	CALL(epoll_create1, EMFILE), CALL(timerfd_create, EMFILE), CALL(signalfd4, EMFILE),
	CALL(memfd_create, EMFILE),  CALL(pipe2, EMFILE),	   CALL(fcntl, EMFILE),
	CALL(mmap, ENOMEM),	     CALL(mremap, ENOMEM),	   CALL(mprotect, ENOMEM),
	CALL(write, ENOSPC),	     CALL(pwrite64, ENOSPC),	   CALL(ftruncate, ENOSPC),
	CALL(fallocate, ENOSPC),     CALL(mkdir, ENOSPC),	   CALL(mkdirat, ENOSPC),
	CALL(link, ENOSPC),	     CALL(linkat, ENOSPC),	   CALL(symlink, ENOSPC),
	CALL(symlinkat, ENOSPC),     CALL(rename, ENOSPC),	   CALL(fchmod, ENOSPC),
	CALL(chmod, ENOSPC),	     CALL(bind, ENOSPC),	   CALL(listen, ENOMEM),
	CALL(connect, ENOMEM),	     CALL(epoll_ctl, ENOMEM),	   CALL(flock, ENOLCK),
	CALL(clone, EAGAIN),	     CALL(clone3, EAGAIN),	   CALL(fork, EAGAIN),
	CALL(vfork, EAGAIN),	     CALL(getpriority, 0),
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static struct {
	const char *list, *program, *begin;
	unsigned long at;
	int error;
	bool kill;
} options;

static unsigned long counted;
static bool begun, done;
static FILE *list;

/* The processes that execute the program asked for. */
static struct {
	pid_t pid;
	bool counts;
} processes[PROCESSES];

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(125);
}

static bool *counts(pid_t pid)
{
	for (size_t i = 0; i < PROCESSES; i++) {
		if (processes[i].pid && processes[i].pid != pid)
			continue;
		processes[i].pid = pid;
		return &processes[i].counts;
	}
	errno = E2BIG;
	fail("processes");
}

static void look_at_program(pid_t pid)
{
	char link[64], path[PATH_MAX];
	const char *name;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	name = strrchr(path, '/');
	*counts(pid) = !options.program || (name && !strcmp(name + 1, options.program));
}

/* ---- the command ----------------------------------------------------------------------------- */

static void install_filter(void)
{
	struct sock_filter code[CALLS + 4];
	struct sock_fprog prog = { .filter = code };
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < CALLS; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].nr, (uint8_t)(CALLS - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	prog.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &prog))
		fail("seccomp");
}

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	personality(ADDR_NO_RANDOMIZE);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		fail("ptrace");
	raise(SIGSTOP);
	install_filter();
	execvp(argv[0], argv);
	fail(argv[0]);
}

/* ---- a counted call -------------------------------------------------------------------------- */

static uint64_t mix(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3;
}

static uint64_t call_path(pid_t pid, const struct user_regs_struct *regs)
{
	uint64_t sum = mix(mix(0xcbf29ce484222325, regs->orig_rax), regs->rip), frame[2];
	uint64_t fp = regs->rbp, low = regs->rsp;

	for (int i = 0; i < FRAMES && fp >= low && fp < low + STACK_MAX && !(fp & 7); i++) {
		struct iovec here = { frame, sizeof(frame) }, there = { (void *)fp, sizeof(frame) };

		if (process_vm_readv(pid, &here, 1, &there, 1, 0) != sizeof(frame))
			break;
		sum = mix(sum, frame[1]);
		low = fp + 1;
		fp = frame[0];
	}
	return sum;
}

static const struct call *call_of(const struct user_regs_struct *regs)
{
	for (size_t i = 0; i < CALLS; i++)
		if (calls[i].nr == (long)regs->orig_rax)
			return &calls[i];
	return NULL;
}

/* Of fcntl only what takes a number or a lock, of write only what goes to the program's files. */
static bool of_interest(const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_fcntl:
		return regs->rsi == F_DUPFD || regs->rsi == F_DUPFD_CLOEXEC ||
		       regs->rsi == F_OFD_SETLK || regs->rsi == F_OFD_SETLKW;
	case SYS_write:
		return regs->rdi >= FIRST_OWN_FD;
	case SYS_getpriority:
		return false;
	default:
		return true;
	}
}

static void strike(pid_t pid, struct user_regs_struct *regs, const struct call *call)
{
	int error = options.error ? options.error : call->error;

	done = true;
	if (options.kill) {
		kill(pid, SIGKILL);
		return;
	}
	if (regs->orig_rax == SYS_fcntl && regs->rsi != F_DUPFD && regs->rsi != F_DUPFD_CLOEXEC)
		error = ENOLCK;
	regs->orig_rax = (unsigned long long)-1;
	regs->rax = (unsigned long long)-error;
	if (ptrace(PTRACE_SETREGS, pid, NULL, regs))
		fail("registers");
}

static void on_call(pid_t pid)
{
	struct user_regs_struct regs;
	const struct call *call;

	if (!*counts(pid) || ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return;
	call = call_of(&regs);
	if (!call)
		return;
	if (!begun)
		begun = !options.begin || !strcmp(call->name, options.begin);
	if (!begun || !of_interest(&regs))
		return;
	counted++;
	if (list)
		fprintf(list, "%lu %s %016llx\n", counted, call->name,
			(unsigned long long)call_path(pid, &regs));
	if (counted == options.at)
		strike(pid, &regs, call);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void on_event(pid_t pid, int event)
{
	unsigned long child;

	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		on_call(pid);
		break;
	case PTRACE_EVENT_EXEC:
		look_at_program(pid);
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		if (!ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child))
			*counts((pid_t)child) = *counts(pid);
		break;
	default:
		break;
	}
}

/* The status of @command. Others that outlive it are killed with us. */
static int trace(pid_t command)
{
	int status, signal;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == command)
				return WIFEXITED(status) ? WEXITSTATUS(status)
							 : 128 + WTERMSIG(status);
			continue;
		}
		signal = WSTOPSIG(status);
		if (status >> 16) {
			on_event(pid, status >> 16);
			signal = 0;
		} else if (signal == SIGSTOP) {
			/* A new process begins with it. */
			signal = 0;
		}
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal);
	}
	fail("the command is lost");
}

static void parse(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "list", required_argument, NULL, 'l' },
		{ "at", required_argument, NULL, 'a' },
		{ "errno", required_argument, NULL, 'e' },
		{ "kill", no_argument, NULL, 'k' },
		{ "program", required_argument, NULL, 'p' },
		{ "begin", required_argument, NULL, 'b' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		switch (option) {
		case 'l':
			options.list = optarg;
			break;
		case 'a':
			options.at = strtoul(optarg, NULL, 10);
			break;
		case 'e':
			options.error = atoi(optarg);
			break;
		case 'k':
			options.kill = true;
			break;
		case 'p':
			options.program = optarg;
			break;
		case 'b':
			options.begin = optarg;
			break;
		default:
			exit(125);
		}
	}
	if (optind == argc) {
		fprintf(stderr, "inject: no command\n");
		exit(125);
	}
}

int main(int argc, char **argv)
{
	const unsigned long wanted = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
				     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
				     PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status;
	pid_t pid;

	parse(argc, argv);
	if (options.list) {
		list = fopen(options.list, "we");
		if (!list)
			fail(options.list);
	}
	pid = start(argv + optind);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)wanted) ||
	    ptrace(PTRACE_CONT, pid, NULL, NULL))
		fail("ptrace");
	status = trace(pid);
	if (list)
		fclose(list);
	if (options.at && !done) {
		fprintf(stderr, "inject: %lu calls, the one asked for was not reached\n", counted);
		return NOT_REACHED;
	}
	return status;
}
