/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What /proc says on a machine with these huge pages: the host's text with the lines about huge
 * pages replaced, all else kept. Each returns malloc'ed text in *@out (0), or -ENOMEM.
 */
#ifndef HUGETLB_TEXT_H
#define HUGETLB_TEXT_H

#include "hugetlb/ranges.h"

/* A hugetlbfs mount. */
struct huge_text_mount {
	const char *point, *source;
	const char *options; /* the file system's: "pagesize=2M" */
	unsigned int minor;  /* of st_dev, major 0 */
	bool read_only;
};

/* /proc/meminfo; @counters of all sizes. */
int huge_text_meminfo(const char *host, const struct huge_counters *counters, char **out);
/* /proc/mounts, /proc/self/mountinfo: the host's own hugetlbfs mounts are left out. */
int huge_text_mounts(const char *host, const struct huge_text_mount *mounts, size_t count,
		     char **out);
int huge_text_mountinfo(const char *host, const struct huge_text_mount *mounts, size_t count,
			char **out);
int huge_text_filesystems(const char *host, char **out);
/* /proc/self/smaps, /proc/self/numa_maps: the lines about mappings in @ranges. */
int huge_text_smaps(const char *host, const struct huge_ranges *ranges, char **out);
int huge_text_numa_maps(const char *host, const struct huge_ranges *ranges, char **out);
/* The name of a huge page file as its memfd has it: "/memfd:dev/hugepages/x (deleted)" becomes
 * "/dev/hugepages/x". In place; false: it is another name. */
bool huge_text_name(char *name);

#endif
