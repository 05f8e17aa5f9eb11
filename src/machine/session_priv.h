/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside machine/: making, locking and removing sessions. */
#ifndef MACHINE_SESSION_PRIV_H
#define MACHINE_SESSION_PRIV_H

#include "base/fd.h"
#include "machine/session.h"
#include "machine/shared.h"

/* What holds shared locks on "alive" in the session's directory and in that of its disks, when it
 * is another one; NULL: not held. */
struct session_hold {
	void *session, *disks;
};

struct session {
	char *dir;
	size_t dir_len;
	struct shared_header *shared;
	size_t shared_len;
	struct session_hold hold;
};

/* DIR/@name. 0 or -ENAMETOOLONG. */
int session_path(const struct session *session, const char *name, char *out, size_t size);

#define SESSION_PREFIX "uvfio-"
/* Behind the session's name: a directory for its disks in another place. */
#define DISKS_SUFFIX ".disks"

/* session_alive.c: the lock that says that the session is in use. @disks: the directory of its
 * disks, "": in the session's. */
int session_make_alive(struct session *session, const char *disks);
int session_hold_directory(const char *dir, struct session_hold *hold);
void session_unhold(struct session_hold *hold);
/* Removes it; whoever dies in the middle leaves something that is swept at the next chance. */
void session_remove_tree(const char *dir);

/* Maps DIR/shared. */
int shared_map(struct session *session);
void shared_unmap(struct session *session);

#endif
