/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For `qemu-img bench` on a mediated device: QEMU's nvme:// looks for the IOMMU group of a PCI
 * address. Preloaded, this makes it find that of the mediated device of the name; everything else
 * in QEMU is as it is.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

ssize_t readlink(const char *path, char *buf, size_t size);

__attribute__((visibility("default"))) ssize_t readlink(const char *path, char *buf, size_t size)
{
	static const char pci[] = "/sys/bus/pci/devices/";
	ssize_t (*next)(const char *, char *, size_t) =
		(ssize_t(*)(const char *, char *, size_t))dlsym(RTLD_NEXT, "readlink");
	char other[256];

	/* A UUID has its first dash where an address has a colon. */
	if (!strncmp(path, pci, sizeof(pci) - 1) && path[sizeof(pci) - 1 + 8] == '-') {
		snprintf(other, sizeof(other), "/sys/bus/mdev/devices/%s", path + sizeof(pci) - 1);
		path = other;
	}
	return next(path, buf, size);
}
