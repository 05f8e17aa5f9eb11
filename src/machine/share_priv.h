/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner's side: share_server.c has the threads and the list of files, share_call.c carries out
 * a request, share_note.c tells other processes what their mapped pages have become, share_memory.c
 * finds the memory that another process wants mapped for DMA.
 *
 * Locks, both leaves but for what is said: server->lock (the list of files, the memory mapped for
 * others); server->notes_lock (who is told of which file), held while a note and its answer are
 * under way. The latter is taken below a device's lock, in traps, too.
 */
#ifndef MACHINE_SHARE_PRIV_H
#define MACHINE_SHARE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include "machine/share.h"
#include "machine/share_msg.h"

#define SHARE_CONNS 128 /* threads of other processes' at once */
#define SHARE_SUBS  64	/* files that one connection has mapped */

struct share_server;

struct share_conn {
	struct share_server *server;
	atomic_bool used;
	int fd;
	/* Guarded by notes_lock. */
	int notify_fd; /* -1: none */
	bool slow;     /* an answer is overdue */
	unsigned int num_subs;
	struct {
		dev_t dev;
		uint64_t ino;
	} subs[SHARE_SUBS];
};

/* A piece of another process' memory that this one has mapped for DMA. */
struct share_dma {
	struct share_dma *next;
	dev_t dev;
	uint64_t ino; /* of the container */
	uint64_t iova, size;
	void *at;
	size_t len;
};

struct share_server {
	struct uvfio_machine *machine;
	int listen_fd, wake_fd;
	pthread_mutex_t lock;
	struct file **files; /* each with a reference. Guarded by lock */
	size_t num_files, room;
	struct share_dma *dma; /* guarded by lock */
	pthread_mutex_t notes_lock;
	atomic_uint num_subs; /* of all */
	uint32_t seq;	      /* guarded by notes_lock */
	struct share_conn conns[SHARE_CONNS];
};

/* A request as it arrived, and its answer. */
struct share_call {
	struct share_conn *conn;
	const struct share_msg *msg;
	const uint8_t *payload;
	const int *fds;
	size_t num_fds;
	uint8_t *out; /* SHARE_PAYLOAD bytes; what lies behind cannot be touched */
	size_t out_at, out_len;
	int out_fd; /* for the answer, closed by the caller; -1: none */
};

/* share_server.c: @file is held until nobody else does. 0 or -errno. */
int share_keep(struct share_server *server, struct file *file);
/* One that share_keep() has, with a reference for the caller, or NULL. */
struct file *share_find(struct share_server *server, dev_t dev, uint64_t ino);
void share_wake(struct share_server *server);

/* share_call.c: the result or -errno. */
int64_t share_do(struct share_call *call);

/* share_note.c. */
void share_hook(struct share_server *server);
/* The connection is told of the pages of @file from now on; it knows about [@off, @off + @len) when
 * this returns. 0 or -errno. */
int share_subscribe(struct share_conn *conn, struct file *file, uint64_t off, uint64_t len);
/* @file NULL: of all. */
void share_unsubscribe(struct share_conn *conn, const struct file *file);

/*
 * share_memory.c. What stands at [@addr, @addr + @size) of this process, as segments of shared
 * files. How many they are; -EFAULT: part of it is not there; -EOPNOTSUPP: memory of this process
 * alone; -E2BIG.
 */
int share_describe(uint64_t addr, uint64_t size, struct share_segment *segments);
/* For each segment an fd of its file, as far as there is one to be had, into @fds: how many. The
 * caller closes them. */
size_t share_describe_fds(uint64_t addr, struct share_segment *segments, int count, int *fds);
/* MAP_DMA of memory of another process: @call's argument with its segments behind. */
int64_t share_map_dma(struct share_call *call, struct file *container);
/* [@iova, @iova + @size) of @container is no longer mapped. */
void share_unmapped_dma(struct share_server *server, struct file *container, uint64_t iova,
			uint64_t size);
/* The same of all containers that are gone. */
void share_forget_dma(struct share_server *server);

/* share_client.c */
void share_client_after_fork(void);

#endif
