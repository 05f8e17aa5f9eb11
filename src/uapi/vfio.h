/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VFIO uAPI: <linux/vfio.h> of the build machine, completed with what newer kernels added.
 * Sizes, offsets and numbers are asserted in uapi.c.
 */
#ifndef UAPI_VFIO_H
#define UAPI_VFIO_H

#include <linux/vfio.h>

#endif
