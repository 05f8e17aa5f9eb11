/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw system calls that return -errno: for paths that must not pass a libc interposer, touch errno
 * or be a cancellation point (signal handlers, the library's own fds and mappings).
 */
#ifndef BASE_SYSRAW_H
#define BASE_SYSRAW_H

#include <linux/futex.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include "base/types.h"

static inline long sysraw6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sysraw4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sysraw3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/* The address, or -errno (-4095..-1) as a long. */
static inline long raw_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t off)
{
	return sysraw6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, (long)off);
}

static inline int raw_munmap(void *addr, size_t len)
{
	return (int)sysraw3(SYS_munmap, (long)addr, (long)len, 0);
}

static inline int raw_mprotect(void *addr, size_t len, int prot)
{
	return (int)sysraw3(SYS_mprotect, (long)addr, (long)len, prot);
}

static inline long raw_mremap(void *addr, size_t old_len, size_t new_len, int flags, void *to)
{
	return sysraw6(SYS_mremap, (long)addr, (long)old_len, (long)new_len, flags, (long)to, 0);
}

static inline int raw_madvise(void *addr, size_t len, int advice)
{
	return (int)sysraw3(SYS_madvise, (long)addr, (long)len, advice);
}

static inline int raw_close(int fd)
{
	return (int)sysraw3(SYS_close, fd, 0, 0);
}

static inline int raw_dup(int fd)
{
	return (int)sysraw3(SYS_dup, fd, 0, 0);
}

static inline int raw_dup3(int oldfd, int newfd, int flags)
{
	return (int)sysraw3(SYS_dup3, oldfd, newfd, flags);
}

static inline int raw_fcntl(int fd, int cmd, long arg)
{
	return (int)sysraw3(SYS_fcntl, fd, cmd, arg);
}

static inline int raw_fstat(int fd, struct stat *st)
{
	return (int)sysraw3(SYS_fstat, fd, (long)st, 0);
}

static inline int raw_ftruncate(int fd, uint64_t size)
{
	return (int)sysraw3(SYS_ftruncate, fd, (long)size, 0);
}

static inline int raw_memfd_create(const char *name, unsigned int flags)
{
	return (int)sysraw3(SYS_memfd_create, (long)name, flags, 0);
}

static inline ssize_t raw_pread(int fd, void *buf, size_t len, uint64_t off)
{
	return sysraw4(SYS_pread64, fd, (long)buf, (long)len, (long)off);
}

static inline ssize_t raw_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	return sysraw4(SYS_pwrite64, fd, (long)buf, (long)len, (long)off);
}

/* @timeout: relative for FUTEX_WAIT; NULL waits for ever. */
static inline int raw_futex_wait(const void *word, uint32_t value, const struct timespec *timeout)
{
	return (int)sysraw6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, (long)timeout,
			    0, 0);
}

static inline int raw_futex_wake(const void *word, int count)
{
	return (int)sysraw3(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, count);
}

static inline int raw_sigaltstack(const stack_t *stack, stack_t *old)
{
	return (int)sysraw3(SYS_sigaltstack, (long)stack, (long)old, 0);
}

static inline int raw_gettid(void)
{
	return (int)sysraw3(SYS_gettid, 0, 0, 0);
}

static inline int raw_getpid(void)
{
	return (int)sysraw3(SYS_getpid, 0, 0, 0);
}

static inline int raw_sched_yield(void)
{
	return (int)sysraw3(SYS_sched_yield, 0, 0, 0);
}

/* The kernel's signal set: one bit for each of 64 signals, signal n at bit n - 1. */
typedef uint64_t ksigset_t;
#define KSIG(sig) (1ULL << ((sig)-1))

/* What rt_sigaction takes on x86-64. */
struct ksigaction {
	void (*handler)(int sig, siginfo_t *info, void *ucontext);
	unsigned long flags;
	void (*restorer)(void);
	ksigset_t mask;
};

static inline int raw_sigaction(int sig, const struct ksigaction *act, struct ksigaction *old)
{
	return (int)sysraw4(SYS_rt_sigaction, sig, (long)act, (long)old, sizeof(ksigset_t));
}

static inline int raw_sigprocmask(int how, const ksigset_t *set, ksigset_t *old)
{
	return (int)sysraw4(SYS_rt_sigprocmask, how, (long)set, (long)old, sizeof(ksigset_t));
}

#endif
