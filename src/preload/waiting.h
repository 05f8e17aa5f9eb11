/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for files of ours (waiting.c). */
#ifndef PRELOAD_WAITING_H
#define PRELOAD_WAITING_H

#include <poll.h>
#include <signal.h>
#include "base/types.h"

#define POLL_NOT_OURS (1 << 30)

/* ppoll() when a file of ours that may wait is among @fds, @timeout in milliseconds, negative for
 * ever: true, with the result in *@ret and errno. */
bool poll_files(int *ret, struct pollfd *fds, nfds_t n, int64_t timeout, const sigset_t *set);

#endif
