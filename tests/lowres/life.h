/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole VFIO life in steps, for sweeps of failures: each step returns 0 or -errno, leaves
 * everything as it was when it fails, and passes when it is done again.
 */
#ifndef LOWRES_LIFE_H
#define LOWRES_LIFE_H

#include <stdbool.h>

#define LIFE_FIRST  "0000:01:00.0"
#define LIFE_SECOND "0000:02:00.0"
/* The machine that the steps are made for: -d options without "-d". */
#define LIFE_DEVICES "nvme,at=" LIFE_FIRST ",size=16M,msi=4", "ioat,at=" LIFE_SECOND

/* Goes through all steps, each once more when it failed. What was wrong is a line on stdout that
 * begins with "wrong"; whether there was none. */
bool life_run(void);

#endif
