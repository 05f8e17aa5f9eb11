/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The EEPROM (6.0, 8.4): 256 words behind EERD, whose words 0x00 to 0x3f add up to 0xbaba (6.10).
 *
 * Software reads it through EERD; the pins of EECD are there for the request and grant handshake,
 * no serial part hangs behind them, and its contents cannot be changed.
 */
#include "models/igb/igb_priv.h"

#define NVM_SUM	     0xbaba
#define NVM_CHECKSUM 0x3f

/* The words that software looks at (6.1 has the map); all others read as not programmed. */
static const struct {
	uint8_t word;
	uint16_t value;
} words[] = {
	{ 0x03, 0x0d34 },		    /* compatibility: copper, one LAN port */
	{ 0x05, 0x2010 },		    /* image version */
	{ 0x08, 0xffff },		    /* no part number */
	{ 0x09, 0xffff }, { 0x0a, 0x40eb }, /* initialisation control 1: ids are loaded */
	{ 0x0b, 0x0000 },		    /* subsystem id */
	{ 0x0c, 0x8086 },		    /* subsystem vendor id */
	{ 0x0d, 0x10c9 },		    /* device id */
	{ 0x0f, 0x70c3 },		    /* initialisation control 2 */
	{ 0x10, 0x0004 },		    /* software defined pins */
	{ 0x11, 0x10c9 }, { 0x12, 0x5c00 }, /* size */
	{ 0x13, 0x0000 }, { 0x14, 0x2880 }, /* initialisation control 3: no wake-up */
	{ 0x16, 0x4a40 },		    /* MSI-X: 25 vectors */
	{ 0x24, 0x2080 }, { 0x26, 0x10ca }, /* VF device id */
	{ 0x27, 0x0000 }, { 0x28, 0x0000 }, { 0x37, 0xffff }, /* no alternative MAC address */
};

void igb_nvm_init(struct igb_fn *fn)
{
	uint16_t *nvm = fn->sh->nvm, sum = 0;

	for (unsigned int i = 0; i < IGB_NVM_WORDS; i++)
		nvm[i] = 0xffff;
	/* 6.2.1: the MAC address, first byte lowest. */
	for (unsigned int i = 0; i < 3; i++)
		nvm[i] = (uint16_t)(fn->net.mac[2 * i] | fn->net.mac[2 * i + 1] << 8);
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		nvm[words[i].word] = words[i].value;
	for (unsigned int i = 0; i < NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + nvm[i]);
	nvm[NVM_CHECKSUM] = (uint16_t)(NVM_SUM - sum);
}

/* Present, read in, 256 words; what was requested is granted. */
uint32_t igb_eecd_read(struct igb_fn *fn, uint32_t off)
{
	uint32_t value = igb_get(fn, off) & IGB_EECD_REQ;

	if (value)
		value |= IGB_EECD_GNT;
	return value | IGB_EECD_PRES | IGB_EECD_AUTO_RD | IGB_EECD_SIZE_256W;
}

/* 8.4.2: address in bits 15:2, data in 31:16. */
void igb_eerd_write(struct igb_fn *fn, uint32_t off, uint32_t value)
{
	uint32_t word = value >> 2 & 0x3fff;

	if (!(value & IGB_EERD_START)) {
		igb_set(fn, off, value & 0xfffc);
		return;
	}
	igb_set(fn, off,
		(value & 0xfffc) | IGB_EERD_DONE |
			(uint32_t)(word < IGB_NVM_WORDS ? fn->sh->nvm[word] : 0xffff) << 16);
}
