/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What processes and the keeper say to each other about huge pages, on a connection of its own that
 * began with KEEPER_HUGE: one request, one reply, each one packet, with at most one fd.
 */
#ifndef MACHINE_HUGE_MSG_H
#define MACHINE_HUGE_MSG_H

#include "hugetlb/hugetlb.h"

enum huge_op {
	/* A file: that of the name whose placeholder's fd comes along, or a new one without name.
	 * The reply brings an open file description of its own, opened with @flags. */
	HUGE_OPEN = 1,
	HUGE_STAT,	/* of file @ino, or (@by_name) of the name with inode @ino */
	HUGE_STATFS,	/* of slot @ino: @value pages charged, @pages inodes */
	HUGE_RESERVE,	/* pages [@first, @end) of file @ino; all or -ENOMEM */
	HUGE_UNRESERVE, /* takes them back */
	HUGE_FALLOCATE, /* makes them, as many of them as there are */
	HUGE_PRIVATE,	/* [@first, @end) are addresses of private pages of mine, in the place of
			 * those that stood there; @flags: HUGE_NORESERVE, HUGE_OF_FILE */
	HUGE_RELEASE,	/* they are gone */
	HUGE_MOVE,	/* they are at @value now */
	HUGE_SWEEP,	/* file @ino (@by_name) may have lost its last user; 0: any file */
	HUGE_SHM,	/* System V segment @ino has pages [0, @end) */
	HUGE_COUNTERS,
	HUGE_SET_POOL, /* nr_hugepages of @size: @value, on @node or (~0) everywhere */
	HUGE_SET_OVERCOMMIT,
	HUGE_MOUNT, /* text: point, source, options, each with its NUL */
	HUGE_UMOUNT,
};

/* No reservation; the mapping is a private one of a file, whose own pages do not count. */
#define HUGE_NORESERVE 1U
#define HUGE_OF_FILE   2U

#define HUGE_MAGIC 0x68756765U

struct huge_request {
	uint32_t magic, op;
	uint32_t size; /* enum huge_size */
	uint32_t node;
	uint32_t flags, by_name, mode, uid, gid;
	uint64_t ino, first, end, value, max_pages, max_inodes;
	char text[512];
};

struct huge_name {
	uint64_t ino;
	uint32_t mode, nlink, uid, gid;
	int64_t mtime, ctime;
};

struct huge_reply {
	uint32_t magic;
	int32_t ret; /* 0 or -errno */
	uint32_t size, mount;
	uint64_t ino, dev, value;
	uint64_t bytes, pages; /* length, pages that are there */
	uint32_t named;	       /* @name holds */
	struct huge_name name;
	struct huge_counters counters[HUGE_SIZES];
};

#endif
