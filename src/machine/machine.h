/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The composition root: a description becomes buses, IOMMUs, devices and groups, in this process,
 * beside a session directory that holds the admin state (design D2).
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <sys/stat.h>
#include "base/types.h"
#include "machine/session.h"

struct file;
struct frames;
struct hostmem;
struct vfio_core;
struct uvfio_machine;

/* Builds the machine of an existing session in this process. Slow (milliseconds); once a
 * process. 0, or -errno with one sentence in @err. */
int machine_attach(struct session *session, struct uvfio_machine **out, char *err, size_t err_size);
void machine_detach(struct uvfio_machine *machine);
struct hostmem *machine_hostmem(struct uvfio_machine *machine);
/* Page frame numbers, by which devices without an IOMMU find memory; NULL: there is one. */
struct frames *machine_frames(struct uvfio_machine *machine);
/* The same question without a machine. */
bool machine_without_iommu(const struct session *session);

/*
 * Opens @path, an absolute normalised path of the program's view that session_translate() accepts,
 * or that uevent_host_wants().
 * 0: *@out is the file. 1: an ordinary file, directory or symlink of the tree: open the translated
 * path. -errno: what open(2) fails with. Device nodes, writable attributes, volatile and binary
 * attributes are files; O_CREAT and O_TRUNC change nothing on them.
 */
int machine_open(struct uvfio_machine *machine, const char *path, int oflags, struct file **out);

/* One write(2) of @len bytes to the text attribute @path: @len or -errno. */
ssize_t machine_write(struct uvfio_machine *machine, const char *path, const char *data,
		      size_t len);

/* chown(2) of a name of the tree; @real: its translated path, without symlinks. 0 or -errno. Who
 * made the session need not be the host's root. */
int machine_chown(struct session *session, const char *real, uid_t uid, gid_t gid);

/* What stat says of a node of the tree: corrects @st (as filled from the translated path):
 * character device and number for /dev nodes, the attribute's size and mode, root's ownership. */
void machine_fix_stat(struct session *session, const char *path, struct stat *st);

/* The program runs a virtual machine under KVM: a guest's store cannot be trapped by a signal, so
 * that pages with side effects are no longer offered for mapping (design D4). */
void machine_use_kvm(struct uvfio_machine *machine);

/* Around fork(): the child must not inherit the session's admin lock, which a copy of its fd holds.
 * In the parent afterwards: parent, @copies as in frames_fork_parent(). */
void machine_fork_prepare(struct uvfio_machine *machine);
void machine_fork_parent(struct uvfio_machine *machine, bool copies);
/* In the child of a fork. */
void machine_after_fork(struct uvfio_machine *machine);

#endif
