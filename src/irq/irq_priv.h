/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef IRQ_IRQ_PRIV_H
#define IRQ_IRQ_PRIV_H

/* A duplicate of the user's eventfd @fd under a high number of our own, for fd_close(). 0, -EBADF
 * no fd, -EINVAL no eventfd, -EMFILE. */
int irq_eventfd_get(int fd, int *out);

#endif
