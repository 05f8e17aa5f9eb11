/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MACHINE_HUGE_CLIENT_PRIV_H
#define MACHINE_HUGE_CLIENT_PRIV_H

#include <fcntl.h>
#include <pthread.h>

#include "machine/huge.h"
#include "machine/owner.h"

struct huge_client {
	struct session *session;
	pthread_mutex_t lock;
	int fd; /* -1: not connected. lock */
};

#endif
