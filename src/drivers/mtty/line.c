/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a port goes, as text: the attributes `vendor/port0` and `vendor/port1` of an instance (see
 * port.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/mtty/port.h"

void mtty_line_clear(struct mtty_ports *ports, unsigned int number)
{
	struct mtty_line *line = &ports->port[number].configured, *far;

	if (line->kind == MTTY_LINE_CABLE) {
		far = &ports->port[line->peer % MTTY_MAX_PORTS].configured;
		if (far->kind == MTTY_LINE_CABLE && far->peer == number)
			far->kind = MTTY_LINE_LOOPBACK;
	}
	line->kind = MTTY_LINE_LOOPBACK;
}

static void set_line(struct mtty_ports *ports, unsigned int number, enum mtty_line_kind kind,
		     unsigned int peer, const char *path)
{
	struct mtty_line *line = &ports->port[number].configured;

	mtty_line_clear(ports, number);
	line->kind = (uint8_t)kind;
	line->peer = (uint8_t)peer;
	snprintf(line->path, sizeof(line->path), "%s", path);
}

/* "UUID:INDEX" */
static int parse_cable(struct mtty_ports *ports, unsigned int number, const char *text)
{
	char uuid[MTTY_UUID_LEN];
	const char *colon = strchr(text, ':');
	int peer;

	if (!colon || (size_t)(colon - text) != sizeof(uuid) - 1 || colon[1] < '0' ||
	    colon[1] >= '0' + MTTY_CARD_PORTS || colon[2])
		return -EINVAL;
	memcpy(uuid, text, sizeof(uuid) - 1);
	uuid[sizeof(uuid) - 1] = '\0';
	peer = mtty_port_find(ports, uuid, (unsigned int)(colon[1] - '0'));
	if (peer < 0)
		return peer;
	if ((unsigned int)peer == number)
		return -EINVAL;
	set_line(ports, number, MTTY_LINE_CABLE, (unsigned int)peer, "");
	set_line(ports, (unsigned int)peer, MTTY_LINE_CABLE, number, "");
	return 0;
}

int mtty_line_parse(struct mtty_ports *ports, unsigned int number, const char *text)
{
	char word[MTTY_PATH_LEN + sizeof("file:") + 1];
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		len--;
	if (!len || len >= sizeof(word))
		return -EINVAL;
	memcpy(word, text, len);
	word[len] = '\0';
	if (!strcmp(word, "loopback"))
		set_line(ports, number, MTTY_LINE_LOOPBACK, 0, "");
	else if (!strcmp(word, "pty"))
		set_line(ports, number, MTTY_LINE_PTY, 0, "");
	else if (!strncmp(word, "file:/", 6) && len - 5 < MTTY_PATH_LEN)
		set_line(ports, number, MTTY_LINE_FILE, 0, word + 5);
	else if (!strncmp(word, "cable:", 6))
		return parse_cable(ports, number, word + 6);
	else
		return -EINVAL;
	return 0;
}

int mtty_line_show(struct mtty_ports *ports, unsigned int number, char *buf, size_t size)
{
	struct mtty_port *port = &ports->port[number], *peer;

	switch (port->configured.kind) {
	case MTTY_LINE_CABLE:
		peer = &ports->port[port->configured.peer % MTTY_MAX_PORTS];
		return snprintf(buf, size, "cable:%.36s:%u\n", peer->uuid, peer->index);
	case MTTY_LINE_PTY:
		/* A user that has ended without closing took the terminal along. */
		if (port->plugged.kind == MTTY_LINE_PTY && port->pty[0] && mtty_port_attended(port))
			return snprintf(buf, size, "pty:%.63s\n", port->pty);
		return snprintf(buf, size, "pty\n");
	case MTTY_LINE_FILE:
		return snprintf(buf, size, "file:%.255s\n", port->configured.path);
	default:
		return snprintf(buf, size, "loopback\n");
	}
}
