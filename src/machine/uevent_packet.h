/* SPDX-License-Identifier: BSD-3-Clause */
/* What udevd makes of the kernel's message of an event. */
#ifndef MACHINE_UEVENT_PACKET_H
#define MACHINE_UEVENT_PACKET_H

#include "base/types.h"

#define UDEV_GROUP_KERNEL 1U
#define UDEV_GROUP_UDEV	  2U
#define UDEV_PREFIX	  "libudev"
#define UDEV_PACKET_MAX	  8192

/* The value of "NAME=" (with the '=') among NUL-terminated keys of @len bytes in all, or NULL. */
const char *uevent_keys_get(const char *keys, size_t len, const char *name);

/*
 * The name of a device in udev's database ("+pci:0000:01:00.0", "c243:0") into @out; false: udev
 * keeps nothing about such a thing. @keys: of an event.
 */
bool udev_device_id(const char *keys, size_t len, char *out, size_t size);

/*
 * The message that udevd sends to its listeners after it has seen the kernel's @message of @len
 * bytes: libudev's monitor format. @usec: when the device was seen first, 0: not known. The length,
 * or 0 when there is none to be sent.
 */
size_t udev_packet(const char *message, size_t len, uint64_t usec, char out[UDEV_PACKET_MAX]);

#endif
