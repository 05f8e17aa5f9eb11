/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two DPDK processes and one DMA engine: dpdk-secondary EAL-ARGUMENTS -- COMMAND BDF.
 *
 *	primary BDF	starts the engine, says "ready"; for each line of stdin waits for a
 *			secondary; at the end checks what the last one copied, and copies itself
 *	secondary BDF	copies with the primary's engine, in EAL's shared memory
 *	hold BDF	a secondary that copies, says "ready" and goes on until the engine is gone
 *
 * Says "ok: COMMAND" and ends with 0; every wait has a limit.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dmadev.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#define LENGTH	 (64u << 10)
#define LIMIT_MS 30000
#define COPIES	 200
#define ZONE	 "secondary"
#define GONE_MS	 3000 /* no answer for so long, and the engine is gone */

static unsigned int limit_ms = LIMIT_MS;

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

static void say(const char *what, const char *more)
{
	printf("%s%s\n", what, more);
	fflush(stdout);
}

static int16_t engine(const char *bdf)
{
	int id = rte_dma_get_dev_id_by_name(bdf);

	if (id < 0)
		fail("no DMA engine %s", bdf);
	return (int16_t)id;
}

static void start_engine(int16_t id)
{
	const struct rte_dma_conf conf = { .nb_vchans = 1 };
	const struct rte_dma_vchan_conf vchan = { .direction = RTE_DMA_DIR_MEM_TO_MEM,
						  .nb_desc = 64 };

	if (rte_dma_configure(id, &conf) || rte_dma_vchan_setup(id, 0, &vchan) || rte_dma_start(id))
		fail("the engine does not start");
}

/* What both processes see at one address. */
struct shared {
	uint8_t from[LENGTH], to[LENGTH];
	atomic_uint attached, started; /* which round of it */
};

static uint8_t pattern(unsigned int i, unsigned int round)
{
	return (uint8_t)(i * 7 + (i >> 8) + round * 31);
}

/* False: the engine does not answer well. */
static bool copy_once(int16_t id, struct shared *zone, unsigned int round)
{
	uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() * limit_ms / 1000;
	uint8_t *from = zone->from, *to = zone->to;
	bool error = false;
	uint16_t last;

	for (unsigned int i = 0; i < LENGTH; i++)
		from[i] = pattern(i, round);
	memset(to, 0, LENGTH);
	if (rte_dma_copy(id, 0, rte_mem_virt2iova(from), rte_mem_virt2iova(to), LENGTH,
			 RTE_DMA_OP_FLAG_SUBMIT) < 0)
		return false;
	while (rte_dma_completed(id, 0, 1, &last, &error) != 1) {
		if (error || rte_get_timer_cycles() > end)
			return false;
		usleep(10);
	}
	return !memcmp(from, to, LENGTH);
}

static struct shared *find_zone(bool make)
{
	const struct rte_memzone *zone = make ? rte_memzone_reserve_aligned(ZONE,
									    sizeof(struct shared),
									    SOCKET_ID_ANY, 0, 4096)
					      : rte_memzone_lookup(ZONE);

	if (!zone)
		fail("no memory zone");
	return zone->addr;
}

/* Until the other process has said so. */
static void await(atomic_uint *flag, unsigned int value)
{
	for (int ms = 0; ms < LIMIT_MS && atomic_load(flag) != value; ms++)
		usleep(1000);
	if (atomic_load(flag) != value)
		fail("the other process is not there");
}

/* DPDK's driver resets the engine and forgets its descriptors whenever a process attaches to it:
 * the primary starts it then. */
static void primary(const char *bdf)
{
	int16_t id = engine(bdf);
	struct shared *zone = find_zone(true);
	struct rte_dma_stats stats;
	unsigned int round = 0;
	int c;

	start_engine(id);
	if (!copy_once(id, zone, 1))
		fail("the primary's own copy");
	say("ready", "");
	/* A line for each secondary that comes. */
	while ((c = getchar()) != EOF) {
		if (c != '\n')
			continue;
		await(&zone->attached, ++round);
		if (rte_dma_stop(id) && rte_dma_stop(id))
			fail("the engine does not stop");
		start_engine(id);
		rte_dma_stats_reset(id, 0);
		atomic_store(&zone->started, round);
	}
	if (round && (rte_dma_stats_get(id, 0, &stats) || stats.completed != COPIES))
		fail("%llu copies", (unsigned long long)stats.completed);
	for (unsigned int i = 0; i < LENGTH && round; i++)
		if (zone->to[i] != pattern(i, COPIES - 1))
			fail("byte %u of the secondary's last copy", i);
	if (!copy_once(id, zone, 2))
		fail("the primary's last copy");
	if (rte_dma_stop(id) && rte_dma_stop(id))
		fail("the engine does not stop");
}

static int16_t attach(const char *bdf, struct shared **zone)
{
	int16_t id = engine(bdf);
	unsigned int round;

	if (rte_eal_process_type() != RTE_PROC_SECONDARY)
		fail("no secondary process");
	*zone = find_zone(false);
	round = atomic_fetch_add(&(*zone)->attached, 1) + 1;
	await(&(*zone)->started, round);
	return id;
}

static void secondary(const char *bdf)
{
	struct shared *zone;
	int16_t id = attach(bdf, &zone);

	for (unsigned int i = 0; i < COPIES; i++)
		if (!copy_once(id, zone, i))
			fail("copy %u", i);
}

static void hold(const char *bdf)
{
	struct shared *zone;
	int16_t id = attach(bdf, &zone);

	if (!copy_once(id, zone, 0))
		fail("the first copy");
	say("ready", "");
	limit_ms = GONE_MS;
	while (copy_once(id, zone, 1))
		usleep(1000);
	say("ok: ", "hold");
	_exit(0);
}

int main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv);
	const char *command;

	if (n < 0 || argc - n != 3)
		fail("EAL");
	command = argv[n + 1];
	if (!strcmp(command, "primary"))
		primary(argv[n + 2]);
	else if (!strcmp(command, "secondary"))
		secondary(argv[n + 2]);
	else if (!strcmp(command, "hold"))
		hold(argv[n + 2]);
	else
		fail("no such command");
	if (rte_eal_cleanup())
		fail("EAL's end");
	say("ok: ", command);
	return 0;
}
