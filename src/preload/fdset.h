/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of the program's fd numbers, one bit each, without locks. Numbers beyond the set's room are
 * never members: a program with more than 65,536 open fds loses only what the sets are for.
 */
#ifndef PRELOAD_FDSET_H
#define PRELOAD_FDSET_H

#include <stdatomic.h>
#include "base/types.h"

#define FDSET_MAX 65536U

struct fdset {
	atomic_uint count;
	_Atomic uint64_t words[FDSET_MAX / 64];
};

/* Directories that lead into the tree: openat() and its family look at paths below them. */
extern struct fdset fdset_dirs;
/* Attributes that the machine serves: they go along over exec (inherit.h). */
extern struct fdset fdset_served;
/* Those opened for writing: what libc writes there by itself must be stored (stdio_door.h). */
extern struct fdset fdset_attrs;
/* Sockets on which the program listens to uevents (uevent.h). */
extern struct fdset fdset_uevents;
/* Files of huge pages (huge.h). */
extern struct fdset fdset_huge;
/* KVM's: /dev/kvm, VMs, vCPUs (kvm.h). */
extern struct fdset fdset_kvm;

/* The members of all sets: 0 nearly always, in a program that has nothing to do with us. */
extern atomic_uint fdset_total;

bool fdset_look(const struct fdset *set, int fd);

static inline bool fdset_has(const struct fdset *set, int fd)
{
	return unlikely(atomic_load_explicit(&set->count, memory_order_relaxed)) &&
	       fdset_look(set, fd);
}

void fdset_add(struct fdset *set, int fd);
void fdset_remove(struct fdset *set, int fd);
/* The first member that is not below @fd; -1: none. */
int fdset_next(const struct fdset *set, int fd);

#endif
