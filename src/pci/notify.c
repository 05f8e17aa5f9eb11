/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bells between PFs and VFs, which may be open in different processes (pci/sriov.h).
 *
 * A bell is a futex word in the session's file that counts up. A function that is in use and has
 * something to hear has a thread that sleeps on its bell; the thread looks at all that may have
 * happened since its last look, so that rings may be taken together but none is lost: the count is
 * read before the look.
 */
#include <limits.h>

#include "base/sysraw.h"
#include "base/thread.h"
#include "pci/pci_priv.h"

static void ring(_Atomic uint32_t *bell)
{
	atomic_fetch_add(bell, 1);
	sysraw4(SYS_futex, (long)bell, FUTEX_WAKE, INT_MAX, 0);
}

static _Atomic uint32_t *bell_of(struct pci_dev *dev)
{
	if (dev->physfn)
		return &dev->physfn->internal->vfs->vf_bell[dev->vf_index];
	return dev->sriov ? &dev->internal->vfs->bell : NULL;
}

void pci_ring(struct pci_dev *dev)
{
	_Atomic uint32_t *bell = bell_of(dev);

	if (bell)
		ring(bell);
}

void pci_ring_vf(struct pci_dev *pf, unsigned int index)
{
	if (pf->sriov && index < pf->sriov->total_vfs)
		ring(&pf->internal->vfs->vf_bell[index]);
}

static void look(struct pci_dev *dev)
{
	pci_dev_lock(dev);
	if (dev->physfn && atomic_exchange(&dev->physfn->internal->vfs->vf_reset[dev->vf_index], 0))
		pci_reset_locked(dev);
	pci_sriov_follow(dev);
	if (dev->internal->powered && dev->model->notified)
		dev->model->notified(dev);
	pci_dev_unlock(dev);
	pci_thread_unlocked(dev);
}

static void *notify_thread(void *arg)
{
	struct pci_dev *dev = arg;
	_Atomic uint32_t *bell = bell_of(dev);

	while (!atomic_load(&dev->internal->notify_stop)) {
		uint32_t seen = atomic_load(bell);

		look(dev);
		if (!atomic_load(&dev->internal->notify_stop))
			sysraw4(SYS_futex, (long)bell, FUTEX_WAIT, (long)seen, 0);
	}
	return NULL;
}

int pci_notify_start(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;
	int ret;

	if (!bell_of(dev))
		return 0;
	/* What was rung before is answered by the reset that every first use begins with. */
	if (dev->physfn)
		atomic_store(&dev->physfn->internal->vfs->vf_reset[dev->vf_index], 0);
	atomic_store(&in->notify_stop, false);
	ret = thread_create(&in->notify_thread, "uvfio-bell", notify_thread, dev);
	in->has_notify = !ret;
	return ret;
}

void pci_notify_stop(struct pci_dev *dev)
{
	struct pci_internal *in = dev->internal;

	if (!in->has_notify)
		return;
	atomic_store(&in->notify_stop, true);
	ring(bell_of(dev));
	pthread_join(in->notify_thread, NULL);
	in->has_notify = false;
}
