/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports and lines: see port.h. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drivers/mtty/port.h"

#define LINES_ON (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)

static void ring(struct mtty_port *port)
{
	atomic_fetch_add(&port->bell, 1);
	syscall(SYS_futex, &port->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The port at the other end of a cable, when both ends are plugged; NULL otherwise. */
static struct mtty_port *other_end(struct mtty_ports *ports, unsigned int number)
{
	const struct mtty_line *line = &ports->port[number].plugged;
	struct mtty_port *peer;

	if (line->kind != MTTY_LINE_CABLE || line->peer >= MTTY_MAX_PORTS)
		return NULL;
	peer = &ports->port[line->peer];
	return peer->plugged.kind == MTTY_LINE_CABLE && peer->plugged.peer == number ? peer : NULL;
}

/* ---- characters ------------------------------------------------------------------------------ */

static bool must_wait(const struct mtty_port *to)
{
	return to->stopped || (!uart_rx_room(&to->uart) && uart_outputs(&to->uart));
}

/* Whether anything went from @from to @to (NULL: to nobody). */
static bool carry(struct mtty_port *from, struct mtty_port *to)
{
	bool moved = false;
	uint8_t c;

	while (!(to && must_wait(to)) && uart_tx_peek(&from->uart, &c, 1)) {
		uart_tx_done(&from->uart, 1);
		if (to)
			uart_rx(&to->uart, c, 0);
		moved = true;
	}
	if (!(to && must_wait(to)) && uart_tx_break(&from->uart)) {
		if (to)
			uart_rx(&to->uart, 0, UART_LSR_BI);
		moved = true;
	}
	return moved;
}

/* What @number's transmitter holds goes as far as its line takes it. */
static void send(struct mtty_ports *ports, unsigned int number)
{
	struct mtty_port *port = &ports->port[number], *peer;

	if (port->stopped)
		return;
	switch (port->plugged.kind) {
	case MTTY_LINE_LOOPBACK:
		carry(port, port);
		break;
	case MTTY_LINE_CABLE:
		peer = other_end(ports, number);
		if (carry(port, peer) && peer)
			ring(peer);
		break;
	case MTTY_LINE_NONE:
		carry(port, NULL);
		break;
	default: /* the host's side takes it */
		break;
	}
}

/* @number's receiver may have room again. */
static void receive(struct mtty_ports *ports, unsigned int number)
{
	struct mtty_port *port = &ports->port[number], *peer = other_end(ports, number);

	if (port->plugged.kind == MTTY_LINE_LOOPBACK)
		send(ports, number);
	else if (peer && !peer->stopped && carry(peer, port))
		ring(peer);
}

/* ---- modem signals --------------------------------------------------------------------------- */

static uint8_t lines_of(struct mtty_ports *ports, unsigned int number)
{
	const struct mtty_port *peer = other_end(ports, number);
	uint8_t out;

	if (ports->port[number].plugged.kind == MTTY_LINE_NONE)
		return 0;
	if (ports->port[number].plugged.kind != MTTY_LINE_CABLE)
		return LINES_ON;
	out = peer ? uart_outputs(&peer->uart) : 0;
	return (uint8_t)((out & UART_MCR_RTS ? UART_MSR_CTS : 0) |
			 (out & UART_MCR_DTR ? UART_MSR_DSR | UART_MSR_DCD : 0));
}

static void update_lines(struct mtty_ports *ports, unsigned int number)
{
	uart_set_lines(&ports->port[number].uart, lines_of(ports, number));
}

static void update_peer(struct mtty_ports *ports, unsigned int number)
{
	struct mtty_port *peer = other_end(ports, number);

	if (!peer)
		return;
	update_lines(ports, ports->port[number].plugged.peer);
	ring(peer);
}

/* ---- the card's side ------------------------------------------------------------------------- */

uint8_t mtty_port_read(struct mtty_ports *ports, unsigned int number, unsigned int reg)
{
	uint8_t val = uart_read(&ports->port[number].uart, reg);

	if (reg == UART_RBR)
		receive(ports, number);
	return val;
}

void mtty_port_write(struct mtty_ports *ports, unsigned int number, unsigned int reg, uint8_t val)
{
	uart_write(&ports->port[number].uart, reg, val);
	if (reg == UART_MCR)
		update_peer(ports, number);
	/* THR and LCR's break send, MCR ends a loopback, FCR and MCR let others send. */
	send(ports, number);
	if (reg == UART_FCR || reg == UART_MCR)
		receive(ports, number);
}

void mtty_port_replaced(struct mtty_ports *ports, unsigned int number)
{
	update_lines(ports, number);
	update_peer(ports, number);
	send(ports, number);
	receive(ports, number);
}

void mtty_port_reset(struct mtty_ports *ports, unsigned int number)
{
	uart_reset(&ports->port[number].uart);
	mtty_port_replaced(ports, number);
}

void mtty_port_stop(struct mtty_ports *ports, unsigned int number, bool stopped)
{
	ports->port[number].stopped = stopped;
	if (stopped)
		return;
	send(ports, number);
	receive(ports, number);
}

void mtty_port_plug(struct mtty_ports *ports, unsigned int number, const struct mtty_line *line,
		    bool stopped)
{
	struct mtty_port *port = &ports->port[number];

	port->stopped = stopped;
	port->plugged = *line;
	mtty_port_replaced(ports, number);
}

void mtty_port_unplug(struct mtty_ports *ports, unsigned int number)
{
	struct mtty_port *port = &ports->port[number], *peer = other_end(ports, number);
	unsigned int at = port->plugged.peer;

	port->plugged.kind = MTTY_LINE_NONE;
	port->stopped = 0;
	port->pty[0] = '\0';
	update_lines(ports, number);
	send(ports, number);
	if (!peer)
		return;
	update_lines(ports, at);
	send(ports, at);
	ring(peer);
}

/* ---- who lives ------------------------------------------------------------------------------- */

static void init_alive(struct mtty_port *port)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&port->alive, &attr);
	pthread_mutexattr_destroy(&attr);
}

void mtty_port_attach(struct mtty_port *port)
{
	/* Who had it before may have died with it. */
	if (pthread_mutex_lock(&port->alive) == EOWNERDEAD)
		pthread_mutex_consistent(&port->alive);
}

void mtty_port_detach(struct mtty_port *port)
{
	pthread_mutex_unlock(&port->alive);
}

bool mtty_port_attended(struct mtty_port *port)
{
	int ret = pthread_mutex_trylock(&port->alive);

	if (ret == EOWNERDEAD)
		pthread_mutex_consistent(&port->alive);
	else if (ret)
		return true;
	pthread_mutex_unlock(&port->alive);
	return false;
}

void mtty_port_look(struct mtty_ports *ports, unsigned int number)
{
	struct mtty_port *peer = other_end(ports, number);

	/* Plugged, and nobody stands there. */
	if (peer && !mtty_port_attended(peer))
		mtty_port_unplug(ports, ports->port[number].plugged.peer);
}

/* ---- who has which --------------------------------------------------------------------------- */

unsigned int mtty_ports_free(const struct mtty_ports *ports)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < MTTY_MAX_PORTS; i++)
		n += !ports->port[i].uuid[0];
	return n;
}

int mtty_port_find(const struct mtty_ports *ports, const char *uuid, unsigned int index)
{
	for (unsigned int i = 0; i < MTTY_MAX_PORTS; i++)
		if (ports->port[i].index == index && ports->port[i].uuid[0] &&
		    !strncmp(ports->port[i].uuid, uuid, MTTY_UUID_LEN))
			return (int)i;
	return -ENODEV;
}

int mtty_ports_take(struct mtty_ports *ports, const char *uuid, unsigned int n, uint8_t *numbers)
{
	unsigned int taken = 0;

	if (mtty_ports_free(ports) < n)
		return -ENOSPC;
	for (unsigned int i = 0; i < MTTY_MAX_PORTS && taken < n; i++) {
		struct mtty_port *port = &ports->port[i];

		if (port->uuid[0])
			continue;
		memset(port, 0, sizeof(*port));
		strncpy(port->uuid, uuid, MTTY_UUID_LEN - 1);
		port->index = (uint8_t)taken;
		port->configured.kind = MTTY_LINE_LOOPBACK;
		uart_reset(&port->uart);
		init_alive(port);
		numbers[taken++] = (uint8_t)i;
	}
	return 0;
}

void mtty_ports_release(struct mtty_ports *ports, const char *uuid)
{
	for (unsigned int i = 0; i < MTTY_MAX_PORTS; i++) {
		struct mtty_port *port = &ports->port[i];

		if (!port->uuid[0] || strncmp(port->uuid, uuid, MTTY_UUID_LEN) != 0)
			continue;
		mtty_port_unplug(ports, i);
		mtty_line_clear(ports, i);
		memset(port->uuid, 0, sizeof(port->uuid));
	}
}

void mtty_ports_recover(struct mtty_ports *ports)
{
	uint32_t torn = ports->in_hand;

	ports->in_hand = 0;
	for (unsigned int i = 0; i < MTTY_MAX_PORTS; i++) {
		struct mtty_port *port = &ports->port[i];

		if (port->uuid[0] && (torn & 1u << i || !uart_valid(&port->uart)))
			mtty_port_reset(ports, i);
	}
}
