/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI addresses as text, and the nearest known name to a mistyped one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/description.h"

#define WORD_MAX 32

/* @digits hexadecimal digits at *@text, which is advanced. */
static bool parse_hex(const char **text, unsigned int digits, uint32_t *value)
{
	*value = 0;
	for (unsigned int i = 0; i < digits; i++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*value = *value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
		(*text)++;
	}
	return true;
}

static bool parse_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

int pci_address_parse(const char *text, uint32_t *rid)
{
	uint32_t domain = 0, bus, slot, function;
	const char *p = text;

	if (strlen(text) > 4 && text[4] == ':' &&
	    (!parse_hex(&p, 4, &domain) || !parse_char(&p, ':')))
		return -EINVAL;
	if (!parse_hex(&p, 2, &bus) || !parse_char(&p, ':') || !parse_hex(&p, 2, &slot) ||
	    !parse_char(&p, '.') || !parse_hex(&p, 1, &function) || *p)
		return -EINVAL;
	if (slot > 31 || function > 7)
		return -EINVAL;
	*rid = domain << 16 | bus << 8 | slot << 3 | function;
	return 0;
}

char *pci_address_format(uint32_t rid, char buf[PCI_ADDRESS_LEN])
{
	snprintf(buf, PCI_ADDRESS_LEN, "%04x:%02x:%02x.%x", rid >> 16 & 0xffff, rid >> 8 & 0xff,
		 rid >> 3 & 0x1f, rid & 7);
	return buf;
}

/* Levenshtein's distance; words longer than WORD_MAX are never near. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), change);
		}
	}
	return row[lb];
}

const char *closest_match(const char *word, const char *const *names)
{
	unsigned int limit = (unsigned int)strlen(word) / 3 + 1, best = limit + 1;
	const char *found = NULL;

	for (; *names; names++) {
		unsigned int d = distance(word, *names);

		if (d < best) {
			best = d;
			found = *names;
		}
	}
	return found;
}
