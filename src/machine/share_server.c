/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner of files that other processes have fds of: a thread that listens on a socket in the
 * session's directory, and one for each connection.
 *
 * Every file that has left the process is held here by a reference, and released when there are
 * neither fds nor mappings of it, here or in any process: the kernel is asked (file/share.c). That
 * is done when something was closed here, when another process says that it has closed, or ends,
 * and ten times a second as long as a file is open for others alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "base/thread.h"
#include "file/file.h"
#include "machine/keeper_socket.h"
#include "machine/machine_priv.h"
#include "machine/share_priv.h"
#include "pci/pci.h"

#define SWEEP_MSEC 100

atomic_uint share_count;

/* ---- files ----------------------------------------------------------------------------------- */

int share_keep(struct share_server *server, struct file *file)
{
	struct file **files;
	int ret = 0;
	size_t i;

	pthread_mutex_lock(&server->lock);
	for (i = 0; i < server->num_files && server->files[i] != file; i++)
		;
	if (i == server->num_files) {
		if (i == server->room) {
			files = FAIL_POINT() ? NULL
					     : realloc(server->files, (i + 16) * sizeof(*files));
			ret = files ? 0 : -ENOMEM;
			if (files) {
				server->files = files;
				server->room = i + 16;
			}
		}
		if (!ret) {
			server->files[server->num_files++] = file_get(file);
			atomic_fetch_add(&share_count, 1);
		}
	}
	pthread_mutex_unlock(&server->lock);
	return ret;
}

struct file *share_find(struct share_server *server, dev_t dev, uint64_t ino)
{
	struct file *file = NULL;

	pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->num_files && !file; i++)
		if (server->files[i]->id == ino && file_dev(server->files[i]) == dev)
			file = file_get(server->files[i]);
	pthread_mutex_unlock(&server->lock);
	return file;
}

/* A file that only we hold, in any process; *@waiting: there is one that others hold. */
static struct file *take_unheld(struct share_server *server, bool *waiting)
{
	struct file *file = NULL;
	size_t i;

	*waiting = false;
	pthread_mutex_lock(&server->lock);
	for (i = 0; i < server->num_files && !file; i++) {
		if (atomic_load(&server->files[i]->refs) != 1)
			continue;
		if (file_held_elsewhere(server->files[i])) {
			*waiting = true;
			continue;
		}
		file = server->files[i];
		server->files[i] = server->files[--server->num_files];
		atomic_fetch_sub(&share_count, 1);
	}
	pthread_mutex_unlock(&server->lock);
	return file;
}

/* Whether files are left that others hold. */
static bool sweep(struct share_server *server)
{
	struct file *file;
	bool waiting;

	/* A device's end may leave its group with nobody. */
	while ((file = take_unheld(server, &waiting)) != NULL)
		file_put(file);
	share_forget_dma(server);
	return waiting;
}

void share_sweep(struct uvfio_machine *machine)
{
	struct share_server *server = atomic_load(&machine->share);

	if (server && sweep(server))
		share_wake(server);
}

void share_sweep_soon(struct uvfio_machine *machine)
{
	struct share_server *server = atomic_load(&machine->share);

	if (server)
		share_wake(server);
}

void share_wake(struct share_server *server)
{
	const uint64_t one = 1;

	/* A counter that is full wakes as well. */
	sysraw3(SYS_write, server->wake_fd, (long)&one, sizeof(one));
}

/* ---- connections ----------------------------------------------------------------------------- */

struct conn_buffers {
	uint8_t in[SHARE_PAYLOAD];
	int fds[SHARE_FDS_MAX];
	size_t num_fds;
	int err; /* some fds of the next request are missing */
	uint8_t *out;
};

static void close_fds(struct conn_buffers *b)
{
	while (b->num_fds) {
		int fd = b->fds[--b->num_fds];

		file_fd_close(fd);
		raw_close(fd);
	}
	b->err = 0;
}

/* Out of the way of the program's numbers, but none of the library's own: what looks them up is to
 * find what they are. */
static void take_fds(struct conn_buffers *b, const int *fds, size_t n)
{
	size_t i;
	int high;

	for (i = 0; i < n; i++) {
		high = b->num_fds < SHARE_FDS_MAX ? raw_fcntl(fds[i], F_DUPFD_CLOEXEC, 512)
						  : -EMFILE;
		if (high == -EINVAL)
			high = raw_fcntl(fds[i], F_DUPFD_CLOEXEC, 16);
		raw_close(fds[i]);
		if (high >= 0)
			b->fds[b->num_fds++] = high;
		else
			b->err = high;
	}
}

static void hello(struct share_conn *conn, struct conn_buffers *b)
{
	int fd = b->num_fds ? raw_dup(b->fds[0]) : -EBADF;

	if (fd >= 0)
		fd = fd_move_high(fd);
	pthread_mutex_lock(&conn->server->notes_lock);
	if (fd >= 0 && conn->notify_fd < 0)
		conn->notify_fd = fd;
	else
		fd_close(fd);
	pthread_mutex_unlock(&conn->server->notes_lock);
}

static int answer(struct share_conn *conn, const struct share_call *call, int64_t value)
{
	struct share_msg msg = { .magic = SHARE_MAGIC,
				 .type = SHARE_ANSWER,
				 .value = value,
				 .len = (uint32_t)call->out_len };

	return share_send(conn->fd, &msg, call->out + call->out_at, &call->out_fd,
			  call->out_fd >= 0);
}

/* One packet; -EPIPE: the connection ends. */
static int serve_one(struct share_conn *conn, struct conn_buffers *b)
{
	struct share_call call = { .conn = conn, .payload = b->in, .out = b->out, .out_fd = -1 };
	struct share_msg msg;
	int fds[SHARE_FDS_ONCE], ret;
	int64_t value;
	size_t n;

	ret = share_recv(conn->fd, &msg, b->in, sizeof(b->in), fds, &n);
	if (ret == -EMFILE)
		b->err = ret;
	else if (ret)
		return ret;
	take_fds(b, fds, n);
	ret = 0;
	if (msg.type == SHARE_FDS)
		return 0;
	call.msg = &msg;
	call.fds = b->fds;
	call.num_fds = b->num_fds;
	if (msg.type == SHARE_HELLO) {
		hello(conn, b);
	} else {
		value = b->err ? b->err : share_do(&call);
		ret = msg.type == SHARE_POST ? 0 : answer(conn, &call, value);
		if (call.out_fd >= 0)
			raw_close(call.out_fd);
		/* A write to another function's BAR, made by this one's DMA. */
		pci_run_deferred();
	}
	close_fds(b);
	return ret;
}

static struct conn_buffers *alloc_buffers(void)
{
	struct conn_buffers *b = FAIL_POINT() ? NULL : calloc(1, sizeof(*b));
	long at;

	if (!b)
		return NULL;
	/* The page behind stays without access: what is not in a packet is not there. */
	at = raw_mmap(NULL, SHARE_PAYLOAD + HOST_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (at < 0 && at > -4096) {
		free(b);
		return NULL;
	}
	b->out = (uint8_t *)at;
	if (raw_mprotect(b->out, SHARE_PAYLOAD, PROT_READ | PROT_WRITE)) {
		raw_munmap(b->out, SHARE_PAYLOAD + HOST_PAGE_SIZE);
		free(b);
		return NULL;
	}
	return b;
}

static void *conn_thread(void *arg)
{
	struct share_conn *conn = arg;
	struct conn_buffers *b = alloc_buffers();

	while (b && !serve_one(conn, b))
		;
	if (b) {
		close_fds(b);
		raw_munmap(b->out, SHARE_PAYLOAD + HOST_PAGE_SIZE);
		free(b);
	}
	share_unsubscribe(conn, NULL);
	pthread_mutex_lock(&conn->server->notes_lock);
	fd_close(conn->notify_fd);
	conn->notify_fd = -1;
	pthread_mutex_unlock(&conn->server->notes_lock);
	fd_close(conn->fd);
	conn->fd = -1;
	/* What its process held may be nobody's now. */
	share_wake(conn->server);
	atomic_store(&conn->used, false);
	return NULL;
}

static void accept_one(struct share_server *server)
{
	int fd = (int)sysraw4(SYS_accept4, server->listen_fd, 0, 0, SOCK_CLOEXEC);
	struct share_conn *conn = NULL;
	pthread_t thread;

	if (fd >= 0)
		fd = fd_move_high(fd);
	if (fd < 0)
		return;
	for (size_t i = 0; i < SHARE_CONNS && !conn; i++)
		if (!atomic_load(&server->conns[i].used))
			conn = &server->conns[i];
	if (!conn) {
		pr_warn("too many processes use the files that this one has opened");
		fd_close(fd);
		return;
	}
	conn->server = server;
	conn->fd = fd;
	conn->notify_fd = -1;
	conn->slow = false;
	conn->num_subs = 0;
	atomic_store(&conn->used, true);
	if (thread_create(&thread, "uvfio-share", conn_thread, conn)) {
		fd_close(fd);
		atomic_store(&conn->used, false);
		return;
	}
	pthread_detach(thread);
}

static void *listen_thread(void *arg)
{
	struct share_server *server = arg;
	struct pollfd fds[2] = { { .fd = server->listen_fd, .events = POLLIN },
				 { .fd = server->wake_fd, .events = POLLIN } };
	int msec = -1;
	uint64_t count;

	for (;;) {
		fds[0].revents = fds[1].revents = 0;
		poll(fds, 2, msec);
		if (fds[0].revents)
			accept_one(server);
		if (fds[1].revents)
			sysraw3(SYS_read, server->wake_fd, (long)&count, sizeof(count));
		/* The fds of a process that dies go one after the other: look soon, then later. */
		if (fds[1].revents || msec < 0)
			msec = 1;
		else
			msec = MIN(msec * 2, SWEEP_MSEC);
		if (!sweep(server) && msec == SWEEP_MSEC)
			msec = -1;
	}
	return NULL;
}

/* ---- start and end --------------------------------------------------------------------------- */

static int start(struct uvfio_machine *machine, struct share_server **out)
{
	struct share_server *server = FAIL_POINT() ? NULL : calloc(1, sizeof(*server));
	char name[SHARE_NAME_MAX];
	pthread_t thread;
	int ret;

	if (!server)
		return -ENOMEM;
	server->machine = machine;
	pthread_mutex_init(&server->lock, NULL);
	pthread_mutex_init(&server->notes_lock, NULL);
	snprintf(name, sizeof(name), SHARE_SOCKET, raw_getpid());
	server->wake_fd = fd_move_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	server->listen_fd = keeper_listen(machine->session, name);
	ret = MIN(MIN(server->listen_fd, server->wake_fd), 0);
	if (!ret)
		ret = thread_create(&thread, "uvfio-share", listen_thread, server);
	if (ret) {
		fd_close(server->wake_fd);
		fd_close(server->listen_fd);
		free(server);
		return ret;
	}
	pthread_detach(thread);
	share_hook(server);
	*out = server;
	return 0;
}

int share_serve(struct uvfio_machine *machine)
{
	struct share_server *server;
	int ret = 0;

	pthread_mutex_lock(&machine->claims_lock);
	if (!atomic_load(&machine->share)) {
		ret = start(machine, &server);
		if (!ret)
			atomic_store(&machine->share, server);
	}
	pthread_mutex_unlock(&machine->claims_lock);
	if (ret)
		pr_err("other processes cannot use VFIO files of this one: %s", strerror(-ret));
	return ret;
}

int share_send_file(struct uvfio_machine *machine, struct file *file)
{
	int ret;

	if (file->ops->kind == FILE_LOCAL)
		return 0;
	ret = share_serve(machine);
	if (!ret)
		ret = file_mark_shared(file->memfd);
	return ret ? ret : share_keep(atomic_load(&machine->share), file);
}

void share_after_fork(struct uvfio_machine *machine)
{
	struct share_server *server = atomic_load(&machine->share);

	atomic_store(&share_count, 0);
	atomic_store(&file_access_hook, NULL);
	share_client_after_fork();
	if (!server)
		return;
	/* The connections end with the parent. */
	fd_close(server->listen_fd);
	fd_close(server->wake_fd);
	for (size_t i = 0; i < SHARE_CONNS; i++) {
		if (!atomic_load(&server->conns[i].used))
			continue;
		fd_close(server->conns[i].fd);
		fd_close(server->conns[i].notify_fd);
	}
	machine->parents_share = server;
	atomic_store(&machine->share, NULL);
}
