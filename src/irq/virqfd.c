/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virqfds (the kernel's drivers/vfio/virqfd.c): an eventfd of the user's becomes a call.
 *
 * One thread for the process, started with the first virqfd, sleeps in epoll. A signalled eventfd
 * is emptied, then its function runs, without locks. An eventfd that was signalled before it was
 * enabled fires at once, as in the kernel.
 *
 * Lock: watch.lock guards the list, `running` and `dead`; it is a leaf. virqfd_disable() may be
 * called from the function itself; then it does not wait for itself, and the thread frees the
 * object.
 */
#include "irq/trigger.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/sysraw.h"
#include "base/thread.h"
#include "irq/irq_priv.h"
#include "irq/irqbypass.h"

struct virqfd {
	struct list_head node;
	int fd;
	void (*fn)(void *arg);
	void *arg;
	bool dead;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct list_head list;
	struct virqfd *running;
	uint64_t runs; /* calls that have ended */
	int epfd;      /* -1: no thread */
	pthread_t thread;
} watch = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
	.list = { &watch.list, &watch.list },
	.epfd = -1,
};

/* Whose this folder's tables are; 0: nobody has said so yet. */
static _Atomic pid_t owner;

void irq_notice_fork(void)
{
	pid_t pid = raw_getpid(), was = atomic_exchange(&owner, pid);

	if (was && was != pid)
		irq_after_fork();
}

/* Empties the counter without waiting: another reader of the same eventfd may have been faster. */
static bool eventfd_take(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t value;
	struct iovec iov = { &value, sizeof(value) };
	long ret;

	ret = sysraw6(SYS_preadv2, fd, (long)&iov, 1, -1, -1, RWF_NOWAIT);
	if (ret != -EOPNOTSUPP)
		return ret == (long)sizeof(value);
	/* Before Linux 5.11 eventfds do not know RWF_NOWAIT. */
	if (sysraw3(SYS_poll, (long)&pfd, 1, 0) != 1)
		return false;
	return sysraw3(SYS_read, fd, (long)&value, sizeof(value)) == (long)sizeof(value);
}

static struct virqfd *find_locked(const void *key)
{
	struct virqfd *virqfd;

	list_for_each_entry(virqfd, &watch.list, node)
		if (virqfd == key)
			return virqfd;
	return NULL;
}

static void *watch_thread(void *arg)
{
	int epfd = (int)(intptr_t)arg;
	struct epoll_event event;
	struct virqfd *virqfd;

	for (;;) {
		if (sysraw4(SYS_epoll_wait, epfd, (long)&event, 1, -1) != 1)
			continue;
		pthread_mutex_lock(&watch.lock);
		/* It may be gone since epoll looked: the key is compared, never followed. */
		virqfd = find_locked(event.data.ptr);
		if (virqfd && eventfd_take(virqfd->fd)) {
			watch.running = virqfd;
			pthread_mutex_unlock(&watch.lock);
			virqfd->fn(virqfd->arg);
			pthread_mutex_lock(&watch.lock);
			watch.running = NULL;
			watch.runs++;
			if (virqfd->dead)
				free(virqfd);
			pthread_cond_broadcast(&watch.idle);
		}
		pthread_mutex_unlock(&watch.lock);
	}
	return NULL;
}

static int start_locked(void)
{
	int epfd, ret;

	if (watch.epfd >= 0)
		return 0;
	epfd = FAIL_POINT() ? -EMFILE : (int)sysraw3(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0);
	if (epfd < 0)
		return epfd;
	epfd = fd_move_high(epfd);
	if (epfd < 0)
		return epfd;
	ret = thread_create(&watch.thread, "uvfio-virqfd", watch_thread, (void *)(intptr_t)epfd);
	if (ret) {
		fd_close(epfd);
		return ret;
	}
	watch.epfd = epfd;
	return 0;
}

int virqfd_enable(int fd, void (*fn)(void *arg), void *arg, struct virqfd **out)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct virqfd *virqfd;
	int ret;

	irq_notice_fork();
	virqfd = FAIL_POINT() ? NULL : calloc(1, sizeof(*virqfd));
	if (!virqfd)
		return -ENOMEM;
	virqfd->fn = fn;
	virqfd->arg = arg;
	event.data.ptr = virqfd;
	ret = irq_eventfd_get(fd, &virqfd->fd);
	if (ret)
		goto out_free;
	pthread_mutex_lock(&watch.lock);
	ret = start_locked();
	if (!ret) {
		/* The event may come at once; the thread needs the lock to see the list. */
		ret = (int)sysraw4(SYS_epoll_ctl, watch.epfd, EPOLL_CTL_ADD, virqfd->fd,
				   (long)&event);
		if (!ret)
			list_add_tail(&virqfd->node, &watch.list);
	}
	pthread_mutex_unlock(&watch.lock);
	if (ret)
		goto out_close;
	*out = virqfd;
	return 0;
out_close:
	fd_close(virqfd->fd);
out_free:
	free(virqfd);
	return ret;
}

void virqfd_disable(struct virqfd *virqfd)
{
	if (!virqfd)
		return;
	/* The epoll instance of a parent is its own. */
	irq_notice_fork();
	pthread_mutex_lock(&watch.lock);
	if (watch.epfd >= 0)
		sysraw4(SYS_epoll_ctl, watch.epfd, EPOLL_CTL_DEL, virqfd->fd, 0);
	list_del(&virqfd->node);
	fd_close(virqfd->fd);
	if (watch.running == virqfd) {
		uint64_t runs = watch.runs;

		virqfd->dead = true;
		if (!pthread_equal(pthread_self(), watch.thread)) {
			/* The thread frees it before it wakes us. */
			while (watch.runs == runs)
				pthread_cond_wait(&watch.idle, &watch.lock);
		}
	} else {
		free(virqfd);
	}
	pthread_mutex_unlock(&watch.lock);
}

bool virqfd_abandoned(const struct virqfd *virqfd)
{
	uint64_t token, other;
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	int fd;

	if (irq_bypass_eventfd_token(virqfd->fd, &token))
		return false;
	dir = FAIL_POINT() ? NULL : opendir("/proc/self/fd");
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		found = entry->d_name[0] != '.' && !fd_is_own(fd) &&
			!irq_bypass_eventfd_token(fd, &other) && other == token;
	}
	closedir(dir);
	return !found;
}

void irq_after_fork(void)
{
	struct virqfd *virqfd;

	atomic_store(&owner, raw_getpid());
	pthread_mutex_init(&watch.lock, NULL);
	pthread_cond_init(&watch.idle, NULL);
	/* Whoever owns one still may disable it: each is a list of its own then. */
	while (!list_empty(&watch.list)) {
		virqfd = list_first_entry(&watch.list, struct virqfd, node);
		list_del(&virqfd->node);
	}
	watch.running = NULL;
	fd_close(watch.epfd);
	watch.epfd = -1;
	irq_bypass_after_fork();
	irq_table_after_fork();
	irq_vectors_after_fork();
}
