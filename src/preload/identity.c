/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who a program sees itself as below the session's sudo: IDENTITY_ENV names user and group, which
 * go along over exec. The host's kernel knows nothing of it: what it decides is decided as before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "machine/variables.h"
#include "preload/doors.h"
#include "preload/guard.h"
#include "preload/process.h"

atomic_bool identity_given;

/* Written before identity_given is set, constant then. */
static unsigned int user, group;

void identity_remember(const char *value)
{
	unsigned int uid, gid;
	int end = 0;

	if (sscanf(value, "%u:%u%n", &uid, &gid, &end) != 2 || value[end])
		return;
	user = uid;
	group = gid;
	atomic_store(&identity_given, true);
}

bool door_getuid(uid_t *ret)
{
	*ret = user;
	return true;
}

bool door_getgid(gid_t *ret)
{
	*ret = group;
	return true;
}

bool door_getresuid(int *ret, uid_t *real, uid_t *effective, uid_t *saved)
{
	*real = *effective = *saved = user;
	*ret = 0;
	return true;
}

bool door_getresgid(int *ret, gid_t *real, gid_t *effective, gid_t *saved)
{
	*real = *effective = *saved = group;
	*ret = 0;
	return true;
}

bool door_getgroups(int *ret, int size, gid_t *list)
{
	*ret = 1;
	if (size > 0) {
		list[0] = group;
	} else if (size < 0) {
		errno = EINVAL;
		*ret = -1;
	}
	return true;
}
