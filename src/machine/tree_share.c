/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Equal texts of the tree are one file (machine/tree_priv.h).
 *
 * Most attributes of most functions say the same, and a file system in memory spends a page on each
 * text: a file that holds its text for good is a hard link to DIR/texts/MODE-HASH. Whoever changes
 * such a file makes a new one in its place (replace_file() in tree_disk.c); chmod and chown take
 * the name apart first. A text that cannot be shared (no hard links here, an equal hash, a writer
 * that died half way) gets a file of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/tree_priv.h"

/* FNV-1a, 64 bits: https://datatracker.ietf.org/doc/html/draft-eastlake-fnv */
static uint64_t hash(const char *text, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)text[i]) * 0x100000001b3;
	return sum;
}

/* The file's text into @out: its length or -errno; -EFBIG: it is longer. */
static ssize_t read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, out, size);
	if (len < 0)
		len = -errno;
	close(fd);
	return len == (ssize_t)size ? -EFBIG : len;
}

/* A file at @path that holds @text. 0 or -errno. */
static int write_text(const char *path, mode_t mode, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), ret = 0;
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = write(fd, text, len);
	if (done != (ssize_t)len)
		ret = done < 0 ? -errno : -ENOSPC;
	else if (fchmod(fd, mode) < 0)
		ret = -errno;
	close(fd);
	if (ret)
		unlink(path);
	return ret;
}

int tree_share_text(const struct tree *tree, const char *real, mode_t mode, const char *text,
		    size_t len)
{
	char shared[TREE_PATH_MAX], there[ATTRIBUTE_PAGE + 1];
	ssize_t have;
	int ret;

	if (!len || len > ATTRIBUTE_PAGE || (mode & (TREE_SERVED | TREE_BINARY)))
		return -EOPNOTSUPP;
	if (snprintf(shared, sizeof(shared), "%s/" TREE_TEXTS "/%04o-%016llx", tree->root,
		     (unsigned int)mode,
		     (unsigned long long)hash(text, len)) >= (int)sizeof(shared))
		return -ENAMETOOLONG;
	have = read_text(shared, there, sizeof(there));
	if (have == -ENOENT) {
		ret = write_text(shared, mode, text, len);
		if (ret)
			return ret;
	} else if (have < 0) {
		return (int)have;
	} else if ((size_t)have != len || memcmp(there, text, len)) {
		return -EOPNOTSUPP;
	}
	return link(shared, real) < 0 ? -errno : 0;
}

int tree_unshare(const char *real)
{
	char text[ATTRIBUTE_PAGE + 1], temp[TREE_PATH_MAX + 8];
	struct stat st;
	ssize_t len;
	int ret;

	if (lstat(real, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink < 2)
		return 0;
	if (snprintf(temp, sizeof(temp), "%s.own", real) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	len = read_text(real, text, sizeof(text));
	if (len < 0)
		return (int)len;
	unlink(temp);
	ret = write_text(temp, st.st_mode & 07777, text, (size_t)len);
	if (!ret && rename(temp, real) < 0) {
		ret = -errno;
		unlink(temp);
	}
	return ret;
}
