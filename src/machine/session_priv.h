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
	int alive_fd; /* holds a shared flock on "alive"; -1: not held */
};

/* DIR/@name. 0 or -ENAMETOOLONG. */
int session_path(const struct session *session, const char *name, char *out, size_t size);

/* Maps DIR/shared. */
int shared_map(struct session *session);
void shared_unmap(struct session *session);

#endif
