/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Huge pages of a session: on a host without any, the session has pools, hugetlbfs mounts and what
 * /sys and /proc say of them, all backed by sparse memfds.
 */
#ifndef MACHINE_HUGE_H
#define MACHINE_HUGE_H

#include <stdatomic.h>
#include <sys/stat.h>
#include "machine/huge_config.h"
#include "machine/huge_msg.h"
#include "machine/session.h"

struct file;
struct huge_client;

/* ---- making a session ------------------------------------------------------------------------ */

/* Into a session whose shared file is there: pools, names, the mount at /dev/hugepages. */
int huge_setup(struct session *session, const struct huge_config *config);

/* ---- names ----------------------------------------------------------------------------------- */

/* Whether the session serves huge pages; false: they are the host's. */
bool huge_served(const struct session *session);
/* How many files of huge pages live, and how many mounts there are beside /dev/hugepages; never
 * NULL. */
const _Atomic uint32_t *huge_files(const struct session *session);
const _Atomic uint32_t *huge_mounted(const struct session *session);
/* Parts of session_translate(), session_untranslate() and session_overlay(). */
bool huge_translate(const struct session *session, const char *path, char *out, size_t size);
bool huge_untranslate(const struct session *session, const char *real, char *out, size_t size);
bool huge_overlaid(const struct session *session, const char *path);
/* The slot of the mount that @real, a translated path, is in; -1: none. *@root: it is its root. */
int huge_slot(const struct session *session, const char *real, bool *root);

struct huge_mount_info {
	enum huge_size size;
	unsigned int minor;
	bool read_only;
	uint64_t max_pages, max_inodes; /* 0: no limit */
	char point[256];
};

/* False: nothing is mounted there any more. */
bool huge_slot_info(const struct session *session, unsigned int slot, struct huge_mount_info *out);

/* ---- this process' line to the keeper -------------------------------------------------------- */

int huge_client_create(struct session *session, struct huge_client **out);
/* Connects when it has not. Before a name is made: a new keeper removes those that it finds. */
int huge_client_connect(struct huge_client *client);
/* One request. @fd (-1: none) goes along and stays the caller's; an fd that comes back goes to
 * *@out_fd. 0, what the keeper answered (-errno), or why it cannot be reached. Thread-safe. */
int huge_call(struct huge_client *client, struct huge_request *req, int fd,
	      struct huge_reply *reply, int *out_fd);
/* In the child of a fork: what the parent has stays charged as long as either of them lives. */
void huge_client_after_fork(struct huge_client *client);
/* The mount's and the file's facts as stat(2) has them; @st is of the placeholder or the memfd. */
int huge_fix_stat(struct huge_client *client, uint64_t ino, bool by_name, struct stat *st);

/* ---- what /sys and /proc say ----------------------------------------------------------------- */

/* Rewrites what the host says of this process' mappings (hugetlb/text.h). */
typedef int (*huge_maps_fn)(bool numa, const char *host, char **out);

/* Opens the attribute or text at @path (of the program's view): 0, 1: it is none of these, or
 * -errno. */
int huge_open_text(struct huge_client *client, const char *path, int oflags, huge_maps_fn maps,
		   struct file **out);

#endif
