/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State that belongs to the hardware rather than to one of its users (design D2a): a pointer-free
 * struct in a file that the session's processes share, under a robust mutex. When a holder died
 * inside, the next one is told and resets the function.
 *
 * The header also carries config space as the host left it through sysfs, under a sequence number
 * that is odd while somebody writes: each process has registers of its own and takes them over from
 * there. The power state is not part of it, since it follows from the binding. While a process uses
 * the function it keeps a copy of its registers there for the others to look at.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pci/pci_priv.h"

struct shared_header {
	pthread_mutex_t lock;
	_Atomic uint32_t seq;		  /* 0: nothing was written */
	_Atomic int32_t user;		  /* the process that uses the function; 0: none */
	struct pci_vf_state vfs;	  /* of a PF */
	uint8_t config[PCI_CFG_EXT_SIZE]; /* as the host wrote it while nobody used it */
	uint8_t live[PCI_CFG_EXT_SIZE];	  /* the user's registers */
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
	pci_sriov_share(dev, &header_of(dev)->vfs, fresh);
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

/* ---- registers of a function in use ---------------------------------------------------------- */

static bool alive(int32_t pid)
{
	return pid && (kill(pid, 0) == 0 || errno == EPERM);
}

void pci_config_mirror(struct pci_dev *dev, unsigned int off, unsigned int len)
{
	uint8_t *live;

	if (!dev->internal->mirrors)
		return;
	live = header_of(dev)->live;
	for (unsigned int i = off; i < off + len && i < PCI_CFG_EXT_SIZE; i++)
		__atomic_store_n(&live[i], pci_get_byte(dev, i), __ATOMIC_RELAXED);
}

void pci_config_mirror_begin(struct pci_dev *dev)
{
	int32_t none = 0;

	if (!dev->shared)
		return;
	if (!atomic_compare_exchange_strong(&header_of(dev)->user, &none, getpid())) {
		/* Two may use it through resourceN; the first one's registers are shown. */
		if (alive(none))
			return;
		atomic_store(&header_of(dev)->user, getpid());
	}
	dev->internal->mirrors = true;
	pci_config_mirror(dev, 0, PCI_CFG_EXT_SIZE);
}

void pci_config_mirror_end(struct pci_dev *dev)
{
	if (!dev->internal->mirrors)
		return;
	dev->internal->mirrors = false;
	atomic_store(&header_of(dev)->user, 0);
}

bool pci_in_use(struct pci_dev *dev)
{
	return dev->internal->powered || (dev->shared && alive(atomic_load(&header_of(dev)->user)));
}

void pci_config_snapshot(struct pci_dev *dev, uint8_t config[PCI_CFG_EXT_SIZE])
{
	const uint8_t *from = dev->config;
	int32_t user;

	if (dev->shared && !dev->internal->powered) {
		user = atomic_load(&header_of(dev)->user);
		if (alive(user)) {
			from = header_of(dev)->live;
		} else {
			pci_config_adopt(dev);
			pci_dev_lock(dev);
			pci_sriov_follow(dev);
			pci_dev_unlock(dev);
		}
	}
	for (unsigned int i = 0; i < PCI_CFG_EXT_SIZE; i++)
		config[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
