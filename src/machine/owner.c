/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chmod and chown on names of the tree (design D2b): they are recorded, not refused, as the
 * session's root may do both whoever runs it on the host.
 *
 * An owner goes to the file on disk when root made the session; else into the session file, by
 * inode. Entries are never removed, only changed: no lock is needed.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/machine.h"
#include "machine/owner.h"
#include "machine/session_priv.h"
#include "machine/tree.h"

static int record(struct shared_header *shared, uint64_t ino, uid_t uid, gid_t gid)
{
	for (size_t i = 0; i < SHARED_MAX_OWNERS; i++) {
		struct shared_owner *owner = &shared->owners[i];
		uint64_t free = 0;

		if (owner->ino != ino && !atomic_compare_exchange_strong(&owner->ino, &free, ino))
			continue;
		owner->uid = uid;
		owner->gid = gid;
		return 0;
	}
	return -EPERM;
}

int machine_chown(struct session *session, const char *real, uid_t uid, gid_t gid)
{
	struct shared_header *shared = session->shared;
	int ret = shared ? tree_unshare(real) : -EIO;
	struct stat st;

	if (ret)
		return ret;
	if (lstat(real, &st) < 0)
		return -errno;
	if (shared->owner == 0)
		return lchown(real, uid, gid) < 0 ? -errno : 0;
	/* Nobody but root may give files away: the table alone tells, for everybody. */
	owner_fix_stat(shared, &st);
	return record(shared, st.st_ino, uid == (uid_t)-1 ? st.st_uid : uid,
		      gid == (gid_t)-1 ? st.st_gid : gid);
}

void owner_fix_stat(const struct shared_header *shared, struct stat *st)
{
	for (size_t i = 0; i < SHARED_MAX_OWNERS && shared->owners[i].ino; i++) {
		if (shared->owners[i].ino != st->st_ino)
			continue;
		st->st_uid = shared->owners[i].uid;
		st->st_gid = shared->owners[i].gid;
		return;
	}
	/* Root's files say for themselves whose they are. */
	if (shared->owner && st->st_uid == shared->owner) {
		st->st_uid = 0;
		st->st_gid = 0;
	}
}
