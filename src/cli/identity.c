/* SPDX-License-Identifier: BSD-3-Clause */
/* The session's identity as options (design D2b). */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *name;
	unsigned int bit;
} capabilities[] = {
	{ "chown", 0 },	     { "dac_override", 1 }, { "fowner", 3 },	    { "kill", 5 },
	{ "net_admin", 12 }, { "net_raw", 13 },	    { "ipc_lock", 14 },	    { "sys_rawio", 17 },
	{ "sys_admin", 21 }, { "sys_nice", 23 },    { "sys_resource", 24 }, { "mknod", 27 },
};

int parse_caps(const char *text, uint64_t *caps)
{
	char word[32];

	*caps = 0;
	if (!strcmp(text, "all")) {
		*caps = UINT64_MAX;
		return 0;
	}
	if (!strcmp(text, "none"))
		return 0;
	while (*text) {
		size_t len = strcspn(text, ","), i;

		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		for (i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
			if (!strcasecmp(word, capabilities[i].name) ||
			    (!strncasecmp(word, "cap_", 4) &&
			     !strcasecmp(word + 4, capabilities[i].name)))
				break;
		if (i == sizeof(capabilities) / sizeof(capabilities[0]))
			return fail("--caps: \"%s\" is no capability that VFIO asks for; take all, "
				    "none, or names such as ipc_lock,sys_rawio",
				    word);
		*caps |= 1ULL << capabilities[i].bit;
		text += len + (text[len] == ',');
	}
	return 0;
}

static bool parse_number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || value > UINT32_MAX - 1)
		return false;
	*out = (uint32_t)value;
	return true;
}

int parse_user(const char *text, uint32_t *uid, uint32_t *gid)
{
	char name[64];
	const char *colon = strchr(text, ':');
	const struct passwd *user;
	const struct group *group;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, ":"), text);
	user = getpwnam(name);
	if (user) {
		*uid = user->pw_uid;
		*gid = user->pw_gid;
	} else if (parse_number(name, uid)) {
		*gid = *uid;
	} else {
		return fail("--user: no user \"%s\"; take a name or a number", name);
	}
	if (!colon)
		return 0;
	group = getgrnam(colon + 1);
	if (group)
		*gid = group->gr_gid;
	else if (!parse_number(colon + 1, gid))
		return fail("--user: no group \"%s\"; take a name or a number", colon + 1);
	return 0;
}

int parse_memlock(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	const char *unit;
	char *end;

	if (!strcmp(text, "unlimited")) {
		*bytes = UINT64_MAX;
		return 0;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (end == text || *text == '-' || errno || (*end && (!unit || end[1])) ||
	    (unit && value > UINT64_MAX >> (10 * (unit - units + 1))))
		return fail(
			"--memlock: \"%s\" is no size; write bytes, or a number with K, M, G or T, "
			"or unlimited",
			text);
	*bytes = unit ? value << (10 * (unit - units + 1)) : value;
	return 0;
}
