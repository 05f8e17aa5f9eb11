/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbell pages: trapped and run inline, or open and polled by a thread (design D4a).
 *
 * States, all changes under dev->lock:
 *
 *	CLOSED	stores trap; the caller runs the queue.
 *	OPEN	stores are native; the thread looks at the registers.
 *
 * The lost wake-up is ruled out by order. Opening: the state is set and the thread woken inside
 * the same critical section in which the page becomes writable, so whatever is stored natively is
 * looked at later. Closing: the page is write-protected first (mprotect returns after every CPU has
 * seen it), then the registers are looked at once more; a store is either seen by that look or
 * traps.
 *
 * The thread gives the lock away when someone waits for it, and it gives up for a while when it
 * finds that it did not get a CPU: inline is the better mode then.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/thread.h"
#include "file/file.h"
#include "pci/doorbell.h"
#include "pci/model.h"
#include "pci/pci_priv.h"

/* Doorbells that must follow each other within HOT_GAP_NS before polling pays. */
#define HOT_TRAPS  8
#define HOT_GAP_NS 100000u
/* Idle time after which the page is closed again; longer until the opening has paid, since a
 * program that slept needs that long to wake up and ring again. */
#define IDLE_NS	      50000u
#define IDLE_FIRST_NS 200000u
/* Looks further apart than this while the page is open mean that the thread had no CPU. */
#define STARVED_NS 1000000u
/* Opening and closing cost two page changes and a wake-up: fewer doorbells than this in between
 * did not repay them. A program that sleeps until an interrupt needs some rounds until it polls as
 * well, so that many in a row are forgiven. */
#define WORTH_LOOKS    32
#define FORGIVEN       32
#define PENALTY_MIN_NS 10000000u
/* Bounds what trying again costs (some ms) to a few per cent, and how long a better time is
 * missed. */
#define PENALTY_MAX_NS 100000000u
/* Spins outside the lock between two looks that found nothing: others get the lock meanwhile. */
#define IDLE_SPINS 8

struct pci_doorbell {
	struct pci_dev *dev;
	unsigned int bar;
	uint64_t off, len;
	enum pci_doorbell_mode mode;
	/* Guarded by dev->lock; the thread sleeps on it as a futex while it is 0. */
	_Atomic uint32_t open;
	atomic_bool stop;
	bool has_thread;
	pthread_t thread;
	/* Guarded by dev->lock. */
	unsigned int hot;	      /* traps in a row */
	uint64_t last_trap;	      /* ns */
	uint64_t opened;	      /* ns */
	unsigned int unproductive;    /* openings in a row */
	uint64_t not_before, penalty; /* ns */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void db_open(struct pci_doorbell *db, uint64_t now)
{
	db->opened = now;
	pci_bar_set_access(db->dev, db->bar, db->off, db->len, PAGE_DIRECT);
	atomic_store_explicit(&db->open, 1, memory_order_release);
	syscall(SYS_futex, &db->open, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void db_close(struct pci_doorbell *db)
{
	atomic_store_explicit(&db->open, 0, memory_order_relaxed);
	db->hot = 0;
	pci_bar_set_access(db->dev, db->bar, db->off, db->len, PAGE_TRAP_WRITE);
}

void pci_doorbell_trapped(struct pci_dev *dev)
{
	struct pci_doorbell *db = dev->doorbell;
	uint64_t now;

	atomic_fetch_add_explicit(&dev->stats->doorbells_trapped, 1, memory_order_relaxed);
	if (!db || !db->has_thread || atomic_load_explicit(&db->open, memory_order_relaxed))
		return;
	now = now_ns();
	if (db->mode == DOORBELL_POLLED) {
		db_open(db, now);
		return;
	}
	db->hot = now - db->last_trap < HOT_GAP_NS ? db->hot + 1 : 0;
	db->last_trap = now;
	if (db->hot >= HOT_TRAPS && now >= db->not_before)
		db_open(db, now);
}

/* Opening the page did not pay: stay inline for a while, longer each time in a row. */
static void db_penalty(struct pci_doorbell *db, uint64_t now)
{
	db->penalty = MIN(MAX(db->penalty * 2, PENALTY_MIN_NS), PENALTY_MAX_NS);
	db->not_before = now + db->penalty;
}

static void db_unproductive(struct pci_doorbell *db, uint64_t now)
{
	if (++db->unproductive < FORGIVEN)
		return;
	db->unproductive = 0;
	db_penalty(db, now);
}

/* Looks until the page has been idle for IDLE_NS, then closes it; DOORBELL_POLLED never does. */
static void db_poll(struct pci_doorbell *db)
{
	struct pci_dev *dev = db->dev;
	uint64_t last_look, last_work, now;
	unsigned int worked = 0;
	bool first = true;

	last_look = last_work = now_ns();
	for (;;) {
		bool did;

		pthread_mutex_lock(&dev->lock);
		if (!atomic_load_explicit(&db->open, memory_order_relaxed)) {
			pthread_mutex_unlock(&dev->lock);
			return;
		}
		now = now_ns();
		if (db->mode == DOORBELL_ADAPTIVE &&
		    now - (first ? db->opened : last_look) > STARVED_NS) {
			db_penalty(db, now);
			db_close(db);
			dev->model->poll(dev);
			pthread_mutex_unlock(&dev->lock);
			return;
		}
		first = false;
		did = dev->model->poll(dev);
		if (did) {
			atomic_fetch_add_explicit(&dev->stats->doorbells_polled, 1,
						  memory_order_relaxed);
			last_work = now;
			worked++;
		} else if (db->mode == DOORBELL_ADAPTIVE &&
			   now - last_work > (worked < WORTH_LOOKS ? IDLE_FIRST_NS : IDLE_NS)) {
			db_close(db);
			dev->model->poll(dev);
			if (worked < WORTH_LOOKS)
				db_unproductive(db, now);
			else
				db->penalty = db->unproductive = 0;
			pthread_mutex_unlock(&dev->lock);
			return;
		}
		pthread_mutex_unlock(&dev->lock);
		/* Time spent in the model is not time without a CPU. */
		last_look = did ? now_ns() : now;
		pci_thread_unlocked(dev);
		if (!did && now - last_work > IDLE_NS)
			sched_yield();
		for (unsigned int i = 0; !did && i < IDLE_SPINS; i++)
			__builtin_ia32_pause();
	}
}

static void *doorbell_thread(void *arg)
{
	struct pci_doorbell *db = arg;

	while (!atomic_load_explicit(&db->stop, memory_order_acquire)) {
		if (atomic_load_explicit(&db->open, memory_order_acquire))
			db_poll(db);
		else
			syscall(SYS_futex, &db->open, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	}
	return NULL;
}

int pci_doorbell_mode(const char *word, enum pci_doorbell_mode *mode)
{
	/* Indexed by the mode. */
	static const char *const words[] = { "adaptive", "inline", "polled" };

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]))
			continue;
		*mode = (enum pci_doorbell_mode)i;
		return 0;
	}
	return -EINVAL;
}

int pci_doorbell_create(struct pci_dev *dev, unsigned int bar, uint64_t off, uint64_t len,
			enum pci_doorbell_mode mode)
{
	struct pci_doorbell *db;
	int rc;

	if (dev->doorbell)
		return -EBUSY;
	db = calloc(1, sizeof(*db));
	if (!db)
		return -ENOMEM;
	db->dev = dev;
	db->bar = bar;
	db->off = off;
	db->len = len;
	db->mode = mode;
	/* On one CPU a polling thread only takes time away from the program that it serves. */
	if (mode == DOORBELL_POLLED || (mode == DOORBELL_ADAPTIVE && thread_cpus() > 1)) {
		rc = thread_create(&db->thread, "uvfio-doorbell", doorbell_thread, db);
		if (rc) {
			free(db);
			return rc;
		}
		db->has_thread = true;
	}
	dev->doorbell = db;
	pci_bar_set_access(dev, bar, off, len, PAGE_TRAP_WRITE);
	return 0;
}

void pci_doorbell_close(struct pci_dev *dev)
{
	struct pci_doorbell *db = dev->doorbell;

	if (db && atomic_load_explicit(&db->open, memory_order_relaxed))
		db_close(db);
}

void pci_doorbell_destroy(struct pci_dev *dev)
{
	struct pci_doorbell *db = dev->doorbell;

	if (!db)
		return;
	pthread_mutex_lock(&dev->lock);
	pci_doorbell_close(dev);
	atomic_store_explicit(&db->stop, true, memory_order_release);
	/* Any value but 0 lets the thread out of its wait, and it looks at stop first. */
	atomic_store_explicit(&db->open, 0, memory_order_release);
	pthread_mutex_unlock(&dev->lock);
	if (db->has_thread) {
		/* A wake may come before the wait: say it until the thread has left. */
		struct timespec soon;

		do {
			syscall(SYS_futex, &db->open, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
			clock_gettime(CLOCK_REALTIME, &soon);
			soon.tv_nsec += 1000000;
			if (soon.tv_nsec >= 1000000000) {
				soon.tv_nsec -= 1000000000;
				soon.tv_sec++;
			}
		} while (pthread_timedjoin_np(db->thread, NULL, &soon) == ETIMEDOUT);
	}
	dev->doorbell = NULL;
	free(db);
}
