/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for the unit tests: one engine, a real IOMMU domain over one piece of memory, a ring of
 * descriptors for each channel. Everything fails the running check test when it does not work.
 */
#ifndef MODELS_IOAT_TESTDRV_H
#define MODELS_IOAT_TESTDRV_H

#include <check.h>

#include "iommu/dma.h"
#include "models/ioat/regs.h"
#include "pci/msi.h"
#include "pci/pci.h"

#define DRV_PAGE     4096u
#define DRV_RING     64u		  /* descriptors, linked to a circle */
#define DRV_BAD_IOVA 0x7000000000ULL	  /* nothing is mapped there */
#define DRV_RO_IOVA  0x6000000000ULL	  /* a page that may only be read */
#define DRV_CTL	     IOAT_CTL_COMPL_WRITE /* of drv_copy() and drv_fill() */

extern struct pci_dev *drv_dev;

/* Makes the function and maps memory; @options are "key=value", ending with NULL. */
void drv_start(const char *const *options);
void drv_stop(void);
/* Just the parsing: the message, or NULL when the options are fine. */
const char *drv_refused(const char *const *options);

/* Memory that the device can reach; zeroed, page aligned. */
void *drv_alloc(size_t size);
iova_t drv_iova(const void *p);
/* The mapping goes, and comes back. */
void drv_unmap(void);

uint64_t drv_read(uint32_t off, unsigned int width);
void drv_write(uint32_t off, unsigned int width, uint64_t value);
/* The same in channel @chan's block. */
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

/* A trigger on a vector; how often it was signalled. */
void drv_connect(enum pci_irq_type type, unsigned int vector);
uint64_t drv_signals(unsigned int vector);
void drv_disconnect(void);

/* For main(): runs the cases, returns the exit status. */
int drv_main(const char *name, TCase *const *cases, size_t n);

#endif
