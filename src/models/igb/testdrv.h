/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for the unit tests: one port, whose frames come back through the PHY's loopback, a
 * transmit and a receive queue of one's choice. Everything fails the running check test when it
 * does not work.
 */
#ifndef MODELS_IGB_TESTDRV_H
#define MODELS_IGB_TESTDRV_H

#include <check.h>

#include "models/igb/regs.h"
#include "models/testfunc.h"

#define DRV_RING   64u
#define DRV_BUFFER 16384u

/* Plugs the card, loopback on, receiver promiscuous and transmitter on, CRC stripped. */
void drv_start(void);
/* The same without loopback. */
void drv_start_with(const char *const *options);
void drv_stop(void);
static inline uint32_t drv_get(uint32_t reg)
{
	return (uint32_t)drv_read(reg, 4);
}
static inline void drv_set(uint32_t reg, uint32_t value)
{
	drv_write(reg, 4, value);
}
uint16_t drv_phy_read(unsigned int reg);
void drv_phy_write(unsigned int reg, uint16_t value);

/* Gives queue @q a ring and enables it; receive buffers are posted with @srrctl. */
void drv_tx_queue(unsigned int q);
void drv_rx_queue(unsigned int q, uint32_t srrctl, unsigned int buffers);
/* The offset of a register of a queue, in its canonical place. */
uint32_t drv_txq(unsigned int q, uint32_t reg);
uint32_t drv_rxq(unsigned int q, uint32_t reg);

/* Puts a descriptor behind the others; drv_tx_go() tells the card. */
void drv_tx_push(unsigned int q, struct igb_desc desc);
void drv_tx_go(unsigned int q);
struct igb_desc *drv_tx_ring(unsigned int q);
struct igb_desc *drv_rx_ring(unsigned int q);
/* An advanced data descriptor of a whole frame; @cmd, @opts: further bits of its words. */
struct igb_desc drv_data(const void *frame, size_t len, uint32_t cmd, uint32_t opts);
struct igb_desc drv_context(size_t maclen, size_t iplen, size_t l4len, size_t mss, uint16_t vlan,
			    uint32_t tucmd);
/* Sends one frame from queue @q. */
void drv_send(unsigned int q, const void *frame, size_t len, uint32_t cmd, uint32_t opts);

/* The next descriptor that queue @q has written back; NULL: none. */
const struct igb_desc *drv_received(unsigned int q);
/* Posts the buffer of the next descriptor: one more than drv_rx_queue() did or, when those were all
 * but one, round and round; drv_rx_go() tells the card. */
void drv_rx_post(unsigned int q);
void drv_rx_go(unsigned int q);
/* The buffer of the descriptor that drv_received() gave last. */
const uint8_t *drv_rx_data(unsigned int q);
const uint8_t *drv_rx_header(unsigned int q);
static inline uint32_t drv_status(const struct igb_desc *d)
{
	return d->lo;
}
static inline uint32_t drv_len(const struct igb_desc *d)
{
	return d->hi & 0xffff;
}

/* Frames. */
struct drv_frame {
	uint8_t data[10240];
	size_t len;
};
/* Ethernet, IPv4 (or IPv6), TCP or UDP with right checksums and @payload bytes of a pattern. */
void drv_make(struct drv_frame *f, bool ipv6, bool tcp, size_t payload);
/* The same with a tag. */
void drv_tag(struct drv_frame *f, uint16_t tci);
uint16_t drv_sum(const void *data, size_t len, uint32_t start);

#endif
