/* SPDX-License-Identifier: BSD-3-Clause */
/* Failure injection: one countdown for the process. */
#include "base/failpoint.h"

#include <stdatomic.h>

bool failpoint_enabled;
static atomic_uint failpoint_left; /* points to pass until one fails; 0: disarmed */
static atomic_bool failpoint_done;

bool failpoint_hit(void)
{
	unsigned int left = atomic_load(&failpoint_left);

	do {
		if (!left)
			return false;
	} while (!atomic_compare_exchange_weak(&failpoint_left, &left, left - 1));
	if (left != 1)
		return false;
	atomic_store(&failpoint_done, true);
	return true;
}

void failpoint_arm(unsigned int nth)
{
	atomic_store(&failpoint_done, false);
	atomic_store(&failpoint_left, nth);
	__atomic_store_n(&failpoint_enabled, nth != 0, __ATOMIC_RELEASE);
}

bool failpoint_fired(void)
{
	return atomic_load(&failpoint_done);
}
