/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DPDK application that sends frames and looks at every byte of those that arrive:
 *
 *	dpdk-net EAL-ARGUMENTS -- send|receive FRAMES SECONDS	one port
 *	dpdk-net EAL-ARGUMENTS -- both FRAMES SECONDS		from port 0 to port 1 and back
 *
 * Frame n has a length and a content that follow from n; they have to come in order, all of them,
 * unchanged. Ends with 0 and "ok: N frames received" when all FRAMES came within SECONDS.
 * A sender waits until the last frame has left its queue, then for the end of its stdin.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define DESCS 256
#define BURST 32
#define POOL  4095
#define SHORT 60
#define LONG  1514

struct direction {
	uint16_t from, to; /* ports; one of them is not here when only one side is */
	bool sends, receives;
	uint64_t sent, received;
};

static struct rte_mempool *pool;
static uint64_t frames;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("FAILED: ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
	_exit(1);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static uint16_t length(uint64_t number)
{
	return (uint16_t)(SHORT + number * 7919 % (LONG - SHORT + 1));
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

static void fill(uint8_t *frame, uint64_t number, uint16_t len)
{
	uint16_t at = 14;

	/* To all, since who receives has an address of its own; an ethertype for experiments. */
	memset(frame, 0xff, 6);
	memset(frame + 6, 0x02, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	for (uint64_t word = number; at < len; at += 8, word++) {
		uint64_t value = at == 14 ? number : mix(word);

		memcpy(frame + at, &value, len - at < 8 ? (size_t)(len - at) : 8);
	}
}

static void check(const struct rte_mbuf *mbuf, uint64_t number)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint8_t want[LONG];
	uint64_t got;

	memcpy(&got, frame + 14, sizeof(got));
	if (got != number)
		fail("frame %lu where %lu is due", got, number);
	if (mbuf->pkt_len != length(number) || mbuf->nb_segs != 1)
		fail("frame %lu has %u bytes", number, mbuf->pkt_len);
	fill(want, number, length(number));
	/* The sender's address may be the card's own (a switch's check). */
	if (memcmp(frame, want, 6) || memcmp(frame + 12, want + 12, mbuf->pkt_len - 12u))
		fail("frame %lu was changed", number);
}

/* ---- ports ----------------------------------------------------------------------------------- */

static void start(uint16_t port)
{
	const struct rte_eth_conf conf = { .link_speeds = RTE_ETH_LINK_SPEED_AUTONEG };
	int socket = rte_eth_dev_socket_id(port), ret;

	ret = rte_eth_dev_configure(port, 1, 1, &conf);
	if (!ret)
		ret = rte_eth_tx_queue_setup(port, 0, DESCS, (unsigned int)socket, NULL);
	if (!ret)
		ret = rte_eth_rx_queue_setup(port, 0, DESCS, (unsigned int)socket, NULL, pool);
	if (!ret)
		ret = rte_eth_dev_start(port);
	if (ret)
		fail("port %u does not start: %d", port, ret);
	rte_eth_promiscuous_enable(port);
}

static void wait_for_link(uint16_t port, uint64_t until)
{
	struct rte_eth_link link;

	do {
		if (rte_get_timer_cycles() > until)
			fail("port %u has no link", port);
		rte_delay_us_sleep(1000);
		memset(&link, 0, sizeof(link));
		rte_eth_link_get_nowait(port, &link);
	} while (!link.link_status);
}

static void send_some(struct direction *d)
{
	struct rte_ether_addr mac;
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = 0, sent;

	rte_eth_macaddr_get(d->from, &mac);
	while (n < BURST && d->sent + n < frames) {
		uint16_t len = length(d->sent + n);

		mbufs[n] = rte_pktmbuf_alloc(pool);
		if (!mbufs[n])
			break;
		fill(rte_pktmbuf_mtod(mbufs[n], uint8_t *), d->sent + n, len);
		memcpy(rte_pktmbuf_mtod(mbufs[n], uint8_t *) + 6, &mac, sizeof(mac));
		mbufs[n]->data_len = len;
		mbufs[n]->pkt_len = len;
		n++;
	}
	sent = rte_eth_tx_burst(d->from, 0, mbufs, n);
	d->sent += sent;
	while (sent < n)
		rte_pktmbuf_free(mbufs[sent++]);
}

static void receive_some(struct direction *d)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = rte_eth_rx_burst(d->to, 0, mbufs, BURST);

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);

		/* Others may be talking on a wire. */
		if (frame[12] == 0x88 && frame[13] == 0xb5)
			check(mbufs[i], d->received++);
		rte_pktmbuf_free(mbufs[i]);
	}
}

static bool done(const struct direction *d)
{
	return (!d->sends || d->sent == frames) && (!d->receives || d->received == frames);
}

static void run(struct direction *d, unsigned int count, uint64_t until)
{
	unsigned int left = count;

	while (left) {
		left = 0;
		for (unsigned int i = 0; i < count; i++) {
			if (d[i].sends && d[i].sent < frames)
				send_some(&d[i]);
			if (d[i].receives)
				receive_some(&d[i]);
			left += !done(&d[i]);
		}
		if (left && rte_get_timer_cycles() > until)
			fail("%lu of %lu frames sent, %lu received", d[0].sent, frames,
			     d[0].received);
	}
}

/* All that was sent has left the queue: the descriptors are the program's again. */
static void drain(uint16_t port, uint64_t until)
{
	while (rte_eth_tx_done_cleanup(port, 0, 0) >= 0 &&
	       rte_eth_tx_descriptor_status(port, 0, 0) == RTE_ETH_TX_DESC_FULL)
		if (rte_get_timer_cycles() > until)
			fail("frames do not leave port %u", port);
}

int main(int argc, char **argv)
{
	struct direction d[2] = { { .from = 0, .to = 0 }, { .from = 1, .to = 0 } };
	unsigned int count = 1, ports;
	uint64_t until, begin;
	char byte;
	int used = rte_eal_init(argc, argv);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (used < 0 || argc - used != 4)
		fail("usage: dpdk-net EAL-ARGUMENTS -- send|receive|both FRAMES SECONDS");
	argv += used;
	frames = strtoull(argv[2], NULL, 0);
	d[0].sends = strcmp(argv[1], "receive");
	d[0].receives = strcmp(argv[1], "send");
	if (d[0].sends && d[0].receives) {
		d[0].to = 1;
		d[1].sends = d[1].receives = true;
		count = 2;
	}
	ports = rte_eth_dev_count_avail();
	if (ports != count)
		fail("%u ports", ports);
	pool = rte_pktmbuf_pool_create("frames", POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		fail("no memory");
	begin = rte_get_timer_cycles();
	until = begin + strtoull(argv[3], NULL, 0) * rte_get_timer_hz();
	for (uint16_t i = 0; i < count; i++)
		start(i);
	/* The other side may begin: before, its frames meet a receiver that is off. */
	printf("ready\n");
	for (uint16_t i = 0; i < count; i++)
		wait_for_link(i, until);
	begin = rte_get_timer_cycles();
	run(d, count, until);
	printf("ok: %lu frames %s in %.2f s\n", frames, d[0].receives ? "received" : "sent",
	       (double)(rte_get_timer_cycles() - begin) / (double)rte_get_timer_hz());
	/* The receiver may not have taken the last ones yet. */
	if (!d[0].receives) {
		drain(0, until);
		while (read(0, &byte, 1) > 0)
			;
	}
	for (uint16_t i = 0; i < count; i++) {
		rte_eth_dev_stop(i);
		rte_eth_dev_close(i);
	}
	rte_eal_cleanup();
	return 0;
}
