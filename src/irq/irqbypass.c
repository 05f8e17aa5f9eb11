/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The irqbypass manager, as Linux 7.3's virt/lib/irqbypass.c behaves: one producer and one consumer
 * an eventfd; they are paired when the second of the two comes, and unpaired when the first of them
 * goes.
 *
 * Pairing and unpairing run between stop (producer, consumer) and start (consumer, producer), so
 * that neither side sees an interrupt in between. Pairing: add_consumer, then add_producer; when
 * the latter fails, del_consumer takes the former back, and the newcomer is not registered.
 * Unpairing: del_producer, then del_consumer; it cannot fail.
 *
 * The kernel knows an eventfd by its context's address; here its number in fdinfo stands for it,
 * which all duplicates share, also those in other processes. The manager is the process's.
 *
 * Lock: manager.lock guards both tables and the fields `token`, `consumer` and `producer` of what
 * is in them. The operations run under it; a vfio device's igate is above it, the remapping entry's
 * lock and what a consumer takes are below it.
 *
 * In a forked child the tables are empty: what the parent registered is its own, and unregistering
 * it in the child finds nothing and touches no one.
 */
#include "irq/irqbypass.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/fd.h"
#include "base/sysraw.h"
#include "irq/irq_priv.h"
#include "irq/trace.h"

#define BUCKETS 64 /* a power of two */

static struct {
	pthread_mutex_t lock;
	struct list_head producers[BUCKETS], consumers[BUCKETS];
	bool ready;
} manager = { .lock = PTHREAD_MUTEX_INITIALIZER };

int irq_bypass_eventfd_token(int eventfd, uint64_t *token)
{
	static const char key[] = "\neventfd-id:";
	char path[40], text[512];
	long fd, len;
	char *at;

	if (raw_fcntl(eventfd, F_GETFD, 0) < 0)
		return -EBADF;
	if (!irq_fd_is_eventfd(eventfd))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", eventfd);
	fd = sysraw4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -EOPNOTSUPP;
	len = sysraw3(SYS_read, fd, (long)text, sizeof(text) - 1);
	sysraw3(SYS_close, fd, 0, 0);
	if (len < 0)
		return -EOPNOTSUPP;
	text[len] = '\0';
	at = strstr(text, key);
	if (!at)
		return -EOPNOTSUPP;
	*token = strtoull(at + strlen(key), NULL, 10) + 1;
	return 0;
}

static void prepare_locked(void)
{
	if (manager.ready)
		return;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		list_init(&manager.producers[i]);
		list_init(&manager.consumers[i]);
	}
	manager.ready = true;
}

static struct irq_bypass_producer *find_producer_locked(uint64_t token)
{
	struct irq_bypass_producer *producer;

	list_for_each_entry(producer, &manager.producers[token % BUCKETS], node)
		if (producer->token == token)
			return producer;
	return NULL;
}

static struct irq_bypass_consumer *find_consumer_locked(uint64_t token)
{
	struct irq_bypass_consumer *consumer;

	list_for_each_entry(consumer, &manager.consumers[token % BUCKETS], node)
		if (consumer->token == token)
			return consumer;
	return NULL;
}

static void stop(struct irq_bypass_producer *producer, struct irq_bypass_consumer *consumer)
{
	if (producer->stop)
		producer->stop(producer);
	if (consumer->stop)
		consumer->stop(consumer);
}

static void start(struct irq_bypass_producer *producer, struct irq_bypass_consumer *consumer)
{
	if (consumer->start)
		consumer->start(consumer);
	if (producer->start)
		producer->start(producer);
}

static int connect_locked(struct irq_bypass_producer *producer,
			  struct irq_bypass_consumer *consumer, uint64_t token)
{
	int ret = 0;

	stop(producer, consumer);
	if (producer->add_consumer)
		ret = producer->add_consumer(producer, consumer);
	if (!ret) {
		ret = consumer->add_producer(consumer, producer);
		if (ret && producer->del_consumer)
			producer->del_consumer(producer, consumer);
	}
	start(producer, consumer);
	if (!ret) {
		producer->consumer = consumer;
		consumer->producer = producer;
	}
	event_emit(EVENT_IRQ_BYPASS, UINT32_MAX, IRQ_BYPASS_PAIR, token,
		   IRQ_BYPASS_WHO(producer->irq, ret));
	return ret;
}

static void disconnect_locked(struct irq_bypass_producer *producer,
			      struct irq_bypass_consumer *consumer)
{
	stop(producer, consumer);
	consumer->del_producer(consumer, producer);
	if (producer->del_consumer)
		producer->del_consumer(producer, consumer);
	start(producer, consumer);
	producer->consumer = NULL;
	consumer->producer = NULL;
	event_emit(EVENT_IRQ_BYPASS, UINT32_MAX, IRQ_BYPASS_UNPAIR, producer->token,
		   IRQ_BYPASS_WHO(producer->irq, 0));
}

static int producer_add_locked(struct irq_bypass_producer *producer, uint64_t token)
{
	struct irq_bypass_consumer *consumer;

	prepare_locked();
	if (find_producer_locked(token))
		return -EBUSY;
	event_emit(EVENT_IRQ_BYPASS, UINT32_MAX, IRQ_BYPASS_PRODUCER_ADD, token,
		   IRQ_BYPASS_WHO(producer->irq, 0));
	consumer = find_consumer_locked(token);
	if (consumer) {
		int ret = connect_locked(producer, consumer, token);

		if (ret)
			return ret;
	}
	list_add(&producer->node, &manager.producers[token % BUCKETS]);
	producer->token = token;
	return 0;
}

int irq_bypass_add_producer(struct irq_bypass_producer *producer, uint64_t token, int irq)
{
	int ret;

	producer->irq = irq;
	pthread_mutex_lock(&manager.lock);
	ret = producer_add_locked(producer, token);
	pthread_mutex_unlock(&manager.lock);
	return ret;
}

int irq_bypass_register_producer(struct irq_bypass_producer *producer, int eventfd, int irq)
{
	uint64_t token;
	int ret;

	if (producer->token)
		return -EINVAL;
	ret = irq_bypass_eventfd_token(eventfd, &token);
	return ret ? ret : irq_bypass_add_producer(producer, token, irq);
}

void irq_bypass_unregister_producer(struct irq_bypass_producer *producer)
{
	if (!producer->token)
		return;
	pthread_mutex_lock(&manager.lock);
	prepare_locked();
	if (find_producer_locked(producer->token) == producer) {
		if (producer->consumer)
			disconnect_locked(producer, producer->consumer);
		list_del(&producer->node);
		event_emit(EVENT_IRQ_BYPASS, UINT32_MAX, IRQ_BYPASS_PRODUCER_DEL, producer->token,
			   IRQ_BYPASS_WHO(producer->irq, 0));
	}
	producer->consumer = NULL;
	producer->token = 0;
	pthread_mutex_unlock(&manager.lock);
}

static int consumer_add_locked(struct irq_bypass_consumer *consumer, uint64_t token)
{
	struct irq_bypass_producer *producer;

	prepare_locked();
	if (find_consumer_locked(token))
		return -EBUSY;
	event_emit(EVENT_IRQ_BYPASS, UINT32_MAX, IRQ_BYPASS_CONSUMER_ADD, token, 0);
	producer = find_producer_locked(token);
	if (producer) {
		int ret = connect_locked(producer, consumer, token);

		if (ret)
			return ret;
	}
	list_add(&consumer->node, &manager.consumers[token % BUCKETS]);
	consumer->token = token;
	return 0;
}

int irq_bypass_add_consumer(struct irq_bypass_consumer *consumer, uint64_t token)
{
	int ret;

	pthread_mutex_lock(&manager.lock);
	ret = consumer_add_locked(consumer, token);
	pthread_mutex_unlock(&manager.lock);
	return ret;
}

int irq_bypass_register_consumer(struct irq_bypass_consumer *consumer, int eventfd)
{
	uint64_t token;
	int ret;

	if (consumer->token || !consumer->add_producer || !consumer->del_producer)
		return -EINVAL;
	ret = irq_bypass_eventfd_token(eventfd, &token);
	return ret ? ret : irq_bypass_add_consumer(consumer, token);
}

void irq_bypass_unregister_consumer(struct irq_bypass_consumer *consumer)
{
	if (!consumer->token)
		return;
	pthread_mutex_lock(&manager.lock);
	prepare_locked();
	if (find_consumer_locked(consumer->token) == consumer) {
		if (consumer->producer)
			disconnect_locked(consumer->producer, consumer);
		list_del(&consumer->node);
		event_emit(EVENT_IRQ_BYPASS, UINT32_MAX, IRQ_BYPASS_CONSUMER_DEL, consumer->token,
			   0);
	}
	consumer->producer = NULL;
	consumer->token = 0;
	pthread_mutex_unlock(&manager.lock);
}

void irq_bypass_after_fork(void)
{
	pthread_mutex_init(&manager.lock, NULL);
	manager.ready = false;
}
