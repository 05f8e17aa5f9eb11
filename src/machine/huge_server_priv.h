/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MACHINE_HUGE_SERVER_PRIV_H
#define MACHINE_HUGE_SERVER_PRIV_H

#include <sys/types.h>

#include "base/list.h"
#include "hugetlb/pool.h"
#include "machine/huge_msg.h"
#include "machine/huge_server.h"
#include "machine/session_priv.h"

#define NO_MOUNT (~0U)

/* The pages of a file on hugetlbfs, or of a memfd, a shared anonymous mapping, a System V
 * segment. */
struct huge_file {
	struct list_head node;
	uint64_t ino; /* of the memfd; of a segment: its id */
	int fd;	      /* of the memfd, for reading only; -1: a segment */
	int name_fd;  /* of the placeholder in the session's directory; -1: no name (any more) */
	uint64_t name_ino; /* of the placeholder */
	enum huge_size size;
	unsigned int mount; /* its slot; NO_MOUNT */
	struct huge_map charged;
	struct huge_map filled; /* by fallocate(2): they are there, whatever the memfd holds */
};

/* Private pages of a process. */
struct huge_private {
	struct list_head node;
	enum huge_size size;
	uint64_t start, end;
	bool of_file;  /* pages of the file that shine through are not counted */
	bool reserved; /* each page is charged; else those that have been seen: @charged */
	uint64_t charged;
};

struct huge_peer {
	struct list_head node;
	int fd;
	pid_t pid;
	struct list_head privates;
};

struct huge_server {
	struct session *session;
	struct shared_huge *shared;
	struct huge_pool pool[HUGE_SIZES];
	struct list_head files, peers;
	uint64_t dev; /* st_dev of memfds */
	uint64_t mount_charged[SHARED_HUGE_MOUNTS];
	bool unreserved; /* something was mapped without a reservation */
};

/* huge_server_file.c */

int huge_file_open(struct huge_server *server, const struct huge_request *req, int name_fd,
		   struct huge_file **out, int *client_fd);
struct huge_file *huge_file_find(struct huge_server *server, uint64_t ino, bool by_name);
/* Inodes of the mount in @slot, its root among them. */
unsigned int huge_slot_inodes(struct huge_server *server, unsigned int slot);
void huge_file_free(struct huge_server *server, struct huge_file *file);
/* Frees the file when nobody can reach it any more. */
void huge_file_sweep(struct huge_server *server, struct huge_file *file);
/* Whether somebody has the file open or mapped. */
bool huge_file_in_use(struct huge_server *server, const struct huge_file *file);
int huge_file_charge(struct huge_server *server, struct huge_file *file, uint64_t first,
		     uint64_t end);
void huge_file_uncharge(struct huge_server *server, struct huge_file *file, uint64_t first,
			uint64_t end);
/* How many of the file's pages are there; what came without a reservation is charged now. */
uint64_t huge_file_allocated(struct huge_server *server, struct huge_file *file);
void huge_sweep(struct huge_server *server);

/* huge_server_mount.c */

int huge_mount(struct huge_server *server, const struct huge_request *req);
int huge_umount(struct huge_server *server, const struct huge_request *req);
/* Removes every name in the directory of slot @slot. */
void huge_mount_clean(struct huge_server *server, unsigned int slot);

#endif
