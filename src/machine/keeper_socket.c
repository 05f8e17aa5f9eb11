/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding the keeper: its socket, the word in the session file that processes without a keeper
 * sleep on, and starting one on demand.
 *
 * A session's directory may be too long for a socket's address: the address goes through an fd of
 * the directory.
 */
#include "machine/keeper_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "machine/keeper.h"
#include "machine/keeper_msg.h"
#include "machine/session_priv.h"

#define START_TRIES 100
#define START_NSEC  10000000
#define ANSWER_MSEC 3000

/* Fills @addr through a directory fd, which the caller closes. The fd or -errno. */
static int keeper_address(struct session *session, const char *name, struct sockaddr_un *addr)
{
	int dir = open(session->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s", dir, name);
	return dir;
}

/* Calls @fn, bind or connect, for DIR/@name. 0 or -errno. */
static int at_address(struct session *session, int fd, const char *name,
		      int (*fn)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un addr;
	int dir = keeper_address(session, name, &addr), ret;

	if (dir < 0)
		return dir;
	ret = fn(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	close(dir);
	return ret;
}

static int with_socket(struct session *session, const char *name,
		       int (*fn)(int, const struct sockaddr *, socklen_t))
{
	int fd, ret;

	/* Raw, because it is moved: a sanitizer would take the number for still open. */
	fd = (int)sysraw3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	fd = fd_move_high(fd);
	if (fd < 0)
		return fd;
	ret = at_address(session, fd, name, fn);
	if (ret) {
		fd_close(fd);
		return ret;
	}
	return fd;
}

int keeper_listen(struct session *session, const char *name)
{
	char path[PATH_MAX];
	int ret = session_path(session, name, path, sizeof(path));

	if (ret)
		return ret;
	unlink(path);
	ret = with_socket(session, name, bind);
	if (ret >= 0 && listen(ret, 64) < 0) {
		fd_close(ret);
		return -errno;
	}
	return ret;
}

int keeper_connect_to(struct session *session, int fd, const char *name)
{
	int ret = at_address(session, fd, name, connect), keeper;

	/* The keeper is gone: with the next one it is there again. */
	if (ret != -ECONNREFUSED && ret != -ENOENT)
		return ret;
	keeper = keeper_connect(session, true);
	if (keeper < 0)
		return ret;
	ret = at_address(session, fd, name, connect);
	fd_close(keeper);
	return ret;
}

uint32_t keeper_epoch(struct session *session)
{
	return atomic_load(&session->shared->keeper_epoch);
}

void keeper_announce(struct session *session)
{
	atomic_fetch_add(&session->shared->keeper_epoch, 1);
	syscall(SYS_futex, &session->shared->keeper_epoch, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void keeper_await(struct session *session, uint32_t seen)
{
	const struct timespec second = { .tv_sec = 1 };

	syscall(SYS_futex, &session->shared->keeper_epoch, FUTEX_WAIT, seen, &second, NULL, 0);
}

int keeper_await_done(int fd, uint32_t id, struct keeper_msg *msg)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	ssize_t len;
	int ret;

	do {
		do {
			ret = poll(&answer, 1, ANSWER_MSEC);
		} while (ret < 0 && errno == EINTR);
		if (ret != 1)
			return -ETIMEDOUT;
		len = recv(fd, msg, sizeof(*msg), MSG_DONTWAIT);
		if (len != sizeof(*msg) && (len >= 0 || errno != EINTR))
			return -EPIPE;
	} while (len < 0 || msg->type != KEEPER_DONE || msg->id != id);
	return 0;
}

int keeper_set_program(struct session *session, const char *path)
{
	char link[PATH_MAX];
	int ret = session_path(session, "uvfio", link, sizeof(link));

	if (ret)
		return ret;
	return symlink(path, link) < 0 && errno != EEXIST ? -errno : 0;
}

/* `uvfio keeper DIR` without our library in it. It puts itself into the background. */
static int keeper_start(struct session *session)
{
	static char *const environment[] = { "PATH=/usr/bin:/bin", NULL };
	char program[PATH_MAX], word[] = "keeper";
	char *argv[] = { program, word, session->dir, NULL };
	int ret = session_path(session, "uvfio", program, sizeof(program)), status;
	pid_t pid;

	if (ret)
		return ret;
	ret = posix_spawn(&pid, program, NULL, NULL, argv, environment);
	if (ret)
		return -ret;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	return 0;
}

int keeper_connect(struct session *session, bool start)
{
	const struct timespec pause = { .tv_nsec = START_NSEC };
	int fd = with_socket(session, KEEPER_SOCKET, connect);

	if (fd >= 0 || !start)
		return fd;
	fd = keeper_start(session);
	for (int i = 0; fd >= 0 && i < START_TRIES; i++) {
		fd = with_socket(session, KEEPER_SOCKET, connect);
		if (fd >= 0)
			return fd;
		nanosleep(&pause, NULL);
		fd = 0;
	}
	return fd < 0 ? fd : -ETIMEDOUT;
}
