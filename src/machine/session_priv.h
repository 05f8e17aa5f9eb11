/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside machine/: making, locking and removing sessions. */
#ifndef MACHINE_SESSION_PRIV_H
#define MACHINE_SESSION_PRIV_H

#include "base/fd.h"
#include "machine/session.h"
#include "machine/shared.h"

struct session {
	char *dir;
	size_t dir_len;
	struct shared_header *shared;
	size_t shared_len;
	void *hold; /* what holds a shared lock on "alive"; NULL: not held */
};

/* DIR/@name. 0 or -ENAMETOOLONG. */
int session_path(const struct session *session, const char *name, char *out, size_t size);

#define SESSION_PREFIX "uvfio-"

/* session_alive.c: the lock that says that the session is in use. */
int session_make_alive(struct session *session);
int session_hold_directory(const char *dir, void **hold);
void session_unhold(struct session *session);
/* Removes it; whoever dies in the middle leaves something that is swept at the next chance. */
void session_remove_tree(const char *dir);

/* Maps DIR/shared. */
int shared_map(struct session *session);
void shared_unmap(struct session *session);

#endif
