/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process' line to the session's keeper (design D2a): one sleeping thread from the first group
 * that the process opens on. Another process' unbind reaches it here.
 */
#ifndef MACHINE_KEEPER_CLIENT_H
#define MACHINE_KEEPER_CLIENT_H

#include "base/types.h"

struct uvfio_machine;

/* Group @id was claimed or given up by this process. Cannot fail: without a keeper (yet) the thread
 * goes on trying. */
void keeper_client_hold(struct uvfio_machine *machine, unsigned int id);
void keeper_client_drop(struct uvfio_machine *machine, unsigned int id);
/* Returns when no other process has @device of @group any more; starts a keeper when there is
 * none. */
void keeper_request_release(struct uvfio_machine *machine, const char *device, unsigned int group);
/* Tells the process that has @group of the error in @device's slot. 0 or -errno. */
int keeper_pass_error(struct uvfio_machine *machine, const char *device, unsigned int group);
void keeper_client_stop(struct uvfio_machine *machine);
void keeper_client_after_fork(struct uvfio_machine *machine);

/* The process with this number shall serve its files to others, if it holds any group. Does not
 * wait for it. */
void keeper_ask_share(struct uvfio_machine *machine, int pid);

#endif
