/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow side of epoch_priv.h: waiting for a section to end, and what a fork leaves behind. */
#include "iommu/epoch_priv.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "base/sysraw.h"
#include "base/thread.h"
#include "iommu/intr_priv.h"

/* A section is one command or 128 KiB: most end while we spin. */
#define SPIN_NSEC  20000
#define SLEEP_NSEC 100000

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_head all_devs = { &all_devs, &all_devs }; /* guarded by all_lock */

static uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static bool epoch_changed(struct iommu_dev *dev, uint32_t epoch)
{
	return atomic_load_explicit(&dev->epoch, memory_order_acquire) != epoch;
}

static bool epoch_spin(struct iommu_dev *dev, uint32_t epoch)
{
	uint64_t end = now_nsec() + SPIN_NSEC;
	int i;

	do {
		for (i = 0; i < 64; i++) {
			if (epoch_changed(dev, epoch))
				return true;
			__builtin_ia32_pause();
		}
	} while (now_nsec() < end);
	return false;
}

void epoch_wait_change(struct iommu_dev *dev, uint32_t epoch)
{
	static const struct timespec timeout = { .tv_nsec = SLEEP_NSEC };

	/* Waiting for oneself would never end. */
	assert(atomic_load_explicit(&dev->owner, memory_order_relaxed) != epoch_self());
	if (thread_cpus() > 1 && epoch_spin(dev, epoch))
		return;
	atomic_fetch_add_explicit(&dev->want, 1, memory_order_seq_cst);
	while (!epoch_changed(dev, epoch))
		raw_futex_wait(&dev->epoch, epoch, &timeout);
	atomic_fetch_sub_explicit(&dev->want, 1, memory_order_relaxed);
}

void epoch_wake(struct iommu_dev *dev)
{
	raw_futex_wake(&dev->epoch, INT32_MAX);
	/* With one CPU, who was woken must run before the next section makes it wait again. */
	if (thread_cpus() == 1)
		raw_sched_yield();
}

void epoch_add_dev(struct iommu_dev *dev)
{
	pthread_mutex_lock(&all_lock);
	list_add_tail(&dev->all_node, &all_devs);
	pthread_mutex_unlock(&all_lock);
}

void epoch_remove_dev(struct iommu_dev *dev)
{
	pthread_mutex_lock(&all_lock);
	list_del(&dev->all_node);
	pthread_mutex_unlock(&all_lock);
}

void epoch_for_each_dev(void (*fn)(struct iommu_dev *dev))
{
	struct iommu_dev *dev;

	pthread_mutex_lock(&all_lock);
	list_for_each_entry(dev, &all_devs, all_node)
		fn(dev);
	pthread_mutex_unlock(&all_lock);
}

/*
 * The threads that were in sections or held locks are not here. Devices are attached to nothing in
 * the child; domains that the parent made are left as they are and must not be used.
 */
void iommu_after_fork(void)
{
	struct iommu_dev *dev;

	pthread_mutex_init(&all_lock, NULL);
	window_after_fork();
	intr_after_fork();
	list_for_each_entry(dev, &all_devs, all_node) {
		uint32_t epoch = atomic_load_explicit(&dev->epoch, memory_order_relaxed);

		atomic_store(&dev->epoch, epoch + (epoch & 1));
		atomic_store(&dev->want, 0);
		atomic_store(&dev->domain, NULL);
		atomic_fetch_add(&dev->gen, 1);
		list_init(&dev->domain_node);
		if (dev->group) {
			pthread_mutex_init(&dev->group->lock, NULL);
			dev->group->domain = NULL;
		}
	}
}
