/* SPDX-License-Identifier: BSD-3-Clause */
/* One message with one fd, or none, over a unix socket (SCM_RIGHTS). */
#ifndef BASE_FD_PASS_H
#define BASE_FD_PASS_H

#include <sys/uio.h>
#include "base/types.h"

/* sendmsg() of the pieces @iov, with @fd unless it is -1. Bytes sent or -errno. */
ssize_t fd_send(int socket, const struct iovec *iov, size_t count, int fd, int flags);
/* recvmsg() into @buf; *@fd is the caller's to close, -1 when none came. Bytes received, 0 at the
 * end, or -errno. */
ssize_t fd_receive(int socket, void *buf, size_t size, int *fd, int flags);

#endif
