/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State that belongs to the hardware rather than to one of its users (design D2a): a pointer-free
 * struct in a file that the session's processes share, under a robust mutex. When a holder died
 * inside, the next one is told and resets the function.
 *
 * The header also carries config space as the host left it through sysfs, under a sequence number
 * that is odd while somebody writes: each process has registers of its own and takes them over from
 * there. The power state is not part of it, since it follows from the binding.
 */
#include <errno.h>
#include <string.h>

#include "pci/pci_priv.h"

struct shared_header {
	pthread_mutex_t lock;
	_Atomic uint32_t seq; /* 0: nothing was written */
	uint8_t config[PCI_CFG_EXT_SIZE];
};

_Static_assert(sizeof(struct shared_header) <= PCI_SHARED_HEADER, "it has its place");

static struct shared_header *header_of(struct pci_dev *dev)
{
	return (struct shared_header *)((char *)dev->shared - PCI_SHARED_HEADER);
}

static pthread_mutex_t *shared_mutex(struct pci_dev *dev)
{
	return &header_of(dev)->lock;
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

/* ---- config space as the host wrote it ------------------------------------------------------- */

/* A writer that died left the number odd: after this many looks it is overruled. */
#define SEQ_PATIENCE 100000

void pci_config_publish(struct pci_dev *dev)
{
	struct shared_header *h;
	uint32_t seq;

	if (!dev->shared || dev->internal->powered)
		return;
	h = header_of(dev);
	seq = atomic_load(&h->seq);
	for (unsigned int i = 0; i < SEQ_PATIENCE; i++) {
		if (!(seq & 1) && atomic_compare_exchange_weak(&h->seq, &seq, seq + 1))
			break;
		seq = atomic_load(&h->seq);
	}
	seq = (seq | 1) + 1;
	for (unsigned int i = 0; i < PCI_CFG_EXT_SIZE; i++)
		__atomic_store_n(&h->config[i], pci_get_byte(dev, i), __ATOMIC_RELAXED);
	atomic_store(&h->seq, seq);
	dev->internal->shared_config_seq = seq;
}

void pci_config_adopt(struct pci_dev *dev)
{
	struct shared_header *h;
	uint8_t saved[PCI_CFG_EXT_SIZE];
	uint32_t seq;

	if (!dev->shared || dev->internal->powered)
		return;
	h = header_of(dev);
	seq = atomic_load(&h->seq);
	if (seq == dev->internal->shared_config_seq || (seq & 1))
		return;
	for (unsigned int i = 0; i < PCI_CFG_EXT_SIZE; i++)
		saved[i] = __atomic_load_n(&h->config[i], __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_acquire);
	/* Somebody wrote meanwhile: the next look will take it over. */
	if (atomic_load(&h->seq) != seq)
		return;
	dev->internal->shared_config_seq = seq;
	pci_restore_all(dev, saved);
}
