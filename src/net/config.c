/* SPDX-License-Identifier: BSD-3-Clause */
/* The network options of a card. */
#include "net/config.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static int bad(char *err, size_t err_size, const char *key, const char *value, const char *way_out)
{
	snprintf(err, err_size, "%s=%s: %s", key, value, way_out);
	return -EINVAL;
}

void net_config_init(struct net_config *config)
{
	memset(config, 0, sizeof(*config));
	config->flow = true;
}

static bool name_valid(const char *name, size_t max)
{
	size_t len = strlen(name);

	return len && len < max && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       len;
}

static int set_net(struct net_config *config, const char *value, char *err, size_t err_size)
{
	static const struct {
		const char *word;
		enum net_kind kind;
		size_t name_max; /* 0: no name follows */
	} kinds[] = {
		{ "none", NET_NONE, 0 },
		{ "loop", NET_LOOP, 0 },
		{ "wire:", NET_WIRE, NET_NAME_MAX },
		{ "tap:", NET_TAP, IFNAMSIZ },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].word);

		if (!kinds[i].name_max ? strcmp(value, kinds[i].word) != 0
				       : strncmp(value, kinds[i].word, len) != 0)
			continue;
		if (kinds[i].name_max && !name_valid(value + len, kinds[i].name_max))
			return bad(err, err_size, "net", value,
				   kinds[i].kind == NET_TAP
					   ? "a tap device has a name of up to 15 letters, digits, "
					     "\".\", \"_\" or \"-\""
					   : "a wire has a name of up to 31 letters, digits, "
					     "\".\", \"_\" or \"-\"");
		config->kind = kinds[i].kind;
		snprintf(config->name, sizeof(config->name), "%s", value + len);
		return 0;
	}
	return bad(err, err_size, "net", value, "give none, loop, wire:NAME or tap:NAME");
}

int net_mac_parse(const char *text, uint8_t mac[NET_MAC_LEN])
{
	unsigned int byte[NET_MAC_LEN];
	int end = 0;

	if (strlen(text) != 3 * NET_MAC_LEN - 1 ||
	    strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
		   &byte[4], &byte[5], &end) != NET_MAC_LEN ||
	    text[end])
		return -EINVAL;
	/* A group address is nobody's own, zero is none. */
	if ((byte[0] & 1) || !(byte[0] | byte[1] | byte[2] | byte[3] | byte[4] | byte[5]))
		return -EINVAL;
	for (size_t i = 0; i < NET_MAC_LEN; i++)
		mac[i] = (uint8_t)byte[i];
	return 0;
}

void net_mac_default(uint32_t rid, uint8_t mac[NET_MAC_LEN])
{
	const uint8_t bytes[NET_MAC_LEN] = {
		0x52,	     0x54, (uint8_t)(rid >> 24), (uint8_t)(rid >> 16), (uint8_t)(rid >> 8),
		(uint8_t)rid
	};

	memcpy(mac, bytes, sizeof(bytes));
}

static int set_pcap(struct net_config *config, const char *value, char *err, size_t err_size)
{
	if (strlen(value) >= sizeof(config->pcap))
		return bad(err, err_size, "pcap", value, "the name is too long");
	memcpy(config->pcap, value, strlen(value) + 1);
	return 0;
}

int net_config_set(struct net_config *config, const char *key, const char *value, char *err,
		   size_t err_size)
{
	if (!strcmp(key, "net"))
		return set_net(config, value, err, err_size);
	if (!strcmp(key, "pcap"))
		return set_pcap(config, value, err, err_size);
	if (!strcmp(key, "flow")) {
		if (strcmp(value, "on") && strcmp(value, "off"))
			return bad(err, err_size, key, value, "give on or off");
		config->flow = !strcmp(value, "on");
		return 0;
	}
	if (!strcmp(key, "mac")) {
		config->mac_given = *value;
		if (*value && net_mac_parse(value, config->mac))
			return bad(err, err_size, key, value,
				   "give a unicast address such as 52:54:00:12:34:56");
		return 0;
	}
	return -ENOENT;
}
