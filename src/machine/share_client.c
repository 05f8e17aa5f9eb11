/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line to a process whose files this one has: one connection for requests, one at a time, and a
 * socket on which a thread hears what the pages of mappings have become. Its end is the owner's.
 *
 * Locks: peers_lock guards the list of peers, whose entries stay for good; peer->lock is held over
 * a request and its answer. Both are leaves. A request of a trap at library depth 0 takes them as
 * well: its thread was running the program's own code then. At a depth above 0 a thread may hold
 * them; a store that arrives there is posted over a connection of its own, without lock or answer.
 */
#include "machine/share_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "base/thread.h"
#include "file/file.h"
#include "machine/keeper_client.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"
#include "machine/share_priv.h"

#define START_TRIES 500
#define ASK_TRIES   10
#define START_NSEC  10000000

static pthread_mutex_t peers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct share_peer *peers; /* peers_lock */
static int session_fd = -1;	 /* the session's directory; peers_lock */

/* peers_lock held. */
static int peer_address(struct uvfio_machine *machine, int pid, struct sockaddr_un *addr)
{
	if (session_fd < 0) {
		session_fd = fd_move_high(
			open(session_dir(machine->session), O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (session_fd < 0)
			return session_fd;
	}
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/" SHARE_SOCKET,
		 session_fd, pid);
	return 0;
}

static int peer_connect(const struct share_peer *peer)
{
	int fd = (int)sysraw3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return fd;
	ret = (int)sysraw3(SYS_connect, fd, (long)&peer->addr, sizeof(peer->addr));
	if (ret) {
		raw_close(fd);
		return ret;
	}
	return fd;
}

/* Who has never sent a file serves none yet: it is asked to by the keeper. */
static int connect_asking(struct uvfio_machine *machine, const struct share_peer *peer)
{
	const struct timespec pause = { .tv_nsec = START_NSEC };
	int fd = peer_connect(peer);

	if ((fd != -ENOENT && fd != -ECONNREFUSED) || sysraw3(SYS_kill, peer->pid, 0, 0) == -ESRCH)
		return fd;
	for (int i = 0; i < START_TRIES && (fd == -ENOENT || fd == -ECONNREFUSED); i++) {
		/* The keeper may not know it yet: what it is told then is lost. */
		if (i % ASK_TRIES == 0)
			keeper_ask_share(machine, peer->pid);
		sysraw3(SYS_nanosleep, (long)&pause, 0, 0);
		fd = peer_connect(peer);
	}
	return fd;
}

/* ---- the owner speaks ------------------------------------------------------------------------ */

static void take_note(const struct share_note *note)
{
	struct file *file = file_from_identity((dev_t)note->dev, note->ino);

	if (!file)
		return;
	if (note->access <= PAGE_REVOKED &&
	    file_set_access(file, note->off, note->len, (enum page_access)note->access))
		pr_err("%s: the access of a mapped page cannot be changed", file->path);
	file_put(file);
}

static void *notes_thread(void *arg)
{
	struct share_peer *peer = arg;
	struct share_note note;
	long ret;

	for (;;) {
		ret = sysraw6(SYS_recvfrom, peer->notes_fd, (long)&note, sizeof(note), 0, 0, 0);
		if (ret == -EINTR)
			continue;
		if (ret != sizeof(note))
			break;
		take_note(&note);
		sysraw6(SYS_sendto, peer->notes_fd, (long)&note.seq, sizeof(note.seq), MSG_NOSIGNAL,
			0, 0);
	}
	atomic_store(&peer->gone, true);
	remote_owner_gone(peer);
	/* A request that waits for its answer hears the end as well. */
	pthread_mutex_lock(&peer->lock);
	fd_close(peer->fd);
	fd_close(peer->notes_fd);
	peer->fd = peer->notes_fd = -1;
	pthread_mutex_unlock(&peer->lock);
	return NULL;
}

/* A socketpair: one end goes over with HELLO. */
static int start_notes(struct share_peer *peer)
{
	struct share_msg msg = { .magic = SHARE_MAGIC, .type = SHARE_HELLO };
	int pair[2] = { -1, -1 }, ret;
	pthread_t thread;

	ret = (int)sysraw4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (long)pair);
	if (ret)
		return ret;
	peer->notes_fd = fd_move_high(pair[0]);
	ret = MIN(peer->notes_fd, 0);
	if (!ret)
		ret = share_send(peer->fd, &msg, NULL, &pair[1], 1);
	raw_close(pair[1]);
	if (!ret)
		ret = thread_create(&thread, "uvfio-notes", notes_thread, peer);
	if (ret) {
		fd_close(peer->notes_fd);
		return ret;
	}
	pthread_detach(thread);
	return 0;
}

/* ---- peers ----------------------------------------------------------------------------------- */

/* peers_lock held. */
static int new_peer(struct uvfio_machine *machine, int pid, struct share_peer **out)
{
	struct share_peer *peer = FAIL_POINT() ? NULL : calloc(1, sizeof(*peer));
	int ret;

	if (!peer)
		return -ENOMEM;
	peer->pid = pid;
	pthread_mutex_init(&peer->lock, NULL);
	ret = peer_address(machine, pid, &peer->addr);
	if (!ret) {
		peer->fd = connect_asking(machine, peer);
		if (peer->fd >= 0)
			peer->fd = fd_move_high(peer->fd);
		ret = MIN(peer->fd, 0);
	}
	if (!ret) {
		ret = start_notes(peer);
		if (ret)
			fd_close(peer->fd);
	}
	if (ret) {
		free(peer);
		return ret;
	}
	peer->next = peers;
	peers = peer;
	*out = peer;
	return 0;
}

int share_peer_get(struct uvfio_machine *machine, int pid, struct share_peer **out)
{
	struct share_peer *peer;
	int ret = 0;

	pthread_mutex_lock(&peers_lock);
	for (peer = peers; peer; peer = peer->next)
		if (peer->pid == pid && !atomic_load(&peer->gone))
			break;
	if (!peer)
		ret = new_peer(machine, pid, &peer);
	pthread_mutex_unlock(&peers_lock);
	*out = peer;
	return ret;
}

static int send_fds(struct share_peer *peer, const int **fds, size_t *nfds)
{
	struct share_msg msg = { .magic = SHARE_MAGIC, .type = SHARE_FDS };
	int ret = 0;

	while (!ret && *nfds > SHARE_FDS_ONCE) {
		ret = share_send(peer->fd, &msg, NULL, *fds, SHARE_FDS_ONCE);
		*fds += SHARE_FDS_ONCE;
		*nfds -= SHARE_FDS_ONCE;
	}
	return ret;
}

/* peer->lock held. */
static int exchange(struct share_peer *peer, struct share_request *r)
{
	const int *fds = r->fds;
	size_t nfds = r->num_fds, got;
	int received[SHARE_FDS_ONCE], ret;

	ret = send_fds(peer, &fds, &nfds);
	if (!ret)
		ret = share_send(peer->fd, &r->msg, r->payload, fds, nfds);
	if (!ret)
		ret = share_recv(peer->fd, &r->msg, r->answer, r->answer_size, received, &got);
	if (ret)
		return ret;
	r->fd = got ? received[0] : -1;
	while (got > 1)
		raw_close(received[--got]);
	return r->msg.type == SHARE_ANSWER ? 0 : -EPIPE;
}

int64_t share_request(struct share_peer *peer, struct share_request *r)
{
	int ret;

	r->msg.magic = SHARE_MAGIC;
	r->fd = -1;
	if (!peer || atomic_load(&peer->gone)) {
		r->msg.len = 0;
		return -ENODEV;
	}
	pthread_mutex_lock(&peer->lock);
	ret = atomic_load(&peer->gone) ? -EPIPE : exchange(peer, r);
	pthread_mutex_unlock(&peer->lock);
	if (ret)
		r->msg.len = 0;
	/* Only its end ends a connection. */
	if (ret == -EPIPE)
		return -ENODEV;
	return ret ? ret : r->msg.value;
}

void share_post(struct share_peer *peer, struct share_msg *msg)
{
	int fd;

	msg->magic = SHARE_MAGIC;
	if (!peer || atomic_load(&peer->gone))
		return;
	fd = peer_connect(peer);
	if (fd < 0)
		return;
	share_send(fd, msg, NULL, NULL, 0);
	raw_close(fd);
}

void share_client_after_fork(void)
{
	struct share_peer *peer;

	pthread_mutex_init(&peers_lock, NULL);
	for (peer = peers; peer; peer = peer->next) {
		pthread_mutex_init(&peer->lock, NULL);
		/* Its fds are the parent's; so is its thread. */
		fd_close(peer->fd);
		fd_close(peer->notes_fd);
		peer->fd = peer->notes_fd = -1;
		atomic_store(&peer->gone, true);
	}
	remote_after_fork();
}
