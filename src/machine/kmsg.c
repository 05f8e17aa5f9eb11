/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing and reading the kernel log (machine/kmsg.h).
 *
 * A writer holds a lock on the file, so that numbers and places agree; whoever dies lets it go. A
 * reader takes no lock: it believes a record when the number in it is the one that it looks for.
 */
#include "machine/kmsg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "machine/machine_priv.h"
#include "machine/session_priv.h"

/* ---- writing --------------------------------------------------------------------------------- */

/* "0000:01:00.0" and a colon. */
static bool is_address(const char *word)
{
	static const char form[] = "xxxx:xx:xx.x:";

	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)word[i]) : form[i] != word[i])
			return false;
	return true;
}

/* What a message about a PCI function says of it: "nvme 0000:01:00.0: …". */
static size_t dictionary(const char *text, char *out, size_t size)
{
	const char *blank = strchr(text, ' ');

	if (!blank || !is_address(blank + 1))
		return 0;
	return (size_t)snprintf(out, size, " SUBSYSTEM=pci\n DEVICE=+pci:%.12s\n", blank + 1);
}

/* As the kernel does it: what is not printable, and the backslash, as \xNN. */
static size_t escape(const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c >= 127 || c == '\\')
			n += (size_t)sprintf(out + n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	return n;
}

/* The log keeps its last KMSG_SIZE bytes. @size: of the file. Locked. */
static void overwrite(struct session *session, int fd, int64_t size)
{
	struct shared_kmsg *log = &session_shared(session)->kmsg;
	char head[64];
	int64_t from = size - KMSG_SIZE, page;
	char buf[KMSG_RECORD + 1];
	ssize_t len;

	/* Not for each record. */
	if ((int64_t)log->first_off + 2 * KMSG_SIZE > size)
		return;
	len = pread(fd, buf, sizeof(buf) - 1, from);
	if (len <= 0)
		return;
	buf[len] = '\0';
	/* A record begins behind a line's end, and not with a blank. */
	for (char *p = buf; (p = strchr(p, '\n')); p++) {
		unsigned long long seq;

		snprintf(head, sizeof(head), "%.63s", p + 1);
		if (sscanf(head, "%*u,%llu,%*u,", &seq) != 1 || p[1] == ' ')
			continue;
		log->first_seq = seq;
		log->first_off = (uint64_t)(from + (p + 1 - buf));
		page = (int64_t)(log->first_off & ~(uint64_t)(HOST_PAGE_SIZE - 1));
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page);
		return;
	}
}

static int append(struct session *session, int fd, unsigned int priority, const char *text,
		  size_t len)
{
	struct shared_kmsg *log = &session_shared(session)->kmsg;
	char line[KMSG_RECORD];
	struct timespec now;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	n = (size_t)snprintf(line, sizeof(line), "%u,%llu,%lld,-;", priority,
			     (unsigned long long)log->next_seq,
			     (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	n += escape(text, len, line + n, sizeof(line) - n - 64);
	line[n++] = '\n';
	if (priority < 8)
		n += dictionary(text, line + n, sizeof(line) - n);
	if (write(fd, line, n) != (ssize_t)n)
		return errno ? -errno : -EIO;
	log->next_seq++;
	overwrite(session, fd, lseek(fd, 0, SEEK_END));
	atomic_fetch_add(&log->wake, 1);
	syscall(SYS_futex, &log->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return 0;
}

int kmsg_write(struct session *session, unsigned int priority, const char *text, size_t len)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 1 };
	char path[PATH_MAX], copy[KMSG_RECORD];
	int ret = session_path(session, "kmsg", path, sizeof(path)), fd;

	if (ret)
		return ret;
	len = MIN(len, sizeof(copy) - 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		ret = fcntl(fd, F_OFD_SETLKW, &lock);
	} while (ret < 0 && errno == EINTR);
	ret = append(session, fd, priority, copy, len);
	/* A child of a fork may have a copy of the fd: the lock goes all the same. */
	lock.l_type = F_UNLCK;
	fcntl(fd, F_OFD_SETLK, &lock);
	close(fd);
	return ret;
}

/* ---- reading --------------------------------------------------------------------------------- */

int kmsg_reader_open(struct session *session, struct kmsg_reader *reader)
{
	char path[PATH_MAX];
	int ret = session_path(session, "kmsg", path, sizeof(path));

	if (ret)
		return ret;
	reader->session = session;
	reader->fd = fd_move_high(open(path, O_RDONLY | O_CLOEXEC));
	if (reader->fd < 0)
		return reader->fd;
	kmsg_reader_seek(reader, KMSG_FIRST);
	return 0;
}

void kmsg_reader_close(struct kmsg_reader *reader)
{
	fd_close(reader->fd);
}

void kmsg_reader_seek(struct kmsg_reader *reader, enum kmsg_whence whence)
{
	const struct shared_kmsg *log = &session_shared(reader->session)->kmsg;

	reader->seq = whence == KMSG_END       ? log->next_seq
		      : whence == KMSG_CLEARED ? MAX(log->clear_seq, log->first_seq)
					       : log->first_seq;
	reader->off = -1;
}

/* The length of the record at the start of @buf, when it is number @seq; 0: it is another. */
static size_t record_length(const char *buf, uint64_t seq)
{
	unsigned long long number;
	const char *end = buf;

	if (sscanf(buf, "%*u,%llu,", &number) != 1 || number != seq)
		return 0;
	do {
		end = strchr(end, '\n');
		if (!end)
			return 0;
		end++;
	} while (*end == ' ');
	return (size_t)(end - buf);
}

/* Walks from the first record to number reader->seq. */
static int find(struct kmsg_reader *reader)
{
	const struct shared_kmsg *log = &session_shared(reader->session)->kmsg;
	int64_t off = (int64_t)log->first_off;
	char buf[KMSG_RECORD + 1];

	for (uint64_t seq = log->first_seq; seq < reader->seq; seq++) {
		ssize_t len = pread(reader->fd, buf, sizeof(buf) - 1, off);

		buf[MAX(len, 0)] = '\0';
		len = (ssize_t)record_length(buf, seq);
		if (!len)
			return -EPIPE;
		off += len;
	}
	reader->off = off;
	return 0;
}

ssize_t kmsg_reader_next(struct kmsg_reader *reader, char *buf, size_t size)
{
	const struct shared_kmsg *log = &session_shared(reader->session)->kmsg;
	char record[KMSG_RECORD + 1];
	ssize_t len;

	if (reader->seq >= log->next_seq)
		return -EAGAIN;
	if (reader->seq >= log->first_seq && (reader->off >= 0 || !find(reader))) {
		len = pread(reader->fd, record, sizeof(record) - 1, reader->off);
		record[MAX(len, 0)] = '\0';
		len = (ssize_t)record_length(record, reader->seq);
		if (len && (size_t)len >= size)
			return -EINVAL;
		if (len) {
			memcpy(buf, record, (size_t)len);
			buf[len] = '\0';
			reader->off += len;
			reader->seq++;
			return len;
		}
	}
	kmsg_reader_seek(reader, KMSG_FIRST);
	return -EPIPE;
}

int kmsg_reader_poll(const struct kmsg_reader *reader)
{
	const struct shared_kmsg *log = &session_shared(reader->session)->kmsg;

	if (reader->seq >= log->next_seq)
		return 0;
	return POLLIN | POLLRDNORM | (reader->seq < log->first_seq ? POLLERR | POLLPRI : 0);
}

int kmsg_wait(const struct kmsg_reader *reader)
{
	struct shared_kmsg *log = &session_shared(reader->session)->kmsg;
	const struct timespec second = { .tv_sec = 1 };
	uint32_t seen = log->wake;

	if (reader->seq < log->next_seq)
		return 0;
	if (!syscall(SYS_futex, &log->wake, FUTEX_WAIT, seen, &second, NULL, 0) || errno == EAGAIN)
		return 0;
	return -errno;
}

void kmsg_clear(struct session *session)
{
	struct shared_kmsg *log = &session_shared(session)->kmsg;

	log->clear_seq = log->next_seq;
}

bool kmsg_parse(char *text, struct kmsg_record *record)
{
	unsigned long long seq, usec;
	char *semicolon = strchr(text, ';'), *line, *end;

	if (!semicolon || sscanf(text, "%u,%llu,%llu,", &record->priority, &seq, &usec) != 3)
		return false;
	record->seq = seq;
	record->usec = usec;
	record->text = semicolon + 1;
	record->subsystem = record->device = NULL;
	line = strchr(semicolon, '\n');
	while (line) {
		*line++ = '\0';
		end = strchr(line, '\n');
		if (end && !strncmp(line, " SUBSYSTEM=", 11))
			record->subsystem = line + 11;
		else if (end && !strncmp(line, " DEVICE=", 8))
			record->device = line + 8;
		line = end;
	}
	return true;
}

/* ---- the library's messages ------------------------------------------------------------------ */

/* A log that cannot be written is no reason to fail, but to say so once. */
static void tell_failure(int error)
{
	static atomic_bool failed;

	if (!atomic_exchange(&failed, true))
		dprintf(STDERR_FILENO, "uvfio: the session's kernel log cannot be written: %s\n",
			strerror(error));
}

static void kmsg_sink(void *arg, enum log_level level, const char *message)
{
	const struct uvfio_machine *machine = arg;
	int saved = errno, ret;

	ret = kmsg_write(machine->session, LOG_PRIORITY(level), message, strlen(message));
	if (ret)
		tell_failure(-ret);
	if (level <= LOG_ERR && machine->log_to_stderr)
		dprintf(STDERR_FILENO, "uvfio: %s\n", message);
	errno = saved;
}

void kmsg_open(struct uvfio_machine *machine, bool log_to_stderr)
{
	machine->log_to_stderr = log_to_stderr;
	log_set_sink(kmsg_sink, machine);
}

void kmsg_close(struct uvfio_machine *machine)
{
	log_set_sink(NULL, NULL);
}
