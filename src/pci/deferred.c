/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stores that trapped while the thread was inside the library (design D9): a signal handler of the
 * program's that writes a doorbell in the middle of a call. No lock may be taken then, so the store
 * is queued and run when the thread leaves the library.
 *
 * Entries come from one preallocated pool for the process and are pushed onto a list of the
 * thread's own. Only this thread and signal handlers on top of it touch the list, so a
 * compare-and-swap is enough; the runner takes the whole list and turns it round, oldest first.
 * When the pool is exhausted a store to the same register replaces the one queued last; failing
 * that it is lost and logged at the next exit.
 */
#include <stdatomic.h>

#include "base/log.h"
#include "pci/pci_priv.h"

#define POOL_SIZE 1024

struct deferred_write {
	_Atomic(struct pci_dev *) dev; /* NULL: forgotten */
	struct deferred_write *next;
	atomic_bool used;
	unsigned int bar, width;
	uint64_t off, value;
};

static struct deferred_write pool[POOL_SIZE];
static atomic_uint pool_hint;
static atomic_uint lost_writes;

static _Thread_local _Atomic(struct deferred_write *) queued
	__attribute__((tls_model("initial-exec")));

static struct deferred_write *pool_get(void)
{
	for (unsigned int i = 0; i < POOL_SIZE; i++) {
		struct deferred_write *w = &pool[atomic_fetch_add(&pool_hint, 1) % POOL_SIZE];

		if (!atomic_exchange(&w->used, true))
			return w;
	}
	return NULL;
}

void pci_bar_write_deferred(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int width,
			    uint64_t value)
{
	struct deferred_write *w = pool_get(), *head;

	if (!w) {
		for (w = atomic_load(&queued); w; w = w->next) {
			if (atomic_load(&w->dev) == dev && w->bar == bar && w->off == off &&
			    w->width == width) {
				w->value = value;
				return;
			}
		}
		atomic_fetch_add(&lost_writes, 1);
		return;
	}
	atomic_store(&w->dev, dev);
	w->bar = bar;
	w->off = off;
	w->width = width;
	w->value = value;
	head = atomic_load(&queued);
	do
		w->next = head;
	while (!atomic_compare_exchange_weak(&queued, &head, w));
}

void pci_run_deferred_trap(void)
{
	struct deferred_write *w, *next, *oldest = NULL;

	if (!atomic_load_explicit(&queued, memory_order_relaxed))
		return;
	for (w = atomic_exchange(&queued, NULL); w; w = next) {
		next = w->next;
		w->next = oldest;
		oldest = w;
	}
	for (w = oldest; w; w = next) {
		struct pci_dev *dev = atomic_load(&w->dev);

		next = w->next;
		if (dev)
			pci_bar_write(dev, w->bar, w->off, w->width, w->value);
		atomic_store(&w->dev, NULL);
		atomic_store(&w->used, false);
	}
}

void pci_run_deferred(void)
{
	unsigned int lost;

	pci_run_deferred_trap();
	if (likely(!atomic_load_explicit(&lost_writes, memory_order_relaxed)))
		return;
	lost = atomic_exchange(&lost_writes, 0);
	if (lost)
		pr_warn("pci: %u register writes made inside signal handlers were lost", lost);
}

void pci_after_fork(void)
{
	atomic_store(&queued, NULL);
	atomic_store(&lost_writes, 0);
	for (unsigned int i = 0; i < POOL_SIZE; i++) {
		atomic_store(&pool[i].dev, NULL);
		atomic_store(&pool[i].used, false);
	}
}

void pci_forget_deferred(struct pci_dev *dev)
{
	for (unsigned int i = 0; i < POOL_SIZE; i++) {
		struct pci_dev *expected = dev;

		atomic_compare_exchange_strong(&pool[i].dev, &expected, NULL);
	}
}
