/* SPDX-License-Identifier: BSD-3-Clause */
/* resourceN of memory BARs: files that can be mapped (the kernel's pci_mmap_resource()). */
#ifndef MACHINE_SYSFS_RESOURCE_H
#define MACHINE_SYSFS_RESOURCE_H

#include "machine/machine_priv.h"

/* Whether @attr is a memory BAR's file. Core's lock held. */
bool sysfs_resource_mappable(const struct tree_attr *attr);
int sysfs_resource_open(struct uvfio_machine *machine, const char *path, int oflags, mode_t mode,
			struct file **out);
/* The function goes away: mappings raise SIGBUS, the files are dead. Core's lock held. */
void sysfs_resource_revoke(struct machine_function *fn);

#endif
