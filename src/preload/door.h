/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of this door: the session, found lazily from the environment, and the machine, built
 * lazily at the first open of a file of ours. The only global state of the library's that is not in
 * base/ or file/.
 *
 * struct door brackets every call that enters the library: depth raised (so that what we call
 * passes straight to libc), cancellation off (we hold locks), errno kept.
 */
#ifndef PRELOAD_DOOR_H
#define PRELOAD_DOOR_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include "base/depth.h"
#include "base/types.h"

struct file;
struct session;
struct uvfio_machine;

enum session_state { SESSION_UNKNOWN, SESSION_NONE, SESSION_HERE };

extern atomic_int door_session_state;
extern _Atomic(struct uvfio_machine *) door_machine_ptr;

/* The session or NULL. Opens it at the first call; not for signal context then. */
struct session *door_session(void);
/* Builds the machine when it is not there. 0 or -errno. */
int door_machine(struct uvfio_machine **out);
/* Opens a file that the session serves: 0 with the file, 1 when the tree's own is to be opened, or
 * -errno. Builds the machine when the file is one of its own. Depth raised. */
int door_open_file(const char *path, int oflags, struct file **out);
/* Says once, on stderr, that the session cannot be opened, if that is so. Depth raised. */
void door_tell_error(void);
/* The program has opened /dev/kvm. Depth raised. */
void door_kvm_opened(void);
/* In the child of a fork: what the parent's threads held is free, its files are dead. */
void door_after_fork(void);

struct door {
	int saved_errno;
	int cancel_state;
};

static inline void door_enter(struct door *door)
{
	door->saved_errno = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &door->cancel_state);
	depth_enter();
}

/* The other end of door_enter(), below which the thread may hold no lock of the library's. */
void door_leave(struct door *door);

/* Leaves with @ret, a result or -errno: the result, or -1 with errno. */
static inline long door_return(struct door *door, long ret)
{
	door_leave(door);
	if (ret >= 0)
		return ret;
	errno = (int)-ret;
	return -1;
}

/* ---- the guards' questions --------------------------------------------------------------- */

static inline bool door_on(void)
{
	if (lib_depth > 0)
		return false;
	switch (atomic_load_explicit(&door_session_state, memory_order_acquire)) {
	case SESSION_NONE:
		return false;
	case SESSION_HERE:
		return true;
	default:
		return door_session() != NULL;
	}
}

/* True also as long as nobody has asked for the session. */
static inline bool door_maybe_on(void)
{
	return lib_depth == 0 &&
	       atomic_load_explicit(&door_session_state, memory_order_relaxed) != SESSION_NONE;
}

static inline bool door_machine_lives(void)
{
	return lib_depth == 0 &&
	       atomic_load_explicit(&door_machine_ptr, memory_order_acquire) != NULL;
}

#endif
