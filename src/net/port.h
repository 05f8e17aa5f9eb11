/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card's network port: frames out, frames in, link, flow control.
 *
 * A card (its PF and its VFs) is one end of a wire. Each function that a process has open is a
 * station of that end with a receive ring of its own in a file that the session's processes share
 * (design D2a), so that PF and VFs may be open in different processes. A frame goes to the stations
 * in @dest: those of the own card (the switch inside the card) and with NET_DEST_WIRE all stations
 * of the other end, each of which filters for itself as hardware does.
 *
 * A frame is what is on the wire from destination address to payload, without FCS; the model pads
 * to 60 bytes where its hardware does.
 *
 * Flow control: a ring is the receive FIFO. With flow=on a transmit that does not fit everywhere is
 * refused with -EAGAIN, the sender keeps its descriptor, and ops->resume tells when it may try
 * again. With flow=off such a frame is lost and counted in the receiver's `missed`.
 *
 * Locks: the functions marked [serial] are called with the caller's own lock held (the device's
 * lock); all callbacks except poll come from inside net_port_poll(), hence under that lock. The
 * port's thread takes no lock but through ops->poll. Signal context is fine for [serial] functions:
 * they neither allocate nor use libc I/O.
 */
#ifndef NET_PORT_H
#define NET_PORT_H

#include <sys/uio.h>

#include "net/config.h"

#define NET_FRAME_MIN 14
#define NET_FRAME_MAX 9728U /* 9.5 KiB, as the 82576 */
#define NET_STATIONS  9	    /* PF and eight VFs */

/* Bits of @dest: station n of the own card, and the cable. */
#define NET_DEST_STATION(n) BIT(n)
#define NET_DEST_WIRE	    BIT(31)

/* The source of a received frame that came over the cable; below: a station of the own card. */
#define NET_SRC_WIRE NET_STATIONS

struct net_port;

struct net_port_ops {
	/*
	 * On the port's thread, without locks: something waits. Takes the device's lock, calls
	 * net_port_poll() with a budget of some 64, and returns what that returned.
	 */
	bool (*poll)(void *priv);
	/*
	 * A frame. @frame is memory of the port's, valid until the return. 0: taken, or thrown away
	 * as hardware would. -EAGAIN: no descriptor is free; the frame stays first in the ring and
	 * comes again after net_port_ready() or at the next net_port_poll().
	 */
	int (*receive)(void *priv, const void *frame, size_t len, unsigned int src);
	/* The link went up or down; or it did and is again as it was. NULL: nobody asks. */
	void (*link)(void *priv, bool up);
	/* A transmit that got -EAGAIN or -ENETDOWN may be tried again. NULL: nobody asks. */
	void (*resume)(void *priv);
};

struct net_port_args {
	const struct net_config *config;
	/* Where the session keeps files of wires (made when missing), or NULL: then nobody else can
	 * join, and each port is a card of its own. */
	const char *dir;
	const char *card;     /* the PF's address: PF and VFs are one card */
	unsigned int station; /* 0: PF, n: VF n - 1 */
	const struct net_port_ops *ops;
	void *priv;
};

/* Since the port was opened; all only grow. */
struct net_port_stats {
	uint64_t tx_frames, rx_frames;
	uint64_t missed;  /* lost for want of room in the ring (flow=off): MPC of the 82576 */
	uint64_t xoff_tx; /* the ring was full: the other side was told to wait */
	uint64_t xon_tx;  /* and to go on */
	uint64_t xoff_rx; /* a transmit was refused with -EAGAIN: we were told to wait */
	uint64_t xon_rx;
};

/*
 * Attaches the station and starts the port's thread; the link comes up by itself when the other end
 * is there. Allocates; no lock held. -EBUSY: another process has this station, or the wire has two
 * cards; -ENOSPC: no room for the ring; what open(2) says. @err gets one sentence.
 */
int net_port_open(const struct net_port_args *args, struct net_port **out, char *err,
		  size_t err_size);
/* Stops the thread and detaches; frames not yet received are gone. The lock that ops->poll takes
 * must not be held. NULL is ignored. */
void net_port_close(struct net_port *port);

/*
 * [serial] Sends one frame, gathered from @iov. 0: it is on its way, or was lost as described
 * above. -EAGAIN: paused. -ENETDOWN: NET_DEST_WIRE without link. ops->resume comes for both.
 * -EMSGSIZE: not between NET_FRAME_MIN and NET_FRAME_MAX bytes. Stations that nobody has open are
 * left out.
 */
int net_port_transmit(struct net_port *port, uint32_t dest, const struct iovec *iov,
		      unsigned int count);
/*
 * [serial] Delivers up to @budget frames and what else happened through the callbacks. True: more
 * is there. May also be called from where the device runs anyway (a doorbell, the device's thread).
 */
bool net_port_poll(struct net_port *port, unsigned int budget);
/* [serial] Descriptors were given after receive() had returned -EAGAIN; no effect otherwise. */
void net_port_ready(struct net_port *port);

/*
 * [serial] The card's transmitter is on (the default when its first station is opened) or off:
 * reset of the PHY, power down. It is the card's, not the station's.
 */
void net_port_set_link(struct net_port *port, bool on);
/* Whether frames pass: both ends are there and on. Any thread. */
bool net_port_link(struct net_port *port);
/* Which stations of the own card are open in any process, as bits. Any thread. */
uint32_t net_port_stations(struct net_port *port);
/* Any thread. */
void net_port_stats(struct net_port *port, struct net_port_stats *stats);

#endif
