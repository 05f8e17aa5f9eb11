/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The migration stream of a card: a head and each port's UART, little-endian, without padding. It
 * comes from outside: everything in it is checked before any of it is used.
 */
#ifndef DRIVERS_MTTY_STREAM_H
#define DRIVERS_MTTY_STREAM_H

#include "drivers/mtty/port.h"

#define MTTY_STREAM_MAGIC 0x7e9d09898c3e2c4eull /* that of Linux's sample */
#define MTTY_STREAM_MAJOR 2			/* the sample has 1 */
#define MTTY_STREAM_MINOR 0

struct mtty_stream_head {
	uint64_t magic;
	uint32_t major, minor;
	uint32_t nr_ports;
	uint32_t flags; /* 0 */
};

struct mtty_stream_port {
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t errors;	    /* of LSR */
	uint8_t msr;	    /* its deltas; the signals are those of the new line */
	uint8_t thri;	    /* an interrupt of the transmitter is due */
	uint8_t send_break; /* a break follows */
	uint8_t zero[3];
	uint8_t rx_count, tx_count;
	uint8_t rx[UART_FIFO_SIZE], rx_errors[UART_FIFO_SIZE], tx[UART_FIFO_SIZE];
};

struct mtty_stream {
	struct mtty_stream_head head;
	struct mtty_stream_port port[MTTY_CARD_PORTS];
};

_Static_assert(sizeof(struct mtty_stream_head) == 24, "the head has 24 bytes");
_Static_assert(sizeof(struct mtty_stream_port) == 64, "a port has 64 bytes");
_Static_assert(sizeof(struct mtty_stream) == 152, "there is no padding");

static inline size_t mtty_stream_size(uint32_t nr_ports)
{
	return sizeof(struct mtty_stream_head) + nr_ports * sizeof(struct mtty_stream_port);
}

void mtty_stream_head(struct mtty_stream_head *head, uint32_t nr_ports);
/* Whether a card with @nr_ports takes what follows. */
bool mtty_stream_head_valid(const struct mtty_stream_head *head, uint32_t nr_ports);
void mtty_stream_save(const struct uart *u, struct mtty_stream_port *port);
/* 0, -EINVAL: no UART is ever in that state. */
int mtty_stream_load(const struct mtty_stream_port *port, struct uart *u);

#endif
