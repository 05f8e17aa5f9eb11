/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's config space, as Linux's sample has it: a serial controller of WCH, one I/O BAR of 8
 * bytes a port, INTA#, no capabilities. The command register always says that I/O is on; of all
 * registers only the BARs and the interrupt line can be written.
 */
#include <string.h>

#include "drivers/mtty/card.h"

#define CFG_COMMAND	   0x04
#define CFG_STATUS	   0x06
#define CFG_REVISION	   0x08
#define CFG_BAR0	   0x10
#define CFG_SUBSYSTEM	   0x2c
#define CFG_INTERRUPT_LINE 0x3c
#define CFG_INTERRUPT_PIN  0x3d
#define CFG_VENDOR	   0x40
#define CFG_VENDOR_TEXT	   0x60

#define BAR_IO 0x01

static void put(uint8_t *at, uint32_t val, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		at[i] = (uint8_t)(val >> 8 * i);
}

void mtty_config_init(struct mtty_instance *inst)
{
	static const uint8_t vendor[] = { 0x23, 0, 0, 0x80, 0x23, 0, 0, 0, 0x23, 0, 0, 0, 0x23 };
	static const char text[] = "PCI Serial/UART";
	uint8_t *c = inst->config;

	memset(c, 0, sizeof(inst->config));
	put(c, 0x32534348, 4); /* 4348:3253 */
	put(c + CFG_COMMAND, 0x0001, 2);
	put(c + CFG_STATUS, 0x0200, 2);
	put(c + CFG_REVISION, 0x07000210, 4); /* class 07 00, programming interface 02: 16550 */
	for (unsigned int i = 0; i < inst->nr_ports; i++)
		put(c + CFG_BAR0 + 4 * i, BAR_IO, 4);
	put(c + CFG_SUBSYSTEM, 0x32534348, 4);
	c[CFG_INTERRUPT_PIN] = 1;
	memcpy(c + CFG_VENDOR, vendor, sizeof(vendor));
	memcpy(c + CFG_VENDOR_TEXT, text, sizeof(text) - 1);
}

/* Which bits of a byte can be written. */
static uint8_t writable(const struct mtty_instance *inst, unsigned int off)
{
	if (off >= CFG_BAR0 && off < CFG_BAR0 + 4u * inst->nr_ports)
		return off % 4 ? 0xff : (uint8_t) ~(UART_NR_REGS - 1);
	return off == CFG_INTERRUPT_LINE ? 0xff : 0;
}

void mtty_config_write(struct mtty_instance *inst, unsigned int off, const uint8_t *buf,
		       unsigned int len)
{
	for (unsigned int i = 0; i < len; i++) {
		uint8_t mask = writable(inst, off + i), *at = &inst->config[off + i];

		*at = (uint8_t)((*at & ~mask) | (buf[i] & mask));
	}
}
