/* SPDX-License-Identifier: BSD-3-Clause */
/* What the probes of mediated devices share. The parent is the kernel's sample: mtty. */
#ifndef MDEV_H
#define MDEV_H

#include "probe.h"

#define MDEV_PARENT "/sys/class/mdev_bus/mtty"
#define MDEV_TYPES  MDEV_PARENT "/mdev_supported_types"
#define MDEV_BUS    "/sys/bus/mdev"
#define MDEV_ONE    "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MDEV_TWO    "83b8f4f2-509f-382f-3c1e-e6bfe0fa1002"

/* A file of an instance; good until the next call but one. */
const char *mdev_path(const char *uuid, const char *name);
/* Writes to `create` of a type ("mtty-1"): -1 with errno. */
long mdev_create(const char *type, const char *uuid);
long mdev_remove(const char *uuid);
/* An instance of @type; ends the probe when there is none to be had. */
void mdev_setup(const char *type, const char *uuid);
/* The instance's group: an fd, -1 with errno. */
int mdev_open_group(const char *uuid);
/* The instance's group in a container with @iommu, and the instance open. */
struct ctx mdev_open(const char *uuid, unsigned iommu);

#endif
