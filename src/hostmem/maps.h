/* SPDX-License-Identifier: BSD-3-Clause */
/* What is mapped where in a process: /proc/PID/maps. No lock, no malloc; also in signal context. */
#ifndef HOSTMEM_MAPS_H
#define HOSTMEM_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_NAME 48 /* bytes of a mapping's name: the end of a longer one */

struct map_range {
	uintptr_t start, end;
	uint64_t off;	   /* of start in the file, bytes */
	uint64_t dev, ino; /* dev: major << 32 | minor */
	bool shared, read, write;
	size_t page; /* bytes of its pages; 0: maps_page_size() finds out */
	char name[MAP_NAME];
};

/* Calls @fn for each mapping that ends behind @addr, in order, until it returns true. True: it did.
 * @maps_fd: /proc/PID/maps, or a copy of its text. */
bool maps_each(int maps_fd, uintptr_t addr, bool (*fn)(const struct map_range *map, void *arg),
	       void *arg);
/* Bytes of a mapping's pages; slow where the kernel does not tell them with the mapping. */
size_t maps_page_size(const struct map_range *map);
/* The mapping with @addr in it. */
bool maps_find(int maps_fd, uintptr_t addr, struct map_range *out);

#endif
