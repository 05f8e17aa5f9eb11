/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the pages of a device are, told to the processes that have them mapped: opened for a
 * doorbell that is polled, closed again, taken away because memory is not answered.
 *
 * Whoever changes them waits until the others have it, as mprotect() waits for all CPUs: what was
 * stored natively before is then found by the look that follows, and what is stored later traps. A
 * process that is stopped answers late: it is waited for once, seconds, and from then on only its
 * answers are looked for.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/overflow.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "machine/share_priv.h"

#define ANSWER_MSEC 5000

/* The one of this process, for the hook. */
static _Atomic(struct share_server *) hooked;

/* Reads answers until @seq's is there. */
static void await(struct share_conn *conn, uint32_t seq)
{
	struct pollfd answer = { .fd = conn->notify_fd, .events = POLLIN };
	uint32_t got;
	long ret;

	for (;;) {
		ret = sysraw3(SYS_poll, (long)&answer, 1, conn->slow ? 0 : ANSWER_MSEC);
		if (ret == -EINTR)
			continue;
		if (ret <= 0) {
			if (!conn->slow)
				pr_warn("a process that has a device of this one mapped does not "
					"answer");
			conn->slow = true;
			return;
		}
		ret = sysraw6(SYS_recvfrom, conn->notify_fd, (long)&got, sizeof(got), MSG_DONTWAIT,
			      0, 0);
		if (ret == -EINTR || ret == -EAGAIN)
			continue;
		if (ret != sizeof(got))
			return; /* gone */
		conn->slow = false;
		if (got == seq)
			return;
	}
}

/* notes_lock held. */
static void tell(struct share_conn *conn, const struct file *file, uint64_t off, uint64_t len,
		 enum page_access access)
{
	struct share_note note = { .seq = ++conn->server->seq,
				   .access = access,
				   .dev = file_dev(file),
				   .ino = file->id,
				   .off = off,
				   .len = len };
	long ret;

	do {
		ret = sysraw6(SYS_sendto, conn->notify_fd, (long)&note, sizeof(note),
			      MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
	} while (ret == -EINTR);
	if (ret == sizeof(note))
		await(conn, note.seq);
}

static int find_sub(const struct share_conn *conn, const struct file *file)
{
	for (unsigned int i = 0; i < conn->num_subs; i++)
		if (conn->subs[i].ino == file->id && conn->subs[i].dev == file_dev(file))
			return (int)i;
	return -1;
}

static void access_changed(struct file *file, uint64_t off, uint64_t len, enum page_access access)
{
	struct share_server *server = atomic_load(&hooked);

	/* A file of another process is its owner's to tell of: who is being told waits for no lock
	 * that who tells may hold. */
	if (!server || !atomic_load(&server->num_subs) || file->ops->kind == FILE_LOCAL)
		return;
	pthread_mutex_lock(&server->notes_lock);
	for (size_t i = 0; i < SHARE_CONNS; i++) {
		struct share_conn *conn = &server->conns[i];

		if (atomic_load(&conn->used) && conn->notify_fd >= 0 && find_sub(conn, file) >= 0)
			tell(conn, file, off, len, access);
	}
	pthread_mutex_unlock(&server->notes_lock);
}

void share_hook(struct share_server *server)
{
	atomic_store(&hooked, server);
	atomic_store(&file_access_hook, access_changed);
}

int share_subscribe(struct share_conn *conn, struct file *file, uint64_t off, uint64_t len)
{
	struct share_server *server = conn->server;
	uint64_t end = off + len, last;
	int ret = 0;

	pthread_mutex_lock(&server->notes_lock);
	if (conn->notify_fd < 0)
		ret = -EPIPE;
	if (!ret && find_sub(conn, file) < 0) {
		if (conn->num_subs == SHARE_SUBS) {
			ret = -ENOMEM;
		} else {
			conn->subs[conn->num_subs].dev = file_dev(file);
			conn->subs[conn->num_subs++].ino = file->id;
			atomic_fetch_add(&server->num_subs, 1);
		}
	}
	/* What changes from here on waits for the lock, and is told after this. */
	while (!ret && off < end) {
		enum page_access access = file_access_at(file, off, &last);
		uint64_t run = last < end - 1 ? last + 1 - off : end - off;

		tell(conn, file, off, run, access);
		off += run;
	}
	pthread_mutex_unlock(&server->notes_lock);
	return ret;
}

void share_unsubscribe(struct share_conn *conn, const struct file *file)
{
	int i;

	pthread_mutex_lock(&conn->server->notes_lock);
	while (conn->num_subs) {
		i = file ? find_sub(conn, file) : (int)conn->num_subs - 1;
		if (i < 0)
			break;
		conn->subs[i] = conn->subs[--conn->num_subs];
		atomic_fetch_sub(&conn->server->num_subs, 1);
	}
	pthread_mutex_unlock(&conn->server->notes_lock);
}
