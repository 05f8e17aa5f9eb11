/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's uevents: the driver core's and those of names that no object of the core stands for
 * (modules, classes, VFIO's groups). They are numbered and kept until the operation that
 * made them is through and its names are on disk; then the keeper gets them, and the writer goes
 * on when they are in the listeners' sockets.
 *
 * Only the process that makes a change tells of it: what follows another process' change is silent.
 * Core's lock and the session's admin lock held.
 */
#ifndef MACHINE_UEVENT_H
#define MACHINE_UEVENT_H

#include "device/uevent.h"

struct uvfio_machine;

void uevents_init(struct uvfio_machine *machine);
void uevents_exit(struct uvfio_machine *machine);

/* The event of the object at @path ("/sys/module/vfio"). @lines: its own keys as its `uevent` shows
 * them, "" for none. */
void machine_uevent(struct uvfio_machine *machine, enum uevent_action action, const char *path,
		    const char *subsystem, const char *lines);
/* The same with the keys that its `uevent` in the tree shows. */
void machine_uevent_of(struct uvfio_machine *machine, enum uevent_action action, const char *path,
		       const char *subsystem);
/* What is queued goes out. */
void uevents_flush(struct uvfio_machine *machine);

#endif
