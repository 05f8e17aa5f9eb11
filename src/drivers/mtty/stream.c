/* SPDX-License-Identifier: BSD-3-Clause */
/* The migration stream: see stream.h. FIFOs are sent from their oldest character on. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "drivers/mtty/stream.h"

void mtty_stream_head(struct mtty_stream_head *head, uint32_t nr_ports)
{
	head->magic = htole64(MTTY_STREAM_MAGIC);
	head->major = htole32(MTTY_STREAM_MAJOR);
	head->minor = htole32(MTTY_STREAM_MINOR);
	head->nr_ports = htole32(nr_ports);
	head->flags = 0;
}

bool mtty_stream_head_valid(const struct mtty_stream_head *head, uint32_t nr_ports)
{
	struct mtty_stream_head ours;

	mtty_stream_head(&ours, nr_ports);
	return !memcmp(head, &ours, sizeof(ours));
}

static void save_fifo(const struct uart_fifo *f, uint8_t *data, uint8_t *errors)
{
	/* The count lies where other processes can write. */
	for (unsigned int i = 0; i < f->count && i < UART_FIFO_SIZE; i++) {
		data[i] = f->data[(f->head + i) % UART_FIFO_SIZE];
		if (errors)
			errors[i] = f->errors[(f->head + i) % UART_FIFO_SIZE];
	}
}

void mtty_stream_save(const struct uart *u, struct mtty_stream_port *port)
{
	memset(port, 0, sizeof(*port));
	port->ier = u->ier;
	port->fcr = u->fcr;
	port->lcr = u->lcr;
	port->mcr = u->mcr;
	port->scr = u->scr;
	port->dll = u->dll;
	port->dlm = u->dlm;
	port->errors = u->errors;
	port->msr = u->msr;
	port->thri = u->thri;
	port->send_break = u->send_break;
	port->rx_count = u->rx.count;
	port->tx_count = u->tx.count;
	save_fifo(&u->rx, port->rx, port->rx_errors);
	save_fifo(&u->tx, port->tx, NULL);
}

int mtty_stream_load(const struct mtty_stream_port *port, struct uart *u)
{
	memset(u, 0, sizeof(*u));
	u->ier = port->ier;
	u->fcr = port->fcr;
	u->lcr = port->lcr;
	u->mcr = port->mcr;
	u->scr = port->scr;
	u->dll = port->dll;
	u->dlm = port->dlm;
	u->errors = port->errors;
	u->msr = port->msr;
	u->lines = port->msr & UART_MSR_LINES;
	u->thri = port->thri;
	u->send_break = port->send_break;
	u->rx.count = port->rx_count;
	u->tx.count = port->tx_count;
	memcpy(u->rx.data, port->rx, sizeof(port->rx));
	memcpy(u->rx.errors, port->rx_errors, sizeof(port->rx_errors));
	memcpy(u->tx.data, port->tx, sizeof(port->tx));
	if (port->zero[0] | port->zero[1] | port->zero[2])
		return -EINVAL;
	return uart_valid(u) ? 0 : -EINVAL;
}
