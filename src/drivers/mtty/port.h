/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ports of all serial cards of a session, and the lines between them. They are hardware that
 * processes share: one structure without pointers in the parent's state, under the parent's lock,
 * which the caller of every function here holds.
 *
 * A port's line is what its user chose (`configured`); it is plugged when a process opens the card
 * (`plugged`), unplugged when that one closes it. The kinds:
 *
 * - loopback: the port hears itself; CTS, DSR and DCD are on. What Linux's sample has.
 * - cable: a null-modem cable to another port: RTS to CTS, DTR to DSR and DCD, both ways. A cable
 *   with nothing plugged at its other end carries nothing.
 * - pty, file: host.h moves the characters in the process that has the card open.
 *
 * Characters never lie on a line: one leaves the transmitter when the receiver takes it. A receiver
 * that is full and whose DTR or RTS is on makes its sender wait, so that nothing is lost between
 * drivers that are awake; with both off what does not fit is lost, and the receiver's overrun bit
 * says so. A stopped port (migration) neither sends nor receives and makes everybody wait.
 */
#ifndef DRIVERS_MTTY_PORT_H
#define DRIVERS_MTTY_PORT_H

#include <pthread.h>
#include <stdatomic.h>
#include "drivers/mtty/uart.h"

#define MTTY_MAX_PORTS	24 /* of all cards together, as Linux's sample has */
#define MTTY_CARD_PORTS 2  /* of one card at most */
#define MTTY_UUID_LEN	37
#define MTTY_PATH_LEN	256

enum mtty_line_kind {
	MTTY_LINE_NONE, /* unplugged */
	MTTY_LINE_LOOPBACK,
	MTTY_LINE_CABLE,
	MTTY_LINE_PTY,
	MTTY_LINE_FILE,
};

struct mtty_line {
	uint8_t kind; /* enum mtty_line_kind */
	uint8_t peer; /* of a cable: the number of the port at the other end */
	char path[MTTY_PATH_LEN];
};

struct mtty_port {
	char uuid[MTTY_UUID_LEN]; /* the instance's; empty: a free port */
	uint8_t index;		  /* of the port on its card */
	uint8_t stopped;
	struct mtty_line configured, plugged;
	char pty[64]; /* the name of the pty while one is plugged */
	struct uart uart;
	_Atomic uint32_t bell; /* counts what others did to this port: a futex */
	/* Held by a thread of the process that has this end of a cable; robust, so that the other
	 * end learns of its death. */
	pthread_mutex_t alive;
};

struct mtty_ports {
	struct mtty_port port[MTTY_MAX_PORTS];
	/* Ports in the hands of who holds the lock, as bits: to be reset when it dies. */
	uint32_t in_hand;
};

/* How many ports are free. */
unsigned int mtty_ports_free(const struct mtty_ports *ports);
/* Takes @n ports for the instance @uuid; their numbers go to @numbers. 0, -ENOSPC (nothing is
 * taken). */
int mtty_ports_take(struct mtty_ports *ports, const char *uuid, unsigned int n, uint8_t *numbers);
/* Gives them back; cables to them become loopbacks. */
void mtty_ports_release(struct mtty_ports *ports, const char *uuid);
/* The number of port @index of the instance @uuid, or -ENODEV. */
int mtty_port_find(const struct mtty_ports *ports, const char *uuid, unsigned int index);

/*
 * A line as text: "loopback", "cable:UUID:INDEX", "pty", "file:/PATH", with or without a newline.
 * A cable is put on both ends at once, and its old ends' other ports become loopbacks. Takes effect
 * when the card is opened next. 0; -EINVAL: no such kind, a path that is not absolute or too long;
 * -ENODEV: no such port.
 */
int mtty_line_parse(struct mtty_ports *ports, unsigned int number, const char *text);
/* Into @buf with a newline; returns the length. */
int mtty_line_show(struct mtty_ports *ports, unsigned int number, char *buf, size_t size);

/* A loopback again; so is the other end of a cable. */
void mtty_line_clear(struct mtty_ports *ports, unsigned int number);

/* The card is opened: the port has @line now. Who stands for the end of a cable has attached. */
void mtty_port_plug(struct mtty_ports *ports, unsigned int number, const struct mtty_line *line,
		    bool stopped);
void mtty_port_unplug(struct mtty_ports *ports, unsigned int number);
void mtty_port_stop(struct mtty_ports *ports, unsigned int number, bool stopped);
/* Registers; what the line does of it happens before they return. Ports of other cards that have
 * news have their bells rung. */
uint8_t mtty_port_read(struct mtty_ports *ports, unsigned int number, unsigned int reg);
void mtty_port_write(struct mtty_ports *ports, unsigned int number, unsigned int reg, uint8_t val);
void mtty_port_reset(struct mtty_ports *ports, unsigned int number);
/* After the UART's state was replaced: signals and characters move as it says. */
void mtty_port_replaced(struct mtty_ports *ports, unsigned int number);

/* For a thread that stands for this process at a cable or pty, from before it is plugged until
 * it is unplugged. The parent's lock is not held. */
void mtty_port_attach(struct mtty_port *port);
void mtty_port_detach(struct mtty_port *port);
/* Whether such a thread stands there, in whichever process. */
bool mtty_port_attended(struct mtty_port *port);
/* Pulls the plug of the other end when its process has died. */
void mtty_port_look(struct mtty_ports *ports, unsigned int number);

/* The process that held the lock died: ports in hand and those whose state is torn are reset. */
void mtty_ports_recover(struct mtty_ports *ports);

#endif
