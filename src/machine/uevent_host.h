/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `uevent` of the host's devices that the session shows through: reading is the host's affair, but
 * what a program writes there (`udevadm trigger`) makes an event of the session's, and nothing is
 * told to the host.
 */
#ifndef MACHINE_UEVENT_HOST_H
#define MACHINE_UEVENT_HOST_H

#include "base/types.h"

struct file;
struct uvfio_machine;

/* Whether opening @path, which is not in the session's tree, with @oflags is such a case. */
bool uevent_host_wants(const char *path, int oflags);
/* 0 or -errno. */
int uevent_host_open(struct uvfio_machine *machine, const char *path, int oflags,
		     struct file **out);

#endif
