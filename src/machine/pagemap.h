/* SPDX-License-Identifier: BSD-3-Clause */
/* /proc/PID/pagemap in a session without an IOMMU: the host's, with the session's frames. */
#ifndef MACHINE_PAGEMAP_H
#define MACHINE_PAGEMAP_H

#include "base/types.h"

struct file;
struct session;
struct uvfio_machine;

/* Whether opening @path, an absolute normalised name of the host's, with @oflags is such a case. A
 * few comparisons for other names. */
bool pagemap_wants(const struct session *session, const char *path, int oflags);
/* 0 or -errno. */
int pagemap_open(struct uvfio_machine *machine, const char *path, int oflags, struct file **out);

#endif
