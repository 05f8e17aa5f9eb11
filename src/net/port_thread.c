/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port's thread. It owns the station (net/wire_priv.h), and calls ops->poll when something waits:
 * it looks for a while after the last thing happened, where a CPU is free, and then sleeps on the
 * station's doorbell. No system call is made while both sides are awake.
 *
 * It wakes now and then while the link is up or a transmit waits, to see whether somebody has died,
 * and whether the tap device that the cable leads to is served.
 */
#include <errno.h>
#include <time.h>

#include "base/thread.h"
#include "net/port_priv.h"
#include "net/tap_priv.h"

#define SPIN_NS	   30000u
#define LOOK_MS	   500
#define SPIN_LOOKS 32

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool busy(void *arg)
{
	struct net_port *port = arg;

	return atomic_load_explicit(&port->stop, memory_order_relaxed) ||
	       atomic_load_explicit(&port->station->resume, memory_order_relaxed) ||
	       atomic_load_explicit(&port->wire.file->changes, memory_order_relaxed) !=
		       atomic_load_explicit(&port->changes_seen, memory_order_relaxed) ||
	       (!atomic_load_explicit(&port->blocked, memory_order_relaxed) &&
		!net_ring_empty(port->station));
}

/* True when something waits within SPIN_NS. */
static bool spin(struct net_port *port)
{
	uint64_t until;

	if (thread_cpus() == 1)
		return busy(port);
	until = now_ns() + SPIN_NS;
	do {
		for (unsigned int i = 0; i < SPIN_LOOKS; i++) {
			if (busy(port))
				return true;
			__builtin_ia32_pause();
		}
	} while (now_ns() < until);
	return false;
}

static bool lacks_pump(const struct net_port *port)
{
	return port->config.kind == NET_TAP && port->wire.end == 0 && !port->tap;
}

static void look_around(struct net_port *port)
{
	char err[256];

	for (unsigned int i = 0; i < NET_ALL; i++)
		if (i != port->number)
			net_station_dead(&port->wire, i);
	/* Who pumped has gone. When it does not work out, the next look tries again. */
	if (lacks_pump(port) && !net_end_stations(&port->wire, net_peer(&port->wire)) &&
	    net_tap_start(&port->config, port->dir, &port->tap, err, sizeof(err)))
		port->tap = NULL;
}

static void run(struct net_port *port)
{
	while (!atomic_load(&port->stop)) {
		bool watch = net_wire_link(&port->wire) || atomic_load(&port->waiting) ||
			     lacks_pump(port);

		if (spin(port) ||
		    net_station_sleep(port->station, busy, port, watch ? LOOK_MS : -1)) {
			if (busy(port) && !atomic_load(&port->stop))
				port->ops.poll(port->priv);
			continue;
		}
		look_around(port);
	}
}

static void *port_thread(void *arg)
{
	struct net_port *port = arg;

	port->attach_result = net_station_attach(&port->wire, port->number);
	sem_post(&port->attached);
	if (port->attach_result)
		return NULL;
	run(port);
	net_station_detach(&port->wire, port->number);
	return NULL;
}

int net_port_thread_start(struct net_port *port)
{
	int ret;

	if (sem_init(&port->attached, 0, 0))
		return -errno;
	ret = thread_create(&port->thread, "uvfio-net", port_thread, port);
	if (!ret) {
		while (sem_wait(&port->attached) && errno == EINTR)
			;
		ret = port->attach_result;
		if (ret)
			pthread_join(port->thread, NULL);
	}
	if (ret)
		sem_destroy(&port->attached);
	return ret;
}

void net_port_thread_stop(struct net_port *port)
{
	atomic_store(&port->stop, true);
	net_station_ring_bell(port->station);
	pthread_join(port->thread, NULL);
	sem_destroy(&port->attached);
}
