/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * States that processes share (design D2a): a robust mutex, then the driver's pointer-free bytes.
 * The first that gets one makes the mutex; nobody else does so at the same time (core's lock, and
 * in a session of several processes its admin lock).
 * Who finds that the mutex's holder has died lets the driver put its state in order and goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "mdev/mdev_priv.h"

struct mdev_state {
	pthread_mutex_t lock;
	uint32_t ready; /* 0: its first user has to make the lock */
};

_Static_assert(sizeof(struct mdev_state) <= MDEV_STATE_HEADER, "it has its place");

static int state_init(struct mdev_state *shared)
{
	pthread_mutexattr_t attr;
	int ret;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	ret = pthread_mutex_init(&shared->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	if (!ret)
		shared->ready = 1;
	return -ret;
}

int mdev_state_get(struct mdev_core *core, const char *name, size_t size, struct mdev_state **out,
		   void **state)
{
	struct mdev_state *mem = NULL;
	void *got = NULL;
	int ret = 0;

	*out = NULL;
	*state = NULL;
	if (!size)
		return 0;
	size += MDEV_STATE_HEADER;
	if (core->env.state_get)
		ret = core->env.state_get(core->env.arg, name, size, &got);
	else if (FAIL_POINT() || !(got = calloc(1, size)))
		ret = -ENOMEM;
	if (ret)
		return ret;
	mem = got;
	ret = mem->ready ? 0 : state_init(mem);
	if (ret) {
		mdev_state_put(core, mem, size - MDEV_STATE_HEADER);
		return ret;
	}
	*out = mem;
	*state = (char *)mem + MDEV_STATE_HEADER;
	return 0;
}

void mdev_state_put(struct mdev_core *core, struct mdev_state *shared, size_t size)
{
	if (!shared)
		return;
	if (core->env.state_put)
		core->env.state_put(core->env.arg, shared, size + MDEV_STATE_HEADER);
	else
		free(shared);
}

static void state_lock(struct mdev_state *shared, struct mdev_parent *parent,
		       struct mdev_device *mdev)
{
	void (*recover)(struct mdev_parent * parent, struct mdev_device * mdev);

	if (!shared || pthread_mutex_lock(&shared->lock) != EOWNERDEAD)
		return;
	recover = parent->ops ? parent->ops->recover : parent->mdev_driver->recover;
	pthread_mutex_consistent(&shared->lock);
	if (recover)
		recover(parent, mdev);
}

void mdev_parent_lock(struct mdev_parent *parent)
{
	state_lock(parent->shared, parent, NULL);
}

void mdev_parent_unlock(struct mdev_parent *parent)
{
	if (parent->shared)
		pthread_mutex_unlock(&parent->shared->lock);
}

void mdev_lock(struct mdev_device *mdev)
{
	state_lock(mdev->shared, mdev->parent, mdev);
}

void mdev_unlock(struct mdev_device *mdev)
{
	if (mdev->shared)
		pthread_mutex_unlock(&mdev->shared->lock);
}
