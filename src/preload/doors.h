/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the wrappers call (the actions of wrappers.tbl). Each returns true when it has done the
 * call, with the result in *@ret and errno set as libc would; false: libc is to do it with the
 * program's own arguments.
 */
#ifndef PRELOAD_DOORS_H
#define PRELOAD_DOORS_H

#include "preload/real.h"

struct tree_path;

/* open.c */
bool door_open(int *ret, int dirfd, const char *path, int flags, mode_t mode);
bool door_fopen(FILE **ret, const char *path, const char *how);
bool door_freopen(FILE **ret, const char *path, const char *how, FILE *stream);
bool door_fdopen(FILE **ret, int fd, const char *how);

/* stat.c */
bool door_stat(int *ret, int dirfd, const char *path, struct stat *st, int flags);
bool door_fstat(int *ret, int fd, struct stat *st);
bool door_statx(int *ret, int dirfd, const char *path, int flags, unsigned int mask,
		struct statx *stx);
bool door_statfs(int *ret, const char *path, struct statfs *fs);
bool door_fstatfs(int *ret, int fd, struct statfs *fs);
bool door_statvfs(int *ret, const char *path, struct statvfs *fs);

/* names.c */
bool door_readlink(ssize_t *ret, int dirfd, const char *path, char *buf, size_t size);
bool door_realpath(char **ret, const char *path, char *out);
/* Whether the directory that @real is to be in is there. */
bool path_has_parent(const char *real);
/* Why unlinkat() with @flags of a name of the tree fails; -1: remove(3). -errno. Depth raised. */
int path_unlink_error(const char *real, int flags);
/* What making a name of the tree fails with. */
int path_make_error(const struct tree_path *tp);
bool door_rename(int *ret, int fromfd, const char *from, int tofd, const char *to,
		 unsigned int flags);
bool door_link(int *ret, int fromfd, const char *from, int tofd, const char *to, int flags);
bool door_chmod(int *ret, int dirfd, const char *path, mode_t mode, int flags);
bool door_fchmod(int *ret, int fd, mode_t mode);
bool door_chown(int *ret, int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
bool door_fchown(int *ret, int fd, uid_t uid, gid_t gid);
bool door_truncate(int *ret, const char *path, off_t len);
bool door_chdir(int *ret, const char *path);
bool door_fchdir(int *ret, int fd);
bool door_getcwd(char **ret, char *buf, size_t size);

/* dir.c, walk.c */
bool door_opendir(DIR **ret, const char *path);
bool door_fdopendir(DIR **ret, int fd);
bool door_getdents64(ssize_t *ret, int fd, void *buf, size_t size);
bool door_closedir(int *ret, DIR *dir);
bool door_readdir(struct dirent **ret, DIR *dir);
bool door_readdir_r(int *ret, DIR *dir, struct dirent *entry, struct dirent **result);
bool door_rewinddir(DIR *dir);
bool door_telldir(long *ret, DIR *dir);
bool door_seekdir(DIR *dir, long pos);
bool door_scandir(int *ret, int dirfd, const char *path, struct dirent ***names,
		  dirent_filter_fn filter, dirent_compare_fn compare);
bool door_glob(int *ret, const char *pattern, int flags, glob_error_fn error, glob_t *result);
bool door_ftw(int *ret, const char *path, ftw_fn fn, int fds);
bool door_nftw(int *ret, const char *path, nftw_fn fn, int fds, int flags);

/* io.c */
bool door_ioctl(int *ret, int fd, unsigned long cmd, unsigned long arg);
bool door_read(ssize_t *ret, int fd, void *buf, size_t count);
bool door_write(ssize_t *ret, int fd, const void *buf, size_t count);
bool door_pread(ssize_t *ret, int fd, void *buf, size_t count, off_t pos);
bool door_pwrite(ssize_t *ret, int fd, const void *buf, size_t count, off_t pos);
/* @pos -1: at the file's position. */
bool door_readv(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos);
bool door_writev(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos);
bool door_preadv(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos);
bool door_pwritev(ssize_t *ret, int fd, const struct iovec *iov, int n, off_t pos);
bool door_lseek(off_t *ret, int fd, off_t off, int whence);
bool door_ftruncate_file(int *ret, int fd, off_t len);
bool door_posix_fallocate_file(int *ret, int fd);
bool door_vdprintf(int *ret, int fd, const char *format, va_list ap);

/* huge_files.c, huge_mount.c, huge_shm.c */
bool door_ftruncate(int *ret, int fd, off_t len);
bool door_fallocate(int *ret, int fd, int mode, off_t off, off_t len);
bool door_posix_fallocate(int *ret, int fd, off_t off, off_t len);
bool door_memfd_create(int *ret, const char *name, unsigned int flags);
/* @flags: of unlinkat(2), or -1 for remove(3). */
bool door_unlink(int *ret, int dirfd, const char *path, int flags);
/* mkostemps(3). */
bool door_mkstemp(int *ret, char *template, int suffix, int flags);
bool door_mount(int *ret, const char *source, const char *target, const char *type,
		unsigned long flags, const void *data);
bool door_umount(int *ret, const char *target, int flags);
bool door_shmget(int *ret, key_t key, size_t size, int flags);
bool door_shmat(void **ret, int id, const void *addr, int flags);
bool door_shmdt(int *ret, const void *addr);

/* stdio_door.c */
bool door_fflush(int *ret, FILE *stream);
bool door_fclose(int *ret, FILE *stream);

/* fds.c */
bool door_close(int *ret, int fd);
bool door_close_range(int *ret, unsigned int first, unsigned int last, int flags);
bool door_closefrom(int first);
bool door_dup(int *ret, int fd);
/* @flags -1: dup2 */
bool door_dup3(int *ret, int from, int to, int flags);
/* An attribute open for reading as a plain file with what it reads now, at its start: for streams
 * that libc reads by itself. A new fd, or -errno. Depth raised. */
int fd_plain_copy(int fd);
bool door_fcntl(int *ret, int fd, int cmd, unsigned long arg);
bool door_recvmsg(ssize_t *ret, int fd, struct msghdr *msg, int flags);
bool door_recvmmsg_fds(int *ret, int fd, struct mmsghdr *msgs, unsigned int n, int flags,
		       struct timespec *timeout);
bool door_sendmsg_fds(ssize_t *ret, int fd, const struct msghdr *msg);
bool door_sendmmsg_fds(int *ret, int fd, const struct mmsghdr *msgs, unsigned int n);
/* messages.c: a file of @fd, when it is another process' of the session. Depth raised. */
bool message_adopt(int fd);

/* uevent.c: what is done natively is left to libc. */
bool door_socket(int *ret, int domain, int type, int protocol);
bool door_bind(int *ret, int fd, const struct sockaddr *addr, socklen_t len);
bool door_connect(int *ret, int fd, const struct sockaddr *addr, socklen_t len);
bool door_getsockname(int *ret, int fd, struct sockaddr *addr, socklen_t *len);
bool door_getpeername(int *ret, int fd, struct sockaddr *addr, socklen_t *len);
bool door_setsockopt(int *ret, int fd, int level, int option, const void *value, socklen_t len);
bool door_getsockopt(int *ret, int fd, int level, int option, void *value, socklen_t *len);
bool door_recv(ssize_t *ret, int fd, int flags);
bool door_recvfrom(ssize_t *ret, int fd, void *buf, size_t size, int flags, struct sockaddr *addr,
		   socklen_t *len);
bool door_uevent_recvmsg(ssize_t *ret, int fd, struct msghdr *msg, int flags);
bool door_recvmmsg(int *ret, int fd, struct mmsghdr *msgs, unsigned int n, int flags);
bool door_sendto(ssize_t *ret, int fd, const void *data, size_t size, const struct sockaddr *addr,
		 socklen_t len);
bool door_sendmsg(ssize_t *ret, int fd, const struct msghdr *msg);

/* memory.c */
bool door_mmap(void **ret, void *addr, size_t len, int prot, int flags, int fd, off_t off);
bool door_munmap(int *ret, void *addr, size_t len);
bool door_mremap(void **ret, void *addr, size_t old_len, size_t new_len, int flags, void *new_addr);
bool door_mprotect(int *ret, void *addr, size_t len, int prot);
bool door_madvise(int *ret, void *addr, size_t len, int advice);

/* process.c, exec.c */
bool door_Fork(pid_t *ret);
bool door_clone(int *ret, int (*fn)(void *), void *stack, int flags, void *arg, void *a, void *b,
		void *c);
bool door_execve(int *ret, const char *path, char *const argv[], char *const envp[]);
bool door_execvpe(int *ret, const char *file, char *const argv[], char *const envp[]);
bool door_execveat(int *ret, int dirfd, const char *path, char *const argv[], char *const envp[],
		   int flags);
bool door_spawn(int *ret, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[], bool search);

/* spawn_actions.c */
bool door_spawn_forget(int *ret, const posix_spawn_file_actions_t *actions);
bool door_spawn_addopen(int *ret, posix_spawn_file_actions_t *actions, int fd, const char *path,
			int flags, mode_t mode);
bool door_spawn_addclose(int *ret, posix_spawn_file_actions_t *actions, int fd);
bool door_spawn_adddup2(int *ret, posix_spawn_file_actions_t *actions, int fd, int to);
bool door_spawn_addchdir(int *ret, posix_spawn_file_actions_t *actions, const char *path);
bool door_spawn_addfchdir(int *ret, posix_spawn_file_actions_t *actions, int fd);
bool door_spawn_addclosefrom(int *ret, posix_spawn_file_actions_t *actions, int fd);
bool door_spawn_addtcsetpgrp(int *ret, posix_spawn_file_actions_t *actions, int fd);

/* exec_libc.c */
bool door_system(int *ret, const char *command);
bool door_popen(FILE **ret, const char *command, const char *how);
bool door_wordexp(int *ret, const char *words, wordexp_t *result, int flags);

/* identity.c */
bool door_getuid(uid_t *ret);
bool door_getgid(gid_t *ret);
bool door_getresuid(int *ret, uid_t *real, uid_t *effective, uid_t *saved);
bool door_getresgid(int *ret, gid_t *real, gid_t *effective, gid_t *saved);
bool door_getgroups(int *ret, int size, gid_t *list);

/* seccomp.c */
bool door_prctl(int *ret, int option, unsigned long mode, const void *program);
/* A filter (struct sock_fprog) is about to be installed. */
void seccomp_watch(const void *program);
/* Strict mode ends a thread at the first call of ours, and leaves the library's threads behind: 0,
 * or -EINVAL after one line when there is a machine. */
int seccomp_strict(void);
/* Says what the filters of this process refuse, before the library needs it. Depth raised. */
void seccomp_tell(void);

/* signals.c */
/* The fault handler is about to be installed, if it is not yet. */
void signals_note(void);
bool door_sigaction(int *ret, int sig, const struct sigaction *act, struct sigaction *old);
bool door_signal(sighandler_t *ret, int sig, sighandler_t handler, int flags);
/* @set_errno: sigprocmask() returns -1 and errno, pthread_sigmask() the number. */
bool door_sigmask(int *ret, int how, const sigset_t *set, sigset_t *old, bool set_errno);
bool door_sigsuspend(int *ret, const sigset_t *set);
bool door_ppoll(int *ret, struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *set);
bool door_pselect(int *ret, int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		  const sigset_t *set);
bool door_epoll_pwait(int *ret, int fd, struct epoll_event *events, int n, int timeout,
		      const sigset_t *set);
bool door_epoll_pwait2(int *ret, int fd, struct epoll_event *events, int n,
		       const struct timespec *timeout, const sigset_t *set);
/* BSD's masks: the first 32 signals in an int. */
bool door_sigbsd(int *ret, int how, int mask);

/* waiting.c */
bool door_poll(int *ret, struct pollfd *fds, nfds_t n, int timeout);

/* open.c */
bool door_klogctl(int *ret, int type, char *buf, int len);

/* rawcall.c */
bool door_syscall(long *ret, long number, long a, long b, long c, long d, long e, long f);

#endif
