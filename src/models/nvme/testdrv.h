/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver for the unit tests, on models/testfunc.h: one controller and its queues. */
#ifndef MODELS_NVME_TESTDRV_H
#define MODELS_NVME_TESTDRV_H

#include "models/nvme/regs.h"
#include "models/testfunc.h"

#define DRV_DEPTH 16u /* entries of the admin queues and of I/O queues */

/* drv_plug(), and nothing is enabled. */
void drv_start(const char *const *options);
void drv_stop(void);
/* The same, and the controller is enabled. */
void drv_start_enabled(const char *const *options);

uint32_t drv_read32(uint32_t off);
uint64_t drv_read64(uint32_t off);
void drv_write32(uint32_t off, uint32_t value);
void drv_write64(uint32_t off, uint64_t value);

/* Sets the admin queues up and enables; returns CSTS. */
uint32_t drv_enable(void);
/* Makes I/O queue pair @id without interrupts (or with vector @id when @ien). */
void drv_create_pair(unsigned int id, bool ien);

/* Where the ring's entries are, to look at or to spoil. */
struct nvme_sqe *drv_sq(unsigned int id);
struct nvme_cqe *drv_cq(unsigned int id);
/* Puts a command into the queue; drv_ring() tells the device of all. */
void drv_push(unsigned int id, struct nvme_sqe cmd);
void drv_ring(unsigned int id);
/* The next completion, waiting at most 5 seconds; false: none came. @ack: write the head
 * doorbell. */
bool drv_reap(unsigned int id, struct nvme_cqe *cqe, bool ack);
/* Whether a completion is there now. */
bool drv_peek(unsigned int id);

/* One command from start to end; returns the completion. */
struct nvme_cqe drv_exec(unsigned int id, struct nvme_sqe cmd);
/* Its status: type and code, without More and Do Not Retry. */
uint16_t drv_status(unsigned int id, struct nvme_sqe cmd);

/* Read, Write or a relative on queue 1 and namespace 1. */
struct nvme_sqe drv_rw(uint8_t opcode, uint64_t slba, uint32_t nlb, const void *buf);

#define ck_status(id, cmd, expected) ck_assert_uint_eq(drv_status(id, cmd), expected)

#endif
