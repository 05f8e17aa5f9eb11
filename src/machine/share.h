/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of ours in two processes: an fd of a container, group or device that went to another
 * process of the session is the same open file there. The process that opened it, the owner, goes
 * on serving it: share_server.c there, share_client.c and share_remote.c here.
 */
#ifndef MACHINE_SHARE_H
#define MACHINE_SHARE_H

#include <stdatomic.h>
#include "base/types.h"

struct file;
struct uvfio_machine;

/* An fd of @file's is about to leave this process: a thread answers whoever gets it. Files that
 * other processes cannot use are left alone. 0 or -errno. */
int share_send_file(struct uvfio_machine *machine, struct file *file);
/* Answers whoever has fds of this process' files. 0 or -errno. */
int share_serve(struct uvfio_machine *machine);
/* Makes a file of @fd, which file_is_foreign() has recognised. 0; -ENOENT: not to be used here. An
 * owner who is gone leaves a file that answers ENODEV. */
int share_adopt(struct uvfio_machine *machine, int fd);
/* How many files are sent or adopted: 0 nearly always. */
extern atomic_uint share_count;
/* An fd or a mapping was closed just now: what nobody holds any more is released. No locks held. */
void share_sweep(struct uvfio_machine *machine);
/* One is about to be closed: looked at soon, by a thread. */
void share_sweep_soon(struct uvfio_machine *machine);
/* In the child of a fork: both sides are the parent's. */
void share_after_fork(struct uvfio_machine *machine);

#endif
