/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for the unit tests, on models/testfunc.h: one engine, a ring of descriptors for each
 * channel.
 */
#ifndef MODELS_IOAT_TESTDRV_H
#define MODELS_IOAT_TESTDRV_H

#include "models/ioat/regs.h"
#include "models/testfunc.h"

#define DRV_RING    64u			 /* descriptors, linked to a circle */
#define DRV_RO_IOVA 0x6000000000ULL	 /* a page that may only be read */
#define DRV_CTL	    IOAT_CTL_COMPL_WRITE /* of drv_copy() and drv_fill() */

/* drv_plug() and the page at DRV_RO_IOVA. */
void drv_start(const char *const *options);
void drv_stop(void);

/* drv_read() and drv_write() in channel @chan's block. */
uint64_t drv_get(unsigned int chan, enum ioat_chan_reg reg, unsigned int width);
void drv_set(unsigned int chan, enum ioat_chan_reg reg, unsigned int width, uint64_t value);

/* Gives the channel its ring and its completion address: armed. */
void drv_arm(unsigned int chan);
/* Just CHAINADDR, to the ring's beginning. */
void drv_rewind(unsigned int chan);
struct ioat_desc *drv_ring(unsigned int chan);
uint64_t drv_completion(unsigned int chan); /* what was written to the completion address */
enum ioat_state drv_state(unsigned int chan);
/* CHANSTS' address as an index of the ring. */
unsigned int drv_last(unsigned int chan);

/* Puts a descriptor behind the others; its next pointer is the ring's. */
void drv_push(unsigned int chan, struct ioat_desc desc);
/* DMACOUNT: all that were pushed since CHAINADDR. */
void drv_go(unsigned int chan);
/* Waits at most 5 seconds until the channel is not active; the state. */
enum ioat_state drv_wait(unsigned int chan);
/* One descriptor from start to end; the state. */
enum ioat_state drv_exec(unsigned int chan, struct ioat_desc desc);
/* CHANERR after that, cleared; the channel is armed again. */
uint32_t drv_error(unsigned int chan, struct ioat_desc desc);

struct ioat_desc drv_copy(void *dst, const void *src, uint32_t size);
struct ioat_desc drv_fill(void *dst, uint64_t pattern, uint32_t size);

#endif
