/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a FILE has no function in libc, for glibc and for musl. */
#ifndef PRELOAD_STREAM_H
#define PRELOAD_STREAM_H

#include <stdio.h>

#ifdef __GLIBC__

/* What a cookie stream's write function returns for an error: glibc takes a negative one for a
 * count. */
#define STREAM_WRITE_ERROR 0

/* @stream: a cookie stream. It lacks the wide half, in which glibc's freopen() sets a table that is
 * the same for all, and crashes. */
static inline void stream_set_fd(FILE *stream, int fd)
{
	static long wide[128];

	stream->_fileno = fd;
	stream->_wide_data = (struct _IO_wide_data *)wide;
}

static inline void stream_set_error(FILE *stream)
{
	stream->_flags |= _IO_ERR_SEEN;
}

#else

#define STREAM_WRITE_ERROR (-1)

/* The beginning of musl's FILE: the same in every release since 0.7. */
struct musl_file {
	unsigned int flags;
	unsigned char *rpos, *rend;
	int (*close)(FILE *stream);
	unsigned char *wend, *wpos, *unused, *wbase;
	size_t (*read)(FILE *stream, unsigned char *buf, size_t size);
	size_t (*write)(FILE *stream, const unsigned char *buf, size_t size);
	off_t (*seek)(FILE *stream, off_t off, int whence);
	unsigned char *buf;
	size_t buf_size;
	FILE *prev, *next;
	int fd;
};

#define MUSL_FILE_ERROR 32U

/* Whether the layout is as we know it, told by streams whose number is no secret. */
static inline int stream_known(void)
{
	return ((struct musl_file *)stdin)->fd == fileno(stdin) &&
	       ((struct musl_file *)stderr)->fd == fileno(stderr);
}

static inline void stream_set_fd(FILE *stream, int fd)
{
	if (stream_known())
		((struct musl_file *)stream)->fd = fd;
}

static inline void stream_set_error(FILE *stream)
{
	if (stream_known())
		((struct musl_file *)stream)->flags |= MUSL_FILE_ERROR;
}

#endif

#endif
