/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triggers: where an interrupt vector ends (design D10). A trigger holds an eventfd (a duplicate of
 * the user's under a high number of our own); signalling it is one write without lock.
 */
#ifndef IRQ_TRIGGER_H
#define IRQ_TRIGGER_H

#include <stdatomic.h>
#include "base/types.h"

struct irq_trigger;

/* @fd: the user's eventfd, not consumed. -EBADF: no fd, -EINVAL: no eventfd. */
int irq_trigger_create(int fd, struct irq_trigger **out);
void irq_trigger_destroy(struct irq_trigger *trigger);
/* Adds 1 to the eventfd's counter; never blocks. Safe from any thread and in signal context. */
void irq_trigger_signal(struct irq_trigger *trigger);
/* The eventfd, the trigger's own duplicate, which stays as long as the trigger. */
int irq_trigger_fd(const struct irq_trigger *trigger);
/* What the trace calls the eventfd (irq_bypass_eventfd_token()); 0 until somebody said it. */
void irq_trigger_set_token(struct irq_trigger *trigger, uint64_t token);
uint64_t irq_trigger_token(const struct irq_trigger *trigger);
/* Signals delivered since creation. */
uint64_t irq_trigger_count(const struct irq_trigger *trigger);

/*
 * A virqfd turns an eventfd of the user's into a call (mask and unmask by eventfd). One thread of
 * the library watches them all. @fn runs on it without locks held.
 */
struct virqfd;
int virqfd_enable(int fd, void (*fn)(void *arg), void *arg, struct virqfd **out);
/* Returns when @fn is not running and will not run again. From @fn itself it does not wait. Not
 * with a lock held that @fn takes. */
void virqfd_disable(struct virqfd *virqfd);

/*
 * Whether the program has closed the last fd of its eventfd in this process. In the kernel a virqfd
 * ends then; here it holds an fd itself, and whoever wants its place asks. False where the system
 * does not tell.
 */
bool virqfd_abandoned(const struct virqfd *virqfd);

/* In the child of a fork: there is no thread any more, the parent's virqfds mean nothing. */
void irq_after_fork(void);
/* Where nobody tells of forks: the first call is the process's, and the first one in a child of it
 * does irq_after_fork(). virqfd_enable() and virqfd_disable() call it themselves. */
void irq_notice_fork(void);

#endif
