/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failure injection: the n-th failure point that a test passes fails. Compiled in always, off it
 * costs one predictable branch. FAIL_POINT() stands before an allocation or a fallible step.
 */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include "base/types.h"

extern bool failpoint_enabled;
bool failpoint_hit(void);

#define FAIL_POINT() \
	(unlikely(__atomic_load_n(&failpoint_enabled, __ATOMIC_RELAXED)) && failpoint_hit())

/* Arms the @nth point from now (1 is the next); 0 disarms. */
void failpoint_arm(unsigned int nth);
/* Whether the armed point has been hit. */
bool failpoint_fired(void);

#endif
