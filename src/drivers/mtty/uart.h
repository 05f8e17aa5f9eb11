/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A 16550A: registers, two FIFOs of 16 characters, interrupts (National Semiconductor's data sheet
 * of the PC16550D, sections 8.1 to 8.8). The chip alone: what a port's line does with characters
 * and modem signals is port.h's.
 *
 * The line is infinitely fast: what the transmitter holds leaves as soon as the line takes it, so
 * the shift register is always empty (TEMT equals THRE), and a line that carries nothing more is
 * silent for four characters' time at once: characters below the trigger level are reported as a
 * timeout without delay. The divisor is kept and means nothing.
 *
 * The structure has no pointers: it lies in memory that processes share. Locks: its owner's.
 */
#ifndef DRIVERS_MTTY_UART_H
#define DRIVERS_MTTY_UART_H

#include "base/types.h"

#define UART_FIFO_SIZE 16
#define UART_NR_REGS   8

/* Register offsets; DLL and DLM instead of the first two while LCR has DLAB. */
enum {
	UART_RBR = 0,
	UART_THR = 0,
	UART_IER,
	UART_IIR,
	UART_FCR = 2,
	UART_LCR,
	UART_MCR,
	UART_LSR,
	UART_MSR,
	UART_SCR
};

#define UART_IER_RDI  0x01 /* received data, and the timeout */
#define UART_IER_THRI 0x02 /* transmitter holding register empty */
#define UART_IER_RLSI 0x04 /* receiver line status */
#define UART_IER_MSI  0x08 /* modem status */

#define UART_IIR_MSI	 0x00
#define UART_IIR_NO_INT	 0x01
#define UART_IIR_THRI	 0x02
#define UART_IIR_RDI	 0x04
#define UART_IIR_RLSI	 0x06
#define UART_IIR_TIMEOUT 0x0c
#define UART_IIR_FIFO	 0xc0 /* FIFOs are enabled */

#define UART_FCR_ENABLE	    0x01
#define UART_FCR_CLEAR_RCVR 0x02
#define UART_FCR_CLEAR_XMIT 0x04
#define UART_FCR_DMA	    0x08
#define UART_FCR_TRIGGER    0xc0

#define UART_LCR_BREAK 0x40
#define UART_LCR_DLAB  0x80

#define UART_MCR_DTR  0x01
#define UART_MCR_RTS  0x02
#define UART_MCR_OUT1 0x04
#define UART_MCR_OUT2 0x08
#define UART_MCR_LOOP 0x10
#define UART_MCR_MASK 0x1f

#define UART_LSR_DR   0x01
#define UART_LSR_OE   0x02
#define UART_LSR_PE   0x04
#define UART_LSR_FE   0x08
#define UART_LSR_BI   0x10
#define UART_LSR_THRE 0x20
#define UART_LSR_TEMT 0x40
#define UART_LSR_FIFO 0x80 /* an error somewhere in the receive FIFO */
#define UART_LSR_ERRS (UART_LSR_PE | UART_LSR_FE | UART_LSR_BI)

#define UART_MSR_DCTS  0x01
#define UART_MSR_DDSR  0x02
#define UART_MSR_TERI  0x04
#define UART_MSR_DDCD  0x08
#define UART_MSR_CTS   0x10
#define UART_MSR_DSR   0x20
#define UART_MSR_RI    0x40
#define UART_MSR_DCD   0x80
#define UART_MSR_LINES 0xf0

/* Causes of an interrupt, as uart_pending() gives them. */
#define UART_INT_RLS 0x01
#define UART_INT_RX  0x02
#define UART_INT_TX  0x04
#define UART_INT_MS  0x08

struct uart_fifo {
	uint8_t data[UART_FIFO_SIZE];
	uint8_t errors[UART_FIFO_SIZE]; /* LSR_ERRS bits of each; zero in the transmitter */
	uint8_t head;			/* where the oldest one is */
	uint8_t count;
};

struct uart {
	struct uart_fifo rx, tx;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t errors; /* of LSR: OE, and PE, FE, BI of the character on top */
	uint8_t msr;
	uint8_t lines;	    /* CTS, DSR, RI, DCD at the pins, as MSR has them */
	uint8_t thri;	    /* 1: the transmitter ran empty and nobody was told */
	uint8_t send_break; /* 1: a break follows the characters that wait */
};

/* Master reset. The pins stay as they are. */
void uart_reset(struct uart *u);

/* @reg below UART_NR_REGS. Reading has the side effects that the data sheet names. */
uint8_t uart_read(struct uart *u, unsigned int reg);
void uart_write(struct uart *u, unsigned int reg, uint8_t val);

/* UART_INT_* bits of the causes that are pending and enabled. */
unsigned int uart_pending(const struct uart *u);

/* The line's side. How many characters fit into the receiver. */
unsigned int uart_rx_room(const struct uart *u);
/* A character arrives, with LSR_ERRS bits; without room it or the one before is lost: OE. */
void uart_rx(struct uart *u, uint8_t c, uint8_t errors);
/* Characters that wait to leave through the pin: none in loopback mode. */
unsigned int uart_tx_waiting(const struct uart *u);
/* The oldest ones into @buf, up to @max; they stay. Returns how many. */
unsigned int uart_tx_peek(const struct uart *u, uint8_t *buf, unsigned int max);
/* @n of them have left. */
void uart_tx_done(struct uart *u, unsigned int n);
/* Whether a break is to be sent now; asking takes it. */
bool uart_tx_break(struct uart *u);
/* The modem signals at the input pins have become @lines (MSR_LINES bits). */
void uart_set_lines(struct uart *u, uint8_t lines);
/* MCR_DTR and MCR_RTS as the output pins show them. */
uint8_t uart_outputs(const struct uart *u);
/* Whether what is in @u, which came from outside, can be a UART's state. */
bool uart_valid(const struct uart *u);

#endif
