/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef IRQ_IRQ_PRIV_H
#define IRQ_IRQ_PRIV_H

#include "base/types.h"

/* A duplicate of the user's eventfd @fd under a high number of our own, for fd_close(). 0, -EBADF
 * no fd, -EINVAL no eventfd, -EMFILE. */
int irq_eventfd_get(int fd, int *out);
/* Whether @fd is an eventfd; without /proc the caller's word stands. */
bool irq_fd_is_eventfd(int fd);

/* irqbypass.c: registers what is not registered yet under a token that is known. */
struct irq_bypass_producer;
struct irq_bypass_consumer;
int irq_bypass_add_producer(struct irq_bypass_producer *producer, uint64_t token, int irq);
int irq_bypass_add_consumer(struct irq_bypass_consumer *consumer, uint64_t token);

/* irqbypass.c, irq.c, vector.c: in the child of a fork. */
void irq_bypass_after_fork(void);
void irq_table_after_fork(void);
void irq_vectors_after_fork(void);

#endif
