/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triggers: the eventfd at the end of an interrupt vector, the kernel's struct eventfd_ctx.
 *
 * A trigger keeps a duplicate of the user's fd, so that closing the user's changes nothing. As in
 * the kernel, signalling never waits: a counter that is about to overflow stays as it is. write(2)
 * on an eventfd without O_NONBLOCK would wait then; such a one is asked with poll(2) first.
 *
 * No locks. irq_trigger_signal() uses raw system calls: it runs in signal context and must be
 * neither a cancellation point nor seen by an interposer.
 */
#include "irq/trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/sysraw.h"
#include "irq/irq_priv.h"

struct irq_trigger {
	int fd; /* our own */
	bool may_block;
	_Atomic uint64_t count;
	_Atomic uint64_t token;
};

bool irq_fd_is_eventfd(int fd)
{
	char path[32], target[32];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = sysraw3(SYS_readlink, (long)path, (long)target, sizeof(target) - 1);
	if (len < 0)
		return true;
	target[len] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0;
}

int irq_eventfd_get(int fd, int *out)
{
	int own;

	own = raw_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return own;
	own = fd_move_high(own);
	if (own < 0)
		return own;
	if (!irq_fd_is_eventfd(own)) {
		fd_close(own);
		return -EINVAL;
	}
	*out = own;
	return 0;
}

int irq_trigger_create(int fd, struct irq_trigger **out)
{
	struct irq_trigger *trigger;
	int flags, ret;

	trigger = FAIL_POINT() ? NULL : calloc(1, sizeof(*trigger));
	if (!trigger)
		return -ENOMEM;
	ret = irq_eventfd_get(fd, &trigger->fd);
	if (ret) {
		free(trigger);
		return ret;
	}
	flags = raw_fcntl(trigger->fd, F_GETFL, 0);
	trigger->may_block = flags < 0 || !(flags & O_NONBLOCK);
	*out = trigger;
	return 0;
}

void irq_trigger_destroy(struct irq_trigger *trigger)
{
	if (!trigger)
		return;
	fd_close(trigger->fd);
	free(trigger);
}

void irq_trigger_signal(struct irq_trigger *trigger)
{
	struct pollfd pfd = { .fd = trigger->fd, .events = POLLOUT };
	const uint64_t one = 1;

	atomic_fetch_add_explicit(&trigger->count, 1, memory_order_relaxed);
	if (trigger->may_block &&
	    (sysraw3(SYS_poll, (long)&pfd, 1, 0) != 1 || !(pfd.revents & POLLOUT)))
		return;
	sysraw3(SYS_write, trigger->fd, (long)&one, sizeof(one));
}

int irq_trigger_fd(const struct irq_trigger *trigger)
{
	return trigger->fd;
}

void irq_trigger_set_token(struct irq_trigger *trigger, uint64_t token)
{
	atomic_store_explicit(&trigger->token, token, memory_order_relaxed);
}

uint64_t irq_trigger_token(const struct irq_trigger *trigger)
{
	return atomic_load_explicit(&trigger->token, memory_order_relaxed);
}

uint64_t irq_trigger_count(const struct irq_trigger *trigger)
{
	return atomic_load_explicit(&trigger->count, memory_order_relaxed);
}
