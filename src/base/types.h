/* SPDX-License-Identifier: BSD-3-Clause */
/* Scalar types and small macros that every folder uses. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An I/O virtual address: what a device puts on the bus. */
typedef uint64_t iova_t;
/* What an IOMMU page table holds: a host pointer, or a number in a reserved range (iommu/dma.h). */
typedef uint64_t paddr_t;

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define BIT(n)				(1U << (n))
#define BIT_ULL(n)			(1ULL << (n))
#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)
/* @a: a power of two. */
#define ALIGN_UP(x, a)	 (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The host's page size. uvfio runs on x86-64 only. */
#define HOST_PAGE_SHIFT 12
#define HOST_PAGE_SIZE	(1UL << HOST_PAGE_SHIFT)
#define HOST_PAGE_MASK	(~(HOST_PAGE_SIZE - 1))

#endif
