/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port: transmit into the rings of others, receive out of its own (net/port.h).
 *
 * A frame for several stations goes to all of them or, with flow control, to none: their rings are
 * locked in the order of their numbers, so that two senders cannot wait for each other.
 */
#include "net/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/port_priv.h"
#include "net/tap_priv.h"

/* ---- transmit -------------------------------------------------------------------------------- */

static uint32_t targets(const struct net_port *port, uint32_t dest)
{
	const struct net_wire *wire = &port->wire;
	uint32_t own = dest & (BIT(NET_STATIONS) - 1);
	uint32_t to = (own & net_end_stations(wire, wire->end)) << (wire->end * NET_STATIONS);
	unsigned int peer = net_peer(wire);

	if (dest & NET_DEST_WIRE)
		to |= net_end_stations(wire, peer) << (peer * NET_STATIONS);
	return to;
}

static void unlock_all(struct net_port *port, uint32_t to)
{
	for (unsigned int i = 0; i < NET_ALL; i++)
		if (to & BIT(i))
			net_ring_unlock(net_station(&port->wire, i));
}

/* Takes the rings of @to; which of them still want the frame. */
static uint32_t lock_all(struct net_port *port, uint32_t to)
{
	uint32_t locked = 0;

	for (unsigned int i = 0; i < NET_ALL; i++) {
		struct net_station *station = net_station(&port->wire, i);

		if (!(to & BIT(i)) || net_ring_lock(station))
			continue;
		if (atomic_load_explicit(&station->attached, memory_order_relaxed))
			locked |= BIT(i);
		else
			net_ring_unlock(station);
	}
	return locked;
}

/* Whether @to all have room; with flow control the sender is put down as waiting where not. */
static bool have_room(struct net_port *port, uint32_t to, uint32_t len, uint32_t *full)
{
	*full = 0;
	for (unsigned int i = 0; i < NET_ALL; i++) {
		struct net_station *station = net_station(&port->wire, i);

		if (!(to & BIT(i)) || net_ring_room(station, len))
			continue;
		if (!port->config.flow || net_ring_wait(station, len, port->number))
			*full |= BIT(i);
	}
	return !*full;
}

static int send_all(struct net_port *port, uint32_t to, const struct iovec *iov, unsigned int count,
		    uint32_t len)
{
	uint32_t full, from = port->number;

	to = lock_all(port, to);
	if (!have_room(port, to, len, &full) && port->config.flow) {
		unlock_all(port, to);
		return -EAGAIN;
	}
	for (unsigned int i = 0; i < NET_ALL; i++) {
		struct net_station *station = net_station(&port->wire, i);

		if (!(to & BIT(i)))
			continue;
		if (full & BIT(i))
			atomic_fetch_add_explicit(&station->missed, 1, memory_order_relaxed);
		else
			net_ring_put(station, port->wire.ring[i], from, iov, count, len);
		net_ring_unlock(station);
		net_station_ring_bell(station);
	}
	return 0;
}

static int refused(struct net_port *port, int ret)
{
	if (ret == -EAGAIN && !atomic_load_explicit(&port->waiting, memory_order_relaxed))
		atomic_fetch_add_explicit(&port->xoff_rx, 1, memory_order_relaxed);
	atomic_store(&port->waiting, true);
	return ret;
}

int net_port_transmit(struct net_port *port, uint32_t dest, const struct iovec *iov,
		      unsigned int count)
{
	size_t len = 0;
	int ret;

	for (unsigned int i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (len < NET_FRAME_MIN || len > NET_FRAME_MAX)
		return -EMSGSIZE;
	if ((dest & NET_DEST_WIRE) && !net_wire_link(&port->wire)) {
		/* The link may come up between the look and the note. */
		ret = refused(port, -ENETDOWN);
		if (!net_wire_link(&port->wire))
			return ret;
	}
	ret = send_all(port, targets(port, dest), iov, count, (uint32_t)len);
	if (ret)
		return refused(port, ret);
	atomic_fetch_add_explicit(&port->tx_frames, 1, memory_order_relaxed);
	net_pcap_record(&port->pcap, iov, count, (uint32_t)len);
	return 0;
}

/* ---- receive --------------------------------------------------------------------------------- */

static unsigned int source(const struct net_port *port, unsigned int from)
{
	/* What a loop brings back has left the card. */
	if (from / NET_STATIONS != port->wire.end || from == port->number)
		return NET_SRC_WIRE;
	return from % NET_STATIONS;
}

/* Of the stations that get a frame the first one writes it down. */
static bool records(const struct net_port *port)
{
	uint32_t stations = net_end_stations(&port->wire, port->wire.end);

	return !(stations & (BIT(port->number % NET_STATIONS) - 1));
}

/* False: nothing was there, or it was not taken. */
static bool receive_one(struct net_port *port)
{
	unsigned int from;
	uint32_t len =
		net_ring_peek(port->station, port->wire.ring[port->number], port->frame, &from);
	struct iovec iov = { port->frame, len };

	if (!len)
		return false;
	/* Set first: net_port_ready() from within receive() must not be lost. */
	atomic_store(&port->blocked, true);
	if (port->ops.receive(port->priv, port->frame, len, source(port, from)) == -EAGAIN)
		return false;
	atomic_store(&port->blocked, false);
	if (unlikely(atomic_load_explicit(&port->pcap.fd, memory_order_relaxed) >= 0) &&
	    from / NET_STATIONS != port->wire.end && records(port))
		net_pcap_record(&port->pcap, &iov, 1, len);
	net_ring_drop(&port->wire, port->station, len);
	atomic_fetch_add_explicit(&port->rx_frames, 1, memory_order_relaxed);
	return true;
}

static void link_event(struct net_port *port)
{
	uint32_t changes = atomic_load(&port->wire.file->changes);
	bool up;

	if (changes == atomic_load_explicit(&port->changes_seen, memory_order_relaxed))
		return;
	/* Before the link is looked at: a change from here on is seen at the next time. */
	atomic_store(&port->changes_seen, changes);
	up = net_wire_link(&port->wire);
	/* Also when it is as before: the caller may have asked while it was not. */
	if (port->ops.link)
		port->ops.link(port->priv, up);
	if (up && atomic_exchange(&port->waiting, false) && port->ops.resume)
		port->ops.resume(port->priv);
}

static void events(struct net_port *port)
{
	link_event(port);
	if (likely(!atomic_load_explicit(&port->station->resume, memory_order_relaxed)) ||
	    !atomic_exchange(&port->station->resume, 0))
		return;
	atomic_fetch_add_explicit(&port->xon_rx, 1, memory_order_relaxed);
	if (atomic_exchange(&port->waiting, false) && port->ops.resume)
		port->ops.resume(port->priv);
}

bool net_port_poll(struct net_port *port, unsigned int budget)
{
	events(port);
	while (budget && receive_one(port))
		budget--;
	return !budget && !net_ring_empty(port->station);
}

void net_port_ready(struct net_port *port)
{
	if (atomic_load_explicit(&port->blocked, memory_order_relaxed) &&
	    atomic_exchange(&port->blocked, false))
		net_station_ring_bell(port->station);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void net_port_set_link(struct net_port *port, bool on)
{
	net_wire_set_on(&port->wire, on);
}

bool net_port_link(struct net_port *port)
{
	return net_wire_link(&port->wire);
}

uint32_t net_port_stations(struct net_port *port)
{
	return net_end_stations(&port->wire, port->wire.end);
}

void net_port_stats(struct net_port *port, struct net_port_stats *stats)
{
	const struct net_station *station = port->station;

	*stats = (struct net_port_stats){
		.tx_frames = atomic_load(&port->tx_frames),
		.rx_frames = atomic_load(&port->rx_frames),
		.missed = atomic_load(&station->missed) - port->missed_before,
		.xoff_tx = atomic_load(&station->xoff) - port->xoff_before,
		.xon_tx = atomic_load(&station->xon) - port->xon_before,
		.xoff_rx = atomic_load(&port->xoff_rx),
		.xon_rx = atomic_load(&port->xon_rx),
	};
}

static int fail(struct net_port *port, int ret, char *err, size_t err_size)
{
	const struct net_config *config = &port->config;

	if (ret == -EBUSY && port->wire.file && !err[0])
		snprintf(err, err_size, "the port is open in another process");
	else if (ret == -EBUSY && !err[0])
		snprintf(err, err_size,
			 "net=wire:%s: a wire has two ends, and two other cards are there; take "
			 "another name",
			 config->name);
	else if (!err[0])
		snprintf(err, err_size, "the port cannot be opened: %s", strerror(-ret));
	net_wire_close(&port->wire);
	free(port);
	return ret;
}

static int pcap_start(struct net_port *port, char *err, size_t err_size)
{
	struct net_end *end = &port->wire.file->end[port->wire.end];
	int ret;

	if (!port->config.pcap[0])
		return 0;
	ret = net_pcap_open(&port->pcap, port->config.pcap, &end->recorded);
	if (ret)
		snprintf(err, err_size, "pcap=%s: %s; give a file that can be written",
			 port->config.pcap, strerror(-ret));
	return ret;
}

/* The first of the card's functions to be opened pumps; the pump itself is no card. */
static int tap_start(struct net_port *port, char *err, size_t err_size)
{
	int ret;

	if (port->config.kind != NET_TAP || port->wire.end)
		return 0;
	ret = net_tap_start(&port->config, port->dir, &port->tap, err, err_size);
	return ret == -EBUSY && !err[0] ? 0 : ret;
}

int net_port_open(const struct net_port_args *args, struct net_port **out, char *err,
		  size_t err_size)
{
	struct net_port *port = calloc(1, sizeof(*port));
	int ret;

	err[0] = '\0';
	if (!port) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	port->config = *args->config;
	port->ops = *args->ops;
	port->priv = args->priv;
	atomic_store(&port->pcap.fd, -1);
	snprintf(port->dir, sizeof(port->dir), "%s", args->dir ? args->dir : "");
	ret = net_wire_open(args->config, args->dir, args->card, &port->wire);
	if (ret)
		return fail(port, ret, err, err_size);
	port->number = port->wire.end * NET_STATIONS + args->station;
	port->station = net_station(&port->wire, port->number);
	port->missed_before = atomic_load(&port->station->missed);
	port->xoff_before = atomic_load(&port->station->xoff);
	port->xon_before = atomic_load(&port->station->xon);
	/* Different from what is there: the first poll looks at the link. */
	atomic_store(&port->changes_seen, atomic_load(&port->wire.file->changes) - 1);
	ret = pcap_start(port, err, err_size);
	if (ret) {
		net_wire_close(&port->wire);
		free(port);
		return ret;
	}
	ret = tap_start(port, err, err_size);
	if (!ret)
		ret = net_port_thread_start(port);
	if (ret) {
		net_tap_stop(port->tap);
		net_pcap_close(&port->pcap);
		return fail(port, ret, err, err_size);
	}
	*out = port;
	return 0;
}

void net_port_close(struct net_port *port)
{
	if (!port)
		return;
	net_port_thread_stop(port);
	net_tap_stop(port->tap);
	net_pcap_close(&port->pcap);
	net_wire_close(&port->wire);
	free(port);
}
