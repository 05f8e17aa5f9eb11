/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/kmsg and syslog(2) over the session's log (the kernel's devkmsg_* and do_syslog()). A read
 * gives one record and waits for it unless O_NONBLOCK says otherwise; a write is a message of the
 * user's. The reader's place is guarded by the file's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/failpoint.h"
#include "file/file.h"
#include "machine/kmsg.h"
#include "machine/machine_priv.h"

#define FACILITY_USER (1 << 3)
#define LEVEL_DEFAULT 4
/* The kernel's PRINTKRB_RECORD_MAX: of one write. */
#define WRITE_MAX 1024

static void release(struct file *file)
{
	atomic_fetch_sub(&file_waiting, 1);
	kmsg_reader_close(file->priv);
	free(file->priv);
}

static ssize_t read_record(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	struct kmsg_reader *reader = file->priv;
	char record[KMSG_RECORD + 1];
	ssize_t len;
	int ret;

	while ((len = kmsg_reader_next(reader, record, MIN(sizeof(record), count + 1))) ==
	       -EAGAIN) {
		if (file->oflags & O_NONBLOCK)
			return -EAGAIN;
		ret = kmsg_wait(reader);
		if (ret == -EINTR)
			return -EINTR;
	}
	if (len <= 0)
		return len;
	return copy_to_user(ubuf, record, (size_t)len) ? -EFAULT : len;
}

static ssize_t write_message(struct file *file, uintptr_t ubuf, size_t count, uint64_t *pos)
{
	const struct kmsg_reader *reader = file->priv;
	unsigned int priority = FACILITY_USER | LEVEL_DEFAULT, number;
	char text[WRITE_MAX + 1], *at = text, *end;
	int ret;

	if (count > WRITE_MAX)
		return -EINVAL;
	if (copy_from_user(text, ubuf, count))
		return -EFAULT;
	text[count] = '\0';
	/* "<N>": facility and level; the kernel's own facility is not for users. */
	if (text[0] == '<') {
		number = (unsigned int)strtoul(text + 1, &end, 10);
		if (end != text + 1 && *end == '>') {
			priority = (number & ~7U ? number : FACILITY_USER | number) & 0x7ff;
			at = end + 1;
		}
	}
	end = at + strlen(at);
	if (end > at && end[-1] == '\n')
		*--end = '\0';
	ret = kmsg_write(reader->session, priority, at, (size_t)(end - at));
	return ret ? ret : (ssize_t)count;
}

static int64_t seek(struct file *file, int64_t off, int whence)
{
	struct kmsg_reader *reader = file->priv;

	if (off)
		return -ESPIPE;
	switch (whence) {
	case SEEK_SET:
		kmsg_reader_seek(reader, KMSG_FIRST);
		return 0;
	case SEEK_DATA:
		kmsg_reader_seek(reader, KMSG_CLEARED);
		return 0;
	case SEEK_END:
		kmsg_reader_seek(reader, KMSG_END);
		return 0;
	default:
		return -EINVAL;
	}
}

static int poll_events(struct file *file)
{
	/* A write never waits. */
	return kmsg_reader_poll(file->priv) | POLLOUT | POLLWRNORM;
}

static const struct file_operations kmsg_ops = {
	.name = "kmsg",
	.release = release,
	.read = read_record,
	.write = write_message,
	.lseek = seek,
	.poll = poll_events,
};

int kmsg_file_open(struct uvfio_machine *machine, int oflags, struct file **out)
{
	struct kmsg_reader *reader = FAIL_POINT() ? NULL : calloc(1, sizeof(*reader));
	int ret;

	if (!reader)
		return -ENOMEM;
	ret = kmsg_reader_open(machine->session, reader);
	if (!ret)
		ret = file_alloc(&kmsg_ops, reader, oflags & ~O_APPEND, 0, out);
	if (ret) {
		if (reader->session && reader->fd > 0)
			kmsg_reader_close(reader);
		free(reader);
		return ret;
	}
	/* A shell's stdout may come to stand there: as for attributes (preload/stdio_door.c). */
	(*out)->mode = S_IFREG | 0644;
	atomic_fetch_add(&file_waiting, 1);
	return 0;
}

/* ---- syslog(2) ------------------------------------------------------------------------------- */

/* As syslog(2) has a record: "<6>[    1.234567] text\n". */
static size_t format_line(char *record, char *out, size_t size)
{
	struct kmsg_record r;

	if (!kmsg_parse(record, &r))
		return 0;
	return (size_t)snprintf(out, size, "<%u>[%5llu.%06llu] %s\n", r.priority,
				(unsigned long long)r.usec / 1000000,
				(unsigned long long)r.usec % 1000000, r.text);
}

/* The length of all lines behind the last clearing; those that fit at the end of @size bytes go to
 * @buf. */
static ssize_t read_all(struct session *session, char *buf, size_t size)
{
	char record[KMSG_RECORD + 1], line[KMSG_RECORD + 64];
	struct kmsg_reader reader;
	size_t total = 0, skip, len = 0;
	int ret = kmsg_reader_open(session, &reader);

	if (ret)
		return ret;
	for (int pass = 0; pass < 2; pass++) {
		kmsg_reader_seek(&reader, KMSG_CLEARED);
		skip = total > size ? total - size : 0;
		while (kmsg_reader_next(&reader, record, sizeof(record)) > 0) {
			size_t n = format_line(record, line, sizeof(line));

			if (!pass) {
				total += n;
			} else if (skip) {
				skip -= MIN(skip, n);
			} else if (buf && len + n <= size) {
				memcpy(buf + len, line, n);
				len += n;
			}
		}
	}
	kmsg_reader_close(&reader);
	return (ssize_t)(buf ? len : total);
}

enum {
	SYSLOG_CLOSE,
	SYSLOG_OPEN,
	SYSLOG_READ,
	SYSLOG_READ_ALL,
	SYSLOG_READ_CLEAR,
	SYSLOG_CLEAR,
	SYSLOG_CONSOLE_OFF,
	SYSLOG_CONSOLE_ON,
	SYSLOG_CONSOLE_LEVEL,
	SYSLOG_SIZE_UNREAD,
	SYSLOG_SIZE_BUFFER,
};

int kmsg_syslog(struct session *session, int type, char *buf, int len)
{
	bool allowed = session_shared(session)->caps >> CAP_SYSLOG & 1;
	ssize_t ret;

	if (!allowed && type != SYSLOG_READ_ALL && type != SYSLOG_SIZE_BUFFER)
		return -EPERM;
	switch (type) {
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR:
		if (!buf || len < 0)
			return -EINVAL;
		ret = read_all(session, buf, (size_t)len);
		if (ret >= 0 && type == SYSLOG_READ_CLEAR)
			kmsg_clear(session);
		return (int)ret;
	case SYSLOG_CLEAR:
		kmsg_clear(session);
		return 0;
	case SYSLOG_SIZE_UNREAD:
		return (int)read_all(session, NULL, 0);
	case SYSLOG_SIZE_BUFFER:
		return KMSG_SIZE;
	case SYSLOG_CONSOLE_LEVEL:
		return len >= 1 && len <= 8 ? 0 : -EINVAL;
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
	case SYSLOG_CONSOLE_OFF:
	case SYSLOG_CONSOLE_ON:
		return 0;
	default: /* SYSLOG_READ, too: /dev/kmsg has what it would wait for */
		return -EINVAL;
	}
}
