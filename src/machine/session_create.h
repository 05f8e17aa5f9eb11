/* SPDX-License-Identifier: BSD-3-Clause */
/* Making sessions, using them up, and the locks between processes. */
#ifndef MACHINE_SESSION_CREATE_H
#define MACHINE_SESSION_CREATE_H

#include "machine/session.h"

/* Who the session's programs are; the default is root with every capability and no limit. */
struct session_identity {
	uint32_t uid, gid;
	uint64_t caps;	  /* bit n: capability n */
	uint64_t memlock; /* bytes, UINT64_MAX: no limit */
};

extern const struct session_identity session_identity_root;

/* A function and its need of shared state. */
struct session_device {
	char name[16]; /* "0000:01:00.0" */
	uint32_t rid;
	char model[32];
	bool endpoint; /* of the description */
	size_t shared_size;
};

/*
 * Makes a private directory (0700) in the first of $UVFIO_DIR, $XDG_RUNTIME_DIR, /dev/shm and /tmp
 * that can be written and has 1 MiB free, after sweeping what dead sessions left there, and takes
 * the session's "alive" lock. @disks: what its disks may come to hold, in bytes; they get a
 * directory in another of these when there is no room for that beside the session. 0, or -errno
 * with one sentence in @err. The session has no shared file yet.
 */
int session_create(struct session **out, uint64_t disks, char *err, size_t err_size);
/* Writes the shared session file and maps it. */
int session_create_shared(struct session *session, const struct session_identity *identity,
			  const struct session_device *devices, size_t count);

/* Keeps the session from being swept; held until session_close(). 0 or -errno. */
int session_hold(struct session *session);
/* Marks the session as one that stays when nobody uses it. */
int session_keep(struct session *session);
/* Programs that the library cannot come up in may run, outside of the session. 0 or -errno. */
int session_allow_escape(struct session *session);
bool session_is_kept(const struct session *session);
/* Removes the directory when nobody else uses the session, which may take the last ones 100 ms to
 * end: true, or false: somebody does. */
bool session_remove(struct session *session);
/* Removes the stale sessions of this user in @base. */
void session_sweep(const char *base);
/* Calls @fn with the directory of each session of this user that is in use or kept. */
void session_for_each(void (*fn)(void *arg, const char *dir), void *arg);
/* The directories where sessions may lie, in order; NULL behind the last. */
const char *session_base(unsigned int index);

/* The admin lock, an open-file-description lock: against other processes and other holders in this
 * one. Returns the lock's fd, or -errno. */
int session_lock(struct session *session);
void session_unlock(int fd);

/* The same on DIR/@name without waiting: -EBUSY when somebody has it. */
int session_lock_file(struct session *session, const char *name);

/* Claims IOMMU group @id for this process: the fd that holds it, -EBUSY, or -errno. Closing the fd
 * releases the claim; a forked child's copy keeps it. */
int session_claim_group(struct session *session, unsigned int id);
/* Whether some process holds it (this one included). */
bool session_group_claimed(struct session *session, unsigned int id);

/* The same for the release of the function in slot @index of the session file, which goes on
 * without the admin lock: held while its owner lives. */
int session_claim_release(struct session *session, unsigned int index);
bool session_release_claimed(struct session *session, unsigned int index);
/* The same for a request to the user of that function (inject.c); waits for who has it. */
int session_claim_request(struct session *session, unsigned int index);

#endif
