/* SPDX-License-Identifier: BSD-3-Clause */
/* The far end of a cable that leads to a tap device of the host's. */
#ifndef NET_TAP_PRIV_H
#define NET_TAP_PRIV_H

#include "net/port.h"

struct net_tap;

/*
 * Opens the tap device and pumps between it and the cards on the wire, until net_tap_stop(). -EBUSY
 * without a sentence: another process of the session pumps already. Otherwise 0 or -errno with a
 * sentence that names what is missing.
 */
int net_tap_start(const struct net_config *config, const char *dir, struct net_tap **out, char *err,
		  size_t err_size);
/* NULL is ignored. */
void net_tap_stop(struct net_tap *tap);

#endif
