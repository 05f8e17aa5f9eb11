/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports for unit tests: a card that keeps what it receives, under a lock as a device has one. */
#ifndef NET_NET_FIXTURE_H
#define NET_NET_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/port.h"

struct card {
	pthread_mutex_t lock;
	struct net_port *port;
	struct net_config config;
	atomic_bool refuse;	   /* receive() has no descriptor */
	_Atomic uint64_t received; /* frames */
	_Atomic uint64_t wrong;	   /* those that did not bear the number that was due */
	uint64_t next;		   /* which is this; the port's thread's */
	atomic_uint src, last_len, resumes;
	atomic_bool link;
};

/* Frame @number: 14 bytes of header, the number, then bytes that follow from it. */
static inline void frame_make(uint8_t *frame, size_t len, uint64_t number)
{
	memset(frame, 0xff, 6);
	memset(frame + 6, 0x02, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	for (size_t i = 14; i < len; i++)
		frame[i] = (uint8_t)(number * 7 + i);
	if (len >= 14 + sizeof(number))
		memcpy(frame + 14, &number, sizeof(number));
}

static inline bool frame_right(const uint8_t *frame, size_t len, uint64_t *number)
{
	uint8_t want[NET_FRAME_MAX];

	*number = 0;
	if (len < 14 + sizeof(*number))
		return false;
	memcpy(number, frame + 14, sizeof(*number));
	frame_make(want, len, *number);
	return !memcmp(frame, want, len);
}

static inline int card_receive(void *priv, const void *frame, size_t len, unsigned int src)
{
	struct card *card = priv;
	uint64_t number;

	if (card->refuse)
		return -EAGAIN;
	if (!frame_right(frame, len, &number) || number != card->next)
		card->wrong++;
	card->next = number + 1;
	card->src = src;
	card->last_len = (unsigned int)len;
	card->received++;
	return 0;
}

static inline bool card_poll(void *priv)
{
	struct card *card = priv;
	bool more;

	pthread_mutex_lock(&card->lock);
	more = net_port_poll(card->port, 64);
	pthread_mutex_unlock(&card->lock);
	return more;
}

static inline void card_link(void *priv, bool up)
{
	struct card *card = priv;

	card->link = up;
}

static inline void card_resume(void *priv)
{
	((struct card *)priv)->resumes++;
}

static const struct net_port_ops card_ops = { card_poll, card_receive, card_link, card_resume };

static inline int card_try_open(struct card *card, const char *dir, const char *name,
				unsigned int station, char *err, size_t err_size)
{
	const struct net_port_args args = { .config = &card->config,
					    .dir = dir,
					    .card = name,
					    .station = station,
					    .ops = &card_ops,
					    .priv = card };
	struct net_port *port;
	int ret;

	pthread_mutex_init(&card->lock, NULL);
	/* The port's thread may ask at once. */
	pthread_mutex_lock(&card->lock);
	ret = net_port_open(&args, &port, err, err_size);
	card->port = ret ? NULL : port;
	pthread_mutex_unlock(&card->lock);
	return ret;
}

static inline void card_open(struct card *card, const char *net, const char *flow, const char *dir,
			     const char *name, unsigned int station)
{
	char err[256] = "";

	memset(card, 0, sizeof(*card));
	net_config_init(&card->config);
	ck_assert_int_eq(net_config_set(&card->config, "net", net, err, sizeof(err)), 0);
	ck_assert_int_eq(net_config_set(&card->config, "flow", flow, err, sizeof(err)), 0);
	ck_assert_msg(!card_try_open(card, dir, name, station, err, sizeof(err)), "%s", err);
}

static inline void card_close(struct card *card)
{
	net_port_close(card->port);
	pthread_mutex_destroy(&card->lock);
}

static inline int card_send(struct card *card, uint32_t dest, size_t len, uint64_t number)
{
	uint8_t frame[NET_FRAME_MAX + 1];
	struct iovec iov[2] = { { frame, 14 }, { frame + 14, len - 14 } };
	int ret;

	frame_make(frame, len, number);
	pthread_mutex_lock(&card->lock);
	ret = net_port_transmit(card->port, dest, iov, 2);
	pthread_mutex_unlock(&card->lock);
	return ret;
}

static inline void nap(void)
{
	const struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
}

/* A minute for what takes microseconds. */
#define WAIT_FOR(condition)                                                 \
	do {                                                                \
		unsigned int left = 60000;                                  \
		while (!(condition) && left--)                              \
			nap();                                              \
		ck_assert_msg(condition, "waited in vain for " #condition); \
	} while (0)

/* A directory for files of wires; dir_remove() takes it away. */
static inline char *dir_make(void)
{
	char *dir = strdup("/dev/shm/uvfio-net-XXXXXX");

	ck_assert_ptr_nonnull(mkdtemp(dir));
	return dir;
}

static inline void dir_remove(char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
	free(dir);
}

#endif
