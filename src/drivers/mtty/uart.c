/* SPDX-License-Identifier: BSD-3-Clause */
/* The 16550A: see uart.h. Sections are those of the PC16550D's data sheet. */
#include <string.h>

#include "drivers/mtty/uart.h"

static bool fifo_mode(const struct uart *u)
{
	return u->fcr & UART_FCR_ENABLE;
}

static unsigned int depth(const struct uart *u)
{
	return fifo_mode(u) ? UART_FIFO_SIZE : 1;
}

/* Section 8.5: FCR bits 6 and 7. */
static unsigned int trigger_level(const struct uart *u)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return fifo_mode(u) ? levels[u->fcr >> 6] : 1;
}

static void fifo_push(struct uart_fifo *f, uint8_t c, uint8_t errors)
{
	unsigned int at = (f->head + f->count) % UART_FIFO_SIZE;

	f->data[at] = c;
	f->errors[at] = errors;
	f->count++;
}

static void fifo_drop(struct uart_fifo *f, unsigned int n)
{
	f->head = (uint8_t)((f->head + n) % UART_FIFO_SIZE);
	f->count = (uint8_t)(f->count - n);
}

static void fifo_clear(struct uart_fifo *f)
{
	f->head = f->count = 0;
}

/* ---- receiver -------------------------------------------------------------------------------- */

unsigned int uart_rx_room(const struct uart *u)
{
	return depth(u) - MIN(depth(u), u->rx.count);
}

/* Section 8.4: the error bits show those of the character on top when it gets there. */
static void show_errors_of_top(struct uart *u)
{
	if (u->rx.count)
		u->errors |= u->rx.errors[u->rx.head % UART_FIFO_SIZE];
}

static void receive(struct uart *u, uint8_t c, uint8_t errors)
{
	if (!uart_rx_room(u)) {
		u->errors |= UART_LSR_OE;
		/* A FIFO keeps what it has; without one the new character destroys the old one. */
		if (fifo_mode(u))
			return;
		fifo_clear(&u->rx);
	}
	fifo_push(&u->rx, c, errors);
	if (u->rx.count == 1)
		show_errors_of_top(u);
}

void uart_rx(struct uart *u, uint8_t c, uint8_t errors)
{
	/* In loopback mode the serial input is disconnected (section 8.7). */
	if (!(u->mcr & UART_MCR_LOOP))
		receive(u, c, errors);
}

static uint8_t read_rbr(struct uart *u)
{
	uint8_t c = u->rx.data[u->rx.head % UART_FIFO_SIZE];

	/* An empty receiver gives the last character once more. */
	if (!u->rx.count)
		return u->rx.data[(u->rx.head + UART_FIFO_SIZE - 1) % UART_FIFO_SIZE];
	u->errors &= (uint8_t)~UART_LSR_ERRS;
	fifo_drop(&u->rx, 1);
	show_errors_of_top(u);
	return c;
}

/* ---- transmitter ----------------------------------------------------------------------------- */

static void transmitter_empty(struct uart *u)
{
	u->thri = 1;
}

/* In loopback mode the receiver gets it at once. */
static void loop_back(struct uart *u)
{
	if (!(u->mcr & UART_MCR_LOOP))
		return;
	while (u->tx.count) {
		receive(u, u->tx.data[u->tx.head % UART_FIFO_SIZE], 0);
		fifo_drop(&u->tx, 1);
		if (!u->tx.count)
			transmitter_empty(u);
	}
	if (u->send_break) {
		u->send_break = 0;
		receive(u, 0, UART_LSR_BI);
	}
}

unsigned int uart_tx_waiting(const struct uart *u)
{
	return u->mcr & UART_MCR_LOOP ? 0 : u->tx.count;
}

unsigned int uart_tx_peek(const struct uart *u, uint8_t *buf, unsigned int max)
{
	unsigned int n = MIN(max, uart_tx_waiting(u));

	for (unsigned int i = 0; i < n; i++)
		buf[i] = u->tx.data[(u->tx.head + i) % UART_FIFO_SIZE];
	return n;
}

void uart_tx_done(struct uart *u, unsigned int n)
{
	n = MIN(n, u->tx.count);
	if (!n)
		return;
	fifo_drop(&u->tx, n);
	if (!u->tx.count)
		transmitter_empty(u);
}

bool uart_tx_break(struct uart *u)
{
	if (!u->send_break || u->tx.count || u->mcr & UART_MCR_LOOP)
		return false;
	u->send_break = 0;
	return true;
}

static void write_thr(struct uart *u, uint8_t c)
{
	u->thri = 0;
	if (u->tx.count == depth(u)) {
		/* A full FIFO ignores it; without FIFO the holding register is overwritten. */
		if (fifo_mode(u))
			return;
		fifo_clear(&u->tx);
	}
	fifo_push(&u->tx, c, 0);
	loop_back(u);
}

/* ---- modem signals --------------------------------------------------------------------------- */

/* Section 8.8: deltas since MSR was read; RI counts at its trailing edge. */
static void update_msr(struct uart *u)
{
	uint8_t lines = u->lines, changed;

	if (u->mcr & UART_MCR_LOOP)
		lines = (uint8_t)((u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
				  (u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
				  (u->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
				  (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
	changed = (u->msr ^ lines) & UART_MSR_LINES;
	if (lines & UART_MSR_RI)
		changed &= (uint8_t)~UART_MSR_RI;
	u->msr = (uint8_t)((u->msr & ~UART_MSR_LINES) | lines | changed >> 4);
}

void uart_set_lines(struct uart *u, uint8_t lines)
{
	u->lines = lines & UART_MSR_LINES;
	update_msr(u);
}

uint8_t uart_outputs(const struct uart *u)
{
	return u->mcr & UART_MCR_LOOP ? 0 : u->mcr & (UART_MCR_DTR | UART_MCR_RTS);
}

/* ---- registers ------------------------------------------------------------------------------- */

unsigned int uart_pending(const struct uart *u)
{
	unsigned int p = 0;

	if (u->ier & UART_IER_RLSI && u->errors)
		p |= UART_INT_RLS;
	if (u->ier & UART_IER_RDI && u->rx.count)
		p |= UART_INT_RX;
	if (u->ier & UART_IER_THRI && u->thri)
		p |= UART_INT_TX;
	if (u->ier & UART_IER_MSI && u->msr & ~UART_MSR_LINES)
		p |= UART_INT_MS;
	return p;
}

/* Section 8.6, table IV: the highest priority alone. */
static uint8_t read_iir(struct uart *u)
{
	uint8_t fifo = fifo_mode(u) ? UART_IIR_FIFO : 0;
	unsigned int p = uart_pending(u);

	if (p & UART_INT_RLS)
		return fifo | UART_IIR_RLSI;
	if (p & UART_INT_RX)
		return fifo | (u->rx.count >= trigger_level(u) ? UART_IIR_RDI : UART_IIR_TIMEOUT);
	if (p & UART_INT_TX) {
		u->thri = 0;
		return fifo | UART_IIR_THRI;
	}
	return fifo | (p & UART_INT_MS ? UART_IIR_MSI : UART_IIR_NO_INT);
}

static uint8_t read_lsr(struct uart *u)
{
	uint8_t lsr = u->errors;

	if (u->rx.count)
		lsr |= UART_LSR_DR;
	if (!u->tx.count)
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	for (unsigned int i = 0; fifo_mode(u) && i < u->rx.count; i++)
		if (u->rx.errors[(u->rx.head + i) % UART_FIFO_SIZE])
			lsr |= UART_LSR_FIFO;
	u->errors = 0;
	/* They have been reported: the one on top is a character like others now. */
	if (u->rx.count)
		u->rx.errors[u->rx.head % UART_FIFO_SIZE] = 0;
	return lsr;
}

static uint8_t read_msr(struct uart *u)
{
	uint8_t msr = u->msr;

	u->msr &= UART_MSR_LINES;
	return msr;
}

uint8_t uart_read(struct uart *u, unsigned int reg)
{
	bool dlab = u->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RBR:
		return dlab ? u->dll : read_rbr(u);
	case UART_IER:
		return dlab ? u->dlm : u->ier;
	case UART_IIR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		return read_lsr(u);
	case UART_MSR:
		return read_msr(u);
	case UART_SCR:
		return u->scr;
	default:
		return 0;
	}
}

static void write_ier(struct uart *u, uint8_t val)
{
	uint8_t on = val & (uint8_t)~u->ier;

	u->ier = val & 0x0f;
	/* Enabling it reports a transmitter that is empty already (section 8.6). */
	if (on & UART_IER_THRI && !u->tx.count)
		transmitter_empty(u);
}

static void write_fcr(struct uart *u, uint8_t val)
{
	bool toggled = (val ^ u->fcr) & UART_FCR_ENABLE;

	/* Section 8.5: the other bits are programmed only along with bit 0, and switching between
	 * the modes clears both FIFOs. */
	if (!(val & UART_FCR_ENABLE))
		val = 0;
	if (toggled || val & UART_FCR_CLEAR_RCVR) {
		fifo_clear(&u->rx);
		u->errors &= UART_LSR_OE;
	}
	if ((toggled || val & UART_FCR_CLEAR_XMIT) && u->tx.count) {
		fifo_clear(&u->tx);
		transmitter_empty(u);
	}
	u->fcr = val & (UART_FCR_ENABLE | UART_FCR_DMA | UART_FCR_TRIGGER);
}

static void write_lcr(struct uart *u, uint8_t val)
{
	if (val & ~u->lcr & UART_LCR_BREAK)
		u->send_break = 1;
	u->lcr = val;
	loop_back(u);
}

void uart_write(struct uart *u, unsigned int reg, uint8_t val)
{
	bool dlab = u->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_THR:
		if (dlab)
			u->dll = val;
		else
			write_thr(u, val);
		break;
	case UART_IER:
		if (dlab)
			u->dlm = val;
		else
			write_ier(u, val);
		break;
	case UART_FCR:
		write_fcr(u, val);
		break;
	case UART_LCR:
		write_lcr(u, val);
		break;
	case UART_MCR:
		u->mcr = val & UART_MCR_MASK;
		update_msr(u);
		loop_back(u);
		break;
	case UART_SCR:
		u->scr = val;
		break;
	default: /* LSR and MSR: writing is for the factory's tests alone */
		break;
	}
}

void uart_reset(struct uart *u)
{
	uint8_t lines = u->lines;

	memset(u, 0, sizeof(*u));
	u->lines = lines;
	u->msr = lines;
	u->thri = 1;
}

static bool fifo_valid(const struct uart *u, const struct uart_fifo *f, bool receiver)
{
	if (f->head >= UART_FIFO_SIZE || f->count > depth(u))
		return false;
	for (unsigned int i = 0; i < UART_FIFO_SIZE; i++)
		if (f->errors[i] & ~(receiver ? UART_LSR_ERRS : 0))
			return false;
	return true;
}

bool uart_valid(const struct uart *u)
{
	return fifo_valid(u, &u->rx, true) && fifo_valid(u, &u->tx, false) && !(u->ier & ~0x0f) &&
	       !(u->mcr & ~UART_MCR_MASK) &&
	       !(u->fcr & ~(UART_FCR_ENABLE | UART_FCR_DMA | UART_FCR_TRIGGER)) &&
	       (u->fcr & UART_FCR_ENABLE || !u->fcr) &&
	       !(u->errors & ~(UART_LSR_OE | UART_LSR_ERRS)) && !(u->lines & ~UART_MSR_LINES) &&
	       u->thri <= 1 && u->send_break <= 1;
}
