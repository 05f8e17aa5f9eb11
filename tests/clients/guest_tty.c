/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The test of serial ports inside the guest.
 *
 * guest_tty echo KIB: each port of the PCI serial card hears what it sends: KIB KiB in all.
 * guest_tty cable KIB: what the first port sends comes in at the second, which sends it back.
 * guest_tty migrate: puts 32 characters into the second port's FIFOs by hand, lets a stream run
 * over the first until a line comes in on stdin, and then reads the 32 back.
 *
 * Prints one line for each thing that was found to be so. Exit status: 0, or 1 with a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/io.h>

/* What may be under way: far less than the tty layer keeps when nobody reads. */
#define WINDOW	    512u
#define PATIENCE_MS 120000
#define BEHIND	    32 /* two FIFOs of 16 */

enum { THR = 0, RBR = 0, FCR = 2, MCR = 4, LSR = 5 };

struct port {
	char name[32];
	unsigned short io;
	int fd;
};

static struct port ports[2];

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* The ports of the card, by their I/O addresses. */
static unsigned int find_ports(void)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < 32 && found < 2; i++) {
		char path[128], text[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/tty/ttyS%u/device/vendor", i);
		f = fopen(path, "r");
		if (!f || !fgets(text, sizeof(text), f) || strncmp(text, "0x4348", 6) != 0) {
			if (f)
				fclose(f);
			continue;
		}
		fclose(f);
		snprintf(path, sizeof(path), "/sys/class/tty/ttyS%u/port", i);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%hx", &ports[found].io) != 1)
			fail(path);
		fclose(f);
		snprintf(ports[found].name, sizeof(ports[found].name), "/dev/ttyS%u", i);
		printf("port %s at %#x\n", ports[found].name, ports[found].io);
		found++;
	}
	return found;
}

static void open_port(struct port *port)
{
	struct termios tio;

	port->fd = open(port->name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (port->fd < 0 || tcgetattr(port->fd, &tio))
		fail(port->name);
	cfmakeraw(&tio);
	cfsetspeed(&tio, B115200);
	tio.c_cflag |= CLOCAL | CREAD;
	if (tcsetattr(port->fd, TCSANOW, &tio) || tcflush(port->fd, TCIOFLUSH))
		fail(port->name);
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 167 + (at >> 8));
}

struct stream {
	int out, in;
	uint64_t sent, received;
};

/* Sends up to @total and compares what comes; false: nothing could be done. */
static bool move(struct stream *s, uint64_t total)
{
	uint8_t buf[256];
	size_t room = WINDOW - (size_t)(s->sent - s->received), len = 0;
	bool moved = false;
	ssize_t n;

	while (len < sizeof(buf) && len < room && s->sent + len < total) {
		buf[len] = pattern(s->sent + len);
		len++;
	}
	n = len ? write(s->out, buf, len) : 0;
	if (n > 0) {
		s->sent += (uint64_t)n;
		moved = true;
	}
	n = read(s->in, buf, sizeof(buf));
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != pattern(s->received)) {
			printf("character %llu is %02x and should be %02x\n",
			       (unsigned long long)s->received, buf[i], pattern(s->received));
			exit(1);
		}
		s->received++;
		moved = true;
	}
	return moved;
}

static void wait_for(const struct stream *s, int other)
{
	struct pollfd p[2] = { { .fd = s->in, .events = POLLIN },
			       { .fd = other, .events = POLLIN } };

	if (s->sent - s->received < WINDOW && s->out >= 0)
		p[0].events |= POLLOUT;
	/* All is sent and nothing comes: it is lost. */
	if (poll(p, other < 0 ? 1 : 2, PATIENCE_MS) == 0) {
		printf("%llu sent, %llu received, and nothing more comes\n",
		       (unsigned long long)s->sent, (unsigned long long)s->received);
		exit(1);
	}
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The two streams take turns, so that both ports are busy at once. */
static void echo(uint64_t total)
{
	struct stream s[2] = { { ports[0].fd, ports[0].fd, 0, 0 },
			       { ports[1].fd, ports[1].fd, 0, 0 } };
	double start = seconds();

	while (s[0].received < total || s[1].received < total) {
		bool first = move(&s[0], total), second = move(&s[1], total);

		if (!first && !second)
			wait_for(&s[s[0].received >= total], s[1].received < total ? s[1].in : -1);
	}
	printf("echoed %llu and %llu\n", (unsigned long long)s[0].received,
	       (unsigned long long)s[1].received);
	printf("rate %.0f characters a second\n", (double)(2 * total) / (seconds() - start));
}

/* The far end: what comes in goes out again. */
static bool send_back(int fd, uint8_t *held, size_t *len)
{
	bool moved = false;
	ssize_t n;

	if (!*len && (n = read(fd, held, 256)) > 0)
		*len = (size_t)n;
	n = *len ? write(fd, held, *len) : 0;
	if (n > 0) {
		memmove(held, held + n, *len - (size_t)n);
		*len -= (size_t)n;
		moved = true;
	}
	return moved;
}

static void cable(uint64_t total)
{
	struct stream s = { ports[0].fd, ports[0].fd, 0, 0 };
	double start = seconds();
	uint8_t held[256];
	size_t len = 0;

	while (s.received < total) {
		bool near = move(&s, total), far = send_back(ports[1].fd, held, &len);

		if (!near && !far)
			wait_for(&s, ports[1].fd);
	}
	printf("there and back %llu\n", (unsigned long long)s.received);
	printf("rate %.0f characters a second\n", (double)(2 * total) / (seconds() - start));
}

static void migrate(void)
{
	struct stream s = { ports[0].fd, ports[0].fd, 0, 0 };
	unsigned short io = ports[1].io;
	uint64_t told = 0, end = UINT64_MAX;
	double start;

	if (iopl(3))
		fail("iopl");
	/* Nobody has the second port open: its registers are ours. DTR on: its FIFOs wait. */
	outb(1, io + FCR);
	outb(7, io + FCR);
	outb(3, io + MCR);
	for (unsigned int i = 0; i < BEHIND; i++)
		outb((unsigned char)('A' + i), io + THR);
	printf("waiting in the FIFOs: %d, line status %02x\n", BEHIND, inb(io + LSR));
	start = seconds();
	while (s.received < end) {
		struct pollfd p = { .fd = 0, .events = POLLIN };
		char line[8];

		if (!move(&s, end))
			wait_for(&s, 0);
		if (s.received >= told) {
			printf("stream at %llu\n", (unsigned long long)s.received);
			told = s.received + 4096;
		}
		/* The same amount once more on the other side, and then what is under way. */
		if (end == UINT64_MAX && poll(&p, 1, 0) == 1 && read(0, line, sizeof(line)) > 0)
			end = s.sent + 16384;
	}
	printf("stream ends at %llu of %llu, %.1f seconds\n", (unsigned long long)s.received,
	       (unsigned long long)s.sent, seconds() - start);
	for (unsigned int i = 0; i < BEHIND; i++) {
		unsigned char lsr = inb(io + LSR), c = inb(io + RBR);

		if (!(lsr & 1) || c != 'A' + i) {
			printf("character %u of %d in the FIFOs: status %02x, %02x\n", i, BEHIND,
			       lsr, c);
			exit(1);
		}
	}
	printf("all %d were in the FIFOs\n", BEHIND);
}

/* While the ports are open: an interrupt that nobody has is not listed. */
static void show_interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "ttyS"))
			printf("interrupts %s", line);
	if (f)
		fclose(f);
}

int main(int argc, char **argv)
{
	uint64_t total = argc > 2 ? strtoull(argv[2], NULL, 0) << 10 : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || find_ports() != 2) {
		printf("there are no two ports\n");
		return 1;
	}
	open_port(&ports[0]);
	if (!strcmp(argv[1], "migrate")) {
		migrate();
		show_interrupts();
		return 0;
	}
	open_port(&ports[1]);
	if (!strcmp(argv[1], "cable"))
		cable(total);
	else
		echo(total / 2);
	show_interrupts();
	return 0;
}
