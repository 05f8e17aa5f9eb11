/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mtty: the virtual parent "mtty" and the driver of its instances, serial cards with one or two
 * ports (Linux's samples/vfio-mdev/mtty.c, with a real UART).
 */
#ifndef DRIVERS_MTTY_MTTY_H
#define DRIVERS_MTTY_MTTY_H

#include "base/types.h"

/* The module comes: driver, device /sys/devices/virtual/mtty/mtty, parent. The mdev core is there.
 * 0 or -errno. */
int mtty_init(void);
/* The module goes; nothing after a failed mtty_init(). Waits for users of instances in this
 * process. */
void mtty_exit(void);

#endif
