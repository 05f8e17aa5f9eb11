/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Serial ports: accesses to registers of three cards in any order, lines put and taken, migration
 * streams of any content. Beside "nothing breaks": every UART stays in a state that one can have,
 * a cable has two ends, a stream that is refused changes nothing and one that is taken is saved as
 * it was, and nobody waits for a port that takes characters.
 */
#include "drivers/mtty/card.h"
#include "drivers/mtty/stream.h"
#include "input.h"

#define OPS   256
#define CARDS 3

static const char *const uuids[CARDS] = {
	"aaaaaaaa-0000-0000-0000-000000000001",
	"bbbbbbbb-0000-0000-0000-000000000002",
	"cccccccc-0000-0000-0000-000000000003",
};
static struct mtty_ports ports;
static unsigned int nr_ports;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

static void check_port(unsigned int number)
{
	struct mtty_port *port = &ports.port[number], *far;

	must(uart_valid(&port->uart), "port %u", number);
	if (port->configured.kind == MTTY_LINE_CABLE) {
		far = &ports.port[port->configured.peer];
		must(port->configured.peer < nr_ports && far->configured.kind == MTTY_LINE_CABLE &&
			     far->configured.peer == number,
		     "cable of %u", number);
	}
	if (port->plugged.kind == MTTY_LINE_LOOPBACK && !port->stopped)
		must(!uart_tx_waiting(&port->uart) || !uart_rx_room(&port->uart), "port %u waits",
		     number);
	if (port->plugged.kind == MTTY_LINE_NONE && !port->stopped)
		must(!uart_tx_waiting(&port->uart), "port %u waits for nobody", number);
}

static void parse_line(struct input *in, unsigned int number)
{
	static const char *const kinds[] = { "loopback", "pty", "file:/", "cable:", "" };
	char text[400], shown[400];
	unsigned int kind = below(in, 5), len;

	snprintf(text, sizeof(text), "%s", kinds[kind]);
	if (kind == 3)
		snprintf(text, sizeof(text), "cable:%s:%u\n", uuids[below(in, CARDS)],
			 below(in, 3));
	if (take8(in) & 1) {
		len = (unsigned int)strlen(text);
		take(in, text + len, take8(in) % (sizeof(text) - len));
		text[sizeof(text) - 1] = '\0';
	}
	if (!mtty_line_parse(&ports, number, text)) {
		mtty_line_show(&ports, number, shown, sizeof(shown));
		must(!strncmp(shown, text, strcspn(text, "\n")), "%s shows %s", text, shown);
	}
}

static void stream(struct input *in, unsigned int number)
{
	struct mtty_stream_port bytes, again;
	struct uart u;

	mtty_stream_save(&ports.port[number].uart, &bytes);
	must(!mtty_stream_load(&bytes, &u), "what was saved is refused");
	for (unsigned int n = below(in, 6); n; n--)
		((uint8_t *)&bytes)[take8(in) % sizeof(bytes)] = take8(in);
	if (mtty_stream_load(&bytes, &u))
		return;
	must(uart_valid(&u), "taken and not valid");
	mtty_stream_save(&u, &again);
	must(again.rx_count == bytes.rx_count && again.tx_count == bytes.tx_count &&
		     !memcmp(again.rx, bytes.rx, bytes.rx_count) &&
		     !memcmp(again.tx, bytes.tx, bytes.tx_count),
	     "characters changed");
	ports.port[number].uart = u;
	mtty_port_replaced(&ports, number);
}

static void head(struct input *in)
{
	struct mtty_stream_head bytes, good;
	uint32_t n = 1 + below(in, 2);

	mtty_stream_head(&good, n);
	take(in, &bytes, sizeof(bytes));
	must(mtty_stream_head_valid(&good, n), "a good head is refused");
	must(mtty_stream_head_valid(&bytes, n) == !memcmp(&bytes, &good, sizeof(bytes)), "head");
}

static void config(struct input *in)
{
	struct mtty_instance inst = { .nr_ports = (uint8_t)(1 + below(in, 2)) };
	unsigned int off = take8(in), len = below(in, 5);
	uint8_t bytes[4], ids[16];

	mtty_config_init(&inst);
	memcpy(ids, inst.config, sizeof(ids));
	take(in, bytes, sizeof(bytes));
	if (off + len > MTTY_CONFIG_SIZE)
		return;
	mtty_config_write(&inst, off, bytes, len);
	must(!memcmp(ids, inst.config, sizeof(ids)) && inst.config[0x3d] == 1, "ids");
	for (unsigned int bar = 0; bar < 6; bar++)
		must((inst.config[0x10 + 4 * bar] & 7) == (bar < inst.nr_ports), "BAR %u", bar);
}

static void step(struct input *in)
{
	unsigned int number = below(in, nr_ports), op = below(in, 16);
	struct mtty_line line;
	char shown[300];

	switch (op) {
	case 0:
		line = ports.port[number].configured;
		mtty_port_plug(&ports, number, &line, take8(in) & 1);
		break;
	case 1:
		mtty_port_unplug(&ports, number);
		break;
	case 2:
		mtty_port_stop(&ports, number, take8(in) & 1);
		break;
	case 3:
		parse_line(in, number);
		break;
	case 4:
		stream(in, number);
		break;
	case 5:
		mtty_port_reset(&ports, number);
		break;
	case 6:
		ports.in_hand = take8(in) & ((1u << nr_ports) - 1);
		mtty_ports_recover(&ports);
		break;
	case 7:
		mtty_line_show(&ports, number, shown, sizeof(shown));
		break;
	case 8:
		head(in);
		break;
	case 9:
		config(in);
		break;
	default:
		if (op & 1)
			mtty_port_read(&ports, number, below(in, 8));
		else
			mtty_port_write(&ports, number, below(in, 8), take8(in));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t numbers[2];

	memset(&ports, 0, sizeof(ports));
	nr_ports = 0;
	for (unsigned int i = 0; i < CARDS; i++) {
		unsigned int n = 1 + (i & 1);

		must(!mtty_ports_take(&ports, uuids[i], n, numbers), "take");
		nr_ports += n;
	}
	for (unsigned int i = 0; i < OPS && in.size; i++) {
		step(&in);
		for (unsigned int p = 0; p < nr_ports; p++)
			check_port(p);
	}
	for (unsigned int i = 0; i < CARDS; i++)
		mtty_ports_release(&ports, uuids[i]);
	must(mtty_ports_free(&ports) == MTTY_MAX_PORTS, "not all are free");
	return 0;
}
