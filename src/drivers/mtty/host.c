/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process' side of a port's line, while the card is open there:
 *
 * - cable: a thread sleeps on the port's bell, which other processes ring, and raises interrupts.
 *   Now and then it looks whether the other end's process still lives.
 * - pty: a thread waits for what is typed, and for room when the pty is full. Output for a pty that
 *   nobody has open is lost, as on a line without terminal.
 * - file: what the port sends is appended; nothing comes from there. What a file cannot take at
 *   once is lost.
 *
 * Characters are taken from the pty only when the receiver has room, and stay in the transmitter
 * until the pty has taken them. Locks: the parent's, around all but waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/thread.h"
#include "drivers/mtty/card.h"

/* How often a pty is looked at that nobody has open: poll(2) cannot wait for that. */
#define LOOK_MS 100
/* How often the other end of a cable is. */
#define LOOK_NS 250000000

struct mtty_host {
	struct mtty_card *card;
	unsigned int index; /* of the port on the card */
	int fd;		    /* the pty's master, or the file; -1: a cable */
	int wake;	    /* eventfd that ends the thread's poll; -1: it has none */
	bool threaded;
	pthread_t thread;
	sem_t attached; /* posted by the thread */
	atomic_bool stop;
	/* The parent's lock. */
	bool blocked; /* the pty takes no more; the thread waits until it does */
	bool full;    /* the receiver has no room; the thread does not listen */
};

static struct mtty_port *port_of(struct mtty_host *host)
{
	return &host->card->ports->port[host->card->number[host->index]];
}

static void wake(struct mtty_host *host)
{
	const uint64_t one = 1;

	if (host->wake >= 0 && write(host->wake, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

/* ---- characters ------------------------------------------------------------------------------ */

static bool nobody_there(const struct mtty_host *host)
{
	struct pollfd p = { .fd = host->fd };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* Locked. */
static void send(struct mtty_host *host)
{
	struct mtty_port *port = port_of(host);
	uint8_t buf[UART_FIFO_SIZE];
	unsigned int n;
	long ret;

	while (!port->stopped && (n = uart_tx_peek(&port->uart, buf, sizeof(buf))) > 0) {
		if (host->threaded && nobody_there(host)) {
			uart_tx_done(&port->uart, n);
			break;
		}
		ret = fd_writev_quietly(host->fd, &(struct iovec){ buf, n }, 1);
		if (ret == -EAGAIN && host->threaded) {
			host->blocked = true;
			wake(host);
			break;
		}
		/* A disk that is full, a pipe that is or has no reader lose it: a line has no way
		 * to say so. */
		uart_tx_done(&port->uart, ret > 0 ? (unsigned int)ret : n);
	}
	uart_tx_break(&port->uart); /* no file and no pty knows of breaks */
}

/* Locked. */
static void receive(struct mtty_host *host)
{
	struct mtty_port *port = port_of(host);
	uint8_t buf[UART_FIFO_SIZE];
	ssize_t n;

	while (!port->stopped && uart_rx_room(&port->uart)) {
		n = read(host->fd, buf, uart_rx_room(&port->uart));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			uart_rx(&port->uart, buf[i], 0);
	}
}

void mtty_host_kick(struct mtty_host *host)
{
	if (!host || host->fd < 0)
		return;
	if (!host->blocked)
		send(host);
	if (host->full && uart_rx_room(&port_of(host)->uart) && !port_of(host)->stopped)
		wake(host);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void pty_round(struct mtty_host *host)
{
	struct pollfd p[2] = { { .fd = host->wake, .events = POLLIN }, { .fd = host->fd } };
	uint64_t count;
	int n;

	mtty_card_lock(host->card);
	host->full = port_of(host)->stopped || !uart_rx_room(&port_of(host)->uart);
	p[1].events = (short)((host->full ? 0 : POLLIN) | (host->blocked ? POLLOUT : 0));
	mtty_card_unlock(host->card);
	/* Without a terminal poll() would return at once, again and again. */
	n = nobody_there(host) ? poll(p, 1, LOOK_MS) : poll(p, p[1].events ? 2 : 1, -1);
	if (n < 0)
		return;
	if (p[0].revents && read(host->wake, &count, sizeof(count)) < 0)
		return;
	mtty_card_lock(host->card);
	receive(host);
	host->blocked = false;
	send(host);
	mtty_card_update_irq(host->card);
	mtty_card_unlock(host->card);
}

static void *pty_thread(void *arg)
{
	struct mtty_host *host = arg;

	mtty_port_attach(port_of(host));
	sem_post(&host->attached);
	while (!atomic_load(&host->stop))
		pty_round(host);
	mtty_port_detach(port_of(host));
	return NULL;
}

static void *cable_thread(void *arg)
{
	static const struct timespec look = { .tv_nsec = LOOK_NS };
	struct mtty_host *host = arg;
	struct mtty_card *card = host->card;
	struct mtty_port *port = port_of(host);
	uint32_t seen;

	mtty_port_attach(port);
	sem_post(&host->attached);
	while (!atomic_load(&host->stop)) {
		seen = atomic_load(&port->bell);
		mtty_card_lock(card);
		mtty_port_look(card->ports, card->number[host->index]);
		mtty_card_update_irq(card);
		mtty_card_unlock(card);
		if (!atomic_load(&host->stop))
			syscall(SYS_futex, &port->bell, FUTEX_WAIT, seen, &look, NULL, 0);
	}
	mtty_port_detach(port);
	return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static int open_pty(struct mtty_host *host)
{
	struct termios tio;
	char name[64];
	int fd, slave;

	fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (unlockpt(fd) || ptsname_r(fd, name, sizeof(name))) {
		fd_close(fd);
		return -ENOTTY;
	}
	/* Characters pass as they are. Opened once and closed, it says that nobody is there. */
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave >= 0 && !tcgetattr(slave, &tio)) {
		cfmakeraw(&tio);
		tcsetattr(slave, TCSANOW, &tio);
	}
	fd_close(slave);
	host->fd = fd_move_high(fd);
	if (host->fd < 0)
		return host->fd;
	mtty_card_lock(host->card);
	snprintf(port_of(host)->pty, sizeof(port_of(host)->pty), "%s", name);
	mtty_card_unlock(host->card);
	pr_info("mtty %s: port %u is %s", host->card->mdev->dev.name, host->index, name);
	return 0;
}

static int open_file(struct mtty_host *host, const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0666);
	int ret;

	if (fd < 0) {
		ret = -errno;
		pr_err("mtty %s: port %u: %s: %s", host->card->mdev->dev.name, host->index, path,
		       strerror(-ret));
		return ret;
	}
	host->fd = fd_move_high(fd);
	return host->fd < 0 ? host->fd : 0;
}

/* The thread stands for this process when this returns. */
static int start_thread(struct mtty_host *host, void *(*fn)(void *))
{
	int ret = thread_create(&host->thread, "uvfio-mtty", fn, host);

	host->threaded = !ret;
	while (!ret && sem_wait(&host->attached) && errno == EINTR)
		;
	return ret;
}

static int start_pty(struct mtty_host *host)
{
	int ret = open_pty(host);

	if (ret)
		return ret;
	host->wake = fd_move_high(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	return host->wake < 0 ? host->wake : start_thread(host, pty_thread);
}

int mtty_host_start(struct mtty_card *card, unsigned int index, const struct mtty_line *line,
		    struct mtty_host **out)
{
	struct mtty_host *host;
	int ret;

	*out = NULL;
	if (line->kind == MTTY_LINE_LOOPBACK)
		return 0;
	host = FAIL_POINT() ? NULL : calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	host->card = card;
	host->index = index;
	host->fd = host->wake = -1;
	sem_init(&host->attached, 0, 0);
	if (line->kind == MTTY_LINE_PTY)
		ret = start_pty(host);
	else if (line->kind == MTTY_LINE_FILE)
		ret = open_file(host, line->path);
	else
		ret = start_thread(host, cable_thread);
	if (ret)
		mtty_host_stop(host);
	else
		*out = host;
	return ret;
}

void mtty_host_stop(struct mtty_host *host)
{
	if (!host)
		return;
	atomic_store(&host->stop, true);
	if (host->threaded) {
		wake(host);
		atomic_fetch_add(&port_of(host)->bell, 1);
		syscall(SYS_futex, &port_of(host)->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
		pthread_join(host->thread, NULL);
	}
	fd_close(host->fd);
	fd_close(host->wake);
	sem_destroy(&host->attached);
	free(host);
}
