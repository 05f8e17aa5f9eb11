/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the keeper and the session's processes say to each other, over a SEQPACKET socket: one
 * struct a packet, either way.
 *
 *   HOLD, DROP	client: my process has claimed, given up IOMMU group @group
 *   RELEASE	client: everybody shall give @device of @group back; answered by DONE when all have
 *   REQUEST	keeper to a holder: give @device back; answered by GIVEN when it is closed, unbound
 *   DONE	keeper: the RELEASE, LISTEN or UEVENT with this @id is through
 *   LISTEN	client, with an fd: events go there; @group is the slot that the socket has already,
 *		or KEEPER_ANY. DONE says in @group which one it is, KEEPER_ANY: there is none left
 *   UEVENT	client, a uevent behind the struct: the kernel's message of the event @id
 *   MULTICAST	client, bytes behind the struct: for the netlink groups @group, as udevd sends
 *   ERROR	client: the holder of @group shall make the error in @device's slot happen
 *   SHARE	client: the process with the number @group, if it holds any, shall serve its files
 *   HUGE	client: from now on this connection is about huge pages (huge_msg.h)
 */
#ifndef MACHINE_KEEPER_MSG_H
#define MACHINE_KEEPER_MSG_H

#include "base/types.h"

enum keeper_type {
	KEEPER_HOLD = 1,
	KEEPER_DROP,
	KEEPER_RELEASE,
	KEEPER_REQUEST,
	KEEPER_GIVEN,
	KEEPER_DONE,
	KEEPER_ERROR,
	KEEPER_LISTEN,
	KEEPER_UEVENT,
	KEEPER_MULTICAST,
	KEEPER_HUGE,
	KEEPER_SHARE,
};

#define KEEPER_ANY     (~0U)
#define KEEPER_DEVICE  40    /* bytes of a name: an address, or a UUID */
#define KEEPER_PAYLOAD 16384 /* bytes behind the struct at most */

#define KEEPER_MAGIC 0x6b707266U

struct keeper_msg {
	uint32_t magic;
	uint32_t type; /* enum keeper_type */
	uint32_t id;   /* of the RELEASE that this belongs to */
	uint32_t group;
	union {
		char device[KEEPER_DEVICE];
		struct {
			uint64_t ino;  /* LISTEN: of the program's socket */
			uint64_t usec; /* UEVENT: when udev has seen the device first, 0: never */
		};
	};
};
_Static_assert(sizeof(struct keeper_msg) == 56, "the same for every process of a session");

#endif
