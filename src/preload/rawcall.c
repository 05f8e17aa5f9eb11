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

#include "base/peek.h"
#include "preload/door.h"
#include "preload/doors.h"
#include "preload/guard.h"
#include "preload/wrappers.h"

#define PATH(x) ((const char *)(x))
#define PTR(x)	((void *)(x))
#define MODE(x) ((mode_t)(x))
#define INT(x)	((int)(x))
#define SIZE(x) ((size_t)(x))

/* In a switch over the numbers: the call is the wrapper's. */
#define CALL(name, call)             \
	case SYS_##name:             \
		*ret = (long)(call); \
		return true

static bool names(long *ret, long number, long a, long b, long c, long d, long e)
{
	switch (number) {
		CALL(open, wrap_open(PATH(a), INT(b), MODE(c)));
		CALL(openat, wrap_openat(INT(a), PATH(b), INT(c), MODE(d)));
		CALL(creat, wrap_creat(PATH(a), MODE(b)));
		CALL(stat, wrap_stat(PATH(a), PTR(b)));
		CALL(lstat, wrap_lstat(PATH(a), PTR(b)));
		CALL(newfstatat, wrap_fstatat(INT(a), PATH(b), PTR(c), INT(d)));
		CALL(statx, wrap_statx(INT(a), PATH(b), INT(c), (unsigned int)d, PTR(e)));
		CALL(access, wrap_access(PATH(a), INT(b)));
		CALL(faccessat, wrap_faccessat(INT(a), PATH(b), INT(c), 0));
		CALL(faccessat2, wrap_faccessat(INT(a), PATH(b), INT(c), INT(d)));
		CALL(statfs, wrap_statfs(PATH(a), PTR(b)));
		CALL(readlink, wrap_readlink(PATH(a), PTR(b), SIZE(c)));
		CALL(readlinkat, wrap_readlinkat(INT(a), PATH(b), PTR(c), SIZE(d)));
		CALL(mount, wrap_mount(PATH(a), PATH(b), PATH(c), (unsigned long)d, PTR(e)));
		CALL(umount2, wrap_umount2(PATH(a), INT(b)));
		CALL(chdir, wrap_chdir(PATH(a)));
		CALL(fchdir, wrap_fchdir(INT(a)));
	}
	return false;
}

/* Calls that change names, which the tree refuses. */
static bool changes(long *ret, long number, long a, long b, long c, long d, long e)
{
	switch (number) {
		CALL(unlink, wrap_unlink(PATH(a)));
		CALL(unlinkat, wrap_unlinkat(INT(a), PATH(b), INT(c)));
		CALL(rmdir, wrap_rmdir(PATH(a)));
		CALL(mkdir, wrap_mkdir(PATH(a), MODE(b)));
		CALL(mkdirat, wrap_mkdirat(INT(a), PATH(b), MODE(c)));
		CALL(symlinkat, wrap_symlinkat(PATH(a), INT(b), PATH(c)));
		CALL(linkat, wrap_linkat(INT(a), PATH(b), INT(c), PATH(d), INT(e)));
		CALL(renameat2, wrap_renameat2(INT(a), PATH(b), INT(c), PATH(d), (unsigned int)e));
		CALL(chmod, wrap_chmod(PATH(a), MODE(b)));
		CALL(fchmodat, wrap_fchmodat(INT(a), PATH(b), MODE(c), 0));
		CALL(fchownat, wrap_fchownat(INT(a), PATH(b), (uid_t)c, (gid_t)d, INT(e)));
		CALL(rename, wrap_rename(PATH(a), PATH(b)));
		CALL(renameat, wrap_renameat(INT(a), PATH(b), INT(c), PATH(d)));
		CALL(link, wrap_link(PATH(a), PATH(b)));
		CALL(symlink, wrap_symlink(PATH(a), PATH(b)));
		CALL(mknod, wrap_mknod(PATH(a), MODE(b), (dev_t)c));
		CALL(mknodat, wrap_mknodat(INT(a), PATH(b), MODE(c), (dev_t)d));
		CALL(fchmod, wrap_fchmod(INT(a), MODE(b)));
		CALL(chown, wrap_chown(PATH(a), (uid_t)b, (gid_t)c));
		CALL(lchown, wrap_lchown(PATH(a), (uid_t)b, (gid_t)c));
		CALL(fchown, wrap_fchown(INT(a), (uid_t)b, (gid_t)c));
		CALL(truncate, wrap_truncate(PATH(a), b));
	}
	return false;
}

/* Vectors, and what an fd of ours refuses. The positions of the vectors come in two halves. */
static bool more_fds(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
		CALL(getdents64, wrap_getdents64(INT(a), PTR(b), SIZE(c)));
		CALL(readv, wrap_readv(INT(a), PTR(b), INT(c)));
		CALL(writev, wrap_writev(INT(a), PTR(b), INT(c)));
		CALL(preadv, wrap_preadv(INT(a), PTR(b), INT(c), d));
		CALL(pwritev, wrap_pwritev(INT(a), PTR(b), INT(c), d));
		CALL(preadv2, wrap_preadv2(INT(a), PTR(b), INT(c), d, INT(f)));
		CALL(pwritev2, wrap_pwritev2(INT(a), PTR(b), INT(c), d, INT(f)));
		CALL(fsync, wrap_fsync(INT(a)));
		CALL(fdatasync, wrap_fdatasync(INT(a)));
		CALL(fstatfs, wrap_fstatfs(INT(a), PTR(b)));
		CALL(sendfile, wrap_sendfile(INT(a), INT(b), PTR(c), SIZE(d)));
		CALL(splice, wrap_splice(INT(a), PTR(b), INT(c), PTR(d), SIZE(e), (unsigned int)f));
		CALL(copy_file_range, wrap_copy_file_range(INT(a), PTR(b), INT(c), PTR(d), SIZE(e),
							   (unsigned int)f));
	}
	return false;
}

static bool memory(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
		CALL(mmap, wrap_mmap(PTR(a), SIZE(b), INT(c), INT(d), INT(e), f));
		CALL(munmap, wrap_munmap(PTR(a), SIZE(b)));
		CALL(mremap, wrap_mremap(PTR(a), SIZE(b), SIZE(c), INT(d), PTR(e)));
		CALL(mprotect, wrap_mprotect(PTR(a), SIZE(b), INT(c)));
		CALL(madvise, wrap_madvise(PTR(a), SIZE(b), INT(c)));
		CALL(memfd_create, wrap_memfd_create(PATH(a), (unsigned int)b));
		CALL(shmget, wrap_shmget((key_t)a, SIZE(b), INT(c)));
		CALL(shmat, wrap_shmat(INT(a), PTR(b), INT(c)));
		CALL(shmdt, wrap_shmdt(PTR(a)));
	}
	return false;
}

static bool fds(long *ret, long number, long a, long b, long c, long d)
{
	switch (number) {
		CALL(ioctl, wrap_ioctl(INT(a), (unsigned long)b, (unsigned long)c));
		CALL(read, wrap_read(INT(a), PTR(b), SIZE(c)));
		CALL(write, wrap_write(INT(a), PTR(b), SIZE(c)));
		CALL(pread64, wrap_pread64(INT(a), PTR(b), SIZE(c), d));
		CALL(pwrite64, wrap_pwrite64(INT(a), PTR(b), SIZE(c), d));
		CALL(lseek, wrap_lseek(INT(a), b, INT(c)));
		CALL(ftruncate, wrap_ftruncate(INT(a), b));
		CALL(fallocate, wrap_fallocate(INT(a), INT(b), c, d));
		CALL(fstat, wrap_fstat(INT(a), PTR(b)));
		CALL(close, wrap_close(INT(a)));
		CALL(close_range, wrap_close_range((unsigned int)a, (unsigned int)b, INT(c)));
		CALL(dup, wrap_dup(INT(a)));
		CALL(dup2, wrap_dup2(INT(a), INT(b)));
		CALL(dup3, wrap_dup3(INT(a), INT(b), INT(c)));
		CALL(fcntl, wrap_fcntl(INT(a), INT(b), (unsigned long)c));
	}
	return false;
}

static bool open_how(long *ret, int dirfd, const char *path, const struct open_how *how,
		     size_t size)
{
	if (size < sizeof(*how) || !peek_range(how, sizeof(*how)) || !path_maybe_at(dirfd, path))
		return false;
	*ret = wrap_openat(dirfd, path, INT(how->flags), MODE(how->mode));
	return true;
}

static bool sockets(long *ret, long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
		CALL(socket, wrap_socket(INT(a), INT(b), INT(c)));
		CALL(bind, wrap_bind(INT(a), PTR(b), (socklen_t)c));
		CALL(connect, wrap_connect(INT(a), PTR(b), (socklen_t)c));
		CALL(getpeername, wrap_getpeername(INT(a), PTR(b), PTR(c)));
		CALL(recvmmsg, wrap_recvmmsg(INT(a), PTR(b), (unsigned int)c, INT(d), PTR(e)));
		CALL(sendmmsg, wrap_sendmmsg(INT(a), PTR(b), (unsigned int)c, INT(d)));
		CALL(getsockname, wrap_getsockname(INT(a), PTR(b), PTR(c)));
		CALL(setsockopt, wrap_setsockopt(INT(a), INT(b), INT(c), PTR(d), (socklen_t)e));
		CALL(getsockopt, wrap_getsockopt(INT(a), INT(b), INT(c), PTR(d), PTR(e)));
		CALL(recvfrom, wrap_recvfrom(INT(a), PTR(b), SIZE(c), INT(d), PTR(e), PTR(f)));
		CALL(recvmsg, wrap_recvmsg(INT(a), PTR(b), INT(c)));
		CALL(sendto, wrap_sendto(INT(a), PTR(b), SIZE(c), INT(d), PTR(e), (socklen_t)f));
		CALL(sendmsg, wrap_sendmsg(INT(a), PTR(b), INT(c)));
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
		CALL(prctl, wrap_prctl(INT(a), (unsigned long)b, (unsigned long)c, (unsigned long)d,
				       (unsigned long)e));
	case SYS_openat2:
		return open_how(ret, INT(a), PATH(b), PTR(c), SIZE(d));
		CALL(iopl, wrap_iopl(INT(a)));
		CALL(ioperm, wrap_ioperm((unsigned long)a, (unsigned long)b, INT(c)));
		CALL(fork, fork());
		CALL(execve, wrap_execve(PATH(a), PTR(b), PTR(c)));
		CALL(execveat, wrap_execveat(INT(a), PATH(b), PTR(c), PTR(d), INT(e)));
	}
	return names(ret, number, a, b, c, d, e) || memory(ret, number, a, b, c, d, e, f) ||
	       fds(ret, number, a, b, c, d) || more_fds(ret, number, a, b, c, d, e, f) ||
	       changes(ret, number, a, b, c, d, e) || sockets(ret, number, a, b, c, d, e, f);
}
