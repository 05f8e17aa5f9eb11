/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the preload library can come up in a program (design D3: nothing falls through). */
#ifndef MACHINE_PROGRAM_H
#define MACHINE_PROGRAM_H

#include <stddef.h>

/*
 * What is in the way in the program at @path, of @size bytes: the end of a sentence that begins
 * with the path and names the way out; NULL: nothing. A script is as good as its interpreter, which
 * @path then names. A file that is not there or cannot be read has nothing in the way.
 */
const char *program_obstacle(char *path, size_t size);

#endif
