/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The function's thread: runs what exceeded the inline budget (design D4a) and what waits.
 *
 * It exists from power on to power off when the model has a work operation, since a kick may come
 * in signal context where no thread can be made. It takes dev->lock for each piece and lets waiters
 * in between. sem_post() is safe in signal context; `kicked` keeps the count at one.
 */
#include <errno.h>
#include <sched.h>

#include "base/thread.h"
#include "pci/pci_priv.h"

void pci_thread_unlocked(struct pci_dev *dev)
{
	/* A write to another function's BAR, made by this one's DMA. */
	pci_run_deferred();
	for (unsigned int i = 0; i < 100; i++) {
		if (!atomic_load_explicit(&dev->lock_waiters, memory_order_relaxed))
			return;
		sched_yield();
	}
}

static void run_work(struct pci_dev *dev)
{
	bool more = true;

	while (more) {
		pci_dev_lock(dev);
		more = dev->model->work(dev);
		pci_dev_unlock(dev);
		pci_thread_unlocked(dev);
	}
}

static void *device_thread(void *arg)
{
	struct pci_dev *dev = arg;
	struct pci_internal *in = dev->internal;

	while (!atomic_load(&in->stop)) {
		while (sem_wait(&in->wake) && errno == EINTR)
			;
		/* Cleared before the work is looked at: a kick from here on runs another round. */
		if (atomic_exchange(&in->kicked, false))
			run_work(dev);
	}
	return NULL;
}

int pci_thread_start(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;
	int ret;

	if (!dev->model || !dev->model->work)
		return 0;
	atomic_store(&in->stop, false);
	atomic_store(&in->kicked, false);
	if (sem_init(&in->wake, 0, 0))
		return -errno;
	ret = thread_create(&in->thread, "uvfio-pci", device_thread, dev);
	if (ret) {
		sem_destroy(&in->wake);
		return ret;
	}
	in->has_thread = true;
	return 0;
}

void pci_thread_stop(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;

	if (!in->has_thread)
		return;
	atomic_store(&in->stop, true);
	sem_post(&in->wake);
	pthread_join(in->thread, NULL);
	sem_destroy(&in->wake);
	in->has_thread = false;
}

void pci_dev_kick(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;

	if (in->has_thread && !atomic_exchange(&in->kicked, true))
		sem_post(&in->wake);
}
