/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's syscall(): numbers that concern us go to the wrapper of the same call, which decides
 * whether the arguments do.
 */
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "preload/door.h"
#include "preload/doors.h"
#include "preload/guard.h"
#include "preload/wrappers.h"

#define PATH(x) ((const char *)(x))
#define PTR(x)	((void *)(x))
#define MODE(x) ((mode_t)(x))
#define INT(x)	((int)(x))
#define SIZE(x) ((size_t)(x))

static bool names(long *ret, long number, long a, long b, long c, long d, long e)
{
	switch (number) {
	case SYS_open:
		*ret = wrap_open(PATH(a), INT(b), MODE(c));
		return true;
	case SYS_openat:
		*ret = wrap_openat(INT(a), PATH(b), INT(c), MODE(d));
		return true;
	case SYS_creat:
		*ret = wrap_creat(PATH(a), MODE(b));
		return true;
	case SYS_stat:
		*ret = wrap_stat(PATH(a), PTR(b));
		return true;
	case SYS_lstat:
		*ret = wrap_lstat(PATH(a), PTR(b));
		return true;
	case SYS_newfstatat:
		*ret = wrap_fstatat(INT(a), PATH(b), PTR(c), INT(d));
		return true;
	case SYS_statx:
		*ret = wrap_statx(INT(a), PATH(b), INT(c), (unsigned int)d, PTR(e));
		return true;
	case SYS_access:
		*ret = wrap_access(PATH(a), INT(b));
		return true;
	case SYS_faccessat:
		*ret = wrap_faccessat(INT(a), PATH(b), INT(c), 0);
		return true;
	case SYS_faccessat2:
		*ret = wrap_faccessat(INT(a), PATH(b), INT(c), INT(d));
		return true;
	case SYS_statfs:
		*ret = wrap_statfs(PATH(a), PTR(b));
		return true;
	case SYS_readlink:
		*ret = wrap_readlink(PATH(a), PTR(b), SIZE(c));
		return true;
	case SYS_readlinkat:
		*ret = wrap_readlinkat(INT(a), PATH(b), PTR(c), SIZE(d));
		return true;
	case SYS_unlink:
		*ret = wrap_unlink(PATH(a));
		return true;
	case SYS_unlinkat:
		*ret = wrap_unlinkat(INT(a), PATH(b), INT(c));
		return true;
	case SYS_mkdir:
		*ret = wrap_mkdir(PATH(a), MODE(b));
		return true;
	case SYS_mount:
		*ret = wrap_mount(PATH(a), PATH(b), PATH(c), (unsigned long)d, PTR(e));
		return true;
	case SYS_umount2:
		*ret = wrap_umount2(PATH(a), INT(b));
		return true;
	case SYS_chdir:
		*ret = wrap_chdir(PATH(a));
		return true;
	case SYS_fchdir:
		*ret = wrap_fchdir(INT(a));
		return true;
	}
	return false;
}

/* Calls that change names, which the tree refuses. */
static bool changes(long *ret, long number, long a, long b, long c, long d, long e)
{
	switch (number) {
	case SYS_unlink:
		*ret = wrap_unlink(PATH(a));
		return true;
	case SYS_unlinkat:
		*ret = wrap_unlinkat(INT(a), PATH(b), INT(c));
		return true;
	case SYS_rmdir:
		*ret = wrap_rmdir(PATH(a));
		return true;
	case SYS_mkdir:
		*ret = wrap_mkdir(PATH(a), MODE(b));
		return true;
	case SYS_mkdirat:
		*ret = wrap_mkdirat(INT(a), PATH(b), MODE(c));
		return true;
	case SYS_symlinkat:
		*ret = wrap_symlinkat(PATH(a), INT(b), PATH(c));
		return true;
	case SYS_linkat:
		*ret = wrap_linkat(INT(a), PATH(b), INT(c), PATH(d), INT(e));
		return true;
	case SYS_renameat2:
		*ret = wrap_renameat2(INT(a), PATH(b), INT(c), PATH(d), (unsigned int)e);
		return true;
	case SYS_chmod:
		*ret = wrap_chmod(PATH(a), MODE(b));
		return true;
	case SYS_fchmodat:
		*ret = wrap_fchmodat(INT(a), PATH(b), MODE(c), 0);
		return true;
	case SYS_fchownat:
		*ret = wrap_fchownat(INT(a), PATH(b), (uid_t)c, (gid_t)d, INT(e));
		return true;
	case SYS_truncate:
		*ret = wrap_truncate(PATH(a), b);
		return true;
	}
	return false;
}

/* Vectors, and what an fd of ours refuses. The positions of the vectors come in two halves. */
static bool more_fds(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
	case SYS_getdents64:
		*ret = wrap_getdents64(INT(a), PTR(b), SIZE(c));
		return true;
	case SYS_readv:
		*ret = wrap_readv(INT(a), PTR(b), INT(c));
		return true;
	case SYS_writev:
		*ret = wrap_writev(INT(a), PTR(b), INT(c));
		return true;
	case SYS_preadv:
		*ret = wrap_preadv(INT(a), PTR(b), INT(c), d);
		return true;
	case SYS_pwritev:
		*ret = wrap_pwritev(INT(a), PTR(b), INT(c), d);
		return true;
	case SYS_preadv2:
		*ret = wrap_preadv2(INT(a), PTR(b), INT(c), d, INT(f));
		return true;
	case SYS_pwritev2:
		*ret = wrap_pwritev2(INT(a), PTR(b), INT(c), d, INT(f));
		return true;
	case SYS_ftruncate:
		*ret = wrap_ftruncate(INT(a), b);
		return true;
	case SYS_fsync:
		*ret = wrap_fsync(INT(a));
		return true;
	case SYS_fdatasync:
		*ret = wrap_fdatasync(INT(a));
		return true;
	case SYS_fstatfs:
		*ret = wrap_fstatfs(INT(a), PTR(b));
		return true;
	case SYS_sendfile:
		*ret = wrap_sendfile(INT(a), INT(b), PTR(c), SIZE(d));
		return true;
	case SYS_splice:
		*ret = wrap_splice(INT(a), PTR(b), INT(c), PTR(d), SIZE(e), (unsigned int)f);
		return true;
	case SYS_copy_file_range:
		*ret = wrap_copy_file_range(INT(a), PTR(b), INT(c), PTR(d), SIZE(e),
					    (unsigned int)f);
		return true;
	}
	return false;
}

static bool memory(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
	case SYS_mmap:
		*ret = (long)wrap_mmap(PTR(a), SIZE(b), INT(c), INT(d), INT(e), f);
		return true;
	case SYS_munmap:
		*ret = wrap_munmap(PTR(a), SIZE(b));
		return true;
	case SYS_mremap:
		*ret = (long)wrap_mremap(PTR(a), SIZE(b), SIZE(c), INT(d), PTR(e));
		return true;
	case SYS_mprotect:
		*ret = wrap_mprotect(PTR(a), SIZE(b), INT(c));
		return true;
	case SYS_madvise:
		*ret = wrap_madvise(PTR(a), SIZE(b), INT(c));
		return true;
	case SYS_memfd_create:
		*ret = wrap_memfd_create(PATH(a), (unsigned int)b);
		return true;
	case SYS_shmget:
		*ret = wrap_shmget((key_t)a, SIZE(b), INT(c));
		return true;
	case SYS_shmat:
		*ret = (long)wrap_shmat(INT(a), PTR(b), INT(c));
		return true;
	case SYS_shmdt:
		*ret = wrap_shmdt(PTR(a));
		return true;
	}
	return false;
}

static bool fds(long *ret, long number, long a, long b, long c, long d)
{
	switch (number) {
	case SYS_ioctl:
		*ret = wrap_ioctl(INT(a), (unsigned long)b, (unsigned long)c);
		return true;
	case SYS_read:
		*ret = wrap_read(INT(a), PTR(b), SIZE(c));
		return true;
	case SYS_write:
		*ret = wrap_write(INT(a), PTR(b), SIZE(c));
		return true;
	case SYS_pread64:
		*ret = wrap_pread64(INT(a), PTR(b), SIZE(c), d);
		return true;
	case SYS_pwrite64:
		*ret = wrap_pwrite64(INT(a), PTR(b), SIZE(c), d);
		return true;
	case SYS_lseek:
		*ret = wrap_lseek(INT(a), b, INT(c));
		return true;
	case SYS_ftruncate:
		*ret = wrap_ftruncate(INT(a), b);
		return true;
	case SYS_fallocate:
		*ret = wrap_fallocate(INT(a), INT(b), c, d);
		return true;
	case SYS_fstat:
		*ret = wrap_fstat(INT(a), PTR(b));
		return true;
	case SYS_close:
		*ret = wrap_close(INT(a));
		return true;
	case SYS_close_range:
		*ret = wrap_close_range((unsigned int)a, (unsigned int)b, INT(c));
		return true;
	case SYS_dup:
		*ret = wrap_dup(INT(a));
		return true;
	case SYS_dup2:
		*ret = wrap_dup2(INT(a), INT(b));
		return true;
	case SYS_dup3:
		*ret = wrap_dup3(INT(a), INT(b), INT(c));
		return true;
	case SYS_fcntl:
		*ret = wrap_fcntl(INT(a), INT(b), (unsigned long)c);
		return true;
	}
	return false;
}

static bool open_how(long *ret, int dirfd, const char *path, const struct open_how *how,
		     size_t size)
{
	if (size < sizeof(*how) || !path_maybe_at(dirfd, path))
		return false;
	*ret = wrap_openat(dirfd, path, INT(how->flags), MODE(how->mode));
	return true;
}

static bool sockets(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
	case SYS_socket:
		*ret = wrap_socket(INT(a), INT(b), INT(c));
		return true;
	case SYS_bind:
		*ret = wrap_bind(INT(a), PTR(b), (socklen_t)c);
		return true;
	case SYS_getsockname:
		*ret = wrap_getsockname(INT(a), PTR(b), PTR(c));
		return true;
	case SYS_setsockopt:
		*ret = wrap_setsockopt(INT(a), INT(b), INT(c), PTR(d), (socklen_t)e);
		return true;
	case SYS_getsockopt:
		*ret = wrap_getsockopt(INT(a), INT(b), INT(c), PTR(d), PTR(e));
		return true;
	case SYS_recvfrom:
		*ret = wrap_recvfrom(INT(a), PTR(b), SIZE(c), INT(d), PTR(e), PTR(f));
		return true;
	case SYS_recvmsg:
		*ret = wrap_recvmsg(INT(a), PTR(b), INT(c));
		return true;
	case SYS_sendto:
		*ret = wrap_sendto(INT(a), PTR(b), SIZE(c), INT(d), PTR(e), (socklen_t)f);
		return true;
	case SYS_sendmsg:
		*ret = wrap_sendmsg(INT(a), PTR(b), INT(c));
		return true;
	case SYS_recvmmsg:
		*ret = wrap_recvmmsg(INT(a), PTR(b), (unsigned int)c, INT(d), PTR(e));
		return true;
	case SYS_sendmmsg:
		*ret = wrap_sendmmsg(INT(a), PTR(b), (unsigned int)c, INT(d));
		return true;
	}
	return false;
}

bool door_syscall(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
	case SYS_seccomp:
		if (a == SECCOMP_SET_MODE_FILTER)
			seccomp_watch(PTR(c));
		/* libseccomp asks with flags, to be refused, whether it is there. */
		if (a != SECCOMP_SET_MODE_STRICT || b || c || !seccomp_strict())
			return false;
		errno = EINVAL;
		*ret = -1;
		return true;
	case SYS_prctl:
		*ret = wrap_prctl(INT(a), (unsigned long)b, (unsigned long)c, (unsigned long)d,
				  (unsigned long)e);
		return true;
	case SYS_openat2:
		return open_how(ret, INT(a), PATH(b), PTR(c), SIZE(d));
	case SYS_iopl:
		*ret = wrap_iopl(INT(a));
		return true;
	case SYS_ioperm:
		*ret = wrap_ioperm((unsigned long)a, (unsigned long)b, INT(c));
		return true;
	case SYS_fork:
		*ret = fork();
		return true;
	case SYS_execve:
		*ret = wrap_execve(PATH(a), PTR(b), PTR(c));
		return true;
	case SYS_execveat:
		*ret = wrap_execveat(INT(a), PATH(b), PTR(c), PTR(d), INT(e));
		return true;
	}
	return names(ret, number, a, b, c, d, e) || memory(ret, number, a, b, c, d, e, f) ||
	       fds(ret, number, a, b, c, d) || more_fds(ret, number, a, b, c, d, e, f) ||
	       changes(ret, number, a, b, c, d, e) || sockets(ret, number, a, b, c, d, e, f);
}
