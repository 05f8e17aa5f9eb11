/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's kernel log (the kernel's kernel/printk/): records in the form of /dev/kmsg in the
 * file DIR/kmsg, appended under a lock of that file. What is older than the last KMSG_SIZE bytes is
 * overwritten: its place is given back to the file system, and readers that are still there learn
 * of it. Numbers, and where the first record is, stand in the session file.
 */
#ifndef MACHINE_KMSG_H
#define MACHINE_KMSG_H

#include "base/types.h"

struct session;
struct uvfio_machine;
struct file;

#define KMSG_SIZE   (128 << 10)
#define KMSG_RECORD 1024 /* bytes of a record at most, with its dictionary */

/* Appends a record. @priority: facility << 3 | level. 0 or -errno. */
int kmsg_write(struct session *session, unsigned int priority, const char *text, size_t len);

/* A place in the log. */
struct kmsg_reader {
	struct session *session;
	int fd;	      /* of the log, the library's own */
	uint64_t seq; /* of the next record */
	int64_t off;  /* where it begins; -1: not known */
};

enum kmsg_whence { KMSG_FIRST, KMSG_CLEARED, KMSG_END };

/* At the oldest record. 0 or -errno. */
int kmsg_reader_open(struct session *session, struct kmsg_reader *reader);
void kmsg_reader_close(struct kmsg_reader *reader);
/* To the oldest record, the first behind the last clearing, or behind the last one. */
void kmsg_reader_seek(struct kmsg_reader *reader, enum kmsg_whence whence);
/* The next record, NUL-terminated, in the form of /dev/kmsg: its length; -EAGAIN: there is none;
 * -EPIPE: the record was overwritten, and the next call gives the oldest that is there; -EINVAL:
 * it is longer than @size. */
ssize_t kmsg_reader_next(struct kmsg_reader *reader, char *buf, size_t size);
/* Whether the next call gives a record (POLLIN), and whether one was lost (POLLERR). */
int kmsg_reader_poll(const struct kmsg_reader *reader);
/* Waits for a record behind those of @reader. 0, -EINTR, or -ETIMEDOUT after a second. */
int kmsg_wait(const struct kmsg_reader *reader);
/* What was written so far is old to whoever asks for KMSG_CLEARED. */
void kmsg_clear(struct session *session);

/* A record taken apart. */
struct kmsg_record {
	unsigned int priority;
	uint64_t seq, usec;
	const char *text; /* into the record, which is changed: the text ends with a NUL */
	const char *subsystem, *device; /* of its dictionary; NULL: none */
};

/* False: it is none. */
bool kmsg_parse(char *text, struct kmsg_record *record);

/* Opens /dev/kmsg (kmsg_file.c). 0 or -errno. */
int kmsg_file_open(struct uvfio_machine *machine, int oflags, struct file **out);
/* klogctl(3). The result or -errno. */
int kmsg_syslog(struct session *session, int type, char *buf, int len);

#endif
