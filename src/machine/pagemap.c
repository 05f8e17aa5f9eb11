/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/PID/pagemap (the kernel's pagemap_read(), fs/proc/task_mmu.c). The host's file, which is
 * open behind ours, decides what is there, the flags and the errors; the frame numbers are the
 * session's. They are shown to who had CAP_SYS_ADMIN of the session's when the file was opened,
 * otherwise they are 0.
 */
#include "machine/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/sysraw.h"
#include "file/file.h"
#include "hostmem/frames.h"
#include "machine/machine_priv.h"

#define ENTRY	(sizeof(uint64_t))
#define ENTRIES 512U

struct pagemap {
	struct frames *frames;
	int fd;	     /* the host's */
	int maps_fd; /* of another process; -1: this one's, and fd is the frames' */
	bool shown;  /* frames are */
};

/* "/proc/self/pagemap", "/proc/17/task/18/pagemap": what is before the last name. */
static bool is_pagemap(const char *path, size_t *len)
{
	static const char name[] = "/pagemap";

	if (strncmp(path, "/proc/", 6))
		return false;
	*len = strlen(path);
	if (*len <= 6 + sizeof(name) - 1 || strcmp(path + *len - (sizeof(name) - 1), name))
		return false;
	*len -= sizeof(name) - 1;
	return true;
}

bool pagemap_wants(const struct session *session, const char *path, int oflags)
{
	size_t len;

	return is_pagemap(path, &len) && (oflags & O_ACCMODE) == O_RDONLY &&
	       !(oflags & (O_PATH | O_DIRECTORY)) && machine_without_iommu(session);
}

/* Whose it is; 0: nobody's. */
static pid_t process_of(const char *path, size_t len)
{
	char name[64], line[64];
	unsigned int pid = 0;
	FILE *status;

	/* What nearly all ask for. */
	if (len == strlen("/proc/self") && !memcmp(path, "/proc/self", len))
		return raw_getpid();
	snprintf(name, sizeof(name), "%.*s/status", (int)MIN(len, (size_t)40), path);
	status = fopen(name, "re");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "Tgid: %u", &pid) == 1)
			break;
	if (status)
		fclose(status);
	return (pid_t)pid;
}

static void close_host(const struct pagemap *pagemap)
{
	if (pagemap->maps_fd < 0)
		return;
	fd_close(pagemap->fd);
	fd_close(pagemap->maps_fd);
}

static void release(struct file *file)
{
	struct pagemap *pagemap = file->priv;

	close_host(pagemap);
	free(pagemap);
}

static ssize_t read_entries(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct pagemap *pagemap = file->priv;
	uint64_t entries[ENTRIES], off = *pos;
	size_t left = count;

	do {
		/* What the kernel refuses, it refuses as a whole. */
		size_t want = left > sizeof(entries) && left % ENTRY == 0 ? sizeof(entries) : left;
		ssize_t n = want > sizeof(entries) ? -EINVAL
						   : raw_pread(pagemap->fd, entries, want, off);
		size_t i, got = n > 0 ? (size_t)n / ENTRY : 0;

		if (n < 0)
			return n;
		if (!n)
			break;
		if (!pagemap->shown)
			for (i = 0; i < got; i++)
				entries[i] &= ~PAGEMAP_FRAME;
		else if (pagemap->maps_fd < 0)
			frames_pagemap(pagemap->frames, off / ENTRY * HOST_PAGE_SIZE, entries, got);
		else
			frames_pagemap_of(pagemap->frames, pagemap->maps_fd,
					  off / ENTRY * HOST_PAGE_SIZE, entries, got);
		if (copy_to_user(ubuf, entries, (size_t)n))
			return -EFAULT;
		ubuf += (size_t)n;
		off += (size_t)n;
		left -= (size_t)n;
		if ((size_t)n < want)
			break;
	} while (left);
	*pos = off;
	return (ssize_t)(count - left);
}

/* mem_lseek() in the kernel. */
static int64_t seek(struct file *file, int64_t off, int whence)
{
	if (whence == SEEK_CUR)
		off += (int64_t)file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	file->pos = (uint64_t)off;
	return off;
}

/* PAGEMAP_SCAN tells flags, and no frame. */
static long control(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct pagemap *pagemap = file->priv;

	return sysraw3(SYS_ioctl, pagemap->fd, cmd, (long)arg);
}

static const struct file_operations pagemap_ops = {
	.name = "pagemap",
	.release = release,
	.ioctl = control,
	.read = read_entries,
	.lseek = seek,
};

static int open_host(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_move_high(fd);
}

int pagemap_open(struct uvfio_machine *machine, const char *path, int oflags, struct file **out)
{
	struct pagemap *pagemap;
	char maps[80];
	size_t len;
	pid_t pid;
	int ret;

	if (!is_pagemap(path, &len) || !machine->frames)
		return -ENOENT;
	pagemap = FAIL_POINT() ? NULL : calloc(1, sizeof(*pagemap));
	if (!pagemap)
		return -ENOMEM;
	pagemap->frames = machine->frames;
	pagemap->shown = env_capable(machine, CAP_SYS_ADMIN);
	pagemap->maps_fd = -1;
	pid = process_of(path, len);
	if (pid == raw_getpid()) {
		ret = pagemap->fd = frames_pagemap_fd(machine->frames);
	} else {
		snprintf(maps, sizeof(maps), "%.*s/maps", (int)MIN(len, (size_t)60), path);
		ret = pagemap->maps_fd = open_host(maps);
		if (ret >= 0) {
			ret = pagemap->fd = open_host(path);
			if (ret < 0)
				fd_close(pagemap->maps_fd);
		}
	}
	if (ret >= 0) {
		ret = file_alloc(&pagemap_ops, pagemap, oflags, 0, out);
		if (ret)
			close_host(pagemap);
	}
	if (ret) {
		free(pagemap);
		return ret;
	}
	(*out)->mode = S_IFREG | 0400;
	/* By number: a child that inherits the file reads its parent's, as in Linux. */
	snprintf((*out)->path, sizeof((*out)->path), "/proc/%d/pagemap", (int)pid);
	return 0;
}
