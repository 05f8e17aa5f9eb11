/* SPDX-License-Identifier: BSD-3-Clause */
#include "hugetlb/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"

#define LINE_MAX_LEN 4096

struct text {
	FILE *out;
	char *buf;
	size_t size;
};

static int text_begin(struct text *t)
{
	t->buf = NULL;
	t->out = FAIL_POINT() ? NULL : open_memstream(&t->buf, &t->size);
	return t->out ? 0 : -ENOMEM;
}

static int text_end(struct text *t, char **out)
{
	bool failed = ferror(t->out) != 0;

	if (fclose(t->out) || failed) {
		free(t->buf);
		return -ENOMEM;
	}
	*out = t->buf;
	return 0;
}

/* The next line of *@from without its end, in @line; false: there is none. */
static bool next_line(const char **from, char *line)
{
	size_t len = strcspn(*from, "\n"), kept = MIN(len, (size_t)LINE_MAX_LEN - 1);

	if (!**from)
		return false;
	memcpy(line, *from, kept);
	line[kept] = '\0';
	*from += len + ((*from)[len] == '\n');
	return true;
}

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

/* Word @n of @line, from 0, parted by blanks. */
static void word(const char *line, int n, char *out, size_t size)
{
	size_t len;

	for (; n > 0; n--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	len = MIN(strcspn(line, " "), size - 1);
	memcpy(out, line, len);
	out[len] = '\0';
}

/* ---- /proc/meminfo --------------------------------------------------------------------------- */

static void put_meminfo(FILE *out, const struct huge_counters *counters)
{
	const struct huge_counters *c = &counters[HUGE_2M];
	unsigned long long kb = 0;

	for (int i = 0; i < HUGE_SIZES; i++)
		kb += counters[i].total << (huge_shift((enum huge_size)i) - 10);
	fprintf(out, "HugePages_Total:   %5llu\n", (unsigned long long)c->total);
	fprintf(out, "HugePages_Free:    %5llu\n", (unsigned long long)c->free);
	fprintf(out, "HugePages_Rsvd:    %5llu\n", (unsigned long long)c->reserved);
	fprintf(out, "HugePages_Surp:    %5llu\n", (unsigned long long)c->surplus);
	fprintf(out, "Hugepagesize:   %8llu kB\n", (unsigned long long)(huge_bytes(HUGE_2M) >> 10));
	fprintf(out, "Hugetlb:        %8llu kB\n", kb);
}

int huge_text_meminfo(const char *host, const struct huge_counters *counters, char **out)
{
	char line[LINE_MAX_LEN];
	bool put = false;
	struct text t;

	if (text_begin(&t))
		return -ENOMEM;
	while (next_line(&host, line)) {
		bool ours = begins(line, "HugePages_") || begins(line, "Hugepagesize:") ||
			    begins(line, "Hugetlb:");

		if (!put && (ours || begins(line, "DirectMap"))) {
			put_meminfo(t.out, counters);
			put = true;
		}
		if (!ours)
			fprintf(t.out, "%s\n", line);
	}
	if (!put)
		put_meminfo(t.out, counters);
	return text_end(&t, out);
}

/* ---- mounts ---------------------------------------------------------------------------------- */

/* As the kernel writes names into these files. */
static void put_escaped(FILE *out, const char *name)
{
	for (; *name; name++) {
		if (strchr(" \t\n\\", *name))
			fprintf(out, "\\%03o", (unsigned char)*name);
		else
			fputc(*name, out);
	}
}

static bool is_point(const char *point, const struct huge_text_mount *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(point, mounts[i].point))
			return true;
	return false;
}

int huge_text_mounts(const char *host, const struct huge_text_mount *mounts, size_t count,
		     char **out)
{
	char line[LINE_MAX_LEN], point[512], type[64];
	struct text t;

	if (text_begin(&t))
		return -ENOMEM;
	while (next_line(&host, line)) {
		word(line, 1, point, sizeof(point));
		word(line, 2, type, sizeof(type));
		if (strcmp(type, "hugetlbfs") && !is_point(point, mounts, count))
			fprintf(t.out, "%s\n", line);
	}
	for (size_t i = 0; i < count; i++) {
		put_escaped(t.out, mounts[i].source);
		fputc(' ', t.out);
		put_escaped(t.out, mounts[i].point);
		fprintf(t.out, " hugetlbfs %s,relatime%s%s 0 0\n",
			mounts[i].read_only ? "ro" : "rw", mounts[i].options[0] ? "," : "",
			mounts[i].options);
	}
	return text_end(&t, out);
}

/* How well the mount at @point can be the parent of @name: the length, 0 not at all. */
static size_t parent_length(const char *point, const char *name)
{
	size_t len = strlen(point);

	if (!strcmp(point, "/"))
		return 1;
	return !strncmp(point, name, len) && name[len] == '/' ? len : 0;
}

static unsigned int find_parent(const char *host, const char *name)
{
	char line[LINE_MAX_LEN], point[512];
	unsigned int id, parent = 1;
	size_t best = 0, len;

	while (next_line(&host, line)) {
		word(line, 4, point, sizeof(point));
		len = parent_length(point, name);
		if (len >= best && len && sscanf(line, "%u", &id) == 1) {
			best = len;
			parent = id;
		}
	}
	return parent;
}

int huge_text_mountinfo(const char *host, const struct huge_text_mount *mounts, size_t count,
			char **out)
{
	char line[LINE_MAX_LEN], point[512], type[64];
	unsigned int id, last = 0;
	const char *all = host, *dash;
	struct text t;

	if (text_begin(&t))
		return -ENOMEM;
	while (next_line(&host, line)) {
		if (sscanf(line, "%u", &id) == 1)
			last = MAX(last, id);
		word(line, 4, point, sizeof(point));
		dash = strstr(line, " - ");
		word(dash ? dash + 3 : "", 0, type, sizeof(type));
		if (strcmp(type, "hugetlbfs") && !is_point(point, mounts, count))
			fprintf(t.out, "%s\n", line);
	}
	for (size_t i = 0; i < count; i++) {
		const char *mode = mounts[i].read_only ? "ro" : "rw";

		fprintf(t.out, "%u %u 0:%u / ", last + 1 + (unsigned int)i,
			find_parent(all, mounts[i].point), mounts[i].minor);
		put_escaped(t.out, mounts[i].point);
		fprintf(t.out, " %s,relatime - hugetlbfs ", mode);
		put_escaped(t.out, mounts[i].source);
		fprintf(t.out, " %s%s%s\n", mode, mounts[i].options[0] ? "," : "",
			mounts[i].options);
	}
	return text_end(&t, out);
}

int huge_text_filesystems(const char *host, char **out)
{
	bool there = strstr(host, "\thugetlbfs\n") != NULL;
	struct text t;

	if (text_begin(&t))
		return -ENOMEM;
	fprintf(t.out, "%s%s", host, there ? "" : "nodev\thugetlbfs\n");
	return text_end(&t, out);
}

/* ---- mappings -------------------------------------------------------------------------------- */

#define DELETED		" (deleted)"
#define ANONYMOUS_NAME	"/anon_hugepage"
#define HEADER_NAME_COL 73

bool huge_text_name(char *name)
{
	static const char prefix[] = "/memfd:";
	size_t len = strlen(name), tail = sizeof(DELETED) - 1;

	if (!begins(name, prefix) || !strchr(name + sizeof(prefix) - 1, '/'))
		return false;
	if (len > tail && !strcmp(name + len - tail, DELETED))
		name[len - tail] = '\0';
	/* The slash of the root in the place of the prefix' colon. */
	memmove(name + 1, name + sizeof(prefix) - 1, strlen(name + sizeof(prefix) - 1) + 1);
	return true;
}

/* A mapping's first line: the range, then permissions and so on; the name at the end. */
static void put_header(FILE *out, char *line, const struct huge_range *range)
{
	char *name = strchr(line, '/');

	if (name) {
		huge_text_name(name);
		fprintf(out, "%s\n", line);
		return;
	}
	line[strcspn(line, "[")] = '\0';
	fprintf(out, "%-*s%s\n", HEADER_NAME_COL, line,
		range->private ? ANONYMOUS_NAME DELETED : "");
}

static bool header_of(const char *line, uintptr_t *start)
{
	unsigned long from, to;

	if (!isxdigit((unsigned char)line[0]) || sscanf(line, "%lx-%lx ", &from, &to) != 2)
		return false;
	*start = from;
	return true;
}

/* A line of the details of a mapping of huge pages. *@resident: its Rss in kB, as it comes by. */
static void put_detail(FILE *out, const char *line, const struct huge_range *range,
		       unsigned long *resident)
{
	static const char *const zero[] = {
		"Pss",	      "Shared_",	"Private_",	   "Referenced:",
		"Anonymous:", "AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:",
		"LazyFree:"
	};
	const unsigned long page = (unsigned long)(huge_bytes(range->size) >> 10);
	int label = (int)strcspn(line, ":") + 1;
	unsigned long value = 0;
	bool patch = true;

	if (begins(line, "Rss:")) {
		if (sscanf(line, "Rss: %lu", resident) != 1)
			*resident = 0;
	} else if (begins(line, "KernelPageSize:") || begins(line, "MMUPageSize:")) {
		value = page;
	} else if (begins(line, "Private_Hugetlb:")) {
		value = (*resident + page - 1) / page * page;
	} else if (begins(line, "VmFlags:")) {
		fprintf(out, "%s%sht \n", line, line[strlen(line) - 1] == ' ' ? "" : " ");
		return;
	} else {
		patch = false;
		for (size_t i = 0; i < ARRAY_SIZE(zero) && !patch; i++)
			patch = begins(line, zero[i]);
	}
	if (patch)
		fprintf(out, "%.*s%*lu kB\n", label, line, MAX(24 - label, 1), value);
	else
		fprintf(out, "%s\n", line);
}

int huge_text_smaps(const char *host, const struct huge_ranges *ranges, char **out)
{
	const struct huge_range *range = NULL;
	unsigned long resident = 0;
	char line[LINE_MAX_LEN];
	uintptr_t start;
	struct text t;

	if (text_begin(&t))
		return -ENOMEM;
	while (next_line(&host, line)) {
		if (header_of(line, &start)) {
			range = huge_ranges_at(ranges, start);
			if (range)
				put_header(t.out, line, range);
			else
				fprintf(t.out, "%s\n", line);
		} else if (range) {
			put_detail(t.out, line, range, &resident);
		} else {
			fprintf(t.out, "%s\n", line);
		}
	}
	return text_end(&t, out);
}

/* One word of a numa_maps line behind address and policy; counts are in pages. */
static void put_numa_word(FILE *out, char *item, const struct huge_range *range)
{
	const unsigned long small = (unsigned long)(huge_bytes(range->size) / HOST_PAGE_SIZE);
	char *value = strchr(item, '='), *end;
	unsigned long pages;

	if (!value || begins(item, "mapmax="))
		fprintf(out, " %s", item);
	else if (begins(item, "kernelpagesize_kB="))
		fprintf(out, " kernelpagesize_kB=%llu",
			(unsigned long long)(huge_bytes(range->size) >> 10));
	else if ((pages = strtoul(value + 1, &end, 10)), *end || end == value + 1)
		fprintf(out, " %s", item);
	else
		fprintf(out, " %.*s=%lu", (int)(value - item), item, (pages + small - 1) / small);
}

static void put_numa_line(FILE *out, char *line, const struct huge_range *range)
{
	char name[LINE_MAX_LEN] = "", *file = strstr(line, " file="), *save, *item, *space;

	if (file) {
		snprintf(name, sizeof(name), "%s", file + 6);
		name[strcspn(name, " ")] = '\0';
		memmove(file, file + 6 + strlen(name), strlen(file + 6 + strlen(name)) + 1);
		space = strstr(name, "\\040");
		if (space)
			*space = '\0';
		huge_text_name(name);
	} else {
		strcpy(name, ANONYMOUS_NAME "\\040(deleted)");
	}
	item = strtok_r(line, " ", &save);
	fprintf(out, "%s", item ? item : "");
	item = strtok_r(NULL, " ", &save);
	fprintf(out, " %s file=%s huge", item ? item : "default", name);
	while ((item = strtok_r(NULL, " ", &save)))
		put_numa_word(out, item, range);
	fputc('\n', out);
}

int huge_text_numa_maps(const char *host, const struct huge_ranges *ranges, char **out)
{
	const struct huge_range *range;
	char line[LINE_MAX_LEN];
	struct text t;

	if (text_begin(&t))
		return -ENOMEM;
	while (next_line(&host, line)) {
		range = huge_ranges_at(ranges, strtoul(line, NULL, 16));
		if (range)
			put_numa_line(t.out, line, range);
		else
			fprintf(t.out, "%s\n", line);
	}
	return text_end(&t, out);
}
