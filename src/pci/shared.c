/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State that belongs to the hardware rather than to one of its users (design D2a): a pointer-free
 * struct in a file that the session's processes share, under a robust mutex. When a holder died
 * inside, the next one is told and resets the function.
 */
#include <errno.h>
#include <string.h>

#include "pci/pci_priv.h"

_Static_assert(sizeof(pthread_mutex_t) <= PCI_SHARED_HEADER,
	       "the mutex has its place in the header");

static pthread_mutex_t *shared_mutex(struct pci_dev *dev)
{
	return (pthread_mutex_t *)((char *)dev->shared - PCI_SHARED_HEADER);
}

int pci_dev_set_shared(struct pci_dev *dev, void *mem, bool fresh)
{
	pthread_mutexattr_t attr;
	int ret;

	if (fresh) {
		memset(mem, 0, PCI_SHARED_HEADER + dev->model->shared_size);
		pthread_mutexattr_init(&attr);
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
		ret = pthread_mutex_init(mem, &attr);
		pthread_mutexattr_destroy(&attr);
		if (ret)
			return -ret;
	}
	dev->shared = (char *)mem + PCI_SHARED_HEADER;
	if (fresh && dev->model->shared_init)
		dev->model->shared_init(dev);
	return 0;
}

int pci_shared_lock(struct pci_dev *dev)
{
	if (!dev->shared)
		return 0;
	if (pthread_mutex_lock(shared_mutex(dev)) != EOWNERDEAD)
		return 0;
	pthread_mutex_consistent(shared_mutex(dev));
	return 1;
}

void pci_shared_unlock(struct pci_dev *dev)
{
	if (dev->shared)
		pthread_mutex_unlock(shared_mutex(dev));
}
