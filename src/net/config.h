/* SPDX-License-Identifier: BSD-3-Clause */
/* What a card's network options say: net=, flow=, pcap=, mac=. Parsing and checking only. */
#ifndef NET_CONFIG_H
#define NET_CONFIG_H

#include "base/types.h"

#define NET_NAME_MAX 32
#define NET_MAC_LEN  6

enum net_kind {
	NET_NONE, /* no cable: the link is down */
	NET_LOOP, /* a plug that leads back: own frames come back */
	NET_WIRE, /* the other card of the session that names the same wire */
	NET_TAP,  /* a tap device of the host's */
};

struct net_config {
	enum net_kind kind;
	char name[NET_NAME_MAX]; /* of the wire or the tap device */
	bool flow;		 /* flow control: nothing is lost */
	char pcap[1024];	 /* file that records what passes; "": none */
	uint8_t mac[NET_MAC_LEN];
	bool mac_given;
};

/* Help texts of the four options for a model's table: { NET_OPTIONS, ... }. */
#define NET_OPTIONS                                                                            \
	{ "net", "none", "what the port is plugged into: none, loop, wire:NAME or tap:NAME" }, \
		{ "flow", "on", "flow control (802.3x): nothing is lost; off: drops happen" }, \
		{ "pcap", "", "file that records the frames that pass the port" },             \
	{                                                                                      \
		"mac", "", "MAC address of the port, such as 52:54:00:12:34:56"                \
	}

/*
 * Sets one of the four; others give -ENOENT. Start from net_config_init(). On failure -EINVAL and
 * one sentence in @err that names key, value and the way out.
 */
void net_config_init(struct net_config *config);
int net_config_set(struct net_config *config, const char *key, const char *value, char *err,
		   size_t err_size);

/* Whether the user may have what it names: looks at the file to record in, tries to open a tap
 * device. Before anybody uses it. 0 or -errno with a sentence. */
int net_check(const struct net_config *config, char *err, size_t err_size);

/* "52:54:00:12:34:56", a unicast address. 0 or -EINVAL. */
int net_mac_parse(const char *text, uint8_t mac[NET_MAC_LEN]);
/* A locally administered address made of a PCI address (domain << 16 | bus << 8 | devfn): the same
 * in every run, different for each card of a machine. */
void net_mac_default(uint32_t rid, uint8_t mac[NET_MAC_LEN]);

#endif
