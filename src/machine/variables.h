/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment variables that bring the preload library into a program. What the program's
 * user has set stays: our library goes behind his (libasan, for one, must come first), our malloc
 * tunables (design D5) beside his.
 *
 * Functions write into @out as snprintf() does: they return the length that is needed. No malloc.
 */
#ifndef MACHINE_VARIABLES_H
#define MACHINE_VARIABLES_H

#include "base/types.h"

#define PRELOAD_ENV  "LD_PRELOAD"
#define TUNABLES_ENV "GLIBC_TUNABLES"
/* "UID:GID": what getuid() and its like answer (preload/identity.c); anything else: the truth. */
#define IDENTITY_ENV "UVFIO_IDENTITY"

/* Whether @value, a list of libraries parted by colons or blanks, has @library. */
bool variables_list_has(const char *value, const char *library);
/* "LD_PRELOAD=…": @value with @library at its end; other builds of our library, from the same
 * directory, are left out. */
size_t variables_preload(const char *value, const char *library, char *out, size_t size);
/* "LD_PRELOAD=…": @value without @library and the other builds. */
size_t variables_without(const char *value, const char *library, char *out, size_t size);
/* "GLIBC_TUNABLES=…": @value with what it lacks of ours. */
size_t variables_tunables(const char *value, char *out, size_t size);
/* Whether @value has a setting, his or ours, for each of our tunables. */
bool variables_tunables_set(const char *value);

#endif
