/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process that got an fd of another's says to that one, over a SEQPACKET socket: one struct
 * with its payload a packet, and one answer to each but FDS, HELLO and POST.
 *
 *   HELLO	with a socket: what the pages of the caller's mappings have become is said there
 *   FDS	with fds, which belong to the next packet that is none of these
 *   OPEN	with an fd of the file: what is it? Answered with struct share_file
 *   IOCTL	@cmd on the file with @value, or with the payload as share_args.c has it
 *   READ, WRITE  @off, @value bytes
 *   MMAP	[@off, @off + @value) shall be mapped with protection @cmd and flags @width
 *   LOAD, STORE  a trapped access of @width bytes at @off
 *   POST	a STORE that nobody waits for
 *   CLOSED	the last fd and mapping of the file are gone there
 *
 * The answer has the result, or -errno, in @value; its payload goes to where the argument was.
 */
#ifndef MACHINE_SHARE_MSG_H
#define MACHINE_SHARE_MSG_H

#include "base/types.h"
#include "file/file.h"

enum share_type {
	SHARE_HELLO = 1,
	SHARE_FDS,
	SHARE_OPEN,
	SHARE_IOCTL,
	SHARE_READ,
	SHARE_WRITE,
	SHARE_MMAP,
	SHARE_LOAD,
	SHARE_STORE,
	SHARE_POST,
	SHARE_CLOSED,
	SHARE_ANSWER,
};

#define SHARE_MAGIC    0x65726873U
#define SHARE_SOCKET   "share.%d" /* of the process with this number, in the session's directory */
#define SHARE_NAME_MAX 24
#define SHARE_PAYLOAD  32768	 /* bytes behind the struct at most */
#define SHARE_FDS_ONCE 250	 /* the kernel moves 253 in a message */
#define SHARE_FDS_MAX  4096	 /* for one request */
#define SHARE_BAD_FD   INT32_MAX /* in the place of an fd that is none */

struct share_msg {
	uint32_t magic, type;
	uint64_t dev, ino; /* whose file */
	uint32_t cmd, width;
	uint64_t off;
	int64_t value;
	uint32_t len; /* of the payload */
	uint32_t pad;
};
_Static_assert(sizeof(struct share_msg) == 56, "the same for every process of a session");

/* What OPEN tells. */
struct share_file {
	uint32_t kind; /* enum file_kind */
	int32_t oflags;
	uint32_t mode;
	uint32_t pad;
	uint64_t rdev;
	char path[64];
};

/* On HELLO's socket: the pages' access; answered by @seq alone when the mappings have it. */
struct share_note {
	uint32_t seq, access;
	uint64_t dev, ino, off, len;
};

/* A piece of a remote program's memory, behind the structure of MAP_DMA: [off, off + len) of a
 * shared mapping's file. */
struct share_segment {
	uint64_t len, off;
	uint64_t dev, ino;
	int32_t fd; /* which of the request's fds is the file; -1: there was none to be had */
	uint32_t writable;
};
#define SHARE_SEGMENTS 128

/* How an argument goes over. */
enum share_shape {
	SHAPE_NONE,  /* no argument */
	SHAPE_VALUE, /* the argument itself */
	SHAPE_FD,    /* a pointer to an fd */
	SHAPE_SIZED, /* a pointer to a structure that begins with its size */
	SHAPE_NAME,  /* a pointer to a string */
};

struct share_arg {
	enum file_kind kind;
	unsigned int cmd;
	enum share_shape shape;
	/* The fds inside of an argument of @len bytes; NULL: there are none. Where the first is,
	 * and how many. */
	size_t (*fds)(const uint8_t *arg, size_t len, size_t *count);
};

/* share_args.c. NULL: no such command. */
const struct share_arg *share_arg_find(enum file_kind kind, unsigned int cmd);

/* sendmsg(2) and recvmsg(2) of a packet, once more after EINTR. @len bytes of @payload and @nfds
 * fds go along. 0 or -errno; -EPIPE: the other end is gone, or says what it must not. */
int share_send(int fd, const struct share_msg *msg, const void *payload, const int *fds,
	       size_t nfds);
/* At most @size bytes of payload, SHARE_FDS_ONCE fds: *@nfds of them, which the caller closes.
 * -EMFILE: the packet is there, but not all of its fds, and hence none. */
int share_recv(int fd, struct share_msg *msg, void *payload, size_t size, int *fds, size_t *nfds);

#endif
