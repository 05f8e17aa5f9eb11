/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is mapped where: PROCMAP_QUERY on /proc/PID/maps (Linux 6.11), or the text of the file, with
 * /proc/self/smaps for the size of the pages where they may be huge.
 */
#include "hostmem/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/sysraw.h"
#include "base/types.h"

/* linux/fs.h since 6.11. */
struct procmap_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

_Static_assert(sizeof(struct procmap_query) == 104, "the kernel's size");

#define PROCMAP_QUERY 0xc0686611UL
#define QUERY_OR_NEXT 0x10U
#define VMA_READABLE  0x01U
#define VMA_WRITABLE  0x02U
#define VMA_SHARED    0x08U
#define NAME_ROOM     256
#define HUGE_SIZE     0x200000UL

static void set_name(struct map_range *map, const char *name)
{
	size_t len = strlen(name);

	/* The end of a path says more than its beginning. */
	if (len >= sizeof(map->name)) {
		name += len - (sizeof(map->name) - 1);
		len = sizeof(map->name) - 1;
	}
	memset(map->name, 0, sizeof(map->name));
	memcpy(map->name, name, len);
}

/* 1: a mapping; 0: there is none any more; -errno. */
static int query(int fd, uintptr_t addr, struct map_range *out)
{
	char name[NAME_ROOM] = "";
	struct procmap_query query = { .size = sizeof(query),
				       .query_flags = QUERY_OR_NEXT,
				       .query_addr = addr,
				       .vma_name_size = sizeof(name),
				       .vma_name_addr = (uintptr_t)name };
	long ret = sysraw3(SYS_ioctl, fd, (long)PROCMAP_QUERY, (long)&query);

	if (ret == -ENAMETOOLONG) {
		query.vma_name_size = 0;
		query.vma_name_addr = 0;
		ret = sysraw3(SYS_ioctl, fd, (long)PROCMAP_QUERY, (long)&query);
		strcpy(name, "a file with a long name");
	}
	if (ret < 0)
		return ret == -ENOENT ? 0 : (int)ret;
	*out = (struct map_range){ .start = query.vma_start,
				   .end = query.vma_end,
				   .off = query.vma_offset,
				   .dev = (uint64_t)query.dev_major << 32 | query.dev_minor,
				   .ino = query.inode,
				   .shared = query.vma_flags & VMA_SHARED,
				   .read = query.vma_flags & VMA_READABLE,
				   .write = query.vma_flags & VMA_WRITABLE,
				   .page = query.vma_page_size };
	set_name(out, name);
	return 1;
}

/* ---- the text -------------------------------------------------------------------------------- */

struct text {
	int fd;
	uint64_t off;
	size_t len, at;
	char buf[1024];
};

/* The next line without its end, cut when it is long. False: the end. */
static bool next_line(struct text *text, char *line, size_t size)
{
	size_t len = 0;
	bool any = false;

	for (;;) {
		if (text->at == text->len) {
			ssize_t n = raw_pread(text->fd, text->buf, sizeof(text->buf), text->off);

			if (n <= 0)
				break;
			text->off += (uint64_t)n;
			text->len = (size_t)n;
			text->at = 0;
		}
		any = true;
		if (text->buf[text->at] == '\n') {
			text->at++;
			break;
		}
		if (len < size - 1)
			line[len++] = text->buf[text->at];
		text->at++;
	}
	line[len] = '\0';
	return any;
}

static const char *number(const char *at, unsigned int base, uint64_t *out)
{
	*out = 0;
	for (;; at++) {
		unsigned int digit;

		if (*at >= '0' && *at <= '9')
			digit = (unsigned int)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			digit = (unsigned int)(*at - 'a') + 10;
		else
			return at;
		if (digit >= base)
			return at;
		*out = *out * base + digit;
	}
}

/* "7f0012345000-7f0012346000 rw-p 00001000 fd:01 1234   /name" */
static bool parse_line(const char *line, struct map_range *out)
{
	uint64_t start, end, major, minor;
	const char *at = number(line, 16, &start);

	if (at == line || *at != '-')
		return false;
	at = number(at + 1, 16, &end);
	if (*at != ' ' || strlen(at) < 6)
		return false;
	*out = (struct map_range){ .start = start,
				   .end = end,
				   .shared = at[4] == 's',
				   .read = at[1] == 'r',
				   .write = at[2] == 'w' };
	at = number(at + 6, 16, &out->off);
	if (*at != ' ')
		return false;
	at = number(at + 1, 16, &major);
	if (*at != ':')
		return false;
	at = number(at + 1, 16, &minor);
	out->dev = major << 32 | minor;
	if (*at != ' ')
		return false;
	at = number(at + 1, 10, &out->ino);
	while (*at == ' ')
		at++;
	set_name(out, at);
	return true;
}

size_t maps_page_size(const struct map_range *map)
{
	static const char field[] = "KernelPageSize:";
	struct map_range seen = { .start = 0 };
	struct text text = { .fd = -1 };
	char line[96];
	uint64_t kib = 0;

	if (map->page)
		return map->page;
	if (!IS_ALIGNED(map->start | map->end | map->off, HUGE_SIZE))
		return HOST_PAGE_SIZE;
	text.fd = (int)sysraw4(SYS_openat, AT_FDCWD, (long)"/proc/self/smaps", O_RDONLY | O_CLOEXEC,
			       0);
	if (text.fd < 0)
		return HOST_PAGE_SIZE;
	while (!kib && next_line(&text, line, sizeof(line))) {
		const char *at = line + sizeof(field) - 1;

		if (parse_line(line, &seen) || seen.start != map->start ||
		    strncmp(line, field, sizeof(field) - 1))
			continue;
		while (*at == ' ')
			at++;
		number(at, 10, &kib);
	}
	raw_close(text.fd);
	return kib ? kib << 10 : HOST_PAGE_SIZE;
}

static bool each_in_text(int fd, uintptr_t addr, bool (*fn)(const struct map_range *map, void *arg),
			 void *arg)
{
	struct text text = { .fd = fd };
	struct map_range map;
	char line[NAME_ROOM];

	while (next_line(&text, line, sizeof(line))) {
		if (!parse_line(line, &map) || map.end <= addr)
			continue;
		if (fn(&map, arg))
			return true;
	}
	return false;
}

bool maps_each(int maps_fd, uintptr_t addr, bool (*fn)(const struct map_range *map, void *arg),
	       void *arg)
{
	struct map_range map;
	int ret;

	for (;;) {
		ret = query(maps_fd, addr, &map);
		if (ret < 0)
			return each_in_text(maps_fd, addr, fn, arg);
		if (!ret)
			return false;
		if (fn(&map, arg))
			return true;
		addr = map.end;
	}
}

static bool take_first(const struct map_range *map, void *arg)
{
	*(struct map_range *)arg = *map;
	return true;
}

bool maps_find(int maps_fd, uintptr_t addr, struct map_range *out)
{
	return maps_each(maps_fd, addr, take_first, out) && out->start <= addr;
}
