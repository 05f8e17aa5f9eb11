/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper as udevd: the control socket that udevadm talks to. */
#ifndef MACHINE_KEEPER_UDEV_H
#define MACHINE_KEEPER_UDEV_H

#include "machine/session.h"

struct keeper_udev;

/* Listens on the session's /run/udev/control, in the place of what stands there. */
int keeper_udev_create(struct session *session, struct keeper_udev **out);
void keeper_udev_destroy(struct keeper_udev *udev);
/* An epoll fd, readable when keeper_udev_work() has something to do. */
int keeper_udev_fd(const struct keeper_udev *udev);
void keeper_udev_work(struct keeper_udev *udev);

#endif
