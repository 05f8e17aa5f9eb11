/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's insides: port.c, port_thread.c, tap.c. */
#ifndef NET_PORT_PRIV_H
#define NET_PORT_PRIV_H

#include <semaphore.h>

#include "net/pcap_priv.h"
#include "net/wire_priv.h"

struct net_tap;

struct net_port {
	struct net_wire wire;
	unsigned int number; /* of the station on the wire */
	struct net_station *station;
	struct net_config config;
	char dir[1024]; /* "": none */
	struct net_port_ops ops;
	void *priv;
	struct net_pcap pcap;

	/* The thread owns the station. */
	pthread_t thread;
	sem_t attached; /* posted when attach_result is valid */
	int attach_result;
	atomic_bool stop;
	struct net_tap *
		tap; /* the thread's while it runs; NULL: another process pumps, or there is none */

	/* receive() had no descriptor: the ring is not looked at until net_port_ready(). */
	atomic_bool blocked;
	/* A transmit was refused and resume() has not been called since. */
	atomic_bool waiting;
	/* Guarded by the caller's lock. */
	uint8_t frame[NET_FRAME_MAX];

	_Atomic uint32_t changes_seen; /* of wire.file->changes */
	_Atomic uint64_t tx_frames, rx_frames, xoff_rx, xon_rx;
	uint64_t missed_before, xoff_before, xon_before; /* when it was opened */
};

/* port_thread.c */
int net_port_thread_start(struct net_port *port);
void net_port_thread_stop(struct net_port *port);

#endif
