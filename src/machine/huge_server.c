/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine/huge_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd_pass.h"
#include "machine/huge_server_priv.h"

/* ---- coming and going ------------------------------------------------------------------------ */

static void load_pools(struct huge_server *server)
{
	for (int i = 0; i < HUGE_SIZES; i++) {
		struct shared_huge_pool *kept = &server->shared->pool[i];
		struct huge_pool *pool = &server->pool[i];

		huge_pool_init(pool, server->shared->nodes, kept->max);
		pool->overcommit = kept->overcommit;
		for (unsigned int n = 0; n < pool->nodes; n++)
			pool->node[n] = kept->node[n];
	}
}

static void store_pool(struct huge_server *server, enum huge_size size)
{
	struct shared_huge_pool *kept = &server->shared->pool[size];

	kept->overcommit = server->pool[size].overcommit;
	for (unsigned int n = 0; n < server->pool[size].nodes; n++)
		kept->node[n] = server->pool[size].node[n];
}

/* Each name costs two descriptors. The command has been started: its limits are its own. */
static void prepare_process(void)
{
	struct rlimit limit;
	struct sigaction old;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* Whoever opens a file at the moment of our question breaks the lease. */
	if (!sigaction(SIGIO, NULL, &old) && old.sa_handler == SIG_DFL)
		signal(SIGIO, SIG_IGN);
}

int huge_server_create(struct session *session, struct huge_server **out)
{
	struct huge_server *server = FAIL_POINT() ? NULL : calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->session = session;
	server->shared = &session->shared->huge;
	list_init(&server->files);
	list_init(&server->peers);
	load_pools(server);
	atomic_store(&server->shared->files, 0);
	prepare_process();
	*out = server;
	return 0;
}

void huge_server_destroy(struct huge_server *server)
{
	struct huge_file *file, *tmp;

	if (!server)
		return;
	list_for_each_entry_safe(file, tmp, &server->files, node)
		huge_file_free(server, file);
	free(server);
}

struct huge_peer *huge_server_join(struct huge_server *server, int fd)
{
	struct huge_peer *peer = FAIL_POINT() ? NULL : calloc(1, sizeof(*peer));
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (!peer)
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		cred.pid = 0;
	peer->fd = fd;
	peer->pid = cred.pid;
	list_init(&peer->privates);
	list_add_tail(&peer->node, &server->peers);
	return peer;
}

static void private_free(struct huge_server *server, struct huge_private *private)
{
	huge_pool_uncharge(&server->pool[private->size], private->charged);
	list_del(&private->node);
	free(private);
}

void huge_server_leave(struct huge_server *server, struct huge_peer *peer)
{
	struct huge_private *private, *tmp;

	list_for_each_entry_safe(private, tmp, &peer->privates, node)
		private_free(server, private);
	list_del(&peer->node);
	free(peer);
	huge_sweep(server);
}

/* ---- private pages --------------------------------------------------------------------------- */

static uint64_t private_pages(const struct huge_private *private)
{
	return (private->end - private->start) >> huge_shift(private->size);
}

/* What stands behind @at becomes an entry of its own. False: no memory. */
static bool private_split(struct huge_private *private, uint64_t at)
{
	struct huge_private *tail = FAIL_POINT() ? NULL : calloc(1, sizeof(*tail));

	if (!tail)
		return false;
	*tail = *private;
	tail->start = at;
	private->end = at;
	if (private->reserved) {
		private->charged = private_pages(private);
		tail->charged = private_pages(tail);
	} else {
		tail->charged = 0;
	}
	list_add(&tail->node, &private->node);
	return true;
}

/* Afterwards no entry reaches over an end of [@first, @end). */
static void private_cut(struct huge_peer *peer, uint64_t first, uint64_t end)
{
	struct huge_private *private, *tmp;

	list_for_each_entry_safe(private, tmp, &peer->privates, node)
		if (private->start<first &&private->end> first && !private_split(private, first))
			return;
	list_for_each_entry_safe(private, tmp, &peer->privates, node)
		if (private->start<end &&private->end> end && !private_split(private, end))
			return;
}

static void private_release(struct huge_server *server, struct huge_peer *peer, uint64_t first,
			    uint64_t end)
{
	struct huge_private *private, *tmp;

	private_cut(peer, first, end);
	list_for_each_entry_safe(private, tmp, &peer->privates, node)
		if (private->start >= first && private->end <= end)
			private_free(server, private);
}

static int private_add(struct huge_server *server, struct huge_peer *peer,
		       const struct huge_request *req)
{
	struct huge_private *private;
	bool reserved = !(req->flags & HUGE_NORESERVE);
	uint64_t pages;
	int ret = 0;

	if (req->size >= HUGE_SIZES || req->end <= req->first)
		return -EINVAL;
	private = FAIL_POINT() ? NULL : calloc(1, sizeof(*private));
	if (!private)
		return -ENOMEM;
	private->size = (enum huge_size)req->size;
	private->start = req->first;
	private->end = req->end;
	private->reserved = reserved;
	private->of_file = req->flags & HUGE_OF_FILE;
	pages = private_pages(private);
	if (reserved)
		ret = huge_pool_charge(&server->pool[req->size], pages);
	if (ret) {
		free(private);
		return ret;
	}
	private->charged = reserved ? pages : 0;
	server->unreserved |= !reserved;
	/* What stood at the addresses is replaced. */
	private_release(server, peer, private->start, private->end);
	list_add_tail(&private->node, &peer->privates);
	return 0;
}

static void private_move(struct huge_peer *peer, uint64_t first, uint64_t end, uint64_t to)
{
	struct huge_private *private;

	private_cut(peer, first, end);
	list_for_each_entry(private, &peer->privates, node) {
		if (private->start < first || private->end > end)
			continue;
		private->end = to + (private->end - first);
		private->start = to + (private->start - first);
	}
}

/* Bits of /proc/PID/pagemap. */
#define PAGE_PRESENT (1ULL << 63)
#define PAGE_SWAPPED (1ULL << 62)
#define PAGE_OF_FILE (1ULL << 61)

/* How many huge pages of the range have been touched; all when the process cannot be looked at. */
static uint64_t private_allocated(int pagemap, const struct huge_private *private)
{
	const uint64_t per_page = huge_bytes(private->size) / HOST_PAGE_SIZE;
	uint64_t small = private->start / HOST_PAGE_SIZE, end = private->end / HOST_PAGE_SIZE;
	uint64_t entries[512], pages = 0, last = UINT64_MAX;
	ssize_t len;

	if (pagemap < 0)
		return private->charged;
	while (small < end) {
		size_t want = (size_t)MIN(end - small, (uint64_t)ARRAY_SIZE(entries));

		len = pread(pagemap, entries, want * 8, (off_t)(small * 8));
		if (len <= 0)
			return private->charged;
		for (size_t i = 0; i < (size_t)len / 8; i++) {
			uint64_t page = (small + i) / per_page;

			if (!(entries[i] & (PAGE_PRESENT | PAGE_SWAPPED)) ||
			    (private->of_file && (entries[i] & PAGE_OF_FILE)) || page == last)
				continue;
			pages++;
			last = page;
		}
		small += (uint64_t)len / 8;
	}
	return pages;
}

static void peer_allocated(struct huge_server *server, struct huge_peer *peer, uint64_t *allocated)
{
	struct huge_private *private;
	char name[40];
	int pagemap;

	if (list_empty(&peer->privates))
		return;
	snprintf(name, sizeof(name), "/proc/%d/pagemap", peer->pid);
	pagemap = open(name, O_RDONLY | O_CLOEXEC);
	list_for_each_entry(private, &peer->privates, node) {
		uint64_t pages = private_allocated(pagemap, private);

		allocated[private->size] += pages;
		if (!private->reserved && pages > private->charged) {
			huge_pool_force(&server->pool[private->size], pages - private->charged);
			private->charged = pages;
		}
	}
	if (pagemap >= 0)
		close(pagemap);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void count_allocated(struct huge_server *server, uint64_t *allocated)
{
	struct huge_file *file;
	struct huge_peer *peer;

	list_for_each_entry(file, &server->files, node)
		allocated[file->size] += huge_file_allocated(server, file);
	list_for_each_entry(peer, &server->peers, node)
		peer_allocated(server, peer, allocated);
}

static void fill_counters(struct huge_server *server, struct huge_reply *reply)
{
	uint64_t allocated[HUGE_SIZES] = { 0 };

	huge_sweep(server);
	count_allocated(server, allocated);
	for (int i = 0; i < HUGE_SIZES; i++)
		huge_pool_count(&server->pool[i], allocated[i], &reply->counters[i]);
}

static void fill_file(struct huge_server *server, struct huge_file *file, struct huge_reply *reply)
{
	struct stat st;

	reply->ino = file->ino;
	reply->dev = server->dev;
	reply->size = file->size;
	reply->mount = file->mount;
	if (file->name_fd < 0 || fstat(file->name_fd, &st) < 0)
		return;
	reply->named = 1;
	reply->name = (struct huge_name){ .ino = st.st_ino,
					  .mode = st.st_mode,
					  .nlink = (uint32_t)st.st_nlink,
					  .uid = st.st_uid,
					  .gid = st.st_gid,
					  .mtime = st.st_mtime,
					  .ctime = st.st_ctime };
}

static int do_stat(struct huge_server *server, const struct huge_request *req,
		   struct huge_reply *reply)
{
	struct huge_file *file = huge_file_find(server, req->ino, req->by_name);
	struct stat st;

	if (!file)
		return -ENOENT;
	fill_file(server, file, reply);
	if (file->fd < 0 || fstat(file->fd, &st) < 0)
		return -ENOENT;
	reply->bytes = (uint64_t)st.st_size;
	reply->pages = huge_file_allocated(server, file);
	return 0;
}

static int do_statfs(struct huge_server *server, const struct huge_request *req,
		     struct huge_reply *reply)
{
	if (req->ino >= SHARED_HUGE_MOUNTS)
		return -EINVAL;
	reply->value = server->mount_charged[req->ino];
	reply->pages = huge_slot_inodes(server, (unsigned int)req->ino);
	return 0;
}

static int do_fallocate(struct huge_server *server, const struct huge_request *req)
{
	struct huge_file *file = huge_file_find(server, req->ino, false);
	uint64_t page;
	int ret = 0;

	if (!file)
		return -ENOENT;
	/* As many as there are. */
	for (page = req->first; page < req->end && !ret; page++) {
		ret = huge_file_charge(server, file, page, page + 1);
		if (!ret)
			ret = huge_map_add(&file->filled, page, page + 1);
	}
	return ret ? -ENOSPC : 0;
}

static int do_shm(struct huge_server *server, const struct huge_request *req)
{
	struct huge_file *file;
	int ret;

	if (req->size >= HUGE_SIZES)
		return -EINVAL;
	file = FAIL_POINT() ? NULL : calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = file->name_fd = -1;
	file->ino = req->ino;
	file->size = (enum huge_size)req->size;
	file->mount = NO_MOUNT;
	list_add_tail(&file->node, &server->files);
	atomic_fetch_add(&server->shared->files, 1);
	ret = huge_file_charge(server, file, 0, req->end);
	if (ret)
		huge_file_free(server, file);
	return ret;
}

static int do_set(struct huge_server *server, const struct huge_request *req)
{
	struct huge_pool *pool;
	int ret = 0;

	if (req->size >= HUGE_SIZES)
		return -EINVAL;
	pool = &server->pool[req->size];
	if (req->op == HUGE_SET_OVERCOMMIT)
		pool->overcommit = req->value;
	else if (req->node == ~0U)
		huge_pool_resize(pool, req->value);
	else
		ret = huge_pool_resize_node(pool, req->node, req->value);
	store_pool(server, (enum huge_size)req->size);
	return ret;
}

static void do_sweep(struct huge_server *server, const struct huge_request *req)
{
	struct huge_file *file = req->ino ? huge_file_find(server, req->ino, req->by_name) : NULL;

	if (file)
		huge_file_sweep(server, file);
	else if (!req->ino)
		huge_sweep(server);
}

static int do_reserve(struct huge_server *server, struct huge_peer *peer,
		      const struct huge_request *req)
{
	struct huge_file *file;

	if (req->op == HUGE_PRIVATE)
		return private_add(server, peer, req);
	file = huge_file_find(server, req->ino, false);
	if (!file)
		return -ENOENT;
	if (req->flags & HUGE_NORESERVE) {
		server->unreserved = true;
		return 0;
	}
	return huge_file_charge(server, file, req->first, req->end);
}

/* What is short is looked for once more: files that nobody has any more, and the other way round
 * pages that came without a reservation. */
static int reserve(struct huge_server *server, struct huge_peer *peer,
		   const struct huge_request *req)
{
	uint64_t allocated[HUGE_SIZES] = { 0 };
	int ret;

	if (server->unreserved)
		count_allocated(server, allocated);
	ret = do_reserve(server, peer, req);
	if (ret != -ENOMEM)
		return ret;
	huge_sweep(server);
	return do_reserve(server, peer, req);
}

static int handle(struct huge_server *server, struct huge_peer *peer,
		  const struct huge_request *req, int fd, struct huge_reply *reply, int *out_fd)
{
	struct huge_file *file;
	int ret;

	if (req->op == HUGE_OPEN) {
		ret = huge_file_open(server, req, fd, &file, out_fd);
		if (!ret)
			fill_file(server, file, reply);
		return ret;
	}
	fd_close(fd);
	switch (req->op) {
	case HUGE_STAT:
		return do_stat(server, req, reply);
	case HUGE_STATFS:
		return do_statfs(server, req, reply);
	case HUGE_RESERVE:
	case HUGE_PRIVATE:
		return reserve(server, peer, req);
	case HUGE_UNRESERVE:
		file = huge_file_find(server, req->ino, false);
		if (file)
			huge_file_uncharge(server, file, req->first, req->end);
		return file ? 0 : -ENOENT;
	case HUGE_FALLOCATE:
		huge_sweep(server);
		return do_fallocate(server, req);
	case HUGE_RELEASE:
		private_release(server, peer, req->first, req->end);
		return 0;
	case HUGE_MOVE:
		private_move(peer, req->first, req->end, req->value);
		return 0;
	case HUGE_SWEEP:
		do_sweep(server, req);
		return 0;
	case HUGE_SHM:
		huge_sweep(server);
		return do_shm(server, req);
	case HUGE_COUNTERS:
		fill_counters(server, reply);
		return 0;
	case HUGE_SET_POOL:
	case HUGE_SET_OVERCOMMIT:
		return do_set(server, req);
	case HUGE_MOUNT:
		return huge_mount(server, req);
	case HUGE_UMOUNT:
		return huge_umount(server, req);
	default:
		return -ENOSYS;
	}
}

/* ---- packets --------------------------------------------------------------------------------- */

/* 1: a request; 0: nothing now; -1: the process is gone. */
static int receive(int socket, struct huge_request *req, int *fd)
{
	ssize_t len = fd_receive(socket, req, sizeof(*req), fd, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len == -EAGAIN)
		return 0;
	if (len != sizeof(*req) || req->magic != HUGE_MAGIC) {
		fd_close(*fd);
		return -1;
	}
	req->text[sizeof(req->text) - 1] = '\0';
	return 1;
}

static bool answer(int socket, const struct huge_reply *reply, int fd)
{
	const struct iovec iov = { (void *)reply, sizeof(*reply) };

	return fd_send(socket, &iov, 1, fd, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(*reply);
}

bool huge_server_serve(struct huge_server *server, struct huge_peer *peer)
{
	struct huge_reply reply = { .magic = HUGE_MAGIC };
	int fd, out_fd = -1, got;
	struct huge_request req;
	bool sent;

	got = receive(peer->fd, &req, &fd);
	if (got <= 0)
		return got == 0;
	reply.ret = handle(server, peer, &req, fd, &reply, &out_fd);
	sent = answer(peer->fd, &reply, out_fd);
	if (out_fd >= 0)
		close(out_fd);
	return sent;
}
