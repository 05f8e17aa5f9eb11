/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udev's side of an event. The header is the one that libudev has had since its version 173: fields
 * that socket filters look at are big-endian, the others the host's. Filters compare hashes of the
 * subsystem and device type, by Austin Appleby's MurmurHash2 with seed 0.
 */
#include "machine/uevent_packet.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define UDEV_MAGIC 0xfeedcafeU

struct udev_header {
	char prefix[8];
	uint32_t magic; /* big-endian */
	uint32_t header_size;
	uint32_t properties_off;
	uint32_t properties_len;
	uint32_t subsystem_hash; /* big-endian, as all below */
	uint32_t devtype_hash;
	uint32_t tag_bloom_hi;
	uint32_t tag_bloom_lo;
};
_Static_assert(sizeof(struct udev_header) == 40, "libudev's format");
_Static_assert(offsetof(struct udev_header, subsystem_hash) == 24, "libudev's format");

static uint32_t murmur_hash2(const char *text)
{
	const uint32_t m = 0x5bd1e995;
	size_t len = strlen(text);
	uint32_t hash = (uint32_t)len, k;

	for (; len >= 4; text += 4, len -= 4) {
		memcpy(&k, text, sizeof(k));
		k *= m;
		k ^= k >> 24;
		k *= m;
		hash = hash * m ^ k;
	}
	if (len) {
		k = 0;
		memcpy(&k, text, len);
		hash = (hash ^ k) * m;
	}
	hash ^= hash >> 13;
	hash *= m;
	return hash ^ hash >> 15;
}

const char *uevent_keys_get(const char *keys, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (size_t at = 0; at < len; at += strnlen(keys + at, len - at) + 1)
		if (len - at > n && !strncmp(keys + at, name, n))
			return keys + at + n;
	return NULL;
}

bool udev_device_id(const char *keys, size_t len, char *out, size_t size)
{
	const char *subsystem = uevent_keys_get(keys, len, "SUBSYSTEM="),
		   *path = uevent_keys_get(keys, len, "DEVPATH="),
		   *major = uevent_keys_get(keys, len, "MAJOR="),
		   *minor = uevent_keys_get(keys, len, "MINOR=");
	int n;

	if (!subsystem || !path || !strrchr(path, '/'))
		return false;
	if (major && minor)
		n = snprintf(out, size, "c%s:%s", major, minor);
	else if (!strcmp(subsystem, "pci"))
		n = snprintf(out, size, "+%s:%s", subsystem, strrchr(path, '/') + 1);
	else
		return false;
	return n > 0 && (size_t)n < size;
}

static size_t add(char *out, size_t at, const char *name, const char *value)
{
	int n = snprintf(out + at, UDEV_PACKET_MAX - at, "%s%s", name, value);

	return n < 0 || at + (size_t)n + 1 >= UDEV_PACKET_MAX ? 0 : at + (size_t)n + 1;
}

size_t udev_packet(const char *message, size_t len, uint64_t usec, char out[UDEV_PACKET_MAX])
{
	static const char devname[] = "DEVNAME=";
	struct udev_header header = { .prefix = UDEV_PREFIX,
				      .magic = htonl(UDEV_MAGIC),
				      .header_size = sizeof(header),
				      .properties_off = sizeof(header) };
	size_t begin = strnlen(message, len) + 1, at = sizeof(header);
	const char *subsystem, *devtype;
	char text[32];

	if (begin >= len || message[len - 1])
		return 0;
	subsystem = uevent_keys_get(message + begin, len - begin, "SUBSYSTEM=");
	devtype = uevent_keys_get(message + begin, len - begin, "DEVTYPE=");
	if (!subsystem)
		return 0;
	for (const char *key = message + begin; key < message + len; key += strlen(key) + 1) {
		/* The kernel names it below /dev, udev in full. */
		if (!strncmp(key, devname, sizeof(devname) - 1) && key[sizeof(devname) - 1] != '/')
			at = add(out, at, "DEVNAME=/dev/", key + sizeof(devname) - 1);
		else
			at = add(out, at, "", key);
		if (!at)
			return 0;
	}
	if (usec) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)usec);
		at = add(out, at, "USEC_INITIALIZED=", text);
		if (!at)
			return 0;
	}
	header.properties_len = (uint32_t)(at - sizeof(header));
	header.subsystem_hash = htonl(murmur_hash2(subsystem));
	header.devtype_hash = devtype ? htonl(murmur_hash2(devtype)) : 0;
	memcpy(out, &header, sizeof(header));
	return at;
}
