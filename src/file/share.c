/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that cross the border of a process (SCM_RIGHTS, pidfd_getfd, exec in a child).
 *
 * Whose a file is says its cookie, the position of the open file description that all its fds share
 * (fdtable.c): a number that is ours, the kind of file, the process, a counter. A memfd of a kind
 * that other processes may use is opened anew through /proc, so that what its fds refer to is not
 * what the library itself holds; then the kernel can be asked whether anybody else has it. For that
 * serves a lock that belongs to the open file description and goes with its last reference, be it
 * an fd, a mapping, or one that is on its way in a socket.
 *
 * No locks of our own but files_lock for a look-up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/sysraw.h"
#include "file/file_priv.h"
#include "file/mapping_priv.h"

/* High enough that no file of the program's stands there, below the largest offset of a memfd. */
#define COOKIE_OURS   0x2d5eLL
#define COOKIE_TOP    48
#define COOKIE_KIND   46
#define COOKIE_PID    24
#define PID_MASK      0x3fffff /* Linux's largest number of a process has 22 bits */
#define COOKIE_NUMBER 0xffffff

void (*_Atomic file_access_hook)(struct file *file, uint64_t off, uint64_t len,
				 enum page_access access);

int64_t share_cookie(enum file_kind kind, uint32_t number)
{
	return COOKIE_OURS << COOKIE_TOP | (int64_t)kind << COOKIE_KIND |
	       (int64_t)(raw_getpid() & PID_MASK) << COOKIE_PID | (number & COOKIE_NUMBER);
}

static bool parse_cookie(int64_t cookie, struct file_owner *owner)
{
	if (cookie >> COOKIE_TOP != COOKIE_OURS)
		return false;
	owner->kind = (enum file_kind)(cookie >> COOKIE_KIND & 3);
	owner->pid = (int)(cookie >> COOKIE_PID & PID_MASK);
	return owner->kind != FILE_LOCAL;
}

bool file_is_foreign(int fd, struct file_owner *owner)
{
	struct stat st;

	if (fd < 0 || fd_is_own(fd) || !parse_cookie(sysraw3(SYS_lseek, fd, 0, SEEK_CUR), owner))
		return false;
	return owner->pid != (raw_getpid() & PID_MASK) && !raw_fstat(fd, &st) &&
	       S_ISREG(st.st_mode);
}

int file_alloc_foreign(const struct file_operations *ops, void *priv, int oflags, int fd,
		       struct file **out, bool *existed)
{
	int64_t cookie = sysraw3(SYS_lseek, fd, 0, SEEK_CUR);
	int own = raw_dup(fd);

	if (own >= 0)
		own = fd_move_high(own);
	return file_alloc_high(ops, priv, oflags, own, cookie, out, existed);
}

struct file *file_from_identity(dev_t dev, uint64_t ino)
{
	struct file_obj *obj = file_find_identity(dev, ino);

	return obj ? &obj->file : NULL;
}

dev_t file_dev(const struct file *file)
{
	return file_obj((struct file *)file)->dev;
}

int share_reopen(int memfd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	return (int)sysraw4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0);
}

int file_mark_shared(int fd)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return raw_fcntl(fd, F_OFD_SETLK, (long)&lock);
}

bool file_held_elsewhere(struct file *file)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fresh = share_reopen(file->memfd);

	/* Without a number for it nobody can say: perhaps. */
	if (fresh == -EMFILE || fresh == -ENFILE || fresh == -ENOMEM)
		return true;
	if (fresh < 0)
		return false;
	/* Ours would count as well. */
	sysraw3(SYS_lseek, fresh, file_obj(file)->cookie, SEEK_SET);
	raw_dup3(fresh, file->memfd, O_CLOEXEC);
	raw_close(fresh);
	return !raw_fcntl(file->memfd, F_OFD_GETLK, (long)&lock) && lock.l_type != F_UNLCK;
}

enum page_access file_access_at(struct file *file, uint64_t off, uint64_t *last)
{
	enum page_access access;

	access_read_begin();
	access = access_at(file_obj(file), off, last);
	access_read_end();
	return access;
}

bool file_has_trapped(struct file *file, uint64_t off, uint64_t len)
{
	bool trapped;

	mapping_fork_lock();
	trapped = access_trapped(file_obj(file), off, off + len - 1);
	mapping_fork_unlock();
	return trapped;
}
