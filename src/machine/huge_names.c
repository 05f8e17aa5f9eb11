/* SPDX-License-Identifier: BSD-3-Clause */
/* Which names belong to a session's huge pages, and making them. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sysraw.h"
#include "machine/huge.h"
#include "machine/session_priv.h"
#include "machine/tree.h"

#define MOUNT_ROOT "/dev/hugepages"
#define STORE	   "/hugetlb/"

/* ---- asking ---------------------------------------------------------------------------------- */

static const struct shared_huge *shared(const struct session *session)
{
	return session->shared ? &session->shared->huge : NULL;
}

bool huge_served(const struct session *session)
{
	return session && session->shared && session->shared->huge.served;
}

static const _Atomic uint32_t none;

const _Atomic uint32_t *huge_files(const struct session *session)
{
	return huge_served(session) ? &session->shared->huge.files : &none;
}

const _Atomic uint32_t *huge_mounted(const struct session *session)
{
	return huge_served(session) ? &session->shared->huge.mounted : &none;
}

/* What of @path lies below directory @dir: "" or "/..."; NULL: it is not in there. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strncmp(path, dir, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path + len;
}

/* The mount that @path is in: the deepest point, and there the newest. */
static int find_slot(const struct shared_huge *huge, const char *path, const char **rest)
{
	uint32_t best_serial = 0;
	size_t best_len = 0;
	int best = -1;

	for (unsigned int slot = 0; slot < SHARED_HUGE_MOUNTS; slot++) {
		const struct shared_huge_mount *mount = &huge->mount[slot];
		uint32_t serial = mount->serial;
		const char *tail;
		size_t len;

		if (!serial)
			continue;
		tail = below(path, mount->point);
		if (!tail || mount->serial != serial)
			continue;
		len = (size_t)(tail - path);
		if (best >= 0 && (len < best_len || (len == best_len && serial < best_serial)))
			continue;
		best = (int)slot;
		best_len = len;
		best_serial = serial;
		*rest = tail;
	}
	return best;
}

/* "/proc/self/", "/proc/thread-self/", "/proc/7/": what is behind, and whether it is this
 * process. NULL: another name. */
static const char *of_process(const char *path, bool *own)
{
	const char *name = path + 6, *end;

	*own = true;
	if (!strncmp(name, "self/", 5))
		return name + 5;
	if (!strncmp(name, "thread-self/", 12))
		return name + 12;
	for (end = name; isdigit((unsigned char)*end); end++)
		;
	if (end == name || *end != '/')
		return NULL;
	*own = atoi(name) == raw_getpid();
	return end + 1;
}

/* The tree's name for one in /proc; NULL: the host's. */
static const char *proc_name(const struct session *session, const char *path, char *buf,
			     size_t size)
{
	static const char *const plain[] = { "/proc/meminfo",
					     "/proc/mounts",
					     "/proc/sys/vm/nr_hugepages",
					     "/proc/sys/vm/nr_hugepages_mempolicy",
					     "/proc/sys/vm/nr_overcommit_hugepages",
					     "/proc/sys/vm/hugetlb_shm_group" };
	const char *name;
	bool own;

	/* Many programs look at it when they start. */
	if (!strcmp(path, "/proc/filesystems"))
		return session->shared->huge.filesystems ? path : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (!strcmp(path, plain[i]))
			return path;
	name = of_process(path, &own);
	if (!name || (strcmp(name, "mounts") && strcmp(name, "mountinfo") &&
		      (!own || (strcmp(name, "smaps") && strcmp(name, "numa_maps")))))
		return NULL;
	snprintf(buf, size, "/proc/self/%s", name);
	return buf;
}

/* "/sys/devices/system/node/node3" with what is behind in *@rest. */
static bool is_node(const char *path, const char **rest)
{
	static const char prefix[] = "/sys/devices/system/node/node";
	const char *end = path + sizeof(prefix) - 1;

	if (strncmp(path, prefix, sizeof(prefix) - 1) || !isdigit((unsigned char)*end))
		return false;
	while (isdigit((unsigned char)*end))
		end++;
	*rest = end;
	return true;
}

static bool join(const struct session *session, const char *a, const char *b, char *out,
		 size_t size)
{
	int len = snprintf(out, size, "%s%s%s", session->dir, a, b);

	return len > 0 && (size_t)len < size;
}

bool huge_translate(const struct session *session, const char *path, char *out, size_t size)
{
	const struct shared_huge *huge = shared(session);
	char name[128], store[32];
	const char *rest;
	int slot;

	if (!huge || !huge->served)
		return false;
	if ((path[1] == 'd' && !strncmp(path, "/dev/huge", 9)) || huge->mounted) {
		slot = find_slot(huge, path, &rest);
		snprintf(store, sizeof(store), STORE "%d", slot);
		if (slot >= 0)
			return join(session, store, rest, out, size);
	}
	switch (path[1]) {
	case 'd':
		return below(path, MOUNT_ROOT) && join(session, path, "", out, size);
	case 's':
		if (below(path, "/sys/kernel/mm/hugepages") ||
		    (is_node(path, &rest) && below(rest, "/hugepages")))
			return join(session, path, "", out, size);
		return false;
	case 'p':
		path = strncmp(path, "/proc/", 6) ? NULL
						  : proc_name(session, path, name, sizeof(name));
		return path && join(session, path, "", out, size);
	default:
		return false;
	}
}

/* The slot of DIR/hugetlb/N/...; -1. */
static int stored_slot(const struct session *session, const char *real, const char **rest)
{
	const char *name = real + session->dir_len;
	char *end;
	long slot;

	if (strncmp(real, session->dir, session->dir_len) ||
	    strncmp(name, STORE, sizeof(STORE) - 1) ||
	    !isdigit((unsigned char)name[sizeof(STORE) - 1]))
		return -1;
	slot = strtol(name + sizeof(STORE) - 1, &end, 10);
	if (slot >= (long)SHARED_HUGE_MOUNTS || (*end && *end != '/'))
		return -1;
	*rest = end;
	return (int)slot;
}

bool huge_untranslate(const struct session *session, const char *real, char *out, size_t size)
{
	struct huge_mount_info info;
	const char *rest;
	int slot, len;

	slot = huge_served(session) ? stored_slot(session, real, &rest) : -1;
	if (slot < 0 || !huge_slot_info(session, (unsigned int)slot, &info))
		return false;
	len = snprintf(out, size, "%s%s", info.point, rest);
	return len > 0 && (size_t)len < size;
}

bool huge_overlaid(const struct session *session, const char *path)
{
	const char *rest;

	if (!huge_served(session))
		return false;
	return !strcmp(path, "/sys/kernel/mm") || !strcmp(path, "/sys/devices/system") ||
	       !strcmp(path, "/sys/devices/system/node") || (is_node(path, &rest) && !*rest);
}

int huge_slot(const struct session *session, const char *real, bool *root)
{
	const char *rest = "";
	int slot = huge_served(session) ? stored_slot(session, real, &rest) : -1;

	*root = !*rest || !strcmp(rest, "/");
	return slot;
}

bool huge_slot_info(const struct session *session, unsigned int slot, struct huge_mount_info *out)
{
	const struct shared_huge_mount *mount = &shared(session)->mount[slot];
	uint32_t serial = mount->serial;

	*out = (struct huge_mount_info){ .size = (enum huge_size)mount->size,
					 .minor = HUGE_FIRST_MINOR + slot,
					 .read_only = mount->read_only != 0,
					 .max_pages = mount->max_pages,
					 .max_inodes = mount->max_inodes };
	memcpy(out->point, mount->point, sizeof(out->point));
	return serial && serial == mount->serial;
}

/* ---- making ---------------------------------------------------------------------------------- */

int huge_config_parse(const char *text, struct huge_config *config, char *err, size_t err_size)
{
	static const char units[] = "KMGT";
	unsigned long long bytes = 0;
	const char *unit;
	char *end = NULL;

	*config = (struct huge_config){ .mode = HUGE_FAKE };
	if (!strcmp(text, "host")) {
		config->mode = HUGE_HOST;
		return 0;
	}
	if (!strcmp(text, "none")) {
		config->mode = HUGE_NONE;
		return 0;
	}
	if (!strcmp(text, "fake"))
		return 0;
	if (!strncmp(text, "fake:", 5) && isdigit((unsigned char)text[5]))
		bytes = strtoull(text + 5, &end, 10);
	unit = end && *end ? strchr(units, *end) : NULL;
	if (!end || (*end && (!unit || end[1])) ||
	    (unit && bytes > UINT64_MAX >> (10 * (unit - units + 1)))) {
		snprintf(err, err_size,
			 "hugepages \"%s\" is not known; take fake, fake:SIZE (as fake:512M), host "
			 "or none",
			 text);
		return -EINVAL;
	}
	config->bytes = unit ? bytes << (10 * (unit - units + 1)) : bytes;
	return 0;
}

/* Whether programs can get huge pages from the host: there are free ones, and a place for them. */
static bool host_usable(void)
{
	unsigned long free_pages = 0;
	bool writable = false;
	struct mntent *mount;
	char line[256];
	FILE *file;

	file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "HugePages_Free: %lu", &free_pages) == 1)
			break;
	if (file)
		fclose(file);
	file = free_pages ? setmntent("/proc/self/mounts", "re") : NULL;
	while (file && !writable && (mount = getmntent(file)))
		writable = !strcmp(mount->mnt_type, "hugetlbfs") &&
			   access(mount->mnt_dir, W_OK) == 0;
	if (file)
		endmntent(file);
	return writable;
}

/* Whether the host's /proc/filesystems has the line that the session's is to have. */
static bool host_names_hugetlbfs(void)
{
	FILE *file = fopen("/proc/filesystems", "re");
	bool found = false;
	char line[128];

	while (file && !found && fgets(line, sizeof(line), file))
		found = !strcmp(line, "nodev\thugetlbfs\n");
	if (file)
		fclose(file);
	return found;
}

static unsigned int count_nodes(void)
{
	DIR *dir = opendir("/sys/devices/system/node");
	unsigned int nodes = 1, node;
	struct dirent *entry;
	char behind;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "node%u%c", &node, &behind) == 1 && node < HUGE_NODES)
			nodes = MAX(nodes, node + 1);
	if (dir)
		closedir(dir);
	return nodes;
}

static int make_directory(const struct session *session, const char *path)
{
	char real[PATH_MAX], *slash;

	if (!join(session, path, "", real, sizeof(real)))
		return -ENAMETOOLONG;
	/* Most have been made, or their parents have. */
	if (mkdir(real, 0755) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	for (slash = strchr(real + session->dir_len + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(real, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(real, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* The place of a file that huge_open_text() serves. */
static int make_served(const struct session *session, const char *dir, const char *name,
		       mode_t mode)
{
	char real[PATH_MAX];
	int fd, ret = make_directory(session, dir);

	if (ret)
		return ret;
	if (snprintf(real, sizeof(real), "%s%s/%s", session->dir, dir, name) >= (int)sizeof(real))
		return -ENAMETOOLONG;
	fd = open(real, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode | TREE_SERVED) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int make_sizes(const struct session *session, const char *dir, bool of_node)
{
	static const struct {
		const char *name;
		mode_t mode;
		bool of_node;
	} names[] = { { "nr_hugepages", 0644, true },
		      { "free_hugepages", 0444, true },
		      { "surplus_hugepages", 0444, true },
		      { "nr_hugepages_mempolicy", 0644, false },
		      { "nr_overcommit_hugepages", 0644, false },
		      { "resv_hugepages", 0444, false } };
	char path[128];
	int ret = 0;

	for (int size = 0; size < HUGE_SIZES && !ret; size++) {
		snprintf(path, sizeof(path), "%s/hugepages-%llukB", dir,
			 (unsigned long long)(huge_bytes((enum huge_size)size) >> 10));
		for (size_t i = 0; i < ARRAY_SIZE(names) && !ret; i++)
			if (!of_node || names[i].of_node)
				ret = make_served(session, path, names[i].name, names[i].mode);
	}
	return ret;
}

static int make_names(const struct session *session, unsigned int nodes)
{
	static const struct {
		const char *dir, *name;
		mode_t mode;
	} names[] = { { "/proc", "meminfo", 0444 },
		      { "/proc", "filesystems", 0444 },
		      { "/proc/self", "mounts", 0444 },
		      { "/proc/self", "mountinfo", 0444 },
		      { "/proc/self", "smaps", 0444 },
		      { "/proc/self", "numa_maps", 0444 },
		      { "/proc/sys/vm", "nr_hugepages", 0644 },
		      { "/proc/sys/vm", "nr_hugepages_mempolicy", 0644 },
		      { "/proc/sys/vm", "nr_overcommit_hugepages", 0644 },
		      { "/proc/sys/vm", "hugetlb_shm_group", 0644 } };
	char path[PATH_MAX];
	int ret = make_directory(session, STORE "0");

	if (!ret)
		ret = make_directory(session, MOUNT_ROOT);
	for (size_t i = 0; i < ARRAY_SIZE(names) && !ret; i++)
		ret = make_served(session, names[i].dir, names[i].name, names[i].mode);
	if (!ret)
		ret = make_sizes(session, "/sys/kernel/mm/hugepages", false);
	for (unsigned int node = 0; node < nodes && !ret; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/hugepages", node);
		ret = make_sizes(session, path, true);
	}
	if (ret || !join(session, "/proc/mounts", "", path, sizeof(path)))
		return ret ? ret : -ENAMETOOLONG;
	return symlink("self/mounts", path) < 0 && errno != EEXIST ? -errno : 0;
}

int huge_setup(struct session *session, const struct huge_config *config)
{
	struct shared_huge *huge = &session->shared->huge;
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * HOST_PAGE_SIZE, pages;
	struct shared_huge_mount *mount = &huge->mount[0];
	int ret;

	if (config->mode == HUGE_HOST || (config->mode == HUGE_AUTO && host_usable()))
		return 0;
	huge->nodes = count_nodes();
	huge->filesystems = !host_names_hugetlbfs();
	for (int size = 0; size < HUGE_SIZES; size++)
		if (config->mode != HUGE_NONE)
			huge->pool[size].max = memory >> huge_shift((enum huge_size)size);
	pages = MIN((config->bytes + huge_bytes(HUGE_2M) - 1) >> huge_shift(HUGE_2M),
		    huge->pool[HUGE_2M].max);
	for (unsigned int node = 0; node < huge->nodes; node++)
		huge->pool[HUGE_2M].node[node] = pages / huge->nodes + (node < pages % huge->nodes);
	ret = make_names(session, huge->nodes);
	if (ret)
		return ret;
	mount->size = HUGE_2M;
	strcpy(mount->point, MOUNT_ROOT);
	strcpy(mount->source, "hugetlbfs");
	strcpy(mount->options, "pagesize=2M");
	mount->serial = huge->last_serial = 1;
	huge->served = 1;
	return 0;
}
