/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attributes of huge pages in /sys and /proc/sys, and the texts in /proc that name them. An
 * open file is asked again at each read from its start, as in the kernel. The text last shown is
 * guarded by the file's lock.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "device/device.h"
#include "file/file.h"
#include "hugetlb/text.h"
#include "machine/huge_client_priv.h"
#include "machine/session_priv.h"

#define STORE_MAX    4096U
#define CAP_OVERRIDE 1 /* CAP_DAC_OVERRIDE */
#define ALL_NODES    (~0U)

struct served;

/* A file by its last component: how it reads, and what a number written there does. */
struct kind {
	const char *name;
	int (*show)(struct served *served, char **out);
	int (*store)(struct served *served, unsigned long value); /* NULL: read-only */
	/* sysfs: which counter */
	size_t counter;
};

struct served {
	struct huge_client *client;
	const struct kind *kind;
	enum huge_size size;
	unsigned int node; /* ALL_NODES: none in particular */
	bool sysctl;
	huge_maps_fn maps;
	pthread_mutex_t lock;
	char *text; /* lock */
	size_t len; /* lock */
	char path[];
};

static int counters(struct huge_client *client, struct huge_reply *reply)
{
	struct huge_request req = { .op = HUGE_COUNTERS };

	return huge_call(client, &req, -1, reply, NULL);
}

static int number_text(uint64_t value, char **out)
{
	if (FAIL_POINT() || asprintf(out, "%llu\n", (unsigned long long)value) < 0)
		return -ENOMEM;
	return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int show_counter(struct served *served, char **out)
{
	const struct huge_counters *c;
	struct huge_reply reply;
	int ret = counters(served->client, &reply);

	if (ret)
		return ret;
	c = &reply.counters[served->size];
	if (served->node < HUGE_NODES) {
		const uint64_t *of_node = c->node_total;

		if (served->kind->counter == offsetof(struct huge_counters, free))
			of_node = c->node_free;
		else if (served->kind->counter == offsetof(struct huge_counters, surplus))
			of_node = c->node_surplus;
		return number_text(of_node[served->node], out);
	}
	return number_text(*(const uint64_t *)((const char *)c + served->kind->counter), out);
}

static int set(struct served *served, uint32_t op, uint64_t value)
{
	struct huge_request req = {
		.op = op, .size = served->size, .node = served->node, .value = value
	};
	struct huge_reply reply;

	return huge_call(served->client, &req, -1, &reply, NULL);
}

static int store_pool(struct served *served, unsigned long value)
{
	return set(served, HUGE_SET_POOL, value);
}

static int store_overcommit(struct served *served, unsigned long value)
{
	/* Gigantic pages are never made on demand. */
	if (served->size == HUGE_1G)
		return -EINVAL;
	return set(served, HUGE_SET_OVERCOMMIT, value);
}

static int show_group(struct served *served, char **out)
{
	return number_text(served->client->session->shared->huge.shm_group, out);
}

static int store_group(struct served *served, unsigned long value)
{
	if (value > INT32_MAX)
		return -EINVAL;
	served->client->session->shared->huge.shm_group = (uint32_t)value;
	return 0;
}

#define COUNTER(field) .show = show_counter, .counter = offsetof(struct huge_counters, field)

static const struct kind sysfs_kinds[] = {
	{ "nr_hugepages", COUNTER(total), .store = store_pool },
	{ "nr_hugepages_mempolicy", COUNTER(total), .store = store_pool },
	{ "nr_overcommit_hugepages", COUNTER(overcommit), .store = store_overcommit },
	{ "free_hugepages", COUNTER(free) },
	{ "resv_hugepages", COUNTER(reserved) },
	{ "surplus_hugepages", COUNTER(surplus) },
};

static const struct kind sysctl_kinds[] = {
	{ "nr_hugepages", COUNTER(persistent), .store = store_pool },
	{ "nr_hugepages_mempolicy", COUNTER(persistent), .store = store_pool },
	{ "nr_overcommit_hugepages", COUNTER(overcommit), .store = store_overcommit },
	{ "hugetlb_shm_group", .show = show_group, .store = store_group },
};

/* ---- texts ----------------------------------------------------------------------------------- */

/* The host's file as a whole; malloc'ed. */
static int read_host(const char *path, char **out)
{
	size_t size = 65536, len = 0;
	char *text = malloc(size), *more;
	ssize_t n = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !text) {
		n = fd < 0 ? -errno : -ENOMEM;
		goto out;
	}
	while ((n = read(fd, text + len, size - len - 1)) > 0) {
		len += (size_t)n;
		if (len < size - 1)
			continue;
		more = FAIL_POINT() ? NULL : realloc(text, 2 * size);
		if (!more) {
			n = -ENOMEM;
			goto out;
		}
		text = more;
		size *= 2;
	}
	n = n < 0 ? -errno : 0;
	text[len] = '\0';
out:
	if (fd >= 0)
		close(fd);
	if (n)
		free(text);
	else
		*out = text;
	return (int)n;
}

static int show_meminfo(struct served *served, char **out)
{
	struct huge_reply reply;
	int ret = counters(served->client, &reply);
	char *host;

	if (!ret)
		ret = read_host(served->path, &host);
	if (ret)
		return ret;
	ret = huge_text_meminfo(host, reply.counters, out);
	free(host);
	return ret;
}

static int show_filesystems(struct served *served, char **out)
{
	char *host;
	int ret = read_host(served->path, &host);

	if (ret)
		return ret;
	ret = huge_text_filesystems(host, out);
	free(host);
	return ret;
}

static size_t list_mounts(const struct shared_huge *huge, struct huge_text_mount *mounts)
{
	uint32_t serials[SHARED_HUGE_MOUNTS];
	size_t count = 0, at;

	for (unsigned int slot = 0; slot < SHARED_HUGE_MOUNTS; slot++) {
		const struct shared_huge_mount *mount = &huge->mount[slot];
		uint32_t serial = mount->serial;

		if (!serial)
			continue;
		/* In the order in which they were mounted. */
		for (at = count; at > 0 && serials[at - 1] > serial; at--) {
			serials[at] = serials[at - 1];
			mounts[at] = mounts[at - 1];
		}
		serials[at] = serial;
		mounts[at] = (struct huge_text_mount){ .point = mount->point,
						       .source = mount->source,
						       .options = mount->options,
						       .minor = HUGE_FIRST_MINOR + slot,
						       .read_only = mount->read_only != 0 };
		count++;
	}
	return count;
}

static int show_mounts(struct served *served, char **out)
{
	struct huge_text_mount mounts[SHARED_HUGE_MOUNTS];
	size_t count = list_mounts(&served->client->session->shared->huge, mounts);
	char *host;
	int ret = read_host(served->path, &host);

	if (ret)
		return ret;
	if (!strcmp(served->kind->name, "mountinfo"))
		ret = huge_text_mountinfo(host, mounts, count, out);
	else
		ret = huge_text_mounts(host, mounts, count, out);
	free(host);
	return ret;
}

static int show_maps(struct served *served, char **out)
{
	char *host;
	int ret = read_host(served->path, &host);

	if (ret)
		return ret;
	ret = served->maps(!strcmp(served->kind->name, "numa_maps"), host, out);
	free(host);
	return ret;
}

static const struct kind proc_kinds[] = {
	{ "meminfo", .show = show_meminfo }, { "filesystems", .show = show_filesystems },
	{ "mounts", .show = show_mounts },   { "mountinfo", .show = show_mounts },
	{ "smaps", .show = show_maps },	     { "numa_maps", .show = show_maps },
};

/* ---- files ----------------------------------------------------------------------------------- */

static void served_release(struct file *file)
{
	struct served *served = file->priv;

	pthread_mutex_destroy(&served->lock);
	free(served->text);
	free(served);
}

static int show(struct served *served)
{
	char *text = NULL;
	int ret = served->kind->show(served, &text);

	if (ret)
		return ret;
	free(served->text);
	served->text = text;
	served->len = strlen(text);
	return 0;
}

static ssize_t served_read(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct served *served = file->priv;
	ssize_t ret = 0;

	pthread_mutex_lock(&served->lock);
	if (!served->text || *pos == 0)
		ret = show(served);
	if (!ret && *pos < served->len) {
		count = MIN(count, served->len - *pos);
		ret = copy_to_user(ubuf, served->text + *pos, count);
		if (!ret) {
			*pos += count;
			ret = (ssize_t)count;
		}
	}
	pthread_mutex_unlock(&served->lock);
	return ret;
}

/* The number that a sysctl takes: the first word. */
static int sysctl_number(const char *text, unsigned long *out)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*out = strtoul(text, &end, 0);
	return errno || (*end && !isspace((unsigned char)*end)) ? -EINVAL : 0;
}

static ssize_t served_write(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct served *served = file->priv;
	char text[STORE_MAX + 1];
	unsigned long value;
	int ret;

	if (!served->kind->store)
		return -EIO;
	count = MIN(count, (size_t)STORE_MAX);
	if (copy_from_user(text, ubuf, count))
		return -EFAULT;
	text[count] = '\0';
	if (served->sysctl && (!count || *pos))
		ret = 0;
	else if (served->sysctl)
		ret = sysctl_number(text, &value);
	else
		ret = sysfs_parse_ulong(text, 10, &value);
	if (!ret && !(served->sysctl && (!count || *pos)))
		ret = served->kind->store(served, value);
	if (ret)
		return ret;
	*pos += count;
	return (ssize_t)count;
}

static const struct file_operations served_ops = {
	.name = "hugepages",
	.release = served_release,
	.read = served_read,
	.write = served_write,
};

static const struct kind *find_kind(const struct kind *kinds, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* Which file @path is; false: none of these. */
static bool identify(const char *path, struct served *served)
{
	static const char of_node[] = "/sys/devices/system/node/node";
	const char *name = strrchr(path, '/') + 1, *size = strstr(path, "/hugepages-");
	unsigned long kb = size ? strtoul(size + strlen("/hugepages-"), NULL, 10) : 0;

	served->node = ALL_NODES;
	served->size = HUGE_2M;
	if (!strncmp(path, "/proc/sys/vm/", 13)) {
		served->sysctl = true;
		served->kind = find_kind(sysctl_kinds, ARRAY_SIZE(sysctl_kinds), name);
	} else if (!strncmp(path, "/proc/", 6)) {
		served->kind = find_kind(proc_kinds, ARRAY_SIZE(proc_kinds), name);
	} else if (!strncmp(path, "/sys/", 5) && size) {
		if (kb == huge_bytes(HUGE_1G) >> 10)
			served->size = HUGE_1G;
		if (!strncmp(path, of_node, sizeof(of_node) - 1))
			served->node = (unsigned int)strtoul(path + sizeof(of_node) - 1, NULL, 10);
		served->kind = find_kind(sysfs_kinds, ARRAY_SIZE(sysfs_kinds), name);
	}
	return served->kind != NULL;
}

int huge_open_text(struct huge_client *client, const char *path, int oflags, huge_maps_fn maps,
		   struct file **out)
{
	const struct shared_header *shared = client->session->shared;
	struct served found = { .kind = NULL }, *served;
	bool write = (oflags & O_ACCMODE) != O_RDONLY;
	int ret;

	if (!identify(path, &found))
		return 1;
	if (write && (!found.kind->store || (shared->uid && !(shared->caps >> CAP_OVERRIDE & 1))))
		return -EACCES;
	served = FAIL_POINT() ? NULL : calloc(1, sizeof(*served) + strlen(path) + 1);
	if (!served)
		return -ENOMEM;
	*served = found;
	served->client = client;
	served->maps = maps;
	strcpy(served->path, path);
	pthread_mutex_init(&served->lock, NULL);
	ret = file_alloc(&served_ops, served, oflags, 0, out);
	if (ret) {
		pthread_mutex_destroy(&served->lock);
		free(served);
		return ret;
	}
	(*out)->mode = S_IFREG | (found.kind->store ? 0644 : 0444);
	snprintf((*out)->path, sizeof((*out)->path), "%s", path);
	return 0;
}
