/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians of a few rounds, as lines of text or as JSON. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_ROUNDS 9

static bool bench_json;
static bool bench_any;

static inline double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void bench_init(int argc, char **argv)
{
	bench_json = argc > 1 && !strcmp(argv[1], "--json");
}

static inline void bench_print(const char *name, double ns)
{
	if (bench_json)
		printf("%s{\"name\": \"%s\", \"ns\": %.2f}", bench_any ? ",\n " : "[", name, ns);
	else
		printf("%-44s %12.2f ns\n", name, ns);
	bench_any = true;
}

static inline void bench_end(void)
{
	if (bench_json)
		printf("]\n");
}

/* @fn does @count operations a call. Returns and prints the median time of one. */
static inline double bench_measure(const char *name, unsigned long count,
				   void (*fn)(unsigned long count))
{
	double each[BENCH_ROUNDS];
	int round;

	fn(count);
	for (round = 0; round < BENCH_ROUNDS; round++) {
		double start = bench_now();

		fn(count);
		each[round] = (bench_now() - start) / (double)count;
	}
	qsort(each, BENCH_ROUNDS, sizeof(each[0]), bench_compare);
	bench_print(name, each[BENCH_ROUNDS / 2]);
	return each[BENCH_ROUNDS / 2];
}

/* A device with a domain, for the benchmarks below the C API. */
#define BENCH_CHECK(expr)                                             \
	do {                                                          \
		if (expr) {                                           \
			fprintf(stderr, "bench: %s failed\n", #expr); \
			exit(1);                                      \
		}                                                     \
	} while (0)

#endif
