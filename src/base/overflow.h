/* SPDX-License-Identifier: BSD-3-Clause */
/* Checked arithmetic for numbers that come from outside. */
#ifndef BASE_OVERFLOW_H
#define BASE_OVERFLOW_H

#include <stdbool.h>
#include <stdint.h>

/* Each returns true when the result does not fit, and stores the wrapped result in *@out. */
#define check_add_overflow(a, b, out) __builtin_add_overflow(a, b, out)
#define check_sub_overflow(a, b, out) __builtin_sub_overflow(a, b, out)
#define check_mul_overflow(a, b, out) __builtin_mul_overflow(a, b, out)

/* True when [@start, @start + @len) is not empty and does not wrap; *@last is its inclusive end. */
static inline bool range_last(uint64_t start, uint64_t len, uint64_t *last)
{
	return len != 0 && !check_add_overflow(start, len - 1, last);
}

/* True when [@start, @start + @len) lies inside [0, @limit). An empty range may start at @limit. */
static inline bool range_within(uint64_t start, uint64_t len, uint64_t limit)
{
	return start <= limit && len <= limit - start;
}

#endif
