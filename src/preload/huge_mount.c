/* SPDX-License-Identifier: BSD-3-Clause */
/* mount(2) and umount(2) of hugetlbfs: a mount is an entry in the session, not in the kernel. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "machine/session.h"
#include "machine/session_create.h"
#include "machine/shared.h"
#include "preload/doors.h"
#include "preload/huge.h"

#define CAP_SYS_ADMIN_BIT 21
#define DEFAULT_MODE	  0755U

struct mount_options {
	enum huge_size size;
	uint32_t mode, uid, gid;
	bool has_max, has_min, has_inodes;
	/* bytes, or percent of the pool */
	uint64_t max, min, inodes;
	bool max_percent, min_percent;
};

/* The kernel's memparse(): a number in any base with K, M, G, T behind. */
static bool parse_size(const char *text, uint64_t *out, bool *percent)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	*percent = false;
	if (!isdigit((unsigned char)*text))
		return false;
	*out = strtoull(text, &end, 0);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		*out <<= 10 * (unit - units + 1);
		end++;
	} else if (*end == '%') {
		*percent = true;
		end++;
	}
	return !*end;
}

static bool parse_u32(const char *text, int base, uint32_t *out)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	value = strtoul(text, &end, base);
	*out = (uint32_t)value;
	return !*end && value <= UINT32_MAX;
}

static bool parse_option(char *word, struct mount_options *o)
{
	char *value = strchr(word, '=');
	uint64_t bytes;
	bool percent;

	if (!value)
		return false;
	*value++ = '\0';
	if (!strcmp(word, "uid"))
		return parse_u32(value, 10, &o->uid);
	if (!strcmp(word, "gid"))
		return parse_u32(value, 10, &o->gid);
	if (!strcmp(word, "mode"))
		return parse_u32(value, 8, &o->mode);
	if (!strcmp(word, "size")) {
		o->has_max = true;
		return parse_size(value, &o->max, &o->max_percent);
	}
	if (!strcmp(word, "min_size")) {
		o->has_min = true;
		return parse_size(value, &o->min, &o->min_percent);
	}
	if (!strcmp(word, "nr_inodes")) {
		o->has_inodes = true;
		return parse_size(value, &o->inodes, &percent) && !percent;
	}
	if (strcmp(word, "pagesize") || !parse_size(value, &bytes, &percent) || percent)
		return false;
	o->size = bytes == huge_bytes(HUGE_1G) ? HUGE_1G : HUGE_2M;
	return bytes == huge_bytes(o->size);
}

static bool parse_options(const char *data, struct mount_options *o)
{
	char text[512], *word, *save;

	*o = (struct mount_options){ .mode = DEFAULT_MODE };
	if (!data)
		return true;
	if (snprintf(text, sizeof(text), "%s", data) >= (int)sizeof(text))
		return false;
	for (word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (!parse_option(word, o))
			return false;
	return true;
}

static int pages_of(uint64_t value, bool percent, enum huge_size size, uint64_t *pages)
{
	struct huge_request req = { .op = HUGE_COUNTERS };
	struct huge_reply reply;
	int ret;

	*pages = value >> huge_shift(size);
	if (!percent)
		return 0;
	ret = huge_call(huge_client(), &req, -1, &reply, NULL);
	if (!ret)
		*pages = reply.counters[size].persistent * MIN(value, (uint64_t)100) / 100;
	return ret;
}

/* As the kernel shows them. */
static void write_options(const struct mount_options *o, const struct huge_request *req, char *out,
			  size_t size)
{
	size_t len = 0;

	if (o->uid)
		len += (size_t)snprintf(out + len, size - len, "uid=%u,", o->uid);
	if (o->gid)
		len += (size_t)snprintf(out + len, size - len, "gid=%u,", o->gid);
	if (o->mode != DEFAULT_MODE)
		len += (size_t)snprintf(out + len, size - len, "mode=%o,", o->mode);
	if (o->has_inodes)
		len += (size_t)snprintf(out + len, size - len, "nr_inodes=%llu,",
					(unsigned long long)o->inodes);
	len += (size_t)snprintf(out + len, size - len, "pagesize=%lluM",
				(unsigned long long)(huge_bytes(o->size) >> 20));
	if (o->has_max)
		len += (size_t)snprintf(
			out + len, size - len, ",size=%llu",
			(unsigned long long)(req->max_pages << huge_shift(o->size)));
	if (o->has_min)
		snprintf(out + len, size - len, ",min_size=%llu",
			 (unsigned long long)(req->value << huge_shift(o->size)));
}

/* Appends @part with its NUL to the request's text. */
static int add_text(struct huge_request *req, size_t *len, const char *part, size_t max)
{
	size_t n = strlen(part) + 1;

	if (n > max || *len + n > sizeof(req->text))
		return -ENAMETOOLONG;
	memcpy(req->text + *len, part, n);
	*len += n;
	return 0;
}

static int do_mount(const char *source, const char *point, unsigned long flags, const char *data)
{
	struct huge_request req = { .op = HUGE_MOUNT, .flags = (uint32_t)flags };
	struct mount_options options;
	struct huge_reply reply;
	char shown[128] = "";
	size_t len = 0;
	int ret;

	if (!parse_options(data, &options))
		return -EINVAL;
	req.size = options.size;
	req.mode = options.mode;
	req.uid = options.uid;
	req.gid = options.gid;
	req.max_inodes = options.has_inodes ? options.inodes : 0;
	ret = pages_of(options.max, options.max_percent, options.size, &req.max_pages);
	if (!ret)
		ret = pages_of(options.min, options.min_percent, options.size, &req.value);
	write_options(&options, &req, shown, sizeof(shown));
	if (!ret)
		ret = add_text(&req, &len, point, 256);
	if (!ret)
		ret = add_text(&req, &len, source ? source : "none", 64);
	if (!ret)
		ret = add_text(&req, &len, shown, sizeof(shown));
	return ret ? ret : huge_call(huge_client(), &req, -1, &reply, NULL);
}

/* The place to mount on, in the program's view: a directory. 0 or -errno. */
static int find_point(const char *target, char *out, bool *mounted)
{
	char real[PATH_MAX];
	struct tree_path tp;
	struct stat st;

	*mounted = false;
	if (path_resolve(AT_FDCWD, target, &tp) && tp.tree) {
		if (stat(tp.real, &st))
			return -errno;
		if (huge_slot(door_session(), tp.real, mounted) < 0)
			*mounted = false;
		strcpy(out, tp.logical);
	} else {
		if (!realpath(target, real))
			return -errno;
		if (strlen(real) >= TREE_PATH_MAX)
			return -ENAMETOOLONG;
		if (stat(real, &st))
			return -errno;
		strcpy(out, real);
	}
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static bool may_mount(void)
{
	return session_shared(door_session())->caps >> CAP_SYS_ADMIN_BIT & 1;
}

bool door_mount(int *ret, const char *source, const char *target, const char *type,
		unsigned long flags, const void *data)
{
	char point[TREE_PATH_MAX];
	struct door door;
	bool mounted;
	int err;

	if (!target || ((flags & MS_REMOUNT) ? false : !type || strcmp(type, "hugetlbfs")))
		return false;
	door_enter(&door);
	err = huge_client() ? find_point(target, point, &mounted) : 1;
	if ((flags & MS_REMOUNT) && (err || !mounted))
		err = 1;
	if (err > 0) {
		door_leave(&door);
		return false;
	}
	if (!err && !may_mount())
		err = -EPERM;
	if (!err && !(flags & MS_REMOUNT))
		err = do_mount(source, point, flags, data);
	*ret = (int)door_return(&door, err);
	return true;
}

bool door_umount(int *ret, const char *target, int flags)
{
	struct huge_request req = { .op = HUGE_UMOUNT, .flags = (uint32_t)flags };
	struct huge_reply reply;
	char point[TREE_PATH_MAX];
	struct door door;
	bool mounted;
	int err;

	if (!target)
		return false;
	door_enter(&door);
	if (!huge_client() || find_point(target, point, &mounted) || !mounted ||
	    strlen(point) >= sizeof(req.text)) {
		door_leave(&door);
		return false;
	}
	strcpy(req.text, point);
	err = may_mount() ? huge_call(huge_client(), &req, -1, &reply, NULL) : -EPERM;
	*ret = (int)door_return(&door, err);
	return true;
}
