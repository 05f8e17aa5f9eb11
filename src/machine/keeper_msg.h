/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the keeper and the session's processes say to each other, over a SEQPACKET socket: one
 * struct a packet, either way.
 *
 * HOLD, DROP      client: my process has claimed, given up IOMMU group @group RELEASE     client:
 * everybody shall give @device of @group back; answered by DONE when all have REQUEST     keeper to
 * a holder: give @device back; answered by GIVEN when it is closed and unbound DONE     keeper: the
 * RELEASE with this @id is through
 * ERROR	client: the holder of @group shall make the error in @device's slot happen; passed on
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
};

#define KEEPER_MAGIC 0x6b707266U

struct keeper_msg {
	uint32_t magic;
	uint32_t type; /* enum keeper_type */
	uint32_t id;   /* of the RELEASE that this belongs to */
	uint32_t group;
	char device[16];
};
_Static_assert(sizeof(struct keeper_msg) == 32, "the same for every process of a session");

#endif
