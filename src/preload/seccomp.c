/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that install seccomp filters. The library lives in the program's process, so the filter
 * judges its system calls too. What can be done before is done before: a machine that is there gets
 * all that its traps load. The filter itself is asked about the calls that are left, and what it
 * refuses is said in one line: at once when the program has devices, else when it opens one.
 *
 * A call that only fails is no matter where the library can do without it.
 */
#include <errno.h>
#include <linux/audit.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "preload/bpf.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/wrappers.h"

#define THREAD_FLAGS 0x3d0f00 /* clone(2) as pthread_create() calls it */

enum need {
	NEED_RUN = 1,	   /* an open device calls it */
	NEED_OPEN = 2,	   /* opening one does */
	NEED_NOT_MUCH = 4, /* but may do without */
};

struct wanted {
	int nr;
	const char *name;
	unsigned int need;
	uint64_t args[3]; /* that filters look at */
};

static const struct wanted wanted[] = {
	{ SYS_rt_sigreturn, "rt_sigreturn", NEED_RUN, { 0 } },
	{ SYS_rt_sigprocmask, "rt_sigprocmask", NEED_RUN, { SIG_SETMASK } },
	{ SYS_sigaltstack, "sigaltstack", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_futex, "futex", NEED_RUN, { 0, FUTEX_WAIT_PRIVATE } },
	{ SYS_sched_yield, "sched_yield", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_nanosleep, "nanosleep", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_mprotect, "mprotect", NEED_RUN, { 0, HOST_PAGE_SIZE, PROT_READ | PROT_WRITE } },
	{ SYS_mmap, "mmap", NEED_RUN, { 0, HOST_PAGE_SIZE, PROT_READ | PROT_WRITE } },
	{ SYS_munmap, "munmap", NEED_RUN, { 0, HOST_PAGE_SIZE } },
	{ SYS_mremap, "mremap", NEED_RUN, { 0, HOST_PAGE_SIZE, HOST_PAGE_SIZE } },
	{ SYS_madvise, "madvise", NEED_RUN, { 0, HOST_PAGE_SIZE, MADV_POPULATE_WRITE } },
	{ SYS_lseek, "lseek", NEED_RUN, { 0 } },
	{ SYS_fstat, "fstat", NEED_RUN, { 0 } },
	{ SYS_read, "read", NEED_RUN, { 0 } },
	{ SYS_write, "write", NEED_RUN, { 0 } },
	{ SYS_pread64, "pread64", NEED_RUN, { 0 } },
	{ SYS_pwrite64, "pwrite64", NEED_RUN, { 0 } },
	{ SYS_poll, "poll", NEED_RUN, { 0 } },
	{ SYS_close, "close", NEED_RUN, { 0 } },
	/* sysfs follows when interrupts are set up or a device is closed. */
	{ SYS_mkdir, "mkdir", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_link, "link", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_rmdir, "rmdir", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_getdents64, "getdents64", NEED_RUN | NEED_NOT_MUCH, { 0 } },
	{ SYS_fcntl, "fcntl", NEED_RUN | NEED_OPEN, { 0, F_DUPFD_CLOEXEC } },
	{ SYS_openat, "openat", NEED_RUN | NEED_OPEN, { 0, 0, O_RDWR | O_CLOEXEC } },
	{ SYS_readlink, "readlink", NEED_OPEN, { 0 } },
	{ SYS_readlinkat, "readlinkat", NEED_OPEN, { 0 } },
	{ SYS_newfstatat, "newfstatat", NEED_RUN | NEED_OPEN, { 0 } },
	{ SYS_ftruncate, "ftruncate", NEED_OPEN, { 0 } },
	{ SYS_flock, "flock", NEED_OPEN, { 0 } },
	{ SYS_memfd_create, "memfd_create", NEED_OPEN, { 0 } },
	{ SYS_eventfd2, "eventfd2", NEED_OPEN, { 0 } },
	{ SYS_prlimit64, "prlimit64", NEED_OPEN | NEED_NOT_MUCH, { 0, 7 } },
	{ SYS_clone, "clone", NEED_OPEN, { THREAD_FLAGS } },
	{ SYS_clone3, "clone3", NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_set_robust_list, "set_robust_list", NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_rseq, "rseq", NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_prctl, "prctl", NEED_OPEN | NEED_NOT_MUCH, { PR_SET_NAME } },
	{ SYS_sched_setaffinity, "sched_setaffinity", NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_rt_sigaction, "rt_sigaction", NEED_OPEN, { SIGSEGV } },
	{ SYS_getpid, "getpid", NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_socket, "socket", NEED_OPEN | NEED_NOT_MUCH, { AF_UNIX } },
	{ SYS_connect, "connect", NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_sendto, "sendto", NEED_RUN | NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_recvfrom, "recvfrom", NEED_RUN | NEED_OPEN | NEED_NOT_MUCH, { 0 } },
	{ SYS_unlink, "unlink", NEED_RUN | NEED_OPEN | NEED_NOT_MUCH, { 0 } },
};

/* Bits of rows: what the filters of this process refuse; what has been told. */
static atomic_ullong refused, killed, told;

static bool fails_only(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

static bool passes(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_USER_NOTIF:
		return true;
	default:
		return false;
	}
}

static void ask(const struct sock_filter *insns, size_t count)
{
	struct seccomp_data data;
	uint32_t action;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		data = (struct seccomp_data){ .nr = wanted[i].nr, .arch = AUDIT_ARCH_X86_64 };
		memcpy(data.args, wanted[i].args, sizeof(wanted[i].args));
		action = bpf_run(insns, count, &data);
		if (passes(action) || (fails_only(action) && (wanted[i].need & NEED_NOT_MUCH)))
			continue;
		atomic_fetch_or(fails_only(action) ? &refused : &killed, 1ULL << i);
	}
}

/* @need: of which rows. */
static void tell(unsigned int need)
{
	uint64_t bits = 0, all = atomic_load(&refused) | atomic_load(&killed);
	char line[768];
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if ((all >> i & 1) && (wanted[i].need & need))
			bits |= 1ULL << i;
	bits &= ~atomic_fetch_or(&told, bits);
	if (!bits)
		return;
	len = (size_t)snprintf(line, sizeof(line), "uvfio: the seccomp filter of %s %s",
			       program_invocation_short_name,
			       bits & atomic_load(&killed) ? "ends it at" : "does not allow");
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if ((bits >> i & 1) && len + 64 < sizeof(line))
			len += (size_t)snprintf(line + len, sizeof(line) - len, " %s%s",
						wanted[i].name, bits >> i > 1 ? "," : "");
	len += (size_t)snprintf(line + len, sizeof(line) - len,
				", which its VFIO devices need; let the filter allow that\n");
	sysraw3(SYS_write, 2, (long)line, (long)MIN(len, sizeof(line) - 1));
}

void seccomp_tell(void)
{
	tell(NEED_RUN | NEED_OPEN);
}

void seccomp_watch(const void *program)
{
	const struct sock_fprog *prog = program;
	struct door door;

	/* libseccomp asks with NULL what the kernel knows. Other bad pointers are bugs. */
	if ((uintptr_t)prog < HOST_PAGE_SIZE || (uintptr_t)prog->filter < HOST_PAGE_SIZE)
		return;
	door_enter(&door);
	ask(prog->filter, prog->len);
	if (atomic_load(&door_machine_ptr)) {
		if (file_prepare_traps())
			pr_warn("BARs cannot be mapped later, below the seccomp filter");
		tell(NEED_RUN);
	}
	door_leave(&door);
}

int seccomp_strict(void)
{
	char line[256];
	int len;

	if (!door_machine_lives())
		return 0;
	len = snprintf(
		line, sizeof(line),
		"uvfio: %s asks for seccomp's strict mode, in which a VFIO device of uvfio's "
		"cannot work: refused\n",
		program_invocation_short_name);
	sysraw3(SYS_write, 2, (long)line, (long)MIN((size_t)len, sizeof(line) - 1));
	return -EINVAL;
}

bool door_prctl(int *ret, int option, unsigned long mode, const void *program)
{
	if (mode == SECCOMP_MODE_FILTER)
		seccomp_watch(program);
	if (mode != SECCOMP_MODE_STRICT || !seccomp_strict())
		return false;
	errno = EINVAL;
	*ret = -1;
	return true;
}
