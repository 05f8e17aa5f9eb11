/* SPDX-License-Identifier: BSD-3-Clause */
/* A new session with its machine: what `uvfio run` and uvfio_machine_create() do first. */
#ifndef MACHINE_LAUNCH_H
#define MACHINE_LAUNCH_H

#include "machine/description.h"
#include "machine/machine.h"
#include "machine/session_create.h"

/*
 * Finishes @desc (taken in any case), makes the session's directory, builds the machine in this
 * process and writes the tree. On failure nothing is left behind and @err holds one sentence.
 */
int machine_launch(struct description *desc, const struct session_identity *identity,
		   struct session **session, struct uvfio_machine **machine, char *err,
		   size_t err_size);

#endif
