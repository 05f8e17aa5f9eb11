/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose a name of the tree is. */
#ifndef MACHINE_OWNER_H
#define MACHINE_OWNER_H

#include <sys/stat.h>

#include "machine/shared.h"

/* @st as the host says: the creator's files are root's, and what machine_chown() said counts. */
void owner_fix_stat(const struct shared_header *shared, struct stat *st);

#endif
