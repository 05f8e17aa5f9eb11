/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dockerlike COMMAND...: runs it under a system call filter like the one that container engines
 * install by default for a process without capabilities: what concerns the host, other processes
 * or namespaces is EPERM, clone3 is ENOSYS (so that libc falls back to clone, whose flags can be
 * looked at), personality passes for the values that change nothing.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP)
#define DENY SECCOMP_RET_ERRNO

static const long denied[] = {
	SYS_acct,
	SYS_add_key,
	SYS_bpf,
	SYS_clock_adjtime,
	SYS_clock_settime,
	SYS_delete_module,
	SYS_fanotify_init,
	SYS_finit_module,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fsopen,
	SYS_fspick,
	SYS_init_module,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_io_uring_setup,
	SYS_ioperm,
	SYS_iopl,
	SYS_kcmp,
	SYS_kexec_file_load,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_lookup_dcookie,
	SYS_mbind,
	SYS_mount,
	SYS_mount_setattr,
	SYS_move_mount,
	SYS_move_pages,
	SYS_name_to_handle_at,
	SYS_open_by_handle_at,
	SYS_open_tree,
	SYS_perf_event_open,
	SYS_pivot_root,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_ptrace,
	SYS_quotactl,
	SYS_reboot,
	SYS_request_key,
	SYS_set_mempolicy,
	SYS_setns,
	SYS_settimeofday,
	SYS_swapoff,
	SYS_swapon,
	SYS_syslog,
	SYS_umount2,
	SYS_unshare,
	SYS_userfaultfd,
	SYS_vhangup,
};
#define DENIED (sizeof(denied) / sizeof(denied[0]))

static const uint32_t personalities[] = { 0, 0x8, 0x20000, 0x20008, 0xffffffff };

static struct sock_filter code[2 * DENIED + 64];
static unsigned short length;

static void stmt(uint16_t what, uint32_t value)
{
	code[length++] = (struct sock_filter)BPF_STMT(what, value);
}

static void load(size_t offset)
{
	stmt(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* The next @count instructions only if the loaded word passes the test. */
static void when(uint16_t test, uint32_t value, uint8_t count)
{
	code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_K | test, value, 0, count);
}

static void build(void)
{
	const size_t argument = offsetof(struct seccomp_data, args);
	const size_t values = sizeof(personalities) / sizeof(personalities[0]);

	load(offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < DENIED; i++) {
		when(BPF_JEQ, (uint32_t)denied[i], 1);
		stmt(BPF_RET | BPF_K, DENY | EPERM);
	}
	when(BPF_JEQ, SYS_clone3, 1);
	stmt(BPF_RET | BPF_K, DENY | ENOSYS);
	when(BPF_JEQ, SYS_clone, 4);
	load(argument);
	when(BPF_JSET, (uint32_t)NAMESPACES, 1);
	stmt(BPF_RET | BPF_K, DENY | EPERM);
	stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	when(BPF_JEQ, SYS_personality, (uint8_t)(2 * values + 2));
	load(argument);
	for (size_t i = 0; i < values; i++) {
		when(BPF_JEQ, personalities[i], 1);
		stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	stmt(BPF_RET | BPF_K, DENY | EPERM);
	stmt(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

int main(int argc, char **argv)
{
	struct sock_fprog prog = { .filter = code };

	if (argc < 2) {
		fprintf(stderr, "dockerlike: no command\n");
		return 125;
	}
	build();
	prog.len = length;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &prog)) {
		fprintf(stderr, "dockerlike: seccomp: %s\n", strerror(errno));
		return 125;
	}
	/* A filter that lets everything through would prove nothing. */
	if (unshare(CLONE_NEWUSER) != -1 || errno != EPERM || syscall(SYS_userfaultfd, 0) != -1 ||
	    errno != EPERM) {
		fprintf(stderr, "dockerlike: the filter does not filter\n");
		return 125;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "dockerlike: %s: %s\n", argv[1], strerror(errno));
	return 127;
}
