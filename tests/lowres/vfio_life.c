/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio_life: a whole VFIO life (life.h) in a session, under tests/lowres/inject. Exit status: 0, or
 * 1 when something was wrong. */
#include <sys/resource.h>

#include "life.h"

int main(void)
{
	getpriority(PRIO_PROCESS, 0); /* the injector begins here */
	return life_run() ? 0 : 1;
}
